"""What a Discord message says, whether it is for the bot, and what an event that can't be read costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.contract import HOLD, at, until
from tests.fakes import spoken
from tests.worlds import DiscordWorld

NOW = "2026-01-01T00:00:00+00:00"
SNAPSHOT = {
    "type": 0,
    "content": "AC failed at <t:0:F>",
    "embeds": [{"type": "rich", "title": "Room 7"}],
    "attachments": [{"id": "9", "filename": "log.txt", "size": 3, "url": "", "proxy_url": ""}],
    "flags": 0,
    "timestamp": NOW,
    "edited_timestamp": None,
    "mentions": [],
    "mention_roles": [],
    "components": [],
}
FORWARD: dict[str, Any] = {
    "content": "",
    "message_reference": {"type": 1, "channel_id": "200", "message_id": "12345", "guild_id": "100"},
    "message_snapshots": [{"message": SNAPSHOT}],
}
POLL = {
    "question": {"text": "Lunch?"},
    "answers": [{"answer_id": 1, "poll_media": {"text": "Pizza"}}],
    "expiry": "2030-01-01T00:00:00+00:00",
    "allow_multiselect": False,
    "layout_type": 1,
}
EMBED = {
    "type": "rich",
    "author": {"name": "CI"},
    "title": "Build 42 failed",
    "description": "test_login timed out",
    "fields": [{"name": "Branch", "value": "main"}],
    "footer": {"text": "3 s"},
}
TEXTS = [{"type": 17, "id": 1, "components": [{"type": 10, "id": 2, "content": "a card says <:wave:5>"}]}]


@asynccontextmanager
async def opened(**settings: str) -> AsyncIterator[DiscordWorld]:
    world = await DiscordWorld.open(**settings)
    assert isinstance(world, DiscordWorld)
    try:
        yield world
    finally:
        await world.close()


async def say(
    world: DiscordWorld, channel: str, user: str, text: str, reply_to: str = "", **more: Any
) -> str:
    """Let somebody write a message whose JSON has *more*."""
    posts = world.emulator._messages
    plain = posts._store

    def store(post: Any, nonce: str) -> Any:
        post.shape.update(more)
        return plain(post, nonce)

    posts._store = store  # type: ignore[method-assign]
    try:
        return await world.emulator.say(channel, user, text or "x", reply_to, user == "777")
    finally:
        posts._store = plain  # type: ignore[method-assign]


def read(world: DiscordWorld) -> str:
    """Return all that the model was asked, as one text."""
    return "\n".join(turn.text for turn in world.model.requests[-1].turns)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (FORWARD, ["> Forwarded:", "> AC failed at 1970-01-01 00:00 UTC", "> Room 7", "log.txt"]),
        ({"content": "", "poll": POLL}, ["Poll: Lunch?", "- Pizza"]),
        ({"content": "", "embeds": [EMBED]}, ["CI", "test_login timed out", "Branch", "main", "3 s"]),
        ({"content": "", "components": TEXTS, "flags": 1 << 15}, ["a card says :wave:"]),
        (
            {"content": "", "sticker_items": [{"id": "4", "name": "Hooray", "format_type": 1}]},
            ["(Sticker: Hooray)"],
        ),
        ({"type": 20, "content": "Weather in Bern: rain"}, ["Weather in Bern: rain"]),
        ({"content": "in <#200> </ask:12>"}, ["/ask"]),
    ],
)
async def test_what_is_replied_to_is_read_whatever_it_is_made_of(more, words):
    async with opened() as world:
        said = await say(world, "200", "777", "", **more)
        await world.emulator.say("200", world.ann, "<@999> what does it mean?", said)
        await world.asked()
        text = read(world)
        assert [word for word in words if word not in text] == []


async def test_a_forward_in_a_direct_message_is_a_question():
    async with opened() as world:
        direct = await world.emulator.dm(world.owner)
        await say(world, direct, world.owner, "", **FORWARD)
        await world.asked()
        assert "AC failed" in read(world)


@pytest.mark.parametrize(
    "text",
    ["`<@999>` is what you type", "```\n<@999> hi\n```", "> <@999> hello\nsomebody said", ">>> <@999> hi"],
)
async def test_a_mention_in_code_or_a_quotation_is_none(text):
    async with opened() as world:
        await world.emulator.say("200", world.ann, text)
        await world.settled()
        assert world.model.requests == []


async def test_a_mention_in_code_stays_in_a_question():
    async with opened() as world:
        await world.say("what does `<@999>` do?")
        await world.asked()
        assert "`" in read(world)
        assert "do?" in read(world)


async def test_a_reply_to_an_answer_is_a_question_also_without_a_ping():
    async with opened() as world:
        question = await world.say("go")
        answer = (await world.final(question))[-1]
        channel, last = at(answer.id)
        await say(world, channel, world.ann, "and then?", last, mentions=[])
        await until(lambda: _asked_again(world))
        assert spoken(world.model.requests[-1])[-1][1].endswith("and then?")


async def test_a_message_that_calls_the_bot_by_an_edit_is_a_question():
    async with opened() as world:
        message = await world.chat("what is it?")
        await world.settled()
        await world.edit(message, "what is it?")  # the world's edit calls the bot
        await world.asked()
        assert "what is it?" in read(world)


async def test_nothing_stays_of_a_question_that_is_deleted_before_its_first_word():
    async with opened() as world:
        world.model.steps = (HOLD, "Yes.")
        question = await world.say("go")
        await world.asked()
        await until(lambda: _shown(world, question))
        await world.delete(question)
        await until(lambda: _gone(world))


@pytest.mark.parametrize(
    "harm",
    [
        {"poll": {**POLL, "expiry": None}},
        {"author": None},
        {"id": "x"},
        {"attachments": [None]},
        {"timestamp": 5},
        {"message_snapshots": [{}]},
        {"type": "?"},
    ],
)
async def test_an_event_that_cannot_be_read_costs_only_itself(harm):
    async with opened() as world:
        before = await world.emulator.events(kinds=["identify"])
        raw = world.emulator._messages.find("200", (await world.chat("hi")).split("/")[1])
        shape = {**world.emulator._messages.shape(raw), "guild_id": "100", "id": "77", **harm}
        world.emulator._gateway.publish("MESSAGE_CREATE", shape, "100")
        world.emulator._gateway.publish(
            "MESSAGE_UPDATE", {"id": "77", "channel_id": "200", "guild_id": "100"}, "100"
        )
        question = await world.say("go")
        assert await world.final(question)
        assert await world.emulator.events(kinds=["identify"]) == before


async def _asked_again(world: DiscordWorld) -> bool:
    return len(world.model.requests) > 1


async def _shown(world: DiscordWorld, question: str) -> bool:
    return bool(await world.shown(question))


async def _gone(world: DiscordWorld) -> bool:
    await asyncio.sleep(0)
    ours = [each for each in await world.emulator.messages("200") if each["user"] == "999"]
    return bool(ours) and all(each["deleted"] for each in ours)
