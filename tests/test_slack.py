"""Slack's own: texts, delays, errors, settings, health, and events of which only Slack has the like."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.errors import SlackApiError

import adapters.slack
from adapters.emulators.slack.judge import links, pings
from adapters.slack.dialect import SlackDialect
from adapters.slack.incoming import events, tidy
from adapters.slack.text import bare, blocks, inert, preview, said, typed
from adapters.slack.wire.errors import GONE, ILL, LONGEST_RETRY, RETRY_AFTER, retry_after, translated
from bot.events import STOP, Page
from bot.platform import Gone, Platform, SlowDown, Unavailable
from bot.text.writing import render
from tests.contract import HOLD, at, until
from tests.fakes import spoken
from tests.worlds import SlackWorld

TOKENS = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
NOISY = st.lists(
    st.sampled_from(["<", ">", "&", "@", "here", "@channel", "&amp;", "|", "a ", "\n", "é"])
).map("".join)


@pytest.fixture
async def world() -> AsyncIterator[SlackWorld]:
    world = await SlackWorld.open()
    assert isinstance(world, SlackWorld)
    yield world
    await world.close()


# Texts.


@given(st.text() | NOISY)
@pytest.mark.rule(8)
def test_what_is_sent_has_no_markup_of_slacks(text):
    drawn = render(SlackDialect(), text.replace(">", "").replace("<", "a<"))
    assert not set("<>") & set(drawn)
    assert "&" not in drawn.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")


@given(st.text() | NOISY)
@pytest.mark.rule(8)
def test_a_notification_has_no_markup_pings_nobody_and_is_never_empty(text):
    sent = preview(Page(render(SlackDialect(), text), text))
    assert sent.strip()
    assert not pings(sent, [], linked=True)
    assert links(sent, []) == []
    assert len(sent.encode()) < 3900


@pytest.mark.parametrize("name", ["channel", "HERE", "Everyone"])
@pytest.mark.rule(8)
def test_bare_group_mentions_are_broken_invisibly(name):
    assert render(SlackDialect(), f"@{name}") == f"@\u2060{name}"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("a &lt; b &amp;&amp; c", "a < b && c"),
        ("&amp;lt;", "&lt;"),
        ("see <https://example.com|the page>", "see the page (https://example.com)"),
        ("see <https://example.com>", "see https://example.com"),
        ("<#C1|general> <!here>", "general (#C1) !here"),
    ],
)
def test_slacks_markup_is_read_as_people_wrote_it(sent, read):
    assert typed(sent) == read


@pytest.mark.parametrize(
    ("page", "kinds"),
    [
        (Page(""), ["markdown"]),
        (Page("", "Stopped."), ["context"]),
        (Page("a", controls=(STOP,)), ["markdown", "actions"]),
        (Page("a", "b", controls=(STOP,)), ["markdown", "context", "actions"]),
    ],
)
def test_a_page_becomes_blocks_and_its_text_is_read_back(page, kinds):
    drawn = blocks(page)
    assert [block["type"] for block in drawn] == kinds
    assert said({"blocks": drawn, "text": "preview"}) == page.text


# Delays and errors.


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({"Retry-After": "30"}, 30.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"Retry-After": "3600"}, LONGEST_RETRY),
        ({"Retry-After": "-5"}, 1.0),
        ({"Retry-After": "0"}, 1.0),
        ({"Retry-After": "nan"}, RETRY_AFTER),
        ({"Retry-After": "inf"}, RETRY_AFTER),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, RETRY_AFTER),
        ({"Retry-After": ""}, RETRY_AFTER),
        ({}, RETRY_AFTER),
    ],
)
def test_a_429s_delay_is_read_and_capped(header, seconds):
    assert retry_after(header) == seconds


class Answer(dict[str, Any]):
    """An answer of Slack's as the SDK hands it over."""

    def __init__(self, status: int, error: str = "", **headers: str) -> None:
        super().__init__({"ok": False, **({"error": error} if error else {})})
        self.status_code = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def raised(error: Exception, bucket: str = "") -> Exception:
    """What `translated` makes of *error*."""
    with pytest.raises(Exception) as caught, translated(bucket):  # noqa: PT011  any is what is asked for
        raise error
    return caught.value


@pytest.mark.parametrize("error", sorted(GONE))
def test_what_no_second_try_changes_is_gone(error):
    assert isinstance(raised(SlackApiError("", Answer(200, error))), Gone)


@pytest.mark.parametrize(
    ("status", "error"),
    [*((200, error) for error in sorted(ILL)), (500, ""), (503, "x"), (200, ""), (404, "")],
)
def test_a_slack_that_is_not_well_or_not_slack_is_tried_again(status, error):
    assert isinstance(raised(SlackApiError("", Answer(status, error))), ConnectionError)


@pytest.mark.parametrize(("status", "error"), [(429, ""), (429, "ratelimited"), (200, "ratelimited")])
def test_a_429_says_how_long_and_for_what(status, error):
    slow = raised(SlackApiError("", Answer(status, error, Retry_After="7")), "slack/T1/chat.update")
    assert isinstance(slow, SlowDown)
    assert (slow.retry_after, slow.bucket) == (7.0, "slack/T1/chat.update")


def test_an_answer_that_is_no_json_is_tried_again():
    response = Mock(spec=aiohttp.ClientResponse, status=502, headers={})
    assert isinstance(raised(SlackApiError("", response)), ConnectionError)


@pytest.mark.parametrize(
    ("status", "error"), [(200, "invalid_blocks"), (400, "new"), (400, ""), (413, ""), (404, "new")]
)
def test_a_call_that_slack_finds_fault_with_is_no_call_to_make_again(status, error):
    assert isinstance(raised(SlackApiError("", Answer(status, error))), SlackApiError)


@given(st.text() | NOISY)
def test_a_page_without_blocks_has_no_markup_of_slacks_and_its_text_is_read_back(text):
    shown = SlackDialect().entities(text)
    for note in ("", "Stopped by <@U1>."):
        sent = bare(Page(shown, note))
        assert not set("<>") & set(sent)
        assert not pings(sent, [], linked=False)
        assert said({"text": sent}) in {typed(shown), ""}
        assert len(sent.encode()) <= len(inert(shown).encode()) + 1_000


def test_a_connection_that_fails_is_a_connection_error_and_a_timeout_stays_one():
    assert isinstance(raised(aiohttp.ServerDisconnectedError()), ConnectionError)
    assert isinstance(raised(aiohttp.ClientPayloadError()), ConnectionError)
    assert isinstance(raised(TimeoutError()), TimeoutError)
    assert isinstance(raised(aiohttp.ServerTimeoutError()), TimeoutError)


# Settings.


def load(**settings: str) -> Platform | None:
    return adapters.load("slack", **{**TOKENS, **settings})


def test_slack_without_tokens_is_left_out(monkeypatch):
    monkeypatch.delenv("SLACK_BOT_TOKEN", raising=False)
    monkeypatch.delenv("SLACK_APP_TOKEN", raising=False)
    assert load(SLACK_BOT_TOKEN="", SLACK_APP_TOKEN="") is None


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"SLACK_APP_TOKEN": ""}, "SLACK_APP_TOKEN"),
        ({"SLACK_APP_TOKEN": ""}, "SLACK_SIGNING_SECRET"),
        ({"SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": "  "}, "SLACK_SIGNING_SECRET"),
        ({"SLACK_BOT_TOKEN": ""}, "SLACK_BOT_TOKEN"),
        ({"SLACK_APP_TOKEN": "xoxb-1"}, "SLACK_APP_TOKEN"),
        ({"SLACK_BOT_TOKEN": "xapp-1"}, "SLACK_BOT_TOKEN"),
        ({"SLACK_BOT_TOKEN": "xoxp-1"}, "SLACK_BOT_TOKEN"),
    ],
)
def test_a_token_that_is_missing_or_of_another_kind_is_named_in_one_line(settings, named):
    with pytest.raises(Unavailable, match=named) as caught:
        load(**settings)
    assert "\n" not in str(caught.value)


def test_stop_emoji_are_names_with_commas_between():
    settings = adapters.slack.Settings(RIVULET_SLACK_STOP_EMOJI="x, hand")  # type: ignore[call-arg]
    assert settings.stop_emoji == ("x", "hand")


# Looking at what is set up.


async def findings(world: SlackWorld) -> list[tuple[bool, bool, str]]:
    platform = world.load()
    return [(each.ok, each.fatal, f"{each.text}; {each.fix}") for each in await platform.check()]


async def test_check_is_content_with_a_good_set_up(world):
    [(ok, fatal, text)] = await findings(world)
    assert (ok, fatal) == (True, False)
    assert "UBOT" in text
    assert "T1" in text


@pytest.mark.parametrize("error", ["invalid_auth", "token_revoked", "token_expired", "account_inactive"])
async def test_check_names_a_bot_token_that_slack_refuses(world, error):
    await world.emulator.fault("auth.test", error=error)
    [(ok, fatal, text)] = await findings(world)
    assert (ok, fatal) == (False, True)
    assert "SLACK_BOT_TOKEN" in text
    assert error in text


@pytest.mark.parametrize("error", ["invalid_auth", "not_allowed_token_type", "missing_scope"])
async def test_check_names_an_app_token_that_slack_refuses(world, error):
    await world.emulator.fault("apps.connections.open", error=error)
    good, (ok, fatal, text) = await findings(world)
    assert good[0]
    assert (ok, fatal) == (False, True)
    assert "SLACK_APP_TOKEN" in text
    assert error in text


@pytest.mark.rule(6)
async def test_check_names_scopes_that_are_missing_and_what_for(world):
    await world.emulator.scopes("app_mentions:read,channels:history,chat:write,groups:history,im:history")
    good, *lacking = await findings(world)
    assert good[0]
    assert not any(ok for ok, _, _ in lacking)
    names = [text.partition(" is missing")[0].rpartition(" ")[2] for *_, text in lacking]
    assert names == [
        "reactions:read",
        "reactions:write",
        *("users:read", "channels:read", "groups:read", "usergroups:read"),
        *("files:write", "files:read", "commands"),
    ]
    assert [name for name, (_, fatal, _) in zip(names, lacking, strict=True) if fatal] == ["users:read"]
    assert all(
        f"add {name} at OAuth & Permissions" in text for name, (*_, text) in zip(names, lacking, strict=True)
    )


@pytest.mark.parametrize("method", ["auth.test", "apps.connections.open"])
async def test_check_blames_no_token_for_a_slack_that_is_not_well(world, method):
    for fault in ({"status": 500, "body": "<html>"}, {"drop": True}, {"status": 429}):
        await world.emulator.fault(method, **fault)
        [(_, fatal, text)] = [each for each in await findings(world) if not each[0]]
        assert not fatal
        assert "network" in text


@pytest.mark.parametrize(
    ("method", "named"), [("auth.test", "SLACK_BOT_TOKEN"), ("apps.connections.open", "SLACK_APP_TOKEN")]
)
async def test_a_wrong_token_ends_the_run_with_what_to_do(world, method, named):
    await world.emulator.fault(method, times=9, error="invalid_auth")
    with pytest.raises(Unavailable, match=named):
        await asyncio.wait_for(world.load().run(world.core), 5)


async def test_a_slack_that_cannot_be_reached_is_no_wrong_token_and_is_tried_again(world):
    await world.vanish()
    await world.emulator.fault("apps.connections.open", times=4, status=503)
    await world.connect()
    await world.final(await world.ask("why?"))


# Events that only Slack has.


async def test_what_was_not_taken_is_sent_again_and_answered_once(world, monkeypatch):
    await world.emulator.redelivery(after=0.1, delays=(0.0, 0.1, 0.1))
    mention, tries = world.core.mention, []

    async def fails_once(asked: Any) -> None:
        tries.append(asked.key)
        if len(tries) == 1:
            raise ConnectionError("the ledger is away")
        await mention(asked)

    monkeypatch.setattr(world.core, "mention", fails_once)
    question = await world.ask("why?")
    assert len(await world.final(question)) == 1
    await world.settled()
    assert len(tries) == 2
    assert len(world.model.requests) == 1


async def test_a_question_by_somebody_whom_slack_cannot_name_now_is_answered_later(world):
    await world.emulator.redelivery(after=0.1, delays=(0.0, 0.1, 0.1))
    await world.emulator.fault("users.info", times=1, status=500)
    question = await world.ask("why?")
    assert (await world.final(question))[0].text == "Yes."


@pytest.mark.parametrize("error", ["user_not_found", "user_not_visible"])
async def test_somebody_whom_slack_does_not_show_is_a_stranger_whose_event_is_acknowledged(world, error):
    await world.emulator.fault("users.info", error=error)
    for _ in range(2):
        await world.ask("why?")
        await world.settled()
    assert world.model.requests == []
    assert len(await world.calls_of("users.info")) == 1


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("users.info", {"error": "something_new"}),
        ("users.info", {"status": 500}),
        ("conversations.history", {"error": "something_new"}),
        ("conversations.history", {"status": 500}),
    ],
)
async def test_what_was_missed_is_found_though_one_person_or_place_cannot_be_asked_about(
    world, method, fault
):
    first = await world.ask("why?")
    await world.final(first)
    direct = await world.dm("why?")
    await world.final(direct)
    await world.crash()
    await world.emulator.subscribe([])  # so that Slack does not send them again
    found = [await world.say("and how?", world.bob), await world.dm("and when?")]
    if method == "conversations.history":  # the newest place comes first
        del found[1]
    await world.emulator.fault(method, **fault)  # of a person: who asked before
    await world.restart(remember=True)
    for question in found:
        assert (await world.final(question))[0].text == "Yes."


async def test_an_event_is_not_lost_while_slack_cannot_say_who_we_are(world, monkeypatch):
    """Left to itself, Bolt asks before the first event, and acknowledges it when Slack is not well."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    await world.vanish()
    await world.connect()
    await world.emulator.fault("auth.test", times=9, status=503)
    assert (await world.final(await world.ask("why?")))[0].text == "Yes."


async def test_slacks_own_stop_button_stops(world):
    question = await world.ask("why?", "Because", HOLD)
    answer = await world.first(question, "Because")
    await world.emulator.stop_session(*at(question), "U2", [at(answer.id)[1]])
    await world.stopped(question)


async def tidied(world: SlackWorld) -> None:
    """Wait until nothing lags behind the events."""
    slack: Any = world.platform

    async def done() -> bool:
        return not slack._errands._tasks

    await world.settled()
    await until(done)


@pytest.mark.parametrize("reason", ["end_turn", "max_tokens"])
async def test_a_stop_that_comes_too_late_leaves_the_answer_whole(world, monkeypatch, reason):
    monkeypatch.setattr(tidy, "KNOWN", 0.0)
    world.model.reason = reason
    question = await world.ask("why?", "Because ", HOLD, "of the rain.")
    answer = await world.first(question, "Because")
    people = world.platform._here.people
    pressed, gate, find = asyncio.Event(), asyncio.Event(), people.find

    async def slowly(user: str, *, spare: bool) -> Any:
        pressed.set()
        await gate.wait()
        return await find(user, spare=spare)

    monkeypatch.setattr(people, "find", slowly)
    monkeypatch.setattr(events, "SOON", 60.0)
    people._users._known.clear()
    await world.press(answer.id)
    await pressed.wait()
    world.model.go.set()
    await world.final(question)
    ended = await world.emulator.message(*at(answer.id))
    gate.set()
    await tidied(world)
    assert (await world.first(question)).text == "Because of the rain."
    assert await world.emulator.message(*at(answer.id)) == ended


async def test_somebody_who_may_not_stop_is_told_so_once_and_nobody_else():
    world = await SlackWorld.open(RIVULET_STOP="asker")
    question = await world.ask("why?", "Because", HOLD)
    answer = await world.first(question, "Because")
    for _ in range(2):
        await world.press(answer.id, who=world.bob)

    async def told() -> list[tuple[str, str]]:
        return [(each["user"], each["text"]) for each in await world.emulator.events(kinds=["ephemeral"])]

    assert await until(told) == [(world.bob, "You may not do that here.")]
    await world.settled()
    assert len(await told()) == 1
    assert (await world.first(question)).live
    await world.press(answer.id)
    await world.stopped(question)
    await world.close()


async def test_a_stop_button_that_a_crash_left_goes_away_and_nothing_else(world, monkeypatch):
    monkeypatch.setattr(tidy, "KNOWN", 0.0)
    question = await world.ask("why?", "Because ", HOLD, "of the rain.")
    answer = await world.first(question, "Because")
    await world.restart()
    await world.press(answer.id)
    [seen] = await world.final(question)
    assert seen.text == "Because"


async def test_a_stop_button_of_an_answer_that_goes_on_is_left_to_it(world, monkeypatch):
    """A press may overtake the reply to our own post, and is found by the answer a little later."""
    monkeypatch.setattr(tidy, "KNOWN", 0.3)
    question = await world.ask("why?", "Because ", HOLD)
    answer = await world.first(question, "Because")
    live = await world.still()
    world.core._stops.forget(f"slack/T1/{answer.id}")
    await world.press(answer.id)
    await world.settled()
    world.core._stops._watched[f"slack/T1/{answer.id}"] = live
    seen = await world.stopped(question)
    await tidied(world)
    assert seen.note == (await world.first(question)).note == "Stopped by ann."


async def test_other_bots_in_a_thread_are_not_taken_for_us(world):
    question = await world.ask("what is a?")
    await world.final(question)
    await world.emulator.post_as(*at(question)[:1], "UROBOT", "beep", thread_ts=at(question)[1])
    await world.final(await world.reply(question, "and b?"))
    [_, _, _, beep, _] = (request := world.model.requests[1]).turns
    assert spoken(request) == [("ann", "what is a?"), ("", "Yes."), ("robot", "beep"), ("ann", "and b?")]
    assert re.fullmatch(r'<(unverified-\w+) by="robot">\nbeep\n</\1>', beep.text)


async def test_a_deleted_question_leaves_no_tombstone_in_the_history(world):
    question = await world.ask("what is a?")
    await world.final(question)
    await world.delete(question)
    await world.final(await world.reply(question, "and b?"))
    assert [turn.text for turn in world.model.requests[1].turns] == ["Yes.", "and b?"]


async def test_a_thread_in_a_direct_message_is_read_with_its_answers(world):
    first = await world.dm("what is a?")
    await world.final(first)
    await world.final(await world.reply(first, "and b?"))
    await world.final(await world.dm("and c?"))
    assert [turn.text for turn in world.model.requests[2].turns] == [
        *("what is a?", "Yes.", "and b?", "Yes.", "and c?"),
    ]


async def test_our_own_answers_carry_a_preview_that_fits_and_pings_nobody(world):
    text = "<!channel> & " * 40
    [seen] = await world.final(await world.ask("why?", text))
    sent = world.emulator._workspace.get(*at(seen.id)).text
    assert 0 < len(sent.encode()) < 4000
    assert "<" not in sent
