"""What a message means to those who look at it: whom it pings, what unfurls, what is read.

Pure, and written from Discord's documentation alone: it must never ask what a bot intended.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from adapters.emulators.discord.shapes import Json

#: Discord's code: between three backticks and the next three, or in one line of as many as opened it; a
#: fence without an end is none, tildes and indentation are none.  A backslash makes a sign a plain one.
#: After its client's rules, as LyricLy/parse-discord found them.
ESCAPE = r"\\[^0-9A-Za-z\s]"
CODE = re.compile(
    rf"(?P<escaped>{ESCAPE})"
    r"|```(?:[a-zA-Z0-9_+\-.#]+?\n)?\n*[^\n][\s\S]*?```"
    r"|(?P<ticks>`+)[\s\S]*?[^`](?P=ticks)(?!`)"
)
USER = re.compile(r"<@!?(\d+)>")
ROLE = re.compile(r"<@&(\d+)>")
EVERYONE = re.compile(r"@(?:everyone|here)")
#: Angle brackets around a link keep it from unfolding.
URL = re.compile(r"(?<!<)\bhttps?://[^\s<>]+")
#: What holds for a request without allowed_mentions (resources/message.mdx).
EVERYTHING: Json = {"parse": ["everyone", "roles", "users"], "replied_user": True}
#: Word joiner (U+2060), which no reader sees.
INVISIBLE = "\u2060"
SUBTEXT = "-# "
#: Message flag SUPPRESS_EMBEDS (resources/message.mdx).
SUPPRESS_EMBEDS = 1 << 2


@dataclass(frozen=True)
class Mentions:
    """Whom a message mentions once its allowed_mentions are applied.

    Attributes:
        everyone: @everyone or @here.
        roles: Role ids.
        users: User ids named in the text.
        replied: The author of the message replied to, if they are told.
    """

    everyone: bool = False
    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    replied: str = ""

    def known(self, users: Collection[str], roles: Collection[str]) -> Mentions:
        """Return only mentions of users and roles that exist: others stay plain text."""
        return replace(
            self,
            users=tuple(user for user in self.users if user in users),
            roles=tuple(role for role in self.roles if role in roles),
        )

    def people(self) -> list[str]:
        """Return the ids for the message's `mentions`, each once."""
        return list(dict.fromkeys([*self.users, *filter(None, [self.replied])]))

    def __bool__(self) -> bool:
        return bool(self.everyone or self.roles or self.people())


def plain(content: str) -> str:
    """Return *content* without its code, which mentions and links in it do not survive."""
    return CODE.sub(lambda found: found["escaped"] or " ", content)


def mentions(content: str, allowed: Json | None, replied: str = "") -> Mentions:
    """Return whom *content* mentions.

    Args:
        content: The message's text.
        allowed: The request's allowed_mentions; None means that there was none, and everything
            is parsed.  In a given object everything left out is off (resources/message.mdx).
        replied: The author of the message replied to.
    """
    text = plain(content)
    rules = EVERYTHING if allowed is None else allowed
    parse = rules.get("parse") or []

    def kept(kind: str, found: list[str]) -> tuple[str, ...]:
        listed = [str(each) for each in rules.get(kind) or []]
        return tuple(dict.fromkeys(each for each in found if kind in parse or each in listed))

    return Mentions(
        everyone="everyone" in parse and bool(EVERYONE.search(text)),
        roles=kept("roles", ROLE.findall(text)),
        users=kept("users", USER.findall(text)),
        replied=replied if rules.get("replied_user") else "",
    )


def unfurled(content: str, flags: int) -> list[str]:
    """Return the links that Discord would unfold below the message."""
    return [] if flags & SUPPRESS_EMBEDS else URL.findall(plain(content))


def read(content: str) -> tuple[str, str]:
    """Return (text, note): what is read, and the small print in its last lines."""
    lines = content.replace(INVISIBLE, "").split("\n")
    note: list[str] = []
    while lines and lines[-1].startswith(SUBTEXT):
        note.insert(0, lines.pop().removeprefix(SUBTEXT))
    return "\n".join(lines).rstrip("\n"), "\n".join(note)


def buttons(components: Sequence[Json]) -> Iterator[Json]:
    """Yield the buttons in *components*, at any depth."""
    for each in components:
        if each.get("type") == 2:
            yield each
        yield from buttons(each.get("components", []))


def label(button: Json) -> str:
    """Return what is visible on a button: its label, or its emoji alone."""
    return str(button.get("label") or (button.get("emoji") or {}).get("name") or "")
