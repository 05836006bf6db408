"""The last resort for a page that Slack calls invalid, in whatever word: smaller, then as plain text.

Rule 1: a body that Slack has refused is never sent to the same place again.
Rule 2: all that is optional (formatting, buttons, the mark of a post) is given up before any text is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from slack_sdk.errors import SlackApiError

from adapters.slack.outgoing.looks import Look, drawn
from adapters.slack.outgoing.overlong import LEAST, Change, Find, Halted, Overlong, Send
from adapters.slack.wire.errors import TooLong, Unfit, why
from bot.events import Page
from bot.platform import Gone

log = structlog.get_logger(__name__)

#: Refused bodies that are remembered of one answer; a page takes fewer than ten.
KNOWN = 100
#: Below an answer of which no more could be shown.
CUT = "Slack refused the rest of this answer."

Made = TypeVar("Made")


class LastResort:
    """Shows the pages of one answer in the first way that Slack takes.

    Args:
        send: Posts a page; may raise `SlackApiError`, see `translated`.
        change: Changes a message; raises as *send*.
        find: Returns the `ts` of what was posted with a nonce, or "".
        key: Makes a message's key of its `ts`.
    """

    def __init__(self, send: Send, change: Change, find: Find, key: Callable[[str], str]) -> None:
        self._raw_send = send
        self._raw_change = change
        self._key = key
        self._overlong = Overlong(self._send, self._change, find)
        self._plain: set[str] = set()
        self._taken: dict[str, str] = {}
        self._refused: OrderedDict[int, bool] = OrderedDict()

    async def post(self, page: Page, nonce: str) -> tuple[str, bool]:
        """Post *page*, or its beginning; return the message's key, and whether it shows all that it should.

        Raises:
            Unfit: When Slack takes it in no way.
        """
        step: tuple[int, Look] | None = (0, Look.RICH)
        while step:
            size, look = step
            shown, whole = self._overlong.first(page, size, look) if size else (page, True)
            try:
                ts = await self._send(shown, nonce, look)
            except TooLong as error:
                if error.ts:  # it is there, and shows a part
                    message = self._key(error.ts)
                    self._overlong.begin(message, size or self._overlong.size, long=True)
                    return message, False
                step = self._shorter(page, size, look)
            except Unfit:
                step = self._next(page, size, look)
            else:
                message = self._key(ts)
                if not whole:
                    self._overlong.begin(message, size, head=(shown, min(look, Look.PLAIN)))
                if look is not Look.RICH:
                    self._plain.add(message)
                self._taken[message] = shown.text
                return message, whole or page.live
        raise Unfit("Slack refuses a page in every form")

    def _shorter(self, page: Page, size: int, look: Look) -> tuple[int, Look] | None:
        """Return what is tried after a beginning of *size* characters (0: all) that was too long."""
        if size > LEAST:
            return self._overlong.shrink(page, size), look
        return self._next(page, size, look) if size else (self._overlong.size, look)

    def _next(self, page: Page, size: int, look: Look) -> tuple[int, Look] | None:
        """Return what is tried after what Slack calls invalid: less at once, then with less beside it."""
        if not size and len(page.text) > LEAST:
            return self._half(page), look
        return None if look is Look.BARE else (self._overlong.size, Look(look + 1))

    def _half(self, page: Page) -> int:
        return max(min(self._overlong.size, len(page.text) // 2), LEAST)

    async def show(self, message: str, page: Page) -> None:
        """Make *message* look like *page*, or its beginning; of a final one, put the rest below.

        Raises:
            Unfit: When Slack takes it in no way.
        """
        plain = message in self._plain and (page.live or self._overlong.posted(message) is Look.PLAIN)
        try:
            if plain or not await self._richly(message, page):
                self._plain.add(message)
                await self._overlong.show(message, page, Look.PLAIN)
        except Halted:
            await self.end(message)

    async def _richly(self, message: str, page: Page) -> bool:
        """Show *page* with all its formatting, perhaps in parts; tell whether Slack takes it so."""
        if not (message in self._overlong if page.live else self._overlong.stays(message)):
            try:
                await self._change(message, page, Look.RICH)
            except TooLong:
                self._overlong.begin(message, long=True)
            except Unfit:
                if len(page.text) <= LEAST:
                    return False
                self._overlong.begin(message, self._half(page))
            else:
                return True
        try:
            await self._overlong.show(message, page)
        except Unfit:
            return False
        return True

    async def end(self, message: str) -> None:
        """End *message* with what Slack has taken of it, and a note: there is no way for the rest.

        Raises:
            Gone: When Slack does not take that either.
        """
        taken = self._taken.get(message, "")
        for text, look in dict.fromkeys(
            [(taken, Look.RICH), (taken, Look.PLAIN), ("", Look.RICH), ("", Look.PLAIN)]
        ):
            try:
                await self._change(message, Page(text, CUT, live=False), look)
            except (Unfit, TooLong):
                continue
            return
        raise Gone("Slack refuses an answer in every form")

    async def say(self, nonce: str) -> str:
        """Post, in place of a page that Slack takes in no way, that it does; return the message's key.

        Raises:
            Gone: When Slack does not take that either.
        """
        for look in Look:
            try:
                return self._key(await self._send(Page("", CUT, live=False), nonce, look))
            except (Unfit, TooLong):
                continue
        raise Gone("Slack refuses an answer in every form")

    async def _send(self, page: Page, nonce: str, look: Look) -> str:
        body = f"{nonce} {look is Look.BARE} {drawn(page, look)}"
        return await self._once(body, lambda: self._raw_send(page, nonce, look))

    async def _change(self, message: str, page: Page, look: Look) -> None:
        body = f"{message} {drawn(page, look)}"
        await self._once(body, lambda: self._raw_change(message, page, look))
        self._taken[message] = page.text

    async def _once(self, body: str, call: Callable[[], Awaitable[Made]]) -> Made:
        """Make *call* unless Slack has refused its *body*; raise what that means."""
        known = hash(body)
        if (long := self._refused.get(known)) is not None:
            raise TooLong("refused before") if long else Unfit("refused before")
        try:
            return await call()
        except TooLong:
            self._remember(known, long=True)
            raise
        except SlackApiError as error:
            log.warning("Slack refuses a page; another form is tried", error=why(error))
            self._remember(known, long=False)
            raise Unfit(why(error)) from error

    def _remember(self, body: int, *, long: bool) -> None:
        self._refused[body] = long
        if len(self._refused) > KNOWN:
            self._refused.popitem(last=False)
