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


async def reacting(
    web: AsyncWebClient, people: People, key: str, wanted: Callable[[str], bool], me: str
) -> list[tuple[str, Actor]]:
    """Return the emojis that are *wanted* on the message *key*, each with who has set it.

    None of *me*; none if the key is of no message.

    Raises:
        SlowDown, Gone, OSError: When Slack does not say it.
    """
    match key.split("/"):
        case [_, _, channel, ts]:
            told = await _told(web, channel, ts)
        case _:
            return []
    others = [(name, user) for name, user in told if wanted(name) and user != me]
    # Those who are known first, since they need no look-up.
    others.sort(key=lambda each: people.known(each[1], stale=True) is None)
    found: list[tuple[str, Actor]] = []
    for name, user in others[:PEOPLE]:
        with suppress(Gone):
            found.append((name, people.known(user, stale=True) or await people.find(user, spare=True)))
    return found


async def _told(web: AsyncWebClient, channel: str, ts: str) -> list[tuple[str, str]]:
    """Return all reactions on a message, as emoji and user."""
    try:
        with translated():
            # Without `full`, Slack may leave some of the users out.
            answer = await web.reactions_get(channel=channel, timestamp=ts, full=True)
    except SlackApiError as error:
        raise Gone(why(error)) from error
    told = [
        each for message in objects([answer.get("message")]) for each in objects(message.get("reactions"))
    ]
    listed = [(string(each.get("name")).partition("::")[0], each.get("users")) for each in told]
    return [
        *dict.fromkeys(
            (name, string(user)) for name, users in listed if isinstance(users, list) for user in users
        )
    ]
