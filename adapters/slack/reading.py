"""What a message says: text, blocks, attachments, forwards and the names of files, as markdown.  Pure.

The one place that reads a message of others, for questions, history, edits, and whether there is anything to
answer.  Ids become names: those that the message itself has, and those that were looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.slack.blocks import attached, drawn, objects, plain, string
from adapters.slack.text import Json, typed
from bot.events import File
from bot.text.words import wordy

#: Ids of one message that are looked up; the others stay ids.
LOOKED_UP = 30
#: A user, a channel or a group in Slack's notation, with or without its name.
TOKEN = re.compile(r"<([@#]|!subteam\^)([A-Z0-9]{1,40})(?:\|([^<>]*))?>")
_SPECIAL = re.compile(r"<!(here|channel|everyone|group)(?:\|[^<>]*)?>")
_DATE = re.compile(r"<!date\^(-?\d{1,12})\^([^<>|]*)(?:\|([^<>]*))?>")
#: Code, of which nothing is read: blocks, then spans.
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)
#: A quotation: one line, or all from ">>>" on.
_QUOTE = re.compile(r"^[ \t]*&gt;&gt;&gt;.*\Z|^[ \t]*&gt;[^\n]*", re.DOTALL | re.MULTILINE)
#: The id of the first block of a question that the bot has posted in somebody's name.
ASKED = "asked_by."
_ASKED = re.compile(rf"{re.escape(ASKED)}([A-Z0-9]{{1,40}})")


def attributed(message: Json, me: str) -> Json:
    """Return *message*; if the bot *me* has posted it in somebody's name, as that person's."""
    blocks = objects(message.get("blocks")) if message.get("user") == me else []
    found = _ASKED.fullmatch(string(blocks[0].get("block_id"))) if blocks else None
    if found is None:
        return message
    kept: Json = {
        name: message[name] for name in ("ts", "thread_ts", "reply_count", "type") if name in message
    }
    return {**kept, "user": found[1], "blocks": blocks[1:]}


@dataclass(frozen=True, slots=True)
class Message:
    """What one message says, before ids have names.

    Attributes:
        own: What its writer wrote, in Slack's notation.
        more: What is attached or forwarded, quoted.
        files: What came with it, and with what it forwards.
        labels: Names that the message itself has for ids.
        brings: Whether a file came with it.
    """

    own: str
    more: str
    files: tuple[File, ...]
    labels: Mapping[str, str]
    brings: bool

    @classmethod
    def of(cls, message: Json) -> Message:
        """Read *message*, of any shape."""
        text = string(message.get("text"))
        own = drawn(message.get("blocks")) or text
        more = attached(message.get("attachments"))
        labels = {found[2]: found[3] for found in TOKEN.finditer(f"{text}\n{own}\n{more}") if found[3]}
        brought = any(map(_there, objects(message.get("files"))))
        return cls(own, more, tuple(_files(message)), labels, brought)

    def ids(self) -> list[tuple[str, str]]:
        """Return the ids that need a name, each with its kind: "@", "#" or "!subteam^"."""
        found = ((each[1], each[2]) for each in TOKEN.finditer(f"{self.own}\n{self.more}"))
        return [each for each in dict.fromkeys(found) if each[1] not in self.labels][:LOOKED_UP]

    def addresses(self, me: str) -> bool:
        """Tell whether the writer calls the bot *me*, and not in code or in a quotation."""
        return re.search(rf"<@{re.escape(me)}(\|[^<>]*)?>", _unquoted(self.own)) is not None

    def calls_nobody(self) -> bool:
        """Tell whether it has words or a file, and calls no person and no group but in code or a quote."""
        text = _unquoted(self.own)
        called = any(found[1] != "#" for found in TOKEN.finditer(text)) or _SPECIAL.search(text)
        return not called and (self.brings or wordy(TOKEN.sub(" ", self.own)))

    def says(self, names: Mapping[str, str], me: str = "") -> str:
        """Return all of it as markdown, with *names* for ids; a question is without the call of *me*."""
        known = {**names, **self.labels}
        own = _uncalled(self.own, me) if me else self.own
        parts = [_named(own, known), _named(self.more, known)]
        return "\n\n".join(filter(None, (part.strip() for part in parts)))


def _files(message: Json) -> Iterator[File]:
    """Yield the files of *message*, and of what it forwards."""
    found: list[Json] = objects(message.get("files"))
    for each in objects(message.get("attachments")):
        found += objects(each.get("files"))
        for part in objects(each.get("message_blocks")):
            inner = part.get("message")
            found += objects(inner.get("files")) if isinstance(inner, dict) else []
    for file in found:
        if _there(file):
            name = string(file.get("name")) or string(file.get("title"))
            size = file.get("size")
            known = size if isinstance(size, int) and size > 0 else 0
            yield File(name[:200], string(file.get("mimetype"))[:100], known, _key(file))


def _there(file: Json) -> bool:
    """Tell whether *file* was not deleted."""
    return string(file.get("mode")) != "tombstone"


def _key(file: Json) -> str:
    """Return how *file* is fetched; "" where it can't be: it is kept elsewhere, or hidden by Slack's plan."""
    address = string(file.get("url_private_download")) or string(file.get("url_private"))
    elsewhere = file.get("is_external") is True or string(file.get("mode")) in {"external", "hidden_by_limit"}
    if elsewhere or not (address or file.get("file_access") == "check_file_info"):
        return ""
    return f"{string(file.get('id'))} {address}"


def _unquoted(text: str) -> str:
    """Return *text* without code and quotations."""
    return _QUOTE.sub(" ", _CODE.sub(" ", text))


def _uncalled(text: str, me: str) -> str:
    """Return *text* without calls of *me* at its beginning and end; elsewhere they are a part of it."""
    call = rf"(?:<@{re.escape(me)}(?:\|[^<>]*)?>[ \t,:]*)+"
    text = re.sub(rf"\A\s*{call}", "", text)
    return re.sub(rf"[ \t]*{call}\s*\Z", "", text) if not _CODE.search(text.rpartition("\n")[2]) else text


def _named(text: str, names: Mapping[str, str]) -> str:
    """Return *text*, in Slack's notation, as markdown with *names* for ids."""
    text = TOKEN.sub(lambda found: _name(found[1], found[2], names), text)
    text = _SPECIAL.sub(lambda found: f"@{found[1]}", text)
    text = _DATE.sub(lambda found: found[3] or _moment(found[1]), text)
    return typed(text)


def _name(kind: str, id_: str, names: Mapping[str, str]) -> str:
    name = plain(names.get(id_, "") or id_).lstrip("@#")
    return f"#{name}" if kind == "#" else f"@{name}"


def _moment(seconds: str) -> str:
    """Return a date of Slack's notation, in seconds since 1970, for people."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return seconds


def unnamed(messages: Iterable[Message]) -> list[tuple[str, str]]:
    """Return the ids of *messages* that need a name, each once."""
    return list(dict.fromkeys(each for message in messages for each in message.ids()))
