"""HTTP mode: Slack posts events and presses to us, signed.

Rule 1: only the size is looked at before the signature is found good.  A check that fails or raises is
answered with 401, never with 500, after which Slack would send the request again.
Rule 2: 200 means that the core has the event.  Other events of Slack's are answered with 503, and come again.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from urllib.parse import parse_qs

import structlog
from aiohttp import web

from adapters.slack.incoming.bolt import Take
from adapters.slack.text import Json

log = structlog.get_logger(__name__)

PATH = "/slack/events"
#: Bytes of a body; seconds that they may take to come.
LARGEST = 2**20
READING = 10.0
#: Seconds that a signature is good for, before and after it was made.
FRESH = 300
#: Seconds for which the log says once that requests are refused.
QUIET = 60.0
#: Seconds within which Slack wants an answer are three.
WITHIN = 2.5
#: Events that may be on their way to the core; more wait as long as there is time.
INTAKE = 200


def authentic(secret: str, body: bytes, timestamp: str, signature: str, now: float) -> bool:
    """Return whether Slack has signed *body*, and lately.

    Args:
        secret: The app's signing secret.
        body: Exactly as it came.
        timestamp: The header `X-Slack-Request-Timestamp`.
        signature: The header `X-Slack-Signature`.
        now: Seconds since 1970.
    """
    if not secret or not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if abs(now - int(timestamp)) > FRESH:
        return False
    digest = hmac.new(secret.encode(), b"v0:%s:%s" % (timestamp.encode(), body), hashlib.sha256)
    # As bytes: compare_digest raises on text that is not ASCII.
    return hmac.compare_digest(f"v0={digest.hexdigest()}".encode(), signature.encode(errors="replace"))


class Http:
    """The route that Slack posts to.

    Args:
        secret: The app's signing secret.

    Attributes:
        take: Takes an event; None while the bot does not listen.
        routes: What is to be served.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self.take: Take | None = None
        self.routes = [web.post(PATH, self.receive)]
        self._underway: set[asyncio.Task[Json | None]] = set()
        self._warned = float("-inf")
        self._room = asyncio.Semaphore(INTAKE)

    async def receive(self, request: web.Request) -> web.Response:
        """Answer one request."""
        body = await _body(request)
        if body is None:
            return web.Response(status=413)
        timestamp = _one(request, "X-Slack-Request-Timestamp")
        signature = _one(request, "X-Slack-Signature")
        if not authentic(self._secret, body, timestamp, signature, time.time()):
            self._warn(request)
            return web.Response(status=401)
        payload = parsed(body, form=request.content_type == "application/x-www-form-urlencoded")
        if payload is None:
            return web.Response(status=400)
        if payload.get("type") == "url_verification":
            return web.json_response({"challenge": str(payload.get("challenge", ""))})
        answer = await self._taken(payload)
        if answer is None:
            return web.Response(status=503)
        return web.json_response(answer) if answer else web.Response()

    def _warn(self, request: web.Request) -> None:
        """Log that a request was not Slack's or the secret is wrong; seldom, since anybody can post."""
        now = asyncio.get_running_loop().time()
        if now - self._warned >= QUIET:
            self._warned = now
            log.warning("a request that SLACK_SIGNING_SECRET did not sign was refused", remote=request.remote)

    async def _taken(self, payload: Json) -> Json | None:
        """Return what to answer with if the core took *payload* in time, else None: it goes on, unheard."""
        try:
            async with asyncio.timeout(WITHIN) as limit:
                await self._room.acquire()
        except TimeoutError:
            return None
        if self.take is None:
            self._room.release()
            return None
        work = asyncio.ensure_future(self.take(payload))
        self._underway.add(work)
        work.add_done_callback(self._done)
        left = (limit.when() or 0.0) - asyncio.get_running_loop().time()
        await asyncio.wait({work}, timeout=max(left, 0.0))
        done = work.done() and not work.cancelled() and not work.exception()
        return work.result() if done else None

    def _done(self, work: asyncio.Task[Json | None]) -> None:
        self._room.release()
        self._underway.discard(work)
        if not work.cancelled() and (error := work.exception()):
            log.error("an event was not taken", exc_info=error)

    async def close(self) -> None:
        """Take no more, and wait a little for what is on its way."""
        self.take = None
        if self._underway:
            await asyncio.wait(self._underway, timeout=WITHIN)


def _one(request: web.Request, header: str) -> str:
    """Return the value of a header; "" if it is not there, or twice, so that nobody reads another than we."""
    values = request.headers.getall(header, [])
    return values[0] if len(values) == 1 else ""


async def _body(request: web.Request) -> bytes | None:
    """Return the body, or None if it is too large or too slow: it is not read any further."""
    if (request.content_length or 0) > LARGEST:
        return None
    if "Content-Encoding" in request.headers:  # Slack compresses nothing, and the signature is of plain text
        return b""
    body = bytearray()
    try:
        async with asyncio.timeout(READING):
            async for chunk in request.content.iter_chunked(2**16):
                body += chunk
                if len(body) > LARGEST:
                    return None
        return bytes(body)
    except TimeoutError:
        return None
    except Exception:  # noqa: BLE001  a caller that hung up or can't count: not signed
        return b""
    finally:
        body.clear()  # the request keeps the exception, and that this frame, until the next collection


def parsed(body: bytes, *, form: bool) -> Json | None:
    """Return what *body* says: JSON, the JSON in the field `payload` of a form, or the form of a command.

    None if it is none of these.
    """
    try:
        text = body.decode()
        fields = {name: values[0] for name, values in parse_qs(text).items()} if form else {}
        if "command" in fields and "payload" not in fields:
            return fields
        found = json.loads(fields.get("payload", "{}") if form else text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
