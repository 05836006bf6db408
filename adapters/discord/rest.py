"""A small REST client for what must not wait in discord.py's queue: posts, edits, the status reaction.

discord.py freezes an edit's text when it is called, sleeps inside while its bucket is empty, and so shows
text up to 15 s old.  This client sends at once, reads the rate-limit headers, and never retries: the core
decides what is sent next.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from bot.events import File
from bot.platform import BucketState, Gone, SlowDown
from bot.text.filenames import safe

Json = dict[str, Any]

#: What a 429 without a usable delay is taken for: Cloudflare's blocks come without one.
RETRY_AFTER = 60.0
LONGEST_RETRY = 300.0
#: Seconds that a call with files may take in total.
UPLOAD_TIMEOUT = aiohttp.ClientTimeout(total=60.0)
#: The bucket of all calls together.
GLOBAL = "discord/global"


class Refused(RuntimeError):
    """Discord found fault with a call of ours; `code` is its JSON error code, or 0."""

    def __init__(self, said: str, code: int) -> None:
        super().__init__(f"Discord refused a call of ours: {said}")
        self.code = code


class Rest:
    """Discord's REST API.

    Args:
        url: "https://discord.com/api/v10".
        token: The bot's.

    Attributes:
        session: With the time limit of a call; replaced when the platform is started again, so that answers
            that are live then go on.
    """

    def __init__(self, url: str, token: str) -> None:
        self.session: aiohttp.ClientSession | None = None
        self._url = url.rstrip("/")
        self._headers = {
            "Authorization": f"Bot {token}",
            "User-Agent": "DiscordBot (https://github.com/rivulet-bot/rivulet, 0.1)",
        }

    async def call(
        self, method: str, path: str, bucket: str, body: Json | None = None, files: Sequence[File] = ()
    ) -> tuple[Json, tuple[BucketState, ...]]:
        """Make one call that counts against *bucket*; return the answer and the bucket's state.

        An answer that is a list comes as {"items": list}.

        Args:
            method: The HTTP method.
            path: Below the API's URL.
            bucket: The key that a 429 is about.
            body: The JSON.
            files: What the message of *body* is to have attached, and nothing else.

        Raises:
            SlowDown: On a 429.
            Gone: On 401, 403 and 404.
            OSError: When Discord was not reached or is not well.
            Refused: On any other error.
        """
        if self.session is None or self.session.closed:
            raise ConnectionError("Discord is not connected")
        try:
            sent: Json = {"data": _form(body, files), "timeout": UPLOAD_TIMEOUT} if files else {"json": body}
            async with self.session.request(
                method, f"{self._url}/{path}", headers=self._headers, **sent
            ) as response:
                status, headers, answer = response.status, response.headers, _parsed(await response.read())
        except TimeoutError:
            raise
        except aiohttp.ClientError as error:
            raise ConnectionError(f"Discord was not reached: {type(error).__name__}") from error
        _judge(status, headers, answer, bucket)
        return answer, _states(headers, bucket)


def _form(body: Json | None, files: Sequence[File]) -> aiohttp.FormData:
    """Return *body* with *files*: all that is attached to the message afterwards (reference.mdx, v10)."""
    named = [(f"{number}", safe(file.name), file) for number, file in enumerate(files)]
    attachments = [{"id": number, "filename": name} for number, name, _ in named]
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field(
        "payload_json",
        json.dumps({**(body or {}), "attachments": attachments}),
        content_type="application/json",
    )
    for number, name, file in named:
        form.add_field(f"files[{number}]", file.data, filename=name, content_type="application/octet-stream")
    return form


def _judge(status: int, headers: Mapping[str, str], answer: Json, bucket: str) -> None:
    if status < 300:
        return
    said = f"{status}, code {answer.get('code', '?')}: {answer.get('message', '')}"
    if status == 429:
        # Without the JSON it is not Discord but Cloudflare in front of it, which means every route.
        everything = answer.get("global") or "retry_after" not in answer
        raise SlowDown(retry_after(answer, headers), GLOBAL if everything else bucket)
    if status in {401, 403, 404}:
        raise Gone(f"Discord answered {said}")
    if status >= 500:
        raise ConnectionError(f"Discord answered {said}")
    code = answer.get("code")
    raise Refused(said, code if isinstance(code, int) else 0)


def retry_after(answer: Json, headers: Mapping[str, str]) -> float:
    """Return the seconds that a 429 asks for, whatever it says."""
    try:
        seconds = float(answer.get("retry_after") or headers["Retry-After"])
    except (KeyError, TypeError, ValueError):
        return RETRY_AFTER
    return min(max(seconds, 0.1), LONGEST_RETRY) if math.isfinite(seconds) else RETRY_AFTER


def _states(headers: Mapping[str, str], bucket: str) -> tuple[BucketState, ...]:
    try:
        remaining = int(headers["X-RateLimit-Remaining"])
        seconds = float(headers["X-RateLimit-Reset-After"])
    except (KeyError, ValueError):
        return ()
    return (BucketState(bucket, remaining, seconds),) if math.isfinite(seconds) else ()


def _parsed(body: bytes) -> Json:
    try:
        answer = json.loads(body) if body else {}
    except ValueError:
        return {}
    if isinstance(answer, list):
        return {"items": answer}
    return answer if isinstance(answer, dict) else {}
