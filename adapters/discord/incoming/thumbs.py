"""Reactions on answers that mean a button, or what somebody thinks of the answer.

Most such reactions are about messages that are none of ours; Discord tells of a new one whose message it is,
and of the others the inbox says whether it owns the message.
"""

from __future__ import annotations

from collections import OrderedDict

from adapters.discord.incoming.fields import Json, inner, snowflake, string
from adapters.discord.incoming.people import People
from adapters.discord.incoming.places import Places
from bot.events import CONTINUE, RETRY
from bot.platform import Inbox, Press, Rating

#: What makes an emoji look another way, and nothing else: U+FE0F and the skin tones.
LOOKS = dict.fromkeys([0xFE0F, *range(0x1F3FB, 0x1F400)])
#: The emojis of the buttons, and the thumbs: whether they are good.
BUTTONS = {"🔁": RETRY.name, "🔄": RETRY.name, "▶": CONTINUE.name}
THUMBS = {"👍": True, "👎": False}
#: Seconds in which a reaction that was not taken away meanwhile is the same one, told again after a
#: reconnection; and how many are remembered.
SAME, REMEMBERED = 60.0, 1_000


def plain(emoji: Json) -> str:
    """Return *emoji* in its plainest look; "" for a server's own one."""
    return "" if emoji.get("id") else string(emoji.get("name"))[:20].translate(LOOKS)


class Thumbs:
    """Takes the reactions that are no stops.

    Args:
        people: Says who reacted.
        places: Says where.
    """

    def __init__(self, people: People, places: Places) -> None:
        self._people = people
        self._places = places
        self._pressed: OrderedDict[tuple[str, int, str], float] = OrderedDict()

    async def take(self, inbox: Inbox, me: int, told: Json, now: float, *, on: bool) -> None:
        """Give a reaction that was added or removed to *inbox*, if it means something on an answer of ours.

        Args:
            inbox: Who is told.
            me: The bot's user.
            told: The event.
            now: The event loop's time.
            on: Whether the reaction was added.
        """
        name = plain(inner(told, "emoji"))
        channel, message = snowflake(told.get("channel_id")), snowflake(told.get("message_id"))
        who = self._people.reacting(told)
        if name not in THUMBS and name not in BUTTONS:
            return
        ours = snowflake(told.get("message_author_id")) in {0, me}
        if not (channel and message and ours) or snowflake(who.id) in {0, me}:
            return
        key = f"discord/{channel}/{message}"
        if name in BUTTONS and not self._is_press((key, snowflake(who.id), name), now, on=on):
            return
        if not await inbox.owns(key, who.id):
            return
        where = await self._places.find(channel, snowflake(told.get("guild_id")))
        if name in BUTTONS:
            await inbox.press(Press(key, BUTTONS[name], who, where))
        else:
            await inbox.rated(Rating(key, who, where, good=THUMBS[name], on=on))

    def _is_press(self, reaction: tuple[str, int, str], now: float, *, on: bool) -> bool:
        """Tell whether a *reaction* on a message, by somebody, presses a button now."""
        before = self._pressed.pop(reaction, float("-inf"))
        if not on:
            return False
        self._pressed[reaction] = now
        if len(self._pressed) > REMEMBERED:
            self._pressed.popitem(last=False)
        return now - before >= SAME
