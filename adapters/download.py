"""A download, bounded in bytes and time, from hosts that an adapter trusts; platforms fetch files with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from adapters.proxies import proxy_for
from bot.platform import Unreadable

#: Seconds that a download may take in all, and between two pieces of it.
TOTAL, SILENT = 15.0, 8.0
#: Bytes that are read at once.
PIECE = 64 * 1024
#: A host's name, and nothing that another program might read as the end of one.
NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
#: Redirects that are followed, from one trusted host to another.
HOPS = 2
#: Statuses that say nothing about the file: the client was too slow, or too early.
PASSING = (408, 425)


class Elsewhere(Unreadable):
    """An address is not trusted.

    Attributes:
        address: Where a trusted one has redirected to; None where there was none before.
    """

    def __init__(self, address: URL | None) -> None:
        super().__init__("it is kept elsewhere")
        self.address = address


@dataclass(frozen=True, slots=True)
class Downloaded:
    """An answer, whatever it is, but for those that come again: see `download`.

    Attributes:
        data: The body where the status is 200, else nothing.
    """

    status: int
    headers: Mapping[str, str]
    data: bytes = field(default=b"", repr=False)


async def download(
    session: aiohttp.ClientSession,
    url: str,
    most: int,
    trusted: Callable[[URL], bool],
    *,
    headers: Mapping[str, str] | None = None,
) -> Downloaded:
    """Ask for *url*, and read at most so many bytes.

    Args:
        session: Makes the connection.
        url: As a platform gave it; may be anything.
        most: Bytes.
        trusted: Whether an address may be asked; asked of redirects too.
        headers: What the host of *url* gets, and none that it redirects to.

    Raises:
        Elsewhere: The address is not *trusted*, or points to one that is not.
        Unreadable: There are more bytes, or redirects.
        OSError: It was not reached, or is not well (5xx).
    """
    first = address = _parsed(url)
    timeout = aiohttp.ClientTimeout(total=TOTAL, sock_read=SILENT)
    plain = {"Accept-Encoding": "identity"}
    try:
        for hop in range(HOPS + 1):
            if not trusted(address):
                raise Elsewhere(address if hop else None)
            sent = {**(headers or {}), **plain} if address.origin() == first.origin() else plain
            proxy = proxy_for(str(address))
            async with session.get(
                address, headers=sent, proxy=proxy, timeout=timeout, allow_redirects=False
            ) as response:
                if 300 <= response.status < 400:
                    address = address.join(_parsed(response.headers.get("Location", "")))
                    continue
                if response.status >= 500 or response.status in PASSING:
                    raise ConnectionError(f"{address.host} answered {response.status}")
                data = await _body(response, most) if response.status == 200 else b""
                return Downloaded(response.status, response.headers, data)
    except TimeoutError:
        raise
    except aiohttp.ClientError as error:
        raise ConnectionError(f"{address.host} was not reached: {type(error).__name__}") from error
    raise Unreadable("it points elsewhere again and again")


async def _body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Return the body, whatever length its headers promise."""
    data = bytearray()
    async for piece in response.content.iter_chunked(PIECE):
        data += piece
        if len(data) > most:
            raise Unreadable(f"it is larger than {most / 1e6:,.0f} MB")
    return bytes(data)


def _parsed(url: str) -> URL:
    try:
        return URL(url)
    except ValueError:
        raise Unreadable("its address is none") from None


def same_host(address: URL, other: str) -> bool:
    """Tell whether *address* is where *other* is: by scheme, host and port, and without a user in it."""
    return address.origin() == URL(other).origin() if _plain(address) else False


def on_https(address: URL, hosts: Callable[[str], bool]) -> bool:
    """Tell whether *address* is on one of *hosts*, by https at its usual port, and without a user in it."""
    host = address.host or ""
    if not _plain(address) or not NAME.fullmatch(host):
        return False
    return address.scheme == "https" and address.port == 443 and hosts(host)


def _plain(address: URL) -> bool:
    return bool(
        address.host and address.scheme in {"http", "https"} and not (address.user or address.password)
    )
