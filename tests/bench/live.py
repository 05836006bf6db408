"""`live`: the scenario of the virtual bench over real sockets, beside what the virtual bench says of it.

Real SDKs and the real bot in its own process with the product's own budgets; the emulators in another, with
the documented limits.  What readers saw when is taken from the emulators' logs.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from adapters.slack.surface import SlackSurface
from bot.platform import Surface
from tests.bench.rig import UNBOUND_TEXT, Entry, Side, rigged
from tests.bench.scenario import DELTA, LOADS, THINKS, Spoken, round_trip, summary

LIMITS = (
    "the emulators' own (Slack chat.update 50 in any 60 s, Retry-After 10; Discord 5 per 5 s, 50/s in all), "
    "the bot's own budgets; a write takes 0.15 s + Exp(0.08) s, drawn anew every 50 ms, half of it before it "
    f"applies; {UNBOUND_TEXT}"
)

#: Seconds between two draws of the network's latency, which all writes that arrive in between share.
REDRAW = 0.05
#: Seconds after the last answer's end at which what is not visible counts as never shown.
PATIENCE = 120.0

#: What the bot is told besides, by kind.
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "slack_update": {"RIVULET_SLACK_STREAMING": "edit"},
    "discord_channel": {"RIVULET_DISCORD_REPLY": "channel"},
    "discord_auto": {"RIVULET_DISCORD_REPLY": "auto"},
    "slack_native": {"RIVULET_SLACK_STREAMING": "auto"},
}
#: What is no write, and takes no time.
READS = {
    "slack": (
        "auth.test",
        "users.info",
        "conversations.history",
        "conversations.replies",
        "conversations.info",
    ),
    "discord": ("GET messages", "GET message"),
}
#: What the logs call a new message, and all that changes one.
POSTS = ("post", "start")
WRITES = (*POSTS, "edit", "append", "stop", "delete")
#: What the argument of `latency` is called that says for what it is.
WHAT = {"slack": "method", "discord": "route"}
#: The load of --quick.
QUICK = "one wave of 15 s"


def quick_wave(n: int, rng: random.Random) -> list[Spoken]:
    """Return one wave of answers of 15 s."""
    return [Spoken(k, rng.uniform(0, 2), 15.0, rng.uniform(150, 350), f"C{k // 4}") for k in range(n)]


@dataclass
class Run:
    """What one or more runs of a cell gave.

    Attributes:
        spoken: The answers, with what was visible when.
        refused: How many 429s there were.
        torn: Answers that do not read exactly what the model said.
        calls: How many calls of each kind the bot made.
        late: By how many seconds answers began after their time.
        drift: By how many seconds the model ended after the schedule.
        lag_ms: Of the bot's event loop, p99.
        cpu_percent: Of the bot's process, of one core.
    """

    spoken: list[Spoken] = field(default_factory=list)
    refused: int = 0
    torn: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    late: list[float] = field(default_factory=list)
    drift: list[float] = field(default_factory=list)
    lag_ms: list[float] = field(default_factory=list)
    cpu_percent: list[float] = field(default_factory=list)


async def bench(
    *,
    quick: bool,
    seed: int,
    ns: Sequence[int] = (),
    seeds: Sequence[int] = (),
    only: Sequence[str] = (),
    delta: int = DELTA,
) -> dict[str, Any]:
    """Run every kind in *only* with every number of answers in *ns*, once for each of *seeds*.

    Args:
        quick: One short wave of few answers, all kinds at the same time.
        seed: Not used.
        ns: How many answers a wave has; () for the usual ones.
        seeds: Of the loads; () for 0.
        only: The kinds; () for all.
        delta: Characters of a delta on the wire.  Fewer than the scenario's 20, at the same times, make an
            answer that fits one message of Discord's, as the virtual bench supposes; figures stay in 20s.
    """
    load = QUICK if quick else "waves"
    LOADS.setdefault(QUICK, quick_wave)
    ns, seeds, kinds = ns or ((1, 4) if quick else (1, 4, 16)), seeds or (0,), only or tuple(SETTINGS)
    measured: dict[str, Any] = {"limits": LIMITS, "seeds": list(seeds), "delta": delta}

    async def cells(kind: str) -> dict[str, Any]:
        return {str(n): await _cell(kind, n, seeds, load, delta) for n in ns}

    if quick:
        found = await asyncio.gather(*map(cells, kinds))
    else:
        found = [await cells(kind) for kind in kinds]
    measured |= dict(zip(kinds, found, strict=True))
    for kind in kinds:  # only now: it would take CPU from what is measured
        for n, cell in measured[kind].items():
            cell["virtual"] = virtual = _virtual(kind, int(n), seeds, load)
            cell["ratio"] = round(cell["mean"] / virtual["mean"], 2) if virtual else None
    return measured


def _virtual(kind: str, n: int, seeds: Sequence[int], load: str) -> dict[str, float] | None:
    """Return what the virtual bench gives for the same answers; None while there is none."""
    try:
        from tests.bench.pacing import played  # noqa: PLC0415  it is not needed to measure
    except ImportError:
        return None
    same = {"discord_auto": "discord_crowd"}  # all are asked in one channel
    if SlackSurface.escape is not Surface.escape:
        same["slack_update"] = "slack_lanes"
    return played(same.get(kind, kind), n, seeds, load)


async def _cell(kind: str, n: int, seeds: Sequence[int], load: str, delta: int) -> dict[str, Any]:
    run = Run()
    for seed in seeds:
        rng = random.Random(seed)
        await _Stage(kind, LOADS[load](n, rng), rng, delta).play(run)
    return {
        **summary(run.spoken, run.refused, len(seeds)),
        "torn": run.torn,
        "late_ms": round(max(run.late) * 1000),
        "drift_ms": round(max(map(abs, run.drift)) * 1000),
        "lag_ms": round(max(run.lag_ms), 1),
        "cpu_percent": round(max(run.cpu_percent), 1),
        "calls": dict(run.calls.most_common()),
    }


class _Stage:
    """One run: asks, waits until everything is said and shown, and reads the logs.

    Args:
        kind: See `SETTINGS`.
        load: The answers; their starts become those of the clock.
        rng: For round trips.
        delta: Characters of a delta on the wire.
    """

    def __init__(self, kind: str, load: Sequence[Spoken], rng: random.Random, delta: int) -> None:
        self._kind = kind
        self._load = load
        self._rng = rng
        self._delta = delta
        self._asked: dict[str, Spoken] = {}

    async def play(self, run: Run) -> None:
        """Play it and add what was seen to *run*."""
        async with rigged(limits=True, warm=False, settings=SETTINGS[self._kind]) as rig:
            self._rig = rig
            self._side = rig.sides[self._kind.startswith("discord")]
            await self._prepare()
            async with _network(self._side, self._rng):
                await rig.bot.report()
                cpu, began = rig.bot.cpu, time.monotonic() + THINKS + 0.5
                async with asyncio.TaskGroup() as people:
                    for one in self._load:
                        people.create_task(self._ask(one, began + one.start - THINKS))
                await self._over(began + max(one.end for one in self._load) + PATIENCE)
                report = await rig.bot.report()
                run.lag_ms.append(report["lag_ms"]["p99"])
                run.cpu_percent.append((rig.bot.cpu - cpu) / report["seconds"] * 100)
            await self._times(run, began)
            await self._look(run)
        run.spoken += self._load

    async def _prepare(self) -> None:
        for one in self._load:
            await self._rig.world.claude.script(steps=self._script(one), when=self._question(one))
            if self._side.name == "slack":
                await self._side.remote.user(id=self._person(one), name=f"person {one.number}")

    def _question(self, one: Spoken) -> str:
        return f"{self._kind} {one.number}."

    def _person(self, one: Spoken) -> str:
        return self._side.person if self._side.name == "discord" else f"U{500 + one.number}"

    def _channel(self, one: Spoken) -> str:
        if self._side.name == "discord":
            return self._side.channel(0)
        return f"D{500 + one.number}" if self._kind == "slack_native" else one.channel

    def _text(self, one: Spoken) -> str:
        """Return what the model says: nothing that a page's end would trim, and no part of it twice."""
        whole, rest = divmod(one.total, DELTA)
        size = whole * self._delta + -(-rest * self._delta // DELTA)
        return "".join(f"w{number:05d}-" for number in range(size // 7 + 1))[:size]

    def _script(self, one: Spoken) -> list[str | float]:
        """Return the steps that say it at the times of `Spoken.said`."""
        text, whole, pause = self._text(one), one.total // DELTA, DELTA / one.rate
        parts = [text[start : start + self._delta] for start in range(0, len(text), self._delta)]
        steps = [step for part in parts[:whole] for step in (pause, part)]
        return [THINKS, *steps, max(0.0, one.seconds - whole * pause), *parts[whole:]]

    async def _ask(self, one: Spoken, when: float) -> None:
        await asyncio.sleep(when - time.monotonic())
        mention = f"{self._side.mention} {self._question(one)}"
        asked = {"channel": self._channel(one), "user": self._person(one), "text": mention}
        self._asked[str(await self._side.remote.say(**asked))] = one

    async def _over(self, until: float) -> None:
        """Wait until every answer is whole and final; returns *until* at the latest."""
        await asyncio.sleep(max(0.0, until - PATIENCE - time.monotonic()))
        while time.monotonic() < until:
            await self._see(await self._side.remote.events(kinds=WRITES))
            if all(one.final is not None for one in self._load):
                break
            await asyncio.sleep(1.0)
        await asyncio.sleep(1.0)  # in case that something is still deleted or posted

    async def _times(self, run: Run, began: float) -> None:
        """Learn when the model really spoke."""
        for one in self._load:
            times = (await self._rig.world.claude.find(question=self._question(one)))["times"]
            planned, one.start = began + one.start, times["first"] - DELTA / one.rate
            run.late.append(one.start - planned)
            run.drift.append(times["end"] - one.end)

    async def _look(self, run: Run) -> None:
        """Learn what was visible when, what calls that took, and whether it was right in the end."""
        calls = await self._side.remote.events(kinds=["call", "429"])
        run.refused += sum(entry["kind"] == "429" for entry in calls)
        what = WHAT[self._side.name]
        run.calls.update(entry[what] or "other" for entry in calls if entry["kind"] == "call")
        screens = await self._see(await self._side.remote.events(kinds=WRITES))
        for one in self._load:
            pages = [await self._read(entry) for entry in screens[one.number].pages.values()]
            run.torn += "".join(pages) != self._text(one)

    async def _see(self, entries: Sequence[Entry]) -> dict[int, _Screen]:
        """Return what readers have seen of every answer, by its number, from all *entries* about writes."""
        screens = {one.number: _Screen(one, len(self._text(one)), self._delta) for one in self._load}
        owners = self._slack_owners(entries) if self._side.name == "slack" else await self._discord_owners()
        for entry in entries:
            if one := owners.get(_message(entry)):
                screens[one.number].take(entry)
        return screens

    def _slack_owners(self, entries: Sequence[Entry]) -> dict[str, Spoken]:
        """Return whose every message of the bot is: it stands in its question's thread."""
        posts = [entry for entry in entries if entry["kind"] in POSTS]
        return {_message(post): self._asked[post["thread_ts"]] for post in posts}

    async def _discord_owners(self) -> dict[str, Spoken]:
        """Return whose every message of the bot is: in its question's thread, or a reply in a chain to it."""
        remote, owners = self._side.remote, dict(self._asked)
        channels = {entry["channel"] for entry in await remote.events(kinds=POSTS)}
        for channel in sorted(channels, key=int):
            for message in await remote.messages(channel=channel):
                one = self._asked.get(channel) or owners.get(message["reply_to"])
                if message["bot"] and one:
                    owners[message["id"]] = one
        return owners

    async def _read(self, entry: Entry) -> str:
        name = "ts" if self._side.name == "slack" else "message"
        seen = await self._side.remote.message(channel=entry["channel"], **{name: entry[name]})
        return str(seen["text"])


class _Screen:
    """What a reader sees of one answer.

    Args:
        one: The answer.
        size: How many characters the model says on the wire.
        delta: Characters of a delta on the wire.

    Attributes:
        pages: The newest entry of every message that is there, oldest message first.
    """

    def __init__(self, one: Spoken, size: int, delta: int) -> None:
        self.pages: dict[str, Entry] = {}
        one.seen, one.final, one.posted = [], None, False
        self._one = one
        self._size = size
        self._delta = delta

    def take(self, entry: Entry) -> None:
        """See the next entry of the log about a message of this answer."""
        key = _message(entry)
        if entry["kind"] == "delete":
            self.pages.pop(key, None)
            return
        newest = next(reversed(self.pages.values()), None)
        if entry["kind"] in POSTS and not entry["live"] and newest and newest["live"]:
            self._one.posted = True  # in place of the newest, which is about to be deleted
            del self.pages[_message(newest)]
        self.pages[key] = entry
        length = sum(page["length"] for page in self.pages.values() if not page["empty"])
        seen = self._one.total if length >= self._size else length * DELTA // self._delta
        self._one.show(entry["t"], seen)
        if any(page["live"] for page in self.pages.values()) or seen < self._one.total:
            self._one.final = None
        elif self._one.final is None:
            self._one.final = entry["t"]


def _message(entry: Entry) -> str:
    return str(entry.get("ts") or entry["message"])


@asynccontextmanager
async def _network(side: Side, rng: random.Random) -> AsyncIterator[None]:
    """Let writes take as long as in the virtual bench while the block runs."""

    async def takes(what: str, seconds: float) -> None:
        await side.remote.latency(**{WHAT[side.name]: what, "seconds": seconds})

    async def redraw() -> None:
        while True:
            await takes("*", round_trip(rng))
            await asyncio.sleep(REDRAW)

    for read in READS[side.name]:
        await takes(read, 0.0)
    drawing = asyncio.create_task(redraw())
    try:
        yield
    finally:
        drawing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await drawing


def rows(measured: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return what was measured as a table for people."""
    shown: Sequence[tuple[str, Callable[[Mapping[str, Any]], str]]] = (
        ("mean s", lambda cell: f"{cell['mean']:.2f}"),
        ("virtual", lambda cell: f"{cell['virtual']['mean']:.2f}" if cell["virtual"] else "-"),
        ("ratio", lambda cell: f"{cell['ratio']:.2f}" if cell["virtual"] else "-"),
        ("p95", lambda cell: f"{cell['p95']:.1f}"),
        *(
            (name, lambda cell, name=name: f"{cell[name]:g}")
            for name in ("n429", "first", "final", "final_p95", "unshown", "torn", "posted")
        ),
        ("late/drift ms", lambda cell: f"{cell['late_ms']}/{cell['drift_ms']}"),
        ("lag ms", lambda cell: f"{cell['lag_ms']:g}"),
        ("CPU %", lambda cell: f"{cell['cpu_percent']:g}"),
        ("calls", lambda cell: ", ".join(f"{name} {many}" for name, many in cell["calls"].items())),
    )
    found = [("what", "N", *(name for name, _ in shown))]
    for kind in SETTINGS:
        for n, cell in measured.get(kind, {}).items():
            found.append((kind, n, *(text(cell) for _, text in shown)))
    return found
