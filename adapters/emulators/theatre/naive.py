"""A naive bot, for comparison: it edits once a second, and knows of no limit but that.

It speaks to the emulators as any bot would, with a key of its own for the model.  It must stay as most bots
of this kind are: what they do not do, it does not.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiohttp

#: The last four characters of the key are what the model's log knows it by.
HEADERS = {"x-api-key": "sk-naive", "anthropic-version": "2023-06-01"}


async def naive(session: aiohttp.ClientSession, slack: str, claude: str) -> None:
    """Answer every mention until cancelled; *slack* and *claude*: where the APIs are."""

    async def call(method: str, kind: str = "xoxb", **arguments: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {kind}-naive"}
        async with session.post(f"{slack}/api/{method}", json=arguments, headers=headers) as response:
            return dict(await response.json())

    async def answer(event: dict[str, Any]) -> None:
        place = {"channel": event["channel"], "thread_ts": event.get("thread_ts") or event["ts"]}
        place["ts"] = (await call("chat.postMessage", text="…", **place)).get("ts", "")
        said, edited = "", time.monotonic()
        asked = [{"role": "user", "content": event["text"].replace("<@UBOT>", "").strip()}]
        body = {"model": "claude-sonnet-5-5", "max_tokens": 4096, "stream": True, "messages": asked}
        async with session.post(f"{claude}/v1/messages", json=body, headers=HEADERS) as stream:
            async for line in stream.content:
                if line.startswith(b"data: ") and b"text_delta" in line:
                    said += json.loads(line[6:])["delta"]["text"]
                    if time.monotonic() - edited >= 1.0:
                        edited = time.monotonic()
                        await call("chat.update", text=said, **place)
        await call("chat.update", text=said, **place)

    answers: set[asyncio.Future[Any]] = set()
    opened = await call("apps.connections.open", "xapp")
    async with session.ws_connect(opened["url"]) as socket:
        async for message in socket:
            envelope = json.loads(message.data)
            await socket.send_json({"envelope_id": envelope.get("envelope_id")})
            if (event := envelope.get("payload", {}).get("event", {})).get("type") == "app_mention":
                work = asyncio.gather(answer(event), return_exceptions=True)
                answers = {task for task in answers if not task.done()} | {work}
