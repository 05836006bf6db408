"""What a message does to those who read it: whom it pings, and which addresses it takes them to.

A markdown block is read as Slack's client reads it: `<...>` tokens first, wherever they stand, then
entities, then CommonMark.  Pure: no clock, no state, no network; it never asks what a bot intended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from adapters.emulators.slack.content import Block, entities, texts

#: Raw HTML is no part of a markdown block: it is shown as it is written [docs markdown-block].
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
# What a browser does with an address is not our guess: none is refused, none rewritten.
_MARKDOWN.validateLink = bool  # type: ignore[assignment,method-assign]
_MARKDOWN.normalizeLink = str  # type: ignore[assignment,method-assign]

_TOKEN = re.compile(r"<(?:![^<>\n]+|@[UWB][A-Z0-9]+[^<>\n]*|#[CGD][A-Z0-9]+[^<>\n]*)>")
_BARE = re.compile(r"(?<![\w.])@(?:channel|here|everyone)\b", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s<>|)\"']+")
#: A link as Slack stores it: <https://a.com>, <https://a.com|label>, <mailto:a@b.c|label>.
_LINK = re.compile(r"<((?:https?://|mailto:|tel:|www\.)[^<>|\n]+)(?:\|([^<>\n]*))?>", re.IGNORECASE)
#: An address that becomes a link as it stands.
_ADDRESS = re.compile(r"(?:https?://|mailto:|\bwww\.)[^\s<>]+", re.IGNORECASE)
#: mrkdwn's code, in which no address is a link.
_CODE = re.compile(r"```[\s\S]+?```|`[^`\n]+`")
_TRAILING = ".,:;!?'\"*_~|"


def pings(text: str, blocks: Sequence[Block], *, linked: bool) -> list[str]:
    """Return what would notify or link somebody, as it is written.

    Args:
        text: The `text` argument: mrkdwn.
        blocks: The blocks; `plain_text` never pings, escaped text neither.
        linked: Whether link_names or parse=full also turns bare names into mentions.
    """
    markdown, mrkdwn = _markdown(blocks), _mrkdwn(text, blocks)
    tokens = [token for part in [*mrkdwn, *markdown] for token in _TOKEN.findall(part)]
    # Nobody documents whether a bare @here in a markdown block pings, so it counts, but for code.
    plain = [run for part in markdown for run in _runs(part)]
    bare = [token for part in [*plain, *(mrkdwn if linked else [])] for token in _BARE.findall(part)]
    return [*tokens, *bare, *_rich_pings(blocks)]


def links(text: str, blocks: Sequence[Block]) -> list[tuple[str, str]]:
    """Return (label, target) of everything that a reader can click, or Slack could unfurl."""
    found = [link for part in _mrkdwn(text, blocks) for link in _mrkdwn_links(part)]
    found += [link for part in _markdown(blocks) for link in _markdown_links(part)]
    return list(dict.fromkeys([*found, *_rich_links(blocks)]))


def images(blocks: Sequence[Block]) -> list[str]:
    """Return the addresses of images: in blocks, and in markdown, which shows links and may fetch them."""
    found = [
        str(token.attrs["src"])
        for part in _markdown(blocks)
        for line in _inline(entities(part))
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


def _inline(source: str) -> list[list[Token]]:
    """Return the tokens of every paragraph, heading and cell."""
    return [token.children or [] for token in _MARKDOWN.parse(source) if token.type == "inline"]


def _runs(markdown: str) -> Iterator[str]:
    """Yield the texts of a markdown block that formatting leaves whole, without code."""
    for line in _inline(entities(_TOKEN.sub(" ", markdown))):
        yield from (token.content for token in line if token.type in {"text", "image"})


def _markdown_links(markdown: str) -> Iterator[tuple[str, str]]:
    yield from _tokens(markdown)
    for line in _inline(entities(_LINK.sub(" ", markdown))):
        label: list[str] | None = None
        target = ""
        for token in line:
            match token.type:
                case "link_open":
                    label, target = [], str(token.attrs["href"])
                case "link_close":
                    yield "".join(label or []), target
                    label = None
                case "text" | "code_inline" | "image" | "softbreak" if label is not None:
                    label.append(" " if token.type == "softbreak" else token.content)
                case "text":
                    yield from _addresses(token.content)


def _mrkdwn_links(mrkdwn: str) -> Iterator[tuple[str, str]]:
    yield from _tokens(mrkdwn)
    yield from _addresses(entities(_CODE.sub(" ", _LINK.sub(" ", mrkdwn))))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    for target, label in _LINK.findall(text):
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
