"""What a row of the ledger's file is as an `Entry`, and which rows are none.  Pure.

A disk loses a bit, a newer version adds a field, somebody edits by hand: such a row must cost only itself.
So every value is looked at, and a row that could not have been written by `bot.store.tables` is a `BadRow`.
It must never be guessed what such a row meant: who may do what hangs on the ids in it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

from bot.platform import Actor, Asked, Place, Post
from bot.store import Entry, Note, Part, Rated
from bot.store.accounts import NAMES, NUMBERS, Hold, Spent
from bot.text.safe import SURROGATE

#: Columns of `turns`, `parts`, `notes`, `posts` and `ratings`, in their order.
TURN = (
    "key",
    "conversation",
    "actor",
    "who",
    "question",
    "at",
    "text",
    "note",
    "runs",
    "done",
    "controls",
    "calling",
)
PART = ("nonce", "key", "page", "address", "message", "replaces", "number")
NOTE = ("platform", "channel", "name", "text", "actor", "who", "at")
POST = ("key", "talk", "owner", "at", "body", "data")
SPENT = (*NAMES, *NUMBERS)
SPENT_TYPES = (int, *(str for _ in NAMES[1:]), *(int for _ in NUMBERS))
KEPT = ("name", "text")
HOLD = ("key", "reserved", "noted")
RATED = ("key", "rater", "good", "at", "asker", "channel", "model")
#: What columns hold that hold no text; a number of whole seconds may come back as an integer.
KINDS: dict[str, tuple[type, ...]] = {
    "at": (float, int),
    "done": (float, int, type(None)),
    "note": (str, type(None)),
    "runs": (int,),
    "good": (int,),
    "page": (int,),
    "number": (int,),
    "data": (bytes,),
}
#: The types of the fields of `Actor` and `Place`, as annotations name them.
TYPES = {"str": str, "bool": bool, "tuple[str, ...]": list}
#: Those that rows of earlier versions lack.
LATER = frozenset({"roles", "platform", "category", "parent", "direct"})
#: Seconds since 1970 that a clock may have said, and numbers of pages and runs that may be.
EVER = 1e11
MANY = 100_000
#: Days since 1970 that there may be, and the largest sum of money or tokens.
DAYS, SUM = 100_000, 2**53


Known = TypeVar("Known", Actor, Place)


class BadRow(ValueError):
    """A row that was not written by us as it is; the message says why, and nothing of what is in it."""


def text_of(data: bytes) -> str:
    """Return *data* as text; bytes that are no UTF-8 become surrogates, which `BadRow` tells of."""
    return data.decode("utf-8", "surrogateescape")


def bytes_of(key: object) -> bytes:
    """Return a row's key as the file has it."""
    return key if isinstance(key, bytes) else str(key).encode("utf-8", "surrogateescape")


def shown(key: object) -> str:
    """Return a row's key as it can be logged, whatever it is."""
    return str(key).encode(errors="backslashreplace").decode()[:200]


def asked_of(row: Sequence[Any]) -> Asked:
    """Return the question that `tables.asked_row` has made *row* of; raise `BadRow` if it has not."""
    _look(TURN, row)
    key, conversation, actor, who, question, at = row
    if not who:
        if actor or conversation:  # of what was forgotten, neither is left
            raise BadRow("who asked is missing")
        return Asked(key, conversation, Actor(actor), Place(""), question, at)
    try:
        told = json.loads(who)
    except (ValueError, RecursionError):
        raise BadRow("who asked is no JSON") from None
    if not isinstance(told, dict) or told.keys() != {"actor", "place"}:
        raise BadRow("who asked has other fields")
    asker, place = _known(Actor, told["actor"]), _known(Place, told["place"])
    if asker.id != actor:
        raise BadRow("who asked is told in two ways")
    return Asked(key, conversation, asker, place, question, at)


def entry_of(row: Sequence[Any], parts: Sequence[Part]) -> Entry:
    """Return the entry that `tables.entry_row` has made *row* of, with its *parts*; as `asked_of`."""
    _look(TURN, row)
    text, note, runs, done, controls, calling = row[6:]
    if done is None and not row[3]:
        raise BadRow("who asked is missing")
    return Entry(asked_of(row[:6]), text, note, tuple(parts), runs, done, tuple(controls.split()), calling)


def part_of(row: Sequence[Any]) -> tuple[str, Part]:
    """Return the question's key and the message that `tables.part_row` has made *row* of; as `asked_of`."""
    _look(PART, row)
    nonce, key, page, address, message, replaces, _number = row
    if not nonce:
        raise BadRow("nonce is empty")
    return key, Part(nonce, page, address, message, replaces)


def note_of(row: Sequence[Any]) -> Note:
    """Return the note that `tables.note_row` has made *row* of; as `asked_of`."""
    _look(NOTE, row)
    if not all(row[:3]):
        raise BadRow("it does not say where it is from")
    return Note(*row)


def post_of(row: Sequence[Any]) -> Post:
    """Return the post that `tables.post_row` has made *row* of; as `asked_of`."""
    _look(POST, row)
    if not row[1]:
        raise BadRow("it does not say where it is from")
    return Post(*row)


def kept_of(row: Sequence[Any]) -> tuple[str, str]:
    """Return name and text of what a platform keeps; as `asked_of`."""
    _look(KEPT, row)
    if not row[0]:
        raise BadRow("it has no name")
    return row[0], row[1]


def rated_of(row: Sequence[Any]) -> Rated:
    """Return the rating that `tables.rated_row` has made *row* of; as `asked_of`."""
    _look(RATED, row)
    key, rater, good, at, *more = row
    if not rater or good > 1:
        raise BadRow("it does not say who thinks what")
    return Rated(key, rater, bool(good), at, *more)


def spent_of(row: Sequence[Any]) -> Spent:
    """Return what was spent, of which `tables.spent_row` has made *row*; as `asked_of`."""
    if tuple(map(type, row)) != SPENT_TYPES:
        raise BadRow("it has other fields, or of other types")
    if SURROGATE.search("".join(row[1 : len(NAMES)])):
        raise BadRow("a name is not UTF-8")
    numbers = row[len(NAMES) :]
    if not 0 <= row[0] < DAYS or min(numbers) < 0 or max(numbers) >= SUM:
        raise BadRow("a number is out of range")
    return Spent(*row)


def hold_of(row: Sequence[Any]) -> Hold:
    """Return the hold that `tables.hold_row` has made *row* of; as `asked_of`."""
    key, reserved, noted = row
    if type(key) is not str or not key or SURROGATE.search(key) or type(noted) is not str:
        raise BadRow("it has other fields")
    if type(reserved) is not int or not 0 <= reserved < SUM:
        raise BadRow("reserved is no number, or out of range")
    try:
        told = json.loads(noted)
    except (ValueError, RecursionError):
        raise BadRow("noted is no JSON") from None
    if not isinstance(told, list):
        raise BadRow("noted is no row")
    return Hold(key, reserved, spent_of(told))


def expect_times(at: object, done: object) -> None:
    """Raise `BadRow` unless a question that is done was asked at *at* and done at *done*."""
    _look(("at", "done"), (at, done))


def _look(names: Sequence[str], row: Sequence[Any]) -> None:
    """Look at the type and range of each value."""
    for name, value in zip(names, row, strict=False):
        kinds = KINDS.get(name, (str,))
        if type(value) not in kinds:
            raise BadRow(f"{name} is {type(value).__name__}")
        if isinstance(value, str) and SURROGATE.search(value):
            raise BadRow(f"{name} is not UTF-8")
        most = EVER if float in kinds else MANY
        if isinstance(value, int | float) and not 0 <= value < most:
            raise BadRow(f"{name} is out of range")
        if name == "key" and not value:
            raise BadRow("key is empty")


def _known(kind: type[Known], told: Any) -> Known:
    """Return *told* as a *kind* if it has exactly its fields; those of `LATER` may be missing."""
    types = {field.name: TYPES[str(field.type)] for field in fields(kind)}
    if not isinstance(told, dict) or told.keys() | (types.keys() & LATER) != types.keys():
        raise BadRow(f"{kind.__name__.lower()} has other fields")
    values = {name: _value(value, types[name]) for name, value in told.items()}
    return kind(**values)


def _value(value: Any, kind: type) -> Any:
    """Return *value* if it is a *kind*; a list of texts as a tuple."""
    texts: list[Any] = value if type(value) is kind is list else [value]
    if type(value) is not kind or any(type(each) is not str for each in texts if kind is list):
        raise BadRow("a field is of another type")
    if any(isinstance(each, str) and SURROGATE.search(each) for each in texts):
        raise BadRow("a field is not UTF-8")
    return tuple(texts) if kind is list else value
