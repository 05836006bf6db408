"""The core and its ledger on the jumping clock: what a restart finds, and what is told to whom."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from bot.core.core import Core
from bot.core.kept import Kept
from bot.core.repair import AGAIN, LATE, RUNS, STALE, YOUNG
from bot.core.sayings import AWAY, NOTHING, RESTART, UNBEGUN
from bot.core.tries import RETRIES
from bot.events import CONTINUE, RETRY, Page
from bot.guard.access import Access
from bot.model import Asking
from bot.model.script import Script
from bot.platform import Asked, Edited, Finding, Inbox, Mention, Platform, Remains, Surface
from bot.store import Entry, Part
from bot.store.memory import Memory
from tests.fakes import ANN, HERE, ROBOT, Sheet, ask

pytestmark = pytest.mark.jump

NOW = 1_800_000_000.0
SAID = Part("n0", 0, "here", "sheet/1")


@dataclass
class Paper(Platform):
    """A platform with one sheet.

    Attributes:
        reopened: What it was asked to open again.
        heard: What `missed` finds.
        asked_for: What `missed` was told.
    """

    sheet: Sheet
    name: str = "sheet"
    reopened: list[tuple[str, Remains]] = field(default_factory=list)
    heard: Sequence[Mention] = ()
    asked_for: list[tuple[Sequence[Asked], float]] = field(default_factory=list)

    async def run(self, inbox: Inbox) -> None:
        await inbox.repair(self)

    async def check(self) -> Sequence[Finding]:
        return ()

    def reopen(self, asked: Asked, remains: Remains) -> Surface | None:
        self.reopened.append((asked.key, remains))
        return self.sheet if asked.conversation else None

    async def missed(self, recent: Sequence[Asked], since: float) -> Sequence[Mention]:
        self.asked_for.append((recent, since))
        return self.heard


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def core(
    store: Memory, script: Script | None = None, clock: Clock | None = None, access: Access | None = None
):
    return Core(script or Script("Because."), store, access or Access(), Asking(), clock=clock or Clock())


def question(key: str = "sheet/q1", text: str = "why?", age: float = 0.0, actor=ANN) -> Asked:
    return Asked(key, key, actor, HERE, text, NOW - age)


async def left(*entries: Entry) -> Memory:
    """A ledger that an earlier run has left."""
    store = Memory()
    for entry in entries:
        store._put(entry)
    return store


async def repaired(entry: Entry, seconds: float = 30.0, **given) -> tuple[Sheet, Memory]:
    """What a restart makes of one entry."""
    sheet, store = Sheet(), await left(entry)
    await core(store, **given).repair(Paper(sheet))
    await asyncio.sleep(seconds)
    return sheet, store


async def done(store: Memory, key: str = "sheet/q1") -> bool:
    entry = await store.find(key)
    return entry is not None and entry.done is not None


async def test_nothing_is_written_before_an_edit_of_the_dead_process_may_have_landed():
    sheet, store = Sheet(), await left(Entry(question(), "Be", parts=(SAID,)))
    await core(store).repair(Paper(sheet))
    await asyncio.sleep(LATE - 0.1)
    assert not sheet.log
    await asyncio.sleep(1)
    assert sheet.last == Page("Be", RESTART, live=False, controls=(CONTINUE,))
    assert sheet.log[-1].message == "sheet/1"
    assert await done(store)


async def test_of_a_question_to_which_nothing_was_posted_no_post_is_looked_for():
    """Each look would be a call of the platform, and the ledger of one process forgets no post."""
    paper = Paper(Sheet())
    await core(await left(Entry(question()))).repair(paper)
    assert [remains for _, remains in paper.reopened] == [Remains()]


async def test_a_question_that_comes_meanwhile_waits_for_the_repair_of_its_conversation():
    sheet, newer = Sheet(), Sheet("newer")
    it = core(await left(Entry(question())), Script("Because.", 1.0))
    await it.repair(Paper(sheet))
    await it.mention(ask(newer, "sheet/q2", conversation="sheet/q1"))
    await asyncio.sleep(30)
    assert sheet.last == newer.last == Page("Because.", live=False, controls=(RETRY,))
    assert sheet.log[-1].time < newer.log[0].time


@pytest.mark.parametrize(
    ("entry", "note", "text"),
    [
        (Entry(question()), "", "Because."),
        (Entry(question(), parts=(SAID,)), "", "Because."),
        (Entry(question(age=YOUNG - 1)), "", "Because."),
        (Entry(question(age=YOUNG + 1)), UNBEGUN, ""),
        (Entry(question(age=-3600.0)), "", "Because."),
        (Entry(question(), runs=RUNS), UNBEGUN, ""),
        (Entry(question(actor=ROBOT)), UNBEGUN, ""),
        (Entry(question(text="stop")), "", NOTHING),
        (Entry(question(), "Be", parts=(SAID,)), RESTART, "Be"),
        (Entry(question(), "Because", "Stopped by ann.", (SAID,)), "Stopped by ann.", "Because"),
        (Entry(question(), "", "Stopped by ann.", (SAID,)), "Stopped by ann.", ""),
        (Entry(question(), "Because", "", (SAID,)), "", "Because"),
        (Entry(question(age=STALE + 1), "Be", parts=(SAID,)), RESTART, "Be"),
    ],
)
async def test_what_becomes_of_a_question(entry, note, text):
    sheet, store = await repaired(entry)
    controls = {RESTART: (CONTINUE,), UNBEGUN: (RETRY,)}.get(note, ())
    controls = (RETRY,) if (text, entry.text) == ("Because.", "") else controls
    assert sheet.last == Page(text, note, live=False, controls=controls)
    assert await done(store)


async def test_nobody_is_told_of_a_question_of_yesterday_to_which_nothing_was_said():
    sheet, store = await repaired(Entry(question(age=STALE + 1)))
    assert not sheet.log
    assert await done(store)


async def test_a_place_that_is_no_more_ends_the_matter():
    sheet, store = await repaired(Entry(replace(question(), conversation="")))
    assert not sheet.log
    assert await done(store)


async def test_a_question_that_was_edited_is_kept_as_it_is_now():
    store = Memory()
    it = core(store, Script(60.0, "Because."))
    await it.mention(ask(Sheet(), "sheet/q1", "why?"))
    await asyncio.sleep(1)
    await it.edited(Edited("sheet/q1", "why not?", ANN, HERE))
    [entry] = await store.unfinished("sheet")
    assert entry.asked.text == "why not?"


async def test_a_platform_is_told_which_posts_are_doubtful():
    parts = (replace(SAID, nonce="n" * 18 + "0"), Part("n" * 18 + "1", 1, "there"))
    paper = Paper(Sheet())
    await core(await left(Entry(question(), "Be", parts=parts))).repair(paper)
    assert paper.reopened == [("sheet/q1", Remains("there", ("sheet/1",), ("n" * 18 + "1",)))]


async def test_a_post_of_an_earlier_run_is_made_again_with_its_nonce():
    nonce = "n" * 18 + "0"
    sheet, _ = await repaired(Entry(question(age=YOUNG + 1), parts=(Part(nonce, 0),)))
    assert [*sheet.nonces] == [nonce]


async def test_a_replacement_that_was_under_way_is_made_again():
    sheet = Sheet(escapes=True)
    instead = Part("n" * 18 + "r0", 0, "here", replaces="sheet/1")
    store = await left(Entry(question(), "Because.", "", (SAID, instead)))
    await core(store).repair(Paper(sheet))
    await asyncio.sleep(30)
    assert (sheet.replaced, [*sheet.nonces]) == (["sheet/1"], [instead.nonce])
    assert await done(store)


async def test_of_messages_for_which_a_loss_of_power_has_left_no_text_the_last_ends_too():
    parts = tuple(Part(f"n{number}", number, "here", f"sheet/{number}") for number in range(3))
    sheet, _ = await repaired(Entry(question(), "Be", parts=parts))
    assert sheet.shown == {"sheet/2": Page("", RESTART, live=False, controls=(CONTINUE,))}


async def test_an_answer_that_was_given_up_is_ended_when_the_platform_is_connected_anew():
    sheet, store = Sheet(errors=[None, *[OSError("no route")] * (len(RETRIES) + 1)]), Memory()
    it = core(store, Script("Because."))
    await it.mention(ask(sheet, "sheet/q1"))
    await asyncio.sleep(sum(RETRIES) + AGAIN / 2)
    assert not await done(store)
    await it.repair(Paper(sheet))
    await asyncio.sleep(30)
    assert sheet.shown == {"sheet/1": Page("Because.", live=False, controls=(RETRY,))}
    assert await done(store)


async def test_an_answer_that_was_given_up_is_taken_up_again_until_it_is_written():
    """Whatever the platform refuses, it may take in an hour, and nothing connects anew."""
    sheet, store = Sheet(errors=[None, *[OSError("no route")] * 5 * (len(RETRIES) + 1)]), Memory()
    it = core(store, Script("Because."))
    await it.repair(Paper(sheet))
    await it.mention(ask(sheet, "sheet/q1"))
    await asyncio.sleep(3_600)
    assert sheet.shown == {"sheet/1": Page("Because.", live=False, controls=(RETRY,))}
    assert await done(store)


async def test_an_answer_that_could_not_be_written_while_it_grew_says_so():
    sheet, store = Sheet(errors=[None, None, *[OSError("no route")] * (len(RETRIES) + 1)]), Memory()
    it = core(store, Script("Because ", 5.0, *("of ", 30.0) * 30))
    await it.repair(Paper(sheet))
    await it.mention(ask(sheet, "sheet/q1"))
    await asyncio.sleep(3_600)
    assert sheet.last.note == AWAY
    assert sheet.last.text.startswith("Because of of")
    assert sheet.last.controls == (CONTINUE,)


async def test_nobody_waits_for_what_is_to_be_taken_up_later():
    sheet = Sheet(errors=[OSError("no route")] * 99)
    it = core(Memory(), Script("Because."))
    await it.repair(Paper(sheet))
    await it.mention(ask(sheet, "sheet/q1"))
    await asyncio.sleep(sum(RETRIES) + AGAIN / 2)
    await asyncio.wait_for(it.drain(), 1)


async def test_what_is_live_is_not_repaired_when_the_platform_is_connected_anew():
    sheet, paper = Sheet(), Paper(Sheet("other"))
    it = core(Memory(), Script("Because", 60.0))
    await it.mention(ask(sheet, "sheet/q1"))
    await asyncio.sleep(5)
    await it.repair(paper)
    await asyncio.sleep(5)
    assert not paper.reopened


async def test_a_stop_ends_an_answer_that_waits_for_its_repair():
    sheet, store = Sheet(), await left(Entry(question(), parts=(SAID,)))
    it = core(store, Script("Because", 60.0))
    await it.repair(Paper(sheet))
    await asyncio.sleep(1)
    await it.mention(ask(Sheet(), "sheet/q2", "stop", conversation="sheet/q1"))
    await asyncio.sleep(10)
    assert sheet.last.note == "Stopped by ann."
    assert await done(store)
    assert await done(store, "sheet/q2")


async def test_a_mention_that_was_missed_is_taken_once_and_only_where_there_was_one_before():
    sheet, known = Sheet(), Sheet("known")
    paper = Paper(sheet, heard=[ask(known, "sheet/q0"), ask(sheet, "sheet/q9")])
    it = core(await left(Entry(question("sheet/q0", age=2 * YOUNG), done=NOW)))
    await it.repair(paper)
    await asyncio.sleep(30)
    assert [(asked.key, since) for [asked], since in paper.asked_for] == [("sheet/q0", NOW - YOUNG)]
    assert sheet.last == Page("Because.", live=False, controls=(RETRY,))
    assert not known.log
    empty = Paper(sheet)
    await core(Memory()).repair(empty)
    await asyncio.sleep(1)
    assert not empty.asked_for


async def test_what_is_older_than_the_ledger_is_not_looked_for():
    """A ledger that was purged does not know what was answered before."""
    paper = Paper(Sheet())
    store = await left(Entry(question("sheet/q0", age=60), done=NOW))
    await core(store).repair(paper)
    await asyncio.sleep(1)
    assert [since for _, since in paper.asked_for] == [NOW - 60]


async def test_a_search_that_fails_is_no_matter():
    class Silent(Paper):
        async def missed(self, recent: Sequence[Asked], since: float) -> Sequence[Mention]:
            raise OSError("no route")

    sheet = Sheet()
    it = core(await left(Entry(question("sheet/q0"), done=NOW)))
    await it.repair(Silent(sheet))
    await it.mention(ask(sheet, "sheet/q1"))
    await asyncio.sleep(30)
    assert sheet.last == Page("Because.", live=False, controls=(RETRY,))


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
async def test_a_clock_that_jumps_changes_no_answer(jump):
    sheet, clock, store = Sheet(), Clock(), Memory()
    it = core(store, Script("Be", 2.0, "cause."), clock)
    await it.mention(ask(sheet, "sheet/q1"))
    await asyncio.sleep(1)
    clock.now += jump
    await it.mention(ask(sheet, "sheet/q1"))
    await asyncio.sleep(30)
    await it.mention(ask(sheet, "sheet/q1"))
    await asyncio.sleep(5)
    assert sheet.shown == {"sheet/1": Page("Because.", live=False, controls=(RETRY,))}
    assert await done(store)


async def test_an_answer_counts_as_done_once_nothing_lags_behind_it():
    class Slow(Sheet):
        async def settle(self) -> None:
            await asyncio.sleep(100)

    sheet, store = Slow(), Memory()
    it = core(store)
    await it.mention(ask(sheet, "sheet/q1"))
    await asyncio.sleep(50)
    assert sheet.last == Page("Because.", live=False, controls=(RETRY,))
    assert not await done(store)
    await it.mention(ask(sheet, "sheet/q2", conversation="sheet/q1"))  # does not wait for it
    await asyncio.sleep(100)
    assert len(sheet.shown) == 2
    assert await done(store)


async def test_what_still_lags_behind_in_the_end_is_taken_up_again():
    class Lagging(Sheet):
        async def settle(self) -> None:
            if lags:
                raise OSError("a message is still to be deleted")

    lags, sheet, store = True, Lagging(), Memory()
    it = core(store)
    await it.repair(Paper(sheet))
    await it.mention(ask(sheet, "sheet/q1"))
    await asyncio.sleep(30)
    assert not await done(store)
    lags = False
    await asyncio.sleep(AGAIN + 5)
    assert await done(store)
    assert sheet.shown == {"sheet/1": Page("Because.", live=False, controls=(RETRY,))}


async def test_what_a_shutdown_had_no_time_for_is_there_for_a_repair():
    sheet, store = Sheet(latency=60.0), Memory()
    it = core(store, Script("Because", 60.0))
    await it.mention(ask(sheet, "sheet/q1"))
    await asyncio.sleep(1)
    await it.drain(5.0)
    [entry] = await store.unfinished("sheet")
    assert entry.note == RESTART


class Slow(Memory):
    """A ledger that takes its time."""

    async def again(self, key: str) -> None:
        await asyncio.sleep(60)
        await super().again(key)


async def test_what_ends_while_others_are_taken_up_is_not_taken_up():
    store, sheet = Slow(), Sheet()
    it, paper = core(store, script := Script("Because.")), Paper(sheet)
    await it.repair(paper)
    store._put(Entry(question("sheet/q1")))  # as an answer that was given up
    await it.mention(ask(sheet, "sheet/q2"))
    await it.repair(paper)
    await asyncio.sleep(60)
    assert len(script.requests) == 2
    assert not await store.unfinished("sheet")


async def test_taking_over_messages_leaves_the_text_in_the_ledger():
    entry = Entry(question(), "Be", parts=(SAID,))
    store = await left(entry)
    await Kept(store, "sheet/q1", Clock(), entry).adopt()
    found = await store.find("sheet/q1")
    assert found
    assert found.text == "Be"


class Unhurried(Access):
    """Rules that take a second to look somebody up."""

    async def authorize(self, *args, **more):
        await asyncio.sleep(1)
        return await super().authorize(*args, **more)


async def test_what_is_given_up_while_others_are_taken_up_is_taken_up_too():
    store, sheet = Memory(), Sheet()
    it = Core(Script("Because."), store, Unhurried(), Asking(), clock=Clock())
    await it.repair(Paper(sheet))
    for key in ("sheet/q1", "sheet/q2"):
        store._put(Entry(question(key)))
    it.running.taken |= {"sheet/q1", "sheet/q2"}  # both are being written

    def give_up(key: str) -> None:
        it.running.taken.discard(key)
        it.repairs._take_up_later(key)

    give_up("sheet/q1")
    await asyncio.sleep(AGAIN + 0.5)  # who asked it is being looked up
    give_up("sheet/q2")
    await asyncio.sleep(3_600)
    assert not await store.unfinished("sheet")


async def test_a_ledger_that_can_not_be_read_while_an_answer_is_taken_up_is_asked_again():
    class Hiccup(Memory):
        hiccups = 2

        async def unfinished(self, platform):
            if self.hiccups == 1:
                self.hiccups = 0
                raise OSError("no disk")
            return await super().unfinished(platform)

        async def again(self, key):
            if self.hiccups == 2:
                self.hiccups = 1
                raise OSError("no disk")
            await super().again(key)

    store, sheet = Hiccup(), Sheet()
    it = core(store, Script("Because."))
    await store.accept(question())
    await it.repair(Paper(sheet))
    await asyncio.sleep(3_600)
    assert sheet.shown == {"sheet/1": Page("Because.", live=False, controls=(RETRY,))}
    assert await done(store)
