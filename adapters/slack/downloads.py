"""The files that people attach, fetched from Slack's two hosts for them; no other gets the token."""

from __future__ import annotations

from functools import partial

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from yarl import URL

from adapters.download import Downloaded, Elsewhere, download, on_https, same_host
from adapters.slack.blocks import objects, string
from adapters.slack.rights import READ
from adapters.slack.wire.errors import retry_after, translated, why
from bot.events import File
from bot.platform import Gone, SlowDown, Unreadable

log = structlog.get_logger(__name__)

#: Where Slack keeps them (docs.slack.dev, file object).  Some are at the second, to which the first redirects
#: with an address that is signed, so that it needs no token.
HOSTS = frozenset({"files.slack.com", "slack-files.com"})
LACKS = f"the Slack app lacks the scope {READ}"
#: Media types of a file that may be a page: the last is that of one of which Slack has told next to nothing.
HTML = frozenset({"text/html", ""})
#: Slack's words for a file that is not there, or not for the bot.
GONE = frozenset({"file_not_found", "file_deleted", "file_not_visible", "not_visible"})


async def fetch(web: AsyncWebClient, file: File, most: int) -> bytes:
    """Return the content of *file*; see `Surface.fetch`.

    Its key is the file's id and, where the message told it, its address: of files that come from another
    workspace Slack tells only the id.
    """
    id_, _, address = file.key.partition(" ")
    if web.session is None:
        raise ConnectionError("Slack is not connected")
    found = await _got(web.session, web, id_, address or await _asked(web, id_), most)
    if found.status == 429:
        raise SlowDown(retry_after(found.headers))
    if _is_page(found, file):
        raise Unreadable(LACKS)
    if found.status in {401, 403}:
        raise Unreadable("Slack does not let the bot read it")
    if found.status != 200:
        raise Unreadable("it is gone")
    return found.data


async def _got(
    session: aiohttp.ClientSession, web: AsyncWebClient, id_: str, address: str, most: int
) -> Downloaded:
    """Return what is at *address*, of the file *id_*."""
    token = {"Authorization": f"Bearer {web.token}"}
    trusted = partial(ours, base=web.base_url)
    try:
        return await download(session, address, most, trusted, headers=token)
    except Elsewhere as error:
        if not error.address:
            raise
        log.warning("Slack sends the bot elsewhere for a file", file=id_, host=error.address.host)
        if on_https(error.address, _signs_in):
            raise Unreadable(LACKS) from error
        raise


def ours(address: URL, base: str) -> bool:
    """Tell whether *address* is where Slack keeps files, or where the Web API of the settings is."""
    return on_https(address, HOSTS.__contains__) or (
        not base.startswith(AsyncWebClient.BASE_URL) and same_host(address, base)
    )


def _signs_in(host: str) -> bool:
    """Tell whether *host* is a workspace's, where people sign in."""
    return host == "slack.com" or host.endswith(".slack.com")


def _is_page(found: Downloaded, file: File) -> bool:
    """Whether Slack has sent a page to sign in at, as it does where the scope is missing, and not *file*."""
    page = found.headers.get("Content-Type", "").startswith("text/html")
    kept = found.headers.get("Content-Disposition", "").startswith("attachment") and file.type in HTML
    return page and found.status == 200 and not kept and len(found.data) != file.size


async def _asked(web: AsyncWebClient, id_: str) -> str:
    """Return the address of the file *id_*."""
    try:
        with translated():
            answer = await web.files_info(file=id_)
    except Gone as gone:
        raise Unreadable("it is gone") from gone
    except SlackApiError as error:
        if why(error) == "missing_scope":
            raise Unreadable(LACKS) from error
        raise Unreadable("it is gone" if why(error) in GONE else f"Slack says {why(error)}") from error
    [told, *_] = [*objects([answer.get("file")]), {}]
    return string(told.get("url_private_download")) or string(told.get("url_private"))
