"""What a question is in Redis, and back; see `bot.store.redis.scripts`.  Pure.

What is read is looked at as the file's rows are: see `bot.store.rows`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from bot.platform import Actor, Asked, Place
from bot.store import Entry, Note, Part, Rated
from bot.store.rows import BadRow, asked_of, entry_of, note_of, part_of, rated_of, text_of

#: What `asked` need not say.
USUAL: dict[str, dict[str, Any]] = {
    name: {each.name: each.default for each in fields(kind) if each.default is not MISSING}
    for name, kind in (("actor", Actor), ("place", Place))
}


def asked_text(asked: Asked) -> str:
    """Return who asked, where and when; not what, and nothing that is as usual: there are millions of it."""
    who = {"actor": _unusual(asked.actor), "place": _unusual(asked.place)}
    return json.dumps([asked.conversation, who, asked.at], separators=(",", ":"))


def turn_of(entry: Entry, by: str) -> list[Any]:
    """Return the fields of `turn` and their values, of a question that is not done and is *by*'s."""
    begun = ["begun", "1"] if entry.parts else []
    runs = ["runs", entry.runs] if entry.runs > 1 else []
    return ["asked", asked_text(entry.asked), "by", by, *begun, *runs]


def said_of(entry: Entry) -> list[Any]:
    """Return the fields of `said` and their values."""
    said = {"question": entry.asked.text, "text": entry.text, "note": entry.note}
    said |= {"controls": " ".join(entry.controls), "calling": entry.calling}
    for number, part in enumerate(entry.parts):
        said[part_field(part.nonce)] = part_text(part, number)
        said[message_field(part.nonce)] = part.message
    known = {name: value for name, value in said.items() if value or name in {"question", "note"}}
    return [word for name, value in known.items() if value is not None for word in (name, value)]


def part_field(nonce: str) -> str:
    """Return the field of `said` with what is intended with *nonce*."""
    return f"p:{nonce}"


def message_field(nonce: str) -> str:
    """Return the field of `said` with the message that was posted with *nonce*."""
    return f"m:{nonce}"


def part_text(part: Part, number: int) -> str:
    """Return *part*, the answer's message *number* from 0, without its key."""
    return json.dumps([part.page, part.address, part.replaces, number])


def found_of(key: bytes, turn: Sequence[bytes], said: Sequence[bytes]) -> Entry:
    """Return the entry that the fields and values of two hashes are; raise `BadRow` if they are none."""
    known, words = _hash(turn), _hash(said)
    done = _number(known["done"]) if "done" in known else None
    note = words.get("note") if done is None or words else ""
    asked = _asked(text_of(key), known.get("asked", ""), words.get("question", ""))
    row = (
        *asked,
        *(words.get("text", ""), note, int(_number(known.get("runs", "1"))), done),
        *(words.get("controls", ""), words.get("calling", "")),
    )
    return entry_of(row, _parts(text_of(key), words))


def question_of(key: bytes, asked: bytes, question: bytes) -> Asked:
    """Return the question that *asked* and *question* of it are; as `found_of`."""
    return asked_of(_asked(text_of(key), text_of(asked), text_of(question)))


def note_in(row: bytes) -> Note:
    """Return the note that `tables.note_row` has made *row* of, in JSON; as `found_of`."""
    return note_of(_list(text_of(row)))


def rated_in(row: bytes) -> Rated:
    """Return the rating that `tables.rated_row` has made *row* of, in JSON; as `found_of`."""
    return rated_of(_list(text_of(row)))


def good(rows: Iterable[Any], read: Any, failed: Any) -> list[Any]:
    """Return what *read* makes of each of *rows*; *failed* is told of those that are none of ours."""
    found = []
    for row in rows:
        try:
            found.append(read(row))
        except BadRow as why:
            failed(row, why)
    return found


def _parts(key: str, words: Mapping[str, str]) -> list[Part]:
    parts = []
    for field, told in words.items():
        if field.startswith("p:"):
            nonce, row = field[2:], _list(told)
            if len(row) != 4:  # noqa: PLR2004  as `part_text`
                raise BadRow("a part has other fields")
            page, address, replaces, number = row
            message = words.get(message_field(nonce), "")
            parts.append((number, part_of((nonce, key, page, address, message, replaces, number))[1]))
    return [part for _, part in sorted(parts, key=lambda each: each[0])]


def _asked(key: str, told: str, question: str) -> tuple[Any, ...]:
    """Return the row of `tables.asked_row`."""
    row = _list(told)
    if len(row) != 3:  # noqa: PLR2004  as `asked_text`
        raise BadRow("asked has other fields")
    conversation, who, at = row
    if not who:
        return key, conversation, "", "", question, at
    if not isinstance(who, dict) or not all(isinstance(each, dict) for each in who.values()):
        raise BadRow("who asked is told otherwise")
    whole = {name: USUAL.get(name, {}) | told for name, told in who.items()}
    return key, conversation, whole.get("actor", {}).get("id"), json.dumps(whole), question, at


def _unusual(known: Actor | Place) -> dict[str, Any]:
    """Return the fields of *known* that are not as usual."""
    told = ((each.name, getattr(known, each.name), each.default) for each in fields(known))
    return {name: value for name, value, usual in told if value != usual}


def _hash(words: Sequence[bytes]) -> dict[str, str]:
    texts = [text_of(word) for word in words]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _list(told: str) -> list[Any]:
    try:
        row = json.loads(told)
    except (ValueError, RecursionError):
        raise BadRow("it is no JSON") from None
    if not isinstance(row, list):
        raise BadRow("it is no row")
    return row


def _number(told: str) -> float:
    try:
        return float(told)
    except ValueError:
        raise BadRow("a number is none") from None
