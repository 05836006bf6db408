"""Where one answer is written, and what an adapter says about how much it may write there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from bot.events import File, Page
from bot.platform.people import Said, Whereabouts
from bot.text.dialect import Dialect


class SlowDown(Exception):
    """The platform said 429.  The core waits and sends a newer page instead.

    Args:
        retry_after: Seconds, parsed and capped by the adapter.
        bucket: The key of the `Bucket` that is exhausted; "" for all that the write spends.  Where the write
            does not spend it (it is a look-up's, or a post's beside an edit), only this answer waits.
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
