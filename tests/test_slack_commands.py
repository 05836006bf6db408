"""Slack: slash commands, commands in mentions, the shortcut Ask about this, and whispers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.emulators.slack.judge import pings
from adapters.slack.incoming import asking, soon
from adapters.slack.incoming.commands import ASK, BEHIND, meant
from adapters.slack.incoming.interactions import CARRIED, About, Slash
from adapters.slack.incoming.once import REMEMBERED, Once
from adapters.slack.incoming.shortcuts import BLOCK, LONGEST, modal
from adapters.slack.outgoing.replies import LONGEST as REPLY
from adapters.slack.outgoing.replies import ephemeral, reply
from adapters.slack.reading import Message, attributed
from adapters.slack.workspace import NOTIFIED
from bot.core.commands import FORGOTTEN, NO_LAST, ONE_MODEL, STOPPED, TAKEN
from bot.core.rates import EVENTS
from bot.core.sayings import COMMANDS, NOTHING
from bot.guard.access import REFUSED
from bot.platform import Actor, Place
from tests.contract import HOLD, at, until
from tests.worlds import SlackHttpWorld, SlackWorld

HERE = Place("C1", "T1", "T1", platform="slack")
LINK = "https://a.example/b"
ANN = Actor("U1", "ann", workspace="T1")


@pytest.fixture(params=[SlackWorld, SlackHttpWorld], ids=["sockets", "http"])
async def world(request: Any) -> AsyncIterator[SlackWorld]:
    world = await request.param.open()
    yield world
    await world.close()


@pytest.fixture
async def strict() -> AsyncIterator[SlackWorld]:
    world = await SlackWorld.open(RIVULET_STOP="asker", RIVULET_USER_PER_MINUTE=1)
    assert isinstance(world, SlackWorld)
    yield world
    await world.close()


@pytest.fixture
async def sockets() -> AsyncIterator[SlackWorld]:
    world = await SlackWorld.open()
    assert isinstance(world, SlackWorld)
    yield world
    await world.close()


async def whispers(world: SlackWorld) -> list[dict[str, Any]]:
    """Return all that one person alone was shown."""
    return await world.emulator.events(kinds=["ephemeral"])


async def whispered(world: SlackWorld, count: int = 1) -> list[dict[str, Any]]:
    """Return what one person alone was shown, once it is so much."""

    async def shown() -> bool:
        return len(await whispers(world)) >= count

    await until(shown)
    return await whispers(world)


async def posted(world: SlackWorld, channel: str = "C1") -> list[dict[str, Any]]:
    """Return the bot's messages in *channel*."""
    return [each for each in await world.emulator.channel_messages(channel) if each["user"] == "UBOT"]


async def asked(world: SlackWorld, text: str, *steps: Any, channel: str = "C1", who: str = "U1") -> str:
    """Ask by a slash command; return the question's id."""
    world.model.steps = steps or ("Because.",)
    before = {each["ts"] for each in await posted(world, channel)}
    assert await world.emulator.command(channel, who, text) == SILENT
    [question] = [
        each for each in await posted(world, channel) if each["ts"] not in before and not each["thread_ts"]
    ]
    return f"{channel}/{question['ts']}"


class Silence:
    """What a command shows that shows nothing, however long it took."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and (other["text"], other["failed"]) == ("", "")

    __hash__ = None  # type: ignore[assignment]


SILENT = Silence()


# What is said behind a slash command.


def test_the_adapter_knows_all_commands_that_there_are():
    assert set(BEHIND) == set(COMMANDS)


@pytest.mark.parametrize(
    ("text", "name", "rest"),
    [
        ("", "help", ""),
        ("  ", "help", ""),
        ("help", "help", ""),
        ("HELP", "help", ""),
        ("!usage", "usage", ""),
        ("model claude-x", "model", "claude-x"),
        ("forget me", "forget", "me"),
        ("FORGET Me", "forget", "Me"),
        ("forget", "forget", ""),
        ("forget me please", "forget", "me please"),
        ("!model a b c", "model", "a b c"),
        ("ask stop", ASK, "stop"),
        ("ask", ASK, ""),
        ("Ask why?", ASK, "why?"),
        ("help me write a letter", ASK, "help me write a letter"),
        ("stop words: what are they?", ASK, "stop words: what are they?"),
        ("model trains and where to buy them", ASK, "model trains and where to buy them"),
        ("forget what I said", ASK, "forget what I said"),
        ("forget it", ASK, "forget it"),
        ("why?", ASK, "why?"),
        ("!important: why?", ASK, "!important: why?"),
        ("helpless", ASK, "helpless"),
    ],
)
def test_a_command_is_told_from_a_question(text, name, rest):
    assert meant(text) == (name, rest)


async def test_help_lists_and_is_shown_to_its_actor_alone(world):
    for text in ("", "help"):
        shown = await world.emulator.command("C1", "U1", text)
        assert "`forget`" in shown["text"]
    assert not await posted(world)
    assert {each["user"] for each in await whispers(world)} == {"U1"}


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("stop", NOTHING),
        ("again", NO_LAST),
        ("model", "no other one to choose"),
        ("forget me", "0 questions"),
    ],
)
async def test_each_command_is_answered_at_once(sockets, text, reply):
    shown = await sockets.emulator.command("C1", "U1", text)
    assert reply in shown["text"]
    assert not shown["failed"]


@pytest.mark.rule(2)
async def test_a_stranger_is_told_so_and_posts_nothing(world):
    for text in ("help", "why?", "ask why?", "stop"):
        shown = await world.emulator.command("C1", "UGUEST", text)
        assert shown["text"] == REFUSED
        shown = await world.emulator.command("C1", "UEXT", text)
        assert shown["text"] == REFUSED
    assert not await posted(world)
    assert not world.model.requests


# Asking by a slash command.


async def test_a_question_is_posted_in_its_askers_name_and_answered_in_its_thread(world):
    question = await asked(world, "why is *it* <b> & <@U2>?")
    [answer] = await world.final(question)
    shown = await world.emulator.message(*at(question))
    assert shown["text"] == "*ann* asks:\nwhy is *it* <b> & @bob?"
    assert (answer.text, answer.under.split("/")[1]) == ("Because.", at(question)[1])
    [request] = world.model.requests
    assert "why is *it* <b> & @bob?" in str(request.turns[-1])


@pytest.mark.rule(8)
@pytest.mark.rule(9)
async def test_what_is_asked_pings_nobody_and_unfurls_nothing(sockets):
    await asked(
        sockets, "<!here> <!channel> @everyone <@U2> <!subteam^S1|x> https://a.example/b &lt;!here&gt;"
    )
    verdict = await sockets.emulator.verdict()
    assert not verdict["pings"]
    assert not verdict["unfurls"]


async def test_a_question_in_a_direct_message_is_answered_there(world):
    question = await asked(world, "why?", channel="DU1")
    assert [each.text for each in await world.final(question)] == ["Because."]


@pytest.mark.parametrize("text", ["ask", "ask <@UBOT>", "<@UBOT>", "ask \u200b", "\u2060"])
async def test_a_question_without_a_word_says_what_is_missing(sockets, text):
    assert "`ask why" in (await sockets.emulator.command("C1", "U1", text))["text"]
    assert not await posted(sockets)


async def test_a_follow_up_reads_the_question_as_its_askers(world):
    question = await asked(world, "why?", "Because.")
    await world.final(question)
    await world.final(await world.reply(question, "and then?"))
    turns = str(world.model.requests[-1].turns)
    assert "ann" in turns
    assert "why?" in turns
    assert "asks:" not in turns


async def test_an_answer_to_a_command_is_stopped_as_any_other(world):
    question = await asked(world, "why?", "Because ", HOLD)
    answer = await world.first(question, "Because")
    await world.react(answer.id, who="U1")
    await world.stopped(question)


async def test_an_answer_to_a_command_whose_question_is_deleted_ends(sockets):
    question = await asked(sockets, "why?", "Because ", HOLD)
    await sockets.first(question, "Because")
    await sockets.delete(question)
    await until(sockets.quiet)


async def test_a_question_by_command_that_a_restart_cut_off_is_answered_in_its_thread(world):
    question = await asked(world, "why?", HOLD)
    await until(lambda: _requests(world, 1))
    world.model.steps = ("Because.",)
    await world.restart(remember=True)
    [answer] = await world.final(question)
    assert (answer.text, answer.under) == ("Because.", question)
    assert "why?" in world.model.requests[-1].turns[-1].text


async def test_stop_by_command_stops_the_answer_that_runs_in_the_channel(world):
    question = await world.ask("why?", "Because ", HOLD)
    await world.first(question, "Because")
    assert (await world.emulator.command("C1", "U1", "stop"))["text"] == STOPPED
    await world.stopped(question)


async def test_stop_by_command_finds_ones_own_answer_among_others_and_not_in_other_channels(sockets):
    sockets.model.steps = ("Because ", HOLD)
    mine = await sockets.say("why?")
    await sockets.first(mine, "Because")
    theirs = await sockets.say("and why?", "U2")
    await sockets.first(theirs, "Because")
    assert (await sockets.emulator.command("C2", "U1", "stop"))["text"] == NOTHING
    assert (await sockets.emulator.command("C1", "U1", "stop"))["text"] == STOPPED
    [stopped] = await sockets.final(mine)
    assert stopped.note == "Stopped by ann."
    assert (await sockets.answers(theirs))[-1].live


async def test_again_by_command_answers_the_last_question_anew(world):
    world.model.reason = "max_tokens"
    question = await world.ask("why?", "Because")
    await world.final(question)
    world.model.steps, world.model.reason = ("Another.",), "end_turn"
    assert (await world.emulator.command("C1", "U1", "again"))["text"] == TAKEN

    async def anew() -> bool:
        return any("Another." in each.text and not each.live for each in await world.answers(question))

    await until(anew)


@pytest.mark.parametrize(("channel", "says"), [("C1", "/invite"), ("G1", "/invite"), ("DU2", "I can't see")])
async def test_where_the_bot_is_not_one_line_says_what_to_do(world, channel, says):
    await world.emulator.absent(channel)
    shown = await world.emulator.command(channel, "U1", "why?")
    assert says in shown["text"]
    assert "\n" not in shown["text"]
    assert not world.model.requests


@pytest.mark.parametrize("error", ["is_archived", "restricted_action"])
async def test_where_nothing_can_be_posted_its_asker_reads_why(sockets, error):
    await sockets.emulator.fault("chat.postMessage", error=error)
    assert "cannot answer in this channel" in (await sockets.emulator.command("C1", "U1", "why?"))["text"]


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"drop": True}, {"error": "some_new_error"}, {"status": 429}]
)
async def test_a_question_that_was_not_posted_is_asked_for_again(sockets, fault):
    await sockets.emulator.fault("chat.postMessage", **fault)
    assert (await sockets.emulator.command("C1", "U1", "why?"))["text"] == soon.NOT_NOW
    assert not sockets.model.requests


async def test_a_ledger_that_takes_no_question_leaves_none_behind(sockets, monkeypatch):
    async def broken(_asked: object) -> bool:
        raise OSError("disk full")

    monkeypatch.setattr(sockets.store, "accept", broken)
    assert (await sockets.emulator.command("C1", "U1", "why?"))["text"] == soon.NOT_NOW
    assert all(each["deleted"] for each in await posted(sockets))


async def test_while_it_shuts_down_a_command_is_asked_for_again(sockets):
    await sockets.core.drain()
    assert (await sockets.emulator.command("C1", "U1", "why?"))["text"] == soon.NOT_NOW
    assert not await posted(sockets)


async def test_what_is_asked_too_often_is_not_posted(strict):
    await strict.final(await asked(strict, "why?"))
    shown = await strict.emulator.command("C1", "U1", "and why?")
    assert "as often as I may answer" in shown["text"]
    assert len([each for each in await posted(strict) if not each["thread_ts"]]) == 1


async def test_many_questions_of_many_people_are_bounded(sockets):
    sockets.platform._here.events._slashes.asking._posts._calls = 1
    await sockets.final(await asked(sockets, "why?"))
    assert (await sockets.emulator.command("C1", "U2", "why?"))["text"] == asking.BUSY


async def test_who_floods_commands_is_answered_nothing_and_costs_no_call(world):
    for _ in range(EVENTS):
        assert (await world.emulator.command("C1", "U1", "help"))["text"]
    calls = len(await world.emulator.events(kinds=["call"]))
    for text in ("help", "why?", "", "stop"):
        assert await world.emulator.command("C1", "U1", text) == SILENT
    assert len(await world.emulator.events(kinds=["call"])) == calls
    assert not await posted(world)


# In time, and later.


async def test_what_takes_long_is_acknowledged_in_time_and_replied_later(world, monkeypatch):
    monkeypatch.setattr(soon, "SOON", 0.1)
    await world.emulator.latency("users.info", 0.4)
    shown = await world.emulator.command("C1", "U2", "help")
    assert shown == SILENT
    assert shown["seconds"] < 3
    [told] = await whispered(world)
    assert (told["by"], told["user"]) == ("response_url", "U2")
    assert "`forget`" in told["text"]


async def test_a_reply_that_slack_refuses_is_sent_once_more_as_plain_text(sockets, monkeypatch):
    monkeypatch.setattr(soon, "SOON", 0.0)
    await sockets.emulator.latency("users.info", 0.2)
    await sockets.emulator.fault("response_url", status=400, error="invalid_blocks")
    await sockets.emulator.command("C1", "U2", "help")
    [told] = await whispered(sockets)
    assert "forget: " in told["text"]


@pytest.mark.rule(21)
@pytest.mark.parametrize(
    "fault", [{"status": 404, "error": "x"}, {"status": 500, "body": "oh"}, {"drop": True}]
)
async def test_no_log_tells_the_address_of_a_reply(sockets, monkeypatch, capsys, caplog, fault):
    monkeypatch.setattr(soon, "SOON", 0.0)
    await sockets.emulator.latency("users.info", 0.2)
    await sockets.emulator.fault("response_url", 2, **fault)
    await sockets.emulator.command("C1", "U2", "help")
    addresses = [*sockets.emulator._responses._addresses]
    assert len(addresses) == 1
    said = ""

    async def logged() -> bool:
        nonlocal said
        said += capsys.readouterr().out + caplog.text
        return "Slack took no reply" in said or "a reply did not get through" in said

    await until(logged)
    assert not [each for each in (*addresses, "/commands/") if each in said]


async def test_an_address_that_is_over_costs_the_reply_and_nothing_else(sockets, monkeypatch):
    monkeypatch.setattr(soon, "SOON", 0.0)
    await sockets.emulator.latency("users.info", 0.2)
    await sockets.emulator.age(addresses=1801)
    await sockets.emulator.command("C1", "U2", "help")

    async def tried() -> bool:
        return len(await sockets.calls_of("response_url")) == 2

    await until(tried)
    assert not await whispers(sockets)
    assert [each.text for each in await sockets.final(await sockets.ask("why?", "Yes."))] == ["Yes."]


async def test_a_command_of_somebody_whom_slack_cannot_name_now_is_asked_for_again(sockets):
    await sockets.emulator.fault("users.info", status=500)
    assert (await sockets.emulator.command("C1", "U2", "help"))["text"] == soon.NOT_NOW
    assert "`forget`" in (await sockets.emulator.command("C1", "U2", "help"))["text"]


async def test_a_command_that_fails_says_so(sockets, monkeypatch):
    async def wrong(_command: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(sockets.core, "command", wrong)
    assert (await sockets.emulator.command("C1", "U1", "help"))["text"] == soon.FAILED


async def test_a_command_that_is_sent_again_is_done_once(world):
    sent = world.emulator._slash(world.emulator._workspace.person("U1"), "C1", "why?", "/rivulet")
    for _ in range(3):
        assert await world.emulator._way.ask("slash_commands", sent) == {}
    assert len([each for each in await posted(world) if not each["thread_ts"]]) == 1


def test_what_was_taken_is_remembered_within_bounds():
    once = Once()
    assert [once.first("a"), once.first("a"), once.first(""), once.first("")] == [True, False, True, True]
    assert all(once.first(str(number)) for number in range(REMEMBERED))
    assert once.first("a")
    once.forget("a")
    assert once.first("a")


# Commands in mentions.


async def test_a_command_in_a_thread_is_answered_in_the_thread_to_its_actor_alone(world):
    question = await world.ask("why?", "Because.")
    await world.final(question)
    await world.reply(question, "!help")
    [told] = await whispered(world)
    assert (told["user"], told["thread_ts"]) == ("U1", at(question)[1])
    assert "`forget`" in told["text"]
    assert len(world.model.requests) == 1
    assert len(await posted(world)) == 1


async def test_a_command_where_no_thread_is_yet_is_answered_in_the_channel(sockets):
    """Slack shows no whisper in a thread that has no reply."""
    await sockets.say("!help")
    [told] = await whispered(sockets)
    assert told["thread_ts"] == ""


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("!stop", NOTHING),
        ("!model", ONE_MODEL.partition("}")[2]),
        ("!again", NO_LAST),
        ("!forget me", FORGOTTEN.partition("{")[0]),
        ("!forget", "forget me"),
    ],
)
async def test_each_command_in_a_mention_is_answered(sockets, text, reply):
    await sockets.say(text)
    [told] = await whispered(sockets)
    assert reply in told["text"].replace("`", "")
    assert not await posted(sockets)


async def test_stop_in_a_thread_stops_its_answer(world):
    question = await world.ask("why?", "Because ", HOLD)
    await world.first(question, "Because")
    await world.reply(question, "!stop")
    await world.stopped(question)
    assert [each["text"] for each in await whispered(world)] == [STOPPED]


@pytest.mark.parametrize("error", ["user_not_in_channel", "channel_not_found", "some_new_error"])
async def test_where_nothing_can_be_whispered_the_reply_is_an_answer(sockets, error):
    await sockets.emulator.fault("chat.postEphemeral", 2, error=error)
    question = await sockets.say("!help")

    async def answered() -> bool:
        return any("forget" in each.text for each in await sockets.answers(question))

    await until(answered)
    assert not await whispers(sockets)


# Whispers.


async def test_a_whisper_with_blocks_that_slack_refuses_is_sent_as_plain_text(sockets):
    await sockets.emulator.fault("chat.postEphemeral", error="invalid_blocks", having="blocks")
    assert await sockets.platform.whisper("slack/T1/C1/1.0", ANN, HERE, "**a** <!here>")
    [told] = await whispers(sockets)
    assert told["text"] == "a <!here>"


@pytest.mark.parametrize("message", ["", "slack", "slack/T1/C1", "x/y", "web/1/2"])
async def test_what_is_no_message_of_slacks_is_not_whispered_at(sockets, message):
    assert not await sockets.platform.whisper(message, ANN, HERE, "a")


@pytest.mark.parametrize("fault", [{"status": 500}, {"drop": True}, {"error": "token_revoked"}])
async def test_a_whisper_that_does_not_get_through_is_false_and_raises_nothing(sockets, fault):
    await sockets.emulator.fault("chat.postEphemeral", 2, **fault)
    assert not await sockets.platform.whisper("slack/T1/C1/1.0", ANN, HERE, "a")


async def test_a_whisper_waits_for_slack_a_little_and_not_for_long(sockets):
    await sockets.emulator.fault("chat.postEphemeral", 1, 429, headers={"Retry-After": "1"})
    assert await sockets.platform.whisper("slack/T1/C1/1.0", ANN, HERE, "a")
    await sockets.emulator.fault("chat.postEphemeral", 1, 429, headers={"Retry-After": "60"})
    assert not await sockets.platform.whisper("slack/T1/C1/1.0", ANN, HERE, "a")
    calls = len(await sockets.calls_of("chat.postEphemeral"))
    assert not await sockets.platform.whisper("slack/T1/C1/1.0", ANN, HERE, "a")
    assert len(await sockets.calls_of("chat.postEphemeral")) == calls


async def test_before_it_has_connected_nothing_is_whispered(sockets):
    assert not await sockets.load().whisper("slack/T1/C1/1.0", ANN, HERE, "a")
    assert not await sockets.load().notify("U1", "a")


async def test_somebody_is_notified_by_a_direct_message(sockets):
    told = f"**80 %** are spent, <!here>: {LINK}"
    assert await sockets.platform.notify("U1", told)
    assert [each["text"] for each in await posted(sockets, "DU1")] == [told.replace(LINK, f"`{LINK}`")]
    assert not (await sockets.emulator.verdict())["unfurls"]


async def test_of_a_group_a_few_are_notified_and_none_where_slack_does_not_say_who_is_in_it(sockets):
    members = [f"U{number:02}" for number in range(1, NOTIFIED + 3)]
    await sockets.emulator.group("S1", "admins", members)
    assert await sockets.platform.notify("S1", "near")
    assert len(await sockets.calls_of("chat.postMessage")) == NOTIFIED
    await sockets.emulator.fault("usergroups.users.list", times=2, error="missing_scope")
    assert not await sockets.platform.notify("S2", "near")


@pytest.mark.parametrize("person", ["", "nobody", "<@U1>"])
async def test_who_is_nobody_is_not_notified_and_nothing_is_raised(sockets, person):
    assert not await sockets.platform.notify(person, "a")


async def test_whoever_may_not_stop_an_answer_reads_so_in_its_thread(strict):
    question = await strict.ask("why?", "Because ", HOLD)
    answer = await strict.first(question, "Because")
    await strict.react(answer.id, who="U2")
    [told] = await whispered(strict)
    assert (told["user"], told["thread_ts"]) == ("U2", at(question)[1])
    assert (await strict.answers(question))[-1].live


@pytest.mark.parametrize(
    "text", ["a", "<!here> <@U2>", "x" * 100_000, "`a` **b**\n\n- c\n- d", "> q", "\x00\u202e"]
)
def test_a_reply_fits_and_has_no_markup_of_slacks(text):
    shown = reply(text)
    assert 0 < len(shown["text"]) <= 4_000
    assert len(shown["blocks"][0]["text"]) <= 12_000
    assert len(text) < REPLY or len(shown["blocks"][0]["text"]) <= 2 * REPLY
    for each in (shown["text"], shown["blocks"][0]["text"]):
        assert not any(mark in each for mark in ("<!", "<@", "<#"))


def test_nothing_to_say_is_an_empty_answer():
    assert ephemeral("") == {}


# The shortcut.


async def about(
    world: SlackWorld, text: str = "The sky is *blue* &lt;today&gt;", thread: str | None = None
) -> str:
    """Let bob write a message, and ann choose the shortcut on it; return the message's ts."""
    ts: str = await world.emulator.say("C1", "U2", text, thread)
    assert await world.emulator.shortcut("C1", ts, "U1")
    return ts


async def test_the_shortcut_opens_a_modal_whose_question_is_answered_in_the_messages_thread(world):
    ts = await about(world)
    view = await world.emulator.modal("U1")
    assert view["title"]["text"] == "Ask about this"
    world.model.steps = ("Because.",)
    assert await world.emulator.submit("U1", "why is <b> that?") == {"errors": {}, "failed": False}
    question = (await posted(world))[0]
    assert question["thread_ts"] == ts
    assert question["text"].startswith("*ann* asks:\n> bob wrote:\n> The sky is")
    assert question["text"].endswith("why is <b> that?")
    [answer] = await world.final(f"C1/{question['ts']}")
    assert (answer.text, answer.under) == ("Because.", f"C1/{ts}")
    [request] = world.model.requests
    assert "> bob wrote:\n> The sky is *blue* <today>\n\nwhy is <b> that?" in request.turns[-1].text


async def test_a_message_in_a_thread_is_asked_about_in_that_thread(world):
    root = await world.emulator.say("C1", "U2", "root")
    ts = await about(world, "a reply", root)
    await world.emulator.submit("U1", "why?")
    assert {each["thread_ts"] for each in await posted(world)} == {root}
    assert ts != root
    await world.final(f"C1/{(await posted(world))[0]['ts']}")
    assert "> a reply" in world.model.requests[0].turns[-1].text


async def test_a_direct_message_is_asked_about_in_a_thread_there(world):
    ts = await world.emulator.say("DU1", "U1", "!help")
    await whispered(world)
    assert await world.emulator.shortcut("DU1", ts, "U1")
    assert await world.emulator.submit("U1", "why?") == {"errors": {}, "failed": False}
    assert {each["thread_ts"] for each in await posted(world, "DU1")} == {ts}
    await until(lambda: _requests(world, 1))


async def test_an_answer_of_the_bots_own_is_asked_about_without_its_buttons(sockets):
    question = await sockets.ask("why?", "Because.")
    [answer] = await sockets.final(question)
    assert await sockets.emulator.shortcut(*at(answer.id), "U2")
    await sockets.emulator.submit("U2", "really?")
    await sockets.final(f"C1/{(await posted(sockets))[1]['ts']}")
    assert "> rivulet wrote:\n> Because.\n\nreally?" in sockets.model.requests[-1].turns[-1].text


async def test_a_question_by_command_is_asked_about_as_its_askers(sockets):
    question = await asked(sockets, "why?")
    await sockets.final(question)
    assert await sockets.emulator.shortcut(*at(question), "U2")
    await sockets.emulator.submit("U2", "what is meant?")
    await until(lambda: _requests(sockets, 2))
    assert "> ann wrote:\n> why?\n\nwhat is meant?" in sockets.model.requests[-1].turns[-1].text


async def _requests(world: SlackWorld, count: int) -> bool:
    return len(world.model.requests) == count


@pytest.mark.parametrize("in_thread", [False, True])
async def test_files_of_the_message_are_read(sockets, in_thread):
    root = await sockets.emulator.say("C1", "U2", "root") if in_thread else None
    ts = await sockets.emulator.say("C1", "U2", "see", root, files={"a.txt": "aGVsbG8gd29ybGQ="})
    assert await sockets.emulator.shortcut("C1", ts, "U1")
    await sockets.emulator.submit("U1", "what does it say?")
    await until(lambda: _requests(sockets, 1))
    files = [each for turn in sockets.model.requests[0].turns for each in turn.files]
    assert {each.name for each in files} == {"a.txt"}
    assert all(each.data == b"hello world" for each in files)
    assert len(files) == 1 + in_thread


@pytest.mark.parametrize("text", [" ", "\n\t", "\u200b", "\u2060 "])
async def test_a_question_without_a_word_is_the_modals_own_error(world, text):
    await about(world)
    assert await world.emulator.submit("U1", text) == {
        "errors": {BLOCK: "Write a question."},
        "failed": False,
    }
    assert not await posted(world)
    assert await world.emulator.submit("U1", "why?") == {"errors": {}, "failed": False}
    await until(lambda: _requests(world, 1))


async def test_where_the_bot_is_not_the_modal_says_so_and_may_be_sent_again(world):
    await world.emulator.absent("C1")
    await about(world)
    assert "/invite" in (await world.emulator.submit("U1", "why?"))["errors"][BLOCK]
    await world.emulator.absent()
    assert await world.emulator.submit("U1", "why?") == {"errors": {}, "failed": False}
    await until(lambda: _requests(world, 1))


async def test_a_message_that_is_gone_meanwhile_is_said_to_be(sockets):
    ts = await about(sockets)
    await sockets.emulator.delete("C1", ts)
    assert (await sockets.emulator.submit("U1", "why?"))["errors"] == {BLOCK: asking.LOST}
    assert not await posted(sockets)


@pytest.mark.parametrize("who", ["UGUEST", "UEXT"])
async def test_a_stranger_sees_no_modal_and_is_told_so(world, who):
    ts = await world.emulator.say("C1", "U2", "secret")
    assert await world.emulator.shortcut("C1", ts, who)
    [told] = await whispered(world)
    assert (told["user"], told["text"]) == (who, REFUSED)
    with pytest.raises(LookupError):
        await world.emulator.modal(who)
    assert not await world.calls_of("views.open")


async def test_somebody_whose_right_is_gone_when_they_send_the_modal_is_told_so_in_it(sockets):
    await about(sockets)
    await sockets.emulator.user("U1", "ann", is_restricted=True)
    sockets.platform._here.people._users._known.clear()
    assert (await sockets.emulator.submit("U1", "why?"))["errors"] == {BLOCK: REFUSED}
    assert not await posted(sockets)


async def test_a_trigger_that_is_over_is_told_and_not_tried_again(sockets):
    await sockets.emulator.age(triggers=3.0)
    ts = await sockets.emulator.say("C1", "U2", "x")
    assert await sockets.emulator.shortcut("C1", ts, "U1")
    [told] = await whispered(sockets)
    assert "once more" in told["text"]
    assert len(await sockets.calls_of("views.open")) == 1


async def test_who_floods_the_shortcut_is_answered_nothing_and_costs_no_call(sockets):
    ts = await sockets.emulator.say("C1", "U2", "x")
    for _ in range(EVENTS):
        assert await sockets.emulator.shortcut("C1", ts, "U1")
    calls = len(await sockets.emulator.events(kinds=["call"]))
    assert await sockets.emulator.shortcut("C1", ts, "U1")
    assert len(await sockets.emulator.events(kinds=["call"])) == calls


async def test_a_shortcut_of_another_name_is_none_of_ours(sockets):
    ts = await sockets.emulator.say("C1", "U2", "x")
    assert await sockets.emulator.shortcut("C1", ts, "U1", "another")
    assert not await sockets.calls_of("views.open")


async def test_a_modal_that_is_sent_twice_asks_once(sockets):
    await about(sockets)
    view = sockets.emulator._views.newest("U1")
    who = sockets.emulator._workspace.person("U1")
    sent = {
        **sockets.emulator._by(who, "view_submission"),
        "view": sockets.emulator._views.filled(view, "why?"),
    }
    assert [await sockets.emulator._way.ask("interactive", sent) for _ in range(2)] == [{}, {}]
    await until(lambda: _requests(sockets, 1))
    assert len([each for each in await posted(sockets) if "asks:" in each["text"]]) == 1


async def test_a_modal_that_takes_long_closes_in_time_and_what_is_wrong_is_told_later(world, monkeypatch):
    await about(world)
    monkeypatch.setattr(soon, "SOON", 0.1)
    await world.emulator.latency("chat.postMessage", 0.4)
    await world.emulator.fault("chat.postMessage", error="is_archived", delay=0.4)
    assert await world.emulator.submit("U1", "why?") == {"errors": {}, "failed": False}
    [told] = await whispered(world)
    assert "archived" in told["text"]


def test_a_modal_fits_whatever_it_is_about():
    view = modal(About("C" * 40, "1" * 29, "2" * 29))
    assert len(view["private_metadata"]) <= CARRIED
    assert view["blocks"][0]["element"]["max_length"] == LONGEST <= 3_000
    assert len(view["title"]["text"]) <= 24
    assert About.carried_by(view) == About("C" * 40, "1" * 29, "2" * 29)


@pytest.mark.parametrize(
    "carried", ["", "{", "[]", '["C1"]', '["C1", 1, ""]', '["", "1.0", ""]', "[" * 3_000, None, 7]
)
def test_what_carries_no_message_is_about_none(carried):
    assert About.carried_by({"private_metadata": carried}) is None


# Who said what the bot has posted.


def test_what_the_bot_has_posted_in_somebodys_name_is_theirs():
    blocks = asking.shown(ANN, "why & how?")["blocks"]
    found = attributed({"user": "UBOT", "ts": "1.0", "text": "ann asks: why?", "blocks": blocks}, "UBOT")
    assert (found["user"], found["ts"]) == ("U1", "1.0")
    assert Message.of(found).says({}) == "why & how?"


@pytest.mark.parametrize(
    "message",
    [
        {"user": "U2", "ts": "1.0", "blocks": asking.shown(ANN, "why?")["blocks"]},
        {"user": "UBOT", "ts": "1.0", "blocks": asking.shown(ANN, "why?")["blocks"][::-1]},
        {"user": "UBOT", "ts": "1.0", "text": "*ann* asks: why?"},
        {"user": "UBOT", "ts": "1.0", "blocks": [{"block_id": "asked_by.<@U1>"}]},
        {"user": "UBOT", "ts": "1.0", "blocks": [None]},
        {"user": "UBOT", "ts": "1.0", "blocks": "asked_by.U1"},
        {},
    ],
)
def test_nothing_else_is_taken_for_somebody_elses(message):
    assert attributed(message, "UBOT") is message


@pytest.mark.parametrize("text", ["a", "<" * 5_000, "&" * 60_000, "x" * 60_000, "> q\n\nwhy?", "é" * 3_000])
def test_a_question_in_somebodys_name_fits_whatever_it_says(text):
    shown = asking.shown(Actor("U1", "*a* <!here>\nb" * 50), text)
    assert len(shown["blocks"][1]["text"]["text"]) <= 3_000
    assert len(shown["blocks"][0]["text"]["text"]) <= 3_000
    assert not pings(shown["text"], shown["blocks"], linked=True)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("a &lt; b &gt; c &amp; d", "a < b > c & d"),
        ("List<int> and a < b > c", "List<int> and a < b > c"),
        ("see <https://a.example|a>, <@U1|ann>", "see a (https://a.example), @ann"),
    ],
)
def test_what_stands_behind_a_command_is_read_as_it_was_written(sent, read):
    given = Slash.of({"text": sent, "channel_id": "C1", "user_id": "U1", "team_id": "T1"})
    assert given
    assert Message.of({"text": given.text}).says({}) == read


@pytest.mark.parametrize("lacks", ["channel_id", "user_id", "team_id"])
def test_a_command_that_says_not_who_or_where_is_none(lacks):
    body = {"text": "x", "channel_id": "C1", "user_id": "U1", "team_id": "T1"}
    assert Slash.of(body)
    assert Slash.of({**body, lacks: None}) is None
