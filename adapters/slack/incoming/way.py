"""The way in that the settings name, Socket Mode or HTTP, and how well Slack is heard over it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from adapters.slack.incoming.bolt import Take
from adapters.slack.incoming.http import Http
from adapters.slack.incoming.sockets import DOWN, Sockets
from adapters.slack.settings import Settings
from adapters.slack.wire.errands import Errands
from adapters.slack.wire.web import Web
from bot.platform import Health, Inbox, Platform, SlowDown

log = structlog.get_logger(__name__)

#: Seconds of silence past which mentions are looked for: Slack sends an event again at once and after a
#: minute, and then in five.
QUICK = 60.0
#: Seconds between two calls in HTTP mode that only ask whether Slack is there.
PULSE = 60.0

#: Asks Slack something; raises SlowDown or OSError if it is not there.
Pulse = Callable[[], Awaitable[object]]


class Way:
    """The way in.

    Args:
        settings: The operator's.
        platform: Whose it is; its health is told here.
        errands: Does what may lag behind.

    Attributes:
        http: What Slack posts to; None in Socket Mode.
        served: Whether Slack was heard since the start.
    """

    def __init__(self, settings: Settings, platform: Platform, errands: Errands) -> None:
        self._token = settings.app_token.get_secret_value()
        self._platform = platform
        self._errands = errands
        self._sockets: Sockets | None = None
        self.http = None if self._token else Http(settings.signing_secret.get_secret_value().strip())
        self.served = False

    async def listen(self, web: Web, take: Take, inbox: Inbox, pulse: Pulse) -> None:
        """Give what Slack tells to *take*, until cancelled.

        Args:
            web: Asks for sockets.
            take: Takes an event.
            inbox: Hears when Slack is there, and looks for what was missed.
            pulse: Called now and then in HTTP mode.

        Raises:
            Unavailable: When only the operator can help.
        """

        def back(silent: float) -> None:
            self._back(inbox, silent)

        if self.http is None:
            self._sockets = Sockets(web, self._token, take, self._tell, back, inbox.leases)
            await self._sockets.run()
            return
        self.http.take = take
        try:
            await self._feel_pulse(pulse, back)
        finally:
            await self.http.close()

    def _back(self, inbox: Inbox, silent: float) -> None:
        """Let the core know that Slack is heard, for the first time or after so many seconds without."""
        inbox.back(self._platform)
        if silent > QUICK:
            log.info("looking for what was missed while nothing was heard of Slack", seconds=round(silent))
            self._errands.start(_done(inbox.repair(self._platform)))

    async def _feel_pulse(self, pulse: Pulse, back: Callable[[float], None]) -> None:
        """Report whether Slack is there, in HTTP mode nothing else shows that while no event comes."""
        now = asyncio.get_running_loop().time
        self._platform.heard_at = heard = now()  # it was asked just before
        self._tell("up")
        back(0.0)
        well = True
        while True:
            await asyncio.sleep(PULSE)
            try:
                await pulse()
            except (SlowDown, OSError):
                well = False
                if now() - heard >= DOWN:
                    self._tell("down")
            else:
                if not well:
                    back(now() - heard)
                well = True
                self._platform.heard_at = heard = now()
                self._tell("up")

    def _tell(self, health: Health) -> None:
        self._platform.health = health
        if self._sockets:
            self._platform.heard_at = self._sockets.heard
        self.served = self.served or health == "up"


async def _done(work: Awaitable[None]) -> None:
    await work
