"""Discord's commands, menus and forms, and what people are told alone: on the emulator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.incoming.given import Given
from adapters.discord.incoming.interactions import FIELD, FORGOTTEN, LACKING, NOT_YOURS, NOTHING, STOPPED
from adapters.discord.outgoing.asked import LONGEST, question_in, shown
from adapters.discord.outgoing.commands import COMMANDS, same
from adapters.discord.outgoing.drawing import CONTENT, cut, told
from adapters.discord.platform import NOTIFIED
from bot.core.rates import EVENTS
from bot.guard.access import REFUSED
from bot.platform import Actor, Command, Place
from tests.contract import HOLD, at, until
from tests.fakes import spoken
from tests.worlds import DiscordWorld

VIEW, SEND, READ, IN_THREADS = 1 << 10, 1 << 11, 1 << 16, 1 << 38


@pytest.fixture
async def world() -> AsyncIterator[DiscordWorld]:
    world = await DiscordWorld.open()
    assert isinstance(world, DiscordWorld)
    await until(lambda: registered(world))
    yield world
    await world.close()


async def unconnected() -> DiscordWorld:
    """A world whose adapter does not run yet."""
    emulator = DiscordWorld.new_emulator()
    await emulator.start()
    await emulator.limits(on=False)
    return DiscordWorld(emulator)


async def registered(world: DiscordWorld) -> bool:
    return len(await world.emulator.commands()) == len(COMMANDS)


async def alone(world: DiscordWorld, channel: str = "200") -> list[str]:
    """What single people were shown in a channel, and still see."""
    told = await world.emulator.messages(channel)
    return [each["content"] for each in told if each["alone"] and not each["deleted"]]


async def public(world: DiscordWorld, channel: str = "200") -> list[dict[str, Any]]:
    """What the bot has shown to everybody in a channel, deleted or not."""
    told = await world.emulator.messages(channel)
    return [each for each in told if each["user"] == "999" and not each["alone"]]


async def replied(
    world: DiscordWorld, command: str, who: str = "", channel: str = "200", **values: str
) -> list[str]:
    """Give a command; return what its actor is shown."""
    before = len(await acknowledged(world))
    await world.emulator.command(channel, who or world.ann, command, values)
    await until(lambda: has(world, before + 1))
    await settled(world)
    return await alone(world, channel)


async def acknowledged(world: DiscordWorld) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await world.emulator.events(kinds=["callback"])
    return found


async def has(world: DiscordWorld, count: int) -> bool:
    return len(await acknowledged(world)) >= count


async def settled(world: DiscordWorld) -> None:
    """Wait until the handlers of discord.py's client are done."""
    await world.settled()
    while tasks := [task for task in asyncio.all_tasks() if task.get_name().startswith("discord.py: ")]:
        await asyncio.wait(tasks)


async def asked(world: DiscordWorld, text: str = "why?", channel: str = "200", who: str = "") -> str:
    """Ask by /ask; return the message that shows the question."""
    before = {each["id"] for each in await public(world, channel)}
    await world.emulator.command(channel, who or world.ann, "ask", {"question": text})

    async def there() -> str:
        new = [each["id"] for each in await public(world, channel) if each["id"] not in before]
        return f"{channel}/{new[0]}" if new else ""

    await until(there)
    return await there()


# Registering.


async def test_all_commands_are_registered_and_not_again_by_the_next_start(world):
    names = {(each["type"], each["name"]) for each in await world.emulator.commands()}
    assert {name for kind, name in names if kind == 1} == {
        *("ask", "stop", "again", "model", "usage", "help", "forget")
    }
    assert {name for kind, name in names if kind == 3} == {"Ask about this", "Stop"}
    await world.restart()
    await until(lambda: calls(world, "GET", 2))
    await world.settled()
    assert await calls(world, "PUT", 1)


async def calls(world: DiscordWorld, method: str, count: int) -> bool:
    """Tell whether Discord was asked so often about the commands."""
    made = await world.emulator.events(kinds=["call"])
    about = [each["method"] for each in made if each["path"] == "applications/999/commands"]
    return about.count(method) == count


@pytest.mark.parametrize(
    "change",
    [
        lambda known: known[:-1],
        lambda known: [*known, {"type": 1, "name": "old", "description": "x"}],
        lambda known: [{**known[0], "description": "another"}, *known[1:]],
        lambda known: [{**known[0], "contexts": [0]}, *known[1:]],
        lambda known: [{**known[0], "default_member_permissions": "0"}, *known[1:]],
        lambda known: [{**known[0], "options": []}, *known[1:]],
    ],
)
async def test_what_has_changed_is_registered_anew(world, change):
    known = await world.emulator.commands()
    assert same(known, COMMANDS)
    world.emulator._commands.overwrite(change(known))
    assert not same(await world.emulator.commands(), COMMANDS)
    await world.restart()
    await until(lambda: registered_as_wanted(world))


async def registered_as_wanted(world: DiscordWorld) -> bool:
    return same(await world.emulator.commands(), COMMANDS)


async def test_the_command_that_opens_an_activity_stays(world):
    entry = {"type": 4, "name": "launch", "description": "Launch", "handler": 2}
    world.emulator._commands.overwrite([entry])
    await world.restart()
    await until(lambda: counted(world, len(COMMANDS) + 1))
    names = [each["name"] for each in await world.emulator.commands()]
    assert "launch" in names
    await world.restart()
    await until(lambda: calls(world, "GET", 3))
    await world.settled()
    assert await calls(world, "PUT", 2)


async def counted(world: DiscordWorld, count: int) -> bool:
    return len(await world.emulator.commands()) == count


@pytest.mark.parametrize("fault", ["403 50001", "404 10003", "400 too long"])
async def test_a_discord_that_takes_no_commands_keeps_nobody_from_being_served(fault):
    world = await unconnected()
    await world.emulator.strike(fault, "PUT applications", times=9)
    await world.connect()
    question = await world.say("why?")
    assert (await world.final(question))[0].text == "Yes."
    made = [each for each in await world.emulator.events(kinds=["call"]) if each["method"] == "PUT"]
    assert sum(each["route"] == "PUT applications" for each in made) == 1
    await world.close()


# Asking.


async def test_ask_shows_the_question_to_all_and_its_answer_replies_to_it(world):
    question = await asked(world, "why is it *so*?")
    shown_ = await world.emulator.message(*at(question))
    assert shown_["content"] == r"**Alice** asks: why is it \*so\*?"
    [answer] = await world.final(question)
    assert (answer.text, answer.under) == ("Yes.", question)
    assert world.model.requests[0].turns[-1].text == "why is it *so*?"
    assert not await alone(world)


async def test_the_next_question_of_the_chain_knows_what_was_asked_by_command(world):
    question = await asked(world, "why *so*?")
    await world.final(question)
    await world.emulator.say("200", "301", "and then?", reply_to=(await world.answers(question))[0].id[4:])
    await until(lambda: requests(world, 2))
    turns = world.model.requests[1].turns
    assert [text for _, text in spoken(world.model.requests[1])] == ["why *so*?", "Yes.", "and then?"]
    assert any("Alice: why" in turn.text for turn in turns)


async def requests(world: DiscordWorld, count: int) -> bool:
    return len(world.model.requests) >= count


async def test_a_stop_of_the_question_stops_its_answer(world):
    world.model.steps = ("Because ", HOLD)
    question = await asked(world)
    await world.first(question, "Beca")
    await world.react(question)
    [answer] = await world.final(question)
    assert answer.note == "Stopped by Alice."


async def test_ask_works_without_the_message_content_intent_in_threads_and_in_direct_messages():
    world = await unconnected()
    await world.emulator.allow_content(on=False)
    world.platform = world.load(RIVULET_DISCORD_CONTENT="false")
    await world.connect()
    await until(lambda: registered(world))
    root = await world.emulator.say("200", "301", "a topic")
    thread = await world.emulator.open_thread("200", root, world.ann, "topic")
    direct = await world.emulator.dm(world.owner)
    for channel, who in (("200", world.ann), (thread, world.ann), (direct, world.owner)):
        question = await asked(world, "why?", channel, who)
        assert (await world.final(question))[0].text == "Yes."
    assert [each.turns[-1].text for each in world.model.requests] == ["why?"] * 3
    await world.close()


async def test_nothing_is_shown_for_a_stranger_who_is_told_so_alone(world):
    foreign = await world.emulator.guild("555")
    for values in ({"question": "why?"}, {"question": "!help"}):
        await replied(world, "ask", channel=foreign, **values)
    assert await alone(world, foreign) == [REFUSED, REFUSED]
    assert not await public(world, foreign)
    assert not world.model.requests
    post = await world.emulator.say(foreign, "301", "look")
    for name in ("Ask about this", "Stop"):
        await world.emulator.choose(foreign, post, world.ann, name)
    await until(lambda: has(world, 4))
    await settled(world)
    assert sorted((await alone(world, foreign))[2:]) == sorted([REFUSED, NOT_YOURS])
    direct = await world.emulator.dm(world.ann)
    assert await replied(world, "ask", channel=direct, question="why?") == [REFUSED]
    assert not await public(world, direct)


@pytest.mark.parametrize(
    ("rights", "missing"),
    [
        (0, "View Channels"),
        (VIEW, "Send Messages"),
        (VIEW | SEND, "Read Message History"),
        (VIEW | READ, "Send Messages"),
    ],
)
async def test_where_the_bot_may_not_answer_nothing_is_asked_and_the_right_is_named(world, rights, missing):
    await world.emulator.interactions(rights=str(rights))
    assert await replied(world, "ask", question="why?") == [LACKING.format(right=missing)]
    assert not await public(world)
    assert not world.model.requests
    assert len(await replied(world, "help")) == 2


async def test_a_question_that_pings_or_masks_a_link_does_neither(world):
    text = "@everyone <@301> <@&101> [bank.com](https://evil.com) https://a.com/b?c=d"
    question = await asked(world, text)
    await world.final(question)
    verdict = await world.emulator.verdict()
    assert not verdict["pings"]
    assert not verdict["unfurls"]
    assert not verdict["masks"]


async def test_a_callback_that_got_through_unheard_is_not_made_twice(world):
    await world.emulator.fault("POST callback", drop=True, apply=True)
    question = await asked(world)
    [answer] = await world.final(question)
    assert answer.text == "Yes."
    assert len(await public(world)) == 2


async def test_an_interaction_that_is_answered_too_late_costs_that_one_only(world):
    await world.emulator.interactions(first_response=-1.0)
    await world.emulator.command("200", world.ann, "ask", {"question": "why?"})
    await world.emulator.command("200", world.ann, "help")
    await settled(world)
    assert not await public(world)
    await world.emulator.interactions()
    assert len(await replied(world, "help")) == 1


async def test_a_bot_that_is_shutting_down_says_so_and_leaves_no_question(world):
    await world.core.drain()
    [said] = await replied(world, "ask", question="why?")
    assert "restarted" in said
    assert not await public(world)


# Menus and forms.


async def test_ask_about_this_quotes_the_message_with_its_files(world):
    post = await world.emulator.say("200", "301", "rain\n*falls*", files={"a.txt": "d2V0"})
    opened = await world.emulator.choose("200", post, world.ann, "Ask about this")
    await until(lambda: world.emulator.modal(opened))
    await world.emulator.submit(opened, {FIELD: "why?"})
    await until(lambda: requests(world, 1))
    turn = world.model.requests[0].turns[-1]
    assert turn.text.startswith("why?\n> Bob wrote:\n> rain\n> *falls*")
    assert "wet" in json.dumps([str(block) for block in turn.files] + [turn.text]) or turn.files
    question = next(each for each in await public(world) if each["content"].startswith("**Alice**"))
    assert question["content"] == "**Alice** asks: why?\n> Bob wrote:\n> rain\n> \\*falls\\*"
    assert (await world.final(f"200/{question['id']}"))[0].text == "Yes."


async def test_a_form_is_its_openers_alone_and_serves_once(world):
    post = await world.emulator.say("200", "301", "rain")
    opened = await world.emulator.choose("200", post, world.ann, "Ask about this")
    await until(lambda: world.emulator.modal(opened))
    for _ in range(2):
        await world.emulator.submit(opened, {FIELD: "why?"})
    await until(lambda: has(world, 3))
    await settled(world)
    assert await alone(world) == [FORGOTTEN]
    assert len(world.model.requests) == 1


async def test_a_form_that_a_restart_has_forgotten_is_asked_for_again(world):
    post = await world.emulator.say("200", "301", "rain")
    opened = await world.emulator.choose("200", post, world.ann, "Ask about this")
    await until(lambda: world.emulator.modal(opened))
    await world.restart()
    await world.emulator.submit(opened, {FIELD: "why?"})
    await until(lambda: has(world, 2))
    await settled(world)
    assert await alone(world) == [FORGOTTEN]
    assert not world.model.requests


async def test_the_menus_stop_ends_the_answer_by_its_page_and_by_its_question(world):
    for number in (0, 1):
        world.model.steps = ("Because ", HOLD)
        question = await world.say("why?")
        answer = await world.first(question, "Beca")
        await world.emulator.choose(*at((answer.id, question)[number]), world.ann, "Stop")
        assert (await world.final(question))[0].note == "Stopped by Alice."
        await settled(world)
    assert await alone(world) == [STOPPED, STOPPED]
    idle = await world.emulator.say("200", "301", "rain")
    await world.emulator.choose("200", idle, world.ann, "Stop")
    await until(lambda: has(world, 3))
    await settled(world)
    assert (await alone(world))[2:] == [NOTHING]


# Commands.


async def test_stop_stops_the_answer_of_the_channel_of_the_thread_and_of_the_direct_message(world):
    root = await world.emulator.say("200", "301", "a topic")
    thread = await world.emulator.open_thread("200", root, world.ann, "topic")
    direct = await world.emulator.dm(world.owner)
    for channel, who in (("200", world.ann), (thread, world.ann), (direct, world.owner)):
        world.model.steps = ("Because ", HOLD)
        call = "" if channel == direct else "<@999> "
        question = f"{channel}/{await world.emulator.say(channel, who, f'{call}why?')}"
        await world.first(question, "Beca")
        assert await replied(world, "stop", who, channel) == [STOPPED]
        assert (await world.final(question))[0].note.startswith("Stopped by")


async def test_stop_in_a_channel_means_ones_own_answer_before_that_of_others(world):
    world.model.steps = ("Because ", HOLD)
    mine = await world.say("why?")
    await world.first(mine, "Beca")
    other = await world.say("and why?", world.bob)
    await world.first(other, "Beca")
    assert await replied(world, "stop") == [STOPPED]
    assert (await world.final(mine))[0].note == "Stopped by Alice."
    assert (await world.answers(other))[0].live
    assert await replied(world, "stop") == [STOPPED, STOPPED]
    assert (await world.final(other))[0].note == "Stopped by Alice."


async def test_again_gives_the_last_answer_of_the_channel_anew(world):
    question = await asked(world)
    await world.final(question)
    await until(lambda: kept(world))
    world.model.steps = ("Anew.",)
    assert "answered anew" in (await replied(world, "again"))[-1]
    await until(lambda: reads(world, question, "Anew."))
    [answer] = await world.answers(question)
    assert answer.text == "Anew."


async def kept(world: DiscordWorld) -> bool:
    """Tell whether nothing is being answered any more."""
    return not world.core._lives


async def reads(world: DiscordWorld, question: str, text: str) -> bool:
    return any(each.text == text for each in await world.answers(question))


async def test_help_model_usage_and_forget_me_are_answered_to_one_person_alone(world):
    await world.final(await world.say("why?"))
    shown_ = {}
    for name, values in (("help", {}), ("model", {"name": "x"}), ("usage", {}), ("forget", {"me": ""})):
        shown_[name] = (await replied(world, name, **values))[-1]
    assert "`forget`" in shown_["help"]
    assert "no other one to choose" in shown_["model"]
    assert "Deleted: 1 question" in shown_["forget"]
    assert len(await alone(world)) == 4
    assert len(await public(world)) == 1


async def test_who_repeats_a_command_too_often_sees_nothing_more(world):
    for _ in range(EVENTS + 5):
        await world.emulator.command("200", world.ann, "help")
    await until(lambda: has(world, EVENTS + 5))
    await settled(world)
    assert len(await alone(world)) == EVENTS


async def test_what_takes_long_is_acknowledged_before_it_is_done(world, monkeypatch):
    monkeypatch.setattr("adapters.discord.incoming.interactions.SOON", 0.01)
    go, done = asyncio.Event(), world.core.command

    async def slow(command: Command) -> object:
        await go.wait()
        return await done(command)

    monkeypatch.setattr(world.core, "command", slow)
    await world.emulator.command("200", world.ann, "help")
    await until(lambda: has(world, 1))
    assert (await acknowledged(world))[0]["type"] == 5
    assert await alone(world) == [""]
    go.set()
    await settled(world)
    [said] = await alone(world)
    assert "`forget`" in said


@pytest.mark.parametrize(("seconds", "shown_to"), [(0.1, 1), (60.0, 0)])
async def test_a_reply_waits_out_a_short_429_and_is_given_up_where_discord_asks_for_longer(
    world, seconds, shown_to
):
    limited = {"message": "x", "retry_after": seconds, "global": False}
    await world.emulator.fault("POST callback", 1, status=429, body=limited)
    await world.emulator.command("200", world.ann, "help")
    await settled(world)
    assert len(await alone(world)) == shown_to


@pytest.mark.rule(21)
async def test_no_log_and_no_error_tells_an_interactions_token(world, capsys, caplog):
    await world.emulator.fault("POST callback", 9, status=404, body={"message": "x", "code": 10062})
    await world.emulator.command("200", world.ann, "help")
    await settled(world)
    await world.emulator.clear_faults()
    await world.emulator.fault("POST callback", 9, drop=True)
    await world.emulator.command("200", world.ann, "ask", {"question": "why?"})
    await settled(world)
    await world.emulator.clear_faults()
    await world.final(await asked(world))
    tokens = world.emulator._interactions.tokens()
    assert len(tokens) == 3
    said = capsys.readouterr().out + caplog.text
    assert said.count("not answered") == 2
    assert not [token for token in tokens if token in said]


# Places, and telling people alone.


async def test_the_core_hears_of_category_parent_and_direct_messages(world, monkeypatch):
    channels = world.emulator._world.channels
    channels["77"] = {**channels["200"], "id": "77", "type": 4, "name": "c"}
    channels["200"]["parent_id"] = "77"
    await world.restart()
    seen: list[Place] = []

    def refusal(place: Place) -> str:
        seen.append(place)
        return "no"

    monkeypatch.setattr(world.core._access, "refusal", refusal)
    root = await world.emulator.say("200", "301", "a topic")
    thread = await world.emulator.open_thread("200", root, world.ann, "topic")
    await until(lambda: knows(world, thread))
    client: Any = getattr(world.platform, "_running")  # noqa: B009  to mypy it is any platform
    place = client._places.find
    assert await place(200, 100) == Place("200", "100", platform="discord", category="77")
    assert await place(int(thread), 100) == Place(thread, "100", "", "discord", "77", "200")
    for kind, above in ((11, "200"), (0, "77")):  # which the gateway has not told of
        read = Given.of(
            {
                **SOUND,
                "channel_id": "5",
                "guild_id": "100",
                "channel": {"type": kind, "parent_id": above},
            }
        )
        assert read
        parent = above if kind else ""
        told = client._places.told(read.channel, read.guild, read.room)
        assert told == Place("5", "100", "", "discord", "77", parent)
    direct = await world.emulator.dm(world.ann)
    await replied(world, "help", channel=direct)
    assert seen == [Place(direct, platform="discord", direct=True)]


async def knows(world: DiscordWorld, channel: str) -> bool:
    client: Any = getattr(world.platform, "_running")  # noqa: B009  to mypy it is any platform
    return client.get_channel(int(channel)) is not None


async def whispered(world: DiscordWorld, who: str, place: Place, text: str = "For **you** @everyone") -> bool:
    return await world.platform.whisper("discord/200/1", Actor(who), place, text)


HERE = Place("200", "100", platform="discord")
#: The bot's own, which Discord has made for it.
OWN_ROLE = "101"


async def test_a_whisper_is_a_direct_message_that_pings_nobody(world):
    assert await whispered(world, world.ann, HERE)
    assert await whispered(world, world.ann, HERE, "Again")
    direct = await world.emulator.dm(world.ann)
    said = [each["content"] for each in await world.emulator.messages(direct)]
    assert [each.replace("\u2060", "") for each in said] == [
        "For **you** @everyone\n-# In <#200>",
        "Again\n-# In <#200>",
    ]
    assert not (await world.emulator.verdict())["pings"]
    opened = [
        each for each in await world.emulator.events(kinds=["call"]) if each["path"] == "users/@me/channels"
    ]
    assert len(opened) == 1


async def test_in_a_direct_message_a_whisper_is_written_there(world):
    direct = await world.emulator.dm(world.owner)
    assert await whispered(world, world.owner, Place(direct, platform="discord", direct=True), "Hello")
    assert [each["content"] for each in await world.emulator.messages(direct)] == ["Hello"]


async def test_a_person_is_notified_by_a_direct_message(world):
    assert await world.platform.notify(world.ann, "The *cap* is near")
    assert not await world.platform.notify("ann", "x")
    direct = await world.emulator.dm(world.ann)
    assert [each["content"] for each in await world.emulator.messages(direct)] == ["The *cap* is near"]


@pytest.mark.rule(9)
async def test_nothing_unfolds_in_what_one_person_is_told(world):
    assert await whispered(world, world.ann, HERE, "See https://example.com/a")
    assert await world.platform.notify(world.ann, "See https://example.com/b")
    assert await world.platform._direct.tell(int(world.ann), "See https://example.com/c")
    assert len(await told_alone(world, world.ann)) == 3
    assert (await world.emulator.verdict())["unfurls"] == []


async def told_alone(world: DiscordWorld, who: str) -> list[str]:
    return [each["content"] for each in await world.emulator.messages(await world.emulator.dm(who))]


async def test_of_a_role_the_few_are_notified_of_whom_the_bot_has_heard_last(world):
    people = [str(number) for number in range(401, 401 + NOTIFIED + 2)]
    for who in people:
        await world.emulator.hold(who, ["901"])
        await world.say("why?", who)
    await world.emulator.say("200", world.bob, "<@999> why?")
    await world.settled()
    assert await world.platform.notify("901", "The *cap* is near")
    found = [who for who in (*people, world.bob) if await told_alone(world, who)]
    assert found == people[2:]
    assert await told_alone(world, people[-1]) == ["The *cap* is near"]
    await world.emulator.hold(people[-1], [])
    await world.say("why?", people[-1])
    await world.settled()
    assert await world.platform.notify("901", "again")
    assert await told_alone(world, people[-1]) == ["The *cap* is near"]
    assert await told_alone(world, people[-2]) == ["The *cap* is near", "again"]


async def test_of_a_role_that_nobody_is_known_to_have_nobody_is_notified_and_the_log_says_what_to_do(
    world, capsys
):
    assert not await world.platform.notify(OWN_ROLE, "near")
    [line] = [line for line in capsys.readouterr().out.splitlines() if "has a role" in line]
    assert "name an admin by their own id" in line
    assert OWN_ROLE in line
    made = await world.emulator.events(kinds=["call"])
    assert not [each for each in made if each["path"] == "users/@me/channels"]


async def test_who_takes_no_direct_messages_is_not_tried_again(world):
    await world.emulator.close_dms(world.ann)
    tries = [await whispered(world, world.ann, HERE) for _ in range(3)]
    assert tries == [False, False, False]
    made = await world.emulator.events(kinds=["error"])
    assert [each["code"] for each in made] == [50007]


@pytest.mark.parametrize("fault", ["500", "reset", "429 user", "401", "403 50001", "cut json"])
async def test_a_whisper_that_fails_raises_nothing(world, fault):
    world.leaves_open = True
    await world.emulator.strike(fault, "POST users", times=2)
    assert not await whispered(world, world.ann, HERE)


async def test_odd_people_places_and_texts_are_not_whispered_to(world):
    assert not await whispered(world, "", HERE)
    assert not await whispered(world, "²", HERE)
    assert not await whispered(world, "x/../1", HERE)
    assert not await whispered(world, world.ann, HERE, "  ")
    assert not await whispered(world, "123456", HERE)


async def test_a_stranger_who_mentions_the_bot_is_whispered_to_once(world):
    foreign = await world.emulator.guild("555")
    for _ in range(3):
        await world.emulator.say(foreign, world.ann, "<@999> why?")
    direct = await world.emulator.dm(world.ann)

    async def heard() -> bool:
        return bool(await world.emulator.messages(direct))

    await until(heard)
    await world.settled()
    [only] = await world.emulator.messages(direct)
    assert only["text"] == REFUSED
    assert not await public(world, foreign)


# What is pure.


@given(st.text(max_size=100), st.text(max_size=LONGEST), st.text(max_size=3_000))
def test_a_question_with_what_it_is_about_fits_in_a_message_that_pings_nobody(name, question, about):
    drawn = shown(name, question, about)
    assert 0 < len(drawn["content"]) <= CONTENT
    assert drawn["allowed_mentions"] == {"parse": []}


#: What is shown another way than it was typed: addresses, what would ping, escapes.
NOT_AS_TYPED = ("://", "www.", "@", "<", "mailto:", "\\")


@given(
    st.text(st.characters(codec="ascii"), max_size=40),
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=200)
    .map(str.strip)
    .filter(lambda text: text and not any(mark in text for mark in NOT_AS_TYPED)),
)
def test_a_question_is_read_back_as_it_was_asked(name, question):
    assert question_in(shown(name, question)["content"]) == question


@pytest.mark.parametrize("text", ["", "**x** says: a", "x asks: a", "**a\nb** asks: c", "** asks: b"])
def test_other_messages_are_no_questions(text):
    assert question_in(text) == ""


def test_what_is_said_alone_fits_and_is_cut_at_a_line():
    long = "\n".join(f"- line {number}" for number in range(400))
    said = told(long, "-# below")["content"]
    assert len(said) <= CONTENT
    assert said.endswith("\n…\n-# below")
    assert cut("a" * 30, 10) == "aaaaaaaa\n…"


SOUND: Mapping[str, Any] = {
    "id": "1",
    "application_id": "2",
    "channel_id": "3",
    "type": 2,
    "token": "t",
    "member": {"user": {"id": "4"}},
    "data": {"name": "forget", "options": [{"type": 1, "name": "me", "options": []}]},
}


def test_an_interaction_is_read_and_its_token_is_in_no_text_of_it():
    read = Given.of({**SOUND, "token": "secret", "app_permissions": "8"})
    assert read is not None
    assert (read.name, read.typed, read.rights) == ("forget", "me", 8)
    assert "secret" not in repr(read)


@pytest.mark.parametrize("lacks", ["id", "application_id", "channel_id", "type", "token", "member"])
def test_an_interaction_that_lacks_something_is_none(lacks):
    assert Given.of({name: value for name, value in SOUND.items() if name != lacks}) is None
