"""What a page is sent as: content and buttons, a note as small print, and nobody pinged.  Pure."""

from __future__ import annotations

from dataclasses import replace

from adapters.discord.dialect import DiscordDialect
from adapters.discord.wire.rest import Json
from bot.events import Page
from bot.text.line import line
from bot.text.safe import JOINER
from bot.text.writing import render

#: 2,000 code points, create and edit, less the room for a note.
CONTENT = 2000
NOTE = 150
#: A note is subtext below the text.
SUBTEXT = "-# "
ROOM = NOTE - len(f"\n{SUBTEXT}")
#: Message flag: no previews of links.
SUPPRESS_EMBEDS = 1 << 2
#: What our buttons' custom ids begin with.
BUTTON = "rivulet:"
DIALECT = DiscordDialect()


def draw(page: Page) -> Json:
    """Return *page* as the part of a message that posts and edits share; it pings nobody."""
    parts = [page.text, SUBTEXT + _small(page.note) if page.note else ""]
    buttons = [
        {"type": 2, "style": 2, "label": control.label, "custom_id": BUTTON + control.name}
        for control in page.controls
    ]
    return {
        # A message of blank space only is empty to Discord, which refuses it (50006).
        "content": content if (content := "\n".join(filter(None, parts))).strip() else "…",
        "components": [{"type": 1, "components": buttons}] if buttons else [],
        "allowed_mentions": {"parse": [], "replied_user": False},
        "flags": SUPPRESS_EMBEDS,
    }


def said(content: str) -> str:
    """Return what a message of ours says, without its note."""
    lines = content.replace(JOINER, "").split("\n")
    while lines and lines[-1].startswith(SUBTEXT):
        lines.pop()
    return "\n".join(lines).removesuffix("…" if lines == ["…"] else "")


def told(text: str, below: str = "") -> Json:
    """Return *text*, plain markdown, as a message that stands for itself; what is too long is cut.

    Args:
        text: What it says.
        below: A last line, in Discord's own markup.
    """
    end = f"\n{below}" if below else ""
    content = cut(render(DIALECT, text).strip() or "…", CONTENT - len(end)) + end
    return {"content": content, "allowed_mentions": {"parse": []}, "flags": SUPPRESS_EMBEDS}


def cut(text: str, room: int) -> str:
    """Return *text*, or as much of it as *room* code points hold, where a line ends if one does, and "…"."""
    if len(text) <= room:
        return text
    short = text[: room - 2]
    return f"{short.rpartition(chr(10))[0] or short}\n…"


def _small(note: str) -> str:
    """Return *note* on one line that has room; what is escaped takes up to three times its length."""
    drawn = line(DIALECT, note)
    return drawn if len(drawn) <= ROOM else line(DIALECT, note[: NOTE // 4])


def noted(page: Page, more: str) -> Page:
    """Return *page* with *more* in its note; alone, if there is no room for both."""
    note = f"{page.note} {more}".strip()
    return replace(page, note=note if len(line(DIALECT, note)) <= ROOM else more)
