"""Discord's markup in what people write: what is code, what is quoted, and who is meant by an id.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

#: What is taken as it stands: an escaped character, and code between one, two or three backticks.
LITERAL = re.compile(
    r"(\\[^\w\s]|```.*?```|(?<!`)``(?!`).+?(?<!`)``(?!`)|(?<!`)`(?!`)[^`]+`(?!`))", re.DOTALL
)
#: Mentions of people, roles, channels and commands, custom emoji and times (reference.mdx, formatting).
TOKEN = re.compile(
    r"<(?:@!?(?P<user>\d{1,20})|@&(?P<role>\d{1,20})|\#(?P<channel>\d{1,20})|/(?P<command>[^<>:\n]{1,100}):\d{1,20}"
    r"|a?:(?P<emoji>\w{1,100}):\d{1,20}|t:(?P<time>-?\d{1,15})(?::[A-Za-z])?|id:(?P<guide>\w{1,30})(?::\d{1,20})?)>",
    re.ASCII,
)
EVERYBODY = re.compile(r"(?<!\w)@(?:everyone|here)\b")
#: Lines that are quoted: one that begins with "> ", and all from ">>> " on.
QUOTE = re.compile(r"^ *> [^\n]*$", re.MULTILINE)
QUOTES = re.compile(r"^ *>>> ", re.MULTILINE)


def unnamed(_id: int) -> str:
    """Return no name."""
    return ""


@dataclass(frozen=True, slots=True)
class Names:
    """Who and what is meant by an id; "" where that is not known.

    Attributes:
        me: The bot's own id.
        my_role: The id of its own role; 0 for none.
        channel: Return the name of a channel.
        role: Return the name of a role.
        users: Names of people, by id.
    """

    me: int = 0
    my_role: int = 0
    channel: Callable[[int], str] = unnamed
    role: Callable[[int], str] = unnamed
    users: dict[int, str] = field(default_factory=dict)

    def own(self, token: re.Match[str]) -> bool:
        """Tell whether *token* is a mention of the bot, or of its own role."""
        user, role = int(token["user"] or 0), int(token["role"] or 0)
        return bool(user and user == self.me) or bool(role and role == self.my_role)

    def written(self, token: re.Match[str]) -> str:
        """Return *token* as people see it; what has no name is called as Discord's clients call it."""
        match token.lastgroup:
            case "user":
                return f"@{self.users.get(int(token['user'])) or 'unknown-user'}"
            case "role":
                return f"@{self.role(int(token['role'])) or 'unknown-role'}"
            case "channel":
                return f"#{self.channel(int(token['channel'])) or 'unknown'}"
            case "command":
                return f"/{token['command']}"
            case "emoji":
                return f":{token['emoji']}:"
            case "time":
                return _moment(int(token["time"])) or token[0]
        return f"#{token['guide']}"


def named(text: str, names: Names, *, calls: bool = False) -> str:
    """Return *text* with names for ids, as its readers see it; code stays as it is.

    Args:
        text: As it was sent.
        names: What the ids mean.
        calls: Whether a mention of the bot only calls it, so that it is left out; not so in a quote.
    """
    return "".join(_named(text, names, calls=calls))


def _named(text: str, names: Names, *, calls: bool) -> Iterator[str]:
    quoted = _quoted(text) if calls else ()
    at = 0
    for number, part in enumerate(LITERAL.split(text)):
        if number % 2:
            yield part
        else:
            start = at

            def written(token: re.Match[str], start: int = start) -> str:
                spot = start + token.start()
                called = calls and names.own(token) and not any(spot in each for each in quoted)
                return "" if called else names.written(token)

            yield TOKEN.sub(written, part)
        at += len(part)


def calls(text: str, names: Names) -> bool:
    """Tell whether *text* mentions the bot: neither in code nor in a quote."""
    return any(names.own(token) for token in _live(TOKEN, text))


def calls_others(text: str, names: Names) -> bool:
    """Tell whether *text* mentions a person, a role or everybody, but not only the bot; as `calls`."""
    called = (token for token in _live(TOKEN, text) if token["user"] or token["role"])
    return any(not names.own(token) for token in called) or any(_live(EVERYBODY, text))


def _live(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Yield what matches *pattern* in *text*, and is neither code nor quoted."""
    quoted, at = _quoted(text), 0
    for number, part in enumerate(LITERAL.split(text)):
        if not number % 2:
            for found in pattern.finditer(part):
                if not any(at + found.start() in each for each in quoted):
                    yield found
        at += len(part)


def holds(text: str, names: Names) -> bool:
    """Tell whether a mention of the bot stands anywhere in *text*, be it in code."""
    return any(names.own(token) for token in TOKEN.finditer(text))


def _quoted(text: str) -> list[range]:
    """Return where *text* is quoted; a quote's mark inside code is none."""
    plain = LITERAL.sub(lambda found: "x" * len(found[0]), text)
    found = [range(*each.span()) for each in QUOTE.finditer(plain)]
    if rest := QUOTES.search(plain):
        found.append(range(rest.start(), len(text)))
    return found


def _moment(seconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return ""
