"""What Slack's API can do to an answer, in the shapes of the wire: nothing is lost, nothing is twice."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.emulators.slack import Slack
from adapters.emulators.slack.chaos import CALLS, PASSING
from adapters.slack import surface
from adapters.slack.outgoing.notices import WHY
from adapters.slack.outgoing.overlong import LARGEST, open_fence, parts
from adapters.slack.wire import errors
from adapters.slack.wire.errors import CLOSED, FIXED, GONE, LONG, REVOKED
from bot.core import tries
from tests.contract import HOLD, until
from tests.worlds import SlackWorld

#: Distinct words, so that what is lost or twice shows.
LONG_TEXT = "\n\n".join(" ".join(f"w{number}x{word}" for word in range(40)) for number in range(30))
METHODS = {"post": "chat.postMessage", "edit": "chat.update"}


@pytest.fixture
async def world(monkeypatch) -> AsyncIterator[SlackWorld]:
    monkeypatch.setattr(tries, "RETRIES", (0.02,) * 10)
    monkeypatch.setattr(errors, "RETRY_AFTER", 0.5)
    world = await SlackWorld.open()
    assert isinstance(world, SlackWorld)
    yield world
    await world.close()


async def texts(world: SlackWorld, question: str) -> list[str]:
    return [each.text for each in await world.final(question)]


async def whole(world: SlackWorld, question: str, text: str) -> None:
    """Wait until the answers of *question*, together, say *text* and nothing else."""

    async def there() -> bool:
        shown = await world.answers(question)
        if any(each.live for each in shown):
            return False
        return " ".join(" ".join(each.text for each in shown).split()) == " ".join(text.split())

    await until(there)


# One call that fails.


@pytest.mark.parametrize("how", [how for how in PASSING if "applied" not in how])
@pytest.mark.parametrize("call", ["post", "edit"])
async def test_a_call_that_fails_in_any_shape_is_made_again(world, call, how):
    await world.emulator.fail(METHODS[call], how)
    question = await world.ask("why?", "Because ", "of the rain.")
    assert await texts(world, question) == ["Because of the rain."]


@pytest.mark.parametrize("how", [how for how in PASSING if "applied" in how])
async def test_a_post_whose_answer_is_lost_in_any_shape_makes_no_second_message(world, how):
    await world.emulator.fail("chat.postMessage", how)
    question = await world.ask("why?", "Because ", "of the rain.")
    assert await texts(world, question) == ["Because of the rain."]
    assert len(await world.calls("post")) == 1


@pytest.mark.parametrize("how", [how for how in PASSING if "applied" in how])
async def test_a_stream_whose_start_is_lost_in_any_shape_makes_no_second_message(world, how):
    await world.emulator.fail("chat.startStream", how)
    question = await world.dm("why?")
    await whole(world, question, "Yes.")
    assert await world.calls("post") == []
    assert len(await world.calls_of("chat.startStream")) == 1


@pytest.mark.parametrize("how", ["half applied", "cut applied", "500 applied"])
async def test_a_post_is_not_made_again_while_nobody_can_say_whether_it_was_made(world, how):
    await world.emulator.fail("chat.postMessage", how)
    await world.emulator.fail("conversations.replies", "500", 2)
    await world.emulator.fail("conversations.replies", "429 fraction", 1)
    question = await world.ask("why?", "Because.")
    assert await texts(world, question) == ["Because."]
    assert len(await world.calls("post")) == 1


@pytest.mark.parametrize("direct", [False, True], ids=["edits", "stream"])
@pytest.mark.parametrize("error", ["missing_scope", "not_in_channel", "thread_not_found", "news_to_us"])
async def test_an_answer_whose_post_is_in_doubt_is_posted_where_the_app_may_not_read(world, error, direct):
    await world.emulator.fail("chat.startStream" if direct else "chat.postMessage", "500")
    await world.emulator.fault("conversations.replies", times=100, error=error)
    question = await (world.dm("why?") if direct else world.ask("why?", "Because ", "of the rain."))
    await whole(world, question, "Yes." if direct else "Because of the rain.")


@pytest.mark.parametrize("error", ["message_not_found", *sorted(CLOSED), "missing_scope"])
async def test_an_answer_that_is_gone_ends_the_model_and_is_not_posted_again(world, error):
    world.leaves_open = True
    question = await world.ask("why?", HOLD, "Because.", HOLD)
    await world.first(question)
    await world.emulator.fault("chat.update", error=error)
    world.model.go.set()
    await until(world.quiet)
    await world.settled()
    assert len(await world.calls("post")) == 1


# A text that does not fit.


@pytest.mark.parametrize("switch", ["shorten", "narrow"])
@pytest.mark.parametrize("direct", [False, True], ids=["edits", "stream"])
async def test_a_text_that_slack_finds_too_long_is_shown_whole_in_parts(world, switch, direct):
    await getattr(world.emulator, switch)(characters=2_000)
    world.model.steps = ("A beginning. ", HOLD, LONG_TEXT)
    question = await (world.dm("why?") if direct else world.ask("why?", *world.model.steps))
    await world.first(question)
    world.model.go.set()
    await whole(world, question, f"A beginning. {LONG_TEXT}")


async def test_a_post_that_slack_finds_too_long_at_once_is_shown_whole_in_parts(world):
    await world.emulator.narrow(characters=400)
    await world.emulator.latency("chat.postMessage", 0.2)
    question = await world.ask("why?", LONG_TEXT[:3000])
    await whole(world, question, LONG_TEXT[:3000])


@pytest.mark.parametrize("how", ["cut applied", "cut", "500 applied"])
async def test_a_part_whose_post_is_in_doubt_is_there_once(world, how):
    await world.emulator.narrow(characters=2_600)
    question = await world.ask("why?", "A beginning. ", HOLD, LONG_TEXT[:6000])
    await world.first(question, "beginning")
    await world.emulator.fail("chat.postMessage", how)
    world.model.go.set()
    await whole(world, question, f"A beginning. {LONG_TEXT[:6000]}")


async def test_a_live_page_that_is_too_long_shows_its_beginning_and_says_so(world):
    await world.emulator.narrow(characters=2_600)
    question = await world.ask("why?", LONG_TEXT[:4000], HOLD, "The end.")
    seen = await world.first(question, "w0x0")
    assert seen.live
    assert "below" in seen.note
    world.model.go.set()
    await whole(world, question, f"{LONG_TEXT[:4000]}The end.")


def said(text: str) -> str:
    """Return *text* without white space and marks of code."""
    return re.sub(r"[`~py\s]", "", text)


@given(
    st.lists(st.sampled_from(["a", " ", "\n", "```\n", "```py\n", "~~~\n", "word ", "\n\n", "é", "&amp;"]))
)
def test_parts_hold_all_of_a_text_and_each_closes_its_code(tokens):
    text = "".join(tokens) * 20
    found = parts(text, 60)
    assert all(not open_fence(part) or part is found[-1] for part in found)
    assert said("".join(found)) == said(text)


def test_a_text_that_fits_is_one_part():
    assert parts("a" * LARGEST, LARGEST) == ["a" * LARGEST]
    assert parts("", 10) == [""]


# A message that stays as it is.


@pytest.mark.parametrize("error", sorted(FIXED))
async def test_an_answer_that_can_be_edited_no_more_is_posted_whole_once_it_is_final(world, error):
    question = await world.ask("why?", "Because ", HOLD, "of ", "the rain.")
    first = await world.first(question, "Because")
    await world.emulator.fault("chat.update", times=100, error=error)
    world.model.go.set()
    await whole(world, question, "Because of the rain.")
    [seen] = await world.answers(question)
    assert seen.id != first.id
    assert len(await world.calls("post")) == 2


async def test_the_new_message_is_posted_once_though_its_answer_is_lost(world):
    question = await world.ask("why?", "Because ", HOLD, "of the rain.")
    await world.first(question, "Because")
    await world.emulator.fault("chat.update", error="edit_window_closed")
    await world.emulator.fail("chat.postMessage", "cut applied")
    world.model.go.set()
    await whole(world, question, "Because of the rain.")


@pytest.mark.parametrize("lifted", [False, True], ids=["closed", "open again"])
async def test_a_crash_just_after_the_new_message_leaves_one_answer(world, monkeypatch, lifted):
    monkeypatch.setattr(surface, "BESIDE", 0.05)
    question = await world.ask("why?", "Because ", HOLD, "of the rain.")
    await world.first(question, "Because")
    await world.emulator.fault("chat.update", times=100, error="edit_window_closed")
    await world.emulator.fault("chat.delete", times=9, status=503)
    world.model.go.set()

    async def beside() -> bool:
        return len(await world.answers(question)) == 2

    await until(beside)
    if lifted:
        await world.emulator.calm()
        await world.emulator.fault("chat.delete", times=9, status=503)
    await world.crash()
    await world.emulator.calm()
    if not lifted:
        await world.emulator.fault("chat.update", error="edit_window_closed")
    await world.restart(remember=True)
    await whole(world, question, "Because of the rain.")


async def test_an_app_that_may_not_read_ends_what_a_crash_left(world):
    question = await world.ask("why?", "Because ", HOLD)
    await world.first(question, "Because")
    await world.crash()
    await world.emulator.fault("conversations.replies", times=100, error="missing_scope")
    await world.restart(remember=True)
    await whole(world, question, "Because")


# A token that is refused for a while.


@pytest.mark.parametrize("direct", [False, True], ids=["edits", "stream"])
@pytest.mark.parametrize("error", ["invalid_auth", "token_revoked"])
async def test_an_answer_whose_token_is_refused_is_ended_once_that_is_good_again(world, error, direct):
    world.model.steps = ("Because of ", HOLD, "the rain.")
    question = await (world.dm("why?") if direct else world.say("why?"))
    await world.first(question, "Because")
    await world.emulator.revoke(error, tell=False)
    world.model.go.set()

    async def over() -> bool:
        return not world.core._lives

    await until(over)
    await world.emulator.restore()
    await world.restart(remember=True)
    await whole(world, question, "Because of the rain.")


# A channel in which nothing can be written.


@pytest.mark.parametrize("error", sorted(CLOSED))
async def test_the_asker_is_told_once_why_there_is_no_answer(world, error):
    await world.emulator.fault("chat.postMessage", times=2, error=error)
    for _ in range(2):
        await world.ask("why?")
        await until(world.quiet)
        await world.settled()

    async def told() -> list[Any]:
        found = await world.emulator.events(kinds=["ephemeral"])
        return list(found)

    [notice] = await until(told)
    assert notice["user"] == world.ann
    assert WHY[error] in notice["text"]


async def test_who_cannot_be_told_in_the_channel_is_told_directly(world):
    await world.emulator.fault("chat.postMessage", error="is_archived")
    await world.emulator.fault("chat.postEphemeral", error="is_archived")
    await world.ask("why?")

    async def told() -> list[Any]:
        return list(await world.emulator.channel_messages(f"D{world.ann}"))

    [notice] = await until(told)
    assert WHY["is_archived"] in notice["text"]


# Events, more than once and in no order; calls that fail by chance.


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_events_that_come_often_late_and_in_no_order_are_answered_once(world, seed):
    await world.emulator.deliveries(seed, copies=4, spread=0.3)
    questions = [await world.ask(f"why {number}?") for number in range(8)]
    for question in questions:
        assert await texts(world, question) == ["Yes."]
    await world.settled()
    assert len(world.model.requests) == len(questions)


@pytest.mark.parametrize("seed", [1, 2])
async def test_calls_that_fail_by_chance_lose_nothing_and_make_nothing_twice(world, seed):
    await world.emulator.redelivery(after=3.0, delays=(0.1,) * 10)
    await world.emulator.chaos(seed, 0.2, [how for how in PASSING if not how.startswith("429 ")])
    steps = [f"word{number} " for number in range(12)]
    questions = [await world.ask("why?", *steps) for _ in range(3)]
    for question in questions:
        await whole(world, question, "".join(steps))
    assert len(world.model.requests) == len(questions)


async def _failures(seed: int) -> list[tuple[str, str]]:
    slack = Slack()
    await slack.chaos(seed, 0.3)
    drawn = []
    for number in range(60):
        method = ("chat.update", "chat.postMessage")[number % 2]
        fault = slack._traffic.fault(method)
        drawn.append((method, repr(fault)))
    return drawn


async def test_chance_is_the_same_again_with_the_same_seed_and_another_with_another():
    assert await _failures(7) == await _failures(7)
    assert await _failures(7) != await _failures(8)


async def test_a_storm_is_the_same_again_with_the_same_seed():
    async def askers(seed: int) -> list[str]:
        slack = Slack()
        slack.spawn = lambda work: work.close()  # type: ignore[method-assign]
        await slack.storm(seed, 40, seconds=0.0)
        return [entry["user"] for entry in await slack.events(kinds=["say"])]

    assert len(await askers(1)) == 40
    assert await askers(1) == await askers(1)
    assert await askers(1) != await askers(2)


def test_every_error_that_we_know_of_has_a_switch_or_says_why_not():
    unswitched = {"not_authed", "token_expired", "no_permission", "thread_not_found", "is_inactive"} | {
        *("missing_scope", "msg_blocks_too_long", "message_truncated")
    }
    assert CALLS.keys() | unswitched >= GONE | LONG | REVOKED
    assert set(WHY) == CLOSED
