"""The tables of the ledger's file: what is said to SQLite.  Pure; `bot.store.rows` reads what it returns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from operator import attrgetter
from typing import Any

from bot.platform import Asked, Post
from bot.store import RATINGS_MOST, Entry, Note, Part, Rated
from bot.store.accounts import FORGOTTEN, NAMES, NUMBERS, Hold, Spent

_numbers = attrgetter(*NUMBERS)
#: A statement and its values.
Statement = tuple[str, Sequence[Any]]

VERSION = 8
SCHEMA = """
CREATE TABLE IF NOT EXISTS turns (
    key TEXT PRIMARY KEY,           -- the platform's identity of the question
    conversation TEXT NOT NULL,
    actor TEXT NOT NULL,            -- the asker's id
    who TEXT NOT NULL,              -- JSON: the asker and the place
    question TEXT NOT NULL,
    at REAL NOT NULL,               -- when it was taken
    text TEXT NOT NULL DEFAULT '',  -- what was said in answer
    note TEXT,                      -- what stands below; NULL while it goes on
    runs INTEGER NOT NULL DEFAULT 1,
    done REAL,                      -- when the last edit was through
    controls TEXT NOT NULL DEFAULT '', -- names of the buttons below, with spaces between
    calling TEXT NOT NULL DEFAULT ''   -- the newest call of a tool that changes something
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (
    nonce TEXT PRIMARY KEY,
    key TEXT NOT NULL REFERENCES turns(key) ON DELETE CASCADE,
    page INTEGER NOT NULL,
    address TEXT NOT NULL,
    message TEXT NOT NULL DEFAULT '',
    replaces TEXT NOT NULL DEFAULT '',
    number INTEGER NOT NULL         -- the order of the posts
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (
    platform TEXT NOT NULL,
    channel TEXT NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    actor TEXT NOT NULL,            -- the id of who wrote it
    who TEXT NOT NULL,              -- what they were called
    at REAL NOT NULL,
    PRIMARY KEY (platform, channel, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ratings (
    key TEXT NOT NULL,              -- the question's, which is deleted sooner
    rater TEXT NOT NULL,            -- the id of who rates the answer
    good INTEGER NOT NULL,
    at REAL NOT NULL,
    asker TEXT NOT NULL,
    channel TEXT NOT NULL,
    model TEXT NOT NULL,
    PRIMARY KEY (key, rater)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS posts (
    key TEXT PRIMARY KEY,           -- what follows is the platform's: see bot.platform.Post
    talk TEXT NOT NULL,
    owner TEXT NOT NULL,
    at REAL NOT NULL,
    body TEXT NOT NULL,
    data BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS spent (
    day INTEGER NOT NULL,           -- since 1970, UTC; what follows is explained at bot.store.accounts.Spent
    platform TEXT NOT NULL,
    workspace TEXT NOT NULL,
    channel TEXT NOT NULL,
    actor TEXT NOT NULL,
    model TEXT NOT NULL,
    turns INTEGER NOT NULL,
    input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    searches INTEGER NOT NULL,
    tools INTEGER NOT NULL,
    cost INTEGER NOT NULL,          -- micro-dollars
    estimated INTEGER NOT NULL,
    PRIMARY KEY (day, platform, workspace, channel, actor, model)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holds (
    key TEXT PRIMARY KEY,
    reserved INTEGER NOT NULL,      -- micro-dollars that a request may cost
    noted TEXT NOT NULL             -- JSON: the row of `spent` that it is, should the process die
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS spent_by ON spent(actor);
CREATE TABLE IF NOT EXISTS choices (
    who TEXT PRIMARY KEY,           -- the platform's name, "/" and a person's id
    model TEXT NOT NULL             -- the model that they want to be answered by
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vault (
    name TEXT PRIMARY KEY,          -- the platform's name, "/" and what it is to the platform
    text TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS posts_of ON posts(talk, at);
CREATE INDEX IF NOT EXISTS ratings_at ON ratings(at);
CREATE INDEX IF NOT EXISTS parts_of ON parts(key);
CREATE INDEX IF NOT EXISTS parts_shown ON parts(message);
CREATE INDEX IF NOT EXISTS turns_at ON turns(at);
CREATE INDEX IF NOT EXISTS turns_of ON turns(actor);
"""
#: What gives older files' `turns` the columns that they lack, in order; whole tables come with `SCHEMA`.
UPGRADES = (
    "ALTER TABLE turns ADD COLUMN controls TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE turns ADD COLUMN calling TEXT NOT NULL DEFAULT ''",
)
TURN = "INSERT INTO turns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
PART = "INSERT OR IGNORE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)"
NOTE = "INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?, ?, ?, ?)"
NOTES = "SELECT * FROM notes ORDER BY at"
ERASE = "DELETE FROM notes WHERE platform = ? AND channel = ? AND name = ?"
FORGET_NOTES = "DELETE FROM notes WHERE actor = ?"
#: As `ASIDE`: nothing of a note that is none of ours can be of use.
ASIDE_NOTE = """
DELETE FROM notes
WHERE CAST(platform AS BLOB) = ? AND CAST(channel AS BLOB) = ? AND CAST(name AS BLOB) = ?
"""
CHOOSE = "INSERT OR REPLACE INTO choices VALUES (?, ?)"
UNCHOOSE = "DELETE FROM choices WHERE who = ?"
CHOICES = "SELECT CAST(who AS TEXT), CAST(model AS TEXT) FROM choices"
FORGET_CHOICES = "DELETE FROM choices WHERE substr(who, instr(who, '/') + 1) = ?"
KEEP = "INSERT OR REPLACE INTO vault VALUES (?, ?)"
KEPT = "SELECT * FROM vault WHERE name = ?"
KEPT_NAMES = "SELECT CAST(name AS TEXT) FROM vault ORDER BY name"
UNKEEP = "DELETE FROM vault WHERE name = ?"
#: As `ASIDE`: nothing of a secret that is none of ours can be of use.
ASIDE_KEPT = "DELETE FROM vault WHERE CAST(name AS BLOB) = ?"
RATE = "INSERT OR REPLACE INTO ratings VALUES (?, ?, ?, ?, ?, ?, ?)"
UNRATE = "DELETE FROM ratings WHERE key = ? AND rater = ? AND good = ?"
RATINGS = "SELECT * FROM ratings ORDER BY at"
FORGET_RATINGS = "DELETE FROM ratings WHERE ? IN (rater, asker)"
OLD_RATINGS = f"""
DELETE FROM ratings
WHERE at < max(?, coalesce((SELECT at FROM ratings ORDER BY at DESC LIMIT 1 OFFSET {RATINGS_MOST - 1}), 0))
"""  # noqa: S608  a number of ours
#: As `ASIDE`: nothing of a rating that is none of ours can be of use.
ASIDE_RATING = "DELETE FROM ratings WHERE CAST(key AS BLOB) = ? AND CAST(rater AS BLOB) = ?"
PUT = "INSERT OR REPLACE INTO posts VALUES (?, ?, ?, ?, ?, ?)"
#: Without the content, which is the last column, so that SQLite need not read it.
POSTS = """
SELECT key, talk, owner, at, body, x'' FROM posts WHERE talk = ? AND (? = '' OR owner = ?) ORDER BY at
"""
#: SQLite knows how long a content is without reading it.
WEIGHT = "SELECT coalesce(sum(length(body) + length(data)), 0) FROM posts WHERE owner = ?"
FIND_POST = "SELECT * FROM posts WHERE key = ?"
DROP = "DELETE FROM posts WHERE ?1 IN (key, talk)"
FORGET_POSTS = "DELETE FROM posts WHERE owner = ?"
OLD_POSTS = "DELETE FROM posts WHERE at < ?"
#: As `ASIDE`: nothing of a post that is none of ours can be of use.
ASIDE_POST = "DELETE FROM posts WHERE CAST(key AS BLOB) = ?"
_TOTALS = ", ".join(f"CAST(total({name}) AS INTEGER)" for name in NUMBERS)  # `sum` fails where it overflows
_SUMS = ", ".join(f"{name} = {name} + excluded.{name}" for name in NUMBERS)
_KEY = ", ".join(NAMES)
ADD = f"""
INSERT INTO spent VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT ({_KEY}) DO UPDATE SET {_SUMS}
"""  # noqa: S608  names of ours
SPENT_ROWS = "SELECT * FROM spent WHERE day >= ?"
#: Sums of some days, as of the first of them.
MONTH = f"""
SELECT ?1, platform, workspace, channel, actor, model, {_TOTALS} FROM spent WHERE day >= ?1 AND day < ?2
GROUP BY platform, workspace, channel, actor, model
"""  # noqa: S608  names of ours
OLD_SPENT = "DELETE FROM spent WHERE day < ?"
_RENAMED = f"""
INSERT INTO spent SELECT day, platform, workspace, channel, ?1, model, {_TOTALS}
FROM spent WHERE {{where}} GROUP BY day, platform, workspace, channel, model
ON CONFLICT ({_KEY}) DO UPDATE SET {_SUMS}
"""  # noqa: S608  names of ours
#: What gives the rows of one actor (?2) that are older (?3), or not, another name (?1).
_OLDER, _NEWER = "actor = ?2 AND day < ?3 AND actor <> ?1", "actor = ?2 AND day >= ?3 AND actor <> ?1"
RENAME_OLDER = (_RENAMED.format(where=_OLDER), f"DELETE FROM spent WHERE {_OLDER}")  # noqa: S608  the same
RENAME_NEWER = (_RENAMED.format(where=_NEWER), f"DELETE FROM spent WHERE {_NEWER}")  # noqa: S608  the same
_FORGOTTEN = f"actor >= '{FORGOTTEN}' AND actor < '{FORGOTTEN[:-1]}.' AND day < ?2 AND actor <> ?1"
#: What takes the marks off the rows of those who were forgotten in a month before the day ?2; ?1 is "".
RENAME_FORGOTTEN = (_RENAMED.format(where=_FORGOTTEN), f"DELETE FROM spent WHERE {_FORGOTTEN}")  # noqa: S608
HOLD = "INSERT OR REPLACE INTO holds VALUES (?, ?, ?)"
HOLDS = "SELECT * FROM holds"
#: A hold that is settled meanwhile does not come back.
NOTED = "UPDATE holds SET noted = ?2 WHERE key = ?1"
SETTLED = "DELETE FROM holds WHERE key = ?"
#: As `ASIDE`: nothing of a row that is none of ours can be of use.
ASIDE_SPENT = f"DELETE FROM spent WHERE {' AND '.join(f'CAST({name} AS BLOB) = ?' for name in NAMES)}"  # noqa: S608
ASIDE_HOLD = "DELETE FROM holds WHERE CAST(key AS BLOB) = ?"
ACCEPT = "INSERT OR IGNORE INTO turns (key, conversation, actor, who, question, at) VALUES (?, ?, ?, ?, ?, ?)"
END = "UPDATE turns SET text = ?, note = ?, controls = ? WHERE key = ?"
CALL = "UPDATE turns SET calling = ? WHERE key = ?"
_UNSAID = "UPDATE turns SET question = '', text = '', note = '', controls = '', calling = ''"
BARE = f"{_UNSAID} WHERE key = ?"
BARE_PARTS = "DELETE FROM parts WHERE key = ?"
#: Nothing that is open: a clock that is days ahead for a moment would leave answers without an end.
OLD = "DELETE FROM turns WHERE at < ? AND done IS NOT NULL"
_FADED = "done < ? AND (question || text) <> ''"
FADE = f"{_UNSAID} WHERE {_FADED}"
FADE_PARTS = f"DELETE FROM parts WHERE key IN (SELECT key FROM turns WHERE {_FADED})"  # noqa: S608  no input
FORGET_PARTS = "DELETE FROM parts WHERE key IN (SELECT key FROM turns WHERE actor = ?)"
FORGET = """
UPDATE turns SET conversation = '', actor = '', who = '', question = '', text = '', note = '', controls = '',
    calling = '', done = at
WHERE actor = ?
"""
#: What becomes of a row that is none of ours: its key stays, so that nothing is answered twice.
ASIDE = """
UPDATE turns SET conversation = '', actor = '', who = '', question = '', text = '', note = '', controls = '',
    calling = '', runs = 1, at = ?1, done = ?1
WHERE CAST(key AS BLOB) = ?2
"""
ASIDE_PARTS = "DELETE FROM parts WHERE CAST(key AS BLOB) = ?"
PURGE = tuple(
    f"DELETE FROM {table}"  # noqa: S608  names of ours
    for table in ("turns", "notes", "ratings", "posts", "choices", "spent", "vault")
)
KEYS = "SELECT key, at, done FROM turns WHERE done IS NOT NULL"
COUNT = "SELECT count(*) FROM turns WHERE actor = ? AND done IS NOT NULL"
SHOWN = "key IN (SELECT key FROM parts WHERE message = ? AND message <> '') AND (question || text) <> ''"
TURNS = "SELECT * FROM turns WHERE "
PARTS = """
SELECT nonce, key, page, address, message, replaces, number FROM parts JOIN turns USING (key) WHERE """
RECENT = """
SELECT key, conversation, actor, who, question, max(at) FROM turns
WHERE at >= ? AND key > ? AND key < ? AND conversation <> '' GROUP BY conversation ORDER BY 6 DESC LIMIT ?
"""
TALKS = """
SELECT CAST(conversation AS TEXT), CAST(key AS TEXT) FROM turns
WHERE key > ? AND key < ? AND conversation <> '' ORDER BY at DESC LIMIT ?
"""


def asked_row(asked: Asked) -> tuple[Any, ...]:
    """Return what a question is written as; see `SCHEMA`."""
    who = json.dumps({"actor": asdict(asked.actor), "place": asdict(asked.place)})
    return asked.key, asked.conversation, asked.actor.id, who, asked.text, asked.at


def entry_row(entry: Entry) -> tuple[Any, ...]:
    """Return what a question and its answer are written as; see `SCHEMA`."""
    controls = " ".join(entry.controls)
    return *asked_row(entry.asked), entry.text, entry.note, entry.runs, entry.done, controls, entry.calling


def part_row(key: str, part: Part, number: int) -> tuple[Any, ...]:
    """Return what a message of an answer is written as; see `SCHEMA`."""
    return part.nonce, key, part.page, part.address, part.message, part.replaces, number


def note_row(note: Note) -> tuple[Any, ...]:
    """Return what a note is written as; see `SCHEMA`."""
    return note.platform, note.channel, note.name, note.text, note.actor, note.who, note.at


def post_row(post: Post) -> tuple[Any, ...]:
    """Return what a post is written as; see `SCHEMA`."""
    return post.key, post.talk, post.owner, post.at, post.body, post.data


def spent_row(spent: Spent) -> tuple[Any, ...]:
    """Return what was spent as it is written; see `SCHEMA`."""
    return *spent.key, *_numbers(spent)


def hold_row(hold: Hold) -> tuple[Any, ...]:
    """Return what is held back as it is written; see `SCHEMA`."""
    names, numbers = hold.noted.key, _numbers(hold.noted)
    return hold.key, hold.reserved, f"[{_names(*names)}, {str(numbers)[1:-1]}]"


@lru_cache(maxsize=1024)
def _names(*names: str | int) -> str:
    """Return *names* as they stand in JSON between others."""
    return json.dumps(names)[1:-1]


def usage(by: Sequence[str]) -> str:
    """Return what sums `spent` up by the fields *by*, of some days; a row is as `spent_row` makes it."""
    days = "WHERE day >= ? AND day < ?"
    if {*by} == {*NAMES}:
        return f"SELECT * FROM spent {days} ORDER BY day"  # noqa: S608  names of ours
    names = ", ".join(name if name in by else {"day": "0"}.get(name, "''") for name in NAMES)
    grouped = ", ".join(by) or "NULL"  # which of no rows makes none
    order = "ORDER BY day" if "day" in by else ""
    return f"SELECT {names}, {_TOTALS} FROM spent {days} GROUP BY {grouped} {order}"  # noqa: S608  the same


def rated_row(rated: Rated) -> tuple[Any, ...]:
    """Return what a rating is written as; see `SCHEMA`."""
    return (
        *(rated.key, rated.rater, int(rated.good), rated.at),
        *(rated.asker, rated.channel, rated.model),
    )


def upsert(entry: Entry) -> list[Statement]:
    """Return what lets the file hold *entry* as it is, whatever it held of it before."""
    key = entry.asked.key
    parts = [(PART, part_row(key, part, number)) for number, part in enumerate(entry.parts)]
    return [("DELETE FROM turns WHERE key = ?", (key,)), (TURN, entry_row(entry)), *parts]
