"""Text to and from Slack: what it shows, and what must not ping.  Pure."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from bot.events import Page

Json = dict[str, Any]

#: What may become @channel, @here or @everyone with the next letter.
GROUP_BEGUN = re.compile(r"@[a-z]*\Z", re.IGNORECASE)


def harmless(text: str) -> str:
    """Return *text* so that Slack shows its characters and pings nobody."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"@(?=channel|here|everyone)", "@\u2060", text, flags=re.IGNORECASE)


def size(text: str) -> int:
    """Return how many characters `harmless` makes of *text*, at most."""
    return len(text) + 4 * text.count("&") + 3 * text.count("<") + 3 * text.count(">") + text.count("@")


def weight(text: str) -> int:
    """Return how many UTF-8 bytes `harmless` makes of *text*, at most."""
    grown = 4 * text.count("&") + 3 * text.count("<") + 3 * text.count(">") + 3 * text.count("@")
    return len(text.encode(errors="surrogatepass")) + grown


def settled(text: str) -> str:
    """Return the part of the live page *text* that can be appended to a stream for good.

    A fence on the last line may be there only while the page is live, and an "@" may become a mention of
    all.  White space at the start of an appended text may vanish (hermes#59010), so the cut is in a word.
    """
    body, _, last = text.rpartition("\n")
    kept = body if re.fullmatch(r"`{3,}|~{3,}", last) else text
    return kept[: next((at for at in range(len(kept) - 1, 0, -1) if _is_joint(kept, at)), 0)]


def _is_joint(text: str, at: int) -> bool:
    """Whether *text* can be sent in two parts, cut at *at*."""
    within = not (text[at - 1].isspace() or text[at].isspace())
    return within and not GROUP_BEGUN.search(text, max(0, at - len("@everyone")), at)


def plain(text: str) -> str:
    """Return Slack's mrkdwn as people wrote it: labels of links kept, entities decoded."""
    text = re.sub(r"<([^<>|]*)\|([^<>]*)>", r"\2 (\1)", text)
    text = re.sub(r"<([^<>]*)>", r"\1", text)
    return unescape(text).replace("\u2060", "")


def blocks(page: Page) -> list[Json]:
    """Return *page* in Block Kit; the note is plain text, so nothing in it can ping."""
    drawn: list[Json] = []
    if text := harmless(page.text) or ("" if page.note else "…"):
        drawn.append({"type": "markdown", "text": text})
    drawn += small_print(page)
    if page.controls:
        drawn.append({"type": "actions", "elements": [_button(c.name, c.label) for c in page.controls]})
    return drawn


def small_print(page: Page) -> list[Json]:
    """Return the note of *page* in Block Kit, if it has one."""
    if not page.note:
        return []
    note = {"type": "plain_text", "text": page.note[:300], "emoji": False}
    return [{"type": "context", "elements": [note]}]


def _button(name: str, label: str) -> Json:
    return {"type": "button", "action_id": name, "text": {"type": "plain_text", "text": label}}


def words(text: str, me: str) -> str:
    """Return what a person wrote in *text*, without mentions of the bot *me*."""
    return plain(re.sub(rf"<@{me}(\|[^<>]*)?>", "", text)).strip()


def said(message: Json) -> str:
    """Return what a message of ours says as markdown, without its note and buttons."""
    if "blocks" not in message:
        return plain(message.get("text", ""))
    if any(block["type"] == "rich_text" for block in message["blocks"]):  # Slack's own of a stream
        return plain(message.get("text", ""))
    parts = [block["text"] for block in message["blocks"] if block["type"] == "markdown"]
    return plain("\n".join(parts)).removesuffix("…" if parts == ["…"] else "")
