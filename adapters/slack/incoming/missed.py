"""Finds messages that were written while the bot did not listen; Slack sends them again for a while only."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.incoming.payloads import written
from adapters.slack.text import Json
from adapters.slack.wire.errors import TooLong, translated
from bot.platform import Asked, Gone, SlowDown

log = structlog.get_logger(__name__)

#: Channels, and threads, that are looked through: half of what Tier 3 allows in a minute.
PLACES = 25
#: Messages that are read of each.
NEWEST = 100


async def missed(web: AsyncWebClient, recent: Sequence[Asked], since: float) -> list[Json]:
    """Return the messages since *since* in the channels and threads of *recent*, oldest first.

    Each has its "channel", as events do.
    """
    window: Json = {"oldest": f"{since:.6f}", "limit": NEWEST}
    found: dict[tuple[str, str], Json] = {}
    for channel, thread in _places(recent):
        try:
            with translated():
                if thread:
                    answer = await web.conversations_replies(channel=channel, ts=thread, **window)
                else:
                    answer = await web.conversations_history(channel=channel, **window)
        except SlowDown as slow:  # all calls share the limit
            log.warning("not all that was missed was looked for", channel=channel, error=repr(slow))
            break
        except (Gone, TooLong, OSError, SlackApiError) as error:
            log.warning("nothing that was missed was found in a place", channel=channel, error=repr(error))
            continue
        for message in answer["messages"]:
            if float(message["ts"]) > since:
                found[channel, message["ts"]] = {**message, "channel": channel}
    return [found[key] for key in sorted(found, key=lambda key: float(key[1]))]


def newest(recent: Sequence[Asked]) -> dict[tuple[str, str], float]:
    """Return when the newest question of *recent* was written, by its channel and thread."""
    return {
        (asked.place.channel, asked.conversation.split("/")[-1]): written(asked.key)
        for asked in reversed(recent)
    }


def _places(recent: Sequence[Asked]) -> list[tuple[str, str]]:
    """Return the channels of *recent*, each with "", and their threads, each with its `ts`."""
    channels = dict.fromkeys((asked.place.channel, "") for asked in recent)
    # Also below questions at the top of a channel: a channel's history has no replies.
    threads = dict.fromkeys((asked.place.channel, asked.conversation.split("/")[-1]) for asked in recent)
    return [*[*channels][:PLACES], *[*threads][:PLACES]]
