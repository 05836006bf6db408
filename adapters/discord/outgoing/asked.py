"""How a question that came by a command is shown to everybody, and read again from what was shown.  Pure."""

from __future__ import annotations

import re

from adapters.discord.outgoing.drawing import CONTENT, DIALECT, SUPPRESS_EMBEDS, cut
from adapters.discord.wire.rest import Json
from bot.text import grammar
from bot.text.line import Known, Line, line
from bot.text.safe import JOINER, Links, clean

#: What stands before the question; the name's own marks are escaped.
HEAD = re.compile(r"\*\*(?:\\.|[^\\*\n])+\*\* asks: ?")
ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
#: Code points of a question; escaped, most fit in one message.
LONGEST = 1_800


def shown(name: str, question: str, about: str = "") -> Json:
    """Return the message that shows *question*; it pings nobody and unfolds no link.

    Args:
        name: Who asks.
        question: What, as it was typed: all its characters are shown.
        about: What the question is about, in lines that begin with ">"; cut where there is no room.
    """
    head = f"**{line(DIALECT, name[:80]) or 'Somebody'}** asks: "
    content = cut(head + _literal(question), CONTENT)
    if about and (room := CONTENT - len(content) - 1) > len("> …"):
        quoted = "\n".join(f"> {_literal(each.removeprefix('>').lstrip())}" for each in about.split("\n"))
        content = f"{content}\n{cut(quoted, room)}"
    return {"content": content, "allowed_mentions": {"parse": []}, "flags": SUPPRESS_EMBEDS}


def question_in(content: str) -> str:
    """Return the question that a message of `shown` shows; "" if it is none."""
    found = HEAD.match(content)
    return ESCAPED.sub(r"\1", content[found.end() :]).replace(JOINER, "").strip() if found else ""


def quoted(name: str, text: str) -> str:
    """Return what somebody wrote in lines that begin with ">"."""
    return "\n".join(f"> {each}" for each in [f"{name or 'Somebody'} wrote:", *text.split("\n")])


def _literal(text: str) -> str:
    """Return *text* without markup of its own; its addresses stay, since a person typed them."""
    return Line(DIALECT, grammar.parse(""), Known(Links.of(text))).literally(clean(text))
