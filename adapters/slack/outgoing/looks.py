"""What a page is sent as: with blocks and buttons, or as plain text where Slack takes no more.  Pure."""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum

from adapters.slack.text import Json, bare, blocks, inert, preview, weight
from bot.events import Page

#: UTF-8 bytes of a text without blocks: chat.update takes 4,000; the rest is for a note.
TEXT = 3_000
#: Below what had to be stripped.
STRIPPED = "Shown as plain text: Slack refused the formatting."


class Look(IntEnum):
    """How much of a page is sent; each has less beside the text than the one before."""

    #: Blocks, buttons, the notification, and the mark by which a post is found again.
    RICH = 1
    #: One text, a note below it, and the mark.
    PLAIN = 2
    #: The text and the note.
    BARE = 3


def drawn(page: Page, look: Look) -> Json:
    """Return *page* as arguments of a post or of a change, without the mark of a post."""
    if look is Look.RICH:
        return {"blocks": blocks(page), "text": preview(page)}
    # Without the empty list Slack may keep the blocks that a message has, the Stop button among them.
    return {"blocks": [], "text": bare(page)}


def stripped(page: Page, look: Look) -> Page:
    """Return *page* with a note that says what *look* costs it."""
    if look is Look.RICH:
        return page
    return replace(page, note=" ".join(filter(None, [page.note, STRIPPED])))


def fits(text: str, look: Look) -> bool:
    """Whether one message can hold *text*; what blocks hold, the core's limits say."""
    return look is Look.RICH or weight(inert(text)) <= TEXT
