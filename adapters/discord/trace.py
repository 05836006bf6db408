"""Lets discord.py's own calls pass through our `Traffic`: aiohttp waits for what sees a request begin."""

from __future__ import annotations

from types import SimpleNamespace

import aiohttp
import yarl

from adapters.discord.rest import banned, retry_after
from adapters.discord.traffic import Traffic, Urgency

#: Calls below these have tokens of their own in their path, and are left alone by the global limit.
EXEMPT = ("interactions", "webhooks")


def trace(traffic: Traffic, api_url: str) -> aiohttp.TraceConfig:
    """Return what discord.py's HTTP client is to be seen with.

    Args:
        traffic: What all calls share.
        api_url: Other addresses are none of its business: the gateway, the CDN.
    """
    base = yarl.URL(api_url.rstrip("/"))

    def ours(url: yarl.URL) -> str:
        """Return the path below the API, "" for what is not counted."""
        if (url.host, url.port) != (base.host, base.port) or not url.path.startswith(f"{base.path}/"):
            return ""
        path = url.path.removeprefix(f"{base.path}/")
        return "" if path.startswith(EXEMPT) else path

    async def begins(
        _session: aiohttp.ClientSession, _: SimpleNamespace, seen: aiohttp.TraceRequestStartParams
    ) -> None:
        if not ours(seen.url):
            return
        await traffic.flow.enter(Urgency.OTHER)
        if traffic.dead.is_set():
            raise ConnectionRefusedError("Discord refuses the token")
        if traffic.closed() or traffic.banned:
            raise ConnectionRefusedError("Discord lets nothing through")

    async def ended(
        _session: aiohttp.ClientSession, _: SimpleNamespace, seen: aiohttp.TraceRequestEndParams
    ) -> None:
        if not ours(seen.url):
            return
        status, headers = seen.response.status, seen.response.headers
        traffic.refused(status, shared=headers.get("X-RateLimit-Scope") == "shared")
        if status == 401:
            traffic.dead.set()
        is_json = headers.get("Content-Type", "").startswith("application/json")
        if banned(status, headers, {} if is_json else None):
            traffic.ban(retry_after({}, headers, 0.0))
        elif status == 429 and "X-RateLimit-Global" in headers:
            traffic.hold(retry_after({}, headers))

    config = aiohttp.TraceConfig()
    config.on_request_start.append(begins)
    config.on_request_end.append(ended)
    return config
