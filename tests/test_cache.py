"""The prompt cache: what the emulator makes of requests, and how much of a thread is read from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from adapters.emulators.claude import Claude as Emulated
from adapters.emulators.claude.cache import Cache, Cached
from bot.core.core import Core
from bot.events import Event, Finished, Usage
from bot.guard.access import Access
from bot.model import Ask, Asking, Request, nobody
from bot.model.claude import Claude
from bot.platform import Actor, Said
from bot.store.memory import Memory
from tests.fakes import ANN, BOB, Sheet, ask

MARK = {"cache_control": {"type": "ephemeral"}}
LONG = "word " * 1_000
GUEST = Actor("U9", "mallory", workspace="T1", guest=True)


class Counted:
    """A model, and what each answer of it cost."""

    def __init__(self, model: Claude) -> None:
        self.model = model
        self.spent: list[Usage] = []

    async def stream(self, request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        async with aclosing(self.model.stream(request, ask)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    self.spent.append(event.usage)
                yield event


@pytest.fixture
async def emulator() -> AsyncIterator[Emulated]:
    emulator = Emulated()
    await emulator.start()
    yield emulator
    await emulator.stop()


@pytest.fixture
async def model(emulator: Emulated) -> AsyncIterator[Counted]:
    claude = Claude("sk-good", emulator.url)
    yield Counted(claude)
    await claude.close()


def body(*texts: str, **more: Any) -> dict[str, Any]:
    """Return a request in which people and the bot speak in turn."""
    said = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]
    return {"model": "m", "messages": said, **more}


def taken(*bodies: dict[str, Any], every: float = 1.0) -> list[Cached]:
    cache = Cache()
    return [cache.take(each, 10_000, number * every) for number, each in enumerate(bodies)]


def test_what_an_earlier_request_ended_with_is_read_and_the_rest_is_written() -> None:
    first, second = taken(body(LONG, **MARK), body(LONG, "yes", "go on", **MARK))
    assert first.read == 0
    assert first.short > 1_200
    assert second.read == first.short
    assert 0 < second.short < 50
    assert first.read + first.short + first.rest == second.read + second.short + second.rest == 10_000


@pytest.mark.parametrize(
    "other",
    [
        body("x" + LONG, "yes", "go on", **MARK),
        body(LONG, "yes", "go on", **MARK) | {"model": "n"},
        body(LONG, "yes", "go on", system="Be kind.", **MARK),
        body(LONG, "yes", "go on", tools=[{"name": "add"}], **MARK),
        body(LONG, "yes", "go on", tool_choice={"type": "none"}, **MARK),
        body(LONG, "yes", "go on"),
    ],
)
def test_nothing_is_read_of_a_prefix_that_differs_or_without_a_mark(other: dict[str, Any]) -> None:
    assert taken(body(LONG, **MARK), other)[1].read == 0


def test_a_prefix_of_less_than_512_tokens_is_not_kept() -> None:
    assert taken(body("word " * 350, **MARK), body("word " * 350, "a", "b", **MARK))[1] == Cached(rest=10_000)


def test_only_where_a_request_was_marked_can_another_one_read() -> None:
    varied = [body(LONG, "yes", f"{LONG}\n\nnow it is {hour}", **MARK) for hour in range(2)]
    assert taken(*varied)[1].read == 0
    content = [{"type": "text", "text": LONG, **MARK}, {"type": "text", "text": "now it is 1"}]
    explicit = {"model": "m", "messages": [{"role": "user", "content": content}], **MARK}
    assert taken(explicit, body(LONG, "yes", "go on", **MARK))[1].read > 1_200


def test_a_prefix_is_kept_for_five_minutes_after_its_last_use() -> None:
    asked = body(LONG, **MARK)
    assert [each.read > 0 for each in taken(asked, asked, asked, every=299.0)] == [False, True, True]
    assert taken(asked, asked, every=300.0)[1].read == 0
    hour = body(LONG, cache_control={"type": "ephemeral", "ttl": "1h"})
    assert taken(hour, hour, every=3_000.0)[1].read > 0


def test_a_mark_looks_back_over_twenty_blocks() -> None:
    for more, read in ((18, True), (20, False)):
        assert (taken(body(LONG, **MARK), body(LONG, *["a"] * more, **MARK))[1].read > 0) == read


async def test_the_usage_tells_what_was_read_and_written(emulator: Emulated, model: Counted) -> None:
    await emulator.script(["yes"])
    sheet = Sheet()
    await asked(Core(model, Memory(), Access()), sheet, "a", LONG, [])
    [spent] = model.spent
    assert spent.cache_write > 1_200
    assert spent.cache_read == 0
    assert 0 < spent.input < 100


async def asked(core: Core, sheet: Sheet, key: str, text: str, said: list[Said], actor: Actor = ANN) -> None:
    """Ask *text*, and wait for the answer."""
    sheet.said = said
    await core.mention(ask(sheet, key, text, actor, conversation="thread"))
    while sheet.last.live if sheet.log and sheet.last else True:
        await asyncio.sleep(0.01)
    sheet.log.clear()


Before = Callable[[int], list[Said]]


def quiet(_turn: int) -> list[Said]:
    return []


def busy(turn: int) -> list[Said]:
    """Return what others say between two questions."""
    return [Said(f"I think {turn} is better.", BOB), Said(f"Buy {turn} from me!", GUEST)]


#: In what conversations the cache is measured: what others say, who asks, messages before, tokens read.
KINDS: dict[str, tuple[Before, list[Actor], int, int]] = {
    "alone": (quiet, [ANN], 0, 32_000),
    "in turn": (quiet, [ANN, BOB], 0, 32_000),
    "among others": (busy, [ANN], 0, 32_000),
    "in a thread that is too long": (busy, [ANN], 150, 8_000),
}


async def share(
    emulator: Emulated, model: Counted, between: Before, askers: list[Actor], start: int, context: int
) -> float:
    """Return which part of the input tokens of turns 3 to 10 of one thread are read from the cache."""
    answer = "It depends on what you want to do with it; here is how I would go about it. " * 20
    await emulator.script([answer])
    asking = Asking("You help. " * 40, context=context, around=2)
    core = Core(model, Memory(), Access(), asking)
    said = [Said(f"{number} {'before ' * 30}", (ANN, BOB)[number % 2]) for number in range(start)]
    for turn in range(1, 11):
        said += between(turn)
        asker, text = askers[turn % len(askers)], f"And what about number {turn}, if it rains?"
        await asked(core, Sheet(), f"slack/q{turn}", text, list(said), asker)
        said += [Said(text, asker), Said(answer, None)]
    spent = model.spent[2:]
    total = sum(each.input + each.cache_read + each.cache_write for each in spent)
    return sum(each.cache_read for each in spent) / total


@pytest.mark.parametrize("kind", KINDS)
async def test_four_fifths_of_the_tokens_of_turns_3_to_10_are_read_from_the_cache(
    emulator: Emulated, model: Counted, kind: str
) -> None:
    assert await share(emulator, model, *KINDS[kind]) >= 0.8
