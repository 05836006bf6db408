"""Discord's markup as its client reads it: which links a reader can click, and what would be a mention.

Pure, and after the client's own rules as LyricLy/parse-discord found them: what comes first in the text
wins, whatever is below it.  Who is told of a mention is `reading`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from adapters.emulators.discord.reading import CODE

#: An address as it stands; its end is no punctuation.
BARE = r"https?://[^\s<]+[^<.,:;\"'\]\s]"
#: [label](address), [label](<address> "title"); the label may hold pairs of brackets, the address pairs of
#: parentheses.
MASKED = (
    r"\[(?P<label>(?:\[[^\[\]]*\]|[^\[\]])++)\]\(\s*+"
    r"<?(?P<target>(?:https?|discord)://(?:\([^()\s]*\)|[^\s()>])++)>?"
    r"(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*+\)"
)
#: <address>, which unfolds no preview.
QUIET = r"<(?P<quiet>https?://[^\s<>]+)>"
#: Invitations are drawn as cards even without a scheme.
INVITE = r"(?<![\w./-])(?P<invite>(?:www\.)?(?:discord\.gg|discord(?:app)?\.com/invite)/[\w-]+)"
LINK = re.compile(rf"{CODE.pattern}|{MASKED}|{QUIET}|(?P<bare>{BARE})|{INVITE}", re.IGNORECASE)
#: Mentions of everybody, people, roles, channels, commands and guides; custom emoji, and times.
TOKEN = re.compile(
    r"@everyone|@here|<@[!&]?\d+>|<#\d+>|</[^<>\n:]+:\d+>|<id:\w+(?::\d+)?>|<a?:\w+:\d+>|<t:-?\d+(?::[a-zA-Z])?>"
)
#: What hides a token: code and escapes.  An address swallows backslashes, so it has to be known.
HIDING = re.compile(rf"{CODE.pattern}|(?P<bare>{BARE})", re.IGNORECASE)


def links(content: str) -> list[tuple[str, str]]:
    """Return (label, target) of every link that a reader can click."""
    return list(_links(content))


def _links(content: str) -> Iterator[tuple[str, str]]:
    for found in LINK.finditer(content):
        if found["target"]:
            yield found["label"], found["target"]
            yield from _links(found["label"])
        elif address := found["quiet"] or found["bare"]:
            address = address if found["quiet"] else _whole(address)
            yield address, address
        elif found["invite"]:
            yield found["invite"], f"https://{found['invite']}"


def _whole(address: str) -> str:
    """Return *address* without a last parenthesis that none opens."""
    closing = len(address) - len(address.rstrip(")"))
    return address[:-1] if closing > address.count("(") else address


def tokens(content: str) -> list[str]:
    """Return what stands outside code, is not escaped, and would be a mention, an emoji or a time."""
    return TOKEN.findall(HIDING.sub(lambda found: found["bare"] or " ", content))
