"""What people see of a message on Discord.  Pure.

The rules are those of its desktop client as LyricLy/parse-discord found them by trial (its tests are the
source of each): what comes first in the text wins; a block of code ends at the first ```, a list at the first
line that is not indented, blank ones too; there is no flanking rule; headings are none within lists, quotes
none within quotes.
"""

from __future__ import annotations

import re
from functools import cache

import regex

from tests.bench.facts import EM, GONE, HEADING, QUOTE, SMALL, SPOILER, STRONG, UNDER, Facts, Telling

#: A list counts from its first number, which is at least 1 and at most this.
HIGHEST = 1_000_000_000
#: Lists within lists.
DEEPEST = 11

_INLINE = r"""
  \\(?P<escaped>.)
| ```(?:[a-zA-Z_\-+.0-9]*\n)?(?P<block>.*?[^\n].*?)```
| \*(?!\s)(?P<em>(?:\\.|\*\*|[^*\\])+?)(?<!\s)\ {0,2}\*(?!\*)
| _(?P<low>(?:\\.|__|[^_\\])+?)_(?![a-zA-Z0-9_])
| \*\*(?P<strong>(?:\\.|[^\\])+?)\*\*(?!\*)
| __(?P<under>(?:\\.|[^\\])+?)__(?!_)
| ~~(?P<gone>.+?)~~(?!_)
| \|\|(?P<spoiler>.+?)\|\|
| (?P<ticks>`+)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)
| (?P<address>(?:https?|steam)://[^\s<]+[^<.,:;"'\]\s])
| <(?P<quiet>[^:\ >]+:/[^\ >]+)>
| \[(?P<label>(?:\[[^\]]*\]|\\.|[^\[\]])*[^\[]*?)\]
  \(\s*<?(?P<target>(?:https?|discord)://(?:\([^)]*\)|[^\s\\<>)])*?)>?(?:\s+['"].*?['"])?\s*\)
| ^-\#\ +(?!-\#)(?P<small>[^\n]+)\n?
"""
_HEADING = r"| ^(?P<hashes>\#{1,3})\s+(?!\#)(?P<heading>[^\n]*)\n?"
_QUOTE = r"| (?:(?<=^\ *)>\ (?P<quote>[^\n]*)\n?)+ | (?<=^\ *)>>>\ (?P<rest>.*)"
_LIST = r"| (?<=^\ *)(?:(?P<bullet>(?:[*-]|\d+\.)\ +)(?P<item>.[^\n]*(?:\n\ [^\n]*)*)\n?)+"
_BOLD = regex.compile(
    r"\*\*(?P<strong>(?:\\.|[^\\])+?)\*\*(?!\*)|__(?P<under>(?:\\.|[^\\])+?)__(?!_)", regex.S
)
_MARKS = {
    "em": EM,
    "low": EM,
    "strong": STRONG,
    "under": UNDER,
    "gone": GONE,
    "spoiler": SPOILER,
    "small": SMALL,
}
#: The line below the head of a table that is drawn in a block of code.
RULER = re.compile(r"─+(?:┼─+)*")
DRAWN = str.maketrans("│─┼", "   ")


@cache
def _pattern(*, headings: bool, quotes: bool, lists: bool) -> regex.Pattern[str]:
    source = _INLINE + _HEADING * headings + _QUOTE * quotes + _LIST * lists
    return regex.compile(source, regex.X | regex.S | regex.M | regex.V1)


def seen(page: str) -> Facts:
    """Return what *page* says."""
    telling = Telling()
    _read(page, 0, telling)
    return telling.facts()


def _read(text: str, marks: int, telling: Telling, lists: int = 0, before: str = "") -> None:
    """Read *text*, which stands behind *before* in its line."""
    pattern = _pattern(headings=not lists, quotes=not marks & QUOTE, lists=lists < DEEPEST)
    text, end = before + text, len(before)
    while found := pattern.search(text, end):
        if found["em"] or found["low"]:
            bold = _BOLD.match(text, found.start())
            found = bold if bold and bold.end() > found.end() else found
        telling.say(text[end : found.start()], marks)
        line = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
        _tell(found, marks, telling, lists, "$" if line.strip(" ") else line[:1])
        end = found.end()
    telling.say(text[end:], marks)


def _tell(found: regex.Match[str], marks: int, telling: Telling, lists: int, before: str) -> None:
    """Say what was *found*, which stands behind *before* in its line."""
    groups = found.groupdict()
    if (inner := next((name for name in _MARKS if groups.get(name)), "")) != "":
        _read(found[inner], marks | _MARKS[inner], telling, lists, before)
    elif (escaped := groups.get("escaped")) is not None:
        telling.say(f"\\{escaped}" if escaped.isalnum() or escaped.isspace() else escaped, marks)
    elif (block := groups.get("block")) is not None:
        _block(block.strip("\n"), marks, telling)
    elif (code := groups.get("code")) is not None:
        bare = code.strip(" ")
        code = code.removeprefix(" ") if bare.startswith("`") else code
        telling.span(code.removesuffix(" ") if bare.endswith("`") else code, marks)
    elif (target := groups.get("target")) is not None:
        _read(found["label"], marks, telling, DEEPEST, "$")
        telling.say(f" ({target})")
        telling.link(target)
    elif groups.get("bullet"):
        _list(found, marks, telling, lists, before)
    elif found.captures("quote") if "quote" in groups else ():
        _read("\n".join(found.captures("quote")), marks | QUOTE, telling, lists, before)
        telling.say("\n")
    elif (rest := groups.get("rest")) is not None:
        _read(rest, marks | QUOTE, telling, lists, before)
    elif (heading := groups.get("heading")) is not None:
        _read(heading.rstrip().rstrip("#").rstrip(), marks + HEADING * len(found["hashes"]), telling)
        telling.say("\n")
    else:
        telling.say(groups.get("address") or groups["quiet"], marks)


def _block(code: str, marks: int, telling: Telling) -> None:
    """Say a block of *code*; a table that is drawn in one is a table."""
    lines = code.split("\n")
    if any(map(RULER.fullmatch, lines)):
        telling.say(f"\n{code.translate(DRAWN)}\n", marks)
    else:
        telling.block(code, marks)


def _list(found: regex.Match[str], marks: int, telling: Telling, lists: int, before: str) -> None:
    bullets = found.captures("bullet")
    first = bullets[0].strip()
    number = None if first in "*-" else min(max(int(first[:-1]), 1), HIGHEST)
    telling.say("\n")
    for bullet, item in zip(bullets, found.captures("item"), strict=True):
        telling.item(number)
        _read(
            re.sub(f"^ {{1,{len(bullet)}}}", "", item, flags=re.MULTILINE), marks, telling, lists + 1, before
        )
        telling.say("\n")
        number = None if number is None else number + 1
