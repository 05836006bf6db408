"""Every platform: a row of the ledger with ids of another platform or installation costs only itself."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

import bot.core.repair
from bot.events import CONTINUE
from bot.platform import Actor, Asked, Place, Press
from bot.store import Entry, Part
from tests.contract import World, until
from tests.worlds import PLATFORMS

SLACK = Asked(
    "slack/T1/C1/100.000100", "slack/T1/C1/100.000100", Actor("U1", "ann", "T1"), Place("C1", "T1"), "", 0.0
)
DISCORD = Asked("discord/200/700", "discord/700", Actor("300", "ann", "100"), Place("200", "100"), "", 0.0)
#: By platform and what is odd: a row.  "*": parts that are odd.
ROWS: Mapping[str, Mapping[str, Entry]] = {
    "slack": {
        "of another workspace": Entry(replace(SLACK, key="slack/T9/C9/1.2", conversation="slack/T9/C9/1.2")),
        "of Discord's form": Entry(replace(SLACK, key="slack/200/700", conversation="slack/700")),
        "without a channel": Entry(replace(SLACK, key="slack/T1//1.2")),
        "short": Entry(replace(SLACK, key="slack/")),
        "with no moment": Entry(replace(SLACK, key="slack/T1/C1/abc", conversation="slack/T1/C1/abc")),
        "in no thread": Entry(replace(SLACK, conversation="slack/T1/C1/abc")),
        "in no talk": Entry(replace(SLACK, conversation="")),
        "of nobody": Entry(replace(SLACK, actor=Actor("300", "ann", "T1"))),
        "in no place": Entry(replace(SLACK, place=Place("", "T1"))),
        "a message of Discord's": Entry(SLACK, "Because", parts=(Part("n", 0, "", "discord/200/701"),)),
        "a message without a form": Entry(SLACK, "Because", parts=(Part("n", 0, "", "x"),)),
    },
    "discord": {
        "of another server": Entry(replace(DISCORD, key="discord/555/777", place=Place("555", "556"))),
        "of a channel that is not there": Entry(
            replace(DISCORD, key="discord/555/777", place=Place("555", "100"))
        ),
        "of Slack's form": Entry(replace(DISCORD, key="discord/T1/C1/1.2", conversation="discord/T1/C1/1.2")),
        "of a channel without a number": Entry(replace(DISCORD, key="discord/C1/700")),
        "of a question without a number": Entry(replace(DISCORD, key="discord/200/abc")),
        "short": Entry(replace(DISCORD, key="discord/200")),
        "in no talk": Entry(replace(DISCORD, conversation="")),
        "of nobody": Entry(replace(DISCORD, actor=Actor("U1", "ann", "100"))),
        "in no place": Entry(replace(DISCORD, place=Place("C1", "100"))),
        "with an endless number": Entry(replace(DISCORD, key=f"discord/{'9' * 5_000}/700")),
        "with a large number": Entry(replace(DISCORD, key=f"discord/{'9' * 50}/700")),
        "with a number below all": Entry(replace(DISCORD, key="discord/-5/700")),
        "at no address": Entry(DISCORD, "Because", parts=(Part("n", 0, "C1", "discord/200/701"),)),
        "a message of Slack's": Entry(DISCORD, "Because", parts=(Part("n", 0, "", "slack/T1/C1/1.2"),)),
        "a message that is not there": Entry(
            DISCORD, "Because", parts=(Part("n", 0, "", "discord/200/701"),)
        ),
    },
}
CASES = [
    pytest.param(kind, row, id=f"{kind.name}, {odd}")
    for kind in PLATFORMS
    for odd, row in ROWS[kind.name].items()
]


@pytest.fixture(autouse=True)
def soon(monkeypatch) -> None:
    monkeypatch.setattr(bot.core.repair, "LATE", 0.05)


@pytest.fixture
async def world(kind: type[World]) -> AsyncIterator[World]:
    world = await kind.open()
    yield world
    await world.close()


async def away(world: World) -> tuple[str, str]:
    """Let the bot end with a question open, and one asked that it did not hear."""
    await world.final(await world.ask("hello?", "Hello."))
    heard = await world.ask("why?", "Because.")
    await world.final(heard)
    await world.crash()
    entry = await world.store.find(world.key(heard))
    assert entry
    question = await world.say("and how?")
    key = world.key(question)
    talk = f"{entry.asked.conversation.rsplit('/', 1)[0]}/{key.rsplit('/', 1)[-1]}"
    await world.store.accept(
        replace(entry.asked, key=key, conversation=talk, text="and how?", at=time.time())
    )
    return question, await world.say("and when?")


def loud(logs: list[Any]) -> list[Any]:
    """What of *logs* tells of a bug."""
    return [line for line in logs if line["log_level"] in {"error", "critical"} or line.get("exc_info")]


@pytest.mark.parametrize(("kind", "row"), CASES)
async def test_a_row_with_ids_of_others_is_set_aside_and_the_rest_is_served(world, row):
    question, missed = await away(world)
    row = replace(row, asked=replace(row.asked, text="odd", at=time.time()))
    world.store._put(row)
    with capture_logs() as logs:
        await world.restart(remember=True)
        for each in (question, missed):
            assert [page.text for page in await world.final(each)] == ["Because."]

        async def nothing_left() -> bool:
            return not await world.store.unfinished(world.name)

        await until(nothing_left)
        await world.settled()
    assert not loud(logs)


@pytest.mark.parametrize(("kind", "row"), CASES)
async def test_a_press_below_such_a_row_costs_nothing_else(world, row):
    left = await world.first(await world.ask("hello?", "Hello."))
    await world.final(await world.ask("why?", "Because."))
    message = world.key(left.id)
    part = replace((row.parts or (Part("n", 0),))[0], message=message)
    shown = replace(row, text="Odd.", note="Cut.", controls=(CONTINUE.name,), parts=(part,), done=time.time())
    await world.store.purge()
    world.store._put(shown)
    who = Actor(world.ann, "ann", {"slack": "T1"}.get(world.name, "100"))
    with capture_logs() as logs:
        await world.core.press(press_of(world, message, who))
        await world.final(await world.ask("and how?", "So."))
        await world.settled()
    assert not loud(logs)


def press_of(world: World, message: str, who: Actor) -> Press:
    return Press(message, CONTINUE.name, who, (SLACK if world.name == "slack" else DISCORD).place)
