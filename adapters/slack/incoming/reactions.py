"""Reads who has reacted to a message, where no event has told it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.blocks import objects, string
from adapters.slack.people import People
from adapters.slack.wire.errors import translated, why
from bot.platform import Actor, Gone

#: People of one message who are looked up: whoever is the first that may stop the answer stops it.
PEOPLE = 10


async def stoppers(
    web: AsyncWebClient, people: People, key: str, means_stop: Callable[[str], bool], me: str
) -> list[Actor]:
    """Return who has set an emoji that *means_stop* on the message *key*; nobody if it is no message.

    Raises:
        SlowDown, Gone, OSError: When Slack does not say it.
    """
    match key.split("/"):
        case [_, _, channel, ts]:
            users = await _users(web, channel, ts, means_stop)
        case _:
            return []
    others = [user for user in users if user != me]
    # Those who are known first, since they need no look-up.
    others.sort(key=lambda user: people.known(user, stale=True) is None)
    found: list[Actor] = []
    for user in others[:PEOPLE]:
        with suppress(Gone):
            found.append(people.known(user, stale=True) or await people.find(user, spare=True))
    return found


async def _users(web: AsyncWebClient, channel: str, ts: str, means_stop: Callable[[str], bool]) -> list[str]:
    try:
        with translated():
            # Without `full`, Slack may leave some of the users out.
            answer = await web.reactions_get(channel=channel, timestamp=ts, full=True)
    except SlackApiError as error:
        raise Gone(why(error)) from error
    told = [
        each for message in objects([answer.get("message")]) for each in objects(message.get("reactions"))
    ]
    listed = [each.get("users") for each in told if means_stop(string(each.get("name")))]
    return [
        *dict.fromkeys(user for users in listed if isinstance(users, list) for user in map(string, users))
    ]
