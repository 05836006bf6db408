"""Text to and from Slack: what it shows, and what must not ping.  Pure."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from adapters.slack.dialect import SlackDialect
from bot.events import Page
from bot.text.safe import JOINER, URL, disarm
from bot.text.writing import unmarked

Json = dict[str, Any]

DIALECT = SlackDialect()
#: What a note of ours begins with where there are no blocks for it; nobody sees the first character.
BELOW = f"{JOINER}— "
#: The notification, which Slack refuses over 4,000 bytes, and people see cut far earlier.
PREVIEW = 200
#: UTF-8 bytes of a note below a text without blocks; escaped, a character takes at most five.
SMALL = 900


def weight(text: str) -> int:
    """Return how many UTF-8 bytes *text* is."""
    return len(text.encode(errors="surrogatepass"))


def joint(text: str, end: int) -> int:
    """Return up to where *text*, of which *end* characters will stay, can be appended to a stream.

    White space at the start of an appended text may vanish (hermes#59010), so the cut is in a word.
    """
    places = range(min(end, len(text) - 1), 0, -1)
    between = (at for at in places if not (text[at - 1].isspace() or text[at].isspace()))
    return next(between, 0)


def preview(page: Page) -> str:
    """Return *page* as a notification shows it: words, and nothing that pings or is a link."""
    words = unmarked(page.text[:PREVIEW]) if page.text else page.note
    words = disarm(
        URL.sub(lambda found: f"{JOINER}".join(re.split(r"(?=[:.])", found[0], maxsplit=1)), words)
    )
    return DIALECT.entities(words.replace("<", f"<{JOINER}")).strip() or "…"


def typed(text: str) -> str:
    """Return Slack's mrkdwn as people wrote it: labels of links kept, entities decoded."""
    text = re.sub(r"<([^<>|]*)\|([^<>]*)>", r"\2 (\1)", text)
    text = re.sub(r"<([^<>]*)>", r"\1", text)
    return unescape(text).replace(JOINER, "")


def blocks(page: Page) -> list[Json]:
    """Return *page* in Block Kit; the note is plain text, so nothing in it can ping."""
    drawn: list[Json] = []
    if text := page.text or ("" if page.note else "…"):
        drawn.append({"type": "markdown", "text": text})
    return drawn + small_print(page)


def bare(page: Page) -> str:
    """Return *page* as a text without blocks: no marks are read in it but Slack's own, and no markup is."""
    note = page.note[:300] if weight(inert(page.note[:300])) <= SMALL else page.note[: SMALL // 5]
    below = f"{BELOW}{inert(note)}" if note else ""
    return "\n".join(filter(None, [inert(page.text), below])) or "…"


def inert(text: str) -> str:
    """Return markdown whose entities are Slack's with an entity for each character that begins markup."""
    return DIALECT.entities(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


def small_print(page: Page) -> list[Json]:
    """Return what stands below the text of *page* in Block Kit: its note and its buttons."""
    drawn: list[Json] = []
    if page.note:
        note = {"type": "plain_text", "text": page.note[:300], "emoji": False}
        drawn.append({"type": "context", "elements": [note]})
    if page.controls:
        drawn.append({"type": "actions", "elements": [_button(c.name, c.label) for c in page.controls]})
    return drawn


def _button(name: str, label: str) -> Json:
    return {"type": "button", "action_id": name, "text": {"type": "plain_text", "text": label}}


def marked(nonce: str) -> Json:
    """Return the metadata by which a message that was made with *nonce* is found again."""
    return {"event_type": "rivulet_page", "event_payload": {"nonce": nonce}}


def nonce_of(message: Json) -> object:
    """Return the nonce with which *message* was made, as its metadata says; None if it has none."""
    return message.get("metadata", {}).get("event_payload", {}).get("nonce")


def said(message: Json) -> str:
    """Return what a message of ours says as markdown, without its note and buttons."""
    blocks = message.get("blocks")
    drawn = [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []
    if not drawn or any(block.get("type") == "rich_text" for block in drawn):  # Slack's, of a text or stream
        return typed(_unnoted(str(message.get("text") or "")))
    parts = [str(block.get("text") or "") for block in drawn if block.get("type") == "markdown"]
    return typed("\n".join(parts)).removesuffix("…" if parts == ["…"] else "")


def _unnoted(text: str) -> str:
    """Return what `bare` has made without the note, and without the mark of an empty page."""
    above, _, last = text.rpartition("\n")
    text = above if last.startswith(BELOW) else text
    return "" if text == "…" else text
