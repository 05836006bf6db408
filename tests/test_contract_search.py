"""Every platform: the channel's newest messages are found, as who asks may read them, and notes are kept."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.tools.box import offered
from bot.tools.search import DATA, NONE, NOTHING, READ
from tests.contract import World, at
from tests.worlds import PLATFORMS, DiscordWorld, SlackWorld

#: Requests that one search may take, at most.
BOUND = 12


async def open_world(kind: type[World]) -> World:
    world = await kind.open()
    world.tools += offered(["search", "notes"])
    world.core = world.fresh_core()
    await world.restart()
    return world


@pytest.fixture(params=PLATFORMS, ids=lambda kind: kind.name)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = await open_world(request.param)
    yield world
    await world.close()


@pytest.fixture
async def slack() -> AsyncIterator[World]:
    world = await open_world(SlackWorld)
    yield world
    await world.close()


@pytest.fixture
async def discord() -> AsyncIterator[World]:
    world = await open_world(DiscordWorld)
    yield world
    await world.close()


def calling(words: str) -> dict[str, Any]:
    return {"tool": "search_channel", "input": {"words": words}}


def result(world: World) -> tuple[str, bool]:
    """Return what the last tool that was called has given, and whether it failed."""
    [block] = world.model.requests[-1].turns[-1].blocks
    return block["content"], block.get("is_error", False)


def told(world: World) -> list[dict[str, str]]:
    text, failed = result(world)
    assert not failed, text
    begin, *lines = text.splitlines()
    assert begin == DATA
    return [json.loads(line) for line in lines]


async def searched(world: World, words: str, who: str = "") -> None:
    await world.final(await world.ask("look", calling(words), "Found.", who=who))


async def test_messages_of_the_channel_are_found_with_who_wrote_them_oldest_first(world):
    for text in ("The wifi is Rivulet", "lunch?", "and the WIFI door is 7"):
        await world.chat(text)
    await searched(world, "wifi")
    found = told(world)
    assert [each["text"] for each in found] == ["The wifi is Rivulet", "and the WIFI door is 7"]
    assert {each["by"].endswith(f" ({world.ann})") for each in found} == {True}
    await searched(world, "nobody said this")
    text, failed = result(world)
    assert (text.split(" newest ")[1], failed) == (NONE.split(" newest ")[1], False)


async def test_what_the_bot_said_is_its_own_and_questions_are_found_too(world):
    await world.final(await world.ask("what runs?", "A brook."))
    await searched(world, "brook")
    assert told(world) == [{"by": "you", "text": "A brook."}]
    await searched(world, "what runs")
    assert [each["text"] for each in told(world)] == ["what runs?"]


async def test_hundreds_of_messages_are_looked_through_in_few_requests(world):
    await world.chat("needle one")
    for number in range(READ - 100):
        await world.chat(f"hay {number}")
    before = len(await world.emulator.events())
    await searched(world, "needle")
    assert [each["text"] for each in told(world)] == ["needle one"]
    calls = await world.emulator.events(kinds=["call"], since=before)
    asked = [each for each in calls if READS & {each.get("method"), each.get("route")}]
    assert 0 < len(asked) <= BOUND


READS = {"conversations.history", "conversations.replies", "GET messages", "GET message"}


async def test_in_a_channel_with_nothing_in_it_that_is_said(world):
    await searched(world, "anything")
    assert result(world) == (NOTHING, True)


async def test_in_a_direct_message_its_own_messages_are_searched(world):
    await world.chat("the secret of the channel")
    world.model.steps = ("A brook.",)
    await world.final(await world.dm("the secret of the dm"))
    world.model.steps = (calling("secret"), "Found.")
    await world.final(await world.dm("look"))
    assert [each["text"] for each in told(world)] == ["the secret of the dm"]


async def test_a_thread_is_a_part_of_its_channel_and_has_its_notes(slack):
    await slack.chat("the wifi is Rivulet")
    question = await slack.ask(
        "why?", {"tool": "remember", "input": {"name": "door", "text": "7"}}, "Because."
    )
    await slack.final(question)
    slack.model.steps = (calling("wifi"), "Found.")
    await slack.final(await slack.reply(question, "look"))
    assert [each["text"] for each in told(slack)] == ["the wifi is Rivulet"]
    slack.model.steps = ({"tool": "recall", "input": {}}, "Found.")
    await slack.final(await slack.say("and the door?"))
    assert '"name": "door", "text": "7", "by": "ann (U1)"' in result(slack)[0]


async def test_without_the_right_to_read_slack_says_why(slack):
    await slack.emulator.fault("conversations.history", error="missing_scope")
    await searched(slack, "wifi")
    text, failed = result(slack)
    assert failed
    assert "missing_scope" in text


async def test_the_newest_threads_of_a_slack_channel_are_looked_into(slack):
    root = await slack.chat("plans")
    await slack.talk(root, ["the river trip", "a lake"])
    await searched(slack, "river")
    assert [each["text"] for each in told(slack)] == ["the river trip"]


async def opened(world: World, question: str) -> str:
    """Open a thread from *question*; return its id."""
    return str(await world.emulator.open_thread(*at(question), world.ann, "aside"))


async def test_a_discord_thread_is_a_part_of_its_channel_and_has_its_notes(discord):
    first = await discord.chat("the wifi is Rivulet")
    thread = await opened(discord, first)
    discord.model.steps = (
        {"tool": "remember", "input": {"name": "door", "text": "7"}},
        calling("wifi"),
        "Ok.",
    )
    asked = f"{thread}/{await discord.emulator.say(thread, discord.ann, '<@999> look')}"
    await discord.final(asked)
    assert [each["text"] for each in told(discord)] == ["the wifi is Rivulet"]
    discord.model.steps = ({"tool": "recall", "input": {}}, "Found.")
    await discord.final(await discord.say("and the door?"))
    assert '"name": "door", "text": "7", "by": "Alice (300)"' in result(discord)[0]


async def test_posts_of_a_discord_forum_share_its_notes_and_each_has_its_own_messages(discord):
    await discord.chat("the wifi is elsewhere")
    posts = [await opened(discord, await discord.chat(f"the wifi of {name}")) for name in "ab"]
    discord.emulator._world.channels["200"]["type"] = 15
    await discord.vanish()
    await discord.connect()
    await discord.emulator.say(posts[0], discord.ann, "the wifi is Rivulet")
    discord.model.steps = (
        {"tool": "remember", "input": {"name": "door", "text": "7"}},
        calling("wifi is"),
        "Ok.",
    )
    await discord.final(f"{posts[0]}/{await discord.emulator.say(posts[0], discord.ann, '<@999> look')}")
    assert [each["text"] for each in told(discord)] == ["the wifi is Rivulet"]
    discord.model.steps = ({"tool": "recall", "input": {}}, "Found.")
    await discord.final(f"{posts[1]}/{await discord.emulator.say(posts[1], discord.ann, '<@999> the door?')}")
    assert '"name": "door", "text": "7"' in result(discord)[0]


async def test_a_private_discord_thread_has_notes_of_its_own(discord):
    thread = await opened(discord, await discord.chat("plans"))
    discord.emulator._world.channels[thread]["type"] = 12
    await discord.vanish()
    await discord.connect()
    discord.model.steps = ({"tool": "remember", "input": {"name": "door", "text": "7"}}, "Ok.")
    await discord.final(f"{thread}/{await discord.emulator.say(thread, discord.ann, '<@999> keep it')}")
    discord.model.steps = ({"tool": "recall", "input": {}}, "Found.")
    await discord.final(await discord.say("and the door?"))
    assert '"door"' not in result(discord)[0]
    discord.model.steps = ({"tool": "recall", "input": {}}, "Found.")
    await discord.final(f"{thread}/{await discord.emulator.say(thread, discord.ann, '<@999> the door?')}")
    assert '"door"' in result(discord)[0]


async def test_who_may_not_read_a_discord_channel_has_nothing_read_to_them(discord):
    await discord.chat("the wifi is Rivulet")
    history = 1 << 16
    discord.emulator._world.channels["200"]["permission_overwrites"] = [
        {"id": discord.bob, "type": 1, "allow": "0", "deny": str(history)}
    ]
    await discord.vanish()
    await discord.connect()
    await searched(discord, "wifi", discord.bob)
    text, failed = result(discord)
    assert failed
    assert "may not read" in text
    await searched(discord, "wifi", discord.ann)
    assert [each["text"] for each in told(discord)] == ["the wifi is Rivulet"]


async def test_who_is_no_member_has_nothing_read_to_them(discord):
    await discord.chat("the wifi is Rivulet")
    body = {"message": "Unknown Member", "code": 10007}
    await discord.emulator.fault("GET guilds", times=9, status=404, body=body)
    await searched(discord, "wifi")
    assert result(discord)[1]


async def test_a_button_below_an_answer_of_an_earlier_run_searches_for_who_presses_it(world):
    await world.chat("the wifi is Rivulet")
    world.model.reason = "max_tokens"
    question = await world.ask("look", "Let me see.")
    [answer] = await world.final(question)
    await world.restart(remember=True)
    world.model.reason, world.model.steps = "end_turn", (calling("wifi"), "Found.")
    await world.emulator.press(*at(answer.id), world.bob, "Continue")
    await world.asked(3)
    assert [each["text"] for each in told(world)] == ["the wifi is Rivulet"]
