"""Text to and from Slack: what it shows, and what must not ping.  Pure."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from bot.events import Page

Json = dict[str, Any]


def harmless(text: str) -> str:
    """Return *text* so that Slack shows its characters and pings nobody."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"@(?=channel|here|everyone)", "@\u2060", text, flags=re.IGNORECASE)


def size(text: str) -> int:
    """Return how many characters `harmless` makes of *text*, at most."""
    return len(text) + 4 * text.count("&") + 3 * text.count("<") + 3 * text.count(">") + text.count("@")


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
    if page.note:
        note = {"type": "plain_text", "text": page.note[:300], "emoji": False}
        drawn.append({"type": "context", "elements": [note]})
    if page.controls:
        drawn.append({"type": "actions", "elements": [_button(c.name, c.label) for c in page.controls]})
    return drawn


def _button(name: str, label: str) -> Json:
    return {"type": "button", "action_id": name, "text": {"type": "plain_text", "text": label}}


def words(text: str, me: str) -> str:
    """Return what a person wrote in *text*, without mentions of the bot *me*."""
    return plain(re.sub(rf"<@{me}(\|[^<>]*)?>", "", text)).strip()


def said(message: Json) -> str:
    """Return what a message of ours says as markdown, without its note and buttons."""
    if "blocks" not in message:
        return plain(message.get("text", ""))
    parts = [block["text"] for block in message["blocks"] if block["type"] == "markdown"]
    return plain("\n".join(parts)).removesuffix("…" if parts == ["…"] else "")
