"""Where text may be divided between two messages.  Pure.

Never within a grapheme, a link, an entity, inline code, a run of marks or a formula, unless one of them alone
is longer than half a page.
"""

from __future__ import annotations

import re
from bisect import bisect_left

import regex

#: What belongs together; bounded, so that no text makes it slow.
_WHOLE = re.compile(
    r"(?<!`)(?P<t>`++)[^`](?:.{0,600}?[^`])??(?P=t)(?!`)"
    r"|!?\[(?:[^\[\]]|\[[^\[\]]{0,200}\]){0,300}\]"
    r"(?:\([^()\n]{0,500}(?:\([^()\n]{0,100}\)[^()\n]{0,100})?\)|\[[^\[\]]{0,100}\])?"
    r"|\[\^[^\]\s]{1,40}\]"
    r"|<[^<>\s]{1,500}>"
    r"|&#?\w{1,32};"
    r"|[A-Za-z0-9+.\-_]{1,32}://[^\s<>]{1,2000}"
    r"|\\\(.{1,300}?\\\)|\\\[.{1,300}?\\\]|\$[^\s$][^$\n]{0,200}\$"
    r"|[*_~`|$@\uff20]{2,}|\\.|[@\uff20\ufe6b]\w{1,40}",
    re.DOTALL,
)
_SENTENCE = re.compile(
    "(?<=[.!?\u2026:;])[\"'\u201d\u2019)\\]*_]{0,3} +|(?<=[\u3002\uff01\uff1f\uff1b\uff1a])"
)
_SPACE = re.compile(r"(?<=\S)[ \t]+(?=\S)")
#: What must not come to stand at the beginning of a line.
_BEGINS = re.compile(r"[#>|=~+\-*`]|\d{1,9}[.)]\s|\[[^\]]*\]:|<|\s")
_JOINS = regex.compile(r"[\p{Grapheme_Extend}\p{Mc}\u200d\p{Emoji_Modifier}]")
#: How many places are looked at, backwards, for one that is not within anything.
_LOOKS = 64
_GRAPHEME = regex.compile(r"\X")


def places(text: str, end: int, *, lines_only: bool = False) -> int:
    """Return the best place, 1 to *end*, to divide *text*: between paragraphs, lines, sentences, words.

    Args:
        text: All that is known of it.
        end: The last place that would do.
        lines_only: For code and tables, where only line ends are better than others.
    """
    wholes = [found.span() for found in _WHOLE.finditer(text, 0, min(len(text), end + 3000))]
    wholes = [span for span in wholes if span[1] - span[0] <= max(end // 2, 8)]
    kinds = _kinds(text, end // 2, end, lines_only=lines_only)
    for found in kinds:
        for at in sorted(found, reverse=True):
            if 0 < at <= end and _may(text, at, wholes):
                return at
    return _character(text, end, wholes)


def _kinds(text: str, low: int, high: int, *, lines_only: bool) -> list[list[int]]:
    """Return the places of each kind, best kind first."""
    lines = [found.end() for found in re.finditer(r"\n", text[low:high])]
    if lines_only:
        return [[low + at for at in lines]]
    part = text[low:high]
    paragraphs = [found.end() for found in re.finditer(r"\n[ \t>]*\n", part)]
    sentences = [found.end() for found in _SENTENCE.finditer(part)]
    spaces = [found.end() for found in _SPACE.finditer(part)]
    words = [[low + at for at in found if not _BEGINS.match(text, low + at)] for found in (sentences, spaces)]
    return [[low + at for at in paragraphs], [low + at for at in lines], *words]


def _may(text: str, at: int, wholes: list[tuple[int, int]]) -> bool:
    """Tell whether *text* may be divided at *at*."""
    if text[at - 1] != "\n" and at >= len(text):
        return False  # what comes next may belong to the last character
    index = bisect_left(wholes, (at, 0)) - 1
    if index >= 0 and wholes[index][0] < at < wholes[index][1]:
        return False
    return grapheme(text, at)


def grapheme(text: str, at: int) -> bool:
    """Tell whether a grapheme ends at *at*."""
    if at <= 0 or at >= len(text):
        return True
    before, after = text[at - 1], text[at]
    if before in "\r\n" or after in "\r\n":
        return before + after != "\r\n"
    if before.isascii() and not _JOINS.match(after):
        return True
    return begins(text, at) < begins(text, at + 1)


def begins(text: str, at: int) -> int:
    """Return where the grapheme begins that the character before *at* is part of."""
    begin = max(0, at - 1)
    while begin > 0 and not (text[begin].isascii() and text[begin - 1].isascii()):
        begin -= 1
    last = begin
    for found in _GRAPHEME.finditer(text, begin):
        if found.end() >= at:
            return found.start()
        last = found.start()
    return last


def _character(text: str, end: int, wholes: list[tuple[int, int]]) -> int:
    """Return the last place up to *end* between two characters, outside of *wholes* if possible."""
    at = min(end, len(text))
    for _ in range(_LOOKS):
        if at <= 0 or _may(text, at, wholes):
            break
        inside = next((begin for begin, after in wholes if begin < at < after), 0)
        at = inside or begins(text, at)
    if at > 0 and _may(text, at, wholes):
        return at
    return begins(text, min(end, len(text) - 1) + 1) or max(1, end)
