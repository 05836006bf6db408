"""What people are told beside an answer: that it can't be written, or that a button does nothing for them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.wire.errands import Errands
from adapters.slack.wire.errors import TooLong, translated
from bot.platform import Gone, SlowDown

log = structlog.get_logger(__name__)

#: Seconds for which somebody is told once of a channel, and how many of them are remembered.
QUIET = 3600.0
KNOWN = 1000

#: By Slack's word.
WHY = {
    "is_archived": "it is archived.",
    "not_in_channel": "I am not a member. Invite me with /invite.",
    "channel_not_found": "I cannot see it.",
    "restricted_action": "the workspace's settings do not let me post there.",
    "no_permission": "I may not post there.",
}
LAPSED = "That button is over: what it was for is forgotten. Please ask again."
REFUSED = "You may not do that here."
OTHERWISE = "Slack refuses whatever I write there."


class Notices:
    """Tells people, in the background.

    Args:
        web: The client.
        errands: Keeps the tasks.
    """

    def __init__(self, web: AsyncWebClient, errands: Errands) -> None:
        self._web = web
        self._errands = errands
        self._told: OrderedDict[tuple[str, str], float] = OrderedDict()

    def tell(self, user: str, channel: str, why: str) -> None:
        """Tell *user* why they get no answer in *channel*, unless they know."""
        if self._due(user, channel):
            text = f"I cannot answer in that channel: {WHY.get(why, OTHERWISE)}"
            self._errands.start(self._tell(user, channel, text))

    def refused(self, user: str, channel: str) -> None:
        """Tell *user* that a button is not theirs to press, unless they know."""
        if self._due(user, REFUSED):
            self._errands.start(self._tell(user, channel, REFUSED))

    def lapsed(self, user: str, channel: str) -> None:
        """Tell *user* that the button that they pressed leads nowhere any more."""
        self._errands.start(self._tell(user, channel, LAPSED))

    def _due(self, user: str, about: str) -> bool:
        """Tell whether *user* is to be told *about* something; if so, they count as told."""
        now = asyncio.get_running_loop().time()
        if now - self._told.get((user, about), float("-inf")) < QUIET:
            return False
        self._told[user, about] = now
        if len(self._told) > KNOWN:
            self._told.popitem(last=False)
        return True

    async def _tell(self, user: str, channel: str, text: str) -> None:
        """Say it where only *user* sees it; in a direct message if that is not possible."""
        for method, arguments in (
            ("chat.postEphemeral", {"channel": channel, "user": user, "text": text}),
            ("chat.postMessage", {"channel": user, "text": text}),
        ):
            try:
                with translated():
                    await self._web.api_call(method, json=arguments)
            except (Gone, SlowDown, TooLong, SlackApiError, OSError) as error:
                log.info("somebody was not told", method=method, error=str(error))
            else:
                return
