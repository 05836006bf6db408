"""What the operator sets for the chat page."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from bot.config import FromEnvironment, Table
from bot.config import Settings as Common
from bot.unavailable import Unavailable

#: Characters of a token at least, so that nobody finds it by trying.
SHORTEST = 16
NAME = re.compile(r"[\w.@-]{1,40}")


#: What `config.toml` has tables for below [web]: there is one place, the page.
TABLES: Mapping[str, Table] = {}


class Settings(FromEnvironment):
    """The chat page's settings; see docs/settings.md."""

    on: bool = Field(
        default=False,
        validation_alias="RIVULET_WEB",
        description="Serve the chat page; see `docs/web.md`.",
    )
    tokens: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="RIVULET_WEB_TOKENS",
        description="Who may use it, and the token that each signs in with: `ann=…,bob=…`. Needed wherever "
        "others than this machine reach it; without, whoever uses this machine may.",
    )
    url: str = Field(
        default="",
        validation_alias="RIVULET_WEB_URL",
        description="Where people open it, as in `https://chat.example.com`; empty for this machine alone.",
    )


def tokens_of(settings: Settings) -> Mapping[str, str]:
    """Return each person's token, by their name.

    Raises:
        Unavailable: They are not what they should be, or there are none and others reach the page.
    """
    found: dict[str, str] = {}
    for pair in filter(None, map(str.strip, settings.tokens.get_secret_value().split(","))):
        name, _, token = (part.strip() for part in pair.partition("="))
        if not NAME.fullmatch(name) or len(token) < SHORTEST or name in found:
            raise Unavailable(
                "RIVULET_WEB_TOKENS: write name=token pairs with commas between, each name once, and tokens "
                f"of {SHORTEST} characters or more."
            )
        found[name] = token
    if len(set(found.values())) < len(found):
        raise Unavailable("RIVULET_WEB_TOKENS: two people have the same token; give each their own.")
    if not found and (settings.url or not is_loopback(Common().host)):
        raise Unavailable(
            "RIVULET_WEB_TOKENS is not set, and others than this machine would reach the chat page: set "
            "name=token pairs, or RIVULET_HOST to 127.0.0.1 and no RIVULET_WEB_URL."
        )
    return found


def origin_of(settings: Settings) -> str:
    """Return what browsers call the page's origin where it is not on this machine; "" where it is.

    Raises:
        Unavailable: `RIVULET_WEB_URL` is none.
    """
    if not settings.url:
        return ""
    parts = urlsplit(settings.url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise Unavailable("RIVULET_WEB_URL: write a scheme and a host, as in https://chat.example.com.")
    port = {"http": ":80", "https": ":443"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(port)}"


def is_loopback(host: str) -> bool:
    """Tell whether *host* means this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
