"""What outlives which failure, on the jumping clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.events import Again, Event, Finished, Text, Thinking, Turn, Usage, Waiting
from bot.model import Ask, Kind, Model, ModelError, Request, nobody
from bot.model.course import GO_ON, RESUMED, TRIMMED, Patience, trimmed
from bot.model.failures import BUSY, FAILED, NOTES, note_of
from bot.model.patient import QUEUED, Patient

pytestmark = pytest.mark.jump

ASKED = Request((Turn("user", "old " * 100), Turn("assistant", "older"), Turn("user", "why?")))
LONG = "0123456789" * 40
ILL = ModelError("Ill.", Kind.ILL)
CUT = ModelError("Cut.", Kind.CUT)


class Scripted:
    """Plays one script per request; the last one repeats.  An int is a pause, an error is raised."""

    def __init__(self, *scripts: Sequence[object]) -> None:
        self._scripts = scripts
        self.requests: list[Request] = []
        self.times: list[float] = []
        self.open = self.most = 0

    async def stream(self, request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        script = self._scripts[min(len(self.requests), len(self._scripts) - 1)]
        self.requests.append(request)
        self.times.append(asyncio.get_running_loop().time())
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            for step in script:
                match step:
                    case int():
                        await asyncio.sleep(step)
                    case str():
                        yield Text(step)
                    case Exception():
                        raise step
                    case _:
                        yield step  # type: ignore[misc]
            if not isinstance(script[-1], Finished):
                yield Finished(usage=Usage(1, 1))
        finally:
            self.open -= 1


class Heard:
    """What people got of one answer."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.text = ""
        self.error: ModelError | None = None
        self.seconds = 0.0

    def take(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Text):
            self.text += event.text
        elif isinstance(event, Again):
            self.text = ""

    @property
    def end(self) -> Finished:
        [*_, last] = self.events
        assert isinstance(last, Finished)
        return last

    @property
    def notes(self) -> list[str]:
        return [event.note for event in self.events if isinstance(event, Waiting)]


async def heard(model: Model, request: Request = ASKED) -> Heard:
    got = Heard()
    began = asyncio.get_running_loop().time()
    try:
        async with aclosing(model.stream(request, nobody)) as events:
            async for event in events:
                got.take(event)
    except ModelError as error:
        got.error = error
    got.seconds = asyncio.get_running_loop().time() - began
    return got


def patient(*scripts: list[object], fallback: str = "", **limits: Any) -> tuple[Patient, Scripted]:
    """A patient whose every jittered wait is as long as it may be."""
    model = Scripted(*scripts)
    return Patient(model, replace(Patience(), **limits), fallback, chance=lambda most: most), model


async def asked(*scripts: list[object], fallback: str = "", **limits: Any) -> tuple[Heard, Scripted]:
    it, model = patient(*scripts, fallback=fallback, **limits)
    return await heard(it), model


async def test_what_goes_well_passes_unchanged():
    got, model = await asked([Thinking("hm"), "a", "b"])
    assert got.events == [Thinking("hm"), Text("a"), Text("b"), Finished(usage=Usage(1, 1))]
    assert model.requests == [ASKED]


@pytest.mark.parametrize("kind", [Kind.ILL, Kind.AWAY, Kind.CUT])
async def test_what_passes_is_tried_four_times_within_45_seconds(kind):
    """The waits grow; then the last error is told, with the id of its line in the log."""
    with capture_logs() as logs:
        got, model = await asked([ModelError("Ill.", kind)])
    waits = [later - earlier for earlier, later in zip(model.times, model.times[1:], strict=False)]
    assert waits == [5, 10, 20]
    assert got.notes == [NOTES[kind]] * 3
    [line] = [log for log in logs if log["event"] == "an answer failed"]
    assert str(got.error) == f"Ill. ({line['id']})"


async def test_an_answer_that_comes_at_the_last_try_has_no_blemish():
    got, _ = await asked([ILL], [ILL], [ILL], ["fine"])
    assert got.text == "fine"
    assert got.end.note == ""


async def test_waits_are_random_below_their_limit():
    """Many bots that failed together must not come back together."""
    given: list[float] = []

    def chance(most: float) -> float:
        given.append(most)
        return most / 2

    await heard(Patient(model := Scripted([ILL]), chance=chance))
    assert given == [5, 10, 20]
    assert model.times == [0, 2.5, 7.5, 17.5]


@pytest.mark.parametrize(
    ("header", "times"), [(3.0, [0, 3, 6, 9]), (30.0, [0, 30, 60]), (120.0, [0, 30, 60])]
)
async def test_a_rate_limit_is_waited_for_as_it_says_but_a_minute_at_most(header, times):
    got, model = await asked([ModelError("Limit.", Kind.LIMITED, header)])
    assert model.times == times
    assert got.error


async def test_a_rate_limit_that_lasts_says_when_to_come_back():
    got, _ = await asked([ModelError("Limit.", Kind.LIMITED, 600.0)])
    assert "in 10 minutes" in str(got.error)


async def test_a_rate_limit_without_a_time_is_tried_once_more():
    """It may be the month's."""
    _, model = await asked([ModelError("Limit.", Kind.LIMITED)])
    assert len(model.requests) == 2


OTHER = Request((Turn("user", "and why not?"),))


async def test_what_only_the_operator_can_help_is_told_once_and_nothing_new_asked_for_a_minute():
    it, model = patient([ModelError("Key.", Kind.BARRED)], ["fine"])
    with capture_logs() as logs:
        first, second = await heard(it), await heard(it, OTHER)
    assert len(model.requests) == 1
    assert [str(got.error)[:4] for got in (first, second)] == ["Key."] * 2
    assert str(second.error).count("(") == 1
    assert [log["log_level"] for log in logs].count("error") == 1
    assert it.trouble == "Key."
    await asyncio.sleep(61)
    assert (await heard(it, Request((Turn("user", "now?"),)))).text == "fine"
    assert it.trouble == ""


@pytest.mark.parametrize("again", [ASKED, OTHER])
async def test_who_asks_the_same_again_after_a_refused_key_asks_claude(again):
    """As *Try again* does: the operator may have helped meanwhile."""
    it, model = patient([ModelError("Key.", Kind.BARRED)], ["fine"])
    await heard(it)
    assert (await heard(it, OTHER)).error
    assert (await heard(it, again)).text == "fine"
    assert len(model.requests) == 2
    assert (await heard(it, Request((Turn("user", "now?"),)))).text == "fine"


async def test_a_key_that_stays_refused_is_logged_once_a_minute_at_most():
    it, _ = patient([ModelError("Key.", Kind.BARRED)])
    with capture_logs() as logs:
        for _ in range(5):
            await heard(it)
    assert [log["log_level"] for log in logs].count("error") == 1


async def test_a_question_that_was_all_thought_gets_more_room_when_it_is_asked_again():
    it, model = patient([Thinking("x"), Finished("max_tokens")])
    request = replace(ASKED, max_tokens=20_000)
    for _ in range(2):
        await heard(it, request)
    await heard(it, replace(OTHER, max_tokens=20_000))
    assert [each.max_tokens for each in model.requests] == [20_000, 40_000, 20_000]
    for large in (60_000, 100_000):
        await heard(it, replace(request, max_tokens=large))
    assert [each.max_tokens for each in model.requests[3:]] == [64_000, 100_000]


async def test_an_answer_with_text_that_met_the_limit_gets_no_more_room():
    it, model = patient(["some", Finished("max_tokens")])
    for _ in range(2):
        await heard(it)
    assert model.requests[0].max_tokens == model.requests[1].max_tokens


async def test_what_was_declined_is_left_out_of_the_next_request_with_what_was_said_to_it():
    it, model = patient([Finished("refusal", note="A new thread may help.")], ["fine"])
    first = Request((Turn("user", "hello"), Turn("assistant", "Hi."), Turn("user", "how to harm?")))
    assert (await heard(it, first)).end.note == "A new thread may help."
    said = (*first.turns, Turn("assistant", "I"), Turn("assistant", "can't."), Turn("user", "and tea?"))
    await heard(it, Request(said))
    assert [turn.text for turn in model.requests[1].turns] == ["hello", "Hi.", "and tea?"]
    await heard(it, first)
    assert model.requests[2].turns[-1].text == "how to harm?"


def test_an_error_within_is_not_called_overloaded():
    assert "overloaded" in note_of(ModelError(BUSY, Kind.ILL))
    assert "overloaded" not in note_of(ModelError(FAILED, Kind.ILL))


async def test_a_fallback_that_the_key_may_not_use_bars_nobody():
    ill: list[list[object]] = [[ILL]] * 4
    it, _ = patient(*ill, [ModelError("No.", Kind.BARRED)], ["fine"], fallback="other")
    assert str((await heard(it)).error).startswith("No.")
    assert it.trouble == ""
    assert (await heard(it)).text == "fine"


async def test_an_operator_who_has_helped_is_believed():
    it, _ = patient([ModelError("Key.", Kind.BARRED)], ["fine"])
    await heard(it)
    it.forgive()
    assert (await heard(it)).text == "fine"


@pytest.mark.parametrize("kind", [Kind.OTHER, Kind.BARRED, Kind.ENDLESS])
async def test_what_would_fail_again_is_not_tried_again(kind):
    got, model = await asked([ModelError("No.", kind)])
    assert len(model.requests) == 1
    assert not got.notes
    assert str(got.error).startswith("No.")


async def test_a_missing_model_is_replaced_and_that_is_said():
    got, model = await asked([ModelError("None.", Kind.MISSING)], ["fine"], fallback="other")
    assert [request.model for request in model.requests] == ["", "other"]
    assert "other" in got.end.note
    _, model = await asked([ModelError("None.", Kind.MISSING)])
    assert len(model.requests) == 1


async def test_a_model_that_stays_overloaded_is_replaced_in_the_end():
    _, model = await asked([ILL], fallback="other")
    assert [request.model for request in model.requests] == ["", "", "", "", "other"]


@pytest.mark.parametrize(
    "first", [[ModelError("Long.", Kind.LONG)], [Finished("model_context_window_exceeded")]]
)
async def test_a_conversation_that_is_too_long_loses_its_oldest_half_once(first):
    got, model = await asked(first, ["fine"])
    assert [len(request.turns) for request in model.requests] == [3, 2]
    assert got.end.note == TRIMMED
    got, model = await asked([ModelError("Long.", Kind.LONG)])
    assert len(model.requests) == 2
    assert str(got.error).startswith("Long.")


def test_the_question_is_never_left_out():
    turns = [Turn("user", "x" * 10), Turn("assistant", "y"), Turn("user", "z" * 1000)]
    assert trimmed(turns) == turns[2:]
    assert trimmed(turns[2:]) == turns[2:]


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.ILL, Kind.SILENT, Kind.LIMITED])
async def test_little_text_is_replaced_by_a_fresh_try(kind):
    """Only once its first text is there: until then the old one stays."""
    got, model = await asked(["abc", ModelError("Cut.", kind)], ["xyz"])
    assert got.text == "xyz"
    assert model.requests == [ASKED, ASKED]
    assert [type(event) for event in got.events] == [Text, Waiting, Again, Text, Finished]


async def test_much_text_is_kept_and_the_model_goes_on_from_there():
    """The request to go on is a user's; what it says twice is taken away."""
    got, model = await asked([LONG, CUT], [LONG[-20:] + " and", " more"])
    assert got.text == LONG + " and more"
    assert got.end.note == RESUMED
    *before, said, go_on = model.requests[1].turns
    assert before == list(ASKED.turns)
    assert said == Turn("assistant", LONG)
    assert go_on == Turn("user", GO_ON + LONG[-200:])


async def test_the_second_break_of_a_long_answer_is_its_end():
    got, model = await asked([LONG, CUT], ["more", CUT])
    assert len(model.requests) == 2
    assert got.text == LONG + "more"
    assert str(got.error).startswith("Cut short here. Cut.")


async def test_what_a_break_left_complete_needs_no_more_words():
    """It broke off between the last word and the end."""
    got, _ = await asked([LONG, CUT], [Finished()])
    assert got.text == LONG
    assert got.end.reason == "end_turn"


async def test_a_short_answer_that_breaks_off_twice_is_continued_then():
    got, model = await asked(["ab", CUT], [LONG, CUT], ["!"])
    assert got.text == LONG + "!"
    assert len(model.requests) == 3


async def test_text_is_kept_when_all_fresh_tries_fail():
    got, _ = await asked(["abc", CUT], [ILL])
    assert got.text == "abc"
    assert str(got.error).startswith("Cut short here. Ill.")


async def test_a_fresh_try_that_says_nothing_does_not_count():
    got, _ = await asked(["abc", CUT], [Finished()])
    assert got.text == "abc"
    assert str(got.error).startswith("Cut short here.")


async def test_a_stream_that_just_ends_is_a_break():
    class Ends:
        async def stream(self, request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
            yield Text(LONG)

    got = await heard(Patient(Ends()))
    assert got.text.startswith(LONG)
    assert got.error


async def test_silence_before_the_first_word_is_borne_twice():
    got, model = await asked([1000, "a"])
    assert model.times == [0, 125]
    assert got.error
    assert got.error.kind is Kind.SILENT


async def test_a_model_that_thinks_may_take_longer():
    got, _ = await asked([Thinking(), 290, "fine"])
    assert got.text == "fine"
    got, _ = await asked([Thinking(), 310, "fine"])
    assert got.error
    got, _ = await asked(["a", 130, "b"], ["c"])
    assert got.text == "c"


async def test_an_answer_ends_after_ten_minutes():
    got, _ = await asked([step for _ in range(100) for step in ("word ", 10)])
    assert got.seconds == 600
    assert got.error
    assert got.error.kind is Kind.ENDLESS
    assert str(got.error).startswith("Cut short here.")


async def test_an_answer_ends_at_its_length_limit_as_if_the_model_had():
    got, model = await asked(["x" * 30_000, "y" * 30_000, "z"])
    assert len(got.text) == 40_000
    assert got.end.reason == "max_tokens"
    assert model.open == 0


@pytest.mark.parametrize("script", [[ILL], [LONG, CUT], [1000]])
async def test_a_stop_ends_every_wait_at_once(script):
    """Asleep before another try, too; no token is bought after it."""
    it, model = patient(script)
    task = asyncio.create_task(heard(it))
    await asyncio.sleep(0.5)
    before = len(model.requests)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=0.01)
    assert task in done
    assert task.cancelled()
    await asyncio.sleep(100)
    assert len(model.requests) == before
    assert model.open == 0


async def test_a_stop_at_the_very_end_of_a_wait_buys_nothing():
    it, model = patient([ILL])
    task = asyncio.create_task(heard(it))
    asyncio.get_running_loop().call_at(5.0, task.cancel)
    await asyncio.wait({task})
    assert task.cancelled()
    assert len(model.requests) == 1


async def test_only_so_many_answers_are_read_at_once_and_the_others_say_that_they_wait():
    it, model = patient(["a", 10, "b"], streams=2)
    all_of_them = await asyncio.gather(*(heard(it) for _ in range(5)))
    assert model.most == 2
    assert [got.text for got in all_of_them] == ["ab"] * 5
    assert [got.notes for got in all_of_them] == [[], [], *[[QUEUED, ""]] * 3]


async def test_a_stop_frees_the_place_of_the_answer():
    it, model = patient(["a", 10, "b"], streams=1)
    first = asyncio.create_task(heard(it))
    await asyncio.sleep(1)
    first.cancel()
    assert (await heard(it)).text == "ab"
    assert model.most == 1
