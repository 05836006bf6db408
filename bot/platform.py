"""The seam.  Everything that the author of an adapter needs to know is in this file.

An adapter subclasses `Platform` (listens) and `Surface` (writes one answer), translates its SDK's errors
into `SlowDown` and `Gone`, and leaves all timing, rights and text to the core.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from bot.events import File, Page
from bot.text.dialect import Dialect
from bot.unavailable import Unavailable as Unavailable  # noqa: PLC0414  part of the seam

if TYPE_CHECKING:
    from aiohttp import web


class SlowDown(Exception):
    """The platform said 429.  The core waits and sends a newer page instead.

    Args:
        retry_after: Seconds, parsed and capped by the adapter.
        bucket: The key of the `Bucket` that is exhausted; "" for all that the write needed.
    """

    def __init__(self, retry_after: float, bucket: str = "") -> None:
        super().__init__(f"retry after {retry_after:g} s")
        self.retry_after = retry_after
        self.bucket = bucket


class Gone(Exception):
    """The message is deleted, or there is no right to write there."""


class Unreadable(Exception):
    """A file can't be read; the message says why, in a few words for people: "it is gone"."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One real rate limit.

    Attributes:
        key: "slack/T1/chat.update": answers whose buckets share a key share the limit.
        rate: Calls per second that may be made for ever.
        burst: Calls that may be made at once after a rest; so many in any burst / rate seconds.
        spacing: Seconds between two previews, at least.
        told: Whether the platform says with every answer how many calls are left (`BucketState`); its window
            then opens with the first call in it.
        held: Whether the adapter itself holds back calls past the limit: then a call counts from when it is
            sent, else from its answer, which nothing that the network does can make too early.
    """

    key: str
    rate: float
    burst: int
    spacing: float = 0.0
    told: bool = False
    held: bool = False


@dataclass(frozen=True, slots=True)
class BucketState:
    """What the platform said about a bucket in its last response.

    Attributes:
        key: The bucket's.
        remaining: Calls left until the bucket resets.
        reset_after: Seconds until it is full again.
    """

    key: str
    remaining: int
    reset_after: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """A write got through.

    Attributes:
        message: The message's key, as reactions will name it.
        states: What the platform said of its buckets; () where it says nothing.
        unattached: Why the page is there without its files, in a sentence for people; "" where it is whole.
    """

    message: str
    states: tuple[BucketState, ...] = ()
    unattached: str = ""


class Op(Enum):
    """The kinds of write that a surface may count against different buckets."""

    #: Make a message.
    POST = 1
    #: Change a message that will change again.
    EDIT = 2
    #: Change a message for the last time.
    FINAL = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one message holds.

    Attributes:
        size: Units of text in one page, the room for its note already taken off.
        measure: How many units a text takes as it is sent; adds up over its parts.
        dialect: How the platform's markdown is written.
        attach: Bytes of one file that may be attached to a page; 0 where none can be.
        items: Headings, rules, tables, and runs of other blocks between them, that a page may have; 0 for any
            number, as below.
        rows: Rows that all tables of a page may have.
        cells: Characters that all cells of a page's tables may have.
        endless: Whether an answer may take any number of messages, whatever `RIVULET_PAGES` says.
        appends: Whether a page that grows is appended to, so that `Page.settled` is worth knowing.
        steps: Whether a page lists its tools, `Page.steps`; its note names those that run too, without the
            seconds that they take.
    """

    size: int
    measure: Callable[[str], int] = len
    dialect: Dialect = field(default_factory=Dialect)
    attach: int = 0
    items: int = 0
    rows: int = 0
    cells: int = 0
    endless: bool = False
    appends: bool = False
    steps: bool = False


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something.

    Attributes:
        id: Stable and unique on the platform; rights hang on ids only.
        name: For display.
        workspace: The Slack workspace that the account belongs to; "" where accounts are global.
        bot: Whether it is a bot, a webhook or a system user.
        guest: Whether it has less than full membership.
        owner: Whether it owns the application that the bot runs as.
    """

    id: str
    name: str = ""
    workspace: str = ""
    bot: bool = False
    guest: bool = False
    owner: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a conversation, before the model's question is made of it.

    Attributes:
        text: All that people see of it, as plain markdown: with names for ids, the text of blocks and embeds,
            and quotes and forwards in lines that begin with ">".
        actor: Who wrote it; None for the bot itself.
        skipped: Whether messages before this one were left out.
        files: What came with it, and with what it forwards; not for the bot itself.
    """

    text: str
    actor: Actor | None
    skipped: bool = False
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What people know of the place where something is asked; "" for what is not known.

    Attributes:
        channel: Its name; "" for a direct message too.
        topic: What the channel is for, as its members have written it.
        bot: What the bot is called there.
    """

    channel: str = ""
    topic: str = ""
    bot: str = ""


#: Files of a message that are named; of more, the number is.
NAMED = 10


def unread(names: Sequence[str]) -> str:
    """Return the line by which a text says that files of these *names* came with it; "" for none."""
    return f"(Attached, and not read: {listed(names)})" if names else ""


def listed(names: Sequence[str]) -> str:
    """Return the *names* of files in one line; of many, the first and how many more there are."""
    shown = ", ".join(" ".join(name.split())[:80] or "a file without a name" for name in names[:NAMED])
    return f"{shown} and {len(names) - NAMED} more" if len(names) > NAMED else shown


class Surface(ABC):
    """Where one answer is written: a Slack thread, a Discord channel.

    The core sends again what has failed.  What the platform calls invalid, in whatever word, must therefore
    not leave a surface as an error: it shows the page with less (in parts, without buttons or files, as plain
    text) and says so; a body that was refused is never sent twice.

    Attributes:
        limits: How much one page holds.
        address: What `Platform.reopen` needs beside the question to find this place; kept with each post.
        within: The platform's id of the channel that people take this place to be in;
            "" where that is the channel of the question.
    """

    limits: Limits
    address: str = ""
    within: str = ""

    @abstractmethod
    def buckets(self, op: Op) -> Sequence[Bucket]:
        """Return the buckets that a write of kind *op* spends one call of: at least one, narrowest first."""

    @abstractmethod
    async def post(self, page: Page, nonce: str) -> Receipt:
        """Post a new message.

        Args:
            page: What it should show; an empty live page is drawn as "…".
            nonce: At most 25 characters.  After a failed post the core posts again with the same nonce: that
                must make no second message, and the one that there is must show *page* in the end.

        Raises:
            SlowDown: On a 429.
            Gone: When writing there is impossible.
            OSError: When the platform was not reached or not able; the core tries again.
        """

    @abstractmethod
    async def edit(self, message: str, page: Page) -> Receipt:
        """Make *message* look like *page*, which is always the full page.  Raises as `post`.

        A page with files is the last of its message.  However often it is posted or edited, each of its files
        is there once in the end; where `limits.attach` is 0, no page has any.  Where the platform takes the
        page but not its files, `Receipt.unattached` says so: what was in them then follows as text.
        """

    def escape(self) -> Sequence[Bucket]:
        """Return the buckets that `replace` spends, none of them an edit's; () if there is no way to."""
        return ()

    async def replace(self, message: str, page: Page, nonce: str) -> Receipt:
        """Post *page*, which is final, in place of *message*; return the new one's key.  Raises as `post`."""
        raise NotImplementedError(f"{type(self).__name__} replaces no messages")

    async def remove(self, message: str) -> None:
        """Take *message*, in which nothing was said yet, away; `settle` waits for it.  Must not raise."""

    async def status(self, on: bool) -> None:
        """Show "I am on it" at the question, without a message; or take that back.  Must not raise."""

    async def branch(self, crowded: bool) -> Surface:
        """Return where the answer is to go, before anything is posted; by default here.  Must not raise.

        Args:
            crowded: Whether other answers are live in the same buckets, so that a place with buckets of its
                own (a thread) would show more.
        """
        return self

    def aside(self) -> Surface:
        """Return where a message beside the answer goes that needs its buttons at once; by default here."""
        return self

    async def settle(self) -> None:
        """Wait for what lags behind the last write, such as a deletion; only then the answer counts as done.

        Raises:
            OSError: The wait was cut off; a repair waits again.
        """

    async def history(self, limit: int) -> Sequence[Said]:
        """Return what was said in this conversation before the question, oldest first.

        Of more than *limit* messages, the first (a thread's root, what a thread was opened from, a forum's
        post) and the newest; the second of them then has `Said.skipped`.
        """
        return ()

    async def whereabouts(self) -> Whereabouts:
        """Return where this is, as far as that is known soon.  Must not raise."""
        return Whereabouts()

    async def recent(self, limit: int) -> Sequence[Said]:
        """Return the newest messages of the channel before the question, oldest first; at most *limit*.

        The channel is `within`, or the one of the question where there is no such or it has none of its own.
        Only what the asker can read there, in few requests, so perhaps less than there is.  Raises as `post`.
        """
        return ()

    async def attached(self) -> Sequence[File]:
        """Return what came with the question; asked after a restart, and for a press.  Raises as `post`."""
        return ()

    async def fetch(self, file: File, most: int) -> bytes:
        """Return the content of *file*, which came with the question or is in its history.

        Takes it from the platform's own hosts only, whatever `File.key` says, and gives a token to none but
        these.  Reads no more than *most* bytes, and takes a bounded time.

        Raises:
            Unreadable: It is not there, too large, or may not be read.
            SlowDown, Gone, OSError: As `post`.
        """
        raise Unreadable("files are not read here")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was done.

    Attributes:
        channel: The platform's id of the channel.
        workspace: The Slack workspace or the Discord guild; "" in a direct message outside any.
        home: The one workspace that the bot is installed in, on platforms where there is just one.
    """

    channel: str
    workspace: str = ""
    home: str = ""


@dataclass(frozen=True, slots=True)
class Mention:
    """Somebody asked the bot something.

    Attributes:
        key: The question's message key; two events about one post must have one key.
        conversation: The unit of order and of history.
        actor: Who asked.
        place: Where.
        text: The question, as `Said.text` but without the mention itself.
        surface: Where the answer goes.
        files: What came with it.
        follow_up: Whether it is one because of where it stands (see `Inbox.asked_in`), not because it calls
            the bot: then nobody is told if it is not taken.
    """

    key: str
    conversation: str
    actor: Actor
    place: Place
    text: str
    surface: Surface = field(compare=False)
    files: tuple[File, ...] = ()
    follow_up: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A mention as the ledger keeps it; see `Mention`.

    Attributes:
        at: When it was taken, in seconds of the wall clock: it must mean something after a restart.
    """

    key: str
    conversation: str
    actor: Actor
    place: Place
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Remains:
    """What an earlier run has left of an answer.

    Attributes:
        address: The `Surface.address` that it was written at; "" if nothing was.
        messages: Its messages, first page first.
        nonces: The nonces of posts that may have got through, or not.
    """

    address: str = ""
    messages: tuple[str, ...] = ()
    nonces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody wants an answer to end.

    Attributes:
        message: A page of it, or its question.
        actor: Who.
        place: Where.
        conversation: If given, it is the answer that runs in this conversation, whatever *message* says.
    """

    message: str
    actor: Actor
    place: Place
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class Press:
    """Somebody pressed the button *control* (a `Control.name`) under *message*."""

    message: str
    control: str
    actor: Actor
    place: Place


@dataclass(frozen=True, slots=True)
class Rating:
    """Somebody has said by a reaction what they think of an answer, or takes that back.

    Attributes:
        message: A page of the answer.
        actor: Who.
        place: Where.
        good: Whether they like it.
        on: Whether they say so; False if they take it back.
    """

    message: str
    actor: Actor
    place: Place
    good: bool
    on: bool


@dataclass(frozen=True, slots=True)
class Edited:
    """Somebody changed the message *key* to *text*."""

    key: str
    text: str
    actor: Actor
    place: Place


@dataclass(frozen=True, slots=True)
class Deleted:
    """The message *key* is gone; platforms do not say who did it."""

    key: str


class Outcome(Enum):
    """What became of a stop or a press."""

    #: It ended an answer.
    STOPPED = 1
    #: It belongs to no answer that is running.
    UNKNOWN = 2
    #: The actor may not do that.
    REFUSED = 3
    #: It is being done; the button is not needed any more.
    TAKEN = 4
    #: It can't be done now, and the actor was told so; the button stays.
    LATER = 5
    #: It is being done, and the message itself will show it.
    SHOWN = 6
    #: What the button was for is forgotten: its actor is to be told.
    LAPSED = 7


@dataclass(frozen=True, slots=True)
class Post:
    """A message or a file of a platform that has no memory but the bot's; see `Shelf`.

    Attributes:
        key: Unique; begins with the platform's name and "/".
        talk: What it is listed under: the key of the conversation that it is in, or the platform's name for a
            conversation itself.
        owner: The `Actor.id` of whose it is; with what that person asked, it is forgotten.
        at: In seconds of the wall clock.
        body: What the platform wants to know of it, in a form of its own.
        data: The content of a file.
    """

    key: str
    talk: str
    owner: str
    at: float
    body: str
    data: bytes = field(default=b"", repr=False)


class Shelf(Protocol):
    """Keeps posts, over restarts too, for 90 days: for a platform that is served by the bot itself."""

    async def put(self, post: Post) -> None:
        """Keep *post* in place of one with its key."""

    async def posts(self, talk: str, owner: str = "") -> Sequence[Post]:
        """Return what is listed under *talk*, of one *owner* or of all, oldest first, without `Post.data`.

        Raises:
            OSError: It can't be read now; so does `find`.
        """

    async def find(self, key: str) -> Post | None:
        """Return the post with *key*, whole."""

    async def weight(self, owner: str) -> int:
        """Return how much the posts of *owner* have: characters of bodies and bytes of data, together.

        Raises:
            OSError: As `posts`.
        """

    async def drop(self, key: str) -> None:
        """Delete the post with *key* and all that is listed under it."""


class Inbox(Protocol):
    """What a platform tells its events to; the core is one.

    Every method asks whether the actor may do that, and returns once the event is stored; only then is it
    acknowledged to the platform.
    """

    @property
    def shelf(self) -> Shelf:
        """Where a platform that is served by the bot itself keeps its messages."""

    def knows(self, key: str) -> bool:
        """Tell whether *key* is a question, or a page, of an answer that runs or waits.

        Costs nothing, so it is asked before anybody is looked up: most reactions and edits are about messages
        that are none of ours.
        """

    def asked_in(self, conversation: str) -> str:
        """Return the key of the first question that the bot was asked in *conversation*; "" if there is none.

        What a person writes there after that is a question too, a follow-up, unless it calls or answers
        somebody else, or has no words.  *conversation* is a `Mention.conversation`; or the key of a question,
        from which a place of its own may have been opened.  "" too where every question needs a mention.
        Costs nothing, so it is asked before anybody is looked up.
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

    async def repair(self, platform: Platform) -> None:
        """Take up the answers of *platform* that an earlier run has left; see `Platform.run`."""

    def back(self, platform: Platform) -> None:
        """Hear that *platform* is connected, after a while in which nothing was heard of it.

        Returns at once.  Writes that wait to be tried again are tried soon, and stops that were set meanwhile
        are looked for with `Platform.standing`.
        """


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `rivulet doctor`.

    Attributes:
        ok: Whether this is as it should be.
        text: What was looked at, and what to do if it is not.
        fatal: Whether the platform cannot run like this.
    """

    ok: bool
    text: str
    fatal: bool = False


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
        admits: Workspaces whose members may use the bot, where there is no one home workspace; "*" for all.
        data: A folder that survives restarts and is this process's alone, set before `run`; None without one.
    """

    name: str
    health: Health = "starting"
    heard_at: float | None = None
    routes: Sequence[web.RouteDef] = ()
    secrets: Collection[str] = ()
    admits: Collection[str] = ()
    data: Path | None = None

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
