"""The seam.  Everything that the author of an adapter needs to know is in this folder.

An adapter subclasses `Platform` (listens) and `Surface` (writes one answer; surface.py), translates its SDK's
errors into `SlowDown` and `Gone`, tells the core what happens (told.py), and leaves all timing, rights and
text to the core.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from bot.events import File, Page
from bot.platform.people import NAMED, Actor, Place, Said, Whereabouts, listed, unread
from bot.platform.shared import Handed, Leases, Vault
from bot.platform.shelf import Post, Shelf
from bot.platform.surface import (
    Bucket,
    BucketState,
    Gone,
    Limits,
    Op,
    Receipt,
    SlowDown,
    Surface,
    Unreadable,
)
from bot.platform.told import (
    Asked,
    Command,
    Deleted,
    Edited,
    Mention,
    Outcome,
    Press,
    Rating,
    Remains,
    Stop,
)
from bot.unavailable import Unavailable

if TYPE_CHECKING:
    from aiohttp import web

__all__ = [
    "NAMED",
    "Actor",
    "Asked",
    "Bucket",
    "BucketState",
    "Command",
    "Deleted",
    "Edited",
    "File",
    "Finding",
    "Gone",
    "Handed",
    "Health",
    "Inbox",
    "Leases",
    "Limits",
    "Mention",
    "Op",
    "Outcome",
    "Page",
    "Place",
    "Platform",
    "Post",
    "Press",
    "Rating",
    "Receipt",
    "Remains",
    "Said",
    "Shelf",
    "SlowDown",
    "Stop",
    "Surface",
    "Unavailable",
    "Unreadable",
    "Vault",
    "Whereabouts",
    "listed",
    "unread",
]


class Inbox(Protocol):
    """What a platform tells its events to; the core is one.

    Every method asks whether the actor may do that, and returns once the event is stored; only then is it
    acknowledged to the platform.
    """

    @property
    def shelf(self) -> Shelf:
        """Where a platform that is served by the bot itself keeps its messages."""

    @property
    def vault(self) -> Vault:
        """Where a platform keeps secrets that it is given while it runs, such as a workspace's token."""

    @property
    def leases(self) -> Leases:
        """Which part of its work a platform does in this process, where several answer as one bot."""

    @property
    def named(self) -> Collection[str]:
        """Ids that the operator's rules name, of people, roles and groups; changes while the bot runs.

        Of the roles and groups that somebody has, an adapter tells those (`Actor.roles`), and asks for no
        others.
        """

    def knows(self, key: str) -> bool:
        """Tell whether *key* is a question, or a page, of an answer that runs or waits.

        Costs nothing, so it is asked before anybody is looked up: most reactions and edits are about messages
        that are none of ours.
        """

    def asked_in(self, conversation: str) -> str:
        """Return the key of the first question that the bot was asked in *conversation*; "" if there is none.

        What a person writes there after that is a question too, a follow-up, unless it calls or answers
        somebody else, or has neither words nor a file.  *conversation* is a `Mention.conversation`; or the
        key of a question, from which a place of its own may have been opened.  "" too where every question
        needs a mention.  Costs nothing, so it is asked before anybody is looked up.
        """

    async def mention(self, mention: Mention) -> None:
        """Take a question.

        Raises:
            Unavailable: While shutting down; left unacknowledged, the platform sends the question again.
        """

    async def stop(self, stop: Stop) -> Outcome:
        """Stop the answer that *stop* points at."""

    async def press(self, press: Press) -> Outcome:
        """Do what the pressed button says, or a reaction that means the same; that one needs no reply."""

    async def command(self, command: Command) -> str:
        """Do what *command* says; return the reply, as plain markdown, which its actor alone should see.

        Whoever may not give it is answered so.  What comes faster than hands can is answered by "".
        """

    async def barred(self, actor: Actor, place: Place) -> str | None:
        """Return why *actor* can't ask in *place* now, as plain markdown for them alone; None if they can.

        For what shows a question to others before it is a `Mention`: nothing is shown for who may not ask.
        What comes faster than hands can is answered by "".

        Raises:
            Unavailable: While shutting down.
        """

    async def owns(self, message: str, actor: str) -> bool:
        """Tell whether *message* is a page of an answer, also one that is done, whose text is still kept.

        It costs one read of the ledger, so it is asked before anybody is looked up, and only for a reaction
        that means a button or a rating.  What one *actor*, an `Actor.id`, does faster than hands can is not
        looked at: False.
        """

    async def rated(self, rating: Rating) -> None:
        """Keep what somebody thinks of an answer, in place of what they thought before; or forget it."""

    async def edited(self, edited: Edited) -> None:
        """Take the new text of a question."""

    async def deleted(self, deleted: Deleted) -> None:
        """Stop the answer whose question or page was deleted."""

    def removed(self, platform: str, workspace: str) -> None:
        """End the answers in *workspace*, a `Place.home`, which the bot was removed from; returns at once.

        Nothing can be written there any more, and every write raises `Gone`.
        """

    async def repair(self, platform: Platform) -> None:
        """Take up the answers of *platform* that an earlier run has left; see `Platform.run`.

        Raises:
            Unavailable: The ledger is another bot's; see `Platform.identity`.
        """

    def back(self, platform: Platform) -> None:
        """Hear that *platform* is connected, after a while in which nothing was heard of it.

        Returns at once.  Writes that wait to be tried again are tried soon; stops that were set meanwhile are
        looked for with `Platform.standing`, and then thumbs with `Platform.thumbs`.
        """

    def busy(self, platform: str) -> bool:
        """Tell whether a question on *platform* is being taken, waits or is answered in this process."""

    def released(self, platform: Platform) -> None:
        """Take up nothing of *platform* until it asks for a repair again: another process serves it now.

        For one that is `Platform.single`, before it lets its part go.
        """


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `rivulet doctor`.

    Attributes:
        ok: Whether this is as it should be.
        text: What was looked at, and what is wrong.
        fatal: Whether the platform cannot run like this.
        fix: What to do, where the text does not say it.
        about: What it is about; "" for the platform.
    """

    ok: bool
    text: str
    fatal: bool = False
    fix: str = ""
    about: str = ""


Health = Literal["starting", "up", "down"]


class Platform(ABC):
    """A chat platform: connects, listens, and tells the core.

    Attributes:
        name: "slack"; the first part of its message keys.
        health: What was last heard from the far side.
        heard_at: The event loop's time when anything at all (a heartbeat's answer too) was last heard of it;
            None until then, and on a platform that may be silent although it is well.
        routes: HTTP routes that it wants served.
        secrets: Values that no log may show.
        identity: What only this bot has, the kind of account and the account's id ("discord/42"), set before
            `run` asks for `Inbox.repair`; "" for what has no account.
        admits: Workspaces whose members may use the bot, where there is no one home workspace; "*" for all.
        data: A folder that survives restarts and is this process's alone, set before `run`; None without one.
        single: Whether one process at a time serves it, that which has the part 0 of the work `name` in
            `Inbox.leases`: its answers are written where its readers are connected.
    """

    name: str
    health: Health = "starting"
    heard_at: float | None = None
    routes: Sequence[web.RouteDef] = ()
    secrets: Collection[str] = ()
    identity: str = ""
    admits: Collection[str] = ()
    data: Path | None = None
    single: bool = False

    @abstractmethod
    async def run(self, inbox: Inbox) -> None:
        """Tell *inbox* what happens on the platform until cancelled.

        Acknowledge an event to the platform only after the inbox's method has returned.  Await
        `inbox.repair(self)` whenever surfaces can be written to anew, and before you listen; call
        `inbox.back(self)` whenever you listen again.

        Raises:
            Unavailable: When only the operator can help: a wrong token, a missing intent.
        """

    @abstractmethod
    async def check(self) -> Sequence[Finding]:
        """Look at credentials, scopes and rights, for `rivulet doctor`."""

    async def strangers(self, ids: Collection[str]) -> Collection[str]:
        """Return those of *ids*, which look like people's, that are nobody's here, for `rivulet doctor`.

        Asked after `check`, and not while `run` runs.

        Raises:
            SlowDown, Gone, OSError: The platform could not be asked.
        """
        return ()

    def reopen(self, asked: Asked, remains: Remains) -> Surface | None:
        """Return where the answer to *asked* goes on; None if it can't go on.

        An earlier run has left *asked* unanswered, or it is a press on a button.  The key of a press is its
        message's, "/" and the control's name; `remains.messages` are then those of the answers above the
        button, followed by those of its own answer.

        On this surface a post with one of `remains.nonces` makes no second message, and neither does
        `Surface.replace`.  May be called as soon as `run` has asked for `Inbox.repair`, and must not wait.

        Raises:
            ValueError, LookupError, TypeError: The ids are none of this platform's.
        """
        return None

    async def standing(self, message: str, place: Place) -> Sequence[Stop]:
        """Return the stops that stand on *message*: the stop emoji that people have set, and by whom.

        Asked after `Inbox.back` about questions and pages of answers that run or wait, since a platform may
        not tell of reactions that were set while nobody listened.  A *message* that is none (the key of a
        press) has none.

        Raises:
            SlowDown, Gone, OSError: As `Surface.post`.
        """
        return ()

    async def thumbs(self, message: str, place: Place) -> Sequence[Rating]:
        """Return the thumbs that stand on *message*, and whose they are; all are `Rating.on`.

        Asked after `Inbox.back` about pages of the newest answers; else as `standing`.
        """
        return ()

    async def whisper(self, message: str, actor: Actor, place: Place, text: str) -> bool:
        """Show *text*, plain markdown, to *actor* alone, at *message* or near it; False where that can't be.

        Must not raise.
        """
        return False

    async def notify(self, person: str, text: str) -> bool:
        """Send *text*, plain markdown, to the person with this id, as a direct message; False if that fails.

        Must not raise.
        """
        return False

    async def missed(self, recent: Sequence[Asked], since: float) -> Sequence[Mention]:
        """Return the mentions that were made while the bot did not listen, oldest first.

        Mentions that the core has taken already may be among them: it takes none twice.  A follow-up (see
        `Inbox.asked_in`) is one of them only if it is newer than all of *recent* in its conversation.

        Args:
            recent: The newest question of each conversation of the last day, newest first: where to look.
            since: In seconds of the wall clock.

        Raises:
            SlowDown, Gone, OSError: As `Surface.post`.
        """
        return ()
