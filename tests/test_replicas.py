"""Several cores that answer as one bot, on a clock that jumps."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

import pytest

from bot.core.commands import STOPPED
from bot.core.core import Core
from bot.core.kept import first_nonce
from bot.core.letters import Late, Passed, Shown, Took, passed, read, written
from bot.core.replicas import Replicas
from bot.events import RETRY, STOP, File, Page
from bot.guard.access import Access
from bot.model import Asking
from bot.model.script import Script
from bot.platform import Command, Deleted, Edited, Mention, Outcome, Press, Rating, Stop, Unavailable
from bot.store import Entry
from bot.store.peers import BEAT, REPLY
from tests.fakes import ANN, BOB, HERE, Sheet, ask
from tests.peers import Bus, Common
from tests.test_repair import Paper

pytestmark = pytest.mark.jump

LONG: list[str | float] = [step for i in range(100) for step in (f"w{i} ", 0.2)]
KEY = "sheet/q1"


@dataclass
class One:
    """A replica, on a platform that all of them serve."""

    bus: Bus
    store: Common
    core: Core
    inbox: Replicas
    task: asyncio.Task[None]

    @property
    def busy(self) -> int:
        return self.core.state["running"]


@pytest.fixture
def sheet():
    return Sheet()


@pytest.fixture
async def started(sheet):
    """Return what starts one more replica."""
    bus, tasks, cores = Bus(), [], []

    async def start(name: str, *words: str | float) -> One:
        store = Common(bus, name)
        core = Core(Script(*(words or LONG)), store, Access(), Asking())
        cores.append(core)
        inbox = Replicas(core)
        await inbox.repair(Paper(sheet))
        task = asyncio.create_task(inbox.run())
        tasks.append(task)
        await asyncio.sleep(BEAT / 10)
        return One(bus, store, core, inbox, task)

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for core in cores:  # else answers that the loop cancels at its end are to be taken up later
        await core.drain()


@pytest.fixture
async def pair(started):
    """Return two replicas; the first is at home in the channel of all questions."""
    first, second = await started("a"), await started("b")
    first.bus.homes[f"/{HERE.channel}"] = "a"
    return first, second


async def asked(replica: One, sheet: Sheet, key: str = KEY, text: str = "hello?", conversation: str = ""):
    await replica.inbox.mention(ask(sheet, key, text, conversation=conversation))
    await asyncio.sleep(3)


async def test_a_question_is_answered_by_the_home_of_its_channel_whoever_hears_it(pair, sheet):
    first, second = pair
    await asked(second, sheet)
    assert (first.busy, second.busy) == (1, 0)
    assert second.core.means.tally.handed.values == {("event",): 1}
    assert sheet.last.live


async def test_two_deliveries_at_two_replicas_are_answered_once(pair, sheet):
    first, second = pair
    question = ask(sheet, KEY)
    await asyncio.gather(first.inbox.mention(question), second.inbox.mention(question))
    await asyncio.sleep(60)
    assert set(sheet.shown) == {"sheet/1"}
    assert first.core.state["taken"] == 1


async def test_questions_of_a_conversation_that_two_replicas_hear_are_answered_one_after_the_other(
    pair, sheet
):
    first, second = pair
    await first.inbox.mention(ask(sheet, "sheet/q1", conversation="talk"))
    await second.inbox.mention(ask(sheet, "sheet/q2", conversation="talk"))
    await asyncio.sleep(3)
    assert first.core.state["running"] == 1
    assert first.core.state["waiting"] == 1


async def test_a_stop_that_another_replica_hears_ends_the_answer(pair, sheet):
    first, second = pair
    await asked(first, sheet)
    assert second.inbox.knows("sheet/1")
    assert second.inbox.knows(KEY)
    assert await second.inbox.stop(Stop("sheet/1", ANN, HERE)) is Outcome.STOPPED
    await asyncio.sleep(2)
    assert sheet.last.note == "Stopped by ann."
    assert not first.busy


async def test_the_stop_button_works_at_every_replica(pair, sheet):
    first, second = pair
    await asked(first, sheet)
    assert await second.inbox.press(Press("sheet/1", STOP.name, ANN, HERE)) is Outcome.STOPPED
    await asyncio.sleep(2)
    assert sheet.last.note == "Stopped by ann."


async def test_a_stop_that_comes_before_the_replica_knows_the_message_is_passed_on_later(pair, sheet):
    first, second = pair
    second.core.means.stops.keep(Stop("sheet/1", ANN, HERE), asyncio.get_running_loop().time())
    await asked(first, sheet)
    assert sheet.last.note == "Stopped by ann."


async def test_a_stop_whose_actor_is_looked_up_while_the_message_becomes_known_is_passed_on(
    pair, sheet, monkeypatch
):
    first, second = pair
    second.bus.homes[f"/{HERE.channel}"] = "b"
    access, looked_up = second.core.means.access, asyncio.Event()
    authorize = access.authorize

    async def slowly(*asked: object) -> bool:
        await looked_up.wait()
        return bool(await authorize(*asked))

    monkeypatch.setattr(access, "authorize", slowly)
    stop = asyncio.create_task(second.inbox.stop(Stop("sheet/1", ANN, HERE)))
    await first.core.mention(ask(sheet, KEY))
    await asyncio.sleep(3)
    assert second.inbox.knows("sheet/1")
    looked_up.set()
    assert await stop is Outcome.STOPPED
    await asyncio.sleep(2)
    assert sheet.last.note == "Stopped by ann."


async def test_a_stop_that_a_new_replica_hears_reaches_an_answer_whose_channel_has_another_home(
    pair, started, sheet
):
    first, _ = pair
    await asked(first, sheet)
    first.bus.homes[f"/{HERE.channel}"] = "b"  # as when the first one is told to end
    third = await started("c")
    assert not third.inbox.knows("sheet/1")
    assert await third.inbox.stop(Stop("sheet/1", ANN, HERE)) is Outcome.STOPPED
    await asyncio.sleep(2)
    assert sheet.last.note == "Stopped by ann."


async def test_a_stop_of_an_answer_that_all_take_for_another_ones_goes_round_once(pair, started):
    replicas = [*pair, await started("c")]
    for each, other in zip(replicas, "bca", strict=True):
        each.inbox._elsewhere["sheet/1"] = other
    assert await replicas[0].inbox.stop(Stop("sheet/1", ANN, HERE)) is Outcome.UNKNOWN
    passed = [each.core.means.tally.handed.values.get(("event",), 0) for each in replicas]
    assert sum(passed) <= 2 * len(replicas)


async def test_messages_of_an_answer_that_has_ended_are_not_known_elsewhere(pair, sheet):
    first, second = pair
    await asked(first, sheet)
    await first.inbox.stop(Stop("sheet/1", ANN, HERE))
    await asyncio.sleep(2 * BEAT)
    assert not second.inbox.knows("sheet/1")
    assert not second.inbox.knows(KEY)


async def test_a_message_that_ended_and_goes_on_is_known(pair):
    first, second = pair
    stops, run = first.core.means.stops, object()
    stops.watch("sheet/7", run, 0.0)
    stops.watch("sheet/8", run, 0.0)
    stops.forget("sheet/7", "sheet/8")
    stops.watch("sheet/8", run, 0.0)
    await asyncio.sleep(0.1)
    assert second.inbox.knows("sheet/8")
    assert not second.inbox.knows("sheet/7")


async def test_that_a_message_belongs_to_an_answer_is_not_told_with_each_edit(pair, sheet):
    first, second = pair
    await asked(first, sheet)
    told, edits = len(first.store.peers.told), len(sheet.log)
    await asyncio.sleep(10)
    assert len(sheet.log) > edits
    assert len(first.store.peers.told) == told
    assert second.inbox.knows("sheet/1")


async def test_a_replica_that_joins_later_hears_of_the_answers_that_run(pair, started, sheet):
    first, _ = pair
    await asked(first, sheet)
    third = await started("c")
    await asyncio.sleep(2 * BEAT)
    assert third.inbox.knows("sheet/1")


async def test_a_follow_up_is_known_as_one_at_every_replica(pair, sheet):
    first, second = pair
    await asked(first, sheet, conversation="talk")
    assert second.inbox.asked_in("talk") == KEY


async def test_a_command_at_another_replica_is_about_the_answer_at_home(pair, sheet):
    first, second = pair
    here = replace(HERE, platform="sheet")
    first.bus.homes[f"sheet/{HERE.channel}"] = "a"
    await first.inbox.mention(replace(ask(sheet, KEY), place=here))
    await asyncio.sleep(3)
    assert await second.inbox.command(Command("stop", "", ANN, here)) == STOPPED
    await asyncio.sleep(2)
    assert sheet.last.note == "Stopped by ann."


async def test_an_edit_and_a_deletion_reach_the_answer(pair, started, sheet):
    first, second = pair
    await first.inbox.mention(ask(sheet, KEY))
    await asyncio.sleep(0.05)
    await second.inbox.edited(Edited(KEY, "stop", ANN, HERE))
    await asyncio.sleep(3)
    assert sheet.last.note == "Stopped by ann."
    await asked(first, sheet, "sheet/q2")
    await second.inbox.deleted(Deleted("sheet/q2"))
    await asyncio.sleep(3)
    assert not first.busy


async def test_a_question_that_is_deleted_before_its_answer_is_known_is_not_answered(pair, sheet):
    """The deletion reaches another replica, or the right one while the question waits for the ledger."""
    first, second = pair
    await second.inbox.deleted(Deleted(KEY))
    await asked(first, sheet)
    assert not first.busy
    assert not any(page.text for page in sheet.shown.values())
    await first.inbox.deleted(Deleted("sheet/q2"))
    before = len(sheet.log)
    await asked(first, sheet, "sheet/q2")
    assert not first.busy
    assert len(sheet.log) == before


async def test_a_question_that_is_edited_before_its_answer_is_known_is_asked_as_it_is_now(pair, sheet):
    first, second = pair
    await second.inbox.edited(Edited(KEY, "and now?", ANN, HERE))
    await first.inbox.edited(Edited("sheet/q2", "stop", ANN, HERE))
    await asked(first, sheet)
    [live] = first.core.running.lives.values()
    assert live.mention.text == "and now?"
    await asked(first, sheet, "sheet/q2")
    assert [*first.core.running.lives.values()] == [live]
    assert "Stopped by ann." in [page.note for page in sheet.shown.values()]


async def test_a_rating_is_kept_wherever_it_comes(pair, sheet):
    first, second = pair
    await asked(first, sheet)
    await second.inbox.rated(Rating("sheet/1", BOB, HERE, good=True, on=True))
    assert [rated.rater for rated in await first.store.ratings()] == [BOB.id]


async def test_a_home_that_does_not_reply_loses_no_question(pair, sheet):
    first, second = pair
    first.bus.lost.add("a")
    await asked(second, sheet)
    assert (first.busy, second.busy) == (0, 1)


async def test_what_fails_between_replicas_is_begun_anew(pair, sheet, monkeypatch):
    first, second = pair
    broken = iter([RuntimeError("broken")])

    async def orphans():
        for error in broken:
            raise error
        await waited()

    waited = second.store.peers.orphans
    monkeypatch.setattr(second.store.peers, "orphans", orphans)
    second.task.cancel()
    task = asyncio.create_task(second.inbox.run())
    await asked(first, sheet)
    first.bus.lost.add("a")
    for each in [*first.core.running.lives, first.task]:
        each.cancel()
    await asyncio.sleep(1)
    second.bus.die("a")
    await asyncio.sleep(10)
    task.cancel()
    assert sheet.last.note
    assert not sheet.last.live


async def test_a_home_that_did_not_reply_is_not_waited_for_again_at_once(pair, sheet):
    first, second = pair
    first.bus.lost.add("a")
    began = asyncio.get_running_loop().time()
    for number in range(5):
        await second.inbox.mention(ask(sheet, f"sheet/q{number}"))
    assert asyncio.get_running_loop().time() - began < 2 * REPLY


async def test_a_home_that_shuts_down_lets_the_question_be_answered_where_it_was_heard(pair, sheet):
    first, second = pair
    first.core.running.closing = True
    await asked(second, sheet)
    assert second.busy == 1


async def test_a_question_with_half_a_character_is_answered_where_it_was_heard(pair, sheet):
    _, second = pair
    await second.inbox.mention(ask(sheet, KEY, "what is \ud800?"))
    await asyncio.sleep(3)
    assert second.busy == 1


async def test_a_replica_that_shuts_down_alone_takes_nothing(started, sheet):
    only = await started("a")
    only.core.running.closing = True
    with pytest.raises(Unavailable):
        await only.inbox.mention(ask(sheet, KEY))


async def test_the_answers_of_a_dead_replica_are_ended_by_one_other(pair, started, sheet):
    first, second = pair
    third = await started("c")
    await asked(first, sheet)
    said = sheet.last.text
    first.bus.lost.add("a")
    for task in [*first.core.running.lives, first.task]:
        task.cancel()
    await asyncio.sleep(1)
    second.bus.die("a")
    await asyncio.sleep(20 * BEAT)
    assert said
    assert sheet.last.text.startswith(said)
    assert sheet.last.note
    assert not sheet.last.live
    assert set(sheet.shown) == {"sheet/1"}
    assert not second.inbox.knows("sheet/1")
    assert not third.inbox.knows("sheet/1")
    assert sum(each.core.means.tally.handed.values.get(("question",), 0) for each in (second, third)) == 1


async def test_an_answer_that_another_replica_has_taken_is_not_written_any_more(pair, sheet):
    first, second = pair
    await asked(first, sheet)
    second.store.steal(KEY)
    await asyncio.sleep(3)
    written_then = len(sheet.log)
    await asyncio.sleep(20)
    assert len(sheet.log) == written_then
    assert not first.busy
    assert not first.core.running.taken


async def test_nothing_goes_out_on_a_lease_that_lapsed_after_the_ledger_was_told(pair, sheet, monkeypatch):
    first, _ = pair
    monkeypatch.setattr(first.store, "held", lambda _key: False)
    await asked(first, sheet)
    assert first.busy
    assert not sheet.shown
    first.bus.holder[KEY] = "b"
    await asyncio.sleep(2)
    assert not first.busy
    assert not sheet.shown


async def test_a_post_that_the_ledger_has_forgotten_is_looked_for_before_another_one(started, sheet):
    """Whichever replica posts the first message of an answer, it has the same nonce."""
    only, paper = await started("a"), Paper(sheet, name="paper")
    asked = replace(passed(ask(sheet, "paper/q1"), 1.0).asked, at=time.time())
    only.bus.entries[asked.key] = Entry(asked)
    await only.inbox.repair(paper)
    await asyncio.sleep(10)
    assert [remains.nonces for _, remains in paper.reopened] == [(first_nonce(asked.key),)]
    assert [*sheet.nonces] == [first_nonce(asked.key)]


@pytest.mark.parametrize("found", [False, True])
async def test_a_message_that_was_posted_too_late_is_taken_back_unless_the_new_holder_uses_it(
    pair, sheet, found
):
    first, second = pair
    sheet.latency = 1.0
    removed = []

    async def remove(message):
        removed.append(message)

    sheet.remove = remove
    await first.inbox.mention(ask(sheet, KEY))
    await asyncio.sleep(0.5)
    second.store.steal(KEY)
    await asyncio.sleep(1.5)
    nonce = first_nonce(KEY)
    await second.store.posted(KEY, nonce, sheet.nonces[nonce] if found else "sheet/other")
    await asyncio.sleep(10)
    assert removed == ([] if found else [sheet.nonces[nonce]])
    assert not first.busy


async def test_an_answer_whose_question_is_lost_ends_before_it_has_more_to_write(started, sheet):
    first, second = await started("a", "one ", 600.0, "two"), await started("b")
    first.bus.homes[f"/{HERE.channel}"] = "a"
    await asked(first, sheet)
    shown = sheet.last
    second.store.steal(KEY)
    first.store.lost("sheet/q2")
    await asyncio.sleep(1)
    assert first.busy
    first.store.lost(KEY)
    await asyncio.sleep(1)
    assert not first.busy
    assert sheet.last == shown
    assert first.core.means.tally.answers.values == {("sheet", "lost"): 1}


async def test_who_lost_an_answer_has_its_end_written_once_more_by_its_home(pair, sheet):
    """A write from the loser may have landed after the last one of the answer's new holder."""
    first, second = pair
    second.bus.homes[f"/{HERE.channel}"] = "b"
    await first.core.mention(ask(sheet, KEY))
    await asyncio.sleep(3)
    second.store.steal(KEY)
    await second.store.end(KEY, "All that was said.", "Interrupted.", (RETRY.name,))
    await second.store.done(KEY, 1.0)
    await asyncio.sleep(10)
    assert sheet.last == Page("All that was said.", "Interrupted.", live=False, controls=(RETRY,))


async def test_an_answer_that_is_still_being_ended_is_not_written_once_more_by_another(pair, sheet):
    first, second = pair
    second.bus.homes[f"/{HERE.channel}"] = "b"
    await first.core.mention(ask(sheet, KEY))
    await asyncio.sleep(3)
    second.store.steal(KEY)
    await second.store.end(KEY, "All that was said.", "Interrupted.", (RETRY.name,))
    await asyncio.sleep(5)
    assert sheet.last.note == ""
    await second.store.done(KEY, 1.0)
    await asyncio.sleep(10)
    assert sheet.last.note == "Interrupted."


async def test_replicas_share_a_bucket(pair, sheet):
    """Each alone would have let go what the window holds; together they make no more calls than that."""
    first, second = pair
    sheet.burst, sheet.rate, sheet.spacing = 10, 10 / 60, 0.0
    other = Sheet("other", burst=10, rate=10 / 60, spacing=0.0)
    await first.core.mention(ask(sheet, "sheet/q1"))
    await second.core.mention(ask(other, "sheet/q2"))
    await asyncio.sleep(50)
    began = min(sheet.log[0].time, other.log[0].time)
    edits = [row for log in (sheet.log, other.log) for row in log[1:]]
    within = [row for row in edits if row.time < began + 55]
    assert 6 <= len(within) <= 10
    assert {row.message for row in within} == {"sheet/1", "other/1"}


@pytest.mark.parametrize("away", [False, True])
async def test_who_is_left_alone_has_the_whole_bucket_again(pair, sheet, away):
    first, second = pair
    other = Sheet("other")
    await first.core.mention(ask(sheet, "sheet/q1"))
    await second.core.mention(ask(other, "sheet/q2"))
    await asyncio.sleep(3)
    if away:
        first.bus.lost.add("a")
        await asyncio.sleep(3)
    second.task.cancel()
    for task in second.core.running.lives:
        task.cancel()
    second.bus.die("b")
    await asyncio.sleep(3)
    [edits] = [each for each in first.core.means.pace.readings() if each.key == "bucket/edit"]
    assert edits.live == 1
    assert edits.left > edits.calls / 2


async def test_a_bucket_that_nobody_uses_any_more_is_not_told_of(pair, sheet, monkeypatch):
    first, second = pair
    told = []
    for each in pair:
        share = each.store.peers.share

        async def noted(uses, share=share):
            told.append(uses)
            return await share(uses)

        monkeypatch.setattr(each.store.peers, "share", noted)
    await first.core.mention(ask(sheet, KEY))
    await asyncio.sleep(30)
    assert {key for uses in told for key, use in uses.items() if use.live} >= {"bucket/edit"}
    last = {key: use for uses in told for key, use in uses.items()}
    assert not any(use.live for use in last.values())  # all have heard that nothing is live
    await asyncio.sleep(2 * sheet.burst / sheet.rate)
    told.clear()
    await asyncio.sleep(30)
    assert not told
    await second.core.mention(ask(sheet, "sheet/q2"))
    await asyncio.sleep(5)
    assert any("bucket/edit" in uses for uses in told)


async def test_while_the_store_is_away_each_has_a_fair_part(pair, sheet):
    first, _ = pair
    first.bus.lost.add("a")
    sheet.burst, sheet.rate, sheet.spacing = 10, 10 / 60, 0.0
    await first.core.mention(ask(sheet, KEY))
    await asyncio.sleep(50)
    assert 3 <= len(sheet.log[1:]) <= 5


LETTERS = [
    passed(replace(ask(Sheet(), "k", "hé\n\x00"), files=(File("a", "b", 3, "k"),), follow_up=True), 1.0),
    Stop("m", ANN, HERE, "talk"),
    Press("m", "stop", ANN, HERE),
    Rating("m", ANN, HERE, good=True, on=False),
    Edited("k", "text", ANN, HERE),
    Deleted("k"),
    Command("stop", "", ANN, HERE),
    Shown(("a", "b"), on=False),
    Took(passed(ask(Sheet(), "k"), 1.0).asked),
    Late("k", HERE),
]


@pytest.mark.parametrize("letter", LETTERS, ids=lambda letter: type(letter).__name__)
def test_a_letter_is_read_as_it_was_written(letter):
    assert read(written(letter)) == letter


@pytest.mark.parametrize(
    "text", ["", "Stop", "Stop {", 'Stop {"message": 1}', "Unknown {}", "Passed []", "\x00"]
)
def test_what_is_no_letter_is_left_alone(text):
    assert read(text) is None


async def test_a_ledger_of_another_bot_is_refused_before_anything_is_taken_from_it(started, sheet):
    only = await started("a")

    async def expect_bot(identity):
        raise Unavailable(f"not {identity}")

    only.store.expect_bot = expect_bot  # as Redis does
    other = Paper(sheet, name="paper")
    other.identity = "paper/2"
    with pytest.raises(Unavailable, match="paper/2"):
        await only.inbox.repair(other)
    assert not other.asked_for


async def test_a_letter_of_another_version_is_not_taken(pair):
    first, _ = pair
    assert await first.inbox._heard("b", "Whistle {}") == ""


def test_what_a_letter_has_more_is_left_out():
    text = written(Deleted("k")).replace("}", ', "newer": 1}')
    assert read(text) == Deleted("k")


def test_a_mention_is_passed_on_with_its_files():
    mention: Mention = replace(ask(Sheet(), "k"), files=(File("a.png", "image/png", 3, "F1"),))
    letter = read(written(passed(mention, 1.0)))
    assert isinstance(letter, Passed)
    assert letter.files == mention.files


async def test_a_platform_may_come_while_questions_are_taken_over(started, sheet):
    only = await started("a")
    repairs, unfinished = only.inbox._core.repairs, only.store.unfinished

    async def comes(platform):
        repairs.platforms["late"] = Paper(sheet, name="late")
        return await unfinished(platform)

    only.store.unfinished = comes
    await repairs.take_over()
