"""An interaction, as far as the bot has to know it, from Discord's JSON.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.discord.incoming.fields import Json, entries, inner, snowflake, string, whole
from adapters.discord.outgoing.commands import SUB_COMMAND

#: Types of interactions (interactions/receiving-and-responding.mdx).
COMMAND, PRESS, SUBMIT = 2, 3, 5
#: Characters of what people have typed.
TYPED = 6_000
#: Components below components.
DEEPEST = 4


@dataclass(frozen=True, slots=True)
class Given:
    """One interaction.

    Attributes:
        id: The interaction's.
        application: Whose it is.
        kind: Its type.
        token: What it is answered with; must be in no log.
        channel: Where; `room` is all that is told of it.
        guild: In which guild; 0 in direct messages.
        user: Who.
        member: Who that is in the guild.
        name: The command's name, or the custom id of a button or a modal.
        typed: What was typed behind a command, or into a modal.
        message: What a button is under, or what a context menu was opened on.
        rights: What the bot may do there, as bits; None where that is not told.
    """

    id: int
    application: int
    kind: int
    token: str = field(repr=False)
    channel: int
    guild: int
    room: Json
    user: Json
    member: Json
    name: str
    typed: str
    message: Json
    rights: int | None

    @classmethod
    def of(cls, raw: object) -> Given | None:
        """Return the interaction that *raw* is; None if nobody could tell whose it is, or answer it."""
        told = inner(raw)
        data, member = inner(told, "data"), inner(told, "member")
        kind, token = whole(told.get("type")), string(told.get("token"))[:1000]
        ids = [snowflake(told.get(each)) for each in ("id", "application_id", "channel_id")]
        user = inner(member, "user") or inner(told, "user")
        if not all(ids) or not snowflake(user.get("id")) or not token or kind not in {COMMAND, PRESS, SUBMIT}:
            return None
        target = inner(data, "resolved", "messages", string(data.get("target_id")))
        return cls(
            id=ids[0],
            application=ids[1],
            kind=kind,
            token=token,
            channel=ids[2],
            guild=snowflake(told.get("guild_id")),
            room=inner(told, "channel"),
            user=user,
            member=member,
            name=string(data.get("name" if kind == COMMAND else "custom_id"))[:100],
            typed=_typed(data),
            message=target if kind == COMMAND else inner(told, "message"),
            rights=_bits(told.get("app_permissions")),
        )


def _typed(data: Json) -> str:
    return " ".join(_options(data.get("options"), DEEPEST)) or _field(data.get("components"), DEEPEST)


def _options(found: object, levels: int) -> list[str]:
    """Return the names of subcommands and the values, in their order."""
    said: list[str] = []
    for each in entries(found) if levels else ():
        if each.get("type") == SUB_COMMAND:
            said += [string(each.get("name"))[:100], *_options(each.get("options"), levels - 1)]
        else:
            said.append(string(each.get("value"))[:TYPED])
    return said


def _field(found: object, levels: int) -> str:
    """Return what was typed into the first field of a modal."""
    for each in entries(found) if levels else ():
        if typed := string(each.get("value")):
            return typed[:TYPED]
        below = [*entries(each.get("components")), inner(each, "component")]
        if typed := _field(below, levels - 1):
            return typed
    return ""


def _bits(found: object) -> int | None:
    text = string(found)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 40 else None
