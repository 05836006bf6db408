"""What people read of a page on each platform: its text, without what the client takes for markup.  Pure.

How Slack reads a markdown block is the emulator's.  Discord's rules are its client's own, which takes
whatever comes first in the text (they are simple-markdown's, with Discord's changes).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser

from markdown_it import MarkdownIt

from adapters.emulators.slack import markdown
from adapters.emulators.slack.markdown import Code

#: CommonMark as the model writes it; HTML is shown as it is written.
COMMONMARK = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])

#: Discord's markup in order of precedence: what it shows is the group "text", or the last one that matched.
INLINE = re.compile(
    r"\\(?P<escaped>[^0-9A-Za-z\s])"
    r"|```(?:[a-z0-9_+\-.#]+\n)?\n*(?P<block>[^\n][\s\S]*?)\n*```"
    r"|(?P<ticks>`+)(?P<code>[\s\S]*?[^`])(?P=ticks)(?!`)"
    r"|\[(?P<label>(?:\[[^\[\]]*\]|[^\[\]])+)\]"
    r"\(\s*<?(?P<target>(?:https?|discord)://[^\s()<>]+)>?[^()\n]*\)"
    r"|(?P<address>https?://[^\s<]+[^<.,:;\"'\]\s])"
    r"|\*\*(?P<strong>(?:\\[\s\S]|[^\\])+?)\*\*(?!\*)"
    r"|__(?P<under>(?:\\[\s\S]|[^\\])+?)__(?!_)"
    r"|\b_(?P<low>(?:__|\\[\s\S]|[^\\_])+?)_\b"
    r"|\*(?=\S)(?P<em>(?:\*\*|\\[\s\S]|\s+(?:\\[\s\S]|[^\s*\\]|\*\*)|[^\s*\\])+?)\*(?!\*)"
    r"|~~(?P<gone>[\s\S]+?)~~(?!_)"
    r"|\|\|(?P<spoiler>[\s\S]+?)\|\|",
    re.IGNORECASE,
)
#: What begins a line on Discord and is not shown as it is written.
STARTS = re.compile(r"^ *(?:#{1,3} +|-# +|>>> |> )", re.MULTILINE)


class _Text(HTMLParser):
    """Keeps the text of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def text_of(html: str) -> str:
    """Return the text of *html*: no tags, entities decoded."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    return "".join(parser.parts)


def slack(page: str, code: Code = "literal") -> str:
    """Return what people read of a markdown block on Slack; *code* as in the emulator's `markdown`."""
    return text_of(markdown.html(page, code))


def discord(page: str) -> str:
    """Return what people read of a message on Discord."""
    parts, end = [], 0
    for found in INLINE.finditer(page):
        parts += [_lines(page[end : found.start()], fresh=not end), _inner(found)]
        end = found.end()
    return "".join([*parts, _lines(page[end:], fresh=not end)])


def _lines(text: str, *, fresh: bool) -> str:
    """Return *text* as it is read, which begins a line where *fresh*."""
    head, feed, rest = text.partition("\n")
    return STARTS.sub("", text) if fresh else f"{head}{feed}{STARTS.sub('', rest)}"


def _inner(found: re.Match[str]) -> str:
    """Return what is read of one piece of Discord's markup."""
    for name in ("escaped", "block", "code", "address"):
        if found[name] is not None:
            return found[name]
    if found["target"]:
        return f"{discord(found['label'])} {found['target']}"
    return discord(next(filter(None, map(found.group, ("strong", "under", "low", "em", "gone", "spoiler")))))


READERS: Mapping[str, Callable[[str], str]] = {"slack": slack, "discord": discord}


def missing(expected: str, read: str) -> str:
    """Return *expected* from where *read* lacks it, white space aside; "" if it has all."""
    rest = iter("".join(read.split()))
    wanted = "".join(expected.split())
    for at, character in enumerate(wanted):
        if character not in rest:  # reads on to the next such character
            return wanted[at:]
    return ""
