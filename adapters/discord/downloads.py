"""The files that people attach, fetched from Discord's own hosts, without a token.

Their addresses are signed and end after a day or so (reference.mdx, signed attachment CDN URLs); the
message, asked for anew, has a fresh one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from yarl import URL

from adapters.discord.settings import API_URL
from adapters.discord.wire.rest import Json, Refused, Rest, retry_after
from adapters.download import Downloaded, download, on_https, same_host
from bot.events import File
from bot.platform import Gone, SlowDown, Unreadable

#: Where Discord keeps them.
HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
#: What it answers where a signature has ended, or a file is gone.
ENDED = frozenset({403, 404, 410})


async def fetch(rest: Rest, file: File, most: int) -> bytes:
    """Return the content of *file*; see `Surface.fetch`.

    Its key is the channel's id, the message's, the attachment's, and the address.
    """
    channel, message, id_, address = file.key.split(" ", 3)
    found = await _download(rest, address, most)
    if found.status in ENDED:
        found = await _download(rest, await _anew(rest, channel, message, id_), most)
    if found.status == 429:
        raise SlowDown(retry_after({}, found.headers))
    if found.status != 200:
        raise Unreadable("it is gone")
    return found.data


def ours(address: URL, api: str) -> bool:
    """Tell whether *address* is one of Discord's hosts for files, or where the settings' REST API is."""
    return on_https(address, HOSTS.__contains__) or (api != API_URL and same_host(address, api))


async def _download(rest: Rest, address: str, most: int) -> Downloaded:
    if rest.session is None or rest.session.closed:
        raise ConnectionError("Discord is not connected")
    trusted = partial(ours, api=rest.url)
    return await download(rest.session, address, most, trusted)


async def _anew(rest: Rest, channel: str, message: str, id_: str) -> str:
    """Return the address that an attachment has now."""
    try:
        told, _ = await rest.call("GET", f"channels/{channel}/messages/{message}", f"discord/GET/{channel}")
    except (Gone, Refused) as error:
        raise Unreadable("it is gone") from error
    found = (each.get("url") for each in _attachments(told, id_))
    if not (address := next((each for each in found if isinstance(each, str)), "")):
        raise Unreadable("it is gone")
    return address


def _attachments(told: object, id_: str) -> Iterator[Json]:
    """Yield what has the id *id_* in the JSON of a message: an attachment of its own, or of a forward."""
    if isinstance(told, list):
        for each in told:
            yield from _attachments(each, id_)
    elif isinstance(told, dict):
        if told.get("id") == id_:
            yield told
        for name in ("attachments", "message_snapshots", "message"):
            yield from _attachments(told.get(name), id_)
