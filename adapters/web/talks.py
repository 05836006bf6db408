"""Conversations as readers see them: messages whose every change has a number, so that readers can catch up.

What a reader lacks is worked out from the number that they have, so nothing is queued for anybody: a slow
reader gets the newest state of what has changed, and one that was away for long gets the same.
Must never write to a connection or to the shelf.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

from adapters.web.drawing import Block, Drawing
from adapters.web.people import Session
from bot.events import Control, File, Page, Step

#: What HTML with code in a known language has, and what colours leave in it.
CODE, COLOUR = '<pre><code class="language-', '<span class="t-'
#: Characters that a reader may lack while a write to it takes.
BEHIND = 24_000
#: What a page of one conversation reads, as JSON.
Json = dict[str, Any]


@dataclass(slots=True)
class Shown:
    """A block as readers have it.

    Attributes:
        block: What it is.
        since: The number of the change that made it what it is.
        began: For code that grows, the number of the change that began it.
        grown: And the numbers of those that added to it, with its length then.
    """

    block: Block
    since: int
    began: int = 0
    grown: list[tuple[int, int]] = field(default_factory=list)

    def told(self, known: int) -> list[str]:
        """Return what a reader who knows all up to the change *known* must be told of it."""
        code = self.block.code
        if self.block.html or not self.grown:
            return ["html", self.block.html]
        if known >= self.began:
            at = bisect_right(self.grown, known, key=lambda each: each[0])
            return ["more", code[self.grown[at - 1][1] :] if at else code]
        return ["code", code, self.block.language]


@dataclass(slots=True, eq=False)
class Message:
    """One message.

    Attributes:
        key: Its key.
        role: "person" or "bot".
        who: Their name.
        under: The key of the question that it answers; "" for one.
        at: When it was posted, in seconds of the wall clock.
        text: What it says, as markdown; of a person, as they wrote it.
        note: What stands below.
        live: Whether more is to come.
        controls: The buttons below.
        steps: The tools that were used for it.
        files: What is attached, by name, type, size and key.
        waits: Whether a question waits for its turn.
        thumb: "up", "down" or "".
        since: The number of its last change.
        stale: Whether it was live when the bot went down, and nothing was heard of it since.
    """

    key: str
    role: str
    who: str
    under: str = ""
    at: float = 0.0
    text: str = ""
    note: str = ""
    live: bool = False
    controls: tuple[Control, ...] = ()
    files: tuple[File, ...] = ()
    waits: bool = False
    thumb: str = ""
    since: int = 0
    stale: bool = False
    steps: tuple[Step, ...] = ()
    drawing: Drawing = field(default_factory=Drawing)
    shown: list[Shown] = field(default_factory=list)
    kept: float = 0.0  # when it was last kept
    looked: int = 0  # blocks that `uncoloured` has returned

    def show(self, page: Page, number: int) -> None:
        """Look like *page* from the change *number* on."""
        over = not (self.live or page.live or self.stale) and page.text == self.text
        self.text, self.note, self.live, self.controls = page.text, page.note, page.live, page.controls
        self.steps = page.steps
        if self.stale:  # its readers may have more of it than was kept
            self.stale, self.drawing, self.looked = False, Drawing(), 0
            self.shown.clear()
        self.since = number
        if not over:  # else what is shown stays, with its colours
            self.draw(number)

    def draw(self, number: int) -> None:
        """Make the blocks of the text, and give those that changed the *number* of this change."""
        if self.role != "bot":
            return
        self.drawing.show(self.text, live=self.live)
        self.looked = min(self.looked, self.drawing.settled) if self.live else 0
        for index, block in enumerate(self.drawing.blocks):
            if index == len(self.shown):
                self.shown.append(_fresh(block, number))
            elif self.shown[index].block != block:
                self.shown[index] = _grown(self.shown[index], block, number)
            else:
                self.shown[index].block = block
        del self.shown[len(self.drawing.blocks) :]

    def colour(self, index: int, was: Block, html: str, number: int) -> None:
        """Show the block *index*, if it is still *was*, as *html*."""
        if index < len(self.shown) and self.shown[index].block == was:
            block = Block(html, source=self.shown[index].block.source)
            self.shown[index] = _fresh(block, number)
            self.drawing.blocks[index] = block
            self.since = number

    def told(self, known: int) -> Json:
        """Return what a reader who knows all up to the change *known* must be told of it."""
        said: Json = {
            "key": self.key,
            "role": self.role,
            "who": self.who,
            "under": self.under,
            "at": self.at,
            "note": self.note,
            "live": self.live,
            "waits": self.waits,
            "thumb": self.thumb,
            "controls": [[control.name, control.label] for control in self.controls],
            "files": [[file.name, file.type, file.size, file.key] for file in self.files],
            "steps": [[step.title, step.state, step.note] for step in self.steps],
        }
        if self.role != "bot":
            return {**said, "text": self.text}
        changed = [[i, *shown.told(known)] for i, shown in enumerate(self.shown) if shown.since > known]
        return {**said, "stale": self.stale, "count": len(self.shown), "blocks": changed}


def _fresh(block: Block, number: int) -> Shown:
    return Shown(block, number, number, [(number, len(block.code))] if not block.html else [])


def _grown(shown: Shown, block: Block, number: int) -> Shown:
    """Return what *shown* becomes as *block*."""
    before = shown.block
    grows = not (block.html or before.html) and block.language == before.language
    if grows and block.code.startswith(before.code):
        shown.grown.append((number, len(block.code)))
        shown.block, shown.since = block, number
        return shown
    return _fresh(block, number)


class Reader:
    """One connection that reads a conversation.

    Attributes:
        known: The number of the last change that it was sent; -1 for nothing.
        session: What it may read by; None where nobody signs in.
        news: Set when there may be more.
        writing: Since when a write to it takes, on the loop's clock; None while none does.
        lacks: How many characters of answers came since it was last told of any.
        ended: Whether it is to end.
    """

    def __init__(self, known: int, session: Session | None = None) -> None:
        self.known = known
        self.session = session
        self.news = asyncio.Event()
        self.writing: float | None = None
        self.lacks = 0
        self.ended = False

    def end(self) -> None:
        """Let it end."""
        self.ended = True
        self.news.set()

    def slow(self, now: float, seconds: float) -> bool:
        """Tell whether a write to it takes longer than *seconds*, or more came meanwhile than it may lack."""
        return self.writing is not None and (now - self.writing > seconds or self.lacks > BEHIND)


class Talk:
    """One conversation.

    Args:
        id: Its id.
        owner: Whose it is: an `Actor.id`.

    Attributes:
        title: What it is called; "" until something was asked.
        messages: Its messages by their keys, oldest first.
        number: That of the last change.
        readers: The connections that read it.
        open: The keys of questions that were asked and may not be answered yet.
        gone: The keys of messages that were deleted, with the number of the change.
        deleted: Whether all of it is gone.
        stopped: Whether its answer was stopped, so that the last of it is written whoever reads.
        closing: The end of its answers, where nobody reads them any more.
    """

    def __init__(self, id: str, owner: str) -> None:  # noqa: A002  it is one
        self.id = id
        self.key = f"web/{id}"
        self.owner = owner
        self.title = ""
        self.messages: dict[str, Message] = {}
        self.number = 0
        self.readers: set[Reader] = set()
        self.open: dict[str, None] = {}
        self.gone: dict[str, int] = {}
        self.deleted = self.stopped = False
        self.closing: asyncio.TimerHandle | None = None

    def change(self, characters: int = 0) -> int:
        """Count a change, by so many *characters*; the readers are told of it once the loop turns."""
        self.number += 1
        for reader in self.readers:
            reader.lacks += characters
            reader.news.set()
        return self.number

    def at(self, now: float) -> float:
        """Return the time of a message that is posted *now*, later than that of all before."""
        last = next(reversed(self.messages.values())).at if self.messages else 0.0
        return max(now, last + 1e-4)

    def remove(self, key: str) -> bool:
        """Take a message away; tell whether there was one."""
        if self.messages.pop(key, None) is None:
            return False
        self.gone[key] = self.change()
        return True

    @property
    def live(self) -> bool:
        """Whether an answer is going on."""
        return any(message.live for message in self.messages.values())

    def begun(self, question: str) -> bool:
        """Tell whether anything was said in answer to *question*."""
        return any(each.under == question and each.text for each in self.messages.values())

    def told(self, known: int) -> Json:
        """Return what a reader who knows all up to the change *known* lacks; everything, if that is -1."""
        whole = known < 0 or known > self.number
        known = -1 if whole else known
        messages = [each.told(known) for each in self.messages.values() if each.since > known]
        gone = [] if whole else [key for key, number in self.gone.items() if number > known]
        return {"whole": whole, "title": self.title, "messages": messages, "gone": gone}

    def stalled(self, now: float, seconds: float) -> bool:
        """Tell whether somebody reads it, and all who do are slow; see `Reader.slow`."""
        return bool(self.readers) and all(reader.slow(now, seconds) for reader in self.readers)


def uncoloured(message: Message) -> list[tuple[int, Block]]:
    """Return the blocks of *message* with code that is whole, each once, for its colours."""
    fresh = range(message.looked, len(message.shown) - message.live)
    message.looked = max(message.looked, len(message.shown) - message.live)
    blocks = [(index, message.shown[index].block) for index in fresh]
    return [(index, block) for index, block in blocks if CODE in block.html and COLOUR not in block.html]
