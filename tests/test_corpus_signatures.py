"""Requests that Slack has not signed, or not lately, or not like that: none is taken, none is our error."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict

from adapters.slack.incoming.http import FRESH, PATH, Http

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"  # of Slack's documentation
STAMP, SIGN = "X-Slack-Request-Timestamp", "X-Slack-Signature"
BODY = json.dumps({"type": "event_callback", "event": {"type": "app_mention", "text": "é"}}).encode()


def sign(
    body: bytes, stamp: str, secret: str = SECRET, scheme: str = "v0:{stamp}:", how: str = "sha256"
) -> str:
    """Return a signature as Slack makes it, unless told otherwise."""
    text = scheme.format(stamp=stamp).encode() + body
    return f"v0={hmac.new(secret.encode(), text, how).hexdigest()}"


@dataclass(frozen=True)
class Letter:
    """A request.

    Attributes:
        headers: With repetitions.
        query: Behind the path.
    """

    headers: tuple[tuple[str, str], ...]
    body: bytes = BODY
    method: str = "POST"
    query: str = ""

    @classmethod
    def signed(cls, age: float = 0.0, body: bytes = BODY, **how: Any) -> Letter:
        """Return what is signed so many seconds ago."""
        stamp = how.pop("stamp", str(int(time.time() - age)))
        return cls(((STAMP, stamp), (SIGN, sign(body, stamp, **how))), body)

    @property
    def stamp(self) -> str:
        """The time that it has."""
        return dict(self.headers)[STAMP]

    @property
    def signature(self) -> str:
        """The signature that it has."""
        return dict(self.headers)[SIGN]

    def having(self, **values: str | None) -> Letter:
        """Return it with another time or signature; None for none."""
        told = {STAMP: self.stamp, SIGN: self.signature}
        told |= {{"stamp": STAMP, "sign": SIGN}[name]: value for name, value in values.items()}  # type: ignore[misc]
        return replace(
            self, headers=tuple((name, value) for name, value in told.items() if value is not None)
        )

    def saying(self, body: bytes, *more: tuple[str, str]) -> Letter:
        """Return it with another body, and more headers."""
        return replace(self, body=body, headers=(*self.headers, *more))


Forge = Callable[[Letter], Letter]


def flipped(body: bytes, place: int) -> bytes:
    """Return *body* with one bit changed."""
    return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


def turned(text: str, place: int) -> str:
    """Return *text* with another hexadecimal digit at *place*."""
    return text[:place] + ("0" if text[place] != "0" else "1") + text[place + 1 :]


def named(**values: Any) -> Forge:
    """Return what makes a letter that is signed in another way."""
    return lambda _: Letter.signed(**values)


SECRETS: Mapping[str, Forge] = {
    f"signed with {name}": named(secret=secret)
    for name, secret in {
        "another secret": "x" * 32,
        "no secret": "",
        "less of it": SECRET[:-1],
        "more of it": SECRET + "0",
        "a space behind it": SECRET + " ",
        "a line end behind it": SECRET + "\n",
        "it in capitals": SECRET.upper(),
        "it backwards": SECRET[::-1],
        "the bot's token": "xoxb-1",
        "null": "None",
    }.items()
}
TIMES: Mapping[str, Forge] = {
    "just too old": named(age=FRESH + 3),
    "just too new": named(age=-FRESH - 3),
    "replayed after an hour": named(age=3600),
    "replayed after a day": named(age=86_400),
    "of tomorrow": named(age=-86_400),
    "of 1970": named(stamp="0"),
    "of the example in the docs": named(stamp="1531420618"),
    "in milliseconds": named(stamp=str(int(time.time() * 1000))),
    "the largest": named(stamp="9" * 12),
    "longer than any": named(stamp="1" * 400),
    "signed in words": named(stamp="now"),
    "signed as nothing": named(stamp=""),
    "signed as not a number": named(stamp="nan"),
    "signed as endless": named(stamp="inf"),
    "signed below zero": lambda it: Letter.signed(stamp=f"-{it.stamp}"),
    "signed with a sign": lambda it: Letter.signed(stamp=f"+{it.stamp}"),
    "signed with a point": lambda it: Letter.signed(stamp=f"{it.stamp}.0"),
    "signed with an underscore": lambda it: Letter.signed(stamp=f"{it.stamp[:4]}_{it.stamp[4:]}"),
    "signed as a power": named(stamp="1.8e9"),
    "signed in hexadecimal": lambda it: Letter.signed(stamp=hex(int(it.stamp))),
    "signed in other digits": lambda it: Letter.signed(
        stamp=it.stamp.translate({48 + n: 0x660 + n for n in range(10)})
    ),
    "signed in wide digits": lambda it: Letter.signed(
        stamp=it.stamp.translate({48 + n: 0xFF10 + n for n in range(10)})
    ),
    "a second later than signed": lambda it: it.having(stamp=str(int(it.stamp) + 1)),
    "a second earlier than signed": lambda it: it.having(stamp=str(int(it.stamp) - 1)),
    "moved to now from an hour ago": lambda it: Letter.signed(3600).having(stamp=it.stamp),
    "a zero before the time": lambda it: it.having(stamp=f"0{it.stamp}"),
    "no time": lambda it: it.having(stamp=None),
    "an empty time": lambda it: it.having(stamp=""),
    "two times in one": lambda it: it.having(stamp=f"{it.stamp},{it.stamp}"),
}
SIGNATURES: Mapping[str, Forge] = {
    "no signature": lambda it: it.having(sign=None),
    "an empty signature": lambda it: it.having(sign=""),
    "a signature of nothing": lambda it: it.having(sign="v0="),
    "no version": lambda it: it.having(sign=it.signature[3:]),
    "another version": lambda it: it.having(sign=it.signature.replace("v0", "v1")),
    "the version in capitals": lambda it: it.having(sign=it.signature.replace("v0", "V0")),
    "the digits in capitals": lambda it: it.having(sign="v0=" + it.signature[3:].upper()),
    "a colon for the equals sign": lambda it: it.having(sign=it.signature.replace("=", ":")),
    "named as others name it": lambda it: it.having(sign=it.signature.replace("v0", "sha256")),
    "a digit less": lambda it: it.having(sign=it.signature[:-1]),
    "half of it": lambda it: it.having(sign=it.signature[:35]),
    "a digit more": lambda it: it.having(sign=it.signature + "0"),
    "the first digit changed": lambda it: it.having(sign=turned(it.signature, 3)),
    "a digit in the middle changed": lambda it: it.having(sign=turned(it.signature, 35)),
    "the last digit changed": lambda it: it.having(sign=turned(it.signature, 66)),
    "zeros": lambda it: it.having(sign="v0=" + "0" * 64),
    "twice in one": lambda it: it.having(sign=f"{it.signature},{it.signature}"),
    "a wrong one, then it, in one": lambda it: it.having(sign=f"v0={'0' * 64},{it.signature}"),
    "in quotes": lambda it: it.having(sign=f'"{it.signature}"'),
    "not ASCII": lambda it: it.having(sign="v0=é"),
    "very long": lambda it: it.having(sign=it.signature * 50),
    "in base64": lambda it: it.having(
        sign="v0=" + base64.b64encode(bytes.fromhex(it.signature[3:])).decode()
    ),
    "by SHA-1": named(how="sha1"),
    "by MD5": named(how="md5"),
    "by SHA-512": named(how="sha512"),
    "of the body alone": named(scheme=""),
    "without the version": named(scheme="{stamp}:"),
    "without the time": named(scheme="v0::"),
    "without a colon": named(scheme="v0:{stamp}"),
    "a hash without the secret": lambda it: it.having(
        sign="v0=" + hashlib.sha256(f"v0:{it.stamp}:".encode() + it.body).hexdigest()
    ),
    "a hash with the secret before it": lambda it: it.having(
        sign="v0=" + hashlib.sha256(f"{SECRET}v0:{it.stamp}:".encode() + it.body).hexdigest()
    ),
    "of an empty body": lambda it: it.having(sign=sign(b"", it.stamp)),
    "the time for the signature": lambda it: it.having(sign=it.stamp),
    "time and signature exchanged": lambda it: it.having(sign=it.stamp, stamp=it.signature),
    "the secret itself": lambda it: it.having(sign=SECRET),
}
BODIES: Mapping[str, Forge] = {
    "a space behind the body": lambda it: it.saying(it.body + b" "),
    "a line end behind it": lambda it: it.saying(it.body + b"\n"),
    "a NUL behind it": lambda it: it.saying(it.body + b"\x00"),
    "a space before it": lambda it: it.saying(b" " + it.body),
    "a byte order mark before it": lambda it: it.saying(b"\xef\xbb\xbf" + it.body),
    "its last byte gone": lambda it: it.saying(it.body[:-1]),
    "its first byte gone": lambda it: it.saying(it.body[1:]),
    "nothing of it": lambda it: it.saying(b""),
    "a bit of its first byte changed": lambda it: it.saying(flipped(it.body, 0)),
    "a bit in its middle changed": lambda it: it.saying(flipped(it.body, len(it.body) // 2)),
    "a bit of its last byte changed": lambda it: it.saying(flipped(it.body, -1 + len(it.body))),
    "twice": lambda it: it.saying(it.body * 2),
    "without its spaces": lambda it: it.saying(
        json.dumps(json.loads(it.body), separators=(",", ":")).encode()
    ),
    "in another order": lambda it: it.saying(
        json.dumps(dict(reversed(json.loads(it.body).items()))).encode()
    ),
    "without escapes": lambda it: it.saying(json.dumps(json.loads(it.body), ensure_ascii=False).encode()),
    "in UTF-16": lambda it: it.saying(it.body.decode().encode("utf-16")),
    "compressed": lambda it: it.saying(gzip.compress(it.body), ("Content-Encoding", "gzip")),
    "said to be compressed": lambda it: it.saying(it.body, ("Content-Encoding", "gzip")),
    "said to be compressed by nothing": lambda it: it.saying(it.body, ("Content-Encoding", "identity")),
    "another event": lambda it: it.saying(it.body.replace(b"app_mention", b"message")),
    "a challenge": lambda it: it.saying(b'{"type": "url_verification", "challenge": "x"}'),
    "a form": lambda it: it.saying(
        b"payload=" + it.body, ("Content-Type", "application/x-www-form-urlencoded")
    ),
}
HEADERS: Mapping[str, Forge] = {
    "a wrong signature before the right one": lambda it: replace(it, headers=((SIGN, "v0=x"), *it.headers)),
    "a wrong signature behind the right one": lambda it: replace(it, headers=(*it.headers, (SIGN, "v0=x"))),
    "the right signature twice": lambda it: replace(it, headers=(*it.headers, (SIGN, it.signature))),
    "another time before the right one": lambda it: replace(it, headers=((STAMP, "1"), *it.headers)),
    "another time behind the right one": lambda it: replace(it, headers=(*it.headers, (STAMP, "1"))),
    "the right time twice": lambda it: replace(it, headers=(*it.headers, (STAMP, it.stamp))),
    "names with underscores": lambda it: replace(
        it, headers=tuple((name.replace("-", "_"), value) for name, value in it.headers)
    ),
    "in the address": lambda it: replace(it, headers=(), query=f"?{STAMP}={it.stamp}&{SIGN}={it.signature}"),
    "in a cookie": lambda it: replace(
        it, headers=(("Cookie", f"{STAMP}={it.stamp}; {SIGN}={it.signature}"),)
    ),
    "the secret as a password": lambda it: replace(it, headers=(("Authorization", f"Bearer {SECRET}"),)),
    "Slack's old token": lambda it: replace(it, headers=(), body=b'{"token": "xyzz0WbapA4vBCDEFasx0q6G"}'),
    "nothing at all": lambda it: replace(it, headers=()),
    "said to be from this machine": lambda it: replace(it, headers=(("X-Forwarded-For", "127.0.0.1"),)),
    "said to be verified": lambda it: replace(it, headers=(("X-Slack-Verified", "true"),)),
    "said to be Slack's": lambda it: replace(
        it, headers=(("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)"),)
    ),
}
METHODS: Mapping[str, Forge] = {
    f"by {method}": lambda it, method=method: replace(it, method=method)  # type: ignore[misc]
    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE")
}
FORGED = {**SECRETS, **TIMES, **SIGNATURES, **BODIES, **HEADERS, **METHODS}


@dataclass
class Door:
    """The route, served.

    Attributes:
        url: Where.
        taken: What was given to the core.
    """

    url: str
    http: Http
    taken: list[Any] = field(default_factory=list)

    async def take(self, payload: Any) -> Any:
        """Take an event."""
        self.taken.append(payload)
        return {}

    async def post(self, letter: Letter) -> int:
        """Send *letter*; return the status."""
        headers: CIMultiDict[str] = CIMultiDict(letter.headers)
        headers.setdefault("Content-Type", "application/json")
        url = self.url + letter.query
        async with (
            aiohttp.ClientSession() as session,
            session.request(letter.method, url, data=letter.body, headers=headers) as answer,
        ):
            return answer.status


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    http = Http(SECRET)
    app = web.Application()
    app.router.add_routes(http.routes)
    async with TestServer(app) as server:
        found = Door(str(server.make_url(PATH)), http)
        http.take = found.take
        yield found


def test_the_corpus_is_large_and_all_its_requests_are_different():
    assert len(FORGED) >= 100
    it = Letter.signed()
    assert len({forge(it) for forge in FORGED.values()}) == len(FORGED)


async def test_what_slack_has_signed_is_taken(door):
    for age in (0, FRESH - 5, -FRESH + 5):
        assert await door.post(Letter.signed(age)) == 200
    assert door.taken == [json.loads(BODY)] * 3


@pytest.mark.rule(25)
@pytest.mark.parametrize("name", FORGED)
async def test_what_it_has_not_is_not(door, name):
    letter = FORGED[name](Letter.signed())
    status = await door.post(letter)
    assert status == (401 if letter.method == "POST" else 405)
    assert door.taken == []


@pytest.mark.rule(25)
async def test_without_a_secret_nothing_is_taken(door):
    door.http._secret = ""
    for secret in ("", SECRET):
        assert await door.post(Letter.signed(secret=secret)) == 401
    assert door.taken == []
