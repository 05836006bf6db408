"""Slack: which messages are for the bot, and what it asks Slack about whom."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.slack import history
from adapters.slack.incoming.loops import BOT, TALK, Loops
from adapters.slack.wire.lookup import SPARE, Full, Lookup
from bot.core.conversation import HISTORY
from bot.platform import Gone, Platform, SlowDown
from tests.contract import until
from tests.fakes import spoken
from tests.worlds import SlackWorld

FORWARD = {"is_share": True, "author_name": "bob", "text": "db-7 is full", "fallback": "x"}


class WithBots(SlackWorld):
    """One bot may ask."""

    def load(self, **settings: str) -> Platform:
        return super().load(RIVULET_SLACK_BOTS="BFLOW", **settings)


@pytest.fixture
async def world() -> AsyncIterator[SlackWorld]:
    world = await SlackWorld.open()
    assert isinstance(world, SlackWorld)
    yield world
    await world.close()


async def heard(world: SlackWorld, *, times: int = 1) -> list[str]:
    """What the model was asked, once nothing more comes."""

    async def came() -> bool:
        return len(world.model.requests) >= times

    if times:
        await until(came)
    await asyncio.sleep(0.3)
    return [request.turns[-1].text for request in world.model.requests]


async def lookups(world: SlackWorld, method: str = "users.info") -> int:
    return sum(each["method"] == method for each in await world.emulator.events(kinds=["call"]))


# Is it for me?


@pytest.mark.parametrize("kind", ["", "me_message", "thread_broadcast"])
async def test_a_call_in_whatever_kind_of_message_is_a_question(world, kind):
    await world.emulator.say("C1", "U1", "<@UBOT> why?", subtype=kind)
    assert await heard(world) == ["why?"]


@pytest.mark.parametrize("text", ["`<@UBOT> help`", "```\n<@UBOT> a\n```", "> <@UBOT> a\nwhat of it?"])
async def test_talk_about_the_bot_is_no_question_until_an_edit_makes_it_one(world, text):
    ts = await world.emulator.say("C1", "U1", text)
    assert await heard(world, times=0) == []
    await world.emulator.edit("C1", ts, "no call")
    assert await heard(world, times=0) == []
    await world.emulator.edit("C1", ts, "<@UBOT> why?")
    await world.emulator.edit("C1", ts, "<@UBOT> why? (edited)")
    assert [text.partition(" (")[0] for text in await heard(world)][:1] == ["why?"]
    assert len(set(await heard(world))) == len(world.model.requests) <= 2
    await world.final(f"C1/{ts}")


async def test_a_forward_with_a_call_or_in_a_direct_message_is_a_question(world):
    await world.emulator.say("C1", "U1", "<@UBOT>", attachments=[FORWARD])
    assert (await heard(world))[0] == "> Message of bob:\n> db-7 is full"
    await world.emulator.say("DU1", "U1", "", attachments=[FORWARD])
    assert (await heard(world, times=2))[1] == "> Message of bob:\n> db-7 is full"
    await world.emulator.say("C1", "U1", "", attachments=[{**FORWARD, "text": "<@UBOT> help"}])
    assert len(await heard(world, times=2)) == 2


async def test_files_that_nobody_reads_are_named_to_the_model_and_to_the_asker(world):
    question = await world.emulator.say("DU1", "U1", "", files=["voice.m4a"])
    [seen] = await world.final(f"DU1/{question}")
    assert await heard(world) == ["(Attached, and not read: voice.m4a (sound is not heard))"]
    assert seen.note == "Not read: voice.m4a (sound is not heard)."


async def test_a_question_that_is_edited_to_stop_stops(world):
    question, _, _ = await world.begun()
    await world.edit(question, "Stop")
    assert (await world.stopped(question)).note == "Stopped by ann."


@pytest.fixture
async def bots() -> AsyncIterator[SlackWorld]:
    world = await WithBots.open()
    assert isinstance(world, SlackWorld)
    yield world
    await world.close()


async def test_bots_and_workflows_ask_only_where_the_operator_lets_them_and_not_for_ever(bots):
    world = bots
    root = await world.emulator.say("C1", "U1", "start")
    await world.emulator.post_as("C1", "UROBOT", "<@UBOT> other?", "BOTHER", thread_ts=root)
    for number in range(TALK + 2):
        text = f"<@UBOT> {number}?"
        await world.emulator.post_as("C1", "UROBOT", text, "BFLOW", thread_ts=root, subtype="bot_message")
        await world.asked(min(number + 1, TALK))
        await until(world.quiet)
    await world.settled()
    asked = [spoken(request)[-1][1] for request in world.model.requests]
    assert asked == [f"{number}?" for number in range(TALK)]


def test_a_bot_may_ask_again_after_a_while_and_in_other_conversations():
    loops = Loops()
    assert [loops.admit("a", "B1", 0.0) for _ in range(TALK + 1)] == [True] * TALK + [False]
    assert loops.admit("b", "B1", 1.0)
    assert loops.admit("a", "B1", 601.0)
    assert sum(loops.admit(str(number), "B2", 700.0) for number in range(100)) == BOT


# Who is looked up.


async def test_nobody_is_looked_up_for_reactions_edits_and_presses_that_are_about_nothing_of_ours(world):
    for number in range(60):
        await world.emulator.user(f"UM{number}", f"m{number}")
    ts = await world.emulator.say("C1", "U1", "Who comes to lunch?")
    for number in range(60):
        await world.emulator.react("C1", ts, f"UM{number}", "raised_hand")
        said = await world.emulator.say("C1", f"UM{number}", "hello")
        await world.emulator.edit("C1", said, "hello!")
    question = await world.say("why?", "U2")
    await world.final(question)
    assert await lookups(world) == 1


async def test_nobody_is_looked_up_for_a_thumb_on_a_message_that_has_no_user(world):
    """Of what a webhook has posted, Slack does not say whose it is; the ledger does."""
    send = world.emulator._workspace._send

    def unsigned(payload: Any) -> None:
        payload["event"].pop("item_user", None)
        send(payload)

    question = await world.say("why?", "U2")
    [answer] = await world.final(question)
    ts = await world.emulator.say("C1", "U1", "Who comes to lunch?")
    world.emulator._workspace._send = unsigned
    for number in range(20):
        await world.emulator.user(f"UM{number}", f"m{number}")
        for emoji in ("+1", "repeat"):
            await world.emulator.react("C1", ts, f"UM{number}", emoji)
            await world.emulator.unreact("C1", ts, f"UM{number}", emoji)
    await world.settled()
    assert await lookups(world) == 1
    await world.react(answer.id, "+1", "UM1")
    await until(world.store.ratings)
    assert await lookups(world) == 2


async def test_a_rating_by_somebody_whom_slack_does_not_tell_is_told_again_and_kept_then(world):
    question = await world.say("why?", "U2")
    [answer] = await world.final(question)
    await world.emulator.fault("users.info", 1, status=500)
    await world.react(answer.id, "+1", "U1")

    async def refused() -> bool:
        return await lookups(world) == 2

    await until(refused)
    await asyncio.sleep(0.1)
    assert await world.store.ratings() == []
    await world.emulator.redeliver(1, "reaction_added")
    await until(world.store.ratings)


@pytest.mark.rule(2)
@pytest.mark.rule(3)
async def test_guests_and_strangers_rate_nothing(world):
    question = await world.say("why?", "U2")
    [answer] = await world.final(question)
    for who in ("UGUEST", "UEXT"):
        await world.react(answer.id, "+1", who)
        await world.react(answer.id, "repeat", who)
    await world.settled()
    assert await world.store.ratings() == []
    assert len(world.model.requests) == 1


async def test_an_emoji_that_the_operator_has_made_a_stop_is_no_rating(world):
    world.platform._here.events.stop_emoji = ("-1",)
    question, answer, _ = await world.begun()
    await world.react(at_message(answer), "-1", "U2")
    await world.stopped(question)
    assert await world.store.ratings() == []


async def test_a_stop_by_somebody_unknown_needs_no_lookup_that_slack_refuses(world):
    question, answer, _ = await world.begun()
    await world.emulator.fault("users.info", 50, status=429, headers={"Retry-After": "60"})
    await world.react(at_message(answer), who="U2")
    await world.stopped(question)


@pytest.mark.rule(3)
async def test_where_another_workspace_is_a_stranger_stops_nothing_while_slack_does_not_say_who_it_is(world):
    await world.emulator.say("C1", "UEXT", "hello from the other side")
    question, answer, _ = await world.begun()
    await world.emulator.fault("users.info", 50, status=500)
    await world.react(at_message(answer), who="UEXT")
    await world.press(at_message(answer), who="UEXT")
    await asyncio.sleep(1.5)
    assert (await world.first(question)).live
    await world.react(at_message(answer), who="U1")
    assert (await world.stopped(question)).note == "Stopped by ann."


async def test_a_reaction_that_comes_before_its_message_is_known_stops_all_the_same(world):
    question, answer, _ = await world.begun()
    live = await world.still()
    world.core._stops.forget(answer)
    await world.react(at_message(answer))
    await asyncio.sleep(0.5)
    assert (await world.first(question)).live
    world.core._stops._watched[answer] = live
    await world.stopped(question)


def at_message(key: str) -> str:
    return key.removeprefix("slack/T1/")


async def test_one_person_is_asked_for_once_however_many_wait():
    asked: list[str] = []

    async def ask(key: str) -> str:
        asked.append(key)
        await asyncio.sleep(0.01)
        return key.lower()

    lookup = Lookup(ask)
    assert await asyncio.gather(*(lookup.find("A") for _ in range(50))) == ["a"] * 50
    assert await lookup.find("A") == lookup.known("A") == "a"
    assert asked == ["A"]


async def test_after_a_429_nobody_is_asked_for_until_it_is_over():
    asked: list[str] = []

    async def ask(key: str) -> str:
        asked.append(key)
        raise SlowDown(60.0)

    lookup = Lookup(ask)
    for key in "ABC":
        with pytest.raises(SlowDown):
            await lookup.find(key)
    assert asked == ["A"]


async def test_what_can_do_without_leaves_room_for_questions():
    async def ask(key: str) -> str:
        return key

    lookup = Lookup(ask)
    for number in range(SPARE):
        await lookup.find(str(number), spare=True)
    with pytest.raises(Full):
        await lookup.find("x", spare=True)
    assert await lookup.find("x") == "x"


async def test_a_lookup_that_fails_once_nobody_waits_for_it_says_nothing_and_is_asked_anew():
    said: list[str] = []
    loop, errors, go = asyncio.get_running_loop(), [OSError("no")], asyncio.Event()
    loop.set_exception_handler(lambda _, context: said.append(context["message"]))

    async def ask(key: str) -> str:
        await go.wait()
        if errors:
            raise errors.pop()
        return key

    lookup = Lookup(ask)
    waits = loop.create_task(lookup.find("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waits.cancel()
    await asyncio.wait({waits})
    go.set()
    while lookup._flights:
        await asyncio.sleep(0)
    assert await lookup.find("a") == "a"
    del waits  # whose frames know of the flight
    gc.collect()
    assert said == []


async def test_a_lookup_that_fails_is_no_answer():
    errors: list[Exception] = [Gone("no"), OSError("no")]

    async def ask(key: str) -> str:
        if errors:
            raise errors.pop()
        return key

    lookup = Lookup(ask)
    for error in (OSError, Gone):
        with pytest.raises(error):
            await lookup.find("a")
    assert await lookup.find("a") == "a"


# What was said before.


@pytest.mark.parametrize("lines", [60, 250, 1_300, 2_500])
async def test_of_a_long_thread_the_root_and_the_newest_are_read_in_few_requests(world, lines):
    root = await world.emulator.say("C1", "U1", "the root")
    for number in range(lines):
        await world.emulator.say("C1", "U2", f"line {number}", root)
    before = await lookups(world, "conversations.replies")
    await world.final(f"C1/{await world.emulator.say('C1', 'U1', '<@UBOT> so?', root)}")
    said = [text for _, text in spoken(world.model.requests[0])]
    first = max(0, lines - (HISTORY - 1))
    assert said[0] == "the root"
    assert any("Earlier messages were left out here." in text for text in said) == (first > 0)
    assert said[-2].split("\n") == [f"line {number}" for number in range(first, lines)]
    assert await lookups(world, "conversations.replies") - before <= history.REQUESTS


async def test_names_that_slack_does_not_tell_cost_the_names_only(world):
    await world.emulator.fault("conversations.info", 9, error="missing_scope")
    await world.emulator.fault("usergroups.list", 9, status=429)
    await world.emulator.say("C1", "U1", "<@UBOT> <#C7|> <!subteam^S1> <@UNOBODY>?")
    assert await heard(world) == ["#C7 @S1 @UNOBODY?"]


async def test_groups_and_channels_are_named_as_people_see_them(world):
    await world.emulator.group("S1", "oncall")
    await world.emulator.say("C1", "U1", "<@UBOT> <#C7> <!subteam^S1>?")
    assert await heard(world) == ["#c7 @oncall?"]
