"""The stream of one answer, as server-sent events.

It must never write an event that the API would not write there, unless a script says so.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from .plays import PING, Play, Refusal, encoded, frame, request_id


class Owner(Protocol):
    """The emulator, as its streams see it."""

    ping_every: float
    speed: float

    def record(self, kind: str, **data: Any) -> None:
        """See `Emulator.record`."""

    def over(self, play: Play, state: str) -> None:
        """See `Claude.over`."""


class Stream:
    """Writes one answer as server-sent events, in the order in which they were recorded."""

    def __init__(
        self,
        owner: Owner,
        play: Play,
        transport: asyncio.Transport,
        write: Callable[[bytes], Awaitable[None]],
    ) -> None:
        self._owner = owner
        self._play = play
        self._transport = transport
        self._write = write
        self._open: dict[str, Any] = {}
        self._head = b""
        self._said: list[str] = []
        self._raw = ""
        self._due = asyncio.get_running_loop().time()
        self.failure: Refusal | None = None

    async def run(self, steps: Iterator[Any]) -> None:
        """Write the answer until its end or its fault."""
        first = next(steps, None)
        bare = isinstance(first, Mapping) and first.get("bare", "raw" in first)
        if not bare:
            await self._write(frame({"type": "message_start", "message": self._play.message()}))
        for step in steps if first is None else itertools.chain([first], steps):
            if isinstance(step, str):
                await self._text(step)
            elif isinstance(step, int | float):
                await self._pause(step)
            elif not await self._special(step):
                return
        if bare:
            self._owner.over(self._play, "finished" if "message_stop" in self._raw else "broken")
        else:
            await self._finish({})

    async def _text(self, text: str) -> None:
        if self._open.get("type") != "text" or "citations" in self._open:
            await self._begin({"type": "text", "text": ""}, "text_delta", "text")
        await self._write(self._head + encoded(text) + b"}}\n\n")
        play = self._play
        self._said.append(text)
        play.pieces.append(text)
        play.characters += len(text)
        if play.first is None:
            play.first = time.monotonic()
            self._owner.record("first", id=play.id)

    async def _pause(self, seconds: float) -> None:
        # From when the last pause was due to end, not from now: timing errors must not add up.
        self._due += seconds / self._owner.speed
        loop = asyncio.get_running_loop()
        every = self._owner.ping_every
        while self._due - loop.time() > every:
            await asyncio.sleep(every)
            await self._write(PING)
        await asyncio.sleep(max(self._due - loop.time(), 0))

    async def _special(self, step: Mapping[str, Any]) -> bool:
        match step:
            case {"thinking": str(text)}:
                await self._thinking(text)
            case {"text": str(text)}:
                await self._cited(text, step.get("citations", ()))
            case {"tool": str(name)}:
                caller = {"caller": {"type": "direct"}}
                await self._tool(
                    {"type": "tool_use", "name": name, **caller}, "toolu_", step.get("input", {})
                )
            case {"server_tool": str(name)}:
                await self._server_tool(name, step)
            case {"event": dict(event)}:
                await self._write(frame(event))
            case {"raw": str(raw)}:
                self._raw = raw
                await self._write(raw.encode("utf-8", "surrogateescape"))
            case {"ping": True}:
                await self._write(PING)
            case {"huge": int(size)}:
                await self._text("x" * size)
            case _:
                await self._last(step)
                return False
        return True

    async def _last(self, step: Mapping[str, Any]) -> None:
        match step:
            case {"finish": str()}:
                await self._finish(step)
                return
            case {"error": str(kind)}:
                self.failure = Refusal(500, step.get("message", "Scripted."), kind)
                error = {"type": kind, "message": str(self.failure)}
                await self._write(frame({"type": "error", "error": error, "request_id": request_id()}))
            case {"drip": str(text)}:
                while True:
                    await self._text(text)
                    await self._pause(step.get("every", 0.5))
            case {"stall": True}:
                await self._stall(pings=step.get("pings", False))
            case {"cut": True}:
                self._transport.close()
            case {"reset": True}:
                await reset(self._transport)
        self._owner.over(self._play, "broken")

    async def _stall(self, *, pings: bool) -> None:
        while True:
            await asyncio.sleep(self._owner.ping_every)
            if pings:
                await self._write(PING)

    async def _begin(self, block: dict[str, Any], delta: str, key: str) -> None:
        await self._close()
        index = len(self._play.blocks)
        await self._write(frame({"type": "content_block_start", "index": index, "content_block": block}))
        if index == 0:
            await self._write(PING)
        self._open = dict(block)
        self._play.blocks.append(self._open)
        head = frame({"type": "content_block_delta", "index": index, "delta": {"type": delta, key: ""}})
        self._head = head.removesuffix(b'""}}\n\n')

    async def _close(self) -> None:
        block, said = self._open, "".join(self._said)
        if not block:
            return
        if block["type"] == "thinking":
            block["signature"] = secrets.token_urlsafe(48)
            await self._delta({"type": "signature_delta", "signature": block["signature"]})
        if block["type"] in {"text", "thinking"}:
            block[block["type"]] = said
        index = len(self._play.blocks) - 1
        await self._write(frame({"type": "content_block_stop", "index": index}))
        self._open = {}
        self._said.clear()

    async def _delta(self, delta: Mapping[str, Any]) -> None:
        index = len(self._play.blocks) - 1
        await self._write(frame({"type": "content_block_delta", "index": index, "delta": delta}))

    async def _thinking(self, text: str) -> None:
        if self._open.get("type") != "thinking":
            await self._begin(
                {"type": "thinking", "thinking": "", "signature": ""}, "thinking_delta", "thinking"
            )
        self._said.append(text)
        await self._write(self._head + encoded(text) + b"}}\n\n")

    async def _cited(self, text: str, citations: Iterable[Mapping[str, Any]]) -> None:
        await self._begin({"citations": [], "type": "text", "text": ""}, "text_delta", "text")
        self._open["citations"] = list(citations)
        for citation in self._open["citations"]:
            await self._delta({"type": "citations_delta", "citation": citation})
        block, self._open = self._open, {"type": "text"}
        await self._text(text)
        self._open = block
        await self._close()

    async def _tool(self, block: dict[str, Any], prefix: str, given: Mapping[str, Any]) -> str:
        name = prefix + secrets.token_hex(12)
        started = {"type": block["type"], "id": name, **block, "input": {}}
        await self._begin(started, "input_json_delta", "partial_json")
        self._open["input"] = given
        whole = json.dumps(given) if given else ""
        for start in range(-10, len(whole), 10):  # the first piece is always empty
            await self._write(self._head + encoded(whole[max(start, 0) : start + 10]) + b"}}\n\n")
        await self._close()
        return name

    async def _server_tool(self, name: str, step: Mapping[str, Any]) -> None:
        block = {"type": "server_tool_use", "name": name}
        use = await self._tool(block, "srvtoolu_", step.get("input", {}))
        result = {"type": f"{name}_tool_result", "tool_use_id": use, "content": step.get("result", [])}
        await self._begin(result, "", "")
        await self._close()

    async def _finish(self, step: Mapping[str, Any]) -> None:
        await self._close()
        play = self._play
        called = any(block["type"] == "tool_use" for block in play.blocks)
        play.reason = step.get("finish", "tool_use" if called else "end_turn")
        play.details = step.get("details")
        delta = {"stop_reason": play.reason, "stop_sequence": None}
        if play.details is not None:
            delta["stop_details"] = play.details
        usage = play.usage()
        used = [block["name"] for block in play.blocks if block["type"] == "server_tool_use"]
        if used:
            usage["server_tool_use"] = {
                "web_search_requests": used.count("web_search"),
                "web_fetch_requests": used.count("web_fetch"),
            }
        end = frame({"type": "message_delta", "delta": delta, "usage": usage})
        await self._write(end + frame({"type": "message_stop"}))
        self._owner.over(play, "finished")


async def reset(transport: asyncio.Transport) -> None:
    """Reset the connection."""
    await asyncio.sleep(0.05)  # a reset throws away what the client has not read yet
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
