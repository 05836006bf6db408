"""What is in the making at the end of a text that grows: it waits, or is shown as it will be.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import comrak

from bot.text import grammar
from bot.text.safe import URL
from bot.text.tree import TILDE, Tree, kind

#: What emphasis and code begin and end with.
_MARKS = f"*_~`{TILDE}"
_TICKS = re.compile(r"`+(?!`|\Z)")
_LAST_TICKS = re.compile(r"`+\Z")
#: An entity, an escape, a tag or an autolink, an image, a footnote.
_MAKING = re.compile(r"(?:&#?\w{0,31}|\\|<[A-Za-z/!?][^<>\s]*|<|!|\[\^[^\]\s]{0,40})\Z")
#: What may still become a formula between dollar signs; a price is none.
_DOLLAR = re.compile(r"\$([^\s$\d`][^$\n`]{0,79})?\Z")
#: The same with other marks, also with half of the one that ends it.
_FORMULAS = (
    re.compile(r"\$\$[^$`]{0,80}\$?\Z"),
    re.compile(r"\\\((?:(?!\\\))[^\n`]){0,80}\Z"),
    re.compile(r"\\\[(?:(?!\\\])[^\n`]){0,80}\Z"),
)
#: How far back these look.
_LONGEST_WAIT = 86
#: The beginning of a formula that has lines of its own: what is behind the mark is the line's end, or is in
#: no shell's or author's line that begins so.
_OWN_LINES = re.compile(
    r"^[ \t>]*(?:(?:[-+*]|\d{1,9}[.)])[ \t]+)*(?P<mark>\$\$|\\\[)(?=[ \t]*(?:\n|\Z)|[^\n]*[\\^_=])",
    re.MULTILINE,
)
_ENDS = {"$$": "$$", "\\[": "\\]"}
#: Characters of a formula, or of a URL, after which nobody expects the rest of it any more.
_LONGEST_FORMULA, _LONGEST_URL = 1_000, 2_000
#: What is no URL yet.
_SCHEME = re.compile(r"\b(?:https?:?/?|www)\Z", re.IGNORECASE)
Parse = Callable[[str], Tree]


def held(tree: Tree) -> int:
    """Return from where on the text of *tree*, which ends in words, is not to be shown yet."""
    source, end = tree.source, len(tree.source)
    if ticks := max((len(run[0]) for _, text in tree.texts for run in _TICKS.finditer(text)), default=0):
        last = _LAST_TICKS.search(source.rstrip())  # in code all is as it is, but for what may become its end
        shown = source[: last.start()].rstrip() if last and len(last[0]) < ticks else source
        return len(shown.rstrip("`")) if shown is not source else end
    if _whole(tree):
        return end
    last_word = source.rstrip()
    found = [len((last_word if last_word.endswith("`") else source).rstrip(_MARKS)), *_waiting(tree)]
    at = min(found)
    before = len(source[:at].rstrip(_MARKS))
    return at if source.endswith("\\", 0, before) else before


def _whole(tree: Tree) -> bool:
    """Tell whether *tree* ends with something that is neither text nor the beginning of a formula."""
    last = tree.leaf.children[-1] if tree.leaf and tree.leaf.children else None
    if last is not None and kind(last) is comrak.Escaped:
        return tree.text(last) not in {"\\(", "\\["}
    return not tree.texts or tree.texts[-1][0] + len(tree.texts[-1][1]) < len(tree.source.rstrip())


def _waiting(tree: Tree) -> Iterator[int]:
    """Yield where something begins at the end of *tree* that waits until it is whole."""
    source, end, plain = tree.source, len(tree.source), _plain_from(tree)
    if found := _MAKING.search(source, max(plain, end - 200)):
        yield found.start()
    if (found := _DOLLAR.search(source, max(plain, end - _LONGEST_WAIT))) and not grammar.prose(
        found[1] or ""
    ):
        yield found.start()
    for each in _FORMULAS:
        if found := each.search(source, max(plain, end - _LONGEST_WAIT)):
            yield found.start()
    if found := _SCHEME.search(source, plain):
        yield found.start()
    word = max(source.rfind(" "), source.rfind("\n")) + 1
    if (found := URL.search(source, max(word, end - _LONGEST_URL))) and found.end() >= end:
        yield found.start()


def _plain_from(tree: Tree) -> int:
    """Return from where on the end of *tree* has nothing but text and escapes."""
    at = len(tree.source)
    for each in reversed(tree.leaf.children if tree.leaf else ()):
        if kind(each) not in {comrak.Text, comrak.Escaped}:
            break
        at = tree.begin(each)
    return at


def formula(tree: Tree, parse: Parse) -> Tree | None:
    """Return *tree* with the formula at its end that has lines of its own closed, or held back; else None."""
    leaf = tree.paragraph
    if leaf is None or ("$$" not in tree.source and "\\[" not in tree.source):
        return None
    source = tree.source
    begun = _begun(source, tree.line(tree.first(leaf)))
    if begun is None:
        return None
    at, mark = begun.start("mark"), begun["mark"]
    body = source[at + 2 :]
    if "`" in body or len(body) > _LONGEST_FORMULA:
        return None
    body = body.rstrip().rstrip("$\\").rstrip()  # without half of its end
    made = parse(f"{source[:at]}{mark}{body}{_ENDS[mark]}")
    last = made.leaf.children[-1] if made.leaf and made.leaf.children else None
    if last is not None and kind(last) is comrak.Math and grammar.formula(last):
        return made
    return parse(source[:at])


def _begun(source: str, begin: int) -> re.Match[str] | None:
    """Return where a formula with lines of its own begins, from *begin* on in *source*, that has no end."""
    while found := _OWN_LINES.search(source, begin):
        end = source.find(_ENDS[found["mark"]], found.end())
        if end < 0:
            return found
        begin = end + 2
    return None
