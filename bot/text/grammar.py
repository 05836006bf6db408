"""The one grammar: GitHub-flavoured markdown as comrak parses it, but for what models mean by it.  Pure.

Whatever needs the structure of a text asks here: what is shown, where a page may be cut, what is open at
the end.  A price is no formula, `__init__` is a name, and a table has a column for each cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import comrak
import regex
from comrak import AstNode

from bot.text.fences import nested
from bot.text.safe import legible
from bot.text.tree import CONTAINERS, DOLLAR, LOW, PIPE, TILDE, Tree, found, kind, parsed, value_of, walk

_TILDES = re.compile(r"\\.|~+", re.DOTALL)
#: Such a name stands between spaces and punctuation, as bold between underscores does (CommonMark 6.2).
_NAME = regex.compile(
    r"\\.|(?<![^\s\p{P}\p{S}])__(?!_)"
    r"(?:(\w*[^\W_])__(?![^\s\p{P}\p{S}]|_)|\w*+)",  # where one does not end, no later one in the word does
    regex.DOTALL,
)
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
_REFUSALS, _REPARSED = 8, 8_000
#: Blocks that hold words, and those that hold these.
_WORDED = frozenset({comrak.Paragraph, comrak.Heading, comrak.TableCell})
_HOLDERS = CONTAINERS | {comrak.Table, comrak.TableRow}
_DEFINITION = re.compile(r"^[ \t>]*\[(?!\^)([^\[\]\n]{1,200})\]:", re.MULTILINE)
_ENDS_CELL = re.compile(r"(?<!\\)\|")


@lru_cache(maxsize=4)  # a line that waits to be decided is left out of one frame after another
def parse(source: str, definitions: tuple[str, ...] = ()) -> Tree:
    """Return what *source* is made of.

    Args:
        source: Markdown.
        definitions: Lines that define links it may refer to: "[label]: <url>".
    """
    source = legible(source)
    if "__" in source:
        source = _NAME.sub(lambda each: f"{LOW * 2}{each[1]}{LOW * 2}" if each[1] else each[0], source)
    if "~" in source:
        source = _TILDES.sub(lambda found: TILDE if found[0] == "~" else found[0], source)
    tree = parsed(source, definitions)
    if "```m" in source.lower():
        tree = nested(tree, definitions)
    if "$" in source:
        tree = _priced(tree, definitions)
    for mend in (_piped, _widened) if "|" in source else ():
        if (mended := mend(tree)) != tree.source:
            tree = parsed(mended, definitions)
    return tree


def definitions(source: str) -> list[tuple[str, str, str]]:
    """Return the links that *source* defines: label, address, and the line that defines it."""
    labels = list(dict.fromkeys(found[1] for found in _DEFINITION.finditer(source)))
    if not labels:
        return []
    probes = "\n\n".join(f"[{label}]" for label in labels)
    tree = parsed(f"{legible(source)}\n\n{probes}", ())
    count = len(labels)
    found = []
    for label, block in zip(labels, tree.blocks[-count:], strict=False):
        node = block.children[0] if len(block.children) == 1 else block
        if kind(node) is comrak.Link:
            url = value_of(node).url
            found.append((label, url, f"[{label}]: <{url}>"))
    return found


# Formulas.


def _priced(tree: Tree, definitions: tuple[str, ...]) -> Tree:
    """Return *tree* with only those formulas that are some."""
    for _ in range(_REFUSALS + _REPARSED // len(tree.source)):
        if not (refused := _refused(tree)):
            return tree
        places = [tree.begin(node) for _, node in refused]
        if any(tree.source[at : at + 1] != "$" for at in places):
            break
        tree = parsed(_undollared(tree.source, [(at, at + 1) for at in places]), definitions)
    if not (refused := _refused(tree)):
        return tree
    spans = [(tree.line(tree.first(leaf)), tree.line(tree.last(leaf) + 1)) for leaf, _ in refused]
    return parsed(_undollared(tree.source, spans), definitions)


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
        pieces += source[end:begin], source[max(begin, end) : behind].replace("$", DOLLAR)
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


def prose(body: str) -> bool:
    """Tell whether no formula between two dollar signs begins with *body*, whatever follows."""
    found = _NO_FORMULA.search(body)
    return found is not None and found.end() < len(body)


# Tables.


def _piped(tree: Tree) -> str:
    """Return the source with other pipes in the code of rows that have too many cells for their table.

    By the specification a pipe in code ends a cell too, unless it is escaped.
    """
    tables = found(tree.blocks, comrak.Table) if "`" in tree.source else ()
    rows = [tree.first(row) for table in tables for row, _ in _long(tree, table)]
    bare = [tree.lines[number].lstrip("> \t") for number in rows]
    probe = parsed("\n\n".join(f"x{line}" for line in bare), ())
    lines = [*tree.lines]
    for node in (node for block in probe.blocks for node in walk(block) if kind(node) is comrak.Code):
        which, column = probe.where(probe.begin(node))
        line = lines[number := rows[which // 2]]
        begin = column - 1 + len(line) - len(bare[which // 2])
        end = begin + len(probe.text(node))
        lines[number] = line[:begin] + _ENDS_CELL.sub(PIPE, line[begin:end]) + line[end:]
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
    ruler = tree.first(table) + 1
    most = max(map(_pipes, tree.lines[ruler + 1 : tree.last(table) + 1]), default=0)
    rows = table.children if most and most > _pipes(tree.lines[ruler]) else ()
    return [(row, more) for row in rows if (more := _surplus(tree, row))]


def _pipes(line: str) -> int:
    """Return how many pipes are within *line*, a row: those at its ends begin and end no more cells."""
    row = line.strip("> \t\r")
    return row.count("|") - row.startswith("|") - row.endswith("|")


def _surplus(tree: Tree, row: AstNode) -> int:
    """Return how many cells of *row* are beyond its table's head."""
    rest = tree.source[tree.end(row.children[-1]) : tree.line(tree.first(row) + 1)].strip()
    cells = _ENDS_CELL.split(rest.removeprefix("|"))
    return len(cells) - (not cells[-1].strip())
