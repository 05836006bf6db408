"""What is open at the end of a paragraph that still grows: closed or held back, to look finished.  Pure.

A scanner, not a parser: it guesses what markdown-it will make of the paragraph once that is complete.  A
wrong guess shows for a moment and costs nothing: what is kept is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.text.safe import URL

_TOKEN = re.compile(
    r"\$(?=[^\s$])[^$\n]{0,80}[\\_^{*][^$\n]{0,80}(?<=[^\s\\])\$(?!\d)|\$\$[^$]{1,1000}\$\$"
    r"|\\[(\[].+?\\[)\]]|\\.|(?P<ticks>`+)|(?P<run>\*+|_+|~{2,})|(?P<open>!?\[)|(?P<close>\])|(?P<space>\s+)",
    re.DOTALL,
)
#: Where a link leads, or what it refers to; complete.
_TARGET = re.compile(
    r"\((?:[^()\s\\]|\\.|\([^()\s]*\))*(?:\s+(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?\s*\)|\[[^\[\]]*\]"
)
#: What is in the making at the end: an entity, an escape, a tag or an autolink, an image.
_MAKING = re.compile(
    r"(?:&#?\w{0,31}|\\|<[A-Za-z/!?][^<>\s]*|<|!"
    r"|\$(?=[^\s$])[^$\n]{0,80}[\\_^{][^$\n]{0,80}|\$\$[^$]{0,80}|\\[(\[][^\n]{0,80})\Z"
)
#: What may still become a formula; a price is none.
_FORMULA = re.compile(r"(?:\$(?=[^\s$\d])[^$\n]{0,80}|\$\$[^$]{0,80}|\\[(\[](?:(?!\\[)\]])[^\n]){0,80})\Z")
_FORMULA_ROOM = 84
#: Within a word that is nothing but a word: between ideographs, or far behind any address or at sign.
_WITHIN = re.compile(
    r"(?<=[\u3040-\u9fff\uac00-\ud7af]{2})(?=[\u3040-\u9fff\uac00-\ud7af])|(?<=[A-Za-z]{40})(?=[A-Za-z])"
)
#: Characters after which nobody expects the rest of a link any more.
_LONGEST = 2_000
#: Characters without a space after which a text is divided within a word to be rendered.
_LONG = 200
#: Marks that may be open at once; what is opened within so many is text.
DEEPEST = 24


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan found.

    Attributes:
        sealed: Up to here the text is complete in itself, whatever follows; just behind a space, or 0.
        marks: What is open at the end, outermost first: ("**", 12), where from.
        held: From here on the text had better not be shown yet.
    """

    sealed: int
    marks: tuple[tuple[str, int], ...]
    held: int

    @property
    def openers(self) -> str:
        """What opens again, elsewhere, what is open here; links don't, and no kind of mark twice."""
        return "".join(dict.fromkeys(mark for mark, _ in self.marks if mark[-1] != "["))


def scan(text: str) -> Scan:
    """Look at *text*, which begins outside of any mark."""
    marks: list[tuple[str, int]] = []
    sealed = at = code = 0
    while found := _TOKEN.search(text, at):
        at = found.end()
        if found["ticks"]:
            close = re.compile(f"(?<!`){found[0]}(?!`)").search(text, at)
            if close is None and len(found[0]) >= len("```"):
                continue  # closed on a line of its own it would be a fence
            if close is None:
                marks.append((found[0], found.start()))
                break
            at = code = close.end()
        elif found["run"]:
            _emphasize(text, found, marks)
        elif found["open"] and len(marks) < DEEPEST:
            marks.append((found[0], found.start()))
        elif found["close"]:
            at = _close(text, at, marks)
        elif found["space"] and not marks and "\n" not in found[0] and text[at - 1] == " ":
            sealed = at
    return Scan(_complete(text, sealed, code, marks), tuple(marks), _held(text, marks))


def _complete(text: str, sealed: int, code: int, marks: Sequence[tuple[str, int]]) -> int:
    """Return up to where *text* is complete, which is so up to *sealed* and has no code behind *code*."""
    if not marks and len(text) - sealed > _LONG:
        within = [found.start() for found in _WITHIN.finditer(text, max(sealed, len(text) - _LONG))]
        sealed = max([sealed, *within[-1:]])
    sealed = min(sealed, marks[0][1]) if marks else sealed
    if formula := _FORMULA.search(text, max(code, len(text) - _FORMULA_ROOM)):
        sealed = min(sealed, formula.start())
    return sealed


def mended(text: str) -> str:
    """Return *text* with what is open at its end closed, or held back."""
    found = scan(text)
    shown = text[: found.held]
    for mark, begin in reversed(found.marks):
        if begin >= len(shown):
            continue
        if mark.endswith("["):
            shown = f"{shown[:begin]}{_label(shown[begin + len(mark) :])}"
            continue
        body = shown.rstrip() if mark[0] != "`" else shown
        shown = f"{body}{mark}{shown[len(body) :]}" if len(body) > begin + len(mark) else shown[:begin]
    return shown


def closed(text: str) -> str:
    """Return *text* with its open emphasis and code closed, and all of it there."""
    for mark, begin in reversed(scan(text).marks):
        body = text.rstrip() if mark[0] != "`" else text
        if not mark.endswith("[") and len(body) > begin + len(mark):
            text = f"{body}{mark}{text[len(body) :]}"
    return text


def _emphasize(text: str, found: re.Match[str], marks: list[tuple[str, int]]) -> None:
    """Let the run of marks *found* close what it can, and open the rest."""
    before, after = text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
    left = bool(after.strip()) and (after.isalnum() or not before.isalnum())
    right = bool(before.strip()) and (before.isalnum() or not after.isalnum())
    if found[0][0] == "_":
        left, right = left and not before.isalnum(), right and not after.isalnum()
    run, at = found[0], found.start()
    if run[0] == "~" and run != "~~":
        return
    while run:
        size = min(len(run), len("**"))
        same = [
            number for number, (mark, _) in enumerate(marks) if mark[0] == run[0] and len(mark) <= len(run)
        ]
        if right and same:
            taken = len(marks[same[-1]][0])
            del marks[same[-1] :]
        elif left and len(marks) < DEEPEST:
            marks.append((run[:size], at))
            taken = size
        else:
            return
        run, at = run[taken:], at + taken


def _close(text: str, at: int, marks: list[tuple[str, int]]) -> int:
    """Take the bracket that closes before *at*; return where to go on."""
    opened = [number for number, (mark, _) in enumerate(marks) if mark.endswith("[")]
    if not opened:
        return at
    if found := _TARGET.match(text, at):
        del marks[opened[-1] :]
        return found.end()
    if at < len(text) and text[at] not in "([":
        del marks[opened[-1]]
    return at if at >= len(text) or text[at] not in "([" else len(text)


def _held(text: str, marks: list[tuple[str, int]]) -> int:
    """Return from where on *text* is not to be shown yet."""
    if marks and marks[-1][0][0] == "`":
        return len(text)
    held = len(text.rstrip("*_~"))
    if found := _MAKING.search(text, max(0, len(text) - 200)):
        held = min(held, found.start())
    tail = max(text.rfind(" "), text.rfind("\n")) + 1
    if (found := URL.search(text, max(tail, len(text) - _LONGEST))) and found.end() >= len(text):
        held = min(held, found.start())
    return held


def _label(text: str) -> str:
    """Return the label of the link that began before *text*."""
    label, _, _ = text.partition("](")
    return label.removesuffix("]")
