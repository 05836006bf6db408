"""What a ledger's file holds, read in pieces."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from bot.platform import Asked, Post
from bot.store import Note, Part, Rated
from bot.store.accounts import Hold, Spent
from bot.store.accounts_file import today
from bot.store.contents import PAGE, Contents
from bot.store.examine import NAME
from bot.store.sqlite import Sqlite
from tests.fakes import ANN, HERE

NOW = time.time()
SPENT = Spent(today(), "chat", "T1", "C1", "U1", "claude", turns=1, output=20, cost=300)


def asked(number: int, text: str = "why?") -> Asked:
    return Asked(f"chat/{number}", f"talk/{number}", ANN, HERE, text, NOW - 600 + number)


async def filled(folder: Path) -> Sqlite:
    """Fill a ledger with all kinds of things; it is open still."""
    store = Sqlite(folder)
    await store.open()
    for number in range(4):
        await store.accept(asked(number))
    await store.intend("chat/1", Part("n1", 0, "here"), "Beca")
    await store.posted("chat/1", "n1", "chat/m1")
    await store.again("chat/1")
    await store.call("chat/1", "delete it")
    for number, controls in ((2, ("retry",)), (3, ())):
        await store.intend(f"chat/{number}", Part(f"n{number}", 0), "Because.")
        await store.posted(f"chat/{number}", f"n{number}", f"chat/m{number}")
        await store.end(f"chat/{number}", "Because.", "Note.", controls)
        await store.done(f"chat/{number}", NOW - 100)
    await store.note(Note("chat", "C1", "tea", "is at four", "U1", "ann", NOW))
    await store.rate(Rated("chat/2", "U1", good=True, at=NOW, asker="U1", channel="C1", model="claude"))
    await store.choose("chat/U1", "claude-one")
    await store.shelf.put(Post("web/1", "web/talk", "U1", NOW, "hello", b"\0file"))
    await store.accounts.reserve(Hold("a", 500, SPENT), [])
    store.accounts.settle("a", SPENT)
    return store


async def test_all_that_was_kept_is_read_as_it_was(tmp_path):
    store = await filled(tmp_path)
    expected = [await store.find(f"chat/{number}") for number in range(4)]
    await store.close()
    contents = Contents(tmp_path)
    entries = sorted((each for page in contents.entries() for each in page), key=lambda each: each.asked.key)
    assert entries == expected
    assert (entries[1].runs, entries[1].calling, entries[1].done) == (2, "delete it", None)
    assert (entries[2].text, entries[3].text) == ("Because.", "")
    assert [note.name for note in contents.notes()] == ["tea"]
    assert [rated.key for rated in contents.ratings()] == ["chat/2"]
    assert contents.choices() == {"chat/U1": "claude-one"}
    assert [post.data for page in contents.posts() for post in page] == [b"\0file"]
    assert contents.spent() == [SPENT]
    assert contents.bad == 0
    contents.close()


async def test_many_questions_come_in_pages(tmp_path):
    store = Sqlite(tmp_path)
    await store.open()
    for number in range(PAGE + 1):
        await store.accept(asked(number))
    await store.close()
    contents = Contents(tmp_path)
    assert [len(page) for page in contents.entries()] == [PAGE, 1]
    contents.close()


async def test_of_a_bad_row_the_key_stays_and_of_others_nothing(tmp_path):
    await (await filled(tmp_path)).close()
    with closing(sqlite3.connect(tmp_path / NAME)) as db:
        db.execute("UPDATE turns SET who = '{' WHERE key = 'chat/0'")
        db.execute("UPDATE parts SET page = -1 WHERE key = 'chat/1'")
        db.execute("UPDATE notes SET at = 'noon'")
        db.execute("UPDATE posts SET body = CAST(x'ff' AS TEXT)")
        [row] = db.execute("SELECT * FROM turns WHERE key = 'chat/2'").fetchall()
        db.execute(f"INSERT INTO turns VALUES (CAST(x'ff' AS TEXT){', ?' * (len(row) - 1)})", row[1:])
        db.commit()
    contents = Contents(tmp_path)
    entries = {each.asked.key: each for page in contents.entries() for each in page}
    assert len(entries) == 5
    assert all(entries[key].done and not entries[key].said for key in ("chat/0", "chat/1"))
    assert all(not entries[key].asked.actor.id for key in ("chat/0", "chat/1"))
    assert entries["chat/2"].text == "Because."
    assert contents.notes() == []
    assert [post for page in contents.posts() for post in page] == []
    assert contents.bad == 5
    contents.close()
