"""Discord's threads: when an answer gets one, what happens without, and that it is one conversation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import aiohttp
import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import adapters.discord
from adapters.discord.outgoing import threads
from adapters.discord.outgoing.threads import NAME, title
from bot.core.conversation import HISTORY
from bot.events import Event, Finished, Text
from bot.model import Ask, Request, nobody
from bot.platform import Platform
from tests.contract import HOLD, Told, at, until
from tests.fakes import spoken
from tests.worlds import DiscordWorld

RIGHTS = discord.Permissions(view_channel=True, send_messages=True, read_message_history=True)


class AlwaysWorld(DiscordWorld):
    """Every answer in a thread."""

    def load(self, **settings: str) -> Platform:
        return super().load(RIVULET_DISCORD_REPLY="thread", **settings)


class NeverWorld(DiscordWorld):
    """Every answer in the channel."""

    def load(self, **settings: str) -> Platform:
        return super().load(RIVULET_DISCORD_REPLY="channel", **settings)


@pytest.fixture
async def world() -> AsyncIterator[DiscordWorld]:
    async for world in opened(DiscordWorld):
        yield world


@pytest.fixture
async def always() -> AsyncIterator[DiscordWorld]:
    async for world in opened(AlwaysWorld):
        yield world


@pytest.fixture
async def never() -> AsyncIterator[DiscordWorld]:
    async for world in opened(NeverWorld):
        yield world


@pytest.fixture
async def among() -> AsyncIterator[DiscordWorld]:
    """Every answer in a thread, in which people talk to each other."""
    async for world in opened(AlwaysWorld, RIVULET_FOLLOW_UPS="mention"):
        yield world


async def opened(kind: type[DiscordWorld], **settings: str) -> AsyncIterator[DiscordWorld]:
    """Open a world, and close it in the end, which judges pings and unfurled links."""
    world = await kind.open(**settings)
    assert isinstance(world, DiscordWorld)
    yield world
    await world.close()


async def reconnect(world: DiscordWorld) -> None:
    """Connect anew, so that the adapter learns what has changed without an event."""
    await world.vanish()
    world.platform = world.load()
    world.core = world.fresh_core()
    await world.connect()


async def tries(world: DiscordWorld) -> list[str]:
    """The questions for which a thread was asked for."""
    calls = await world.emulator.events(kinds=["call"])
    return [call["path"].split("/")[3] for call in calls if call["route"] == "POST threads"]


async def crowd(world: DiscordWorld) -> str:
    """Let an answer be live in the channel until the test says go."""
    question = await world.ask("first?", "One ", HOLD, "two.")
    await world.first(question, "One")
    return question


async def second(world: DiscordWorld, text: str = "second?") -> str:
    """Ask while the channel is crowded, and wait for the first text of the answer."""
    question = await world.say(text, world.bob)
    await world.first(question, "One")
    return question


async def finish(world: DiscordWorld, *questions: str) -> None:
    """Let the model end, and see that all answers do."""
    world.model.go.set()
    for question in questions:
        [seen] = await world.final(question)
        assert (seen.text, seen.note) == ("One two.", "")


def place(question: str) -> str:
    """The id of the thread that is opened from *question*."""
    return at(question)[1]


# When.


async def test_a_quiet_channel_is_answered_in_the_channel(world):
    for text in ("why?", "and now?"):
        [seen] = await world.final(await world.ask(text))
        assert at(seen.id)[0] == "200"
    assert await tries(world) == []


async def test_a_question_beside_a_live_answer_gets_a_thread_and_only_that(world):
    one = await crowd(world)
    two = await second(world)
    assert at((await world.first(one)).id)[0] == "200"
    assert at((await world.first(two)).id)[0] == place(two)
    await finish(world, one, two)
    [seen] = await world.final(await world.ask("third?"))
    assert at(seen.id)[0] == "200"
    assert await tries(world) == [place(two)]


async def test_in_a_thread_the_first_page_replies_to_nothing_and_the_next_to_it(always):
    question = await always.ask("tell me", "word " * 600)
    first, last = await always.final(question, pages=2)
    assert [first.under, last.under] == [f"{place(question)}/", first.id]


async def test_the_thread_is_named_after_the_question(always):
    question = await always.ask("what is\n<@301> doing in <#200>, " + "and why " * 20)
    await always.final(question)
    thread = always.emulator._world.channels[place(question)]
    assert thread["name"].startswith("what is doing in , and why and why")
    assert len(thread["name"]) <= NAME
    assert thread["thread_metadata"]["auto_archive_duration"] == 1440


async def test_every_question_gets_a_thread_if_that_is_set(always):
    question = await always.ask("why?")
    [seen] = await always.final(question)
    assert at(seen.id)[0] == place(question)


async def test_no_question_gets_a_thread_if_that_is_set(never):
    one, two = await crowd(never), await second(never)
    await finish(never, one, two)
    assert await tries(never) == []


async def test_direct_messages_and_threads_have_no_threads(always):
    await always.final(await always.dm("why?"))
    opening = await always.ask("why?")
    await always.final(opening)
    thread = place(opening)
    [seen] = await always.final(f"{thread}/{await always.emulator.say(thread, '300', '<@999> and?')}")
    assert at(seen.id)[0] == thread
    assert await tries(always) == [thread]


async def test_an_announcement_channel_has_threads(always):
    await always.emulator.channel("250", kind=5)
    question = f"250/{await always.emulator.say('250', '300', '<@999> why?')}"
    [seen] = await always.final(question)
    assert at(seen.id)[0] == place(question)
    assert always.emulator._world.channels[place(question)]["type"] == 10
    [after] = await always.final(
        f"{place(question)}/{await always.emulator.say(place(question), '300', '<@999> so?')}"
    )
    assert at(after.id)[0] == place(question)
    assert spoken(always.model.requests[1])[0] == ("", "why?")


@pytest.mark.parametrize("setting", ["no", "Thread", ""])
def test_a_setting_that_is_none_is_refused(setting):
    with pytest.raises(ValidationError):
        adapters.discord.Settings(RIVULET_DISCORD_REPLY=setting)  # type: ignore[call-arg]


@given(st.text())
def test_a_name_is_one_short_line(text):
    name = title(text)
    assert 0 < len(name) <= NAME
    assert len(name.splitlines()) == 1
    assert name == name.strip()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("<@999> why?", "why?"),
        ("<@!999> <@&101>", "Answer"),
        ("<@999> a < b <:wave:12> and b > <t:1700000000:R> c", "a < b and b > c"),
        ("", "Answer"),
    ],
)
def test_a_name_has_no_mentions(content, name):
    assert title(content) == name


# Without.


@pytest.mark.parametrize("right", ["create_public_threads", "send_messages_in_threads"])
async def test_without_the_rights_nobody_tries(always, right):
    other = {"create_public_threads", "send_messages_in_threads"} - {right}
    rights = RIGHTS | discord.Permissions(**dict.fromkeys(other, True))
    for role in always.emulator._world.guilds["100"]["roles"]:
        role["permissions"] = str(rights.value)
    await reconnect(always)
    [seen] = await always.final(await always.ask("why?"))
    assert at(seen.id)[0] == "200"
    assert await tries(always) == []


@pytest.mark.parametrize(("right", "size"), [("attach_files", 10 * 2**20), ("add_reactions", 0)])
async def test_without_the_right_no_files_are_attached(never, right, size):
    rights = RIGHTS | discord.Permissions(**{right: True})
    for role in never.emulator._world.guilds["100"]["roles"]:
        role["permissions"] = str(rights.value)
    await reconnect(never)
    question = await never.ask("why?", "One ", HOLD, "two.")
    await never.first(question, "One")
    [live] = never.core._lives.values()
    assert live._surface.limits.attach == size
    await finish(never, question)


async def test_a_press_and_a_repair_attach_nothing_without_the_right(never):
    for role in never.emulator._world.guilds["100"]["roles"]:
        role["permissions"] = str(RIGHTS.value)
    await reconnect(never)
    assert never.reopened(await never.ask("why?")).limits.attach == 0
    assert never.reopened("555/7").limits.attach > 0  # nobody knows that channel
    await until(lambda: idle(never))


def said(code: int) -> dict[str, Any]:
    return {"message": "no", "code": code}


SLOW = {"message": "", "retry_after": 219.0, "global": False}


@pytest.mark.parametrize(
    ("fault", "count"),
    [
        ({"status": 403, "body": said(50013)}, 1),
        ({"status": 404, "body": said(10003)}, 1),
        ({"status": 429, "body": SLOW, "headers": {"X-RateLimit-Scope": "shared"}}, 1),
        ({"status": 500}, 1),
        ({"drop": True}, 1),
        ({"status": 0, "delay": 3.0}, 1),
        ({"status": 400, "body": said(160006)}, 1),
        ({"status": 400, "body": said(160004)}, 2),
        ({"status": 400, "body": "[]"}, 2),
    ],
)
async def test_where_no_thread_can_be_had_the_answer_is_in_the_channel(world, monkeypatch, fault, count):
    if "delay" in fault:
        monkeypatch.setattr(threads, "TIMEOUT", 0.2)
    await world.emulator.fault("POST threads", times=9, **fault)
    questions = [await crowd(world), await second(world), await second(world)]
    for question in questions:
        assert at((await world.first(question)).id)[0] == "200"
    assert await tries(world) == [place(question) for question in questions[1:]][:count]
    await finish(world, *questions)


async def test_after_the_delay_of_a_429_threads_are_opened_again(world):
    body = {**SLOW, "retry_after": 0.3}
    await world.emulator.fault("POST threads", status=429, body=body)
    questions = [await crowd(world), await second(world)]
    await asyncio.sleep(0.35)
    questions.append(await second(world))
    assert await tries(world) == [place(question) for question in questions[1:]]
    assert at((await world.first(questions[2])).id)[0] == place(questions[2])
    await finish(world, *questions)


async def test_a_guild_gets_no_more_threads_than_is_likely_to_be_allowed(world, monkeypatch):
    monkeypatch.setattr(threads, "BUDGET", (2, 60.0))
    questions = [await crowd(world)] + [await second(world) for _ in range(3)]
    places = [at((await world.first(question)).id)[0] for question in questions]
    assert places == ["200", place(questions[1]), place(questions[2]), "200"]
    foreign = await world.emulator.guild("555")
    for _ in range(2):
        questions.append(f"{foreign}/{await world.emulator.say(foreign, world.owner, '<@999> so?')}")
        await world.first(questions[-1], "One")
    assert at((await world.first(questions[-1])).id)[0] == place(questions[-1])
    monkeypatch.setattr(threads, "BUDGET", (2, 0.0))  # the seconds are over
    questions.append(await second(world))
    assert at((await world.first(questions[-1])).id)[0] == place(questions[-1])
    await finish(world, *questions)


async def test_a_thread_that_somebody_else_has_opened_first_is_used(always):
    always.model.steps = ("One two.",)
    await always.emulator.latency("POST threads", 0.4)
    question = await always.say("why?")
    await always.emulator.open_thread(*at(question), always.bob, "mine")
    [seen] = await always.final(question)
    assert at(seen.id)[0] == place(question)
    assert (await always.emulator.verdict())["errors"] == {"400/160004": 1}


async def test_a_locked_thread_that_somebody_else_has_opened_first_is_left_alone(always):
    always.model.steps = ("One two.",)
    await always.emulator.latency("POST threads", 0.4)
    question = await always.say("why?")
    thread = await always.emulator.open_thread(*at(question), always.bob, "mine")
    await always.emulator.close_thread(thread, archived=False, locked=True)
    [seen] = await always.final(question)
    assert at(seen.id)[0] == "200"


async def test_a_thread_that_is_archived_under_an_answer_is_opened_again(always):
    question = await always.ask("why?", "Because", HOLD, " so.")
    await always.first(question, "Because")
    await always.emulator.close_thread(place(question))
    always.model.go.set()
    [seen] = await always.final(question)
    assert seen.text == "Because so."
    assert not seen.live


async def test_who_asks_in_a_thread_that_is_locked_under_the_answer_is_told_directly(always):
    question = await always.ask("why?", "Because", HOLD, " so.")
    await always.first(question, "Because")
    await always.emulator.close_thread(place(question), archived=False, locked=True)
    always.leaves_open = True
    always.model.go.set()
    direct = await always.emulator.dm(always.ann)

    async def told() -> bool:
        return any("locked" in each["text"] for each in await always.emulator.messages(direct))

    await until(told)


# Rate limits.


class Slowly(Told):
    """Says a word, waits a little, and so on for some seconds."""

    async def stream(self, request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        for number in range(50):
            yield Text(f"word{number} ")
            await asyncio.sleep(0.06)
        yield Finished()


async def test_answers_in_threads_do_not_share_a_bucket(world):
    world.model = Slowly()
    await reconnect(world)
    await world.emulator.limits(on=True)
    questions = [await world.say(f"{number}?") for number in range(4)]
    for question in questions:
        [seen] = await world.final(question)
        assert seen.text.endswith("word49")
        assert seen.edits >= 3
    where = [at((await world.first(question)).id)[0] for question in questions]
    assert sorted(where) == sorted(["200", *map(place, questions[1:])])
    assert await world.emulator.events(kinds=["429"]) == []


async def test_the_emulator_counts_the_edits_of_a_thread_apart(world):
    root = await world.emulator.say("200", "300", "a topic")
    await world.emulator.open_thread("200", root, world.ann, "topic")
    await world.emulator.limits(on=True)
    left = []
    async with aiohttp.ClientSession(headers={"Authorization": "Bot token"}) as session:
        for channel in ("200", "200", root):
            url = f"{world.emulator.url}/api/v10/channels/{channel}/messages"
            async with session.post(url, json={"content": "x"}) as response:
                left.append(response.headers["X-RateLimit-Remaining"])
    assert left == ["4", "3", "4"]


# One conversation.


async def test_a_follow_up_in_the_thread_knows_the_question_the_answer_and_what_was_said(among):
    opening = await among.ask("why?", "Because.")
    await among.final(opening)
    thread = place(opening)
    await among.emulator.say(thread, "301", "I doubt it.")
    await among.emulator.say("200", "301", "elsewhere")
    await among.final(f"{thread}/{await among.emulator.say(thread, '300', '<@999> sure?')}")
    assert spoken(among.model.requests[0]) == [("", "why?")]
    assert spoken(among.model.requests[1]) == [
        ("Alice", "why?"),
        ("", "Because."),
        ("Bob", "I doubt it."),
        ("Alice", "sure?"),
    ]


async def test_a_long_thread_still_begins_with_its_question(among):
    opening = await among.ask("why?", "Because.")
    await among.final(opening)
    thread = place(opening)
    for number in range(205):
        await among.emulator.say(thread, ("301", "300")[number % 2], f"line {number}")
    await among.final(f"{thread}/{await among.emulator.say(thread, '301', '<@999> so?')}")
    turns = spoken(among.model.requests[1])
    assert turns[0] == ("Alice", "why?")
    assert turns[-2:] == [("Alice", "line 203"), ("Bob", "line 204\nso?")]
    assert "left out" in turns[1][1]
    assert len(turns) == HISTORY + 1


async def test_a_thread_below_a_reply_knows_what_was_replied_to(world):
    first = await world.ask("why?", "Because.")
    await world.final(first)
    held = await crowd(world)
    reply = await world.reply(first, "sure?")
    answer = await world.first(reply, "One")
    assert at(answer.id)[0] == place(reply)
    asked = await world.emulator.say(place(reply), "301", "<@999> stop")
    seen = (await world.final(reply))[0]
    assert seen.note.startswith("Stopped")
    assert await world.answers(f"{place(reply)}/{asked}") == []
    await finish(world, held)
    after = f"{place(reply)}/{await world.emulator.say(place(reply), '300', '<@999> well?')}"
    await world.final(after)
    assert [text for _, text in spoken(world.model.requests[-1])] == [
        "why?",
        "Because.",
        "sure?",
        "One",
        "stop",
        "well?",
    ]


async def test_a_follow_up_waits_for_the_answer_that_opened_the_thread(always):
    opening = await crowd(always)
    thread = place(opening)
    after = f"{thread}/{await always.emulator.say(thread, '301', '<@999> and?')}"
    await always.settled()
    assert len(always.model.requests) == 1
    await finish(always, opening, after)
    assert [text for _, text in spoken(always.model.requests[1])] == ["first?", "One two.", "and?"]


async def test_without_the_right_to_read_the_parent_the_thread_is_still_history(always):
    opening = await always.ask("why?", "Because.")
    await always.final(opening)
    await always.emulator.fault("GET message", times=9, status=403, body=said(50001))
    thread = place(opening)
    await always.final(f"{thread}/{await always.emulator.say(thread, '300', '<@999> sure?')}")
    assert [text for _, text in spoken(always.model.requests[1])] == ["Because.", "sure?"]


# Stops.


@pytest.mark.parametrize("on", ["question", "answer", "button", "word", "reply"])
async def test_an_answer_in_a_thread_can_be_stopped(always, on):
    question = await crowd(always)
    answer = await always.first(question)
    thread = place(question)
    match on:
        case "question":
            await always.react(question, who=always.bob)
        case "answer":
            await always.react(answer.id)
        case "button":
            await always.press(answer.id)
        case "word":
            await always.emulator.say(thread, "301", "<@999> stop")
        case "reply":
            await always.emulator.say("200", "301", "<@999> stop", reply_to=thread)
    assert (await always.stopped(question)).text.strip() == "One"


async def test_a_deleted_thread_ends_the_answer_and_hangs_up_on_the_model(always):
    question = await crowd(always)
    await always.emulator.remove_channel(place(question))
    await until(always.quiet)
    await until(lambda: idle(always))


async def test_a_thread_of_which_nobody_said_that_it_was_deleted_ends_the_answer(always):
    always.leaves_open = True
    always.model.steps = ("One ", HOLD, "two.", *["more"] * 3, HOLD)
    question = await always.say("first?")
    await always.first(question, "One")
    await always.emulator.fault("PATCH messages", status=404, body=said(10003))
    always.model.go.set()
    await until(always.quiet)
    await until(lambda: idle(always))


async def test_a_thread_of_somebody_elses_that_is_deleted_ends_nothing(world):
    question = await crowd(world)
    answer = await world.first(question)
    for message in (question, answer.id):
        thread = await world.emulator.open_thread(*at(message), world.bob, "talk")
        await world.settled()
        await world.emulator.remove_channel(thread)
        await world.settled()
    assert (await world.first(question)).live
    await finish(world, question)


async def idle(world: DiscordWorld) -> bool:
    """Tell whether no answer is live."""
    return not world.core._lives
