"""Who may come in: only who calls this machine by a name of its own, and no page from elsewhere.

Such a page must never act as a person here, nor read what they see.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

#: What the page may load: what comes from here, and nothing that is written into it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: Pictures that are shown; every other file is saved.
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


@web.middleware
async def guarded(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse who calls this machine by another name, or comes from another page."""
    port = request.transport.get_extra_info("sockname")[1] if request.transport else 0
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"}
    origin = request.headers.get("Origin")
    if request.host not in hosts:
        return web.Response(status=421, text=f"This is http://127.0.0.1:{port}, and only that.\n")
    if origin is not None and origin not in {f"http://{host}" for host in hosts}:
        return web.Response(status=403, text="Another page may not call this one.\n")
    response = await handler(request)
    if not response.prepared:
        response.headers.update(HEADERS)
    return response
