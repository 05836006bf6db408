"""Lets discord.py's own calls wait for our `Traffic`: aiohttp awaits a trace before it sends a request."""

from __future__ import annotations

from types import SimpleNamespace

import aiohttp
import yarl

from adapters.discord.wire.rest import banned, retry_after
from adapters.discord.wire.traffic import Traffic, Urgency

#: Calls below these have tokens of their own in their path, and do not count against the global limit.
EXEMPT = ("interactions", "webhooks")


def trace(traffic: Traffic, api_url: str) -> aiohttp.TraceConfig:
    """Return the trace for discord.py's HTTP client.

    Args:
        traffic: What all calls share.
        api_url: Only calls to this API are counted, not those to the gateway and the CDN.
    """
    watch = _Watch(traffic, yarl.URL(api_url.rstrip("/")))
    config = aiohttp.TraceConfig()
    config.on_request_start.append(watch.begins)
    config.on_request_end.append(watch.ended)
    return config


class _Watch:
    """Sees each request begin and end; at its beginning it may delay or refuse it."""

    def __init__(self, traffic: Traffic, base: yarl.URL) -> None:
        self._traffic = traffic
        self._base = base

    async def begins(
        self, _session: aiohttp.ClientSession, _: SimpleNamespace, seen: aiohttp.TraceRequestStartParams
    ) -> None:
        if self._traffic.closed() and self._traffic.banned:
            raise ConnectionRefusedError("Discord blocks this address")
        if not self._counts(seen.url):
            return
        await self._traffic.flow.enter(Urgency.OTHER)
        if self._traffic.dead.is_set():
            raise ConnectionRefusedError("Discord refuses the token")
        if self._traffic.closed() or self._traffic.banned:
            raise ConnectionRefusedError("Discord lets nothing through")

    async def ended(
        self, _session: aiohttp.ClientSession, _: SimpleNamespace, seen: aiohttp.TraceRequestEndParams
    ) -> None:
        if not self._counts(seen.url):
            return
        status, headers = seen.response.status, seen.response.headers
        self._traffic.refused(status, shared=headers.get("X-RateLimit-Scope") == "shared")
        if status == 401:
            self._traffic.dead.set()
        is_json = headers.get("Content-Type", "").startswith("application/json")
        if banned(status, headers, {} if is_json else None):
            self._traffic.ban(retry_after({}, headers, 0.0))
        elif status == 429 and "X-RateLimit-Global" in headers:
            self._traffic.hold(retry_after({}, headers))

    def _counts(self, url: yarl.URL) -> bool:
        here = (url.host, url.port) == (self._base.host, self._base.port)
        above = f"{self._base.path}/"
        return here and url.path.startswith(above) and not url.path.removeprefix(above).startswith(EXEMPT)
