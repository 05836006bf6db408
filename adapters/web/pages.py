"""The page itself, its script and style, and the way to sign in."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Awaitable, Callable
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from aiohttp import web

from adapters.web.people import LASTS, Refusal
from adapters.web.requests import body_of, refused

if TYPE_CHECKING:
    from adapters.web.platform import Web

FOLDER = Path(__file__).with_name("page")
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
#: Nothing but what this server has, no script or style in the page itself, and no other page around it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with none at all, a form's Origin would be null
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}
SIGN_IN = "/web/sign-in"
#: Seconds after which a browser asks again for the page that could not be served.
AGAIN = "2"
#: Bytes of a form.
FORM = 4096

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@cache
def content(name: str) -> tuple[bytes, bytes, str]:
    """Return a file of the page, the same packed, and what it is known by."""
    data = (FOLDER / name).read_bytes()
    return data, gzip.compress(data, 9, mtime=0), f'"{hashlib.sha256(data).hexdigest()[:16]}"'


def sent(request: web.Request, name: str) -> web.Response:
    """Return a file of the page; nothing if the browser has it."""
    data, packed, tag = content(name)
    headers = {**HEADERS, "ETag": tag}
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        data, headers["Content-Encoding"] = packed, "gzip"
    kind = TYPES[Path(name).suffix]
    return web.Response(body=data, content_type=kind, charset="utf-8", headers=headers)


def _again(refusal: Refusal) -> web.Response:
    """Return the form to sign in once more, with why that is needed."""
    data, _, _ = content("sign-in.html")
    told = data.replace(b" hidden></p>", f">{escape(refusal.why)}</p>".encode())
    return web.Response(
        body=told, status=refusal.status, content_type="text/html", charset="utf-8", headers=HEADERS
    )


def page(platform: Web) -> Handler:
    """Return what serves the chat page to who has signed in."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            platform.people.expect_host(request)
            platform.expect_serving()
            platform.people.of(request)
        except Refusal as refusal:
            if refusal.status == 401:
                raise web.HTTPSeeOther(SIGN_IN) from None
            again = {"Refresh": AGAIN} if refusal.status == 503 else None
            return web.Response(text=f"{refusal.why}\n", status=refusal.status, headers=again)
        return sent(request, "index.html")

    return handle


def files(platform: Web) -> list[web.RouteDef]:
    """Return what serves script, style and the form to sign in."""
    known = {path.name for path in FOLDER.iterdir() if path.suffix in TYPES and path.suffix != ".html"}

    async def file(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        return sent(request, name) if name in known else web.Response(text="no such file\n", status=404)

    async def form(request: web.Request) -> web.StreamResponse:
        if platform.people.open:
            raise web.HTTPSeeOther("/")
        return sent(request, "sign-in.html")

    return [web.get("/web/page/{name}", file), web.get(SIGN_IN, form)]


def _address(platform: Web, request: web.Request) -> str:
    """Return where *request* comes from: of many behind one proxy, a guesser bars nobody else."""
    told = request.headers.getall("X-Forwarded-For", []) if platform.people.proxied else []
    return ",".join(told).rpartition(",")[2].strip()[:64] or request.remote or ""


def doors(platform: Web) -> list[web.RouteDef]:
    """Return what signs people in and out."""
    people = platform.people
    how: Any = {"httponly": True, "samesite": "Strict", "secure": people.secure, "path": "/"}

    async def sign_in(request: web.Request) -> web.StreamResponse:
        try:
            people.expect_host(request)
            people.expect_origin(request)
            platform.expect_serving()  # wrong tokens are counted in one process
            form = parse_qs((await body_of(request, FORM)).decode(errors="replace"))
            cookie = people.sign_in(form.get("token", [""])[0].strip(), _address(platform, request))
        except Refusal as refusal:
            return _again(refusal)
        response = web.HTTPSeeOther("/")
        response.set_cookie(people.cookie, cookie, max_age=LASTS, **how)
        raise response

    async def sign_out(request: web.Request) -> web.StreamResponse:
        try:
            people.expect_host(request)
            people.expect_origin(request)
            if session := people.session_of(request):
                platform.inbox  # noqa: B018  raises until the bot listens, and remembers who signed out
                await platform.end(session)
        except Refusal as refusal:
            if refusal.status != 401:
                return refused(refusal.status, refusal.why)
        response = web.json_response({})
        response.del_cookie(people.cookie, **how)
        return response

    return [web.post(SIGN_IN, sign_in), web.post("/web/sign-out", sign_out)]
