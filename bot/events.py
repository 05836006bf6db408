"""The words this program is written in: plain, frozen values.

The model emits events, the core turns them into pages, adapters show pages.
Nothing here does anything; every other module imports it and it imports none of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class File:
    """A file that came with a question or goes out with a page.

    Attributes:
        name: As the sender named it; never trusted as a path.
        type: The media type that the platform claims; with `data`, what it really is.
        size: Bytes, as the platform claims.
        key: How the surface that listed it fetches it; "" for a file of ours.
        data: The content, for a file of ours, or one that was read.
    """

    name: str
    type: str
    size: int
    key: str = ""
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation, as the model reads it.

    Attributes:
        role: Who spoke: a person, or the bot.
        text: What was said, as plain markdown; where several people speak, with their names.
        files: What came with it and the model reads: images, PDFs, and texts in UTF-8.
        blocks: What the model has said and tools have answered within one answer, in the API's form.
        aside: What the program says about a question, and about no later one: not kept in the conversation.
    """

    role: Literal["user", "assistant"]
    text: str
    files: tuple[File, ...] = ()
    blocks: tuple[Mapping[str, Any], ...] = ()
    aside: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """What one answer was billed for, as the API counted it.

    Attributes:
        input: Tokens that were read, beside those that the cache had or took.
        output: Tokens that were written, thoughts and calls of tools among them.
        cache_read: Tokens that the cache had.
        cache_write: Tokens that the cache took.
        cache_hour: Those of `cache_write` that it keeps for an hour, which cost more.
        searches: Searches of the web.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_hour: int = 0
    searches: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Return what both cost together."""
        return Usage(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Text:
    """The model wrote a little more of its answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """A page that the model has read; `url` is "" where the API names none."""

    url: str
    title: str


@dataclass(frozen=True, slots=True)
class Cited:
    """What was said just now rests on these sources, in the API's words."""

    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Thinking:
    """The model thought a little more.

    Attributes:
        text: A summary of it, never the thought itself; "" where the API gives none.
        seconds: How long it has thought so far, where that is known.
    """

    text: str = ""
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """The model asked for a tool and it is running."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class ToolRunning:
    """A tool has run for `seconds`; `note` says what it waits for, if it does."""

    id: str
    seconds: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool came back."""

    id: str
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing comes for the moment, and `note` says why; whatever comes next ends it."""

    note: str


@dataclass(frozen=True, slots=True)
class Again:
    """What was said so far counts for nothing: the answer begins anew."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The model is done.

    Attributes:
        reason: Why, in the API's words: "end_turn", "max_tokens", "refusal".
        usage: What it cost.
        note: What people should know about how the answer came about.
        turns: The whole conversation up to here, as the model knows it, where it wants tools to be run.
        model: Who answered; "" for the one that was asked.
        files: What it has made.
    """

    reason: str = "end_turn"
    usage: Usage = Usage()
    note: str = ""
    turns: tuple[Turn, ...] = field(default=(), compare=False, repr=False)
    model: str = field(default="", compare=False)
    files: tuple[File, ...] = ()


Event = Text | Cited | Thinking | ToolStarted | ToolRunning | ToolFinished | Waiting | Again | Finished


@dataclass(frozen=True, slots=True)
class Control:
    """A button under a page.

    Attributes:
        name: What a press reports back: "stop", "retry", "continue".
        label: What people read on it.
    """

    name: str
    label: str


STOP = Control("stop", "Stop")
#: Under the question whether a tool may be called.
ALLOW = Control("allow", "Allow once")
ALWAYS = Control("always", "Allow for this conversation")
REFUSE = Control("refuse", "No")
#: Under answers that have ended: for the rest of it, and for the same again.
CONTINUE = Control("continue", "Continue")
RETRY = Control("retry", "Try again")


@dataclass(frozen=True, slots=True)
class Step:
    """A tool that an answer uses, as people see it.

    Attributes:
        id: Its own within the answer.
        title: What it does.
        state: How far along it is.
        note: What it waits for, if it does.
    """

    id: str
    title: str
    state: Literal["running", "done", "failed"] = "running"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One chat message's worth of an answer, as it should look right now.

    Attributes:
        text: What it says, as its surface's dialect writes it; empty until the model's first word.
        note: A status line under the text: a running tool, who stopped it.
        live: More is coming.
        controls: The buttons below; `STOP` while the page is live, then perhaps `CONTINUE` or `RETRY`; while
            a page asks whether a tool may be called `ALLOW`, `ALWAYS` and `REFUSE` instead of `STOP`.
        files: Attachments; a page that has some will not change again.
        settled: How many characters of the text will stay, whatever follows; 0 where `Limits.appends` is not
            set.
        steps: The tools that were used since the page before; () where `Limits.steps` is not set.
    """

    text: str
    note: str = ""
    live: bool = True
    controls: tuple[Control, ...] = ()
    files: tuple[File, ...] = ()
    settled: int = field(default=0, compare=False)
    steps: tuple[Step, ...] = ()
