"""What comrak makes of a text, and where in the text each part of it stands.  Pure.

Only this module knows how comrak is set up: GitHub-flavoured markdown, emphasis that closes next to CJK
characters, and formulas.

Positions are offsets in the source in characters.  comrak's positions of blocks are exact; those within a
paragraph can be wrong behind a definition, so they say where to cut or to look, never what a text says.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any

import comrak
from comrak import AstNode

from bot.text.safe import clean

_EXTENSIONS = comrak.ExtensionOptions(
    strikethrough=True,
    table=True,
    footnotes=True,
    math_dollars=True,
    math_latex=True,
    cjk_friendly_emphasis=True,
)
_OPTIONS = comrak.ParseOptions(leave_footnote_definitions=True, escaped_char_spans=True)

#: Stands for a dollar sign that begins no formula; a symbol too, so nothing else changes.
DOLLAR = "\u20b0"
#: Stand for an underscore of a name such as __init__, which is not bold, and for a tilde alone, which strikes
#: nothing out; punctuation too, and none of CJK, beside which marks have other rules.
LOW, TILDE = "\u2054", "\u2053"
#: Stands for a pipe that ends no cell; a character that nobody draws lines with.
PIPE = "\u2e3e"
_MEANT = str.maketrans({DOLLAR: "$", LOW: "_", TILDE: "~", PIPE: "|"})
#: Blocks that hold blocks.
CONTAINERS = frozenset({comrak.BlockQuote, comrak.List, comrak.Item, comrak.FootnoteDefinition})
#: Text up to the next entity.  Of an entity only the "&" is left out: there are no marks in the rest of it.
_BETWEEN = re.compile(r"(?:(?!&#?\w{1,32};).)+", re.DOTALL)
_NOTE = re.compile(r"\[\^([^\]\s]{1,40})\]")


def kind(node: AstNode) -> type[Any]:
    """Return what *node* is: a class of comrak's, such as `comrak.Paragraph`."""
    return type(node.node_value)


def value_of(node: AstNode) -> Any:
    """Return what comrak says of *node* beside its kind: a heading's level, the text of a text."""
    return getattr(node.node_value, "value", None)


class Tree:
    """A text and what it is made of.

    Args:
        source: The text, which the bot never shows before `legible`.
        root: What comrak made of it.
        before: Lines that were parsed before the text: what it may refer to.

    Attributes:
        blocks: Its outermost blocks.
        leaf: The innermost block at the end, if it still grows there.
    """

    def __init__(self, source: str, root: AstNode, before: int = 0) -> None:
        self.source = source
        self._before = before
        self._plain = source.isascii()
        self._sizes: dict[int, int] = {}
        blocks = root.children
        for node in blocks:
            node.parent = None  # else each tree is a circle that Python never frees
            self._sizes[id(node)] = _freed(node)
        self.blocks = [node for node in blocks if node.sourcepos.start.line > before]
        end = innermost(self.blocks[-1]) if self.blocks else None
        self.leaf = end if end and self._grows(end) else None

    @cached_property
    def lines(self) -> Sequence[str]:
        """The text's lines, without their ends."""
        return self.source.split("\n")

    @cached_property
    def _starts(self) -> Sequence[int]:
        return [*accumulate((len(line) + 1 for line in self.lines), initial=0)]

    def _grows(self, node: AstNode) -> bool:
        """Tell whether *node*, the last one, still grows at the end."""
        if kind(node) is comrak.CodeBlock:
            return True
        if kind(node) is comrak.Heading:
            return self.last(node) == len(self.lines) - 1
        behind = self.source[self.line(self.last(node) + 1) :]
        return "\n" not in behind and not behind.strip("> \t\r")

    @property
    def paragraph(self) -> AstNode | None:
        """`leaf`, if that is a paragraph."""
        return self.leaf if self.leaf and kind(self.leaf) is comrak.Paragraph else None

    @cached_property
    def texts(self) -> Sequence[tuple[int, str]]:
        """The texts and line ends in `leaf` outside of all marks, and where they stand as written."""
        found = []
        for each in self.leaf.children if self.leaf else ():
            made = kind(each)
            if made is not comrak.Text and made is not comrak.SoftBreak:
                continue
            text, at = value_of(each) or "\n", self.begin(each)
            if made is comrak.SoftBreak and not self.source.startswith("\n", at):
                continue
            if self.source.startswith(text, at):
                found.append((at, text))
            else:  # it has entities, which are decoded
                found += [(at + part.start(), part[0]) for part in _BETWEEN.finditer(self.text(each))]
        return found

    def first(self, node: AstNode) -> int:
        """Return which line *node* begins in, from 0."""
        return node.sourcepos.start.line - 1 - self._before

    def last(self, node: AstNode) -> int:
        """Return which line *node* ends in."""
        inner = innermost(node)
        value = value_of(inner) if kind(inner) is comrak.CodeBlock else None
        if value and value.fenced and not value.closed:  # comrak loses lines of it behind a blank one
            text: str = value.literal
            return self.first(inner) + text.removesuffix("\n").count("\n") + bool(text)
        return max(node.sourcepos.end.line - 1 - self._before, self.first(node))

    def line(self, number: int) -> int:
        """Return where line *number* begins; the end of the text where there is none."""
        return min(self._starts[min(number, len(self.lines))], len(self.source))

    def where(self, at: int) -> tuple[int, int]:
        """Return line and column of the place *at*, both from 0."""
        number = max(0, min(bisect_right(self._starts, at) - 1, len(self.lines) - 1))
        return number, at - self._starts[number]

    def begin(self, node: AstNode) -> int:
        """Return where *node* begins."""
        start = node.sourcepos.start
        return self._at(start.line, start.column - 1)

    def end(self, node: AstNode) -> int:
        """Return where *node* is over."""
        end = node.sourcepos.end
        return self._at(end.line, end.column)

    def _at(self, line: int, column: int) -> int:
        number = line - 1 - self._before
        if not 0 <= number < len(self.lines):
            return 0 if number < 0 else len(self.source)
        text = self.lines[number]
        if not (self._plain or text.isascii()):
            column = len(text.encode()[:column].decode(errors="ignore"))
        return self._starts[number] + min(column, len(text))

    def text(self, node: AstNode) -> str:
        """Return the source of *node*."""
        return self.source[self.begin(node) : self.end(node)]

    def size(self, node: AstNode) -> int:
        """Return of how many nodes *node* is."""
        return self._sizes.get(id(node)) or sum(1 for _ in walk(node))

    def row(self, node: AstNode) -> tuple[int, str]:
        """Return in which column *node* begins, from 1, and the line that it begins in."""
        start = node.sourcepos.start
        return start.column, self.lines[start.line - 1 - self._before]

    def rows(self, node: AstNode) -> str:
        """Return the lines that *node* stands in."""
        return "\n".join(self.lines[self.first(node) : self.last(node) + 1])

    def blank_before(self, node: AstNode) -> bool:
        """Tell whether there is a blank line before *node*."""
        number = self.first(node) - 1
        return 0 <= number < len(self.lines) and not self.lines[number].strip("> \t\r")


def _freed(block: AstNode) -> int:
    """Take the way back to its parent from each node in *block*; return how many there are with itself."""
    count, stack = 1, block.children
    while stack:
        node = stack.pop()
        node.parent = None
        stack += node.children
        count += 1
    return count


def walk(node: AstNode) -> Iterator[AstNode]:
    """Yield *node* and all that it holds, in the order of the text."""
    stack = [node]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.children))


def innermost(node: AstNode) -> AstNode:
    """Return the innermost block at the end of *node*."""
    while kind(node) in CONTAINERS and (inner := node.children):
        node = inner[-1]
    return node


def found(nodes: Sequence[AstNode], wanted: type[Any]) -> Iterator[AstNode]:
    """Yield the blocks of the kind *wanted*, which holds no others, that *nodes* are or hold."""
    for node in nodes:
        if kind(node) is wanted:
            yield node
        elif kind(node) in CONTAINERS:
            yield from found(node.children, wanted)


def parsed(source: str, definitions: tuple[str, ...] = ()) -> Tree:
    """Return what comrak makes of *source*, which may refer to *definitions*; see `grammar.parse`."""
    before = "".join(f"{line}\n" for line in definitions)
    # A footnote is one also where its text is still to come, or stands on another page.
    labels = dict.fromkeys(_NOTE.findall(source)) if "[^" in source else ()
    before += "".join(f"[^{label}]: .\n" for label in labels)
    before += "***\n" if before else ""  # else an indented line would go on with it
    root = comrak.parse_document(before + source, _EXTENSIONS, _OPTIONS)
    return Tree(source, root, before.count("\n"))


def words(text: str) -> str:
    """Return *text* of a tree's node as it was written, with plain line ends."""
    return clean(text if text.isascii() else text.translate(_MEANT))
