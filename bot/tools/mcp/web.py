"""The client for servers that speak HTTP: it follows no redirect, and reads no body beyond a limit.

Which proxy it uses is said by HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, as elsewhere.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2

from bot.tools.mcp.limits import MESSAGE, Limits
from bot.tools.mcp.settings import Configured

#: Seconds that a stream of events may be silent.
SILENCE = 300.0


class Astray(Exception):
    """An answer that is no answer; the message says why."""


def client(server: Configured, limits: Limits) -> httpx2.AsyncClient:
    """Return a client whose requests all carry the headers of *server*."""
    return httpx2.AsyncClient(
        headers={**server.headers, "Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(limits.write, read=SILENCE),
        limits=httpx2.Limits(max_connections=2 * limits.calls),
        follow_redirects=False,
        event_hooks={"response": [_look]},
    )


async def _look(response: httpx2.Response) -> None:
    """Bound what is read of *response*.

    Raises:
        Astray: It is none of the server's.
    """
    host = response.request.url.host
    if "location" in response.headers and response.is_redirect:
        raise Astray(f"{host} points elsewhere, which is not followed ({response.status_code})")
    if response.status_code in {401, 403}:
        raise Astray(f"{host} refuses the credentials ({response.status_code}): look at its headers")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Astray(f"{host} sends what is packed, which was not asked for")
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    """A body, as long as it is no longer than a message may be."""

    def __init__(self, body: object) -> None:
        assert isinstance(body, httpx2.AsyncByteStream)  # noqa: S101  the client is asynchronous
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._body:
            size += len(chunk)
            if size > MESSAGE:
                raise httpx2.StreamError(f"it is longer than {MESSAGE // 2**20} MB")
            yield chunk

    async def aclose(self) -> None:
        await self._body.aclose()
