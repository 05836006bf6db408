"""HTTP mode: events and presses posted to the app's request URL, signed, and again until it says 200.

It carries payloads and never looks at what they mean to the workspace.  [docs events-api, verifying-requests]
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import aiohttp

from adapters.emulators.slack.shapes import VERIFICATION_TOKEN, Json
from adapters.emulators.slack.sockets import ACKNOWLEDGE_WITHIN, RETRIES_AFTER, Delivery

#: Body, headers and secret to body and headers.
Forge = Callable[[bytes, dict[str, str], str], tuple[bytes, dict[str, str]]]


def signed(secret: str, body: bytes, now: float) -> dict[str, str]:
    """Return the headers with which Slack signs *body*."""
    stamp = str(int(now))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}


def _with(header: str, value: str) -> Forge:
    return lambda body, headers, _secret: (body, {**headers, header: value})


#: What is posted by others than Slack, by what is wrong with it: body and headers of a good request, changed.
FORGED: dict[str, Forge] = {
    "no timestamp": _with("X-Slack-Request-Timestamp", ""),
    "timestamp in words": _with("X-Slack-Request-Timestamp", "yesterday"),
    "timestamp not ASCII": _with("X-Slack-Request-Timestamp", "\u0661\u0662"),
    "timestamp of another": _with("X-Slack-Request-Timestamp", "1531420618"),
    "no signature": _with("X-Slack-Signature", ""),
    "signature not ASCII": _with("X-Slack-Signature", "v0=\u00e9"),
    "body changed": lambda body, headers, _secret: (body + b" ", headers),
    "another secret": lambda body, headers, _secret: (
        body,
        {**headers, **signed("x" * 32, body, time.time())},
    ),
    "too old": lambda body, headers, secret: (body, {**headers, **signed(secret, body, time.time() - 400)}),
    "too new": lambda body, headers, secret: (body, {**headers, **signed(secret, body, time.time() + 400)}),
}


class HttpSender:
    """The app's request URL.

    Args:
        record: Adds an entry to the emulator's log.
        spawn: Runs a coroutine in the background.

    Attributes:
        url: Where it is; "" for Socket Mode.
        secret: Signs.
        within: Seconds that the app has to answer.
        retries: Seconds to wait before each retry.
        lost: How many of the next requests don't get through.
        unheard: Of how many of the next requests the answer does not.
    """

    def __init__(self, record: Callable[..., None], spawn: Callable[[Any], None]) -> None:
        self.url = ""
        self.secret = ""
        self.within = ACKNOWLEDGE_WITHIN
        self.retries: tuple[float, ...] = RETRIES_AFTER
        self.lost = self.unheard = 0
        self._sent: list[Delivery] = []
        self._last: tuple[bytes, dict[str, str]] = (b"", {})
        self._record = record
        self._spawn = spawn

    async def verify(self) -> bool:
        """Post `url_verification`; tell whether the challenge came back, as Slack asks when a URL is set."""
        challenge = uuid.uuid4().hex
        payload = {"token": VERIFICATION_TOKEN, "challenge": challenge, "type": "url_verification"}
        _, body = await self._post(*self._letter(Delivery("events_api", payload)))
        try:
            return bool(json.loads(body)["challenge"] == challenge)
        except (ValueError, KeyError, TypeError):
            return body == challenge

    def event(self, payload: Json) -> None:
        """Deliver an Events API *payload*, again and again until it is answered by 200."""
        self._spawn(self._deliver(Delivery("events_api", payload)))

    async def _deliver(self, delivery: Delivery) -> None:
        while await self._attempt(delivery) is None and delivery.attempt < len(self.retries):
            await asyncio.sleep(self.retries[delivery.attempt])
            delivery.attempt += 1

    async def interact(self, payload: Json) -> bool:
        """Post an interactivity *payload* once, as a form; tell whether it was answered by 200."""
        return await self.ask("interactive", payload) is not None

    async def ask(self, kind: str, payload: Json) -> Json | None:
        """Post a payload of a *kind* once; return what is answered with 200, None for nothing."""
        return await self._attempt(Delivery(kind, payload))

    async def repeat(self, event: str) -> None:
        """Send the last event again, or the last of type *event*; LookupError if there is none."""
        sent = [delivery for delivery in self._sent if event in {"", delivery.event}]
        if not sent:
            raise LookupError("nothing to redeliver")
        sent[-1].attempt += 1
        self._spawn(self._attempt(sent[-1]))

    async def replay(self) -> int:
        """Post the last request once more, byte by byte, with its old signature; return the status.

        Raises:
            LookupError: There was none.
        """
        if not self._last[0]:
            raise LookupError("nothing to replay")
        return (await self._post(*self._last))[0]

    async def forge(self, how: str, payload: Json) -> int:
        """Post *payload* as somebody would who is not Slack: see `FORGED`; return the status."""
        body, headers = self._letter(Delivery("events_api", payload))
        return (await self._post(*FORGED[how](body, headers, self.secret)))[0]

    async def _attempt(self, delivery: Delivery) -> Json | None:
        number = str(uuid.uuid4())
        if delivery.kind == "events_api":
            self._sent = [*(sent for sent in self._sent[-50:] if sent is not delivery), delivery]
        self._record(
            "envelope",
            envelope_id=number,
            type=delivery.kind,
            event=delivery.event or delivery.payload.get("type", ""),
            event_id=delivery.payload.get("event_id", ""),
            retry_attempt=delivery.attempt,
        )
        self._last = self._letter(delivery)
        status, said = await self._through(*self._last)
        self._record("ack" if status == 200 else "unacknowledged", envelope_id=number, status=status)
        return _answer(said) if status == 200 else None

    async def _through(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        if self.lost:
            self.lost -= 1
            return 0, ""
        answer = await self._post(body, headers)
        if self.unheard:
            self.unheard -= 1
            return 0, ""
        return answer

    def _letter(self, delivery: Delivery) -> tuple[bytes, dict[str, str]]:
        """Return the body and the headers of *delivery*."""
        written = json.dumps(delivery.payload)
        if delivery.kind == "events_api":
            body, kind = written.encode(), "application/json"
        else:
            fields = delivery.payload if delivery.kind == "slash_commands" else {"payload": written}
            body, kind = urlencode(fields).encode(), "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind, "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)"}
        if delivery.attempt:
            headers |= {"X-Slack-Retry-Num": str(delivery.attempt), "X-Slack-Retry-Reason": "http_error"}
        return body, headers | signed(self.secret, body, time.time())

    async def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        """Return the status and the body of the answer; 0 if none came in time."""
        timeout = aiohttp.ClientTimeout(total=self.within)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(self.url, data=body, headers=headers) as answer,
            ):
                return answer.status, await answer.text()
        except (aiohttp.ClientError, OSError):
            return 0, ""


def _answer(body: str) -> Json:
    """Return what an app has answered: an object, or a text, which Slack shows as it is."""
    try:
        found = json.loads(body or "{}")
    except ValueError:
        found = body
    return found if isinstance(found, dict) else {"text": str(found)}
