"""The end of a text that grows: what is open there is closed or held back, so that it looks finished.  Pure.

What is open is read off the parser's tree: marks that it has left as text.  Whether a mark that is added
closes them is asked of the parser too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import comrak
from comrak import AstNode

from bot.text import grammar, making
from bot.text.making import Parse
from bot.text.tree import Tree, kind, value_of

#: A last line that may still become anything: it is shown when there is more of it.
_UNDECIDED = re.compile(
    r"[ \t>]*(?:(?:[-+*]|\d{1,9}[.)]|#{1,6})[ \t]+)*"
    r"(?:\d{0,9}[.)]?|[-=*_+#`~|: \t]*|`{3,}[^\n]*|~{3,}[^\n]*|\|[^\n]*|\[[^\]\n]*\]?:?[^\n]{0,4}"
    r"|\[(?!\^)[^\]\n]*\]:[ \t]*\S*(?:[ \t]+(?:\"[^\"\n]*\"?|'[^'\n]*'?))?)[ \t]*\Z"  # a definition
)
#: A last line of code that may become the end of it.
_CLOSING = re.compile(r"[ \t>]*(?:`+|~+)\Z")
#: A line break at the end.
_HARD = re.compile(r"(?<=[^\\\n])\\(\n+)\Z")
_RUN = re.compile(r"`+|\*+|_+|~~+")
#: What could make a link of a bracket that is open.
_PROBES = (")", "))", ">)", '")', "')", "](x)", "(x)")
_BRACKET = re.compile(r"\[")
#: Blocks at the end of which marks can be open.
_WORDED = frozenset({comrak.Paragraph, comrak.Heading})
#: Characters after which nobody expects the rest of a link or a URL any more.
_LONGEST = 2_000
#: Marks that may be open at once, and brackets that are looked at; what is opened within so many is text.
_MOST, _BRACKETS = 24, 3
#: How often the parser is asked which marks it takes.
_ROUNDS = 3
#: The end of a sentence, or of a line: where a paragraph is best taken apart.
_WORD = r"(?=[^\W\d_]|\d+(?![\d.)]))"  # and no item of a list
SENTENCE = re.compile(
    rf"(?<=[.!?:;\u2026])[\"'\u201d\u2019)]{{0,2}} {_WORD}"
    rf"|(?<=[\u3002\uff01\uff1f\uff1b\uff1a])(?=[^\W\d_])|\n{_WORD}"
)
SPACE = re.compile(rf" {_WORD}")
LINE = re.compile(r"\n")
#: The end of a word, whatever comes.
ANY_SPACE = re.compile(r" (?=\S|\Z)")
#: What may begin something that ends behind the place at which a paragraph is taken apart.
_OPENS = re.compile(r"[*~](?=\S)|(?<!\w)_(?=\S)|`|\[|\$(?=[^\s\d])|<(?=[A-Za-z/!?])|\\")


class Mark(NamedTuple):
    """A mark that the parser has left as text: where, and what."""

    at: int
    text: str


def closed(source: str, definitions: tuple[str, ...] = ()) -> Tree:
    """Return the tree of *source* with its open emphasis and code closed, and all of it there."""
    tree = grammar.parse(source, definitions)
    if tree.paragraph is None:
        return tree
    parse = partial(grammar.parse, definitions=definitions)
    if found := _HARD.search(tree.source):  # the next line is elsewhere
        tree = parse(tree.source[: found.start()] + found[1])
    return _closed(tree, len(tree.source), parse)


def mended(source: str, definitions: tuple[str, ...] = ()) -> Tree:
    """Return the tree of *source* with what is open at its end closed, or held back."""
    parse = partial(grammar.parse, definitions=definitions)
    tree = _rows(source, parse) or _decided(parse(source), parse)
    if tree.leaf is None or kind(tree.leaf) not in _WORDED:
        return tree
    tree = _unlinked(tree, parse)
    if (drawn := making.formula(tree, parse)) is not None:
        return drawn
    end = making.held(tree)
    begin = tree.source.rfind("\n", 0, end) + 1
    if end < len(tree.source) and _UNDECIDED.match(tree.source[begin:end]):
        end = begin  # without what is held it would be something else
    return _closed(tree, end, parse)


def firm(tree: Tree, *ends: re.Pattern[str]) -> int:
    """Return up to where the last block of *tree* stays as it is, whatever follows; 0 if that is nowhere.

    Args:
        tree: Of a text that grows.
        ends: What a paragraph may be taken apart behind, such as `SENTENCE`.
    """
    node = tree.leaf
    if node is None:
        return len(tree.source) if tree.blocks else 0
    if kind(node) is comrak.CodeBlock:
        return tree.source.rfind("\n") + 1
    if kind(node) is not comrak.Paragraph:
        return 0
    begin, end = tree.begin(node), _sure(tree, node)
    if ANY_SPACE in ends and end == len(tree.source) and tree.source.endswith(" "):
        return end  # the parser leaves out the space in the end
    for at, text in reversed(tree.texts):
        found = [each.end() for every in ends for each in every.finditer(tree.source, at, at + len(text))]
        if within := [each for each in found if begin < each <= end]:
            return max(within)
    return 0


def _sure(tree: Tree, node: AstNode) -> int:
    """Return up to where nothing in the paragraph *node* may belong to something that is to come."""
    begin = tree.begin(node)
    last = tree.source.rfind("\n", begin, len(tree.source.rstrip("\n"))) + 1
    end = last if "|" in tree.source[last:] else len(tree.source)  # it may become the head of a table
    for at, text in [*tree.texts, *_escaped(tree, node)]:
        if (opens := _OPENS.search(text)) is not None:
            end = min(end, at + opens.start())
    return end


def _escaped(tree: Tree, node: AstNode) -> Iterator[tuple[int, str]]:
    """Yield the escaped brackets in the paragraph *node*, with which a formula may begin."""
    for each in node.children:
        if kind(each) is comrak.Escaped and (text := tree.text(each)) in {"\\(", "\\["}:
            yield tree.begin(each), text


def _rows(source: str, parse: Parse) -> Tree | None:
    """Return the tree of *source* without its last line, if that is a row of a table.

    So a table is parsed anew with each row, and not with each frame.
    """
    begin = source.rfind("\n") + 1
    if begin == len(source) or "|" not in source[source.rfind("\n", 0, max(begin - 1, 0)) + 1 : begin]:
        return None
    tree = parse(source[:begin])
    if tree.leaf is None or kind(tree.leaf) is not comrak.Table:
        return None
    head = tree.first(tree.leaf)
    row = parse("\n".join((*tree.lines[head : head + 2], source[begin:]))).leaf
    return tree if row is not None and kind(row) is comrak.Table else None


def _decided(tree: Tree, parse: Parse) -> Tree:
    """Return *tree* without a last line that may still become something else."""
    source, node = tree.source, tree.leaf
    begin = source.rfind("\n") + 1
    if node is not None and kind(node) is comrak.CodeBlock and not _fresh(tree, node):
        held = begin if _CLOSING.match(source, begin) else len(source)
    elif _UNDECIDED.match(source, begin) or (node is not None and kind(node) is comrak.Table):
        held = begin
    else:
        held = len(source)
    if held < len(source):
        tree = parse(source[:held])
    return _unheaded(tree, parse) if held == begin else tree


def _fresh(tree: Tree, node: AstNode) -> bool:
    """Tell whether the block of code *node* has no line yet, so that its first may be no fence."""
    value: comrak.NodeCodeBlock = value_of(node)
    return value.fenced and tree.first(node) == len(tree.lines) - 1


def _unheaded(tree: Tree, parse: Parse) -> Tree:
    """Return *tree* without a last line that looks like a table's head, which waits for the line below it."""
    if (node := tree.paragraph) is None:
        return tree
    begin = tree.line(tree.last(node))
    row = tree.source[begin:].lstrip("> \t")
    return parse(tree.source[:begin]) if row.startswith("|") else tree


def _unlinked(tree: Tree, parse: Parse) -> Tree:
    """Return *tree* with no more than the label of a link whose end is still to come."""
    source = tree.source
    brackets = [at + found.start() for at, text in tree.texts for found in _BRACKET.finditer(text)]
    for at in reversed(brackets[-_BRACKETS:]):
        if len(source) - at > _LONGEST:
            break
        if source.startswith("[^", at):
            continue
        # What is before the last block has no say, unless it defines something.
        before = 0 if "]:" in source else tree.line(tree.first(tree.blocks[-1]))
        for probe in _PROBES:
            probed = parse(source[before:].rstrip("\n") + probe)
            if (found := _link(probed, at - before)) is not None:
                begin = at - (source[at - 1 : at] == "!")
                end = min(before + probed.end(found.children[-1]), len(source)) if found.children else at
                label = source[at + 1 : end] if found.children else ""
                return parse(source[:begin] + label)
    return tree


def _link(tree: Tree, at: int) -> AstNode | None:
    """Return the link or image at the end of the text whose label begins behind the bracket *at*."""
    node = tree.leaf
    last = node.children[-1] if node is not None and node.children else None
    if last is None or kind(last) not in {comrak.Link, comrak.Image}:
        return None
    return last if tree.begin(last) + (kind(last) is comrak.Image) == at else None


def _closed(tree: Tree, end: int, parse: Parse) -> Tree:
    """Return *tree* up to *end* with the marks closed that are open in its last paragraph."""
    source = tree.source[:end]
    body = source.rstrip()
    marks = [mark for mark in _marks(tree) if mark.at + len(mark.text) < len(body)]
    if not marks:
        return tree if end == len(tree.source) else parse(source)
    for _ in range(_ROUNDS):
        if not marks:
            break
        closers = "".join(mark.text for mark in reversed(marks))
        made = parse(f"{body}{closers}{source[len(body) :]}")
        if len(made.blocks) != len(tree.blocks) or (
            made.leaf and tree.leaf and kind(made.leaf) is not kind(tree.leaf)
        ):
            marks = marks[1:]  # they would begin another block
            continue
        left = {mark.at for mark in _runs(made)}
        if not left.intersection(mark.at for mark in marks):
            return made
        fewer = [mark for mark in marks if mark.at not in left]
        marks = fewer or marks[1:]
    return parse(source)


def _marks(tree: Tree) -> list[Mark]:
    """Return the marks that may be open at the end: those before code that is open, and the code's own."""
    marks: list[Mark] = []
    for mark in _runs(tree):
        behind = tree.source[mark.at + len(mark.text) :][:1]
        if mark.text[0] == "`":
            return [*marks[-_MOST:], mark]
        if behind and not behind.isspace():
            marks.append(mark)
    return marks[-_MOST:] if len(marks) <= _MOST else []


def _runs(tree: Tree) -> Iterator[Mark]:
    """Yield the runs of marks that are text in the last paragraph, outside of all others."""
    for at, text in tree.texts:
        for found in _RUN.finditer(text):
            begin = at + found.start()
            within = found[0][0] == "_" and begin and tree.source[begin - 1].isalnum()
            if not within:
                yield Mark(begin, found[0])
