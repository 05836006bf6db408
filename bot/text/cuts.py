"""Where text may be divided between two messages.  Pure.

Never within a grapheme, a link, an entity, inline code, a mark or a formula, unless one of them alone
is longer than half a page.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import comrak
import regex
from comrak import AstNode

from bot.text.safe import URL
from bot.text.tree import Tree, kind, value_of, walk

#: What belongs together in text.
_WHOLE = re.compile(r"&#?\w{1,32};|[-?\]]{1,2}>|[*_~`|$@\uff20]{2,}|[@\uff20\ufe6b]\w{1,40}")
_UNITS = (
    comrak.Code,
    comrak.Math,
    comrak.Link,
    comrak.Image,
    comrak.HtmlInline,
    comrak.Escaped,
    comrak.FootnoteReference,
)
_MARKS = {comrak.Emph: 1, comrak.Strong: 2, comrak.Strikethrough: 2}
_PARAGRAPH, _LINE = re.compile(r"\n[ \t>]*\n"), re.compile(r"\n")
_SENTENCE = re.compile(
    "(?<=[.!?\u2026:;])[\"'\u201d\u2019)\\]*_]{0,3} +|(?<=[\u3002\uff01\uff1f\uff1b\uff1a])"
)
_SPACE = re.compile(r"(?<=\S)[ \t]+(?=\S)")
#: What must not come to stand at the beginning of a line.
_BEGINS = re.compile(r"[#>|=~+\-*`]|\d{1,9}[.)]\s|\[[^\]]*\]:|<|\s")
_JOINS = regex.compile(r"[\p{Grapheme_Extend}\p{Mc}\u200d\p{Emoji_Modifier}]")
#: How many places are looked at, backwards, for one that is not within anything.
_LOOKS = 64
#: Spans that may lie within each other.
_NEAR = 8
#: Characters before a place in which the beginning of its grapheme is looked for.
_BACK = 100
_GRAPHEME = regex.compile(r"\X")


Span = tuple[int, int]


def spans(tree: Tree, nodes: Sequence[AstNode]) -> list[Span]:
    """Return what of *nodes* no cut should go through, in the order of the text."""
    return sorted(span for block in nodes for node in walk(block) for span in _spans(tree, node))


def _spans(tree: Tree, node: AstNode) -> Iterator[Span]:
    made = kind(node)
    if made is comrak.Text or made is comrak.HtmlBlock:
        begin, end = tree.begin(node), tree.end(node)
        for pattern in (_WHOLE, URL):
            yield from (found.span() for found in pattern.finditer(tree.source, begin, end))
    elif made in _UNITS:
        yield tree.begin(node), tree.end(node)
    elif made is comrak.Item and node.children:  # so does the marker of an item
        yield tree.begin(node), tree.begin(node.children[0]) + 1
    elif made is comrak.Heading and value_of(node).setext:  # and the line below a heading with that
        yield tree.line(tree.last(node)) - 2, tree.end(node)
    elif size := _MARKS.get(made):  # a mark stays with the character inside
        begin, end = tree.begin(node), tree.end(node)
        yield begin, begin + size + 1
        yield end - size - 1, end


def places(text: str, end: int, wholes: Sequence[Span] = (), *, lines_only: bool = False) -> int:
    """Return the best place, 1 to *end*, to divide *text*: between paragraphs, lines, sentences, words.

    Args:
        text: All that is known of it.
        end: The last place that would do.
        wholes: What is not to be divided, unless it alone is longer than half of that; see `spans`.
        lines_only: For code and tables, where only line ends are better than others.
    """
    wholes = [span for span in wholes if span[1] - span[0] <= max(end // 2, 8)]
    low, part = end // 2, text[end // 2 : end]
    for pattern in (_LINE,) if lines_only else (_PARAGRAPH, _LINE, _SENTENCE, _SPACE):
        for found in reversed([*pattern.finditer(part)]):
            at = low + found.end()
            begins_block = pattern in {_SENTENCE, _SPACE} and _BEGINS.match(text, at)
            if not begins_block and _may(text, at, wholes):
                return at
    return _character(text, end, wholes)


def _may(text: str, at: int, wholes: Sequence[Span]) -> bool:
    """Tell whether *text* may be divided at *at*."""
    if text[at - 1] != "\n" and at >= len(text):
        return False  # what comes next may belong to the last character
    index = bisect_left(wholes, (at, 0)) - 1
    if any(span[0] < at < span[1] for span in wholes[max(0, index - _NEAR) : index + 1]):
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
    begin, least = max(0, at - 1), max(0, at - _BACK)
    while begin > least and not (text[begin].isascii() and text[begin - 1].isascii()):
        begin -= 1
    last = begin
    for found in _GRAPHEME.finditer(text, begin):
        if found.end() >= at:
            return found.start()
        last = found.start()
    return last


def _character(text: str, end: int, wholes: Sequence[Span]) -> int:
    """Return the last place up to *end* between two characters, outside of *wholes* if possible."""
    at = min(end, len(text))
    for _ in range(_LOOKS):
        if at > 0 and _may(text, at, wholes):
            return at
        at = next((begin for begin, after in wholes if begin < at < after), 0) or begins(text, at)
    return begins(text, min(end, len(text) - 1) + 1) or max(1, end)
