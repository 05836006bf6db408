"""The API's prompt cache: which part of a request was in an earlier one, and is billed as read.

As documented ("Prompt caching"): a request is tools, system and messages, in this order, as blocks.  Where a
block is marked, by `cache_control` in it or at the top level (then the last one that can be cached), the
prefix up to there is written, if it has enough tokens.  A later request reads the longest one that ends at
one of its marks, or up to twenty blocks before.  It must never find a prefix where nothing was written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Tokens of the shortest prefix that is kept, and marks of one request.
LEAST, MARKS = 512, 4
#: Blocks before a mark that are looked at.
BACK = 20
#: Seconds that a prefix is kept after its last use, by what its mark says.
KEPT = {"5m": 300.0, "1h": 3600.0}
#: Fields that change what a model makes of the messages, though not of tools and system.
SWITCHES = ("tool_choice", "thinking")


@dataclass(frozen=True)
class Block:
    """One block of a request.

    Attributes:
        prefix: Stands for everything up to its end.
        tokens: Of everything up to its end.
        kept: Seconds that this prefix is to be kept; 0 where there is no mark.
        markable: Whether the mark of the top level can be here.
    """

    prefix: str
    tokens: int
    kept: float
    markable: bool


@dataclass(frozen=True)
class Cached:
    """The tokens of one request's input.

    Attributes:
        read: Of the longest prefix that was there.
        short: Written for five minutes.
        long: Written for an hour.
        rest: All others.
    """

    read: int = 0
    short: int = 0
    long: int = 0
    rest: int = 0


class TooManyMarks(ValueError):
    """A request has more marks than are allowed."""


@dataclass
class Cache:
    """What was written, and until when it is kept."""

    _kept: dict[str, tuple[float, float]] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def take(self, body: Mapping[str, Any], total: int, now: float) -> Cached:
        """Read and write what *body* asks for; *total*: tokens of its input, *now*: seconds.

        Raises:
            TooManyMarks: There are more than four.
        """
        blocks = marked(list(_blocks(body)), body)
        marks = [number for number, block in enumerate(blocks) if block.kept]
        if len(marks) > MARKS:
            raise TooManyMarks(
                f"A maximum of {MARKS} blocks with cache_control may be provided. Found {len(marks)}."
            )
        found = max((self._found(blocks, mark, now) for mark in marks), default=-1)
        read = blocks[found].tokens if found >= 0 else 0
        written = {300.0: 0, 3600.0: 0}
        before = read
        for mark in marks:
            block = blocks[mark]
            if block.tokens >= LEAST:
                self._kept[block.prefix] = (now + block.kept, block.kept)
                written[block.kept] += max(block.tokens - before, 0)
                before = max(before, block.tokens)
        return Cached(read, written[300.0], written[3600.0], max(total - before, 0))

    def _found(self, blocks: Sequence[Block], mark: int, now: float) -> int:
        """Return the last block up to *mark* at which a prefix ends that is kept; -1 for none."""
        for number in range(mark, max(mark - BACK, -1), -1):
            until, kept = self._kept.get(blocks[number].prefix, (0.0, 0.0))
            if now < until:
                self._kept[blocks[number].prefix] = (now + kept, kept)  # each use keeps it for longer
                return number
        return -1


def marked(blocks: list[Block], body: Mapping[str, Any]) -> list[Block]:
    """Return *blocks* with the mark that is at the top level of *body*."""
    last = next((number for number in range(len(blocks) - 1, -1, -1) if blocks[number].markable), -1)
    if body.get("cache_control") and last >= 0:
        found = blocks[last]
        kept = max(found.kept, _seconds(body["cache_control"]))
        blocks[last] = Block(found.prefix, found.tokens, kept, found.markable)
    return blocks


def _blocks(body: Mapping[str, Any]) -> Iterator[Block]:
    """Yield all blocks of *body*."""
    known, size = hashlib.sha256(str(body.get("model")).encode()), 0
    for where, block in _parts(body):
        bare = {key: value for key, value in block.items() if key != "cache_control"}
        said = json.dumps([where, bare], sort_keys=True).encode()
        known.update(said)
        size += len(json.dumps(bare, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
        mark = block.get("cache_control")
        yield Block(known.hexdigest(), size // 4, _seconds(mark) if mark else 0.0, _can_be_kept(bare))


def _parts(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for tool in body.get("tools") or ():
        yield "tool", tool
    for block in _listed(body.get("system") or []):
        yield "system", block
    switches = json.dumps([body.get(name) for name in SWITCHES], sort_keys=True)
    for number, message in enumerate(body["messages"]):
        for block in _listed(message["content"]):
            yield f"{switches}{number}{message['role']}", block


def _listed(content: Any) -> Sequence[Mapping[str, Any]]:
    """Return *content* as blocks: a text is short for one."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _can_be_kept(block: Mapping[str, Any]) -> bool:
    thought = block.get("type") in {"thinking", "redacted_thinking"}
    return not thought and block.get("text") != ""


def _seconds(mark: Mapping[str, Any]) -> float:
    return KEPT.get(str(mark.get("ttl", "5m")), KEPT["5m"])
