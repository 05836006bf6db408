"""What a message says: text, embeds, polls, forwards, components and the names of files, as markdown.  Pure.

The one place that reads a message of others, for questions, history, edits, and whether there is anything to
answer.  Ids become names where discord.py knows them; nothing is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import discord

from bot.events import File
from bot.platform import unread

#: Types of messages that people and bots write; the others are Discord's own, such as "a thread was started".
SPOKEN = {
    discord.MessageType.default,
    discord.MessageType.reply,
    discord.MessageType.chat_input_command,
    discord.MessageType.context_menu_command,
}
#: Code, of which nothing is read: blocks, then spans.
_CODE = re.compile(r"```.*?(?:```|\Z)|(`+)[^`].*?(?<!`)\1(?!`)", re.DOTALL)
#: A quotation: one line, or all from ">>>" on.
_QUOTE = re.compile(r"^[ \t]*>>> .*\Z|^[ \t]*> [^\n]*", re.DOTALL | re.MULTILINE)
_USER, _ROLE, _CHANNEL = re.compile(r"<@!?(\d+)>"), re.compile(r"<@&(\d+)>"), re.compile(r"<#(\d+)>")
_EMOJI = re.compile(r"<a?:(\w{1,40}):\d+>")
_COMMAND = re.compile(r"</([^:<>\n]{1,100}):\d+>")
_TIME = re.compile(r"<t:(-?\d{1,13})(?::[a-zA-Z])?>")
#: How deep components may be within each other.
_DEEPEST = 5

#: A message, or what is forwarded of one.
Spoken = discord.Message | discord.MessageSnapshot


def says(message: discord.Message, me: int = 0) -> str:
    """Return all that *message* says; a question is without the calls of the bot *me* at its ends."""
    own = _uncalled(message, me) if me else message.content
    parts = [_named(own, message), *_more(message), *map(_forwarded, message.message_snapshots)]
    parts.append(unread([file.name for file in files(message)]))
    return "\n\n".join(filter(None, (part.strip() for part in parts)))


def files(message: discord.Message) -> tuple[File, ...]:
    """Return what came with *message*, and with what it forwards; nobody has read it."""
    spoken: list[Spoken] = [message, *message.message_snapshots]
    found = [each for one in spoken for each in one.attachments]
    return tuple(File(each.filename[:200], each.content_type or "", each.size) for each in found)


def calls(message: discord.Message, me: int) -> bool:
    """Tell whether *message* calls the bot *me*, or its own role, and not in code or in a quotation."""
    text = _QUOTE.sub(" ", _CODE.sub(" ", message.content))
    role = message.guild.self_role if message.guild else None
    return bool(_call(me, role).search(text))


def answers(message: discord.Message, me: int) -> bool:
    """Tell whether *message* is a reply to one of the bot *me*, with a ping or without."""
    reference = message.reference
    if reference is None or reference.type is not discord.MessageReferenceType.reply:
        return False
    return isinstance(reference.resolved, discord.Message) and reference.resolved.author.id == me


def _call(me: int, role: discord.Role | None) -> re.Pattern[str]:
    return re.compile(rf"<@!?{me}>" + (rf"|<@&{role.id}>" if role else ""))


def _uncalled(message: discord.Message, me: int) -> str:
    """Return the text of *message* without calls of the bot at its ends; elsewhere they are a part of it."""
    role = message.guild.self_role if message.guild else None
    call = rf"(?:(?:{_call(me, role).pattern})[ \t,:]*)+"
    text = re.sub(rf"\A\s*{call}", "", message.content)
    last = text.rpartition("\n")[2]
    return text if _CODE.search(last) else re.sub(rf"[ \t]*{call}\s*\Z", "", text)


def _named(text: str, message: discord.Message) -> str:
    """Return *text* of *message* with names for ids, where Discord has told them."""
    guild = message.guild
    people = {user.id: user.display_name for user in message.mentions}
    me = guild.me if guild else None
    if me is not None:
        people.setdefault(me.id, me.display_name)

    def user(found: re.Match[str]) -> str:
        return f"@{people.get(int(found[1]), found[1])}"

    def role(found: re.Match[str]) -> str:
        known = guild.get_role(int(found[1])) if guild else None
        return f"@{known.name if known else found[1]}"

    def channel(found: re.Match[str]) -> str:
        known = guild.get_channel_or_thread(int(found[1])) if guild else None
        return f"#{known.name if known else found[1]}"

    for pattern, name in ((_USER, user), (_ROLE, role), (_CHANNEL, channel)):
        text = pattern.sub(name, text)
    return _plain(text)


def _plain(text: str) -> str:
    """Return *text* with names for what has one in itself: emoji, commands, times."""
    text = _EMOJI.sub(r":\1:", text)
    text = _COMMAND.sub(r"/\1", text)
    return _TIME.sub(lambda found: _moment(found[1]), text)


def _moment(seconds: str) -> str:
    try:
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return seconds


def _more(spoken: Spoken) -> Iterator[str]:
    """Yield what a message says beside its text."""
    yield from map(_plain, _told(spoken.components, 0))
    yield from (_quoted(_plain(_embed(each))) for each in spoken.embeds)
    if isinstance(spoken, discord.Message) and spoken.poll:
        yield _poll(spoken.poll)
    yield from (f"(Sticker: {each.name})" for each in spoken.stickers)


def _forwarded(snapshot: discord.MessageSnapshot) -> str:
    parts = ["Forwarded:", _plain(snapshot.content), *_more(snapshot)]
    return _quoted("\n".join(filter(None, parts)))


def _told(components: Iterable[Any], depth: int) -> Iterator[str]:
    """Yield the texts of *components*, and of those within them."""
    for each in components if depth < _DEEPEST else ():
        content = getattr(each, "content", None)
        if isinstance(content, str) and content:
            yield content
        yield from _told(getattr(each, "children", ()), depth + 1)


def _embed(embed: discord.Embed) -> str:
    fields = (f"{field.name}: {field.value}" for field in embed.fields)
    parts = (embed.author.name, embed.title, embed.description, *fields, embed.footer.text)
    return "\n".join(part for part in parts if part)


def _poll(poll: discord.Poll) -> str:
    lines = [
        f"- {answer.text}" + f" ({answer.vote_count})" * bool(answer.vote_count) for answer in poll.answers
    ]
    return "\n".join([f"Poll: {poll.question}", *lines])


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n")) if text else ""
