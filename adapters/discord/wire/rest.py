"""A small REST client for what must not wait in discord.py's queue: posts, edits, the status reaction.

discord.py freezes an edit's text when it is called, sleeps inside while its bucket is empty, and so shows
text up to 15 s old.  This client sends at once, reads the rate-limit headers, and never retries: the core
decides what is sent next.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import structlog

from adapters.discord.wire.bars import Bars, Breaker, Forbidden, doubted, place
from adapters.discord.wire.traffic import Traffic, Urgency
from adapters.proxies import proxy_for
from bot.events import File
from bot.platform import BucketState, Gone, SlowDown
from bot.text.filenames import safe

log = structlog.get_logger(__name__)

Json = dict[str, Any]

#: What a 429 without a usable delay is taken for.
RETRY_AFTER = 60.0
LONGEST_RETRY = 300.0
#: Seconds that a call with files may take in total: at least, at most, and bytes that a second must carry.
UPLOAD, SLOWEST_UPLOAD, CARRIED = 10.0, 60.0, 50_000
#: Errors of the client's that say nothing about the call: it came too slowly, or too early.
PASSING = (408, 425)
#: The bucket of all calls together.
GLOBAL = "discord/global"
#: JSON error code for a client that Cloudflare blocks ("internal network error").
BLOCKED = 40333
#: Seconds that a write waits while another call finds out whether a ban has ended.
PROBE = 5.0


class Refused(RuntimeError):
    """Discord found fault with a call of ours.

    Attributes:
        code: Its JSON error code, or 0.
        fields: The fields of the body that it names.
    """

    def __init__(self, said: str, code: int, fields: Sequence[str] = ()) -> None:
        super().__init__(f"Discord refused a call of ours: {said}")
        self.code = code
        self.fields = fields


class Rest:
    """Discord's REST API.

    Args:
        url: "https://discord.com/api/v10".
        token: The bot's.

    Attributes:
        url: The same.
        session: With the time limit of a call; replaced when the platform is started again, so that answers
            that are live then go on.
        traffic: What all calls share.
        bars: Where rights are missing.
        breaker: Where Discord is not well.
    """

    def __init__(self, url: str, token: str) -> None:
        self.session: aiohttp.ClientSession | None = None
        self.traffic = Traffic()
        self.bars = Bars()
        self.breaker = Breaker()
        self._probing = False
        self.url = url.rstrip("/")
        self._proxy = proxy_for(self.url)  # looks through the whole environment: too much for every call
        self._headers = {
            "Authorization": f"Bot {token}",
            "User-Agent": "DiscordBot (https://github.com/rivulet-bot/rivulet, 0.1)",
        }

    async def call(
        self,
        method: str,
        path: str,
        bucket: str,
        body: Json | list[Json] | None = None,
        files: Sequence[File] = (),
        urgency: Urgency = Urgency.OTHER,
    ) -> tuple[Json, tuple[BucketState, ...]]:
        """Make one call that counts against *bucket*; return the answer and the bucket's state.

        An answer that is a list comes as {"items": list}.

        Args:
            method: The HTTP method.
            path: Below the API's URL.
            bucket: The key that a 429 is about.
            body: The JSON.
            files: What the message of *body* is to have attached, and nothing else.
            urgency: Whom it lets go first.

        Raises:
            SlowDown: On a 429, and without a call while Discord lets nothing through.
            Gone: On 403 and 404, and without a call where a missing right is known already.
            OSError: When Discord was not reached or is not well; on a 401, and without a call ever after.
            Refused: On any other error.  Of a message also on a 403 with a code that nobody knows; of one
                with files on any, and on a 404 of which it is not known that the place is gone: it may be
                what the message holds, so nothing is learned.
        """
        await self.traffic.flow.enter(urgency)
        await self._let(method, path)
        try:
            status, headers, answer = await self.send(method, path, body, files)
        except OSError:
            self.breaker.failed(place(method, path)[0], _now())
            raise
        message = "content" in (body or {}) and not banned(status, headers, answer)
        if (files or message) and doubted(status, _code(answer), files=bool(files)):
            self.traffic.refused(status)
            raise Refused(f"{status} to a message", _code(answer), ("files",) if files else ())
        self._judge(status, headers, answer, bucket, method, path)
        self.breaker.passed(place(method, path)[0])
        return answer or {}, _states(headers, bucket)

    def lacks(self, path: str, code: int) -> None:
        """Remember that posting to *path* would meet a 403 with *code*, without trying."""
        self._lacks("POST", path, code, "the bot's roles do not let it answer")

    def _lacks(self, method: str, path: str, code: int, said: str) -> Forbidden:
        forbidden, news = self.bars.learn(method, path, code, said, _now())
        if news:
            log.error("a right is missing in a channel", right=forbidden.right, call=f"{method} {path}")
        return forbidden

    async def _let(self, method: str, path: str) -> None:
        """Raise what the call would meet, where that is known."""
        if self.traffic.dead.is_set():
            raise ConnectionError("Discord refuses the token")
        if barred := self.bars.find(method, path, _now()):
            raise barred
        if seconds := self.traffic.closed():
            raise SlowDown(seconds, GLOBAL)
        if self.traffic.banned:
            await self._probe()

    async def _probe(self) -> None:
        """Find out with one harmless call whether a ban has ended; writes never do that."""
        if self._probing:
            raise SlowDown(PROBE, GLOBAL)
        self._probing = True
        try:
            self._judge(*await self.send("GET", "gateway"), GLOBAL, "GET", "gateway")
            self.traffic.free()
        finally:
            self._probing = False

    async def send(
        self, method: str, path: str, body: Json | list[Json] | None = None, files: Sequence[File] = ()
    ) -> tuple[int, Mapping[str, str], Json | None]:
        """Return the status, the headers and the JSON of an answer, whatever it is, of a call made at once.

        Raises:
            OSError: Discord was not reached; says nothing of *path*, which may hold a token.
        """
        if self.session is None or self.session.closed:
            raise ConnectionError("Discord is not connected")
        try:
            sent: Json = {"json": body}
            if files and not isinstance(body, list):
                sent = {"data": _form(body, files), "timeout": _uploading(files)}
            async with self.session.request(
                method, f"{self.url}/{path}", headers=self._headers, proxy=self._proxy, **sent
            ) as response:
                return response.status, response.headers, _parsed(await response.read())
        except TimeoutError:
            raise
        except aiohttp.ClientError as error:
            raise ConnectionError(f"Discord was not reached: {type(error).__name__}") from error

    def _judge(
        self,
        status: int,
        headers: Mapping[str, str],
        answer: Json | None,
        bucket: str,
        method: str,
        path: str,
    ) -> None:
        """Raise what an answer means, if it is an error."""
        if status < 300:
            return
        code = _code(answer)
        said = f"{status}, code {code}: {(answer or {}).get('message', '')}"
        self.traffic.refused(status, shared=headers.get("X-RateLimit-Scope") == "shared")
        if banned(status, headers, answer):
            raise SlowDown(self.traffic.ban(retry_after({}, headers, 0.0)), GLOBAL)
        if status == 429:
            raise self._slow(headers, answer or {}, bucket)
        if status == 401:  # no answer is over for it: with another token they go on
            self.traffic.dead.set()
            raise ConnectionError(f"Discord answered {said}")
        if status == 403:
            raise self._lacks(method, path, code, f"Discord answered {said}")
        if status == 404:
            raise Gone(f"Discord answered {said}")
        if status >= 500 or status in PASSING:
            self.breaker.failed(place(method, path)[0], _now())
            raise ConnectionError(f"Discord answered {said}")
        raise Refused(said, code, _fields(answer))

    def _slow(self, headers: Mapping[str, str], answer: Json, bucket: str) -> SlowDown:
        seconds = retry_after(answer, headers)
        if not answer.get("global"):
            return SlowDown(seconds, bucket)
        self.traffic.hold(seconds)
        return SlowDown(seconds, GLOBAL)


def _uploading(files: Sequence[File]) -> aiohttp.ClientTimeout:
    """Return how long a call with *files* may take."""
    seconds = UPLOAD + sum(len(file.data) for file in files) / CARRIED
    return aiohttp.ClientTimeout(total=min(seconds, SLOWEST_UPLOAD))


def _form(body: Json | None, files: Sequence[File]) -> aiohttp.FormData:
    """Return *body* with *files*: all that is attached to the message afterwards (reference.mdx, v10)."""
    named = [(f"{number}", safe(file.name), file) for number, file in enumerate(files)]
    attachments = [{"id": number, "filename": name} for number, name, _ in named]
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field(
        "payload_json",
        json.dumps(
            {**body, "attachments": attachments} if isinstance(body, dict) else {"attachments": attachments}
        ),
        content_type="application/json",
    )
    for number, name, file in named:
        form.add_field(f"files[{number}]", file.data, filename=name, content_type="application/octet-stream")
    return form


def banned(status: int, headers: Mapping[str, str], answer: Json | None) -> bool:
    """Whether an error comes from Cloudflare in front of Discord, which blocks the address or the client.

    Discord's own answers are JSON and have passed Google's proxy, which says so in `Via`.
    """
    if _code(answer) == BLOCKED:
        return True
    foreign = "Via" not in headers
    return (status == 429 and (foreign or answer is None)) or (status == 403 and foreign and answer is None)


def _code(answer: Json | None) -> int:
    code = (answer or {}).get("code")
    return code if isinstance(code, int) else 0


def _fields(answer: Json | None) -> Sequence[str]:
    errors = (answer or {}).get("errors")
    return tuple(errors) if isinstance(errors, dict) else ()


def retry_after(answer: Json, headers: Mapping[str, str], usual: float = RETRY_AFTER) -> float:
    """Return the seconds that a 429 asks for, whatever it says; *usual* where it says nothing of use."""
    try:
        seconds = float(answer.get("retry_after") or headers["Retry-After"])
    except (KeyError, TypeError, ValueError):
        return usual
    return min(max(seconds, 0.1), LONGEST_RETRY) if math.isfinite(seconds) else usual


def _states(headers: Mapping[str, str], bucket: str) -> tuple[BucketState, ...]:
    try:
        remaining = int(headers["X-RateLimit-Remaining"])
        seconds = float(headers["X-RateLimit-Reset-After"])
    except (KeyError, ValueError):
        return ()
    return (BucketState(bucket, remaining, seconds),) if math.isfinite(seconds) else ()


def _parsed(body: bytes) -> Json | None:
    """Return an answer's JSON object, {"items": list} for a list, {} for the rest; None if it is no JSON."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(answer, list):
        return {"items": answer}
    return answer if isinstance(answer, dict) else {}


def _now() -> float:
    return asyncio.get_running_loop().time()
