"""The wire shapes of Discord's API v10: users, members, guilds, channels, threads.

Every key recorded from real traffic is here, with a neutral value.  Pure: a shape must never
depend on what happened, only on its arguments.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

Json = dict[str, Any]

#: The one application and its bot user; Discord gives both the same id.
BOT = "999"
OWNER = "1"
GUILD = "100"
ROLE = "101"
CHANNEL = "200"

TEXT, DM, NEWS, NEWS_THREAD, THREAD = 0, 1, 5, 10, 11
#: Where threads can be opened, and what they then are (resources/channel.mdx, Start Thread from Message).
THREAD_BELOW = {TEXT: THREAD, NEWS: NEWS_THREAD}
THREADS = frozenset(THREAD_BELOW.values())
DEFAULT, THREAD_CREATED, REPLY, CHAT_INPUT, THREAD_STARTER, CONTEXT_MENU = 0, 18, 19, 20, 21, 23

#: GATEWAY_MESSAGE_CONTENT_LIMITED: what a bot in fewer than 100 guilds has (resources/application.mdx).
CONTENT_FLAG = 1 << 19
#: As recorded for a member with every permission.
EVERYTHING = "9007199254740991"
#: As recorded of a guild's @everyone; and of the bot's own role: all, but that it is no administrator
#: (topics/permissions.mdx).
EVERYONE = "2248473465835073"
BOTS = str(int(EVERYTHING) & ~(1 << 3))
JOINED = "2026-01-04T20:21:10.139000+00:00"


def now() -> str:
    """Return the time as Discord writes it."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")


def user(id_: str, name: str, *, bot: bool = False) -> Json:
    """Return a user as in a message's author; people carry no "bot" key there."""
    shape: Json = {
        "id": id_,
        "username": name,
        "discriminator": "6184" if bot else "0",
        "global_name": None if bot else name.capitalize(),
        "avatar": None,
        "avatar_decoration_data": None,
        "clan": None,
        "collectibles": None,
        "display_name_styles": None,
        "primary_guild": None,
        "public_flags": 1 << 19 if bot else 0,
    }
    return {**shape, "bot": True} if bot else shape


def member(roles: list[str]) -> Json:
    """Return a guild member without its user, as in MESSAGE_CREATE."""
    return {
        "roles": roles,
        "premium_since": None,
        "pending": False,
        "nick": None,
        "mute": False,
        "joined_at": JOINED,
        "flags": 0,
        "deaf": False,
        "communication_disabled_until": None,
        "banner": None,
        "avatar": None,
    }


def acting_member(person: Json, roles: list[str]) -> Json:
    """Return the member who pressed a button, as in INTERACTION_CREATE."""
    return {
        **member(roles),
        "collectibles": None,
        "display_name_styles": None,
        "permissions": EVERYTHING,
        "unusual_dm_activity_until": None,
        "user": person,
    }


def reacting_member(person: Json, roles: list[str]) -> Json:
    """Return the member who reacted, as in MESSAGE_REACTION_ADD."""
    name = person["global_name"] or person["username"]
    return {**member(roles), "user": {"bot": False, **person, "display_name": name}}


def role(id_: str, name: str, *, managed_by: str = "", permissions: str) -> Json:
    """Return a role with *permissions*; a bot's own one says so in its tags."""
    shape: Json = {
        "id": id_,
        "name": name,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "icon": None,
        "unicode_emoji": None,
        "position": 1 if managed_by else 0,
        "permissions": permissions,
        "managed": bool(managed_by),
        "mentionable": False,
        "flags": 0,
    }
    return {**shape, "tags": {"bot_id": managed_by}} if managed_by else shape


def text_channel(id_: str, guild: str, name: str, kind: int = TEXT) -> Json:
    """Return a guild's channel: a text channel, or one of another *kind* with text in it."""
    return {
        "id": id_,
        "type": kind,
        "guild_id": guild,
        "name": name,
        "position": 0,
        "permission_overwrites": [],
        "nsfw": False,
        "parent_id": None,
        "topic": None,
        "last_message_id": None,
        "rate_limit_per_user": 0,
        "flags": 0,
    }


def dm_channel(id_: str, recipient: Json) -> Json:
    """Return a direct-message channel with *recipient*."""
    return {"id": id_, "type": DM, "last_message_id": None, "flags": 0, "recipients": [recipient]}


def thread(id_: str, parent: Json, name: str, owner: str) -> Json:
    """Return a fresh public thread below the channel *parent*."""
    created = now()
    return {
        "id": id_,
        "type": THREAD_BELOW[parent["type"]],
        "guild_id": parent["guild_id"],
        "parent_id": parent["id"],
        "owner_id": owner,
        "name": name,
        "last_message_id": None,
        "message_count": 0,
        "member_count": 1,
        "total_message_sent": 0,
        "rate_limit_per_user": 0,
        "flags": 0,
        "thread_metadata": {
            "archived": False,
            "archive_timestamp": created,
            "auto_archive_duration": 1440,
            "create_timestamp": created,
            "locked": False,
        },
    }


def partial_guild(guild: Json, permissions: int) -> Json:
    """Return a guild as in the list of one's own (resources/user.mdx, Get Current User Guilds)."""
    same = {key: guild.get(key) for key in ("id", "name", "icon", "banner")}
    features = guild.get("features") or []
    return {**same, "owner": False, "permissions": str(permissions), "features": features}


def guild(id_: str, name: str, roles: list[Json]) -> Json:
    """Return what does not change about a guild."""
    return {
        "id": id_,
        "name": name,
        "icon": None,
        "owner_id": OWNER,
        "unavailable": False,
        "afk_channel_id": None,
        "afk_timeout": 300,
        "application_id": None,
        "banner": None,
        "default_message_notifications": 0,
        "description": None,
        "discovery_splash": None,
        "emojis": [],
        "explicit_content_filter": 0,
        "features": [],
        "max_members": 500000,
        "mfa_level": 0,
        "nsfw": False,
        "nsfw_level": 0,
        "preferred_locale": "en-US",
        "premium_progress_bar_enabled": False,
        "premium_subscription_count": 0,
        "premium_tier": 0,
        "public_updates_channel_id": None,
        "roles": roles,
        "rules_channel_id": None,
        "splash": None,
        "stickers": [],
        "system_channel_flags": 0,
        "system_channel_id": None,
        "vanity_url_code": None,
        "verification_level": 0,
    }


def guild_create(base: Json, channels: list[Json], threads: list[Json], members: list[Json]) -> Json:
    """Return what GUILD_CREATE adds to a guild; channels come without their guild_id."""
    return {
        **base,
        "joined_at": JOINED,
        "large": False,
        "member_count": len(members),
        "members": members,
        "channels": [{k: v for k, v in each.items() if k != "guild_id"} for each in channels],
        "threads": threads,
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def application(owner: Json, flags: int) -> Json:
    """Return the bot's application, as its owner's token would see it."""
    return {
        "id": BOT,
        "name": "rivulet",
        "icon": None,
        "description": "",
        "summary": "",
        "type": None,
        "bot_public": True,
        "bot_require_code_grant": False,
        "owner": owner,
        "team": None,
        "verify_key": "0" * 64,
        "flags": flags,
        "tags": [],
        "rpc_origins": [],
        "integration_types_config": {"0": {}},
    }


def interaction(id_: str, kind: int, token: str, data: Json, guild: str) -> Json:
    """Return what INTERACTION_CREATE tells, but for who acts, and where; *guild* is "" in direct messages."""
    shape: Json = {
        "id": id_,
        "application_id": BOT,
        "type": kind,
        "version": 1,
        "token": token,
        "data": data,
        "locale": "en-US",
        "attachment_size_limit": 10485760,
        "authorizing_integration_owners": {"0": guild or "0"},
        "context": 0 if guild else 1,
        "entitlement_sku_ids": [],
        "entitlements": [],
    }
    if not guild:
        return shape
    place = {"id": guild, "features": [], "locale": "en-US"}
    return {**shape, "guild": place, "guild_id": guild, "guild_locale": "en-US"}


def attachment(id_: str, name: str, kind: str, size: int, url: str) -> Json:
    """Return a file of a message."""
    return {
        "id": id_,
        "filename": name,
        "size": size,
        "url": url,
        "proxy_url": url,
        "content_type": kind,
        "content_scan_version": 0,
    }


def reaction(emoji: str, count: int, *, me: bool) -> Json:
    """Return how often an emoji stands below a message."""
    return {
        "emoji": {"id": None, "name": emoji},
        "count": count,
        "count_details": {"burst": 0, "normal": count},
        "burst_colors": [],
        "burst_count": 0,
        "burst_me": False,
        "me": me,
        "me_burst": False,
    }


def embed(given: Json, id_: str) -> Json:
    """Return an embed as it is stored: typed, numbered, its fields' defaults filled in."""
    fields = [{"inline": False, **field} for field in given.get("fields", [])]
    stored = {"type": "rich", **given, "id": id_, "content_scan_version": 0}
    return {**stored, "fields": fields} if fields else stored


def numbered(components: list[Json]) -> list[Json]:
    """Return *components* with the ids Discord gives them: from 1, parents first."""
    taken = {each["id"] for each in _every(components) if each.get("id")}
    free = (number for number in range(1, 1000) if number not in taken)

    def number(each: Json) -> Json:
        named = {**each, "id": each.get("id") or next(free)}
        if "components" in each:
            named["components"] = [number(child) for child in each["components"]]
        return named

    return [number(each) for each in components]


def _every(components: list[Json]) -> list[Json]:
    found = []
    for each in components:
        found += [each, *_every(each.get("components", []))]
    return found
