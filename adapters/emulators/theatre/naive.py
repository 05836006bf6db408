"""A naive bot, for comparison: it edits once a second, and knows of no limit but that.

It speaks to the emulators as any bot would, with a key of its own for the model.  It must stay as most bots
of this kind are: what they do not do, it does not.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

import aiohttp

#: The last four characters are what the model's log knows it by.
KEY = "sk-naive"


async def naive(session: aiohttp.ClientSession, slack: str, claude: str) -> None:
    """Answer every mention until cancelled; *slack* and *claude*: where the APIs are."""

    async def call(method: str, **arguments: Any) -> dict[str, Any]:
        token = "xapp-naive" if method.startswith("apps.") else "xoxb-naive"
        headers = {"Authorization": f"Bearer {token}"}
        async with session.post(f"{slack}/api/{method}", json=arguments, headers=headers) as response:
            return dict(await response.json())

    async def answer(event: dict[str, Any]) -> None:
        root = event.get("thread_ts") or event["ts"]
        posted = await call("chat.postMessage", channel=event["channel"], text="…", thread_ts=root)
        place = {"channel": event["channel"], "ts": posted.get("ts", "")}
        said, edited = "", time.monotonic()
        asked = [{"role": "user", "content": event["text"].replace("<@UBOT>", "").strip()}]
        body = {"model": "claude-sonnet-5-5", "max_tokens": 4096, "stream": True, "messages": asked}
        headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
        with suppress(aiohttp.ClientError):
            async with session.post(f"{claude}/v1/messages", json=body, headers=headers) as stream:
                async for line in stream.content:
                    if line.startswith(b"data: ") and b"text_delta" in line:
                        said += json.loads(line[6:])["delta"]["text"]
                        if time.monotonic() - edited >= 1.0:
                            edited = time.monotonic()
                            await call("chat.update", **place, text=said)
            await call("chat.update", **place, text=said)

    answers: set[asyncio.Task[None]] = set()
    opened = await call("apps.connections.open")
    async with session.ws_connect(opened["url"]) as socket:
        async for message in socket:
            envelope = json.loads(message.data)
            if key := envelope.get("envelope_id"):
                await socket.send_json({"envelope_id": key})
            event = envelope.get("payload", {}).get("event", {})
            if event.get("type") == "app_mention":
                answers.add(asyncio.create_task(answer(event)))
            answers = {task for task in answers if not task.done()}
