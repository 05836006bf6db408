"""Round trips to Redis, by what they are for: counted in a replica, summed up in the bench."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bot.store.redis import limits, money_scripts, scripts
from bot.store.redis.peers import scripts as peers_scripts
from bot.store.redis.wire import Script, Wire

#: What scripts are called, by what Redis knows them by.
NAMES = {
    each.sha: name
    for module in (scripts, peers_scripts, money_scripts, limits)
    for name, each in vars(module).items()
    if isinstance(each, Script)
}
#: What goes out regularly, answers or not; what goes along with it costs no round trip.
REGULAR = ("BEAT", "HGETALL")
#: Of kinds that come less often than this for an answer nothing is told.
RARE = 0.05

Words = tuple[Any, ...]


def counting() -> Counter[str]:
    """Count from now on all round trips of this process; return the counts."""
    counts: Counter[str] = Counter()
    sent, client = Wire._sent, Wire.client

    async def counted(self: Wire, to: Any, words: Sequence[Words]) -> list[Any]:
        counts["+".join(sorted({_name(each) for each in words}))] += 1
        return await sent(self, to, words)

    def blocking(self: Wire, *patience: float) -> Any:
        made: Any = client(self, *patience)
        execute = made.execute_command

        async def executed(*words: Any) -> Any:
            said = await execute(*words)
            counts[str(words[0])] += bool(said)  # one that came to nothing was there without answers
            return said

        made.execute_command = executed
        return made

    Wire._sent, Wire.client = counted, blocking  # type: ignore[method-assign,assignment]
    return counts


def _name(words: Words) -> str:
    """Return what a request is called: the script that it runs, or the command."""
    name = NAMES.get(words[1], "EVALSHA") if words[0] == "EVALSHA" else str(words[0])
    return f"{name} {words[3 + words[2]]}" if name == "MONEY" else name


def _regular(kind: str) -> bool:
    """Tell whether a round trip of this *kind* is made anyway."""
    return any(each in kind.split("+") for each in REGULAR)


def regular(counts: Mapping[str, int]) -> int:
    """Return how many of *counts* were made anyway."""
    return sum(number for kind, number in counts.items() if _regular(kind))


def each(before: Mapping[str, int], after: Mapping[str, int], answers: int) -> dict[str, float]:
    """Return how many round trips there were for each of so many answers, by kind, most first."""
    counts = Counter(after)
    counts.subtract(before)
    return {kind: number / answers for kind, number in counts.most_common() if not _regular(kind)}


def shown(kinds: Mapping[str, float]) -> dict[str, float]:
    """Return what is worth telling of `each`."""
    return {kind: round(number, 2) for kind, number in kinds.items() if number >= RARE}
