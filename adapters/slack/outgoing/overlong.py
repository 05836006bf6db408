"""Pages that one message of Slack's does not hold, whatever its documents say: they are shown in parts.

While a page is live its message shows the beginning; once it is final, the rest follows in messages of their
own.  Rule: a part is posted once, however often its page is shown; after a doubt it is looked for.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import structlog

from adapters.slack.outgoing.looks import Look, fits, stripped
from adapters.slack.wire.errors import TooLong, Unfit
from bot.events import Page
from bot.text.cuts import places, spans
from bot.text.grammar import parse

log = structlog.get_logger(__name__)

#: Characters of a part, and how small they get; times that smaller ones are tried at once.
LARGEST, LEAST = 2_500, 300
TRIES = 5
GOES_ON = "It goes on below when it is done."
MISSING = "A part of this answer is missing here: Slack refused it."

#: Posts a page with a nonce; returns the `ts`.  Raises `TooLong`, and `Unfit` for what else Slack refuses.
Send = Callable[[Page, str, Look], Awaitable[str]]
#: Changes a message; raises as `Send`.
Change = Callable[[str, Page, Look], Awaitable[None]]
#: Returns the `ts` of what was posted with a nonce, or "".
Find = Callable[[str], Awaitable[str]]


class Halted(Exception):
    """Slack takes no more messages below the first, not even one that says so."""


@dataclass
class _Part:
    """A message below the first: its nonce, and its `ts` once it is there."""

    nonce: str
    doubtful: bool = False
    ts: str = ""


@dataclass
class _Shown:
    """A page in parts.

    Attributes:
        size: Characters of a part; once some stand below the first, they only ever get fewer.
        long: Whether Slack has found the page too long.
        below: The messages below the first.
        head: What the first was posted with, until something comes of it.
    """

    size: int
    long: bool = False
    below: list[_Part] = field(default_factory=list)
    head: tuple[Page, Look] | None = None


class Overlong:
    """The messages of one answer that are shown in parts.

    Args:
        send: See `Send`.
        change: See `Change`.
        find: See `Find`.
    """

    def __init__(self, send: Send, change: Change, find: Find) -> None:
        self._send = send
        self._change = change
        self._find = find
        self.size = LARGEST
        self._shown: dict[str, _Shown] = {}

    def __contains__(self, message: str) -> bool:
        return message in self._shown

    def stays(self, message: str) -> bool:
        """Whether *message* can't be made whole again."""
        mine = self._shown.get(message)
        return mine is not None and (mine.long or bool(mine.below or mine.head))

    def posted(self, message: str) -> Look | None:
        """Return how the beginning in *message* was posted, if nothing has come of it yet."""
        mine = self._shown.get(message)
        return mine.head[1] if mine and mine.head else None

    def begin(
        self,
        message: str,
        size: int = LARGEST,
        *,
        long: bool = False,
        head: tuple[Page, Look] | None = None,
    ) -> None:
        """Show *message* in parts from now on.

        Args:
            message: Its key.
            size: Characters of a part, at most.
            long: Whether it would be too long else.
            head: What it was posted with just now.
        """
        mine = self._shown.setdefault(message, _Shown(size))
        mine.size = min(mine.size, size, self.size)
        mine.long |= long
        mine.head = head or mine.head

    def first(self, page: Page, size: int, look: Look) -> tuple[Page, bool]:
        """Return what the first message shows of *page* in parts of *size*, and whether that is all."""
        text, *rest = parts(page.text, _fitting(page.text, min(size, self.size), look))
        head = replace(page, text=text, files=())
        if rest and not page.live:
            return replace(head, note=""), False  # it stands below the last
        return stripped(replace(head, note=page.note or (GOES_ON if rest else "")), look), not rest

    async def show(self, message: str, page: Page, look: Look = Look.RICH) -> None:
        """Show *page*, the beginning in *message*; smaller and smaller parts until Slack takes them.

        Raises:
            Unfit: When it does not take the beginning, however small.
            Halted: When it takes no more than that.
        """
        self.begin(message)
        mine = self._shown[message]
        if look is not Look.RICH and not mine.below:
            mine.size = self.size
        for _ in range(TRIES):
            mine.size = _fitting(page.text, min(mine.size, self.size), look)
            try:
                await self._show(message, page, mine, look)
            except TooLong:
                self.size = self.shrink(page, mine.size)
            else:
                return
        raise Unfit("too long, however small the parts")

    def shrink(self, page: Page, size: int) -> int:
        """Return how many characters parts may have where those of *size* are too long."""
        log.warning("Slack finds a page too long", characters=len(page.text), parts=size)
        return max(size // 2, LEAST)

    async def _show(self, message: str, page: Page, mine: _Shown, look: Look) -> None:
        head, whole = self.first(page, mine.size, look)
        if mine.head != (head, look):
            mine.head = None
            await self._change(message, head, look)
        if whole or page.live:
            return
        rest = parts(page.text, mine.size)[1:]
        for number, text in enumerate(rest):
            if number == len(mine.below):
                mine.below.append(_Part(f"p{secrets.token_hex(9)}"))
            below = Page(text, live=False)
            if number == len(rest) - 1:
                below = stripped(replace(below, note=page.note), look)
            await self._put(message, mine.below[number], below, look)
        mine.head = None

    async def _put(self, message: str, part: _Part, page: Page, look: Look) -> None:
        """Show *page* as *part*; where Slack takes it in no look, say so in its place."""
        if part.doubtful and not part.ts:
            part.ts = await self._find(part.nonce)
        plain = page if look is not Look.RICH else stripped(page, Look.PLAIN)
        gap = Page("", MISSING, live=False)
        for shown, each in ((page, look), (plain, Look.PLAIN), (plain, Look.BARE), (gap, Look.BARE)):
            try:
                await self._place(message, part, shown, each)
            except Unfit:
                continue
            return
        raise Halted("Slack refuses a part of an answer in every form")

    async def _place(self, message: str, part: _Part, page: Page, look: Look) -> None:
        if part.ts:
            team = message.rpartition("/")[0]
            await self._change(f"{team}/{part.ts}", page, look)
            return
        try:
            part.ts = await self._send(page, part.nonce, look)
        except OSError:
            part.doubtful = True
            raise
        except TooLong as error:
            part.ts = error.ts
            raise


def _fitting(text: str, size: int, look: Look) -> int:
    """Return how many characters, at most *size*, parts of *text* may have to fit in *look*."""
    while size > LEAST and not all(fits(part, look) for part in parts(text, size)):
        size = max(size // 2, LEAST)
    return size


def parts(text: str, size: int) -> list[str]:
    """Return *text* in parts of about *size* characters, each of which can be read alone; at least one."""
    found: list[str] = []
    fence = ""
    while len(text) > size:
        tree = parse(text)
        best = places(text, size, spans(tree, tree.blocks), lines_only=bool(fence))
        at = max(best, len(fence) + 1)
        fence = open_fence(text[:at])
        found.append(f"{text[:at].rstrip()}\n{fence.strip()[:3]}" if fence else text[:at])
        text = fence + text[at:]
    return [*found, text]


def open_fence(text: str) -> str:
    """Return the line that opens the block of code in which *text* ends; "" if it ends in none."""
    fence = ""
    for line in text.splitlines():
        words = line.strip()
        if fence:
            fence = "" if words == fence.strip()[:3] else fence
        elif words[:3] in {"```", "~~~"}:
            fence = f"{line[:80]}\n"
    return fence
