"""Discord's client, as far as a picture needs it: its markdown to HTML, by the rules of `tests.readers`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from tests.readers import INLINE

CSS = """
body { background: #313338; color: #dbdee1;
  font: 15px/1.4 "Noto Sans", "Noto Sans CJK JP", "Noto Color Emoji", sans-serif }
.name { font-weight: 600; color: #f2f3f5 } .time { color: #949ba4; font-size: 12px }
.app { background: #5865f2; color: #fff; border-radius: 3px; padding: 0 4px; font: 600 10px "Noto Sans" }
.avatar { border-radius: 50% } .moment { color: #949ba4; border-color: #4e5058 }
.text { white-space: pre-wrap; overflow-wrap: anywhere }
h1, h2, h3 { margin: 12px 0 6px; line-height: 1.35; color: #f2f3f5 }
h1 { font-size: 23px } h2 { font-size: 19px } h3 { font-size: 16px }
small { display: block; color: #949ba4; font-size: 12px }
ul, ol { margin: 3px 0 0; padding-left: 22px; white-space: normal }
li { margin-bottom: 3px; white-space: pre-wrap }
ul { list-style: disc } ul ul, ol ul { list-style: circle }
a { color: #00a8fc; text-decoration: none }
code { background: #2b2d31; border-radius: 4px; padding: 1px 4px }
code, pre { font: 13px/1.4 "DejaVu Sans Mono", "Noto Sans Mono CJK JP", monospace }
pre { background: #2b2d31; border: 1px solid #232428; border-radius: 4px; padding: 8px; margin: 6px 0 }
blockquote { border-left: 4px solid #4e5058; border-radius: 2px; padding-left: 12px; margin: 0 }
button { border: 0; border-radius: 4px; background: #4e5058; color: #fff; padding: 7px 16px;
  margin: 6px 0; font: 500 14px "Noto Sans", sans-serif }
"""

_TAGS = {"strong": "strong", "under": "u", "low": "em", "em": "em", "gone": "s", "spoiler": "span"}
_FENCE = re.compile(r"```(?:[a-z0-9_+\-.#]+\n)?\n*([^\n][\s\S]*?)\n*```\n?", re.IGNORECASE)
_HEADING = re.compile(r" *(#{1,3}) +(.+)")
_ITEM = re.compile(r"( *)(?:([-*])|(\d+)\.) +(.*)")


def draw(message: dict[str, Any]) -> str:
    """Return *message*, as Discord keeps it, as HTML."""
    buttons = "".join(f"<button>{escape(label)}</button>" for label in message["controls"])
    return f'<div class="text">{blocks(message["content"])}</div>{buttons}'


def blocks(text: str) -> str:
    """Return *text* as HTML: blocks of code wherever they are, and lines between them.

    A line feed right behind a block is the block's; a blank line is shown as one.
    """
    written, end = "", 0
    for found in _FENCE.finditer(text):
        written += _lines(text[end : found.start()].split("\n")) + f"<pre>{escape(found[1])}</pre>"
        end = found.end()
    return written + _lines(text[end:].split("\n"))


def _lines(lines: Sequence[str]) -> str:
    """Return *lines*; a heading, a list, a quote or small print ends its own line."""
    written, plain, at = "", "", 0
    while at < len(lines):
        line, end = lines[at], at + 1
        if found := _HEADING.fullmatch(line):
            block = f"<h{len(found[1])}>{inline(found[2])}</h{len(found[1])}>"
        elif line.startswith("-# "):
            block = f"<small>{inline(line[3:])}</small>"
        elif line.startswith("> "):
            end = _while(lines, at, lambda line: line.startswith("> "))
            block = f"<blockquote>{_lines([each[2:] for each in lines[at:end]])}</blockquote>"
        elif _ITEM.fullmatch(line):
            end = _while(lines, at, lambda line: bool(_ITEM.fullmatch(line) or line.startswith("  ")))
            block = _list(lines[at:end])
        else:
            plain, at = f"{plain}{line}\n", end
            continue
        written += inline(plain) + block
        plain, at = "", end
    return written + inline(plain.removesuffix("\n"))


def _while(lines: Sequence[str], at: int, holds: Any) -> int:
    while at < len(lines) and holds(lines[at]):
        at += 1
    return at


def _list(lines: Sequence[str]) -> str:
    """Return the list of *lines*: what is further in than an item is within it."""
    first = _ITEM.fullmatch(lines[0])
    assert first
    level, items = len(first[1]), list[list[str]]()
    for line in lines:
        found = _ITEM.fullmatch(line)
        if found and len(found[1]) <= level:
            items.append([found[4]])
        else:
            items[-1].append(line)
    inner = "".join(f"<li>{inline(item[0])}{_within(item[1:])}</li>" for item in items)
    return f"<ul>{inner}</ul>" if first[2] else f'<ol start="{first[3]}">{inner}</ol>'


def _within(lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return _list(lines) if _ITEM.fullmatch(lines[0]) else "\n" + inline("\n".join(map(str.strip, lines)))


def inline(text: str) -> str:
    """Return *text*, which has no blocks, as HTML."""
    written, end = "", 0
    for found in INLINE.finditer(text):
        written += escape(text[end : found.start()]) + _piece(found)
        end = found.end()
    return written + escape(text[end:])


def _piece(found: re.Match[str]) -> str:
    if found["escaped"] is not None:
        return escape(found["escaped"])
    if found["code"] is not None:
        return f"<code>{escape(found['code'].strip())}</code>"
    if found["target"]:
        return f'<a href="{escape(found["target"])}">{inline(found["label"])}</a>'
    if found["address"]:
        return f'<a href="{escape(found["address"])}">{escape(found["address"])}</a>'
    name = next(name for name in _TAGS if found[name])
    return f"<{_TAGS[name]}>{inline(found[name])}</{_TAGS[name]}>"
