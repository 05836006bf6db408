"""What every platform must do the same way: people's actions in words that no platform owns.

`tests/test_contract*.py` run once per class in `WORLDS` (tests/worlds.py).  To let a third platform pass
them, write its emulator, subclass `World` (its abstract members are all there is to it) and add the class
to `WORLDS`.

A message's id is "channel/message" here.  A question is a message that a person wrote to the bot; its
answers are the messages in which the bot answers it, in order.  Tests wait for conditions with `until` and
never for a time; what must not happen is looked for after `settled`, when the adapter has taken all that
its emulator told it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from bot.config import Settings
from bot.core.core import Core
from bot.core.live import Live
from bot.events import Event, Finished, Text, ToolStarted
from bot.model import Ask, Request, nobody
from bot.model.script import Script, call, calls, wanting
from bot.platform import Actor, Asked, Place, Platform, Remains, Surface
from bot.run.supervise import build
from bot.store.memory import Memory
from bot.tools import Offered

#: Seconds that anything may take on a machine that is busy with other things.
PATIENCE = 60.0

#: How a platform may fail a call: a 429, a message that is gone, a 500, a connection that is cut, no answer.
Trouble = Literal["slow", "gone", "ill", "cut", "late"]
#: "attach" is the call that makes files visible to readers.
Call = Literal["post", "edit", "attach"]
#: What a platform may mind in a call: whatever is in it, its buttons (and what comes only with them), or what
#: a post is known by when it is in doubt.
Part = Literal["anything", "buttons", "mark"]

Found = TypeVar("Found")

#: Tests ask as often as they like; what the intake bounds by default has tests of its own.
UNBOUND = {"RIVULET_USER_TURNS": 0, "RIVULET_USER_PER_MINUTE": 0, "RIVULET_USER_PER_HOUR": 0}

#: A step of `Told` that lasts until the test sets `go`.
HOLD = 0


class Told(Script):
    """A script that a test can hold at `HOLD` and change between two questions.

    Attributes:
        go: Lets it go on.
        running: How many streams are open: 0 once the core has hung up.
        reason: Why it stops.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reason = "end_turn"
        self.steps: Sequence[str | int | Mapping[str, Any]] = ("Yes.",)
        self.go = asyncio.Event()
        self.running = 0

    async def stream(self, request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        self.requests.append(request)
        self.running += 1
        try:
            self._steps = tuple(self.steps)
            for step in self._left(request):
                if isinstance(step, str):
                    yield Text(step)
                elif calls(step, request):
                    called = call(step, 0)
                    yield ToolStarted(called["id"], called["name"])
                    yield wanting(request, [called])
                    return
                else:
                    await self.go.wait()
            yield Finished(self.reason)
        finally:
            self.running -= 1


@dataclass(frozen=True)
class Seen:
    """A message of the bot, as a reader sees it.

    Attributes:
        live: Whether it has a Stop button.
        edits: How often it was changed.
        under: What it replies to: a message or a thread.
    """

    id: str
    text: str
    note: str
    live: bool
    edits: int
    under: str

    @classmethod
    def of(cls, shown: dict[str, Any], message: str, under: str) -> Seen:
        """Return *message* as an emulator has *shown* it."""
        return cls(message, shown["text"], shown["note"], shown["live"], shown["edits"], under)


class World(ABC):
    """One platform: its emulator, the real adapter, a core and a model that does what it is told.

    Attributes:
        name: The adapter's.
        ann, bob: People who may use the bot.
        bots: A bot, and the bot itself.
        stops: Reactions that stop an answer, in every look that people can give them.
        others: Reactions that stop nothing.
        page: Characters that one message holds.
        pause: Seconds that a 429 of `trouble` asks for.
        alone: Whether a conversation has one person: then bob is ann on another device.
        left: The keys of the messages that a restart left open.
        leaves_open: Whether this test makes it impossible to end a message.
    """

    name: str
    ann: str
    bob: str
    bots: Sequence[str]
    stops: Sequence[str]
    others: Sequence[str]
    page: int
    pause: float
    alone = False

    def __init__(self, emulator: Any, **settings: Any) -> None:
        self.emulator = emulator
        self.left: list[str] = []
        self.store = Memory()
        self.leaves_open = False
        self.model = Told()
        self.settings = {**UNBOUND, **settings}
        self.tools: list[Offered] = []
        self.platform = self.load()
        self.core: Core = self.fresh_core()
        self.running: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, **settings: Any) -> World:
        """Start the emulator, and connect the adapter to it; *settings* are the core's."""
        emulator = cls.new_emulator()
        await emulator.start()
        await emulator.limits(on=False)
        world = cls(emulator, **settings)
        await world.connect()
        return world

    async def connect(self) -> None:
        """Let the adapter feed the core."""
        self.running = asyncio.create_task(self.platform.run(self.core))
        await until(self.connected)

    async def disconnect(self) -> None:
        """End all answers and the adapter, as a shutdown does."""
        await self.core.drain()
        await self.vanish()

    async def vanish(self) -> None:
        """End the adapter without a word, as a crash does."""
        if self.running:
            self.running.cancel()
            await asyncio.wait({self.running})
            self.running = None

    async def restart(self, *, remember: bool = False) -> None:
        """Crash, and come back with the ledger, if that is to be remembered, and nothing else."""
        await self.crash()
        if not remember:
            self.store = Memory()
        self.platform = self.load()
        self.core = self.fresh_core()
        await self.connect()

    async def crash(self) -> None:
        """End everything without a word; the ledger is what it is."""
        await self.vanish()
        lives = dict(self.core._lives)
        self.left = [message for live in lives.values() for message in live._answer.messages]
        for task in lives:
            task.cancel()
        await asyncio.gather(*lives, return_exceptions=True)

    def reopened(self, question: str) -> Surface:
        """Return the surface on which the answer to *question* goes on."""
        key = self.key(question)
        surface = self.platform.reopen(Asked(key, key, Actor(self.ann), Place("C1"), "", 0.0), Remains())
        assert surface
        return surface

    @abstractmethod
    def key(self, message: str) -> str:
        """Return the adapter's key of a message."""

    async def close(self) -> None:
        """End everything; nobody may have been pinged or misled, nothing unfurled, nothing left open."""
        await self.disconnect()
        verdict = await self.emulator.verdict()
        await self.emulator.stop()
        assert verdict["pings"] == []
        assert verdict["unfurls"] == []
        assert verdict["masks"] == []
        assert self.leaves_open or verdict["never_final"] == []

    def fresh_core(self) -> Core:
        """Return a core for this platform."""
        return build(Settings(**self.settings), [self.platform], self.model, self.store, self.tools)

    async def connected(self) -> bool:
        """Tell whether the adapter listens."""
        if self.running and self.running.done():
            self.running.result()
        return self.platform.health == "up"

    async def ask(self, text: str, *steps: str | int | Mapping[str, Any], who: str = "") -> str:
        """Let somebody mention the bot with *text*, which the model answers with *steps*."""
        self.model.steps = steps or self.model.steps
        return await self.say(text, who)

    async def first(self, question: str, text: str = "") -> Seen:
        """Return the first answer once it is there and shows *text*."""

        async def shown() -> list[Seen]:
            found = await self.answers(question)
            return found if found and text in found[0].text else []

        return (await until(shown))[0]

    async def still(self) -> Live:
        """Return the one answer that is live, once it has shown all that it has and writes no more."""
        [live] = self.core._lives.values()

        async def shown() -> bool:
            return bool(live._answer.received and not live._answer.unshown)

        await until(shown)
        return live

    async def final(self, question: str, pages: int = 1) -> list[Seen]:
        """Return the answers of *question* once there are *pages* and none is live."""

        async def done() -> list[Seen]:
            found = await self.answers(question)
            return found if len(found) >= pages and not any(each.live for each in found) else []

        return await until(done)

    async def stopped(self, question: str) -> Seen:
        """Return the first answer once it has been stopped, the model being hung up on."""
        seen = (await self.final(question))[0]
        assert seen.note.startswith("Stopped"), seen
        await until(self.quiet)
        return seen

    async def quiet(self) -> bool:
        """Tell whether the model is hung up on."""
        return self.model.running == 0

    async def asked(self, count: int = 1) -> Request:
        """Return the *count*-th request to the model once it has come."""

        async def came() -> bool:
            return len(self.model.requests) >= count

        await until(came)
        return self.model.requests[count - 1]

    # What a platform has to say.

    @classmethod
    @abstractmethod
    def new_emulator(cls) -> Any:
        """Return the platform's emulator, not started."""

    @abstractmethod
    def load(self) -> Platform:
        """Return the adapter, set up for the emulator."""

    @abstractmethod
    async def say(self, text: str, who: str = "") -> str:
        """Let *who* (ann) mention the bot in a channel; return the question."""

    @abstractmethod
    async def attach(self, text: str, files: Mapping[str, bytes], question: str = "") -> str:
        """Let ann mention the bot in a channel with *text* and *files*; return the question.

        With a *question* ann says that below it, or in reply to it, and not to the bot.
        """

    @abstractmethod
    async def spoil_files(self, times: int = 1, **fault: Any) -> None:
        """Let the next *times* downloads of files meet a *fault*: status, body, headers, drop, delay."""

    async def downloads(self) -> list[dict[str, Any]]:
        """Return what the emulator logged of each download of a file."""
        return list(await self.emulator.events(kinds=["download"]))

    @abstractmethod
    async def talk(self, question: str, texts: Sequence[str]) -> str:
        """Let ann and bob, in turn, say *texts* below *question*, not to the bot; return the last message."""

    @abstractmethod
    async def reply(self, question: str, text: str, after: str = "") -> str:
        """Let the asker of *question* ask again below its answers, or below *after*; return the question."""

    @abstractmethod
    async def dm(self, text: str, who: str = "") -> str:
        """Let somebody who may write to the bot directly; return the question."""

    @abstractmethod
    async def chat(self, text: str) -> str:
        """Let ann write something in the channel that is not for the bot."""

    @abstractmethod
    async def others_say(self, text: str) -> None:
        """Let all that are no people mention the bot: bots, webhooks, the bot itself."""

    @abstractmethod
    async def strangers_say(self, text: str) -> None:
        """Let all who may not use the bot ask it, in every place that they can."""

    @abstractmethod
    async def answers(self, question: str) -> list[Seen]:
        """Return the answers of *question* that are not deleted, oldest first."""

    @abstractmethod
    async def attached(self, question: str) -> list[dict[str, Any]]:
        """Return the {name, size, text} of every file attached to the answers of *question*."""

    @abstractmethod
    async def react(self, message: str, emoji: str = "", who: str = "") -> None:
        """Let *who* (ann) react to *message*, by default with a stop emoji."""

    @abstractmethod
    async def unreact(self, message: str, emoji: str = "", who: str = "") -> None:
        """Let *who* (ann) take a reaction back."""

    @abstractmethod
    async def press(self, message: str, who: str = "") -> None:
        """Let *who* (ann) press the Stop button of *message*."""

    @abstractmethod
    async def edit(self, question: str, text: str) -> None:
        """Let the asker change *question* to a mention with *text*."""

    @abstractmethod
    async def delete(self, message: str) -> None:
        """Let somebody delete *message*."""

    @abstractmethod
    async def redeliver(self) -> None:
        """Tell the adapter of the last events once more."""

    @abstractmethod
    async def drop(self) -> None:
        """Cut the adapter's connection; what happens meanwhile is told later."""

    @abstractmethod
    async def trouble(self, call: Call, how: Trouble, *, lands: bool = False, times: int = 1) -> None:
        """Let the next *times* calls of a kind fail; *lands* if they take effect all the same."""

    @abstractmethod
    async def refuse(self, call: Call, part: Part = "anything", times: int = 1, *, status: int = 400) -> None:
        """Let the next *times* calls of a kind that have *part* be invalid, with a code that nobody knows."""

    async def shown(self, question: str) -> list[Seen]:
        """Return what there is to be read of the answer to the only *question*, wherever it stands."""
        return await self.answers(question)

    async def repeated(self) -> list[str]:
        """Return the writes that were refused and came again as they were."""
        refused = {each["body"] for each in await self.emulator.events(kinds=["error"]) if "body" in each}
        sent = Counter(each["body"] for each in await self.emulator.events(kinds=["call"]) if "body" in each)
        return [body for body in refused if sent[body] > 1]

    @abstractmethod
    async def slow(self, call: Call, seconds: float) -> None:
        """Let every *call* take so long; half of it passes after it has taken effect."""

    @abstractmethod
    async def hide_history(self) -> None:
        """Take the right to read what was said away."""

    @abstractmethod
    async def calls(self, call: Call) -> list[float]:
        """Return when each *call* came."""

    @abstractmethod
    async def settled(self) -> None:
        """Wait until the adapter has taken everything that it was told."""


async def until(condition: Callable[[], Awaitable[Found]]) -> Found:
    """Return what *condition* returns once that is true; asked every 5 ms first, and every 40 ms in the end.

    Most of what is waited for comes at once, and what takes a second would be asked for two hundred times.
    """
    pause = 0.005
    async with asyncio.timeout(PATIENCE):
        while not (found := await condition()):
            await asyncio.sleep(pause)
            pause = min(pause * 1.25, 0.04)
    return found


def at(message: str) -> tuple[str, str]:
    """Return the channel of *message* and its id there."""
    channel, _, id_ = message.partition("/")
    return channel, id_
