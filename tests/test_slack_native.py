"""Slack's native streams: the text is whole and single in every fallback, and nothing stays streaming."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adapters.emulators.slack.markdown import decoded
from adapters.slack import native
from adapters.slack.dialect import SlackDialect
from adapters.slack.native import NativeSurface
from adapters.slack.outgoing import sessions, streams
from adapters.slack.text import joint, weight
from adapters.slack.wire import errands
from bot.events import Event, Page, Text
from bot.platform import Limits, Op, Platform, Remains
from bot.show.pages import Pages, paginate
from bot.tools import Caller, Refused, tool
from tests.contract import HOLD, Seen, at, until
from tests.worlds import SlackWorld

FENCED = "Look:\n\n```py\nif a < b & c > d:\n    print('`` hi')\n\n    go()\n```\n\nDone, @here & <!channel>."
WIDE = "日本語のテキスト👩‍👩‍👧‍👦 and 🇩🇪 ends.  \n\n* a\n* b & c\n\n~~~\nx\n~~~"
LONG = "\n\n".join(f"Paragraph {n} says that {n} < {n + 1} & so on, at some length." for n in range(400))

NOISY = st.lists(st.sampled_from(["`", "```", "~~~", "\n", " ", "@", "here", "a", "bc", "&", "<", "é", "日"]))


class NativeWorld(SlackWorld):
    """Slack with native streams in channels too, of which the joins lose white space."""

    def load(self, **settings: str) -> Platform:
        return super().load(RIVULET_SLACK_STREAMING="native", **settings)


@pytest.fixture
async def world() -> AsyncIterator[SlackWorld]:
    world = await SlackWorld.open()
    assert isinstance(world, SlackWorld)
    await world.emulator.streams(trims=True)
    yield world
    await world.close()


@pytest.fixture
async def channels() -> AsyncIterator[NativeWorld]:
    world = await NativeWorld.open()
    assert isinstance(world, NativeWorld)
    yield world
    await world.close()


def parts(text: str, size: int = 7) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


async def dm(world: SlackWorld, *steps: str | int) -> str:
    world.model.steps = steps
    return await world.dm("why?")


async def log(world: SlackWorld, *kinds: str) -> list[dict[str, Any]]:
    return await world.emulator.events(kinds=kinds)


async def called(world: SlackWorld, method: str) -> list[dict[str, Any]]:
    return [each for each in await log(world, "call") if each["method"] == method]


async def nothing_streams(world: SlackWorld) -> bool:
    verdict = await world.emulator.verdict()
    return not verdict["live"] and not verdict["broken"]


async def whole(world: SlackWorld, question: str, text: str) -> Seen:
    """Return the one answer, once it is final; it must show *text*, and nothing may stream."""

    async def ended() -> list[Seen]:
        return [] if world.core._lives else await world.answers(question)

    [seen] = await until(ended)
    await until(lambda: nothing_streams(world))
    [seen] = await world.answers(question)
    assert seen.text == text
    return seen


async def begun(world: SlackWorld, *steps: str | int, show: str = "Because") -> tuple[str, Seen]:
    """Ask, and wait until the stream shows *show*; the model holds there."""
    question = await dm(world, *steps)
    return question, await world.first(question, show)


# Texts.


#: What makes a heading of the paragraph before it, however long that has been shown.
UNDERLINED = re.compile(r"\n *(-+|=+) *(\n|\Z)")
#: Without marks of code within code, for which a fence grows; the stream is then given up and edited.
PROSE = st.lists(
    st.sampled_from(
        [
            "`a b`",
            "\n\n```py\nx = 1\n```\n\n",
            "\n",
            " ",
            "@",
            "here",
            "a",
            "bc",
            "&",
            "<",
            "é",
            "日",
            "**b** ",
            "- ",
        ]
    )
)


@given(PROSE)
def test_what_is_settled_stays_whatever_follows(tokens):
    """A growing page, with the fence it closes while live, is never taken back."""
    assume(not UNDERLINED.search("".join(tokens)))
    pages, sent = Pages(Limits(100_000, weight, SlackDialect(), appends=True)), ""
    for token in tokens:
        pages.feed(token)
        assert pages.last.shown.startswith(sent)
        sent = max(sent, pages.last.shown[: joint(pages.last.shown, pages.last.settled)], key=len)
    pages.end()
    assert pages.last.shown.startswith(sent)


async def test_what_an_underline_makes_a_heading_of_is_shown_by_an_edit(world):
    question, _ = await begun(world, "Because of the rain ", HOLD, "\n---\n\nIt rained.")
    world.model.go.set()
    await whole(world, question, "## Because of the rain\n\nIt rained.")


@given(NOISY, st.integers(0, 500))
def test_a_stream_is_cut_within_a_word(tokens, end):
    text = "".join(tokens).rstrip()
    at = joint(text, end)
    assert at <= end
    assert not at or not (text[at - 1].isspace() or text[at].isspace())


# As it goes well.


@pytest.mark.parametrize("text", ["Yes.", "x", FENCED, WIDE, "a b c d", "`" * 3, "  indented\n\n\n  more"])
@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_direct_message_streams_and_shows_the_text(world, text, size):
    question = await dm(world, *parts(text, size))
    [piece] = paginate(text, NativeSurface.limits)
    await whole(world, question, decoded(piece.shown))


async def test_a_stream_is_started_fed_and_stopped_without_an_edit_or_a_post(world):
    question, _ = await begun(world, "Because of ", HOLD, "the rain.", show="Because o")
    world.model.go.set()
    await whole(world, question, "Because of the rain.")
    kinds = [each["kind"] for each in await log(world, "start", "append", "stop", "edit", "post")]
    assert kinds[0] == "start"
    assert kinds[-1] == "stop"
    assert set(kinds) == {"start", "append", "stop"}


async def test_code_that_is_open_while_live_goes_on_as_a_stream(world):
    question, _ = await begun(world, "Because\n```py\nif a:\n    b", HOLD, "ig()\n```\nok", show="if a")
    assert "```\n```" not in (await world.first(question)).text
    world.model.go.set()
    await whole(world, question, "Because\n```py\nif a:\n    big()\n```\nok")
    assert await log(world, "edit") == []


async def test_long_answers_fill_pages_and_lose_nothing(world):
    question = await dm(world, *parts(LONG, 1500))

    async def ended() -> bool:
        return not world.core._lives and bool(await world.answers(question))

    await until(ended)
    await until(lambda: nothing_streams(world))
    pages = await world.answers(question)
    assert len(pages) > 2
    assert "\n\n".join(each.text for each in pages) == LONG
    assert all(len(each.text.encode()) <= native.PAGE for each in pages)


async def test_channels_are_edited_so_that_all_readers_see_it_live(world):
    question = await world.ask("why?", "Because ", HOLD, "of rain.")
    await world.first(question, "Because")
    world.model.go.set()
    await whole(world, question, "Because of rain.")
    assert await log(world, "start") == []


async def test_channels_stream_natively_for_the_asker_where_the_operator_says_so(channels):
    question = await channels.ask("why?", "Because ", HOLD, "of rain.")
    await channels.first(question, "Beca")
    channels.model.go.set()
    await whole(channels, question, "Because of rain.")
    assert len(await log(channels, "start")) == 1
    assert await log(channels, "edit", "post") == []


async def test_buckets_stay_the_same_while_the_way_of_writing_does(world):
    question, _ = await begun(world, "Because of ", HOLD, "the rain.")
    [live] = world.core._lives.values()
    ops = list(Op)
    assert all(live._surface.buckets(op) == live._surface.buckets(op) for op in ops)
    assert [bucket.key for bucket in live._surface.buckets(Op.EDIT)] == ["slack/T1/chat.appendStream"]
    live._surface._mine[live._surface._newest].left = True
    assert [bucket.key for bucket in live._surface.buckets(Op.FINAL)] == ["slack/T1/chat.update"]
    world.model.go.set()
    await whole(world, question, "Because of the rain.")


# Sessions and stops.


async def statuses(world: SlackWorld) -> list[str]:
    return [each["status"] for each in await log(world, "status")]


async def test_a_session_is_processing_while_it_streams(world):
    question, _ = await begun(world, "Because of ", HOLD, "the rain.")
    await until(lambda: statuses(world))
    assert await statuses(world) == ["processing"]
    world.model.go.set()
    await whole(world, question, "Because of the rain.")

    async def active() -> bool:
        return await statuses(world) == ["processing", "active"]

    await until(active)


async def test_an_app_that_is_no_agent_streams_all_the_same_and_asks_once(world):
    await world.emulator.fault("agents.sessions.setStatus", times=9, error="missing_scope")
    for _ in range(2):
        await whole(world, await dm(world, "Yes."), "Yes.")
    assert len(await called(world, "agents.sessions.setStatus")) <= 2


@pytest.mark.parametrize("told", [True, False])
async def test_slacks_own_stop_button_stops_even_if_the_event_is_lost(world, told):
    question, _ = await begun(world, "Because of ", HOLD, "the rain", HOLD)
    await until(lambda: statuses(world))
    if not told:
        await world.emulator.subscribe(["message.im"])
    await world.emulator.press_native_stop(*at(question), "U1")
    if not told:
        world.model.go.set()  # the next append is refused
        world.model.go = asyncio.Event()
    seen = await whole(world, question, "Because of" if told else "Because of the rain")
    assert seen.note == "Stopped by ann."
    assert await world.quiet()


async def test_a_reaction_stops_a_stream(world):
    question, answer = await begun(world, "Because of ", HOLD, "the rain.")
    await world.react(answer.id)
    seen = await world.stopped(question)
    assert (seen.text, seen.note) == ("Because of", "Stopped by ann.")
    assert await log(world, "edit") == []


async def test_a_shutdown_leaves_no_stream_open(world):
    await begun(world, "Because of ", HOLD)
    await world.disconnect()
    assert await nothing_streams(world)


async def test_a_crash_leaves_no_stream_that_cannot_be_edited(world, monkeypatch):
    question, answer = await begun(world, "Because of ", HOLD)

    async def crashes(_stream: streams.Stream) -> bool:
        return True

    with monkeypatch.context() as crash:
        crash.setattr(streams.Stream, "_stop", crashes)
        await world.restart()
    assert (await world.first(question)).live
    surface = world.reopened(question)
    page = Page("Because of", "Interrupted.", live=False)
    with pytest.raises(native.Left):
        await surface.edit("slack/T1/" + answer.id, page)
    await surface.edit("slack/T1/" + answer.id, page)
    assert await nothing_streams(world)


# Fallbacks.  The text is the same in all of them.

TEXT = "Because of the rain & the <wind>."


@pytest.mark.parametrize(
    "fault",
    [
        {"error": "message_not_in_streaming_state"},
        {"error": "msg_too_long"},
        {"error": "streaming_state_conflict"},
        {"error": "internal_error"},
        {"error": "something_new"},
        {"status": 500, "body": "<html>oh"},
        {"status": 500, "body": "<html>oh", "apply": True},
        {"drop": True},
        {"drop": True, "apply": True},
        {"status": 429, "headers": {"Retry-After": "1"}},
    ],
)
@pytest.mark.parametrize("on", ["first", "last"])
async def test_an_append_that_fails_loses_and_doubles_nothing(world, fault, on):
    if on == "first":
        await world.emulator.fault("chat.appendStream", **fault)
        question = await dm(world, "Because of ", HOLD, TEXT.removeprefix("Because of "))
        await world.first(question, "Because" if fault.get("status") == 429 else "Because of")
    else:
        question, _ = await begun(world, "Because of ", HOLD, TEXT.removeprefix("Because of "))
        await world.emulator.fault("chat.appendStream", **fault)
    world.model.go.set()
    await whole(world, question, TEXT)
    assert not [each for each in await log(world, "edit") if fault.get("status") == 429]


async def test_a_stream_that_expires_under_way_is_edited(world):
    await world.emulator.streams(life=0.3)
    question, _ = await begun(world, "Because of ", HOLD, TEXT.removeprefix("Because of "))
    await asyncio.sleep(0.35)
    world.model.go.set()
    await whole(world, question, TEXT)


async def test_a_stream_that_holds_less_than_we_believe_is_edited(world):
    await world.emulator.streams(size=12)
    question, _ = await begun(world, "Because ", HOLD, TEXT.removeprefix("Because "), show="Beca")
    world.model.go.set()
    await whole(world, question, TEXT)


async def test_a_stream_is_stopped_in_good_time_though_the_model_is_silent(world, monkeypatch):
    monkeypatch.setattr(streams, "ROTATE", 0.3)
    question, _ = await begun(world, "Because of ", HOLD, TEXT.removeprefix("Because of "))
    await until(lambda: nothing_streams(world))
    world.model.go.set()
    await whole(world, question, TEXT)
    assert (await world.emulator.verdict())["errors"] == {}


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "headers": {"Retry-After": "1"}},
        {"error": "missing_scope"},
        {"error": "not_allowed_token_type"},
        {"error": "feature_not_enabled"},
        {"error": "missing_recipient_team_id"},
    ],
)
async def test_a_start_that_is_refused_becomes_a_post_at_once(world, fault):
    await world.emulator.fault("chat.startStream", **fault)
    question, seen = await begun(world, "Because of ", HOLD, TEXT.removeprefix("Because of "))
    assert seen.live
    world.model.go.set()
    await whole(world, question, TEXT)
    assert len(await log(world, "post")) == 1
    await whole(world, await dm(world, TEXT), TEXT)
    assert len(await called(world, "chat.startStream")) == 1  # it is not asked again soon


@pytest.mark.parametrize("apply", [True, False])
@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 500, "body": "<html>oh"}])
async def test_a_start_that_is_in_doubt_makes_no_second_message(world, fault, apply):
    await world.emulator.fault("chat.startStream", **fault, apply=apply)
    question = await dm(world, "Because of ", HOLD, TEXT.removeprefix("Because of "))
    await world.first(question, "Because of")
    world.model.go.set()
    await whole(world, question, TEXT)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "headers": {"Retry-After": "1"}},
        {"status": 500, "body": "<html>oh"},
        {"drop": True},
        {"drop": True, "apply": True},
        {"error": "internal_error"},
        {"error": "message_not_in_streaming_state", "apply": True},
    ],
)
async def test_a_stop_that_fails_is_made_up_for_with_its_note(world, fault):
    question, answer = await begun(world, "Because of ", HOLD)
    await world.emulator.fault("chat.stopStream", **fault)
    await world.react(answer.id)
    seen = await world.stopped(question)
    assert (await whole(world, question, "Because of")).note == seen.note == "Stopped by ann."


@pytest.mark.parametrize("fault", [{"status": 503}, {"error": "something_new"}])
async def test_a_stream_whose_stop_never_gets_through_is_left_to_a_repair(world, monkeypatch, fault):
    monkeypatch.setattr(streams, "AGAIN", (0,) * 6)
    question, answer = await begun(world, "Because of ", HOLD)
    await world.emulator.fault("chat.stopStream", times=6, **fault)
    await world.react(answer.id)

    async def left() -> bool:
        return not world.core.running.taken

    await until(left)
    assert (await world.first(question)).live
    assert (await world.store.find(world.key(question))).done is None
    await world.emulator.calm()
    await world.restart(remember=True)
    assert (await whole(world, question, "Because of")).note == "Stopped by ann."
    await until(partial(done, world, question))


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("method", "having", "times"),
    [
        *(("chat.startStream", "", times) for times in (1, 1000)),
        *(("chat.appendStream", "", times) for times in (1, 1000)),
        ("chat.stopStream", "", 1),
        *(("chat.stopStream", part, times) for part in ("blocks", "metadata") for times in (1, 1000)),
    ],
)
async def test_a_call_that_is_refused_for_a_reason_nobody_knows_is_not_repeated(
    world, method, having, times, status
):
    await world.emulator.fault(method, times, status, "something_new", having=having)
    question, answer = await begun(world, "Because of ", HOLD)
    await world.react(answer.id)
    seen = await whole(world, question, "Because of")
    assert seen.note == "Stopped by ann."
    assert "something_new" in (await world.emulator.verdict())["errors"]
    assert await world.repeated() == []


async def test_a_stream_that_slack_says_is_over_is_not_stopped_a_second_time(world):
    question, _ = await begun(world, "Because of ", HOLD, TEXT.removeprefix("Because of "))
    await world.emulator.expire()
    await world.emulator.fault("chat.update", times=2, error="streaming_state_conflict")
    world.model.go.set()

    async def ended() -> bool:
        seen = [each for each in await world.answers(question) if each.text == TEXT]
        return bool(seen) and not world.core.running.taken

    await until(ended)
    assert len(await called(world, "chat.stopStream")) == 1


async def test_a_post_in_doubt_does_not_take_over_another_answers_stream_that_is_finished(world):
    question, _ = await begun(world, "Because of ", HOLD, TEXT.removeprefix("Because of "))
    world.model.go.set()
    finished = await whole(world, question, TEXT)
    world.platform._here.streams.known.clear()  # as after a restart
    surface = world.reopened(question)
    surface.resume(Remains(nonces=("n1",)))
    await surface.post(Page("Another answer.", live=False), "n1")
    assert [each.text for each in await world.answers(question)] == [TEXT, "Another answer."]
    assert (await world.answers(question))[0].id == finished.id


async def done(world: SlackWorld, question: str) -> bool:
    entry = await world.store.find(world.key(question))
    return entry is not None and entry.done is not None


async def test_the_last_text_does_not_wait_for_a_stop_that_has_to(world, monkeypatch):
    monkeypatch.setattr(streams, "WITH", 0.05)
    question, _ = await begun(world, "Because of ", HOLD, TEXT.removeprefix("Because of "))
    world.platform._here.streams.stops.block(1.0)
    world.model.go.set()
    seen = await world.first(question, TEXT)
    assert seen.live  # the stop lags, the text does not
    await whole(world, question, TEXT)


async def test_more_answers_than_starts_are_posted(world, monkeypatch):
    world.platform._here.streams.starts = errands.Tally(1)
    for _ in range(3):
        await whole(world, await dm(world, "Because of ", "rain."), "Because of rain.")
    assert len(await log(world, "start")) <= 1


async def test_a_note_beside_a_live_text_is_shown_by_an_edit(world):
    question, answer = await begun(world, "Because of ", HOLD, "the rain.")
    live = await world.still()
    page = Page("Because of", "searching …", live=True)
    key = "slack/T1/" + answer.id
    with pytest.raises(native.Left):
        await live._surface.edit(key, page)
    await live._surface.edit(key, page)
    assert (await world.first(question)).note == "searching …"
    world.model.go.set()
    await whole(world, question, "Because of the rain.")


async def cards(world: SlackWorld, message: str) -> list[tuple[str, str]]:
    """Return the title and the state of each task card of *message*."""
    kept = await world.emulator.message(*at(message))
    return [(block["title"], block["status"]) for block in kept["blocks"] if block["type"] == "task_card"]


async def tooled(world: SlackWorld, *steps: Any) -> str:
    """Give the bot its tools and ask; they wait until the model may go on."""

    @tool()
    async def look(caller: Caller) -> str:
        """Look out of the window."""
        await world.model.go.wait()
        return "rain"

    @tool()
    async def fails(caller: Caller) -> str:
        """Fail."""
        await world.model.go.wait()
        raise Refused("no")

    world.tools.extend([look, fails])
    world.core = world.fresh_core()
    await world.restart()
    return await dm(world, *steps)


async def test_tools_are_task_cards_of_a_stream_that_goes_on(world):
    question = await tooled(world, "I look: ", {"tool": "look", "input": {}}, "it rains.")
    answer = await world.first(question, "I look")
    await until(lambda: shows(world, answer.id, [("look", "in_progress")]))
    assert [name for name, _ in await cards(world, answer.id)] == ["look"]
    world.model.go.set()
    seen = await whole(world, question, "I look:\n\nit rains.")
    assert await cards(world, seen.id) == [("look", "complete")]
    assert len(await log(world, "start")) == len(await log(world, "stop")) == 1
    assert not await log(world, "edit")


async def shows(world: SlackWorld, message: str, wanted: list[tuple[str, str]]) -> bool:
    return await cards(world, message) == wanted


async def test_tools_before_the_first_word_are_cards_and_failures_say_so(world):
    question = await tooled(world, {"tool": "fails", "input": {}}, "I can't.")
    answer = await world.first(question)
    await until(lambda: shows(world, answer.id, [("fails", "in_progress")]))
    world.model.go.set()
    seen = await whole(world, question, "I can't.")
    assert await cards(world, seen.id) == [("fails", "error")]


async def test_many_tools_stay_a_short_list(world):
    question = await tooled(world, "I look: ", *[{"tool": "look", "input": {}}] * 9, "it rains.")
    await world.first(question, "I look")
    world.model.go.set()
    seen = await whole(world, question, "I look:\n\nit rains.")
    assert [name for name, _ in await cards(world, seen.id)] == ["look"] * 5 + ["4 more"]


async def test_an_edited_message_names_its_tools_in_its_note(world: SlackWorld) -> None:
    """Where no stream is to be had, no card is."""
    await world.emulator.fault("chat.startStream", 99, error="feature_not_enabled")
    question = await tooled(world, "I look: ", {"tool": "look", "input": {}}, "it rains.")
    answer = await world.first(question, "I look")

    async def noted() -> bool:
        [shown] = await world.answers(question)
        return shown.note == "look …"

    await until(noted)
    assert await cards(world, answer.id) == []
    world.model.go.set()
    assert (await whole(world, question, "I look:\n\nit rains.")).note == ""


async def test_twenty_seconds_of_answer_meet_no_429(world, monkeypatch):
    await world.emulator.limits(on=True)
    words = [f"word{n} & so, " for n in range(400)]

    async def slowly(_request: Any, _ask: Any) -> AsyncIterator[Event]:
        for word in words:
            await asyncio.sleep(0.05)
            yield Text(word)

    monkeypatch.setattr(world.model, "stream", slowly)
    question = await world.dm("why?")
    await asyncio.sleep(15)  # `until` has less patience than this takes
    await whole(world, question, "".join(words).rstrip())
    assert (await world.emulator.verdict())["refused"] == 0
    assert len(await log(world, "append")) > 10


# Sessions of answers that are edited.


async def test_a_session_is_processing_while_an_answer_is_edited_and_then_active(world):
    question = await world.ask("why?", "Because ", HOLD, "of the rain.")
    await world.first(question, "Beca")
    await until(lambda: statuses(world))
    assert await statuses(world) == ["processing"]
    world.model.go.set()
    await whole(world, question, "Because of the rain.")
    await until(partial(said, world, ["processing", "active"]))
    [thread] = {each["thread_ts"] for each in await log(world, "status")}
    assert thread == at(question)[1]


async def said(world: SlackWorld, wanted: list[str]) -> bool:
    return await statuses(world) == wanted


async def test_a_session_stays_processing_over_many_pages_and_is_active_after_a_crash_too(world):
    question = await world.ask("why?", LONG, HOLD)

    async def two() -> bool:
        return len(await world.answers(question)) > 1

    await until(two)
    assert await statuses(world) == ["processing"]
    await world.restart(remember=True)
    await until(partial(said, world, ["processing", "active"]))


async def test_slack_is_told_that_a_session_rests_though_it_was_not_reached_at_first(world, monkeypatch):
    monkeypatch.setattr(sessions, "AGAIN", (0.05,) * 4)
    question = await world.ask("why?", "Because ", HOLD, "of the rain.")
    await until(lambda: statuses(world))
    await world.emulator.fault("agents.sessions.setStatus", times=2, status=503)
    world.model.go.set()
    await whole(world, question, "Because of the rain.")
    await until(partial(said, world, ["processing", "active"]))


async def test_a_crowd_of_sessions_is_told_of_within_the_limit(world):
    """Those for whose start there is no room are not said to rest either."""
    await world.emulator.limits(on=True)
    threads = [f"1700000000.{number:06}" for number in range(60)]
    for thread in threads:
        world.platform._here.sessions.show("DU1", thread, working=True)

    async def told(count: int) -> bool:
        return len(await called(world, "agents.sessions.setStatus")) >= count

    await until(partial(told, sessions.STARTS))
    for thread in threads:
        world.platform._here.sessions.show("DU1", thread, working=False)
    await until(partial(told, 2 * sessions.STARTS))
    await world.settled()
    assert sorted(await statuses(world)) == ["active"] * sessions.STARTS + ["processing"] * sessions.STARTS
    assert (await world.emulator.verdict())["refused"] == 0


async def test_of_sessions_that_nobody_put_to_work_nothing_is_said_and_of_streams_that_they_rest(world):
    shown = world.platform._here.sessions
    for number in range(400):
        shown.show("DU1", f"1700000000.{number:06}", working=True)
    begun = {*shown._working}
    assert len(begun) == sessions.STARTS
    for number in range(streams.STARTS):
        shown.works("DU1", f"1800000000.{number:06}")
    for number in range(400):
        shown.show("DU1", f"1700000000.{number:06}", working=False)
        shown.show("DU1", f"1800000000.{number:06}", working=False)
    assert begun <= shown._last.keys()
    assert len(shown._last) == sessions.STARTS + streams.STARTS
    assert 2 * sessions.STARTS + streams.STARTS <= sessions.CALLS
    assert not shown._working


async def test_slacks_own_stop_of_an_edited_answer_stops_what_runs_in_that_conversation(world):
    """Also below a question that is not the thread's first message; nothing in other threads."""
    before = await world.ask("why?", "Yes.")
    await world.final(before)
    world.model.steps = ("Because ", HOLD, "so.")
    other = await world.say("and elsewhere?", world.bob)
    await world.first(other, "Beca")
    question = await world.reply(before, "and how?")
    await until(lambda: held(world, question))
    await world.emulator.press_native_stop(*at(before), "U2")

    async def ended() -> bool:
        return bool((await world.answers(question))[-1].note == "Stopped by bob.")

    await until(ended)
    assert (await world.answers(other))[0].live
    world.model.go.set()
    assert (await world.final(other))[0].text == "Because so."


async def held(world: SlackWorld, question: str) -> bool:
    return any("Beca" in each.text for each in await world.answers(question))


@pytest.mark.parametrize("user", ["UGUEST", "UEXT"])
async def test_slacks_own_stop_by_who_may_not_stop_or_where_nothing_runs_stops_nothing(world, user):
    question = await world.ask("why?", "Because ", HOLD, "so.")
    await world.first(question, "Beca")
    await world.emulator.stop_session(*at(question), user)
    await world.emulator.stop_session("C1", "1.0", "U1")
    await world.settled()
    world.model.go.set()
    [seen] = await world.final(question)
    assert (seen.text, seen.note) == ("Because so.", "")
