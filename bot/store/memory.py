"""A store for one process that forgets everything on restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.platform import Actor, Asked, Place, Shelf, Vault
from bot.store import (
    MOST_RECENT,
    MOST_TALKS,
    NOTES_ALL,
    NOTES_HERE,
    OK,
    RATINGS_KEPT,
    RATINGS_MOST,
    ROWS_KEPT,
    TEXT_KEPT,
    Entry,
    Full,
    Note,
    Part,
    Rated,
)
from bot.store.accounts import Accounts
from bot.store.accounts_memory import MemoryAccounts
from bot.store.alone import Alone
from bot.store.keys import DAY
from bot.store.limits import MemoryRateLimits, RateLimits
from bot.store.peers import Peers
from bot.store.shelf import MemoryShelf
from bot.store.vault import MemoryVault

#: Seconds between two looks for what is old.
PRUNED = 600.0
#: Why there is no room for a note.
FULL_HERE = f"there are {NOTES_HERE} notes in this channel, as many as it may have: delete one"
FULL = f"there are {NOTES_ALL:,} notes in all channels, as many as there may be: delete one"


class Memory:
    """Entries in a dictionary; see `Store`."""

    def __init__(self) -> None:
        self.lost: Callable[[str], None] = _untold
        self._entries: dict[str, Entry] = {}
        self._open: dict[str, None] = {}  # the keys of those that are not done, in order
        self._notes: dict[tuple[str, str, str], Note] = {}
        self._ratings: dict[tuple[str, str], Rated] = {}
        self._choices: dict[str, str] = {}
        self._shelf = MemoryShelf()
        self._accounts = MemoryAccounts()
        self._vault = MemoryVault()
        self._limits: RateLimits = MemoryRateLimits()
        self._peers: Peers = Alone()
        self._pruned = 0.0

    @property
    def shelf(self) -> Shelf:
        """See `Store.shelf`."""
        return self._shelf

    @property
    def vault(self) -> Vault:
        """See `Store.vault`."""
        return self._vault

    @property
    def peers(self) -> Peers:
        """See `Store.peers`."""
        return self._peers

    @property
    def accounts(self) -> Accounts:
        """See `Store.accounts`."""
        return self._accounts

    @property
    def limits(self) -> RateLimits:
        """See `Store.limits`."""
        return self._limits

    @property
    def health(self) -> str:
        """See `Store.health`."""
        return OK

    async def expect_bot(self, identity: str) -> None:
        """See `Store.expect_bot`: what is in one process, or in its folder, is its own."""

    async def accept(self, asked: Asked) -> bool:
        """See `Store.accept`."""
        if not 0 <= asked.at - self._pruned < PRUNED:
            await self.prune(asked.at)
        if self._knows(asked.key):
            return False
        self._put(Entry(asked))
        return True

    async def reword(self, key: str, question: str) -> None:
        """See `Store.reword`."""
        if entry := self._going(key):
            self._put(replace(entry, asked=replace(entry.asked, text=question)))

    def held(self, key: str) -> bool:
        """See `Store.held`; there is no other process."""
        return True

    async def intend(self, key: str, part: Part, text: str) -> None:
        """See `Store.intend`."""
        if entry := self._going(key):
            known = any(each.nonce == part.nonce for each in entry.parts)
            parts = entry.parts if known else (*entry.parts, part)
            self._put(replace(entry, parts=parts, text=text))

    async def posted(self, key: str, nonce: str, message: str) -> None:
        """See `Store.posted`."""
        if entry := self._going(key):
            parts = (replace(each, message=message) if each.nonce == nonce else each for each in entry.parts)
            self._put(replace(entry, parts=tuple(parts)))

    async def save(self, key: str, text: str) -> None:
        """See `Store.save`."""
        if entry := self._going(key):
            self._put(replace(entry, text=text))

    async def call(self, key: str, calling: str) -> None:
        """See `Store.call`."""
        if entry := self._going(key):
            self._put(replace(entry, calling=calling))

    async def end(self, key: str, text: str, note: str, controls: tuple[str, ...] = ()) -> None:
        """See `Store.end`."""
        if entry := self._going(key):
            self._put(replace(entry, text=text, note=note, controls=controls))

    async def done(self, key: str, at: float) -> None:
        """See `Store.done`."""
        if entry := self._going(key):
            entry = replace(entry, done=at)
            self._put(entry if entry.controls else _bare(entry))

    async def again(self, key: str) -> None:
        """See `Store.again`."""
        if entry := self._going(key):
            self._put(replace(entry, runs=entry.runs + 1))

    async def find(self, key: str) -> Entry | None:
        """See `Store.find`."""
        return self._entries.get(key)

    async def find_shown(self, message: str, *, first: bool = False) -> Entry | None:
        """See `Store.find_shown`; presses and ratings are too rare for an index."""
        entries = self._entries.values()
        for entry in entries if first else reversed(entries):
            if message and any(part.message == message for part in entry.parts):
                return entry if entry.said else None
        return None

    async def unfinished(self, platform: str) -> Sequence[Entry]:
        """See `Store.unfinished`."""
        return [self._entries[key] for key in self._open if key.startswith(f"{platform}/")]

    async def recent(self, platform: str, since: float) -> Sequence[Asked]:
        """See `Store.recent`."""
        found: dict[str, Asked] = {}
        for key in reversed(self._entries):
            asked = self._entries[key].asked
            if asked.at < since or len(found) == MOST_RECENT:
                break
            if asked.conversation and key.startswith(f"{platform}/"):
                found.setdefault(asked.conversation, asked)
        return list(found.values())

    async def note(self, note: Note) -> None:
        """See `Store.note`."""
        if note.key not in self._notes:
            if len(await Memory.notes(self, note.platform, note.channel)) >= NOTES_HERE:
                raise Full(FULL_HERE)
            if len(self._notes) >= NOTES_ALL:
                raise Full(FULL)
        self._notes.pop(note.key, None)  # the newest is the last
        self._notes[note.key] = note

    async def notes(self, platform: str = "", channel: str = "") -> Sequence[Note]:
        """See `Store.notes`."""
        return [
            note
            for note in self._notes.values()
            if platform in {"", note.platform} and channel in {"", note.channel}
        ]

    async def erase(self, platform: str, channel: str, name: str) -> bool:
        """See `Store.erase`."""
        return self._notes.pop((platform, channel, name), None) is not None

    async def talks(self, platform: str) -> Sequence[tuple[str, str]]:
        """See `Store.talks`."""
        asked = (entry.asked for entry in self._entries.values())
        known = [(each.conversation, each.key) for each in asked if each.key.startswith(f"{platform}/")]
        return [each for each in known if each[0]][-MOST_TALKS:]

    async def rate(self, rated: Rated) -> None:
        """See `Store.rate`."""
        self._ratings.pop((rated.key, rated.rater), None)  # the newest is the last
        self._ratings[rated.key, rated.rater] = rated
        if len(self._ratings) > RATINGS_MOST:
            del self._ratings[next(iter(self._ratings))]

    async def unrate(self, key: str, rater: str, *, good: bool) -> None:
        """See `Store.unrate`."""
        known = self._ratings.get((key, rater))
        if known and known.good is good:
            del self._ratings[key, rater]

    async def ratings(self) -> Sequence[Rated]:
        """See `Store.ratings`."""
        return sorted(self._ratings.values(), key=lambda rated: rated.at)

    async def choose(self, who: str, model: str) -> None:
        """See `Store.choose`."""
        if model:
            self._choices[who] = model
        else:
            self._choices.pop(who, None)

    def chosen(self, who: str) -> str:
        """See `Store.chosen`."""
        return self._choices.get(who, "")

    async def prune(self, now: float) -> None:
        """See `Store.prune`."""
        self._pruned = now
        self._shelf.prune(now)
        self._accounts.prune(int(now // DAY))
        self._keep_ratings(lambda rated: rated.at >= now - RATINGS_KEPT)
        for key, entry in [*self._entries.items()]:
            if entry.done is None:
                continue  # whatever the clock says
            if entry.asked.at < now - ROWS_KEPT:
                self._drop(key)
            elif entry.done < now - TEXT_KEPT and entry.said:
                self._put(_bare(entry))

    async def forget(self, actor: str) -> int:
        """See `Store.forget`."""
        known = [entry for entry in self._entries.values() if entry.asked.actor.id == actor]
        for entry in known:
            bare = Asked(entry.asked.key, "", Actor(""), Place(""), "", entry.asked.at)
            self._put(Entry(bare, note="", done=entry.asked.at))
        for note in [note for note in self._notes.values() if note.actor == actor]:
            del self._notes[note.key]
        for who in [who for who in self._choices if who.partition("/")[2] == actor]:
            del self._choices[who]
        self._shelf.forget(actor)
        self._accounts.forget(actor, int(time.time() // DAY))
        self._keep_ratings(lambda rated: actor not in {rated.rater, rated.asker})
        return len(known)

    async def purge(self) -> int:
        """See `Store.purge`."""
        count = len(self._entries)
        self._entries.clear()
        self._open.clear()
        self._notes.clear()
        self._ratings.clear()
        self._choices.clear()
        self._shelf.purge()
        self._accounts.purge()
        self._vault.purge()
        return count

    async def close(self) -> None:
        """See `Store.close`."""

    def _keep_ratings(self, stays: Callable[[Rated], bool]) -> None:
        self._ratings = {key: rated for key, rated in self._ratings.items() if stays(rated)}

    def _knows(self, key: str) -> bool:
        return key in self._entries

    def _going(self, key: str) -> Entry | None:
        return self._entries[key] if key in self._open else None

    def _put(self, entry: Entry) -> None:
        key = entry.asked.key
        self._entries[key] = entry
        if entry.done is None:
            self._open[key] = None
        else:
            self._open.pop(key, None)

    def _drop(self, key: str) -> None:
        del self._entries[key]
        self._open.pop(key, None)


def _bare(entry: Entry) -> Entry:
    """Return *entry* without what was said in it."""
    return replace(
        entry, asked=replace(entry.asked, text=""), text="", note="", parts=(), controls=(), calling=""
    )


def _untold(_key: str) -> None:
    """Tell nobody: no answer is written here."""
