"""What a message says: all that people see of it, from Discord's JSON, whatever is in that.  Pure.

This one function reads questions, history and edits, and tells whether there is anything to answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from adapters.discord.incoming.fields import Json, entries, inner, snowflake, string, whole
from adapters.discord.incoming.markup import Names, named
from bot.events import File
from bot.platform import unread

#: Characters of one text in a message (an embed's description has 4,096), and of all that one says.
PIECE, WHOLE = 5_000, 30_000
#: Components below components; Discord allows three levels.
DEEPEST = 6
#: `message_reference.type` of a forward, and the flag of a voice message (resources/message.mdx).
FORWARD, VOICE = 1, 1 << 13
#: Embeds that say what their author wrote; the others are previews of pages that a link leads to.
OWN_EMBEDS = {"rich", "poll_result", ""}


def says(message: Json, names: Names) -> str:
    """Return what *message* says, without mentions that only call the bot."""
    known = replace(names, users=people(message) | names.users)
    return _capped(_parts(message, known, calls=True)).strip()


def files(message: Json) -> tuple[File, ...]:
    """Return the files that came with *message*, also with what it forwards."""
    found = [*entries(message.get("attachments"))]
    for snapshot in _snapshots(message):
        found += entries(snapshot.get("attachments"))
    voice = bool(whole(message.get("flags")) & VOICE)
    where = f"{snowflake(message.get('channel_id'))} {snowflake(message.get('id'))}"
    return tuple(_file(each, where, voice=voice) for each in found)


def people(message: Json) -> dict[int, str]:
    """Return the names of those whom *message* mentions, and of who wrote it, by their ids."""
    found = {snowflake(each.get("id")): name_of(each, inner(each, "member")) for each in _mentioned(message)}
    author = inner(message, "author")
    return {**found, snowflake(author.get("id")): name_of(author, inner(message, "member"))}


def name_of(user: Json, member: Json) -> str:
    """Return what *user* is called: the nickname, the display name or the user name."""
    names = (member.get("nick"), user.get("global_name"), user.get("username"))
    return next((name[:100] for each in names if (name := string(each).strip())), "")


def _mentioned(message: Json) -> list[Json]:
    inside = [each for snapshot in _snapshots(message) for each in entries(snapshot.get("mentions"))]
    return [*entries(message.get("mentions")), *inside]


def _snapshots(message: Json) -> list[Json]:
    return [inner(each, "message") for each in entries(message.get("message_snapshots"))]


def _capped(parts: Iterator[str]) -> str:
    """Return *parts*, a paragraph or line each, until they are too many."""
    text = ""
    for part in parts:
        if part.strip():
            text = f"{text}\n{part}" if text else part
        if len(text) > WHOLE:
            return f"{text[:WHOLE]}…"
    return text


def _parts(message: Json, names: Names, *, calls: bool) -> Iterator[str]:
    """Yield what *message* says, its parts in the order in which they are shown."""
    yield _text(message.get("content"), names, calls=calls)
    for snapshot in _snapshots(message):
        if text := _capped(_parts(snapshot, names, calls=False)):
            yield _quoted(f"Forwarded:\n{text}")
    if command := _text(inner(message, "interaction_metadata").get("name"), names):
        yield f"(Answers the command /{command})"
    if poll := inner(message, "poll"):
        yield from _poll(poll, names)
    for embed in entries(message.get("embeds")):
        text = _capped(_embed(embed, names))
        yield text if string(embed.get("type")) in OWN_EMBEDS else _quoted(text)
    yield from _components(message.get("components"), names, DEEPEST)
    for sticker in entries(message.get("sticker_items")):
        yield f"(Sticker: {_text(sticker.get('name'), names) or 'without a name'})"


def _text(found: object, names: Names, *, calls: bool = False) -> str:
    return named(string(found)[:PIECE], names, calls=calls).strip()


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.split("\n")) if text else ""


def _poll(poll: Json, names: Names) -> Iterator[str]:
    """Yield a poll's question, and its answers with the votes that are counted."""
    yield f"Poll: {_text(inner(poll, 'question').get('text'), names)}"
    counts = entries(inner(poll, "results").get("answer_counts"))
    votes = {whole(each.get("id")): whole(each.get("count")) for each in counts}
    for answer in entries(poll.get("answers")):
        media = inner(answer, "poll_media")
        text = _text(media.get("text"), names) or string(inner(media, "emoji").get("name"))[:100]
        number = whole(answer.get("answer_id"))
        yield f"- {text}" + (f" ({votes[number]} votes)" if number in votes else "")


def _embed(embed: Json, names: Names) -> Iterator[str]:
    """Yield an embed from top to bottom; a preview of a picture says only where it is from."""
    yield _text(inner(embed, "author").get("name"), names)
    title, url = _text(embed.get("title"), names), string(embed.get("url"))[:500]
    yield f"{title} ({url})" if title and url else title
    yield _text(embed.get("description"), names)
    for field in entries(embed.get("fields")):
        name, value = _text(field.get("name"), names), _text(field.get("value"), names)
        yield f"{name.replace('_', ' ')}: {value}" if name and value else name or value
    if inner(embed, "image"):
        yield "(A picture, not seen)"
    yield _text(inner(embed, "footer").get("text"), names)


def _components(found: object, names: Names, levels: int) -> Iterator[str]:
    """Yield the words of components: texts, the names of files and pictures, what buttons say."""
    for each in entries(found) if levels else ():
        if string(each.get("custom_id")).startswith("rivulet:"):
            continue
        label = _text(each.get("label"), names) or _text(each.get("placeholder"), names)
        yield _text(each.get("content"), names)
        yield f"[{label}]" if label else ""
        yield _text(each.get("description"), names)
        for item in entries(each.get("items")):
            yield _text(item.get("description"), names) or "(A picture, not seen)"
        if inner(each, "file"):
            yield unread([string(each.get("name"))])
        yield from _components(each.get("components"), names, levels - 1)
        yield from _components([each.get("accessory")], names, levels - 1)


def _file(found: Json, where: str, *, voice: bool) -> File:
    name = string(found.get("title")) or string(found.get("filename"))
    seconds = found.get("duration_secs")
    if voice and isinstance(seconds, int | float) and 0 <= seconds < 1e6:
        name = f"a voice message of {seconds:.0f} s"
    id_, address = snowflake(found.get("id")), string(found.get("url"))
    key = f"{where} {id_} {address}" if id_ and address else ""
    return File(name[:200], string(found.get("content_type"))[:100], whole(found.get("size")), key)
