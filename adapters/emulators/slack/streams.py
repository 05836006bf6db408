"""Native streams: messages that grow by appends, and the sessions of agents that carry a stop button.

Refuses what probes found that Slack refuses; the change itself is the workspace's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from adapters.emulators.slack import content, shapes
from adapters.emulators.slack.arguments import Arguments, Refused, channel_of
from adapters.emulators.slack.shapes import Json, Message
from adapters.emulators.slack.workspace import Workspace

#: Seconds from the start, whatever is appended: 306 s in hermes#59010, 5.18 and 5.30 min elsewhere; the
#: least that is safe to promise.
LIFE = 300.0
#: UTF-8 bytes in all: 10.6 to 11.3 k in openclaw#143882, 11,977 in CopilotKit#6064.
SIZE = 11_500
#: Bytes that a task card takes of them: about 3 k of text and 24 cards were too much [dust#22893].
CARD = 350
#: Characters of a field of a card, and its states [docs chat.appendStream].
FIELD = 256
STATES = frozenset({"pending", "in_progress", "complete", "error"})
#: "processing, active, suspended, closed" [docs agents.sessions.setStatus].
STATUSES = frozenset({"processing", "active", "suspended", "closed"})


class Streams:
    """The methods that start, feed and stop streams.

    Args:
        workspace: The state they change.
        record: Adds an entry to the emulator's log.

    Attributes:
        life: Seconds that a stream lives.
        size: UTF-8 bytes that it holds.
        trims: Whether white space at the start of an appended text vanishes (hermes#59010: it "can").
    """

    def __init__(self, workspace: Workspace, record: Callable[..., None]) -> None:
        self.life = LIFE
        self.size = SIZE
        self.trims = False
        self._workspace = workspace
        self._record = record
        self._sessions: dict[tuple[str, str], str] = {}

    def start(self, arguments: Arguments) -> Json:
        """Make a message that streams, as chat.startStream."""
        channel = channel_of(arguments)
        thread = str(arguments.get("thread_ts") or "")
        if not thread:
            raise Refused("invalid_thread_ts")
        if not channel.startswith("D"):
            for name in ("recipient_user_id", "recipient_team_id"):
                if not arguments.get(name):
                    raise Refused(f"missing_{name}")
        text, cards = _text(arguments), _cards(arguments)
        self._fits(text, cards)
        kept = Message(
            channel=channel,
            ts=self._workspace.ts(),
            user=self._workspace.team.bot_user,
            text=text,
            thread_ts=thread,
            blocks=[*_blocks(text), *shapes.blocks_kept([*cards.values()])],
            cards=cards,
            bot_id=self._workspace.team.bot_id,
            app_id=shapes.APP,
            streams_until=time.monotonic() + self.life,
        )
        self._workspace.post(kept, "start")
        self._workspace.judge(kept, linked=False, unfurled=False)
        return {"channel": channel, "ts": kept.ts}

    def append(self, arguments: Arguments) -> Json:
        """Add text to a stream, as chat.appendStream."""
        kept = self._open(arguments)
        text, cards = _text(arguments), _cards(arguments)
        if not text and not cards:
            raise Refused("no_text")
        self._grow(kept, text, "append", cards=cards)
        return {"channel": kept.channel, "ts": kept.ts}

    def stop(self, arguments: Arguments) -> Json:
        """End a stream, as chat.stopStream; its blocks go below the text."""
        kept, text = self._open(arguments), _text(arguments)
        blocks = arguments.get("blocks") or []
        if not isinstance(blocks, list):
            raise Refused("invalid_blocks")
        # They are another 50 [docs chat.stopStream]; that the text below them has its own is inferred.
        if blocks and (error := content.refusal("", blocks)):
            raise Refused(error)
        metadata = arguments.get("metadata") or kept.metadata
        cards = _cards(arguments)
        self._grow(kept, text, "stop", blocks, cards=cards, streams_until=0.0, metadata=metadata)
        if status := arguments.get("session_status"):
            self.set_status({"channel_id": kept.channel, "thread_ts": kept.thread_ts, "status": status})
        return {"channel": kept.channel, "ts": kept.ts, "message": self._workspace.shape(kept)}

    def set_status(self, arguments: Arguments) -> Json:
        """Say what a session does, as agents.sessions.setStatus."""
        channel, thread = str(arguments.get("channel_id", "")), str(arguments.get("thread_ts") or "")
        if arguments.get("status") not in STATUSES:
            raise Refused("invalid_status")
        self._sessions[channel, thread] = arguments["status"]
        self._record("status", channel=channel, thread_ts=thread, status=arguments["status"])
        return {}

    def interrupt(self, channel: str, thread_ts: str) -> list[str]:
        """End all streams of a thread for a reader; return their ts, or raise LookupError."""
        if self._sessions.get((channel, thread_ts)) != "processing":
            raise LookupError(f"no session is processing in {channel}/{thread_ts}")
        streaming = [kept for kept in self._workspace.replies(channel, thread_ts) if kept.streaming]
        for kept in streaming:
            self._workspace.change(kept, "stop", streams_until=0.0, stopped_by_user=True)
        return [kept.ts for kept in streaming]

    def _open(self, arguments: Arguments) -> Message:
        kept = self._workspace.find(channel_of(arguments), str(arguments.get("ts", "")))
        if kept is None or not kept.own:
            raise Refused("message_not_found")
        if kept.stopped_by_user:
            raise Refused("stopped_by_user")
        if not kept.streaming:
            raise Refused("message_not_in_streaming_state")
        return kept

    def _grow(
        self, kept: Message, text: str, kind: str, blocks: Any = (), *, cards: dict[str, Json], **new: Any
    ) -> None:
        # Only joins are trimmed: there is none before the first text.
        whole = kept.text + (text.lstrip() if self.trims and kept.text else text)
        cards = kept.cards | cards
        self._fits(whole, cards)
        # Where among several texts a card stands is not documented: here below them.
        drawn = [*_blocks(whole), *shapes.blocks_kept([*cards.values(), *blocks])]
        self._workspace.change(kept, kind, text=whole, blocks=drawn, cards=cards, **new)
        self._workspace.judge(kept, linked=False, unfurled=False)

    def _fits(self, text: str, cards: dict[str, Json]) -> None:
        if len(text.encode()) + len(cards) * CARD > self.size:
            raise Refused("msg_too_long")
        # Inferred from posts: nobody has measured what the 51st heading or the 101st row of a stream does.
        if not content.expands(_blocks(text)):
            raise Refused("invalid_blocks")


def _text(arguments: Arguments) -> str:
    """Return the text of a call: `markdown_text`, or the chunks that are text."""
    text, chunks = str(arguments.get("markdown_text") or ""), arguments.get("chunks") or []
    if not isinstance(chunks, list) or not all(isinstance(chunk, dict) for chunk in chunks):
        raise Refused("invalid_chunks")
    if text and chunks:
        raise Refused("markdown_text_conflict")
    text += "".join(str(chunk.get("text", "")) for chunk in chunks if chunk.get("type") == "markdown_text")
    if len(text) > content.MARKDOWN_CHARACTERS:
        raise Refused("msg_too_long")
    return text


def _cards(arguments: Arguments) -> dict[str, Json]:
    """Return the task cards of the chunks of a call, by their ids; `_text` has looked at the chunks."""
    cards = {}
    for chunk in arguments.get("chunks") or []:
        if chunk.get("type") != "task_update":
            continue
        fields = {name: chunk.get(name) for name in ("title", "details", "output") if chunk.get(name)}
        texts = all(isinstance(text, str) and len(text) <= FIELD for text in fields.values())
        if not chunk.get("id") or not fields.get("title") or not texts or chunk.get("status") not in STATES:
            raise Refused("invalid_chunks")
        cards[str(chunk["id"])] = {
            "type": "task_card",
            "task_id": chunk["id"],
            "status": chunk["status"],
            **fields,
        }
    return cards


def _blocks(text: str) -> list[Json]:
    return shapes.blocks_kept([{"type": "markdown", "text": text}]) if text.strip() else []
