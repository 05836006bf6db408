"""Notices that Slack tells the app of mentions alone: what needs no mention is then never heard."""

from __future__ import annotations

import asyncio

import structlog

from adapters.slack.text import Json

log = structlog.get_logger(__name__)

#: Seconds within which a mention is told of once more, as a message.
TOLD_TWICE = 60.0


class Subscribed:
    """Which events about messages in channels have come."""

    def __init__(self) -> None:
        self._messages = False
        self._looking: asyncio.TimerHandle | None = None

    def notice(self, event: Json) -> None:
        """Take an `app_mention` or a message; log once if there are only mentions."""
        if event.get("type") == "message":
            self._messages = self._messages or event.get("channel_type") != "im"
        elif not self._messages and self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(TOLD_TWICE, self._look)

    def _look(self) -> None:
        if not self._messages:
            log.warning(
                "Slack tells of mentions only, so each question in a thread needs one: subscribe to "
                "message.channels and message.groups at Event Subscriptions, then reinstall the app"
            )
