"""The one grammar: GitHub-flavoured markdown as comrak parses it, and where everything stands.  Pure.

Whatever needs the structure of a text asks here: what is shown, where a page may be cut, what is open at
the end. Beside GitHub's there are emphasis that closes next to CJK characters, and formulas; a price is
none.  Only this module knows how comrak is set up.

Positions are offsets in the source in characters.  comrak's positions of blocks are exact; those within a
paragraph can be wrong behind a definition, so they say where to cut or to look, never what a text says.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Any

import comrak
import regex
from comrak import AstNode

from bot.text.safe import JOINER, clean, legible

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
_DOLLAR = "\u20b0"
#: Stand for an underscore of a name such as __init__, which is not bold, and for a tilde alone, which strikes
#: nothing out; punctuation too, and none of CJK, beside which marks have other rules.
_LOW, _TILDE = "\u2054", "\u2053"
#: Stands for a pipe in the code of a table's row.
_PIPE, _ENDS_CELL = "\u23d0", re.compile(r"(?<!\\)\|")
_TILDES = re.compile(r"\\.|~+", re.DOTALL)
#: Such a name stands between spaces and punctuation, as bold between underscores does (CommonMark 6.2).
_NAME = regex.compile(r"\\.|(?<![^\s\p{P}\p{S}])__(?!_)(\w*[^\W_])__(?![^\s\p{P}\p{S}]|_)", regex.DOTALL)
_MEANT = str.maketrans({_DOLLAR: "$", _LOW: "_", _TILDE: "~", _PIPE: "|"})
#: What formulas have and prices do not; a letter alone is a formula too.
_FORMULA = re.compile(r".*[\\_^{=<>+].*|[^\W\d_]", re.DOTALL)
_NO_FORMULA = re.compile(
    r"\A\d[\d.,]*\b(?![\s\d]*[\\_^])"  # a price
    r"|\A(?:[A-Z]{4,}|[A-Z][A-Z0-9]+_[A-Z0-9_]+)\b"  # a variable
    r"|(?:(?<![\\{\w])[a-z]{3,}(?![\w{}]).*?){3}",  # words
    re.DOTALL,
)
_LONGEST_FORMULA = 1_000
#: Formulas of a paragraph that are refused one by one, and characters of short texts parsed for more of them;
#: past that no dollar sign in the paragraph's lines begins one.
_REFUSALS, _REPARSED = 8, 16_000
#: How often blocks of code are looked for in others.
_NESTINGS = 8
#: A language, or what else stands behind a fence, is no longer than this where a page begins with it again.
LONGEST_INFO = 40
#: Blocks that hold blocks.
CONTAINERS = frozenset({comrak.BlockQuote, comrak.List, comrak.Item, comrak.FootnoteDefinition})
#: Blocks that hold words.
_WORDED = frozenset({comrak.Paragraph, comrak.Heading, comrak.TableCell})
_HOLDERS = CONTAINERS | {comrak.Table, comrak.TableRow}
#: What is between entities.
_BETWEEN = re.compile(r"(?:(?!&#?\w{1,32};).)+", re.DOTALL)
_NOTE = re.compile(r"\[\^([^\]\s]{1,40})\]")
_DEFINITION = re.compile(r"^[ \t>]*\[(?!\^)([^\[\]\n]{1,200})\]:", re.MULTILINE)
#: What begins a block of code, and how one begins that may hold others.
_FENCE = "```"
_NESTING = re.compile(r"(?:md|markdown)\b", re.IGNORECASE)


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
            else:  # entities are decoded: what is between them
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


@lru_cache(maxsize=4)  # a line that waits to be decided is left out of one frame after another
def parse(source: str, definitions: tuple[str, ...] = ()) -> Tree:
    """Return what *source* is made of.

    Args:
        source: Markdown.
        definitions: Lines that define links it may refer to: "[label]: <url>".
    """
    source = legible(source)
    if "__" in source:
        source = _NAME.sub(lambda each: f"{_LOW * 2}{each[1]}{_LOW * 2}" if each[1] else each[0], source)
    if "~" in source:
        source = _TILDES.sub(lambda found: _TILDE if found[0] == "~" else found[0], source)
    tree = _parsed(source, definitions)
    if "```m" in source.lower():
        tree = _nested(tree, definitions)
    if "$" in source:
        tree = _priced(tree, definitions)
    for mend in (_piped, _widened) if "|" in source else ():
        if (mended := mend(tree)) != tree.source:
            tree = _parsed(mended, definitions)
    return tree


def definitions(source: str) -> list[tuple[str, str, str]]:
    """Return the links that *source* defines: label, address, and the line that defines it."""
    labels = list(dict.fromkeys(found[1] for found in _DEFINITION.finditer(source)))
    if not labels:
        return []
    probes = "\n\n".join(f"[{label}]" for label in labels)
    tree = _parsed(f"{legible(source)}\n\n{probes}", ())
    count = len(labels)
    found = []
    for label, block in zip(labels, tree.blocks[-count:], strict=False):
        node = block.children[0] if len(block.children) == 1 else block
        if kind(node) is comrak.Link:
            url = value_of(node).url
            found.append((label, url, f"[{label}]: <{url}>"))
    return found


def _parsed(source: str, definitions: tuple[str, ...]) -> Tree:
    before = "".join(f"{line}\n" for line in definitions)
    # A footnote is one also where its text is still to come, or stands on another page.
    labels = dict.fromkeys(_NOTE.findall(source)) if "[^" in source else ()
    before += "".join(f"[^{label}]: .\n" for label in labels)
    before += "***\n" if before else ""  # else an indented line would go on with it
    root = comrak.parse_document(before + source, _EXTENSIONS, _OPTIONS)
    return Tree(source, root, before.count("\n"))


# Formulas.


def _priced(tree: Tree, definitions: tuple[str, ...]) -> Tree:
    """Return *tree* with only those formulas that are some."""
    for _ in range(_REFUSALS + _REPARSED // len(tree.source)):
        if not (refused := _refused(tree)):
            return tree
        places = [tree.begin(node) for _, node in refused]
        if any(tree.source[at : at + 1] != "$" for at in places):
            break
        tree = _parsed(_undollared(tree.source, [(at, at + 1) for at in places]), definitions)
    if not (refused := _refused(tree)):
        return tree
    spans = [(tree.line(tree.first(leaf)), tree.line(tree.last(leaf) + 1)) for leaf, _ in refused]
    return _parsed(_undollared(tree.source, spans), definitions)


def _refused(tree: Tree) -> list[tuple[AstNode, AstNode]]:
    """Return each paragraph, heading and cell with a formula that is none, and the first such one in it."""
    leaves = _leaves([block for block in tree.blocks if "$" in tree.rows(block)])
    found = ((leaf, next(filter(_no_formula, walk(leaf)), None)) for leaf in leaves)
    return [(leaf, node) for leaf, node in found if node]  # what is behind it may be another one without it


def _leaves(nodes: Sequence[AstNode]) -> Iterator[AstNode]:
    """Yield the blocks that hold words."""
    for node in nodes:
        if kind(node) in _WORDED:
            yield node
        elif kind(node) in _HOLDERS:
            yield from _leaves(node.children)


def _no_formula(node: AstNode) -> bool:
    return kind(node) is comrak.Math and value_of(node).dollar_math and not formula(node)


def _undollared(source: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return *source* with no dollar sign in *spans* that could begin a formula; cells share their line."""
    pieces: list[str] = []
    end = 0
    for begin, behind in spans:
        pieces += source[end:begin], source[max(begin, end) : behind].replace("$", _DOLLAR)
        end = behind
    return "".join([*pieces, source[end:]])


def formula(node: AstNode) -> bool:
    """Tell whether *node*, which stands between the marks of a formula, is one.

    Between two dollar signs of one line are prices, variables of a shell, and prose too.
    """
    value: comrak.NodeMath = value_of(node)
    body = value.literal
    if "`" in body or len(body) > _LONGEST_FORMULA or not re.search(r"\w", body):
        return False
    if not value.dollar_math or value.display_math:
        return True
    one_line = node.sourcepos.start.line == node.sourcepos.end.line
    return one_line and bool(_FORMULA.fullmatch(body)) and not _NO_FORMULA.search(body)


def words(text: str) -> str:
    """Return *text* of a tree's node as it was written, with plain line ends."""
    return clean(text if text.isascii() else text.translate(_MEANT))


# What models write and the specification does not have.


def _piped(tree: Tree) -> str:
    """Return the source with other pipes in the code of rows that have too many cells for their table.

    By the specification a pipe in code ends a cell too, unless it is escaped.
    """
    tables = found(tree.blocks, comrak.Table) if "`" in tree.source else ()
    rows = [tree.first(row) for table in tables for row, _ in _long(tree, table)]
    bare = [tree.lines[number].lstrip("> \t") for number in rows]
    probe = _parsed("\n\n".join(f"x{line}" for line in bare), ())
    lines = [*tree.lines]
    for node in (node for block in probe.blocks for node in walk(block) if kind(node) is comrak.Code):
        which, column = probe.where(probe.begin(node))
        line = lines[number := rows[which // 2]]
        begin = column - 1 + len(line) - len(bare[which // 2])
        end = begin + len(probe.text(node))
        lines[number] = line[:begin] + _ENDS_CELL.sub(_PIPE, line[begin:end]) + line[end:]
    return "\n".join(lines)


def _widened(tree: Tree) -> str:
    """Return the source with as many columns in each table's head as in its longest row."""
    lines = tree.lines
    for table in found(tree.blocks, comrak.Table):
        head = tree.first(table)
        more = max((more for _, more in _long(tree, table)), default=0)
        if more and head + 1 < len(lines):
            lines = [*lines]
            lines[head] = f"{lines[head].rstrip().removesuffix('|')}|{' |' * more}"
            lines[head + 1] = f"{lines[head + 1].rstrip().removesuffix('|')}|{'-|' * more}"
    return tree.source if lines is tree.lines else "\n".join(lines)


def _long(tree: Tree, table: AstNode) -> list[tuple[AstNode, int]]:
    """Return the rows of *table* that have more cells than it has columns, and how many more."""
    pipes = [line.count("|") for line in tree.lines[tree.first(table) : tree.last(table) + 1]]
    rows = table.children if max(pipes) > pipes[0] else ()
    return [(row, more) for row in rows if (more := _surplus(tree, row))]


def found(nodes: Sequence[AstNode], wanted: type[Any]) -> Iterator[AstNode]:
    """Yield the blocks of the kind *wanted*, which holds no others, that *nodes* are or hold."""
    for node in nodes:
        if kind(node) is wanted:
            yield node
        elif kind(node) in CONTAINERS:
            yield from found(node.children, wanted)


def _surplus(tree: Tree, row: AstNode) -> int:
    """Return how many cells of *row* are beyond its table's head."""
    rest = tree.source[tree.end(row.children[-1]) : tree.line(tree.first(row) + 1)].strip()
    cells = _ENDS_CELL.split(rest.removeprefix("|"))
    return len(cells) - (not cells[-1].strip())


def _nested(tree: Tree, definitions: tuple[str, ...]) -> Tree:
    """Return *tree* with a longer fence around each block of markdown that has blocks of code in it.

    By the specification such a block ends with the first fence in it.  Where text goes on right behind that
    fence, as it does behind one that opens, the model has meant another one.
    """
    for _ in range(_NESTINGS):
        lines, end = [*tree.lines], 0
        for node in found(tree.blocks, comrak.CodeBlock):
            value: comrak.NodeCodeBlock = value_of(node)
            short = value.fence_char == ord("`") and value.fence_length == len(_FENCE)
            if short and (first := tree.first(node)) >= end and _NESTING.match(value.info):
                quoted = lines[first].lstrip().startswith(">")
                end = first if quoted else _lengthened(lines, first)
        if lines == tree.lines:
            break
        tree = _parsed("\n".join(lines), definitions)
    return tree


def marker(value: comrak.NodeCodeBlock) -> str:
    """Return what a block of code begins with."""
    return " " * value.fence_offset + chr(value.fence_char) * value.fence_length


def opening(tree: Tree, node: AstNode, at: int) -> str:
    """Return the line that opens the block of code *node* of *tree* again, which goes on at *at*."""
    value: comrak.NodeCodeBlock = value_of(node)
    begin = marker(value)
    info = words(value.info) if len(value.info) <= LONGEST_INFO else ""
    if not (_NESTING.match(info) and begin.strip() == "````"):
        return begin + info
    within = tree.source[tree.begin(node) : at].split("\n")[1:]  # in one of the blocks in it
    inner = sum(line.strip("> \t").startswith("```") for line in within) % 2
    return f"```{info}{JOINER * inner}"


def _lengthened(lines: list[str], opened: int) -> int:
    """Lengthen the fences of the block that line *opened* begins, if it has others; return its last line."""
    inner = holds = lines[opened].endswith(JOINER)  # see `opening`
    ended = 0
    for number in range(opened + 1, len(lines)):
        line = lines[number].strip()
        bare = not line.strip("`")
        follows = number + 1 < len(lines) and bool(lines[number + 1].strip())
        if not line.startswith(_FENCE):
            continue
        if inner:
            inner = not bare
        elif bare and not follows:
            ended = number
            break
        else:
            inner = holds = True
    for number in {opened, ended or opened} if holds else ():
        lines[number] = lines[number].replace(_FENCE, f"{_FENCE}`", 1)
    return (ended or len(lines)) if holds else opened
