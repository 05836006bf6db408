"""The answer as a state machine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot.events import (
    CONTINUE,
    RETRY,
    STOP,
    Again,
    Cited,
    File,
    Finished,
    Page,
    Source,
    Step,
    Text,
    Thinking,
    ToolFinished,
    ToolRunning,
    ToolStarted,
    Usage,
    Waiting,
)
from bot.platform import Limits, Op
from bot.show.answer import Answer
from bot.show.pages import paginate
from bot.show.steps import Steps
from bot.show.words import EMPTY, FOLLOWS, NOTES, UNATTACHED
from bot.show.writes import Ending, Phase, Rank, Showing, Write
from bot.text.safe import Links

LIMITS = Limits(80)
FILED = Limits(80, attach=10_000)
LONG = " ".join(f"word{number}" for number in range(100))


@dataclass
class Screen:
    """Takes writes as a platform would."""

    answer: Answer
    shown: list[Page] = field(default_factory=list)

    def take(self, write: Write) -> None:
        if write.message is None:
            assert write.index == len(self.shown)
            self.shown.append(write.page)
        else:
            assert write.message == str(write.index)
            self.shown[write.index] = write.page
        self.answer.wrote(write, str(write.index))

    def catch_up(self) -> None:
        while write := self.answer.next_write():
            self.take(write)


def fresh(limits: Limits = LIMITS) -> tuple[Answer, Screen]:
    answer = Answer(limits)
    return answer, Screen(answer)


def test_an_empty_live_page_comes_first():
    answer, _ = fresh()
    write = answer.next_write()
    assert write == Write(0, None, Page("", live=True, controls=(STOP,)), Rank.PLACEHOLDER, 0)
    assert write.op is Op.POST


def test_deltas_collapse_into_the_next_write():
    answer, screen = fresh()
    screen.catch_up()
    for word in ("a ", "b ", "c"):
        answer.receive(Text(word))
    write = answer.next_write()
    assert write
    assert write.page.text == "a b c"
    screen.take(write)
    assert answer.next_write() is None


def test_the_first_text_is_urgent_and_later_text_is_not():
    answer, screen = fresh()
    screen.catch_up()
    answer.receive(Text("a"))
    first = answer.next_write()
    assert first
    assert first.rank is Rank.FIRST
    assert first.op is Op.EDIT
    screen.take(first)
    answer.receive(Text("b"))
    later = answer.next_write()
    assert later
    assert later.rank is Rank.PREVIEW


def test_a_page_that_shows_all_of_it_is_written_once_more_as_final():
    answer, screen = fresh()
    answer.receive(Text("a"))
    screen.catch_up()
    answer.receive(Finished(usage=Usage(output=7)))
    last = answer.next_write()
    assert last
    assert last.rank is Rank.FINAL
    assert last.op is Op.FINAL
    screen.take(last)
    assert answer.phase is Phase.CLOSED
    assert answer.usage.output == 7
    assert screen.shown == [Page("a", live=False, controls=(RETRY,))]


def test_the_first_ending_wins():
    answer, screen = fresh()
    answer.end(Ending.STOPPED, "Stopped by ann.")
    answer.end(Ending.FAILED, "late")
    answer.receive(Text("late"))
    screen.catch_up()
    assert answer.ending is Ending.STOPPED
    assert screen.shown == [Page("", "Stopped by ann.", live=False)]


def test_running_tools_and_thinking_are_noted_while_they_last():
    answer, screen = fresh()
    answer.receive(Thinking())
    screen.catch_up()
    assert screen.shown[0].note == "thinking …"
    answer.receive(ToolStarted("1", "search"))
    answer.receive(ToolStarted("2", "weather"))
    screen.catch_up()
    assert screen.shown[0].note == "search …, weather …"
    answer.receive(ToolFinished("1"))
    answer.receive(ToolFinished("2"))
    answer.receive(Text("Sunny."))
    screen.catch_up()
    assert screen.shown[0].note == ""


def test_where_a_page_lists_its_tools_seconds_are_not_counted_and_each_page_has_its_own():
    answer, screen = fresh(Limits(80, steps=True))
    answer.receive(ToolStarted("1", "search"))
    answer.receive(ToolRunning("1", 7))
    screen.catch_up()
    assert screen.shown[0] == Page("", "search …", controls=(STOP,), steps=(Step("1", "search"),))
    answer.receive(ToolFinished("1", ok=False))
    answer.receive(Text("words that are more than a page holds. " * 4))
    screen.catch_up()
    answer.receive(ToolStarted("2", "look"))
    answer.receive(ToolRunning("2", 8, "ann decides"))
    answer.receive(Waiting("once more"))
    answer.receive(Finished())
    screen.catch_up()
    [first], *_, [last] = [page.steps for page in screen.shown]
    assert first == Step("1", "search", "failed")
    assert last == Step("2", "look", "failed")


def test_the_list_of_a_page_stays_short():
    steps = Steps(listed=True)
    for number in range(9):
        steps.take(ToolStarted(str(number), "look"), 0)
    for number in range(8):
        steps.take(ToolFinished(str(number)), 0)
    assert [(step.title, step.state) for step in steps.on(0)] == [("look", "done")] * 5 + [
        ("4 more", "running")
    ]
    steps.take(ToolFinished("8", ok=False), 0)
    assert steps.on(0)[-1].state == "done"
    assert steps.on(1) == ()


@pytest.mark.parametrize(
    "reason", ["end_turn", "stop_sequence", "tool_use", "max_tokens", "pause_turn", "refusal"]
)
def test_every_stop_reason_has_its_words(reason):
    answer, screen = fresh()
    answer.receive(Text("a"))
    answer.receive(Finished(reason))
    screen.catch_up()
    assert screen.shown[0].note == NOTES[reason]


def test_a_stop_reason_of_the_future_is_named():
    answer, screen = fresh()
    answer.receive(Text("a"))
    answer.receive(Finished("tired"))
    screen.catch_up()
    assert screen.shown[0].note == "Ended early: tired."


def test_a_lost_answer_writes_nothing_more():
    answer, screen = fresh()
    screen.catch_up()
    answer.receive(Text("a"))
    answer.lost()
    assert answer.next_write() is None
    assert answer.ending is Ending.LOST


def test_only_the_last_page_is_live():
    answer, screen = fresh()
    answer.receive(Text("word " * 60))
    screen.catch_up()
    assert [page.live for page in screen.shown] == [False] * (len(screen.shown) - 1) + [True]
    assert len(screen.shown) > 2


def test_what_is_behind_is_counted_in_characters():
    answer, screen = fresh()
    answer.receive(Text("word " * 60))
    assert answer.unshown == 300
    screen.take(answer.next_write())  # type: ignore[arg-type]
    assert 200 < answer.unshown < 300
    screen.catch_up()
    assert answer.unshown == 0


def paged(text: str, most: int = 1) -> tuple[Answer, Screen]:
    """Return an answer of *text* that is to end as a file after *most* pages, and what is shown of it."""
    answer = Answer(FILED, showing=Showing(pages=most))
    screen = Screen(answer)
    answer.receive(Text(text))
    answer.receive(Finished())
    while not (write := answer.next_write()) or not write.page.files:
        assert write
        screen.take(write)
    return answer, screen


@pytest.mark.rule(10)
@pytest.mark.parametrize("most", [1, 2, 3])
def test_an_answer_takes_so_many_messages_and_the_last_has_the_rest_as_a_file(most):
    answer, screen = paged(LONG, most)
    screen.catch_up()
    assert answer.phase is Phase.CLOSED
    assert len(screen.shown) == most
    [file] = screen.shown[-1].files
    assert LONG.split()[-1] in file.data.decode()
    assert not any(page.live for page in screen.shown)


def test_a_long_answer_without_its_file_goes_on_page_by_page():
    answer, screen = paged(LONG, most=2)
    write = answer.next_write()
    assert write
    assert answer.unfile(write, "No file.")
    assert not answer.unfile(write, "No file.")  # once is enough
    screen.catch_up()
    assert answer.phase is Phase.CLOSED
    assert " ".join(page.text for page in screen.shown).split() == LONG.split()
    assert [page.note for page in screen.shown if page.note] == [f"No file. {FOLLOWS}"]
    assert screen.shown[1].note
    assert not any(page.live or page.files for page in screen.shown)


def test_a_receipt_that_says_that_there_are_no_files_lets_the_answer_go_on():
    answer, screen = paged(LONG)
    write = answer.next_write()
    assert write
    screen.shown[write.index :] = [write.page]
    answer.wrote(write, "0", "No file.")
    screen.catch_up()
    assert " ".join(page.text for page in screen.shown).split() == LONG.split()
    assert screen.shown[0].note == f"No file. {FOLLOWS}"


def test_an_answer_that_a_crash_left_after_its_file_was_refused_keeps_its_pages():
    answer, screen = paged(LONG)
    write = answer.next_write()
    assert write
    answer.unfile(write, "No file.")
    screen.catch_up()
    shown = [page.text for page in screen.shown]
    again = Answer(FILED, showing=Showing(pages=1))
    again.resume(LONG, [str(index) for index in range(len(shown))])
    again.end(Ending.INTERRUPTED, "Interrupted.")
    screen.answer = again
    screen.catch_up()
    assert [page.text for page in screen.shown] == shown
    assert screen.shown[-1].note == "Interrupted."


CODE = "```py\n" + "x = 1\n" * 8 + "```\n"


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize(
    ("showing", "text", "made"),
    [
        (Showing(pages=1), LONG, ()),
        (Showing(code=20), f"Look:\n\n{CODE}\n{LONG}", ()),
        (Showing(code=20), f"Look:\n\n{CODE}", ()),
        (Showing(), "Look.", (File("plot.svg", "image/svg+xml", 5, data=b"<svg>"),)),
    ],
    ids=["overflow", "code before", "code last", "made"],
)
def test_an_answer_that_ends_with_files_has_the_buttons_it_ended_with_whatever_becomes_of_them(
    showing, text, made, refused
):
    answer = Answer(FILED, showing=showing)
    screen = Screen(answer)
    answer.receive(Text(text))
    answer.receive(Finished("max_tokens", files=made))
    assert answer.controls == (CONTINUE,)  # no message with a file takes another answer
    while write := answer.next_write():
        if not (refused and answer.unfile(write, "No file.")):
            screen.take(write)
    assert answer.phase is Phase.CLOSED
    assert any(page.files for page in screen.shown) is not refused
    assert screen.shown[-1].controls == answer.controls == (CONTINUE,)


@pytest.mark.parametrize("made", [(), (File("plot.svg", "image/svg+xml", 5, data=b"<svg>"),)])
def test_an_answer_whose_files_were_refused_before_it_ended_can_be_tried_again(made):
    answer = Answer(FILED, showing=Showing(code=20))
    screen = Screen(answer)
    answer.receive(Text(f"Look:\n\n{CODE}\n{LONG}"))
    while (write := answer.next_write()) and not answer.unfile(write, "No file."):
        screen.take(write)
    answer.receive(Finished(files=made))
    screen.catch_up()
    assert not any(page.files for page in screen.shown)
    assert screen.shown[-1].controls == answer.controls == (RETRY,)


class Walk(RuleBasedStateMachine):
    """Whatever happens in whatever order, nothing is lost and the screen ends right."""

    def __init__(self) -> None:
        super().__init__()
        self.answer, self.screen = fresh()
        self.said = self.before = ""
        self.out: Write | None = None

    @rule(text=st.sampled_from(["a", "word ", "\n\n", "```\n", "x" * 90, "  "]))
    def speaks(self, text: str) -> None:
        if self.answer.phase is Phase.OPEN:
            self.said += text
        self.answer.receive(Text(text))

    @rule()
    def thinks(self) -> None:
        self.answer.receive(Thinking())

    @rule(note=st.sampled_from(["", "patience …"]))
    def waits(self, note: str) -> None:
        self.answer.receive(Waiting(note))

    @precondition(lambda self: self.answer.phase is Phase.OPEN and len(paginate(self.said, LIMITS)) == 1)
    @rule()
    def begins_anew(self) -> None:
        self.answer.receive(Again())
        if self.answer.phase is Phase.OPEN:
            self.before, self.said = max(self.said, self.before, key=len), ""

    @precondition(lambda self: self.out is None)
    @rule()
    def sends(self) -> None:
        self.out = self.answer.next_write()

    @precondition(lambda self: self.out is not None)
    @rule(through=st.booleans())
    def comes_back(self, through: bool) -> None:
        if through and self.out:
            self.screen.take(self.out)
        self.out = None

    @rule(ending=st.sampled_from([Ending.FINISHED, Ending.STOPPED, Ending.INTERRUPTED]))
    def ends(self, ending: Ending) -> None:
        if self.answer.phase is Phase.OPEN and ending is not Ending.FINISHED:
            self.said = max(self.said, self.before, key=len)
        self.answer.end(ending, "note")

    @invariant()
    def pages_before_the_last_are_closed(self) -> None:
        assert not any(page.live for page in self.screen.shown[:-1])

    def teardown(self) -> None:
        if self.out:
            self.screen.take(self.out)
        self.answer.end(Ending.FINISHED, "note")
        self.screen.catch_up()
        assert self.answer.phase is Phase.CLOSED
        assert self.answer.text == self.said
        assert self.answer.unshown == 0
        pieces = paginate(self.said, LIMITS)
        pieces = pieces[:-1] if len(pieces) > 1 and not pieces[-1].shown else pieces
        assert [page.text for page in self.screen.shown] == [piece.shown for piece in pieces]
        assert not any(page.live or page.controls for page in self.screen.shown)


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_an_answer_of_which_nothing_can_be_seen_says_so():
    for text in ("\u200b\u2060", "<br>", "&rlm;", "\ufeff \u00ad"):
        answer = Answer(Limits(100))
        answer.receive(Text(text))
        answer.receive(Finished())
        write = answer.next_write()
        assert write, text
        assert write.page.note == EMPTY, text


@pytest.mark.rule(9)
def test_what_the_edited_question_links_may_be_linked():
    answer = Answer(Limits(100), Links.of("see https://a.example/1"))
    answer.allow(Links.of("see https://b.example/2"))
    answer.receive(Text("https://a.example/1 https://b.example/2"))
    write = answer.next_write()
    assert write
    answer.receive(Finished())
    last = answer.next_write()
    assert last
    assert last.page.text == "`https://a.example/1` https://b.example/2"


@pytest.mark.parametrize(
    ("show", "note"),
    [("off", "thinking …"), ("seconds", "thinking 5 s …"), ("summary", "thinking 5 s … · I look at rain.")],
)
def test_of_thinking_as_much_is_shown_as_the_settings_say(show, note):
    answer = Answer(Limits(2000), showing=Showing(thinking=show))
    answer.receive(Thinking("**First**\n\nI look at "))
    answer.receive(Thinking("rain.", 5))
    write = answer.next_write()
    assert write
    assert write.page.note == note


def test_what_the_model_has_made_is_attached_and_not_replaced_then():
    table = File("table.csv", "text/csv", 3, data=b"a,b")
    answer = Answer(Limits(2000, attach=10))
    answer.receive(Text("Here."))
    answer.receive(Finished(files=(table, replace(table, size=11))))
    write = answer.next_write()
    assert write
    assert write.page == Page("Here.", UNATTACHED, live=False, files=(table,))


def test_what_is_cited_may_be_a_link():
    answer = Answer(Limits(2000))
    answer.receive(Text("It shines. "))
    answer.receive(Cited((Source("https://sun.example/a", "Sun"),)))
    answer.receive(Text("[1](<https://sun.example/a>) [2](<https://rain.example/>)"))
    answer.receive(Finished())
    write = answer.next_write()
    assert write
    assert "(https://sun.example/a)" in write.page.text
    assert "(https://rain.example/)" not in write.page.text
