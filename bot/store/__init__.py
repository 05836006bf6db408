"""The ledger: which questions were taken, and what is visible of their answers.

The core uses it through one protocol, `Store`; there is a module for each kind of store.

Order of the writes, on which all repair rests: `accept` before an event is acknowledged; `intend` with the
nonce before a post, `posted` after it; `save` before an edit; `end` when the last word is in; `done` after
the last edit.  So whenever a crash comes, the ledger knows every message that may be visible, or the nonce by
which to find it.

A store must never keep an answer from being written: where it can't write, it says so in `health`, and goes
on from memory.  One thing alone ends an answer: that another process has it, or may have it by now (`Taken`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.events import CONTINUE, RETRY, Control
from bot.platform import Asked, Remains, Shelf, Vault
from bot.store.accounts import Accounts
from bot.store.limits import RateLimits
from bot.store.peers import Peers

#: Seconds after which the text of a finished question that offers controls is deleted, and after which the
#: whole question is.
TEXT_KEPT = 86_400.0
ROWS_KEPT = 7 * 86_400.0
#: Seconds after which a rating is deleted, and ratings that there may be; of more, the newest stay.
RATINGS_KEPT = 90 * 86_400.0
RATINGS_MOST = 50_000
#: Seconds after which a post of a platform that the bot itself serves is deleted.
POSTS_KEPT = 90 * 86_400.0
#: Conversations that `Store.recent` returns.
MOST_RECENT = 1000
#: Notes of one channel, and of all; characters of a note, and of its name.
NOTES_HERE, NOTES_ALL = 50, 2000
NOTE_TEXT, NOTE_NAME = 1000, 60
#: Questions that `Store.talks` returns.
MOST_TALKS = 5000
#: The `health` of a store that is well.
OK = "ok"


@dataclass(frozen=True, slots=True)
class Part:
    """One message of an answer.

    Attributes:
        nonce: What it was posted with.
        page: Which page it is, from 0.
        address: Where; see `Surface.address`.
        message: Its key; "" until the platform has said that it got through.
        replaces: The message that it was posted in place of.
    """

    nonce: str
    page: int
    address: str = ""
    message: str = ""
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A question and what became of it.

    Attributes:
        asked: The question.
        text: What was said in answer so far, or a little more than is visible.
        note: What its last page says below the text; None while the answer was going on.
        parts: Its messages, in the order of their posts.
        runs: How often it was begun.
        done: When the last edit was through, in seconds of the wall clock.
        controls: The names of the buttons under its last page.
        calling: The newest call of a tool that changes something, behind "Interrupted"; "" if none.
    """

    asked: Asked
    text: str = ""
    note: str | None = None
    parts: tuple[Part, ...] = ()
    runs: int = 1
    done: float | None = None
    controls: tuple[str, ...] = ()
    calling: str = ""

    @property
    def said(self) -> bool:
        """Whether anything of what was said is kept."""
        return bool(self.text or self.asked.text)

    @property
    def messages(self) -> tuple[str, ...]:
        """The messages that its pages were posted as; one that was to be replaced still counts."""
        return tuple(part.message for part in self.parts if part.message and not part.replaces)

    @property
    def shown(self) -> tuple[Part, ...]:
        """The parts whose messages show its pages now: for one that was replaced, its replacement."""
        instead = {part.replaces: part for part in self.parts if part.replaces and part.message}
        found = []
        for part in self.parts:
            if part.message and not part.replaces:
                shown = part
                while shown.message in instead:
                    shown = instead.pop(shown.message)
                found.append(shown)
        return tuple(found)

    @property
    def offered(self) -> tuple[Control, ...]:
        """The buttons under its last page."""
        return tuple(control for control in (CONTINUE, RETRY) if control.name in self.controls)

    @property
    def replaced(self) -> dict[str, str]:
        """For messages that were to be replaced the nonces of their replacements."""
        return {part.replaces: part.nonce for part in self.parts if part.replaces}

    @property
    def remains(self) -> Remains:
        """What a platform needs to know of it."""
        doubtful = [part.nonce for part in self.parts if part.replaces or not part.message]
        return Remains(self.parts[-1].address if self.parts else "", self.messages, tuple(doubtful))


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is remembered in a channel.

    Attributes:
        platform: The first part of its message keys.
        channel: The platform's id of the channel.
        name: What it is called, `NOTE_NAME` characters at most; unique in its channel.
        text: What it says, `NOTE_TEXT` characters at most.
        actor: The id of who wrote it.
        who: What they were called.
        at: When, in seconds of the wall clock.
    """

    platform: str
    channel: str
    name: str
    text: str
    actor: str
    who: str
    at: float

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is known by."""
        return self.platform, self.channel, self.name


class Full(Exception):
    """There is no room for a note; the message says why."""


@dataclass(frozen=True, slots=True)
class Rated:
    """What somebody thinks of an answer.

    Attributes:
        key: The question's.
        rater: The id of who thinks so.
        good: Whether they like it.
        at: When they said so, in seconds of the wall clock.
        asker: The id of who asked.
        channel: The platform's id of the channel.
        model: Which model answered; "" if that is not known any more.
    """

    key: str
    rater: str
    good: bool
    at: float
    asker: str
    channel: str
    model: str = ""


class Store(Protocol):
    """Remembers questions and answers, and notes.  All times are seconds of the wall clock.

    A question is known by `Asked.key`, the platform's own identity of the event; other methods than `accept`
    do nothing for a key that was not accepted.

    A question is its process's that accepted it, or got it from `unfinished`.  `intend`, `posted`, `save`,
    `call`, `end`, `done` and `again` raise `Taken` where it is another's by now; one process has no others.

    Attributes:
        lost: Told the key of a question of this process that is another's now, as soon as that is known.
    """

    lost: Callable[[str], None]

    @property
    def health(self) -> str:
        """`OK`, also with "; " and what lies aside after it, or "degraded: " and why."""
        ...

    @property
    def shelf(self) -> Shelf:
        """The messages of platforms that the bot itself serves; `forget`, `purge` and `prune` reach them."""
        ...

    @property
    def vault(self) -> Vault:
        """What platforms keep for good; `purge` reaches it."""
        ...

    @property
    def peers(self) -> Peers:
        """The other processes that serve the same bot from this store."""
        ...

    @property
    def accounts(self) -> Accounts:
        """What was spent; `forget`, `purge` and `prune` reach it."""
        ...

    @property
    def limits(self) -> RateLimits:
        """How often one person may ask."""
        ...

    async def expect_bot(self, identity: str) -> None:
        """Look whether this ledger is of the bot with *identity*, or of none yet on its platform; it is then.

        Args:
            identity: What only this bot has; see `Platform.identity`.

        Raises:
            Unavailable: It is another bot's; the message says what to do.
        """
        ...

    async def accept(self, asked: Asked) -> bool:
        """Keep a question; True to the first caller with its key, False to all others for `ROWS_KEPT`.

        When this returns, True or False, the question is kept, and its event may be acknowledged.
        """
        ...

    async def reword(self, key: str, question: str) -> None:
        """Keep the new text of the question."""
        ...

    def held(self, key: str) -> bool:
        """Tell whether no other process can have the question yet, as far as this one knows.  No I/O."""
        ...

    async def intend(self, key: str, part: Part, text: str) -> None:
        """Keep that *part* is about to be posted and may show all of *text*; safe against loss of power."""
        ...

    async def posted(self, key: str, nonce: str, message: str) -> None:
        """Keep that the part with *nonce* is *message*."""
        ...

    async def save(self, key: str, text: str) -> None:
        """Keep all that may be visible after the next edit."""
        ...

    async def call(self, key: str, calling: str) -> None:
        """Keep that a tool that changes something is about to be called, or was; see `Entry.calling`.

        Safe against loss of power.
        """
        ...

    async def end(self, key: str, text: str, note: str, controls: tuple[str, ...] = ()) -> None:
        """Keep that the answer is *text* and no more is to come, with *note* and *controls* below."""
        ...

    async def done(self, key: str, at: float) -> None:
        """Keep that the last edit is through; delete what was said if the answer offers no controls.

        Safe against loss of power.
        """
        ...

    async def again(self, key: str) -> None:
        """Count that the question is begun once more."""
        ...

    async def find(self, key: str) -> Entry | None:
        """Return what is known of a question; raises as `find_shown`."""
        ...

    async def find_shown(self, message: str, *, first: bool = False) -> Entry | None:
        """Return what is known of the question in whose answer *message* is, while its text is kept.

        Where answers took each other's place there, the newest one; or the *first*.

        Raises:
            OSError: It can't be read now.
        """
        ...

    async def unfinished(self, platform: str) -> Sequence[Entry]:
        """Return the questions of *platform* (keys begin with it) that are not done, oldest first.

        Those of other processes that live are not among them; those of processes that died are this one's
        then.
        """
        ...

    async def recent(self, platform: str, since: float) -> Sequence[Asked]:
        """Return each conversation's newest question since *since*, newest first; at most `MOST_RECENT`."""
        ...

    async def note(self, note: Note) -> None:
        """Keep *note* in place of one with its name; safe against loss of power.

        Raises:
            Full: There are as many notes as there may be, here or in all.
        """
        ...

    async def notes(self, platform: str = "", channel: str = "") -> Sequence[Note]:
        """Return the notes of a platform's channel, or of all, oldest first."""
        ...

    async def erase(self, platform: str, channel: str, name: str) -> bool:
        """Delete a note; tell whether there was one.  Raises as `forget`."""

    async def talks(self, platform: str) -> Sequence[tuple[str, str]]:
        """Return conversation and key of the newest `MOST_TALKS` questions of *platform*, oldest first."""
        ...

    async def rate(self, rated: Rated) -> None:
        """Keep what somebody thinks of an answer, in place of what they thought before."""
        ...

    async def unrate(self, key: str, rater: str, *, good: bool) -> None:
        """Delete what *rater* thinks of the answer to *key*, if that is still what is kept."""
        ...

    async def ratings(self) -> Sequence[Rated]:
        """Return all ratings, oldest first; raises as `find_shown`."""
        ...

    async def choose(self, who: str, model: str) -> None:
        """Keep that *who* wants to be answered by *model*; "" for the usual one."""
        ...

    def chosen(self, who: str) -> str:
        """Return the model that *who* has chosen; "" for none.  Costs nothing."""
        ...

    async def prune(self, now: float) -> None:
        """Delete what is done and older than `TEXT_KEPT` and `ROWS_KEPT` say; nothing that is not done.

        Ratings are older than their questions may be; see `RATINGS_KEPT` and `RATINGS_MOST`.
        """
        ...

    async def forget(self, actor: str) -> int:
        """Delete what *actor* asked and was answered, and their notes; return how many questions that were.

        Of questions only keys and times stay, so that nothing is answered twice; of ratings by *actor*, and
        of answers to them, nothing does.  What they spent stays, without their name; in this month under a
        mark by which their caps still know it.

        Raises:
            OSError: It can't be written now; it will be as soon as that is possible.
        """
        ...

    async def purge(self) -> int:
        """Delete everything; return how many questions that were; raises as `forget`."""
        ...

    async def close(self) -> None:
        """Write what is not written yet; keep nothing any more that comes afterwards."""
        ...
