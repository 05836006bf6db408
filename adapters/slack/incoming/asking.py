"""Questions in no message of a person's: the bot posts them in the asker's name, and answers below.

Rule 1: nothing is posted for who may not ask; the inbox says who may.
Rule 2: what is posted pings nobody, its asker neither.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from slack_sdk.errors import SlackApiError

from adapters.slack.incoming.lately import Lately
from adapters.slack.incoming.mentions import Mentions
from adapters.slack.incoming.payloads import placed
from adapters.slack.outgoing.notices import OTHERWISE, WHY
from adapters.slack.reading import ASKED
from adapters.slack.text import DIALECT, PREVIEW, Json
from adapters.slack.wire.errands import Tally
from adapters.slack.wire.errors import translated
from adapters.slack.wire.web import Web
from bot.events import File
from bot.platform import Actor, Gone, Inbox, Place, SlowDown, Unavailable
from bot.text.safe import clean, disarm, line

log = structlog.get_logger(__name__)

#: Questions that are posted in a minute, of all people; chat.postMessage is for answers too.
POSTS = 30
#: Characters that others see of a question, as Slack counts them (a section holds 3,000); the model reads
#: all of it.
SHOWN = 2_900

INVITE = "I am not in this channel. Invite me with `/invite`, then ask again."
UNSEEN = "I can't see this conversation. Ask me in a channel that I am in, or in a direct message to me."
BUSY = "Too many people ask by command right now. Mention me instead, or try again in a minute."
LOST = "That message is gone."


@dataclass(frozen=True, slots=True)
class Question:
    """A question that is to be asked in somebody's name.

    Attributes:
        text: As the model reads it, plain markdown.
        shown: As others see it.
        files: What comes with it.
    """

    text: str
    shown: str
    files: tuple[File, ...] = ()


@dataclass
class Asking:
    """Asks in people's names.

    Attributes:
        inbox: Who is told.
        web: The client.
        team: The workspace.
        mentions: Makes mentions.
        lately: Remembers them.
    """

    inbox: Inbox
    web: Web
    team: str
    mentions: Mentions
    lately: Lately
    _posts: Tally = field(default_factory=lambda: Tally(POSTS), init=False)

    async def ask(
        self, actor: Actor, place: Place, write: Callable[[], Awaitable[Question]], thread: str = ""
    ) -> str:
        """Ask, in the name of *actor*, what *write* returns; return why that can't be, "" if it was done.

        Args:
            actor: Who asks.
            place: Where.
            write: Makes the question; may ask Slack, so it is done only for who may ask.
            thread: Where to post it, and answer; "" for a new one.

        Raises:
            Unavailable, SlowDown, OSError, SlackApiError: It can't be done now.
        """
        if (why := await self.inbox.barred(actor, place)) is not None:
            return why
        if self._posts.take():
            return BUSY
        try:
            question = await write()
            ts = await self._post(place.channel, thread, shown(actor, question.shown))
        except Gone as gone:
            return closed(str(gone), place)
        mention = self.mentions.make(ts, thread or ts, actor, place, question.text, question.files)
        try:
            await self.inbox.mention(mention)
        except (Unavailable, OSError):
            await self._unsay(place.channel, ts)
            raise
        self.lately.note(mention)
        return ""

    async def _post(self, channel: str, thread: str, message: Json) -> str:
        with translated():
            answer = await self.web.chat_postMessage(
                channel=channel,
                thread_ts=thread or None,
                unfurl_links=False,
                unfurl_media=False,
                **message,
            )
        return str(answer["ts"])

    async def _unsay(self, channel: str, ts: str) -> None:
        """Delete a question that nobody will answer."""
        with suppress(Gone, SlowDown, OSError, SlackApiError), translated():
            await self.web.chat_delete(channel=channel, ts=ts)

    def place(self, channel: str, team: str) -> Place:
        """Return the place of *channel*."""
        return placed(channel, team, self.team)


def shown(actor: Actor, text: str) -> Json:
    """Return the question *text* as it is posted for *actor*; see `adapters.slack.reading.attributed`."""
    text, most = clean(text).strip(), SHOWN
    while len(written := _inert(text if len(text) <= most else f"{text[:most]}…")) > SHOWN:
        most = most * 4 // 5
    heading = f"*{_inert(line(actor.name or actor.id)[:80])}* asks:"
    return {
        "text": f"{heading} {written[:PREVIEW]}",
        "blocks": [_section(heading) | {"block_id": f"{ASKED}{actor.id}"}, _section(written)],
    }


def _inert(text: str) -> str:
    """Return *text* with nothing in it that Slack would take for a mention or a link with a label."""
    return DIALECT.entities(disarm(text))


def _section(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def closed(why: str, place: Place) -> str:
    """Return what to say where nothing can be written or read, by Slack's word for it."""
    if why in {"not_in_channel", "channel_not_found"}:
        return UNSEEN if place.direct else INVITE
    if why in {"message_not_found", "thread_not_found"}:
        return LOST
    return f"I cannot answer in this channel: {WHY.get(why, OTHERWISE)}"
