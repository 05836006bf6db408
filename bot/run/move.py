"""`rivulet move`: the ledger of one process, in a file, becomes that of several, in Redis.

The file stays, but for what is too old.  What is moved is read again in Redis before it is said to be there.
"""

from __future__ import annotations

import secrets
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from bot.platform import Unavailable
from bot.run.merging import PRIVATE, put
from bot.store import OK
from bot.store.contents import Contents
from bot.store.examine import MOVED, NAME, begun, trouble
from bot.store.folder import Folder
from bot.store.redis.arrival import Arrival, Lacking
from bot.store.redis.keys import Names
from bot.store.redis.opening import wired
from bot.store.redis.wire import Wire
from bot.store.sqlite import Sqlite

EMPTY = "{} was empty: a move before was ended before it wrote anything to Redis. This one has moved all."


@dataclass
class _Counted:
    """How much was moved, by what it is called in the singular and the plural."""

    numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    open: int = 0
    known: int = 0

    def add(self, one: str, many: str, number: int) -> None:
        self.numbers[one, many] = self.numbers.get((one, many), 0) + number

    def __str__(self) -> str:
        """Return what there is of it, as a sentence lists it."""
        known = [(number, *called) for called, number in self.numbers.items() if number]
        told = ", ".join(f"{number:,} {one if number == 1 else many}" for number, one, many in known)
        waiting = f" ({self.open:,} of the questions are open)" if self.open else ""
        there = f"; {self.known:,} of the questions were there already" if self.known else ""
        return f"{told or 'nothing: the ledger is empty'}{waiting}{there}"


async def move(data: Path, url: str) -> list[str]:
    """Copy the ledger in *data* to the Redis at *url*; return what to say, a line each.

    Raises:
        Unavailable: That can't be done; if it was begun, it goes on when it is said again.
    """
    if not url:
        raise Unavailable(
            "RIVULET_STORE: set it to where the ledger is to go, as in redis://:password@host:6379/0."
        )
    wire, names = wired(url)
    if not (data / NAME).is_file():
        raise Unavailable(f"RIVULET_DATA: there is no {NAME} in {data}.")
    folder = Folder(data)
    folder.hold()
    try:
        if why := trouble(data / NAME):
            raise Unavailable(f"RIVULET_DATA: not moved: {data / NAME} {why}.")
        await _settled(data)
        return await _moved(data, wire, names)
    except Lacking as what:
        raise Unavailable(f"RIVULET_STORE: {what} was written and is not there; say this again.") from None
    except OSError as error:
        raise Unavailable(
            f"RIVULET_STORE: not moved to the end ({error}); mend that and say this again: it goes on."
        ) from None
    finally:
        await wire.close()
        folder.release()


async def _settled(data: Path) -> None:
    """Let the ledger be one of this version, with nothing in it that is too old or half done."""
    store = Sqlite(data)
    await store.open()
    await store.prune(time.time())
    health = store.health
    await store.close()
    if not health.startswith(OK):
        raise Unavailable(f"RIVULET_DATA: not moved: the ledger is {health}.")


async def _moved(data: Path, wire: Wire, names: Names) -> list[str]:
    arrival = Arrival(wire, names)
    cut = (data / MOVED).exists() and not begun(data)
    if not await arrival.open(_mark(data)):
        return [f"The ledger in {data} was moved there before; nothing was done."]
    counted = _Counted()
    with closing(Contents(data)) as contents:
        await _move_all(contents, arrival, counted)
        bad = contents.bad
    await arrival.end()
    lost = f"{bad:,} rows of the ledger can't be read and are left out; of questions the key is kept."
    return [
        f"Moved: {counted}.",
        *([lost] if bad else []),
        *([EMPTY.format(data / MOVED)] if cut else []),
        f"All was read again in Redis, under the prefix {names.prefix}.",
        f"Set RIVULET_STORE, and start the bot. What is in {data} stays: delete it when all is well.",
    ]


async def _move_all(contents: Contents, arrival: Arrival, counted: _Counted) -> None:
    """Move what may not be lost first, so that an end amid it costs least."""
    for page in contents.entries():
        new = await arrival.questions(page)
        counted.add("question", "questions", len(page))
        counted.open += sum(entry.done is None for entry in page)
        counted.known += len(page) - new
    spent, notes, ratings = contents.spent(), contents.notes(), contents.ratings()
    choices, kept = contents.choices(), contents.secrets()
    await arrival.spent(spent)
    counted.add("row of what was spent", "rows of what was spent", len(spent))
    await arrival.secrets(kept)
    counted.add("secret of a platform", "secrets of platforms", len(kept))
    await arrival.notes(notes)
    counted.add("note", "notes", len(notes))
    await arrival.ratings(ratings)
    counted.add("rating", "ratings", len(ratings))
    await arrival.choices(choices)
    counted.add("choice of a model", "choices of models", len(choices))
    for posts in contents.posts():
        await arrival.posts(posts)
        counted.add("message of the chat page", "messages of the chat page", len(posts))


def _mark(data: Path) -> str:
    """Return what this ledger alone has; it is made with the first move, in one step."""
    path = data / MOVED
    if not begun(data):
        put(path, secrets.token_hex(8), PRIVATE)
    return path.read_text()
