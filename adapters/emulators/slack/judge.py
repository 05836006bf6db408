"""What a message does to those who read it: whom it pings, and which addresses it takes them to.

A markdown block is read by `markdown`, in whose words *code* says how code is taken.  Pure: no clock, no
state, no network; it never asks what a bot intended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from markdown_it.token import Token

from adapters.emulators.slack.content import Block, texts
from adapters.emulators.slack.markdown import LINK, MENTION, SLACK, Code, entities, read, shown

_BARE = re.compile(r"(?<![\w.])@(?:channel|here|everyone)\b", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s<>|)\"']+")
#: An address that becomes a link as it stands.
_ADDRESS = re.compile(r"(?:https?://|mailto:|\bwww\.)[^\s<>]+", re.IGNORECASE)
#: mrkdwn's code, in which no address is a link.
_CODE = re.compile(r"```[\s\S]+?```|`[^`\n]+`")
_TRAILING = ".,:;!?'\"*_~|"


def pings(text: str, blocks: Sequence[Block], *, linked: bool, code: Code = "literal") -> list[str]:
    """Return what would notify or link somebody, as it is written.

    Args:
        text: The `text` argument: mrkdwn.
        blocks: The blocks; `plain_text` never pings, escaped text neither.
        linked: Whether link_names or parse=full also turns bare names into mentions.
        code: How code in markdown blocks is read.
    """
    markdown, mrkdwn = _markdown(blocks), _mrkdwn(text, blocks)
    tokens = [token for part in mrkdwn for token in MENTION.findall(part)]
    tokens += [token for part in markdown for token in read(part, code).live if MENTION.fullmatch(token)]
    # Nobody documents whether a bare @here in a markdown block pings, so it counts, but for code.
    plain = [run for part in markdown for run in _runs(part, code)]
    bare = [token for part in [*plain, *(mrkdwn if linked else [])] for token in _BARE.findall(part)]
    return [*tokens, *bare, *_rich_pings(blocks)]


def links(text: str, blocks: Sequence[Block], code: Code = "literal") -> list[tuple[str, str]]:
    """Return (label, target) of everything that a reader can click, or Slack could unfurl."""
    found = [link for part in _mrkdwn(text, blocks) for link in _mrkdwn_links(part)]
    found += [link for part in _markdown(blocks) for link in _markdown_links(part, code)]
    return list(dict.fromkeys([*found, *_rich_links(blocks)]))


def images(blocks: Sequence[Block]) -> list[str]:
    """Return the addresses of images: in blocks, and in markdown, which shows links and may fetch them."""
    found = [
        str(token.attrs["src"])
        for part in _markdown(blocks)
        for line in _inline(part)
        for token in line
        if token.type == "image"
    ]
    parts = [
        part for block in blocks for part in [block, *block.get("elements", []), block.get("accessory", {})]
    ]
    return [*found, *(str(part["image_url"]) for part in parts if part.get("image_url"))]


def urls(text: str, blocks: Sequence[Block]) -> list[str]:
    """Return the addresses that Slack could unfurl."""
    parts = [text, *_markdown(blocks), *(part["text"] for block in blocks for part in texts(block))]
    return list(dict.fromkeys(url for part in parts for url in _URL.findall(part)))


def _markdown(blocks: Sequence[Block]) -> list[str]:
    return [block["text"] for block in blocks if block["type"] == "markdown"]


def _mrkdwn(text: str, blocks: Sequence[Block]) -> list[str]:
    return [text, *(part["text"] for block in blocks for part in texts(block) if part["type"] == "mrkdwn")]


def _inline(markdown: str, code: Code = "literal") -> list[list[Token]]:
    """Return the tokens of every paragraph, heading and cell."""
    return [token.children or [] for token in read(markdown, code).tokens if token.type == "inline"]


def _runs(markdown: str, code: Code) -> Iterator[str]:
    """Yield the texts of a markdown block that formatting leaves whole, without code."""
    for line in _inline(markdown, code):
        for token in line:
            yield from (part.content for part in token.children or [token] if part.type == "text")


def _markdown_links(markdown: str, code: Code) -> Iterator[tuple[str, str]]:
    yield from _tokens(" ".join(read(markdown, code).live))
    for line in _inline(markdown, code):
        opened = -1
        for at, token in enumerate(line):
            match token.type:
                case "link_open":
                    opened = at
                case "link_close":
                    yield _words(line[opened:at]), str(line[opened].attrs["href"])
                    opened = -1
                case "text" if opened < 0:
                    yield from _addresses(token.content)


def _words(line: Sequence[Token]) -> str:
    """Return what is read of *line*."""
    return "".join(map(_word, line))


def _word(token: Token) -> str:
    match token.type:
        case "softbreak":
            return " "
        case "image":
            return _words(token.children or [])
        case kind:
            return shown(token.content) if kind == SLACK else token.content


def _mrkdwn_links(mrkdwn: str) -> Iterator[tuple[str, str]]:
    yield from _tokens(mrkdwn)
    yield from _addresses(entities(_CODE.sub(" ", LINK.sub(" ", mrkdwn))))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    for target, label in LINK.findall(text):
        yield entities(label or target), entities(target)


def _addresses(text: str) -> Iterator[tuple[str, str]]:
    for found in _ADDRESS.findall(text):
        shown = found.rstrip(_TRAILING)
        if shown.endswith(")") and "(" not in shown:
            shown = shown.rstrip(")" + _TRAILING)
        yield shown, shown if ":" in shown.split("/")[0] else f"http://{shown}"


def _rich_pings(value: Any) -> Iterator[str]:
    match value:
        case {"type": "user" | "usergroup" | "broadcast" as kind}:
            yield f"rich_text {kind}"
        case dict():
            yield from _rich_pings([item for item in value.values() if isinstance(item, list)])
        case list():
            for item in value:
                yield from _rich_pings(item)


def _rich_links(value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case {"type": "link", "url": str(url)}:
            yield str(value.get("text") or url), url
        case dict():
            yield from _rich_links([item for item in value.values() if isinstance(item, list)])
        case list():
            for item in value:
                yield from _rich_links(item)
