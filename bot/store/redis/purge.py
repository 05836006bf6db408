"""Deletes from Redis what the ledger has there; what replicas need to know of each other stays."""

from __future__ import annotations

from bot.store import ROWS_KEPT
from bot.store.redis import scripts
from bot.store.redis.keys import Names
from bot.store.redis.scripts import AT_ONCE
from bot.store.redis.wire import Wire

#: What the ledger's keys begin with after the prefix; of those the one that each question has.
KINDS = frozenset({"turn", "said", "open", "talks", "asker", "shown", "notes", "ratings", "choices"})
TURN = "turn"
#: Keys that are looked at in one step.
LOOK = 1000


async def purge(wire: Wire, names: Names) -> int:
    """Delete what people asked, were answered, noted, rated and chose; return how many questions that were.

    Raises:
        OSError: Redis is away, or refuses.
    """
    begins = f"{names.of()}:".encode()
    at, count = 0, 0
    while True:
        at, found = await wire.ask("SCAN", at, "MATCH", begins + b"*", "COUNT", LOOK)
        kinds = {key: key.removeprefix(begins).partition(b":")[0].decode(errors="replace") for key in found}
        if ours := [key for key, kind in kinds.items() if kind in KINDS]:
            told = await wire.ask("UNLINK", *ours)
            turns = [key for key in ours if kinds[key] == TURN]
            count += len(turns) if told else 0
        if not at:
            return count


async def forget(wire: Wire, names: Names, actor: str) -> int:
    """Delete what *actor* asked and was answered; return how many questions that were; raises as `purge`."""
    keys = [names.of("asker", actor), names.of("open")]
    begins = [names.of(kind, "") for kind in ("turn", "said", "talks", "shown")]
    count, looked = 0, AT_ONCE
    while looked == AT_ONCE:
        looked, forgotten = await wire.call(scripts.FORGET, keys, [*begins, AT_ONCE, int(ROWS_KEPT)])
        count += forgotten
    return count
