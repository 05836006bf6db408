"""The notes of one channel, as tools have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from unicodedata import normalize

from bot.platform import Actor
from bot.store import NOTE_NAME, NOTE_TEXT, Full, Note, Store
from bot.text.safe import JOINER, clean


@dataclass(frozen=True, slots=True)
class Notebook:
    """The notes of one channel, for somebody there.

    Attributes:
        store: Where they are kept.
        platform: The first part of its message keys.
        channel: The platform's id of the channel.
        actor: Who writes.
        clock: Seconds of the wall clock.
    """

    store: Store
    platform: str
    channel: str
    actor: Actor
    clock: Callable[[], float] = field(compare=False)

    async def all(self) -> Sequence[Note]:
        """Return the notes, oldest first."""
        return await self.store.notes(self.platform, self.channel)

    async def write(self, name: str, text: str) -> Note:
        """Keep a note in place of one with its name.

        Raises:
            Full: It is too long, or there are too many.
        """
        name, text = named(name), _plain(text).strip()
        if not name or not text:
            raise Full("a note has a name and says something")
        if len(name) > NOTE_NAME or len(text) > NOTE_TEXT:
            raise Full(f"a note has at most {NOTE_TEXT:,} characters, and {NOTE_NAME} in its name")
        who = " ".join(_plain(self.actor.name).split())[:NOTE_NAME] or self.actor.id
        note = Note(self.platform, self.channel, name, text, self.actor.id, who, self.clock())
        await self.store.note(note)
        return note

    async def erase(self, name: str) -> bool:
        """Delete a note; tell whether there was one.  Raises as `Store.erase`."""
        return await self.store.erase(self.platform, self.channel, named(name))


def named(name: str) -> str:
    """Return the *name* of a note as it is kept: on one line, in small letters."""
    return " ".join(normalize("NFKC", _plain(name)).casefold().split())


def _plain(text: str) -> str:
    return clean(text).replace(JOINER, "")
