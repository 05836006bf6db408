"""One response of the API while it arrives: raw stream events in, what they mean for people out.

No I/O and no SDK: events are plain JSON, and unknown types are ignored.  It must never parse a tool's
input before the block is over, and never call a response complete without `message_stop`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.events import Cited, Event, Source, Text, Thinking, ToolFinished, ToolStarted, Usage
from bot.model import Kind, ModelError
from bot.text.safe import mended

BROKEN_OFF = "The connection to Claude broke off, so this answer is incomplete. Please ask again."
BAD_INPUT = "Claude called a tool with input that nobody can read. Please ask again."

#: What we call the API's counts (anthropic 2.12, types/usage.py).
COUNTS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_input_tokens",
    "cache_write": "cache_creation_input_tokens",
}

Json = dict[str, Any]


@dataclass(slots=True)
class _Block:
    """A content block as it started, and the text, thinking or JSON that came since."""

    head: dict[str, Any]
    pieces: list[str] = field(default_factory=list)


class Reply:
    """One response.

    Attributes:
        reason: Why the model stopped.
        usage: The latest counts; what a delta leaves out stays.
        details: More about why, for a refusal.
        made: The ids of files that code has made.
        calling: The name of the tool that the response ends with a call of, complete or not; else "".
    """

    def __init__(self) -> None:
        self.reason = ""
        self.usage = Usage()
        self.details: Any = None
        self.calling = ""
        self.made: list[str] = []
        self._fetched: dict[str, str] = {}  # URLs by title, of pages that were fetched
        self._blocks: dict[int, _Block] = {}
        self._carry = ""
        self._complete = False
        self._unreadable = False

    def take(self, event: Json) -> Event | None:
        """Take the raw *event* in; return what it means for people, if anything."""
        match event["type"]:
            case "content_block_delta":
                return self._add(self._blocks.get(event["index"]), event["delta"])
            case "content_block_start":
                return self._begin(event["index"], event["content_block"])
            case "content_block_stop":
                return self._end_block(self._blocks.get(event["index"]))
            case "message_start":
                self._count(event["message"].get("usage"))
            case "message_delta":
                self.reason = event["delta"].get("stop_reason") or ""
                self.details = event["delta"].get("stop_details")
                self._count(event.get("usage"))
            case "message_stop":
                self._complete = True
        return None

    def end(self) -> str:
        """Return the stop reason of a complete response; raise `ModelError` for any other."""
        if not self._complete:
            raise ModelError(BROKEN_OFF, Kind.CUT)
        if self._unreadable and self.reason in {"tool_use", "pause_turn"}:  # else max_tokens cut it: no fault
            raise ModelError(BAD_INPUT)
        return self.reason

    def content(self) -> list[dict[str, Any]]:
        """Return the blocks as the API wants them back: unchanged, but for empty texts, which it refuses."""
        blocks = [block.head for _, block in sorted(self._blocks.items())]
        return [block for block in blocks if block.get("type") != "text" or block.get("text")]

    def _begin(self, index: int, head: Json) -> Event | None:
        self._blocks[index] = _Block(head)
        self.calling = ""
        match head:
            case {"type": "text", "text": str(text)} if text:
                return self._text(self._blocks[index], text)
            case {"type": "thinking" | "redacted_thinking"}:
                return Thinking()
            case {"type": "tool_use" | "server_tool_use" | "mcp_tool_use", "id": str(key), "name": str(name)}:
                self.calling = name
                return ToolStarted(key, name)
            case {"type": str(kind), "tool_use_id": str(key)} if kind.endswith("tool_result"):
                self._look_into(head.get("content"))
                return ToolFinished(key, _is_fine(head))
        return None

    def _look_into(self, content: Any) -> None:
        """Take note of what a server tool found: a page by its title, files by their ids."""
        match content:
            case {"type": "web_fetch_result", "url": str(url), "content": {"title": str(title)}}:
                self._fetched[title] = url
            case {"content": [*outputs]}:
                self.made += [str(each["file_id"]) for each in outputs if "file_id" in each]

    def _sources(self, citations: Sequence[Mapping[str, Any]]) -> tuple[Source, ...]:
        """Return what *citations* are of, each source once."""
        found = []
        for each in citations:
            title = str(each.get("title") or each.get("document_title") or "")
            url = str(each.get("url") or self._fetched.get(title, ""))
            found += [Source(url, mended(title))] if title or url else []
        return tuple(dict.fromkeys(found))

    def _add(self, block: _Block | None, delta: Json) -> Event | None:
        if block is None:
            return None
        match delta["type"]:
            case "text_delta":
                return self._text(block, delta["text"])
            case "thinking_delta":
                text = self._whole(delta["thinking"])
                block.pieces.append(text)
                return Thinking(text) if text else None
            case "input_json_delta":
                block.pieces.append(delta["partial_json"])
            case "signature_delta":
                block.head["signature"] = delta["signature"]
            case "citations_delta":
                before = block.head.get("citations") or []
                block.head["citations"] = [*before, delta["citation"]]
        return None

    def _text(self, block: _Block, delta: str | None) -> Event | None:
        text = self._whole(delta)
        block.pieces.append(text)
        return Text(text) if text else None

    def _end_block(self, block: _Block | None) -> Event | None:
        if block is None:
            return None
        rest = mended(self._carry)
        self._carry = ""
        whole = "".join(block.pieces) + rest
        match block.head.get("type"):
            case "text":
                block.head["text"] = whole
                if citations := block.head.get("citations"):
                    return Cited(self._sources(citations))
                return Text(rest) if rest else None
            case "thinking":
                block.head["thinking"] = whole
            case "tool_use" | "server_tool_use" | "mcp_tool_use":
                self._parse(block.head, whole)
        return None

    def _parse(self, head: dict[str, Any], whole: str) -> None:
        """Parse a tool's input, once: again at each delta would take quadratic time."""
        try:
            given = json.loads(whole or "{}")
            # A surrogate that is written as an escape is seen only after parsing.
            head["input"] = json.loads(mended(json.dumps(given, ensure_ascii=False, allow_nan=False)))
        except (ValueError, RecursionError):  # also for NaN, and for what is nested too deep
            self._unreadable = True
        else:
            self._unreadable = self._unreadable or not isinstance(given, dict)

    def _whole(self, text: str | None) -> str:
        """Return *text*, with a pair that two deltas share joined in the second."""
        if not self._carry and (not text or text.isascii()):
            return text or ""
        text = self._carry + (text or "")
        self._carry = ""
        if "\ud800" <= text[-1] <= "\udbff":
            self._carry, text = text[-1], text[:-1]
        return mended(text)

    def _count(self, usage: Json | None) -> None:
        for name, key in COUNTS.items():
            count = (usage or {}).get(key)  # gateways that imitate the API leave counts out
            if isinstance(count, int) and count >= 0:
                self.usage = replace(self.usage, **{name: count})
        match usage:
            case {"cache_creation": {"ephemeral_1h_input_tokens": int(hour)}} if hour >= 0:
                self.usage = replace(self.usage, cache_hour=hour)
        match usage:
            case {"server_tool_use": {"web_search_requests": int(searches)}} if searches >= 0:
                self.usage = replace(self.usage, searches=searches)


def _is_fine(result: Mapping[str, Any]) -> bool:
    content = result.get("content")
    failed = isinstance(content, Mapping) and str(content.get("type")).endswith("_error")
    return not failed and not result.get("is_error")
