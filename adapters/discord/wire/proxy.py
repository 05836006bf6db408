"""Which proxy a connection goes through, as `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say."""

from __future__ import annotations

from urllib.request import getproxies, proxy_bypass

import yarl


def proxy_of(url: str) -> str | None:
    """Return the proxy for *url*; None where there is none, or its host needs none."""
    parts = yarl.URL(url)
    if not parts.host or proxy_bypass(parts.host):
        return None
    return getproxies().get({"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme))
