"""What a text says to those who see it, so that a model's text and a sent page can be compared.  Pure.

White space, invisible characters and addresses are left out of `Facts.text`: where they stand is for other
oracles (`lost`, `unfit`) to say, and both sides write them in ways of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import regex

#: How a character looks: bits of `Facts.marks`.  A heading's level stands above them.
EM, STRONG, GONE, CODE, QUOTE, UNDER, SPOILER, SMALL = (1 << bit for bit in range(8))
HEADING = 1 << 8

#: In code: U+200B and U+2060 keep things apart; the others come as another character or as nothing
#: (docs/text.md, "What is never sent").
UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u2060\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufffd-\uffff\U000e0000-\U000e007f]+"
)
#: In text: all that is drawn as nothing.  A bar is how Discord's quotes within quotes are told
#: (parse-discord, tests/quotes.py, test_no_nesting: there are none).
UNDRAWN = regex.compile(
    r"[\p{Cc}\p{Cf}\p{Cs}\u115f\u1160\u3164\uffa0\ufffd-\uffff\u2503&&[^\t\n]]+", regex.V1
)
#: What breaks a line somewhere; in code it comes as a space.
BREAK = re.compile("\r\n|[\x0b\x0c\r\x85\u2028\u2029]")
#: A word of this alone cannot be seen: a combining mark needs something to combine with.
BARE = regex.compile(r"[\p{M}\u2800]+")
#: What makes a word an address, or a part of one that was put together from several.
ADDRESS = re.compile(
    r":[/\\]|[/\\]{2}|www\.|mailto:|(?:discord(?:app)?|dsc)\.(?:gg|com)\b|\bdsc\.gg", re.IGNORECASE
)
WORD = re.compile(r"\S+")
#: What begins a definition of a link, in a text or a page.
DEFINITION = re.compile(r"^[ \t>]*\[(?!\^)[^\[\]\n]{1,200}\]:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is said.

    Attributes:
        text: All of it, but for what the module says.
        marks: How it looks: for each character of *text* one whose code is its bits.
        items: What each item of a list has before it: its number, or None for a bullet.
        spans: What is inline code, but for addresses.
        blocks: What is in blocks of code, without line ends around it.
        links: Addresses that a label leads to.
    """

    text: str = ""
    marks: str = ""
    items: tuple[int | None, ...] = ()
    spans: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


def joined(facts: Iterable[Facts]) -> Facts:
    """Return what *facts*, one after the other, say together."""
    many = [*facts]
    return Facts(
        "".join(each.text for each in many),
        "".join(each.marks for each in many),
        *(tuple(one for each in many for one in getattr(each, name)) for name in SEQUENCES),
    )


#: The attributes of `Facts` that are sequences.
SEQUENCES = ("items", "spans", "blocks", "links")


class Telling:
    """Facts that are being collected."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._marks: list[str] = []
        self._items: list[int | None] = []
        self._spans: list[str] = []
        self._blocks: list[str] = []
        self._links: list[str] = []

    def say(self, text: str, marks: int = 0) -> None:
        """Say *text*, which looks as *marks* say."""
        self._text.append(text)
        self._marks.append(chr(marks) * len(text))

    def item(self, number: int | None) -> None:
        """Begin an item of a list, with its number."""
        self._items.append(number)

    def span(self, code: str, marks: int = 0) -> None:
        """Say *code* as inline code."""
        self.say(code, marks | CODE)
        if not ADDRESS.search(clean := _clean(code).replace("\n", " ")):
            self._spans.append(clean)

    def block(self, code: str, marks: int = 0) -> None:
        """Say *code* as a block of code."""
        self.say(f"\n{code}\n", marks | CODE)
        self._blocks.append(clean.strip("\n") if (clean := _clean(code)).strip() else "")

    def link(self, address: str) -> None:
        """Record that what was said last leads to *address*."""
        self._links.append(address)

    def said(self) -> str:
        """Return the text so far, with all that `facts` leaves out."""
        return "".join(self._text)

    def facts(self) -> Facts:
        """Return what was said."""
        text, marks = settled("".join(self._text), "".join(self._marks))
        code = tuple(self._spans), tuple(self._blocks)
        return Facts(text, marks, tuple(self._items), *code, tuple(self._links))


def _clean(code: str) -> str:
    return UNSEEN.sub("", BREAK.sub(lambda found: "\n" if found[0] == "\r\n" else " ", code))


def settled(text: str, marks: str) -> tuple[str, str]:
    """Return *text* and its *marks* without what is invisible, addresses and white space."""
    text = BREAK.sub(lambda found: " " * len(found[0]), text)
    if UNDRAWN.search(text):
        ends = [found.span() for found in UNDRAWN.finditer(text)]
        text, marks = _without(text, ends), _without(marks, ends)
    words = [
        found.span()
        for found in WORD.finditer(text)
        if not (ADDRESS.search(found[0]) or BARE.fullmatch(found[0]))
    ]
    return "".join(text[a:b] for a, b in words), "".join(marks[a:b] for a, b in words)


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    kept, end = [], 0
    for begin, after in spans:
        kept.append(text[end:begin])
        end = after
    return "".join([*kept, text[end:]])
