"""Connections that follow no redirect: a token or a text goes to the host that was named, and to no other."""

from __future__ import annotations

from types import SimpleNamespace

import aiohttp


def straight(config: aiohttp.TraceConfig | None = None) -> aiohttp.TraceConfig:
    """Return *config*, or a new one, with which a session raises `aiohttp.ClientError` on a redirect."""
    config = config or aiohttp.TraceConfig()
    config.on_request_redirect.append(_refuse)
    return config


async def _refuse(
    _session: aiohttp.ClientSession, _: SimpleNamespace, seen: aiohttp.TraceRequestRedirectParams
) -> None:
    raise aiohttp.ClientError(
        f"{seen.url.host} points elsewhere, which is not followed ({seen.response.status})"
    )
