"""Pages that Slack finds too long, though they keep to its documented limits: they are shown in parts.

While a page is live its message shows the beginning; once it is final, the rest follows in messages of their
own.  Rule: a part is posted once, however often its page is shown; after a doubt it is looked for.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from adapters.slack.wire.errors import TooLong
from bot.events import Page
from bot.text.cuts import places

log = structlog.get_logger(__name__)

#: Characters of a part, and how small they get; times that smaller ones are tried at once.
LARGEST, LEAST = 2_500, 300
TRIES = 5
BELOW = "It goes on below when it is done."


@dataclass
class _Part:
    """A message below the first: its nonce, and its key once it is there."""

    nonce: str
    doubtful: bool = False
    ts: str = ""


class Overlong:
    """The messages of one answer that are shown in parts.

    Args:
        send: Posts a page with a nonce; returns the `ts`.
        change: Changes a message.
        find: Returns the `ts` of what was posted with a nonce, or "".
    """

    def __init__(
        self,
        send: Callable[[Page, str], Awaitable[str]],
        change: Callable[[str, Page], Awaitable[None]],
        find: Callable[[str], Awaitable[str]],
    ) -> None:
        self._send = send
        self._change = change
        self._find = find
        self._size = LARGEST
        self._parts: dict[str, list[_Part]] = {}

    def __contains__(self, message: str) -> bool:
        return message in self._parts

    def head(self, page: Page) -> Page:
        """Return what the first message shows of *page* while the rest has no message."""
        text = parts(page.text, self._size)[0]
        return replace(page, text=text, note=page.note or BELOW, files=())

    async def show(self, message: str, page: Page) -> None:
        """Show *page*, the beginning in *message*; smaller and smaller parts until Slack takes them.

        Raises:
            ConnectionError: When it takes not even the smallest.
        """
        mine = self._parts.setdefault(message, [])
        for _ in range(TRIES):
            try:
                await self._show(message, page, mine)
            except TooLong:
                self.shrink(page)
            else:
                return
        raise ConnectionError("Slack finds every part of a page too long")

    def shrink(self, page: Page) -> None:
        """Let parts be smaller from now on."""
        self._size = max(self._size // 2, LEAST)
        log.warning("Slack finds a page too long", characters=len(page.text), next=self._size)

    async def _show(self, message: str, page: Page, mine: list[_Part]) -> None:
        first, *rest = parts(page.text, self._size)
        if page.live:
            note = page.note or (BELOW if rest else "")
            await self._change(message, replace(page, text=first, note=note))
            return
        await self._change(message, replace(page, text=first, note="" if rest else page.note))
        for number, text in enumerate(rest):
            if number == len(mine):
                mine.append(_Part(f"p{secrets.token_hex(9)}"))
            last = number == len(rest) - 1
            await self._put(message, mine[number], Page(text, page.note if last else "", live=False))

    async def _put(self, message: str, part: _Part, page: Page) -> None:
        if part.doubtful and not part.ts:
            part.ts = await self._find(part.nonce)
        if part.ts:
            team = message.rpartition("/")[0]
            await self._change(f"{team}/{part.ts}", page)
            return
        try:
            part.ts = await self._send(page, part.nonce)
        except OSError:
            part.doubtful = True
            raise
        except TooLong as error:
            part.ts = error.ts
            raise


def parts(text: str, size: int) -> list[str]:
    """Return *text* in parts of about *size* characters, each of which can be read alone; at least one."""
    found: list[str] = []
    fence = ""
    while len(text) > size:
        at = max(places(text, size, lines_only=bool(fence)), len(fence) + 1)
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
