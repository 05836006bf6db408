"""Guilds of a plausible size: categories, text and voice channels with overwrites, roles, emojis, threads.

Pure: what a guild has follows from its arguments and the ids that it is given.  Shapes are those of
resources/channel.mdx, resources/emoji.mdx and topics/permissions.mdx.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

from adapters.emulators.discord import shapes
from adapters.emulators.discord.shapes import Json

VOICE, CATEGORY = 2, 4
#: Of so many channels one is a category, and one can be heard in.
SECTION, HEARD = 7, 5
#: Roles that a channel has overwrites for, and emojis of a guild.
OVERWRITES, EMOJIS = 2, 30
#: What @everyone may not see in a channel of a few; View Channels (topics/permissions.mdx).
VIEW = str(1 << 10)


def roles(count: int, new_id: Callable[[], str]) -> list[Json]:
    """Return *count* roles that people hold."""
    return [
        {
            **shapes.role(new_id(), f"members of team {number}", permissions=shapes.EVERYONE),
            "position": number + 2,
            "color": 0x3498DB + number,
            "hoist": not number % 4,
        }
        for number in range(count)
    ]


def channels(guild: str, count: int, roles_: list[Json], new_id: Callable[[], str]) -> list[Json]:
    """Return *count* channels of *guild*, sorted into categories."""
    found: list[Json] = []
    parent, holders = None, cycle(roles_)
    for number in range(count):
        kind = CATEGORY if not number % SECTION else VOICE if not number % HEARD else shapes.TEXT
        channel = shapes.text_channel(new_id(), guild, f"{number}-what-we-talk-about", kind)
        ruled = [next(holders)["id"] for _ in range(OVERWRITES)] if roles_ else []
        channel |= {
            "position": number,
            "parent_id": None if kind == CATEGORY else parent,
            "permission_overwrites": [
                {"id": guild, "type": 0, "allow": "0", "deny": VIEW},
                *({"id": each, "type": 0, "allow": VIEW, "deny": "0"} for each in ruled),
            ],
        }
        if kind == CATEGORY:
            parent = channel["id"]
        else:
            channel["last_message_id"] = new_id()
        if kind == VOICE:
            channel |= {"bitrate": 64_000, "user_limit": 0, "rtc_region": None}
        if kind == shapes.TEXT:
            channel["topic"] = f"All that team {number} wants to know, and whom to ask. Be kind."
        found.append(channel)
    return found


def threads(count: int, above: list[Json], new_id: Callable[[], str]) -> list[Json]:
    """Return *count* threads that are open below the text channels of *above*, with the bot in them."""
    below = cycle([each for each in above if each["type"] == shapes.TEXT])
    found = [
        shapes.thread(new_id(), next(below), f"how do we do that, part {number}?", shapes.BOT)
        for number in range(count)
    ]
    own = {"join_timestamp": shapes.JOINED, "flags": 0, "muted": False, "mute_config": None}
    return [{**each, "member": {"id": each["id"], "user_id": shapes.BOT, **own}} for each in found]


def emojis(new_id: Callable[[], str]) -> list[Json]:
    """Return a guild's own emojis."""
    same = {"roles": [], "require_colons": True, "managed": False, "animated": False, "available": True}
    return [{"id": new_id(), "name": f"emoji_{number}", **same} for number in range(EMOJIS)]
