"""Takes the buttons off a message if they are not needed any more, or were left by a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from slack_sdk.errors import SlackApiError

from adapters.slack.blocks import objects, string
from adapters.slack.incoming.payloads import Press
from adapters.slack.text import Json
from adapters.slack.wire.errands import Errands
from adapters.slack.wire.errors import TooLong, translated
from adapters.slack.wire.web import Web
from bot.events import STOP
from bot.platform import Gone, Outcome, SlowDown

#: Seconds after a press on Stop until the core knows all messages of running answers: a message that it does
#: not know then belongs to none.
KNOWN = 3.0
#: Messages that are tidied at once.
AT_ONCE = 20


class Tidy:
    """Tidies messages, each once at a time, however often it is pressed.

    Args:
        web: The client.
        errands: Does it in the background.
    """

    def __init__(self, web: Web, errands: Errands) -> None:
        self._web = web
        self._errands = errands
        self._at: set[tuple[str, str]] = set()

    def start(self, press: Press, again: Callable[[], Awaitable[Outcome]]) -> None:
        """Tidy the message of *press*; *again* presses once more, lest an answer has it after all."""
        message = press.channel, press.message
        if message in self._at or len(self._at) >= AT_ONCE:
            return
        self._at.add(message)
        self._errands.start(self._tidy(press, again)).add_done_callback(lambda _: self._at.discard(message))

    async def _tidy(self, press: Press, again: Callable[[], Awaitable[Outcome]]) -> None:
        """The press has the message as it was then; it is read anew, so that a newer text stays."""
        stop = press.name == STOP.name
        if stop:
            await asyncio.sleep(KNOWN)
        with suppress(SlowDown, Gone, TooLong, OSError, SlackApiError), translated():
            message = await self._there(press)
            drawn = objects(message.get("blocks"))
            rows = [objects(block.get("elements")) for block in drawn if block.get("type") == "actions"]
            if press.name not in {string(button.get("action_id")) for row in rows for button in row}:
                return
            if stop and await again() is not Outcome.UNKNOWN:
                return  # a running answer has it after all
            await self._web.chat_update(
                channel=press.channel,
                ts=press.message,
                blocks=[block for block in drawn if block.get("type") != "actions"],
                text=message.get("text") or "…",
            )

    async def _there(self, press: Press) -> Json:
        """Return the message that was pressed as it is now; empty if it is gone."""
        answer = await self._web.conversations_replies(
            channel=press.channel,
            ts=press.thread or press.message,
            oldest=press.message,
            latest=press.message,
            inclusive=True,
        )
        found = objects(answer.get("messages"))
        return next((each for each in found if each.get("ts") == press.message), {})
