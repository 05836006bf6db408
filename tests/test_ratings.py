"""What people think of answers, in every store, and in the core by itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bot.core.core import Core
from bot.core.intake import Caps
from bot.core.rates import EVENTS, SPAN
from bot.core.ratings import REMEMBERED, Models
from bot.core.thumbs import LOOKED_AT, PAUSE
from bot.guard.access import Access
from bot.model import Asking
from bot.model.script import Script
from bot.platform import Gone, Place, Rating
from bot.store import OK, RATINGS_KEPT, RATINGS_MOST, ROWS_KEPT, Rated, Store, tables
from bot.store import writer as module
from bot.store.examine import NAME, findings
from bot.store.memory import Memory
from bot.store.salvage import salvage
from bot.store.sqlite import Sqlite
from tests.fakes import ANN, BOB, HERE, ROBOT, Sheet, ask
from tests.stores import KINDS, later
from tests.stores import opened as opened_kind
from tests.test_repair import Paper
from tests.test_store import NOW, asked, healthy, opened, pragma

GOOD = Rated("chat/1", BOB.id, good=True, at=NOW, asker=ANN.id, channel="C1", model="claude")
BAD = replace(GOOD, good=False, at=NOW + 9)
OTHER = replace(GOOD, rater="U9", at=NOW + 5)


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = await opened_kind(request, tmp_path)
    yield store
    assert store.health == OK
    await store.close()


@pytest.fixture
def impatient(monkeypatch):
    """Try the file again at once."""
    monkeypatch.setattr(module, "RETRY", 0.05)


async def test_a_person_has_one_rating_of_an_answer_and_it_is_the_newest(store):
    for rated in (GOOD, OTHER, BAD, replace(GOOD, key="chat/2", at=NOW + 1)):
        await store.rate(rated)
    assert await store.ratings() == [replace(GOOD, key="chat/2", at=NOW + 1), OTHER, BAD]


async def test_a_rating_is_taken_back_if_it_still_stands(store):
    await store.rate(GOOD)
    await store.rate(OTHER)
    await store.unrate("chat/1", BOB.id, good=False)
    await store.unrate("chat/2", BOB.id, good=True)
    assert await store.ratings() == [GOOD, OTHER]
    await store.unrate("chat/1", BOB.id, good=True)
    assert await store.ratings() == [OTHER]


async def test_a_rating_outlives_its_question_and_not_ninety_days(store):
    await store.accept(asked())
    await store.done("chat/1", NOW)
    await store.rate(GOOD)
    await later(store, NOW + ROWS_KEPT + 86_401, NOW)
    assert await store.find("chat/1") is None
    assert await store.ratings() == [GOOD]
    await store.prune(NOW + RATINGS_KEPT + 1)
    assert await store.ratings() == []


async def test_who_is_forgotten_leaves_no_rating_and_none_of_an_answer_to_them(store):
    for rater, asker in (("U1", "U2"), ("U2", "U1"), ("U2", "U3")):
        await store.rate(replace(GOOD, key=f"chat/{asker}", rater=rater, asker=asker))
    await store.forget("U1")
    assert [(rated.rater, rated.asker) for rated in await store.ratings()] == [("U2", "U3")]


async def test_purging_leaves_no_rating(store):
    await store.rate(GOOD)
    await store.purge()
    assert await store.ratings() == []


async def test_of_too_many_ratings_the_newest_stay(store, monkeypatch):
    for where in ("memory", "redis.beside"):
        monkeypatch.setattr(f"bot.store.{where}.RATINGS_MOST", 3)
    monkeypatch.setattr(tables, "OLD_RATINGS", tables.OLD_RATINGS.replace(str(RATINGS_MOST - 1), "2"))
    for number in range(5):
        await store.rate(replace(GOOD, key=f"chat/{number}", at=NOW + number))
    await store.prune(NOW + 9)
    assert [rated.key for rated in await store.ratings()] == ["chat/2", "chat/3", "chat/4"]


@pytest.mark.rule(32)
async def test_ratings_are_there_after_a_restart_and_in_no_file_once_they_are_forgotten(tmp_path):
    store = await opened(tmp_path)
    await store.rate(GOOD)
    await store.close()
    store = await opened(tmp_path)
    assert await store.ratings() == [GOOD]
    await store.forget(BOB.id)
    await store.close()
    assert not any(BOB.id.encode() in path.read_bytes() for path in tmp_path.iterdir())


async def test_a_file_of_a_version_without_ratings_gets_room_for_them(tmp_path):
    store = await opened(tmp_path)
    await store.accept(asked())
    await store.close()
    with closing(sqlite3.connect(tmp_path / NAME)) as db, db:
        db.execute("DROP TABLE ratings")
    store = await opened(tmp_path)
    await store.rate(GOOD)
    assert await store.ratings() == [GOOD]
    assert await store.find("chat/1")
    await store.close()


async def test_what_the_disk_does_not_take_is_written_later_in_order(tmp_path, impatient):
    store = await opened(tmp_path)
    await pragma(store, "query_only = ON")
    for rated in (GOOD, OTHER, BAD):
        await store.rate(rated)
    await store.unrate("chat/1", "U9", good=True)
    assert store.health.startswith("degraded")
    await healthy(store)
    assert await store.ratings() == [BAD]
    await store.close()


async def test_what_was_rated_while_the_disk_was_ill_is_forgotten_too(tmp_path, impatient):
    store = await opened(tmp_path)
    await pragma(store, "query_only = ON")
    await store.rate(GOOD)
    with pytest.raises(OSError, match="readonly"):
        await store.forget(BOB.id)
    await healthy(store)
    assert await store.ratings() == []
    await store.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("good", value) for value in (2, -1, "yes", 0.5, b"\1")),
        *(("at", value) for value in ("now", -1.0, 1e300)),
        *((name, value) for name in ("asker", "channel", "model") for value in (b"\xff", b"")),
        ("rater", ""),
        ("rater", b"\xff\xfe"),
        ("key", ""),
        ("key", "\ud800".encode("utf-8", "surrogatepass")),
    ],
)
async def test_a_bad_rating_costs_itself_only(column: str, value: Any, tmp_path, capsys):
    store = await opened(tmp_path)
    await store.rate(GOOD)
    await store.rate(OTHER)
    await store.close()
    with closing(sqlite3.connect(tmp_path / NAME)) as db, db:
        db.execute(f"UPDATE ratings SET {column} = ? WHERE rater = ?", (value, BOB.id))
    store = await opened(tmp_path)
    assert await store.ratings() == [OTHER]
    assert "a rating of the ledger was bad and is deleted" in capsys.readouterr().out
    assert await store.ratings() == [OTHER]
    assert capsys.readouterr().out == ""
    assert store.health == OK
    await store.close()


async def test_good_ratings_of_a_file_of_no_use_are_taken_over_each_once(tmp_path):
    store = await opened(tmp_path)
    for rated in (GOOD, OTHER):
        await store.rate(rated)
    await store.close()
    with closing(sqlite3.connect(tmp_path / NAME)) as db, db:
        db.execute("INSERT INTO ratings VALUES ('chat/3', 'U1', 7, 1.0, '', '', '')")
        db.execute("PRAGMA user_version = 99")
    saved = [values for statement, values in salvage(tmp_path / NAME) if statement == tables.RATE]
    assert {*map(tuple, saved)} == {tables.rated_row(GOOD), tables.rated_row(OTHER)}
    assert len(saved) == 2
    store = await opened(tmp_path)
    assert await store.ratings() == [GOOD, OTHER]
    await store.close()


async def test_a_table_of_ratings_that_is_none_of_ours_is_found(tmp_path):
    store = await opened(tmp_path)
    await store.close()
    with closing(sqlite3.connect(tmp_path / NAME)) as db, db:
        db.execute("DROP TABLE ratings")
        db.execute("CREATE TABLE ratings (key, stars)")
    assert "its table ratings has other columns" in findings(tmp_path)[0]


@pytest.mark.parametrize("does", ["SELECT RAISE(IGNORE)", "SELECT RAISE(ABORT, 'no')"])
async def test_a_trigger_on_ratings_is_met_at_the_start(does, tmp_path):
    store = await opened(tmp_path)
    await store.accept(asked())
    await store.close()
    with closing(sqlite3.connect(tmp_path / NAME)) as db, db:
        db.execute(f"CREATE TRIGGER t BEFORE INSERT ON ratings BEGIN {does}; END")
    store = Sqlite(tmp_path)
    await store.open()
    assert "lies aside" in store.health
    await store.rate(GOOD)
    assert await store.ratings() == [GOOD]
    assert await store.find("chat/1")
    await store.close()


def test_of_many_answers_it_is_remembered_who_gave_the_newest():
    models = Models()
    models.keep("q", "")
    assert (models.of("q"), models.of("p")) == ("", "")
    for number in range(REMEMBERED + 1):
        models.keep(f"q{number}", "claude")
    assert (models.of("q0"), models.of("q1"), models.of(f"q{REMEMBERED}")) == ("", "claude", "claude")


# The core by itself.

RATING = Rating("sheet/1", BOB, HERE, good=True, on=True)
STRANGER = replace(BOB, id="U7", workspace="T2")


@pytest.fixture
async def core() -> Core:
    """A core that has answered one question, on sheet/1."""
    it = Core(Script("Because."), Memory(), Access(), Asking(model="claude"), clock=lambda: NOW)
    await it.mention(ask(Sheet(), "sheet/q1", "why?"))
    await asyncio.sleep(30)
    return it


@pytest.mark.jump
async def test_the_core_keeps_who_said_what_of_whose_answer_when_and_where(core):
    assert await core.owns("sheet/1", BOB.id)
    assert not await core.owns("sheet/q1", BOB.id)
    await core.rated(RATING)
    await core.rated(replace(RATING, message="sheet/q1", actor=ANN))
    [rated] = await core._store.ratings()
    assert rated == Rated("sheet/q1", BOB.id, good=True, at=NOW, asker=ANN.id, channel="C1", model="claude")


@pytest.mark.jump
@pytest.mark.parametrize("actor", [ROBOT, STRANGER, replace(BOB, guest=True)])
@pytest.mark.rule(2)
async def test_who_may_not_use_the_bot_rates_nothing(core, actor):
    await core.rated(replace(RATING, actor=actor))
    assert await core._store.ratings() == []


@pytest.mark.jump
async def test_ratings_that_come_faster_than_hands_can_are_left_out(core):
    for number in range(EVENTS + 5):
        await core.rated(replace(RATING, on=number % 2 == 0))
    owned = [await core.owns("sheet/1", BOB.id) for _ in range(EVENTS + 5)]
    assert owned == [True] * EVENTS + [False] * 5
    assert await core.owns("sheet/1", ANN.id)
    await core.rated(replace(RATING, actor=ANN))
    assert [rated.rater for rated in await core._store.ratings()] == [ANN.id]
    await asyncio.sleep(SPAN)
    await core.rated(RATING)
    assert [rated.rater for rated in await core._store.ratings()] == [ANN.id, BOB.id]


@pytest.mark.jump
async def test_a_ledger_that_cannot_be_read_costs_the_rating_only_and_that_is_said(core, monkeypatch, capsys):
    async def unread(*_: Any, **__: Any) -> None:
        raise OSError("the ledger can't be read: disk")

    monkeypatch.setattr(core._store, "find_shown", unread)
    assert not await core.owns("sheet/1", BOB.id)
    await core.rated(RATING)
    assert await core._store.ratings() == []
    said = capsys.readouterr().out
    assert "a reaction counts for nothing" in said
    assert "a rating was not kept" in said


@dataclass
class Thumbed(Paper):
    """A platform on whose messages everybody has set a thumb."""

    looked: list[str] = field(default_factory=list)

    async def thumbs(self, message: str, place: Place) -> Sequence[Rating]:
        self.looked.append(message)
        if len(self.looked) == 1:
            raise Gone("deleted")
        return [Rating(message, who, place, good=True, on=True) for who in (BOB, ROBOT)]


@pytest.mark.jump
async def test_thumbs_are_looked_for_on_few_messages_and_not_at_each_reconnection():
    paper = Thumbed(Sheet())
    it = Core(Script("yes"), store := Memory(), Access(), caps=Caps(user_turns=0, per_minute=0, per_hour=0))
    for number in range(30):
        await it.mention(ask(Sheet(f"sheet/{number}"), f"sheet/q{number}"))
    await asyncio.sleep(60)
    for _ in range(3):
        it.back(paper)
        await asyncio.sleep(1)
    assert len(set(paper.looked)) == len(paper.looked) == LOOKED_AT
    assert {rated.rater for rated in await store.ratings()} == {BOB.id}
    assert len(await store.ratings()) == LOOKED_AT - 1
    await asyncio.sleep(PAUSE)
    assert len(paper.looked) == 2 * LOOKED_AT
    await it.drain()
