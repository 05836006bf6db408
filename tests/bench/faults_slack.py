"""Slack's hop for `tests.bench.faults`: the real SDK and Bolt, the emulator, and a model that is a list.

A fault is a coroutine that sets the emulator's switches at a moment of an answer; what it may do to the
answer is said beside it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import adapters
from adapters.emulators.slack import Slack
from adapters.emulators.slack.chaos import PASSING
from bot.core.core import Core
from bot.events import Event, Finished, Text
from bot.guard.access import Access
from bot.model import Ask, Request, nobody
from bot.platform import Platform
from bot.show.writes import Showing
from bot.store.memory import Memory
from tests.bench import faults_files
from tests.bench.faults_files import AT_ONCE, WAYS, Way
from tests.bench.faults_seen import judged, told

if TYPE_CHECKING:
    from tests.bench.faults import Case, Player

#: When it begins: before the question, before the first word, in the middle, before the last word.
MOMENTS = ("before", "first", "middle", "last")
#: Calls that an answer is made of.
WRITES = ("chat.postMessage", "chat.update")
STREAMED = (*WRITES, "chat.startStream", "chat.appendStream", "chat.stopStream")
SETTINGS = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "SLACK_SIGNING_SECRET": ""}

#: What connects the emulator and the adapter, beyond the sockets that the adapter opens.
Link = Callable[[Slack, Platform], AbstractAsyncContextManager[None]]
Inject = Callable[[Slack, random.Random], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail.

    Attributes:
        inject: Sets the switches.
        ends: Whether the answer may end with it: its message is gone, or nothing can be written.
        unheard: Whether the question may stay unasked: Slack gives up telling of it.
        file: Whether the answer is a long one, whose file is refused.
    """

    inject: Inject
    ends: bool = False
    unheard: bool = False
    file: bool = False


def call(how: str, methods: Sequence[str] = STREAMED) -> Inject:
    async def inject(slack: Slack, rng: random.Random) -> None:
        for method in methods:
            await slack.fail(method, how, rng.choice((1, 1, 2)))

    return inject


def switch(name: str, **arguments: Any) -> Inject:
    async def inject(slack: Slack, _rng: random.Random) -> None:
        with suppress(LookupError):  # nobody is connected: then it cannot happen
            await getattr(slack, name)(**arguments)

    return inject


async def _reads(slack: Slack, rng: random.Random) -> None:
    """Fail what is read, and one write of which nobody knows."""
    await slack.fail("chat.postMessage", rng.choice([how for how in PASSING if "applied" in how]))
    for method in ("users.info", "conversations.replies", "reactions.add", "conversations.history"):
        await slack.fail(method, rng.choice([how for how in PASSING if "applied" not in how]))


async def _slow(slack: Slack, rng: random.Random) -> None:
    """Let calls take longer than they may: they land, and nobody hears of it."""
    for method in STREAMED:
        await slack.fault(method, delay=11.0, apply=rng.random() < 0.5)


async def _by_chance(slack: Slack, rng: random.Random) -> None:
    await slack.chaos(rng.randrange(10**6), 0.2)


async def _handshakes(slack: Slack, rng: random.Random) -> None:
    await slack.fault("link", times=rng.randint(1, 9), status=rng.choice((403, 408, 500, 503)))
    await slack.drop(every=True)


async def _cut_handshakes(slack: Slack, rng: random.Random) -> None:
    await slack.fault("link", times=rng.randint(1, 9), drop=True)
    await slack.drop(every=True)


async def _no_tickets(slack: Slack, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 9)):
        await slack.fail("apps.connections.open", rng.choice(PASSING))
    await slack.drop(every=True)


async def _stale_tickets(slack: Slack, rng: random.Random) -> None:
    await slack.tickets(spoilt=rng.randint(1, 9))
    await slack.disconnect("refresh_requested", every=rng.random() < 0.5)


async def _half_open(slack: Slack, rng: random.Random) -> None:
    await slack.mute(every=rng.random() < 0.5, also_new=rng.randint(0, 3))


async def _no_hello(slack: Slack, rng: random.Random) -> None:
    await slack.no_hello(rng.randint(1, 4))
    await slack.drop(every=True)


async def deliveries(slack: Slack, rng: random.Random) -> None:
    await slack.deliveries(rng.randrange(10**6), copies=4, spread=2.0)


async def redelivered(slack: Slack, rng: random.Random) -> None:
    with suppress(LookupError):
        await slack.redeliver(rng.randint(1, 3))


def revoked(error: str, *, tell: bool) -> Inject:
    async def inject(slack: Slack, rng: random.Random) -> None:
        await slack.revoke(error, tell=tell)
        loop = asyncio.get_running_loop()
        loop.call_later(rng.uniform(1, 900), lambda: slack.spawn(slack.restore()))

    return inject


def file(way: Way) -> Inject:
    async def inject(slack: Slack, rng: random.Random) -> None:
        calls = ["files.getUploadURLExternal", "upload", "files.completeUploadExternal"]
        call, late = ("upload" if way.late else rng.choice(calls)), bool(way.late)
        body = "ERROR" if call == "upload" else None
        await slack.fault(call, 1000, way.status, "new_error", body=body, drop=late, delay=way.late)

    return inject


#: What a workspace's admins, its people or its age do to a message: there is nothing left to write to.
ENDS = ("channel_not_found", "not_in_channel", "is_archived", "restricted_action")

TABLE: Mapping[str, Fault] = {
    **{how: Fault(call(how)) for how in PASSING},
    **{error: Fault(call(error), ends=True) for error in ENDS},
    "message_not_found": Fault(call("message_not_found", STREAMED[1:2] + STREAMED[3:]), ends=True),
    "cant_update_message": Fault(call("cant_update_message", ["chat.update"])),
    "edit_window_closed": Fault(call("edit_window_closed", ["chat.update"])),
    "msg_too_long": Fault(call("msg_too_long", STREAMED[:-1])),
    "message_not_in_streaming_state": Fault(switch("expire")),
    "message_truncated": Fault(switch("shorten", characters=2_000)),
    "narrow": Fault(switch("narrow", characters=2_000)),
    "reads": Fault(_reads),
    "timeout": Fault(_slow),
    "by chance": Fault(_by_chance),
    "disconnect warning": Fault(switch("disconnect", reason="warning")),
    "disconnect refresh": Fault(switch("disconnect", reason="refresh_requested")),
    "disconnect all": Fault(switch("disconnect", reason="refresh_requested", every=True)),
    "too many sockets": Fault(switch("disconnect", reason="too_many_websockets")),
    "drop": Fault(switch("drop")),
    "drop all": Fault(switch("drop", every=True)),
    "handshake refused": Fault(_handshakes),
    "handshake cut": Fault(_cut_handshakes),
    "no tickets": Fault(_no_tickets),
    "stale tickets": Fault(_stale_tickets),
    "half-open": Fault(_half_open),
    "no hello": Fault(_no_hello),
    "duplicates": Fault(deliveries),
    "redelivered": Fault(redelivered),
    "app_rate_limited": Fault(switch("rate_limit_app")),
    "tokens_revoked": Fault(revoked("token_revoked", tell=True), unheard=True),
    "token_revoked": Fault(revoked("token_revoked", tell=False), unheard=True),
    "app_uninstalled": Fault(revoked("account_inactive", tell=True), unheard=True),
    "invalid_auth": Fault(revoked("invalid_auth", tell=False), unheard=True),
    **{name: Fault(file(way), file=True) for name, way in WAYS.items()},
}
FAULTS = tuple(TABLE)


class Halting:
    """A model that says words, and calls back at a moment of its answer."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.at: dict[int, Callable[[], Awaitable[None]]] = {}
        self.asked = 0
        self.ended = 0.0  # when, by the loop's clock

    async def stream(self, _request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        self.asked += 1
        for number, word in enumerate(self.words):
            if inject := self.at.pop(number, None):
                await inject()
            yield Text(word)
            await asyncio.sleep(0.3)
        self.ended = asyncio.get_running_loop().time()
        yield Finished()


@asynccontextmanager
async def opened(
    table: Mapping[str, Fault] = TABLE, link: Link = lambda _slack, _platform: nullcontext(), **settings: str
) -> AsyncIterator[Player]:
    """Start the emulator and the adapter; see `faults.Hop`."""
    slack = Slack()
    await slack.start()
    await slack.limits(on=False)
    model = Halting()
    platform = adapters.load("slack", **{**SETTINGS, "SLACK_API_URL": f"{slack.url}/api/", **settings})
    assert platform
    core = Core(model, Memory(), Access())
    running = asyncio.create_task(platform.run(core))

    async def play(case: Case) -> str:
        while platform.health != "up":
            running.done() and running.result()
            await asyncio.sleep(1.0)
        return await _played(slack, core, model, table[case.fault], case)

    try:
        async with link(slack, platform):
            yield play
    finally:
        running.cancel()
        await asyncio.wait({running})
        await slack.stop()


async def _played(slack: Slack, core: Core, model: Halting, fault: Fault, case: Case) -> str:
    rng = random.Random(f"text of {case}")
    model.words = faults_files.words(rng) if fault.file else told(rng)
    model.asked = 0
    showing = faults_files.showing(11_000) if fault.file else Showing()
    core.means = replace(core.means, terms=faults_files.terms(showing))
    moments = {"first": 0, "middle": len(model.words) // 2, "last": len(model.words) - 1}

    async def inject() -> None:
        await fault.inject(slack, rng)

    model.at = {moments[case.moment]: inject} if case.moment in moments else {}
    if case.moment == "before":
        await inject()
    channel = rng.choice(("C1", "DU1"))
    question = await slack.say(channel, "U1", f"<@UBOT> {case}")
    took = await _over(core, model)
    await slack.calm()
    await _over(core, model)
    while await core._store.unfinished("slack"):  # given up, it is taken up again
        await asyncio.sleep(1.0)
    shown = [each for each in await slack.thread(channel, question) if each["user"] == "UBOT"]
    shown = [each for each in shown if not each["deleted"]]
    wrong = judged(shown, model, fault)
    if fault.file and not wrong:
        wrong = faults_files.judged(shown, took) or await _next(slack, core, model, channel, question)
    return wrong


async def _next(slack: Slack, core: Core, model: Halting, channel: str, question: str) -> str:
    """Ask once more in the thread; return a complaint if the model is not asked at once."""
    model.words = ["Yes."]
    await slack.say(channel, "U1", "<@UBOT> and then?", question)
    began = asyncio.get_running_loop().time()
    while model.asked < 2 and asyncio.get_running_loop().time() - began < AT_ONCE:
        await asyncio.sleep(0.1)
    asked = model.asked
    await _over(core, model)
    return "" if asked == 2 else "stuck: the next question was not answered at once"


async def _over(core: Core, model: Halting) -> float:
    """Wait until the question was asked and its answer is over, and for what may still come after it.

    Returns:
        How long after the model the answer was over.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not model.asked and loop.time() - began < 400.0:  # Slack's last retry comes after six minutes
        await asyncio.sleep(1.0)
    while core._lives:
        await asyncio.wait(core._lives)
    took = loop.time() - model.ended
    await asyncio.sleep(30.0)
    return took
