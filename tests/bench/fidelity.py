"""Whether pages say what the model's text says.  Pure.

The text is read by comrak (`meant`), a page by its platform's rules (`reads_slack`, `reads_discord`): the
same numbers of lists, code to the byte, links, emphasis and words, and no definition of a link that the page
has made.  Of a page that holds only a part of the text, what lies wholly on it is compared, and where the cut
goes through words or code alone, also what all pages say together; of one that still grows, all but its last
block.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import unquote

import regex

from bot.show.pages import Piece
from tests.bench import reads_discord, reads_slack
from tests.bench.facts import DEFINITION, Facts, joined
from tests.bench.meant import Leaf, leaves
from tests.bench.tree import UnclearError

READERS: Mapping[str, Callable[[str], Facts]] = {"slack": reads_slack.seen, "discord": reads_discord.seen}
#: What a complaint may begin with.
NAMES = ("numbers", "spans", "blocks", "links", "definition", "text", "emphasis")
#: Ways that are tried to tell a page's tables, of which each may be drawn or told, and its empty items.
MOST = 64
#: How many characters one of a table takes at most: told row by row its head comes twice, "&" is "&amp;".
GROWS = 8
#: Marks that are text.
_OPEN = re.compile(r"[*_~`\[$]")
#: A page of nothing else is shown as nothing.
_INVISIBLE = regex.compile(r"[\p{M}\u2800]*")
_ENDS = " \t\r\n"
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_USED = re.compile(r"\[([^\[\]\n]{1,200})\](?!:)")
#: Definitions in a paragraph right before a table: comrak reads text there, others definitions.
_TABLED = re.compile(r"^[ \t>]*\[[^\[\]\n]+\]:[^\n]*\n(?:[ \t>]*[^\s>].*\n)*?[ \t>]*\|", re.MULTILINE)
_DEFINED = re.compile(r"^[ \t>]*\[(?!\^)([^\[\]\n]{1,200})\]:", re.MULTILINE)

Allowed = Callable[[str], bool]


@dataclass(frozen=True)
class Part:
    """What of a text lies wholly on a page.

    Attributes:
        leaves: The blocks.
        begins: Whether the page has nothing before them.
        ends: Whether it has nothing behind them.
    """

    leaves: Sequence[Leaf]
    begins: bool
    ends: bool


def read(text: str, side: str, allowed: Allowed, *, pages: int = 1) -> Sequence[Leaf] | None:
    """Return the blocks of *text*; None where it cannot be compared.

    A reference becomes a link when the answer ends, on the page that still grows then; a definition that no
    reference uses is text.
    """
    if _TABLED.search(text):
        return None
    if DEFINITION.search(text):
        used = {label.casefold() for label in _USED.findall(text)}
        if pages > 1 or not all(label.casefold() in used for label in _DEFINED.findall(text)):
            return None
    try:
        return leaves(text, side, allowed)
    except UnclearError:
        return None


def unlike(pieces: Sequence[Piece], text: str, side: str, allowed: Allowed, size: int = 0) -> Iterator[str]:
    """Yield where *pieces*, pages of *size* (0: nobody knows) which are all of *text*, say something else."""
    yield from (wrong for piece in pieces for wrong in _invented(piece.shown, text, side))
    if any(piece.files for piece in pieces):
        return
    if (found := read(text, side, allowed, pages=len(pieces))) is None:
        return
    seen = [READERS[side](piece.shown) for piece in pieces]
    cuts = [0, *itertools.accumulate(len(piece.text) for piece in pieces)]
    fitting = _fitting(found, text, cuts[1:-1], size)
    for facts, begin, end in zip(seen, cuts, cuts[1:], strict=False):
        if end <= fitting:
            yield from differing(_part(found, text, begin, end), facts)
    whole = all(facts.text for facts in seen)  # pages of combining marks alone are not shown
    if len(pieces) > 1 and whole and fitting == len(text) and not _parted(found, text, cuts[1:-1]):
        yield from differing(Part(found, begins=True, ends=True), joined(seen), cut=True)


def unlike_so_far(
    piece: Piece, text: str, cuts: Sequence[int], side: str, allowed: Allowed, size: int
) -> Iterator[str]:
    """Yield where *piece*, which grows and has *text* from the last of *cuts* on, says something else.

    A page of *size* may leave what does not fit to the next one, which comes when more of the text has come,
    and a heading with what it heads.
    """
    yield from _invented(piece.shown, text, side)
    if not piece.shown or (found := read(text, side, allowed, pages=2)) is None or "```m" in text.lower():
        return
    begin = cuts[-1]
    if _fitting(found, text, [cut for cut in cuts if cut < len(text)], size) < len(text):
        return
    part = _part(found, text, begin, len(text))
    shown = [leaf for leaf in part.leaves if leaf is not found[-1]]
    lines = ["", *text.split("\n")]
    if shown and lines[-1] and lines[found[-1].first].strip("> \t\r"):
        shown.pop()  # the last line may be held back, and what it may belong to is open then
    seen, starts = READERS[side](piece.shown), _lines(text)
    complaints = wrong = differing(Part(shown, part.begins, ends=False), seen)
    full = max(len(piece.text), len(piece.shown)) > size // 2
    while (wrong and full and shown) and (
        shown[-1].kind == "Heading" or starts[shown[-1].last + 1] - begin > size // 4
    ):
        shown.pop()
        wrong = differing(Part(shown, part.begins, ends=False), seen)
    yield from wrong and complaints


def _fitting(found: Sequence[Leaf], text: str, cuts: Sequence[int], size: int) -> int:
    """Return up to where *text* can be put on pages of *size* as it is meant; 0: they may be of any.

    What a page is too small for is shown as it is written: the head of a table and a row, or one row; what is
    behind is no part of that then.  So is a page that has nothing else, or only more rows.
    """
    starts = _lines(text)
    tables = [leaf for leaf in found if leaf.kind == "Table"]
    heads = [(leaf.first, min(leaf.first + 3, leaf.last + 1), leaf.last + 1) for leaf in tables]
    rows = [(at, at + 1, at + 1) for leaf in tables for at in range(leaf.first, leaf.last + 1)]
    wholes = [(starts[at], starts[end], starts[last]) for at, end, last in (*heads, *rows)]
    large = [each for each in wholes if not size or (each[1] - each[0]) * GROWS > size]
    alone = [
        (at, cut + 1)
        for begin, cut in itertools.pairwise([0, *cuts])
        for at, end, last in large
        if end <= cut <= last and not text[begin:at].strip()
    ]
    torn = [*alone, *((at, end) for at, end, _ in large)]
    return min((begin for begin, end in torn for cut in cuts if begin < cut < end), default=len(text))


def _invented(shown: str, text: str, side: str) -> Iterator[str]:
    """Yield the links and definitions of the page *shown* that *text* does not have."""
    if side == "slack" and "]:" in shown and reads_slack.tokens(shown)[1]:
        yield f"definition: {shown[:60]!a}"
    if "](" in shown and (links := READERS[side](shown).links):
        told = _address(_unescaped(text))
        if wrong := [link for link in links if _address(link) not in told]:
            yield f"links: {wrong[:3]!a} are new"


def _address(text: str) -> str:
    """Return *text* with the addresses in it as they are compared: a scheme has no case (RFC 3986, 3.1)."""
    return re.sub(r"\bhttps?:", lambda found: found[0].lower(), unquote(text), flags=re.IGNORECASE)


def _unescaped(text: str) -> str:
    """Return *text*, and as it is without escapes and entities."""
    return text + unescape(_ESCAPE.sub(r"\1", text))


def _lines(text: str) -> Sequence[int]:
    """Return where the lines of *text* begin, and where one behind the last would."""
    return [0, *itertools.accumulate(len(line) + 1 for line in text.split("\n"))]


def _part(found: Sequence[Leaf], text: str, begin: int, end: int) -> Part:
    """Return those blocks that lie wholly between *begin* and *end*."""
    starts = _lines(text)
    within, begins, ends = [], True, True
    for leaf, behind in itertools.zip_longest(found, found[1:]):
        first, last = starts[leaf.first], len(text[: starts[_last(leaf, behind) + 1] - 1].rstrip(_ENDS))
        if begin <= first and last <= end:
            within.append(leaf)
        elif first < end and last > begin:
            begins, ends = begins and first >= begin, ends and last <= end
    return Part(within, begins, ends)


def _last(leaf: Leaf, behind: Leaf | None) -> int:
    """Return the last line of *leaf*, with the head of a table right *behind* it, which is text at first."""
    tabled = behind is not None and behind.kind == "Table" and behind.first == leaf.last + 1
    return leaf.last + 2 if tabled else leaf.last


def _parted(found: Sequence[Leaf], text: str, cuts: Sequence[int]) -> bool:
    """Return whether a cut goes through what is not put together again.

    That is a table, a link, inline code, a word; and where marks are left open, or the line below a heading
    comes on the next page, nobody could know it then.
    """
    starts = _lines(text)
    wholes = [
        (starts[leaf.first], starts[_last(leaf, behind) + 1])
        for leaf, behind in itertools.zip_longest(found, found[1:])
        if leaf.whole
        or (leaf.kind == "Heading" and leaf.last > leaf.first)
        or (leaf.kind != "CodeBlock" and _OPEN.search(leaf.tellings[0].said()))
    ]
    if any(len("".join(text[cut - 1 : cut + 1].split())) == 2 for cut in cuts):
        return True
    return any(begin < cut < end for begin, end in wholes for cut in cuts)


def differing(part: Part, seen: Facts, *, cut: bool = False) -> list[str]:
    """Return in what *seen*, a page, differs from what it has; *cut*: a block of code may be in pieces."""
    tables = [leaf for leaf in part.leaves if len(leaf.tellings) > 1]
    complaints: list[str] = []
    if not seen.text and _INVISIBLE.fullmatch("".join(leaf.facts[0].text for leaf in part.leaves)):
        return []  # `empty` says whether a page may be
    possible = ([way for way in (0, 1) if leaf.facts[way].text in seen.text] or [0] for leaf in tables)
    for ways in itertools.islice(itertools.product(*possible), MOST):
        told = {id(leaf) for leaf, way in zip(tables, ways, strict=True) if way}
        meant = joined(leaf.facts[id(leaf) in told] for leaf in part.leaves)
        wrong = [*_differing(meant, seen, part, cut=cut)]
        if not wrong:
            return []
        complaints = complaints or wrong
    return complaints


def _differing(meant: Facts, seen: Facts, part: Part, *, cut: bool) -> Iterator[str]:
    if not _fits(meant.items, seen.items, part):
        yield f"numbers: {_told(meant.items, seen.items)}"
    if not cut and not _fits(meant.spans, seen.spans, part):
        yield f"spans: {_told(meant.spans, seen.spans)}"
    blocks = [_lined(each) if cut else each.blocks for each in (meant, seen)]
    if not _fits(blocks[0], blocks[1], part):
        yield f"blocks: {_told(*blocks)}"
    rest = iter(map(_address, seen.links))
    if missing := [link for link in meant.links if _address(link) not in rest]:
        yield f"links: {missing[:3]!a} missing"
    if not _fits(meant.text, seen.text, part):
        yield f"text: {_told(meant.text, seen.text)}"
    elif not _fits(meant.marks, seen.marks, part, meant.text, seen.text):
        yield f"emphasis: {_marked(meant)} but {_marked(seen)}"


def _lined(facts: Facts) -> Sequence[str]:
    """Return the code in blocks without its line ends and blank lines, which a cut takes."""
    return tuple("".join(line for code in facts.blocks for line in code.split("\n") if line.strip()))


def _fits(meant: Any, seen: Any, part: Part, text: str = "", within: str = "") -> bool:
    """Return whether *meant* is where it should be in *seen*, and *text* in that place *within* another."""
    room = len(seen) - len(meant)
    places = [0] * part.begins + [room] * part.ends if part.begins or part.ends else range(room + 1)
    if room < 0 or (part.begins and part.ends and room):
        return False
    return any(
        seen[at : at + len(meant)] == meant and within[at : at + len(text)] == text
        for at in dict.fromkeys(places)
    )


def _told(meant: Sequence[Any], seen: Sequence[Any]) -> str:
    """Return both from a little before where they begin to differ."""
    same = len([*itertools.takewhile(lambda both: both[0] == both[1], zip(meant, seen, strict=False))])
    return " but ".join(ascii(each[max(0, same - 8) : same + 40]) for each in (meant, seen))


def _marked(facts: Facts) -> str:
    """Return the words of *facts* that are marked, with the marks' bits."""
    runs = itertools.groupby(zip(facts.text, facts.marks, strict=True), key=lambda both: both[1])
    words = [(ord(mark), "".join(character for character, _ in run)) for mark, run in runs if ord(mark)]
    return ascii(words)[:200]
