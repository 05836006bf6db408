"""Replies that one person sees: as Slack takes them, and to the address that Slack gives for them."""

from __future__ import annotations

from contextlib import suppress

import aiohttp
import structlog
from yarl import URL

from adapters.download import on_https, same_host
from adapters.proxies import proxy_for
from adapters.slack.text import DIALECT, Json
from adapters.slack.wire.web import Web
from bot.text.safe import clean, disarm
from bot.text.writing import render, unmarked

log = structlog.get_logger(__name__)

#: Where Slack takes replies to commands (docs.slack.dev, handling user interaction).
HOOKS = "hooks.slack.com"
#: Characters of a reply; all markdown blocks of a message together hold 12,000.
LONGEST = 8_000
#: Characters of the same without formatting, which Slack shows where it can't show blocks.
PLAIN = 2_000


def reply(text: str) -> Json:
    """Return *text*, plain markdown, as a message that pings nobody."""
    text = clean(text)[:LONGEST]
    return {"text": plain(text), "blocks": [{"type": "markdown", "text": disarm(render(DIALECT, text))}]}


def plain(text: str) -> str:
    """Return *text*, plain markdown, as words in Slack's notation."""
    return DIALECT.entities(disarm(unmarked(clean(text))[:PLAIN])) or "…"


def ephemeral(text: str) -> Json:
    """Return *text*, plain markdown, as what Slack shows to one person in answer to a command of theirs."""
    return {"response_type": "ephemeral", **reply(text)} if text else {}


def _trusted(url: str, base: str) -> bool:
    """Tell whether *url* is where Slack takes replies, or where the Web API of the settings is."""
    with suppress(ValueError):
        address = URL(url)
        other = not base.startswith(Web.BASE_URL)
        return on_https(address, HOOKS.__eq__) or (other and same_host(address, base))
    return False


async def later(web: Web, url: str, text: str) -> None:
    """Post *text* to the *url* that Slack has given for it: good for half an hour, and five times."""
    if not (url and text and web.session) or not _trusted(url, web.base_url):
        return
    full = ephemeral(text)
    for shown in (full, {name: each for name, each in full.items() if name != "blocks"}):
        try:
            told = {**shown, "replace_original": False}
            async with web.session.post(
                url, json=told, proxy=proxy_for(url), allow_redirects=False
            ) as answer:
                if answer.status == 200:
                    return
                log.warning("Slack took no reply", status=answer.status)
        except (aiohttp.ClientError, OSError) as error:
            log.warning("a reply did not get through", error=type(error).__name__)  # not the address
            return
