"""A model's text as comrak parses it, with what is a matter of opinion decided as docs/text.md has it.  Pure.

Shares no code with the bot: it sets comrak up on its own, and says by itself which dollars are prices and
which fences are within others.  Where nobody can say, it says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import comrak

from tests.bench.facts import BREAK

Node = Any  # comrak's nodes and their values differ by kind

_EXTENSIONS = comrak.ExtensionOptions(
    strikethrough=True,
    table=True,
    footnotes=True,
    math_dollars=True,
    math_latex=True,
    cjk_friendly_emphasis=True,
)
_OPTIONS = comrak.ParseOptions(leave_footnote_definitions=True)
_PRICES = 40
_NOTE = re.compile(r"\[\^([^\]\s]{1,40})\]")
#: A currency that no text has: stands for a dollar that begins no formula.
_DOLLAR = "\u20a5"
#: Stands for a tilde alone, which is a word (docs/text.md): comrak takes it for half of a mark, and where no
#: other half comes, `*b*` behind it for text.
_TILDE = "\u2053"
_LONGEST = 1_000
#: Words that a formula has at most.
_WORDS = 2
#: What never leaves, but for what is replaced.
_NEVER = re.compile(
    "[\x01-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]+"
)


class UnclearError(Exception):
    """Nobody can say how a text is to be read, or it is beyond what is drawn."""


def plain(text: str) -> str:
    """Return *text* of the same length without what is never sent; docs/text.md says what that is."""
    text = re.sub("[\x00\ud800-\udfff\ufffe\uffff]", "\ufffd", text)
    text = BREAK.sub(lambda found: found[0] if found[0] == "\r\n" else " ", text)
    text = re.sub(r"\\.|~+", lambda found: _TILDE if found[0] == "~" else found[0], text, flags=re.DOTALL)
    return _NEVER.sub(lambda found: "\u2060" * len(found[0]), text)


def dollars(text: str) -> str:
    """Return the *text* of a node as it was written."""
    return text.replace(_DOLLAR, "$").replace(_TILDE, "~")


class Tree:
    """comrak's, with positions."""

    def __init__(self, text: str) -> None:
        told = {found[1] for found in _NOTE.finditer(text)} if "[^" in text else set()
        before = "".join(f"[^{label}]: .\n" for label in told) + "***\n" * bool(told)
        self.text = text
        self.lines = text.split("\n")
        self._before = before.count("\n")
        self.root: Node = comrak.parse_document(before + text, _EXTENSIONS, _OPTIONS)
        stack = [self.root]
        while stack:
            node = stack.pop()
            node.parent = None  # else nothing frees the tree
            stack += node.children

    def line(self, node: Node, *, last: bool = False) -> int:
        """Return the line in which *node* begins, or its last; negative for what is not the text's."""
        place = node.sourcepos.end if last else node.sourcepos.start
        return int(place.line) - 1 - self._before

    def place(self, node: Node) -> tuple[int, int]:
        """Return the line and the character in it at which *node* begins."""
        number = self.line(node)
        if not 0 <= number < len(self.lines):
            raise UnclearError("comrak's positions are wrong behind a definition")
        return number, len(
            self.lines[number].encode()[: node.sourcepos.start.column - 1].decode(errors="ignore")
        )

    def begins(self, node: Node, marks: str) -> str:
        """Return the first two characters of *node*, which must be some of *marks*."""
        number, at = self.place(node)
        if (found := self.lines[number][at : at + 2])[:1] not in marks:
            raise UnclearError("comrak's positions are wrong behind a definition")
        return found


def priced(text: str) -> Tree:
    """Return the tree of *text*, in which a dollar before a number is a price."""
    for _ in range(_PRICES):
        tree = Tree(text)
        if ("$" not in text and "\\" not in text) or (price := next(_prices(tree.root), None)) is None:
            return tree
        tree.begins(price, "$")
        number, at = tree.place(price)
        tree.lines[number] = f"{tree.lines[number][:at]}{_DOLLAR}{tree.lines[number][at + 1 :]}"
        text = "\n".join(tree.lines)
    raise UnclearError("too many prices")


def _prices(root: Node) -> Iterator[Node]:
    """Yield the formulas that are none, in the order of the text."""
    stack = [root]
    while stack:
        node = stack.pop()
        if type(node.node_value) is comrak.Math and not _formula(node):
            yield node
        stack.extend(reversed(node.children))


def _formula(node: Node) -> bool:
    """Return whether comrak's formula looks like one to a reader."""
    value = node.node_value.value
    body = value.literal
    if not value.dollar_math or value.display_math:
        if "`" in body or not re.search(r"\w", body) or len(body) > _LONGEST:
            raise UnclearError("it may be a formula")
        return True
    body = re.sub(r"\b__\w+__\b", "name", body)  # whose marks say nothing
    lines = node.sourcepos.end.line - node.sourcepos.start.line
    variable = re.match(r"(?:[A-Z]{4,}|[A-Z][A-Z0-9]+_[A-Z0-9_]+)\b", body)
    if lines or variable or len(re.findall(r"(?<![\\{\w])[a-z]{3,}(?![\w{}])", body)) > _WORDS:
        return False
    if "`" in body or re.match(r"\d[\d.,]*\b(?![\s\d]*[\\_^])", body):
        return False
    if len(body) > _LONGEST or not re.search(r"\w", body):
        return False
    return bool(re.search(r"[\\_^{=<>+]", body) or re.fullmatch(r"[^\W\d_]", body))


def nested(text: str) -> str:
    """Return *text* where a block of markdown that has blocks of code in it is one block.

    An inner fence opens where it names a language or where a line follows at once, as the last one of a
    block of markdown has a blank line or nothing behind it.
    """
    if not re.search(r"```+\s*m(?:d|arkdown)\b", text, re.IGNORECASE):
        return text
    lines = text.split("\n")
    fences = [number for number, line in enumerate(lines) if re.match(r"\s*(?:```|~~~)", line)]
    if any(not re.fullmatch(r"```[\w]*\s*", lines[number]) for number in fences):
        raise UnclearError("which of the fences close others")
    outer = inner = -1
    opens = _opens(lines)
    for number in fences:
        bare = lines[number].strip() == "```"
        follows = number + 1 < len(lines) and bool(lines[number + 1].strip())
        if outer < 0:
            if number not in opens:
                continue  # it is no code to the parser: in HTML, in code that is indented
            outer = number
            nests = bool(re.fullmatch(r"```m(?:d|arkdown)\s*", lines[number], re.IGNORECASE))
        elif inner >= 0 and bare:
            inner = -1
        elif nests and inner < 0 and (not bare or follows):
            inner = number
        elif inner < 0 and bare:
            lines[outer] = lines[outer].replace("```", "`" * 40, 1)
            lines[number] = "`" * 40
            outer, opens = -1, _opens(lines)
        else:
            raise UnclearError("which of the fences close others")
    if outer >= 0:
        raise UnclearError("a block of markdown that may go on")
    return "\n".join(lines)


def _opens(lines: Sequence[str]) -> set[int]:
    """Return which of *lines* open a block of code."""
    tree = Tree("\n".join(lines))
    found, stack = set(), [tree.root]
    while stack:
        node = stack.pop()
        if type(node.node_value) is comrak.CodeBlock and node.node_value.value.fenced:
            found.add(tree.line(node))
        stack += node.children
    return found
