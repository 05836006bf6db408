"""What every store does, in memory and in a file; and what the file survives."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bot.platform import Asked, Post, Unavailable
from bot.store import MOST_RECENT, OK, ROWS_KEPT, TEXT_KEPT, Entry, Note, Part, Store, ballast, tables
from bot.store import file as files
from bot.store import writer as module
from bot.store.accounts import Hold, Spent
from bot.store.accounts_file import today
from bot.store.examine import NAME, aside, findings
from bot.store.file import File
from bot.store.folder import Folder
from bot.store.memory import PRUNED
from bot.store.sqlite import Sqlite
from tests.fakes import ANN, BOB, HERE
from tests.stores import KINDS, later
from tests.stores import opened as opened_kind

NOW = 1_800_000_000.0
FIRST = Part("n0", 0, "here")


def asked(key: str = "chat/1", conversation: str = "talk", at: float = NOW, actor=ANN) -> Asked:
    return Asked(key, conversation, actor, HERE, "why?", at)


async def opened(folder: Path) -> Sqlite:
    store = Sqlite(folder)
    await store.open()
    return store


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = await opened_kind(request, tmp_path)
    yield store
    if store.health != "degraded: closed":
        assert store.health == OK
        await store.close()


# The contract.


async def test_a_choice_is_kept_until_its_person_takes_it_back_or_is_forgotten(store):
    await store.choose("chat/U1", "small")
    await store.choose("chat/U2", "large")
    assert store.chosen("chat/U1") == "small"
    await store.choose("chat/U1", "")
    assert not store.chosen("chat/U1")
    await store.choose("chat/U1", "small")
    await store.forget("U1")
    assert [store.chosen("chat/U1"), store.chosen("chat/U2")] == ["", "large"]
    await store.purge()
    assert not store.chosen("chat/U2")


async def test_a_question_is_accepted_once(store):
    claims = [await store.accept(asked(key)) for key in ("chat/1", "chat/1", "chat/2")]
    assert claims == [True, False, True]


async def test_of_many_at_once_one_is_accepted(store):
    claims = await asyncio.gather(*(store.accept(asked()) for _ in range(50)))
    assert sum(claims) == 1


@pytest.mark.rule(32)
async def test_a_question_is_known_for_seven_days(store):
    await store.accept(asked())
    await store.done("chat/1", NOW)
    await later(store, NOW + ROWS_KEPT - 1, NOW)
    assert not await store.accept(asked(at=NOW + ROWS_KEPT - 1))
    await later(store, NOW + ROWS_KEPT + 86_401, NOW)  # keys of one day go together
    assert await store.accept(asked(at=NOW + ROWS_KEPT + 86_401))


@pytest.mark.parametrize("days", [1, 8, 400, 40_000])
async def test_a_clock_that_is_ahead_prunes_nothing_that_is_not_done(store, days):
    await store.accept(asked())
    await store.intend("chat/1", FIRST, "Because")
    await later(store, NOW + days * 86_400, NOW)
    assert [entry.text for entry in await store.unfinished("chat")] == ["Because"]
    assert not await store.accept(asked())
    await store.posted("chat/1", "n0", "chat/m1")
    assert (await store.find_shown("chat/m1")).text == "Because"


async def test_what_is_written_is_found_unfinished_until_it_is_done(store):
    await store.accept(asked())
    await store.intend("chat/1", FIRST, "")
    assert await store.unfinished("chat") == [Entry(asked(), parts=(FIRST,))]
    await store.posted("chat/1", "n0", "chat/m1")
    await store.save("chat/1", "Because")
    await store.reword("chat/1", "why so?")
    await store.reword("chat/1", "why?")
    await store.again("chat/1")
    await store.call("chat/1", "while calling add")
    await store.end("chat/1", "Because of rain.", "Stopped by ann.")
    part = replace(FIRST, message="chat/m1")
    whole = Entry(asked(), "Because of rain.", "Stopped by ann.", (part,), 2, calling="while calling add")
    assert await store.unfinished("chat") == [whole]
    await store.done("chat/1", NOW + 9)
    assert await store.unfinished("chat") == []
    bare = replace(whole, asked=replace(asked(), text=""), text="", note="", parts=(), done=NOW + 9)
    bare = replace(bare, calling="")
    assert await store.find("chat/1") == bare


async def test_unfinished_are_those_of_one_platform_oldest_first(store):
    for key in ("chat/2", "chatter/1", "chat/1"):
        await store.accept(asked(key))
    assert [entry.asked.key for entry in await store.unfinished("chat")] == ["chat/2", "chat/1"]


async def test_a_question_can_change(store):
    await store.accept(asked())
    await store.reword("chat/1", "why not?")
    await store.reword("chat/9", "why not?")
    assert await store.unfinished("chat") == [Entry(replace(asked(), text="why not?"))]


async def test_an_intent_that_is_told_again_stays_one_part(store):
    await store.accept(asked())
    for text in ("a", "ab"):
        await store.intend("chat/1", FIRST, text)
    await store.intend("chat/1", Part("n1", 1, "here"), "ab")
    [entry] = await store.unfinished("chat")
    assert (entry.text, [part.nonce for part in entry.parts]) == ("ab", ["n0", "n1"])


async def test_an_unknown_key_is_nobodys(store):
    await store.intend("chat/9", FIRST, "a")
    await store.posted("chat/9", "n0", "m")
    await store.save("chat/9", "a")
    await store.end("chat/9", "a", "")
    await store.again("chat/9")
    await store.done("chat/9", NOW)
    assert await store.find("chat/9") is None


@pytest.mark.rule(32)
async def test_what_somebody_may_go_on_from_is_deleted_a_day_after_it_is_done(store):
    await store.accept(asked())
    await store.accept(asked("chat/2"))
    await store.save("chat/1", "Because")
    await store.save("chat/2", "Because")
    await store.end("chat/1", "Because", "Cut.", ("continue",))
    await store.done("chat/1", NOW)
    await later(store, NOW + TEXT_KEPT - 1, NOW)
    assert (await store.find("chat/1")).text == "Because"
    await later(store, NOW + TEXT_KEPT + 1, NOW)
    done, going = await store.find("chat/1"), await store.find("chat/2")
    assert (done.text, done.asked.text) == ("", "")
    assert (going.text, going.asked.text) == ("Because", "why?")


async def test_a_store_that_is_closed_twice_is_closed(store):
    await store.close()
    await asyncio.wait_for(store.close(), 10)


async def test_what_an_earlier_version_has_kept_of_finished_answers_is_deleted_too(tmp_path):
    """It kept all of them for an hour, whether anybody could go on from them or not."""
    store = await opened(tmp_path)
    await store.accept(asked())
    await store.close()
    with closing(sqlite3.connect(tmp_path / NAME)) as db, db:
        db.execute("UPDATE turns SET text = 'Because', note = '', done = ?", (NOW,))
    store = await opened(tmp_path)
    await later(store, NOW + TEXT_KEPT + 1, NOW)
    await store.close()
    store = await opened(tmp_path)
    entry = await store.find("chat/1")
    assert entry
    assert (entry.text, entry.asked.text) == ("", "")
    await store.close()


async def test_a_question_is_found_by_each_message_of_its_answer_while_its_text_is_kept(store):
    for number in (1, 2):
        key = f"chat/{number}"
        await store.accept(asked(key))
        for page in (0, 1):
            await store.intend(key, Part(f"{key}n{page}", page), "Because")
        await store.posted(key, f"{key}n0", f"chat/m{number}")
        await store.end(key, "Because", "Cut.", ("continue",))
        await store.done(key, NOW)
    found = await store.find_shown("chat/m1")
    assert found == await store.find("chat/1")
    assert found.controls == ("continue",)
    assert [await store.find_shown(message) for message in ("", "chat/1", "chat/m9")] == [None] * 3
    await later(store, NOW + TEXT_KEPT + 1, NOW)
    assert await store.find_shown("chat/m1") is None


async def test_what_was_forgotten_is_not_found_by_its_messages(store):
    await store.accept(asked())
    await store.intend("chat/1", FIRST, "Because")
    await store.posted("chat/1", "n0", "chat/m1")
    await store.forget(ANN.id)
    assert await store.find_shown("chat/m1") is None


async def test_recent_is_the_newest_question_of_each_conversation_newest_first(store):
    for number, talk in enumerate(["a", "b", "a", "c"]):
        await store.accept(asked(f"chat/{number}", talk, NOW + number))
    await store.accept(asked("other/1", "d", NOW + 9))
    await store.done("chat/1", NOW + 9)
    await store.done("chat/2", NOW + 9)
    recent = await store.recent("chat", NOW + 1)
    assert [each.key for each in recent] == ["chat/3", "chat/2", "chat/1"]


async def test_talks_are_the_questions_of_one_platform_and_their_conversations_oldest_first(store):
    for number, talk in enumerate(["a", "b", "a"]):
        await store.accept(asked(f"chat/{number}", talk, NOW + number))
    await store.accept(asked("other/1", "d", NOW + 9))
    await store.accept(asked("chat/3", "c", NOW + 3, actor=BOB))
    await store.done("chat/1", NOW + 9)
    await store.done("chat/3", NOW + 9)
    await store.forget(BOB.id)
    assert [*await store.talks("chat")] == [("a", "chat/0"), ("b", "chat/1"), ("a", "chat/2")]


async def test_talks_are_bounded(store, monkeypatch):
    for where in ("memory", "file", "redis.questions"):
        monkeypatch.setattr(f"bot.store.{where}.MOST_TALKS", 3)
    for number in range(5):
        await store.accept(asked(f"chat/{number}", f"talk{number}", NOW + number))
    assert [key for _, key in await store.talks("chat")] == ["chat/2", "chat/3", "chat/4"]


async def test_recent_is_bounded(store):
    for number in range(MOST_RECENT + 5):
        await store.accept(asked(f"chat/{number}", f"talk{number}"))
    assert len(await store.recent("chat", 0.0)) == MOST_RECENT


@pytest.mark.rule(32)
async def test_forgetting_somebody_leaves_keys_only_and_nobody_else_is_forgotten(store):
    await store.accept(asked("chat/1"))
    await store.accept(asked("chat/2", actor=BOB))
    await store.intend("chat/1", FIRST, "Because")
    assert await store.forget(ANN.id) == 1
    forgotten, other = await store.find("chat/1"), await store.find("chat/2")
    assert ANN.id not in repr(forgotten)
    assert "Because" not in repr(forgotten)
    assert other.asked.actor == BOB
    assert not await store.accept(asked("chat/1"))
    assert [entry.asked.key for entry in await store.unfinished("chat")] == ["chat/2"]
    assert await store.forget(ANN.id) == 0


async def test_what_is_done_is_forgotten_too_and_counted_once(store):
    for key in ("chat/1", "chat/2", "chat/3"):
        await store.accept(asked(key, actor=BOB if key == "chat/3" else ANN))
        await store.done(key, NOW)
    await store.accept(asked("chat/4"))
    assert await store.forget(ANN.id) == 3
    assert ANN.id not in repr([await store.find(f"chat/{number}") for number in range(1, 5)])
    assert [await store.accept(asked(f"chat/{number}")) for number in range(1, 5)] == [False] * 4
    assert await store.forget(BOB.id) == 1


async def test_an_answer_that_goes_on_after_it_was_forgotten_is_not_kept(store):
    await store.accept(asked())
    await store.forget(ANN.id)
    await store.intend("chat/1", FIRST, "Because")
    await store.save("chat/1", "Because")
    await store.end("chat/1", "Because.", "Cut.", ("continue",))
    await store.done("chat/1", NOW)
    entry = await store.find("chat/1")
    assert (entry.text, entry.note, entry.parts, entry.controls) == ("", "", (), ())


@pytest.mark.rule(32)
async def test_purging_leaves_nothing(store):
    for key in ("chat/1", "chat/2"):
        await store.accept(asked(key))
    await store.done("chat/2", NOW)
    assert await store.purge() == 2
    assert await store.find("chat/1") is None
    assert await store.accept(asked("chat/1"))


async def test_what_is_told_after_the_end_is_not_kept_and_no_error(store, tmp_path):
    await store.accept(asked())
    await store.close()
    await store.save("chat/1", "Because")
    await store.done("chat/1", NOW)
    assert [each.key for each in await store.recent("chat", NOW)] == ["chat/1"]


# The file.


async def test_a_file_that_is_opened_again_knows_everything(tmp_path):
    store = await opened(tmp_path)
    await store.accept(asked())
    await store.accept(asked("chat/2"))
    for nonce in ("z", "a"):
        await store.intend("chat/1", Part(nonce, 0, "here", replaces="m" * (nonce == "a")), "Because")
    await store.posted("chat/1", "z", "m")
    await store.end("chat/1", "Because.", "")
    await store.done("chat/2", NOW)
    before = [await store.find(key) for key in ("chat/1", "chat/2")]
    await store.close()
    again = await opened(tmp_path)
    assert [await again.find(key) for key in ("chat/1", "chat/2")] == before
    assert [await again.accept(asked(key)) for key in ("chat/1", "chat/2")] == [False, False]
    await again.close()


async def test_of_what_is_done_memory_has_the_key_and_no_more(tmp_path):
    store = await opened(tmp_path)
    for number in range(9):
        await store.accept(asked(f"chat/{number}"))
        await store.intend(f"chat/{number}", Part(f"n{number}", 0, "here", f"chat/m{number}"), "Be")
        await store.end(f"chat/{number}", "Be", "Cut.", ("continue",) * (number == 7))
        if number < 8:
            await store.done(f"chat/{number}", NOW)
    again = await opened(tmp_path)
    for known in (store, again):
        assert ([*known._entries], len(known._done)) == (["chat/8"], 8)
        assert not await known.accept(asked("chat/0"))
        shown = [await known.find_shown(f"chat/m{number}") for number in (0, 7, 8)]
        assert [entry and entry.asked.key for entry in shown] == [None, "chat/7", "chat/8"]
    await store.prune(NOW + TEXT_KEPT + 1)
    assert await store.find_shown("chat/m7") is None
    await store.prune(NOW + ROWS_KEPT + 86_401)
    assert await store.accept(asked("chat/0"))
    await store.close()
    await again.close()


async def test_a_button_goes_on_from_what_the_disk_did_not_take_yet(tmp_path, impatient):
    store = await opened(tmp_path)
    await store.accept(asked())
    await store.intend("chat/1", replace(FIRST, message="chat/m1"), "Be")
    await store.end("chat/1", "Be", "Cut.", ("continue",))
    await pragma(store, "query_only = ON")
    await store.done("chat/1", NOW)
    assert store.health != OK
    entry = await store.find_shown("chat/m1")
    assert entry
    assert entry.done == NOW
    await healthy(store)
    assert await store.find_shown("chat/m1") == entry
    assert not store._entries
    await store.close()


async def test_a_fault_of_ours_does_not_end_the_tries_to_write_again(tmp_path, impatient, monkeypatch):
    store = await opened(tmp_path)
    reopen = store._file.reopen
    failed: list[bool] = []

    def once():
        if not failed:
            failed.append(True)
            raise RuntimeError("a fault of ours")
        reopen()

    monkeypatch.setattr(store._file, "reopen", once)
    await pragma(store, "query_only = ON")
    assert await store.accept(asked())
    await healthy(store)
    assert failed
    await store.close()


@pytest.mark.parametrize("lacks", [("calling", "controls"), ("calling",)], ids=["first", "second"])
async def test_a_file_of_an_older_version_is_read_and_has_room_for_what_is_new(tmp_path, lacks):
    schema = tables.SCHEMA
    for column in lacks:
        schema = re.sub(rf",( *--[^\n]*\n) +{column}[^\n]*\n", r"\1", schema)
    with sqlite3.connect(tmp_path / NAME) as db:
        db.executescript(schema)
        db.execute(tables.ACCEPT, tables.asked_row(asked()))
        db.execute(f"PRAGMA user_version = {3 - len(lacks)}")
    db.close()
    for _ in range(2):
        store = await opened(tmp_path)
        await store.call("chat/1", "after calling add")
        await store.end("chat/1", "Because", "Cut.", ("continue",))
        assert store.health == OK
        await store.close()
    store = await opened(tmp_path)
    [entry] = await store.unfinished("chat")
    assert (entry.controls, entry.calling) == (("continue",), "after calling add")
    await store.close()


async def test_a_second_delivery_is_answered_only_when_the_first_is_on_the_disk(tmp_path):
    store = await opened(tmp_path)
    answers = []

    async def claim() -> None:
        answers.append(await store.accept(asked()))

    await asyncio.gather(*(claim() for _ in range(5)))
    assert answers == [True, False, False, False, False]
    await store.close()


async def test_what_was_written_survives_kill_9(tmp_path):
    program = f"""
import asyncio, os, signal
from pathlib import Path
from tests.test_store import FIRST, asked, opened
async def main():
    store = await opened(Path({str(tmp_path)!r}))
    await store.accept(asked())
    await store.intend("chat/1", FIRST, "Because")
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await process.wait() == -9
    store = await opened(tmp_path)
    assert await store.unfinished("chat") == [Entry(asked(), "Because", parts=(FIRST,))]
    await store.close()


@pytest.mark.rule(32)
async def test_what_is_forgotten_is_in_no_file(tmp_path):
    store = await opened(tmp_path)
    await store.accept(asked())
    await store.save("chat/1", "the secret river")
    assert any(b"the secret river" in path.read_bytes() for path in tmp_path.iterdir())
    await store.forget(ANN.id)
    assert not any(b"the secret river" in path.read_bytes() for path in tmp_path.iterdir())
    await store.close()


@pytest.mark.rule(20)
async def test_only_its_owner_may_read_the_file(tmp_path):
    folder = Folder(tmp_path / "data")
    folder.hold()
    store = await opened(folder.path)
    await store.accept(asked())
    await store.close()
    folder.release()
    assert folder.path.stat().st_mode & 0o077 == 0
    assert (folder.path / NAME).stat().st_mode & 0o077 == 0


async def test_a_broken_file_is_moved_aside_and_said(tmp_path, capsys):
    (tmp_path / NAME).write_bytes(b"no database, " * 1000)
    store = await opened(tmp_path)
    assert await store.accept(asked(at=time.time()))
    [name] = aside(tmp_path)
    assert store.health == f"{OK}; could not be used and lies aside: {name}"
    assert [name in line for line in findings(tmp_path)] == [True]
    await store.close()
    assert [path.read_bytes()[:12] for path in tmp_path.glob(f"{NAME}.broken-*")] == [b"no database,"]
    assert "ledger is broken" in capsys.readouterr().out


async def test_choices_of_an_earlier_run_are_known_and_those_taken_back_are_not(tmp_path):
    store = await opened(tmp_path)
    for who in ("chat/U1", "chat/U2", "chat/U3"):
        await store.choose(who, "small")
    await store.choose("chat/U2", "")
    await store.forget("U3")
    await store.close()
    store = await opened(tmp_path)
    assert [store.chosen(f"chat/U{number}") for number in (1, 2, 3)] == ["small", "", ""]
    await store.close()


async def test_a_question_of_an_earlier_version_is_read_without_what_it_lacks(tmp_path):
    store = await opened(tmp_path)
    await store.accept(asked())
    await store.close()
    with closing(sqlite3.connect(tmp_path / NAME)) as db:
        who = '{"actor": {"id": "U1", "name": "ann", "workspace": "T1", "bot": false, "guest": false, '
        who += '"owner": false}, "place": {"channel": "C1", "workspace": "T1", "home": "T1"}}'
        db.execute("UPDATE turns SET who = ?", (who,))
        db.commit()
    store = await opened(tmp_path)
    assert [entry.asked for entry in await store.unfinished("chat")] == [asked()]
    await store.close()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(module, "RETRY", 0.05)
    monkeypatch.setattr(files, "BUSY", 0.05)


async def pragma(store: Sqlite, setting: str) -> None:
    # In the thread: amid opening anew there is no connection.
    await store._writer._thread.run(lambda: store._file.connected.execute(f"PRAGMA {setting}"))


async def healthy(store: Sqlite) -> None:
    async with asyncio.timeout(10):
        while store.health != OK:
            await asyncio.sleep(0.02)


async def accepts_from_memory(store: Sqlite, tmp_path: Path) -> None:
    """It goes on, says why, and writes all of it down when it can."""
    assert await store.accept(asked("chat/2"))
    await store.intend("chat/2", FIRST, "Because " * 1000)
    assert store.health.startswith("degraded: ")
    assert not await store.accept(asked("chat/1"))
    entry = await store.find("chat/2")
    assert entry
    assert entry.parts == (FIRST,)


async def written_down(store: Sqlite, tmp_path: Path) -> None:
    await healthy(store)
    known = [await store.find(key) for key in ("chat/1", "chat/2")]
    await store.close()
    again = await opened(tmp_path)
    assert [await again.find(key) for key in ("chat/1", "chat/2")] == known
    await again.close()


async def test_a_full_disk_costs_no_answer(tmp_path, impatient):
    store = await opened(tmp_path)
    await store.accept(asked())
    await pragma(store, "max_page_count = 1")
    await accepts_from_memory(store, tmp_path)
    await written_down(store, tmp_path)


def filled(path: Path) -> None:
    """Write to *path* until the disk is full."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A disk of 8 MB, or none if we may not mount one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", tmp_path], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a disk takes rights")
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


async def test_a_disk_that_fills_up_leaves_room_for_the_ledger(disk, monkeypatch):
    monkeypatch.setattr(ballast, "SIZE", 2**20)
    store = await opened(disk)
    await store.accept(asked())
    filled(disk / "others")
    for number in range(50):
        await store.save("chat/1", str(number) * 2_000)
    assert store.health == f"degraded: {module.FULL}"
    again = File(disk / NAME)
    again.reopen()
    assert [entry.text for entry in again.load()[0]] == ["49" * 2_000]
    again.close()
    (disk / "others").unlink()
    await store.prune(NOW)
    assert store.health == OK
    assert (disk / ballast.NAME).stat().st_size == 2**20
    await store.close()


async def test_a_disk_without_room_has_no_ballast_and_that_is_all_right(tmp_path, monkeypatch):
    monkeypatch.setattr(ballast, "PLENTY", 2**40)
    store = await opened(tmp_path)
    assert store.health == OK
    assert not (tmp_path / ballast.NAME).exists()
    await store.close()


async def test_a_file_limit_costs_no_answer(tmp_path, impatient):
    """SQLite says "disk I/O error" then, and not "full"."""
    program = f"""
import asyncio, resource, signal
from pathlib import Path
from bot.store import sqlite
from tests.test_store import asked, opened, FIRST
async def main():
    store = await opened(Path({str(tmp_path)!r}))
    await store.accept(asked())
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    assert await store.accept(asked("chat/2"))
    await store.save("chat/2", "Because " * 10000)
    assert store.health.startswith("degraded: "), store.health
    assert not await store.accept(asked())
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await process.wait() == 0


async def test_a_read_only_file_costs_no_answer(tmp_path, impatient):
    store = await opened(tmp_path)
    await store.accept(asked())
    await pragma(store, "query_only = ON")
    await accepts_from_memory(store, tmp_path)
    await written_down(store, tmp_path)


async def test_a_question_is_accepted_once_while_its_answer_is_being_let_go(tmp_path):
    store = await opened(tmp_path)
    await store.accept(asked())
    again = asked(at=NOW + 2 * PRUNED)  # which looks for what is old before it looks for the key
    _, accepted = await asyncio.gather(store.done("chat/1", NOW), store.accept(again))
    assert not accepted
    await store.close()


async def test_what_an_answer_says_while_it_is_forgotten_is_in_no_file(tmp_path):
    store = await opened(tmp_path)
    await store.accept(asked())
    forgetting = asyncio.ensure_future(store.forget(ANN.id))
    for number in range(20):
        await asyncio.sleep(0)
        await store.intend("chat/1", Part(f"n{number}", number), "SECRET text")
        await store.save("chat/1", "SECRET text")
    assert await forgetting == 1
    await store.close()
    assert not any(b"SECRET" in path.read_bytes() for path in tmp_path.iterdir())


async def test_an_end_that_the_disk_refuses_is_written_later_whatever_else_is_written(
    tmp_path, impatient, monkeypatch
):
    store = await opened(tmp_path)
    await store.accept(asked())
    apply = store._file.apply
    refused: list[object] = []

    def refusing(statements, *, full):
        if not refused and any("SET done" in statement for statement, _ in statements):
            refused.append(statements)
            raise sqlite3.DatabaseError("disk I/O error")
        apply(statements, full=full)

    monkeypatch.setattr(store._file, "apply", refusing)
    pruning = asyncio.ensure_future(store.prune(NOW))
    for _ in range(3):  # until it is being written, so that the end comes in a batch of its own
        await asyncio.sleep(0)
    await asyncio.gather(pruning, store.done("chat/1", NOW))
    assert refused
    assert store.health != OK
    await healthy(store)
    await store.close()
    again = await opened(tmp_path)
    assert await again.unfinished("chat") == []
    assert not await again.accept(asked())
    await again.close()


async def test_a_ledger_is_written_again_under_traffic(tmp_path, impatient):
    store = await opened(tmp_path)
    await store.accept(asked())
    await pragma(store, "query_only = ON")
    busy = True

    async def traffic() -> None:
        number = 0
        while busy:
            await store.save("chat/1", str(number := number + 1))
            await asyncio.sleep(0)

    talking = asyncio.ensure_future(traffic())
    await asyncio.sleep(0.05)
    assert store.health != OK
    await healthy(store)
    busy = False
    await talking
    entry = await store.find("chat/1")
    await store.close()
    again = await opened(tmp_path)
    assert await again.find("chat/1") == entry
    await again.close()


def planned(store: Sqlite, monkeypatch) -> list[Callable[[], None]]:
    """Return what the next writes of the file do before they write, in the thread; each at most once."""
    plan: list[Callable[[], None]] = []
    apply = store._file.apply

    def apply_as_planned(statements, *, full):
        if plan:
            plan.pop(0)()
        apply(statements, full=full)

    monkeypatch.setattr(store._file, "apply", apply_as_planned)
    return plan


def locked() -> None:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    raise error


def nothing() -> None:
    """Write as ever."""


async def reached(event: threading.Event) -> None:
    """Wait until the thread that writes has set *event*."""
    assert await asyncio.to_thread(event.wait, 10)


async def test_what_fails_again_while_it_is_made_good_is_made_good_too(tmp_path, impatient, monkeypatch):
    store = await opened(tmp_path)
    plan = planned(store, monkeypatch)
    begun, go = threading.Event(), threading.Event()

    def held() -> None:
        begun.set()
        go.wait(10)

    # What fails; then it catches up, and with the rest; then what came meanwhile fails.
    plan += [locked, nothing, held, locked]
    await store.accept(asked("chat/1"))
    assert store.health != OK
    await reached(begun)
    meanwhile = asyncio.create_task(store.accept(asked("chat/2")))
    await asyncio.sleep(0)
    go.set()
    assert await meanwhile
    assert not plan
    await healthy(store)
    await store.accept(asked("chat/3"))
    await store.close()
    again = await opened(tmp_path)
    assert [entry.asked.key for entry in await again.unfinished("chat")] == ["chat/1", "chat/2", "chat/3"]
    await again.close()


async def test_what_could_not_be_written_is_written_by_the_last_try_of_a_ledger_that_is_closed(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "RETRY", 3600.0)
    store = await opened(tmp_path)
    await store.accept(asked())
    await store.save("chat/1", "SECRET text")
    planned(store, monkeypatch).append(locked)
    with pytest.raises(OSError, match="locked"):
        await store.forget(ANN.id)
    await store.accept(asked("chat/2"))
    async with asyncio.timeout(60):
        await store.close()
    assert not any(b"SECRET" in path.read_bytes() for path in tmp_path.iterdir())
    again = await opened(tmp_path)
    assert [entry.asked.key for entry in await again.unfinished("chat")] == ["chat/2"]
    await again.close()


@pytest.mark.parametrize("how", ["forget", "purge"])
async def test_what_cannot_be_deleted_now_is_deleted_when_the_disk_is_well(tmp_path, impatient, how):
    store = await opened(tmp_path)
    for key in ("chat/1", "chat/2"):
        await store.accept(asked(key))
        await store.intend(key, Part(key, 0, "here", f"{key}/m"), "SECRET text")
        await store.end(key, "SECRET text", "Cut.", ("continue",))
    await store.done("chat/1", NOW)
    await pragma(store, "query_only = ON")
    with pytest.raises(OSError, match="readonly"):
        await (store.forget(ANN.id) if how == "forget" else store.purge())
    await healthy(store)
    assert [await store.find_shown(f"chat/{number}/m") for number in (1, 2)] == [None, None]
    assert await store.unfinished("chat") == []
    await store.close()
    again = await opened(tmp_path)
    assert await again.unfinished("chat") == []
    assert await again.accept(asked("chat/1")) is (how == "purge")
    await again.close()


def _secrets(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if b"SECRET" in path.read_bytes()]


async def _holds_secrets(store: Store) -> None:
    """Keep what ANN has said in every way in which it can be deleted."""
    await store.accept(asked())
    await store.save("chat/1", "SECRET text")
    await store.note(Note("chat", "C1", "SECRET", "SECRET", ANN.id, "Ann", NOW))


@pytest.mark.parametrize("how", ["forget", "purge", "erase"])
async def test_a_deletion_amid_a_catch_up_is_refused_and_made_good(tmp_path, impatient, monkeypatch, how):
    store = await opened(tmp_path)
    await _holds_secrets(store)
    reopen, begun, go = store._file.reopen, threading.Event(), threading.Event()

    def held() -> None:
        begun.set()
        go.wait(10)

    plan = planned(store, monkeypatch)
    plan.append(locked)

    def held_before() -> None:
        held()
        reopen()

    if how == "forget":  # which counts first, behind what is held
        monkeypatch.setattr(store._file, "reopen", held_before)
    else:
        plan.append(held)
    await store.accept(asked("chat/2", actor=BOB))
    await reached(begun)
    ways = {"forget": lambda: store.forget(ANN.id), "purge": store.purge}
    deleting = asyncio.ensure_future(ways.get(how, lambda: store.erase("chat", "C1", "SECRET"))())
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(OSError, match="locked"):
        await deleting
    await healthy(store)
    if how == "erase":
        await store.forget(ANN.id)
    await store.accept(asked("chat/3", actor=BOB))
    await until_wiped(tmp_path)
    await store.close()
    again = await opened(tmp_path)
    assert await again.notes() == []
    assert "SECRET" not in repr([await again.find(f"chat/{number}") for number in (1, 2, 3)])
    await again.close()


async def until_wiped(folder: Path) -> None:
    """Wait until the secrets are in no file, while the ledger is open."""
    async with asyncio.timeout(10):
        while _secrets(folder):
            await asyncio.sleep(0.02)


async def test_a_deletion_while_the_file_is_read_at_last_is_not_undone(tmp_path, impatient, monkeypatch):
    store = await opened(tmp_path)
    await _holds_secrets(store)
    await store.close()
    store = Sqlite(tmp_path)
    reopen, read, begun, go = store._file.reopen, store._file.choices, threading.Event(), threading.Event()
    refused: list[bool] = []

    def once() -> None:
        if not refused:
            refused.append(True)
            locked()
        reopen()

    def held() -> dict[str, str]:
        begun.set()
        go.wait(10)
        return read()

    monkeypatch.setattr(store._file, "reopen", once)
    monkeypatch.setattr(store._file, "choices", held)
    await store.open()
    await reached(begun)
    deleting = asyncio.ensure_future(store.forget(ANN.id))
    await asyncio.sleep(0.05)
    go.set()
    with pytest.raises(OSError, match="locked"):
        await deleting
    await healthy(store)
    await until_wiped(tmp_path)
    assert await store.notes() == []
    assert await store.unfinished("chat") == []
    await store.close()
    assert _secrets(tmp_path) == []


async def test_a_post_that_waits_for_the_disk_is_forgotten_with_its_person(tmp_path, impatient):
    store = await opened(tmp_path)
    await pragma(store, "query_only = ON")
    await store.shelf.put(Post("web/1", "talk", ANN.id, NOW, "SECRET"))
    with pytest.raises(OSError, match="readonly"):
        await store.forget(ANN.id)
    await store.shelf.put(Post("web/2", "talk", ANN.id, NOW, "later"))
    await healthy(store)
    assert [post.key for post in await store.shelf.posts("talk")] == ["web/2"]
    await store.close()
    assert _secrets(tmp_path) == []


async def test_a_ledger_that_is_moved_aside_after_a_deletion_was_refused_is_deleted(
    tmp_path, impatient, monkeypatch
):
    store = await opened(tmp_path)
    await _holds_secrets(store)

    def broken() -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        store._file.doubt(error)
        raise error

    planned(store, monkeypatch).append(broken)
    with pytest.raises(OSError, match="malformed"):
        await store.forget(ANN.id)
    await healthy(store)
    await until_wiped(tmp_path)
    assert aside(tmp_path) == []
    await store.close()


async def test_what_cannot_be_read_is_said(tmp_path):
    store = await opened(tmp_path)
    await store.close()
    with pytest.raises(OSError, match="closed"):
        await store.find_shown("chat/m1")
    with pytest.raises(OSError, match="closed"):
        await store.purge()


async def test_a_locked_file_costs_no_answer(tmp_path, impatient):
    store = await opened(tmp_path)
    await store.accept(asked())
    other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    await accepts_from_memory(store, tmp_path)
    await asyncio.sleep(0.2)
    assert store.health != OK
    other.execute("ROLLBACK")
    other.close()
    await written_down(store, tmp_path)


async def test_a_file_that_was_locked_at_the_start_is_read_later_and_nothing_of_it_is_lost(
    tmp_path, impatient
):
    store = await opened(tmp_path)
    await store.accept(asked())
    await store.close()
    other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    store = await opened(tmp_path)
    assert store.health != OK
    assert await store.accept(asked("chat/2"))
    other.execute("ROLLBACK")
    other.close()
    await written_down(store, tmp_path)


async def test_a_file_that_is_deleted_costs_no_answer(tmp_path, impatient):
    store = await opened(tmp_path)
    await store.accept(asked())
    for path in tmp_path.iterdir():
        path.unlink()
    await accepts_from_memory(store, tmp_path)
    await written_down(store, tmp_path)


async def test_a_folder_that_cannot_be_made_costs_no_answer(tmp_path, impatient):
    (tmp_path / "file").write_text("no folder")
    folder = Folder(tmp_path / "file" / "data")
    folder.hold()
    assert not folder.usable
    store = await opened(folder.path)
    assert await store.accept(asked())
    assert store.health.startswith("degraded: ")
    await store.close()


# The folder.


def test_a_second_process_is_refused_in_one_line_and_let_in_afterwards(tmp_path):
    folder = Folder(tmp_path)
    folder.hold()
    program = (
        "import pathlib, sys; from bot.store.folder import Folder; Folder(pathlib.Path(sys.argv[1])).hold()"
    )
    again = [sys.executable, "-c", program, str(tmp_path)]
    refused = subprocess.run(again, capture_output=True, text=True, check=False)
    assert f"another Rivulet (process {os.getpid()}) runs on {tmp_path}" in refused.stderr
    with pytest.raises(Unavailable):
        Folder(tmp_path).hold()
    folder.release()
    subprocess.run(again, check=True)


async def test_a_question_and_the_money_for_it_do_not_wait_for_more_to_be_written(tmp_path, monkeypatch):
    store = await opened(tmp_path)
    await store.accept(asked("chat/0"))
    monkeypatch.setattr(module, "APART", 60.0)
    spent = Spent(today(), "chat", "T1", "C1", "U1", "claude", cost=300)
    async with asyncio.timeout(30):
        for number in range(1, 4):
            assert await store.accept(asked(f"chat/{number}"))
            assert await store.accounts.reserve(Hold(f"hold/{number}", 300, spent), ()) is None
    await store.close()


async def test_half_a_character_costs_no_other_question_that_is_written_with_it(tmp_path):
    store = await opened(tmp_path)
    texts = ["a", "\ud83d\ude00 b", "\ud800 c", "d"]
    taken = [store.accept(replace(asked(f"chat/{text[-1]}", text), text=text)) for text in texts]
    assert await asyncio.gather(*taken) == [True] * len(texts)
    await store.close()
    store = await opened(tmp_path)
    found = [entry.asked.text for entry in await store.unfinished("chat")]
    assert found == ["a", "\U0001f600 b", "\ufffd c", "d"]
    await store.close()


async def test_nobody_waits_forever_where_the_log_fails_too(tmp_path, impatient, monkeypatch):
    store = await opened(tmp_path)
    await store.accept(asked("chat/1"))
    log, heard = module.log, asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: heard.set())

    class Broken:
        def error(self, *_words: object, **_more: object) -> None:
            raise OSError("nobody reads the log")

    monkeypatch.setattr(module, "log", Broken())
    await pragma(store, "query_only = ON")
    async with asyncio.timeout(10):
        assert await store.accept(asked("chat/2"))
        assert await store.accept(asked("chat/3"))
        await heard.wait()
    monkeypatch.setattr(module, "log", log)
    await healthy(store)
    await store.close()
    store = await opened(tmp_path)
    assert [entry.asked.key for entry in await store.unfinished("chat")] == ["chat/1", "chat/2", "chat/3"]
    await store.close()


async def test_what_many_answers_save_is_written_together_and_at_once_with_what_is_urgent(
    tmp_path, monkeypatch
):
    store = await opened(tmp_path)
    for number in range(5):
        await store.accept(asked(f"chat/{number}"))
    written: list[int] = []
    apply = store._writer.file.apply

    def counted(statements, *, full):
        written.append(len(statements))
        apply(statements, full=full)

    monkeypatch.setattr(store._writer.file, "apply", counted)
    monkeypatch.setattr(module, "APART", 60.0)
    saved = [asyncio.create_task(store.save(f"chat/{number}", "so far")) for number in range(5)]
    await asyncio.wait(saved, timeout=0.05)
    assert not any(each.done() for each in saved)
    await store.call("chat/0", "writing")
    await asyncio.gather(*saved)
    assert written == [6]
    await store.close()
