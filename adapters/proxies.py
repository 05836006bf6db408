"""Which proxy a connection goes through, by HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.

aiohttp reads these too if it is told to, but takes HTTPS_PROXY for https:// alone and not for wss://; Slack's
SDK knows neither NO_PROXY nor ALL_PROXY.
"""

from __future__ import annotations

from urllib import request

import yarl

#: The scheme whose proxy serves a scheme.
SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}


def proxy_for(url: str) -> str | None:
    """Return the URL of the proxy for *url*; None where it is asked directly."""
    address = yarl.URL(url)
    proxies = request.getproxies_environment()
    found = proxies.get(SCHEMES.get(address.scheme, "")) or proxies.get("all")
    if not found or not address.host:
        return None
    here = f"{address.host}:{address.port}" if address.explicit_port else address.host
    if request.proxy_bypass_environment(here, proxies):  # type: ignore[attr-defined]  # unknown to typeshed
        return None
    return found if "://" in found else f"http://{found}"
