"""Sessions of agents: Slack shows that one is at work, and a stop button of its own, while it is processing.

Only apps that are declared agents have them; which an app is shows in the answer to the first call.
"""

from __future__ import annotations

import asyncio

import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.wire.errands import Errands, Tally
from adapters.slack.wire.errors import translated
from bot.platform import Gone, SlowDown

log = structlog.get_logger(__name__)

PROCESSING, ACTIVE = "processing", "active"
#: Slack Tier 3: 50+ calls a minute and workspace; and how many of them say that a session is at work.  Each
#: of these wants another that says that it rests, and so do the streams, of which `streams.STARTS` begin in a
#: minute: so nothing waits for long.
CALLS, STARTS = 45, 13
#: Seconds before each new try to say that a session rests: Slack itself takes an hour to see that.
AGAIN = (1.0, 5.0, 20.0, 60.0)


class Sessions:
    """Says which threads of a workspace are at work, for answers that stream and that are edited alike.

    Args:
        web: The client.
        errands: Makes the calls, so that no answer waits for them.
    """

    def __init__(self, web: AsyncWebClient, errands: Errands) -> None:
        self._web = web
        self._errands = errands
        self._known = True  # until Slack says otherwise
        self._calls, self._starts = Tally(CALLS), Tally(STARTS)
        self._last: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._working: set[tuple[str, str]] = set()  # as Slack has it, or is about to

    def show(self, channel: str, thread: str, *, working: bool) -> None:
        """Let the session of *thread* be at work, or rest; of what waits to be said of it, the newest counts.

        That one is at work is not said while there is no room for it; that one rests, where it was at work.
        """
        session, before = (channel, thread), self._last.get((channel, thread))
        if not self._known or (self._starts.take() if working else session not in self._working):
            return
        if working:
            self._working.add(session)
        else:
            self._working.discard(session)
        task = self._errands.start(self._say(session, PROCESSING if working else ACTIVE, before))
        self._last[session] = task

        def forget(_: object) -> None:
            if self._last.get(session) is task:
                del self._last[session]

        task.add_done_callback(forget)

    def works(self, channel: str, thread: str) -> None:
        """Note that the session of *thread* is at work: a stream began there, or an earlier run said so."""
        if self._known:
            self._working.add((channel, thread))

    async def _say(self, session: tuple[str, str], status: str, before: asyncio.Task[None] | None) -> None:
        if before:
            await asyncio.wait({before})
        for delay in AGAIN if status == ACTIVE else (0.0,):
            await self._calls.turn()
            if not self._known or self._last.get(session) is not asyncio.current_task():
                return
            try:
                await self._set(session, status)
            except SlowDown as slow:
                self._calls.block(slow.retry_after)
            except OSError:
                await asyncio.sleep(delay)
            else:
                return
        log.info("Slack was not told what a session does", channel=session[0], status=status)

    async def _set(self, session: tuple[str, str], status: str) -> None:
        channel, thread = session
        try:
            with translated():
                await self._web.agents_sessions_setStatus(channel_id=channel, thread_ts=thread, status=status)
        except (Gone, SlackApiError) as error:
            # What else is gone is this thread or channel.
            self._known = isinstance(error, Gone) and str(error) != "missing_scope"
            if not self._known:
                self._working.clear()
            log.info("Slack shows no session", channel=channel, error=str(error))
