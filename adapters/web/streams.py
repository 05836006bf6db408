"""What happens in a conversation, as server-sent events: each says all that its reader lacks.

An event's id is `Web.run_id` and the number of the newest change in it.  With that id a reader that comes
back gets what it lacks; with one of another run, or one that is still to come, it gets everything.
"""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING

from aiohttp import web

from adapters.web.people import Refusal
from adapters.web.requests import COUNT
from adapters.web.talks import Reader, Talk

if TYPE_CHECKING:
    from adapters.web.platform import Web

#: Connections that one person may read over.
MOST = 40
#: Seconds between two looks whether a reader has left, and between two signs of life.
LOOK, BEAT = 1.0, 15.0
#: Seconds after which a reader that takes nothing is hung up on.
DEAF = 60.0
#: Bytes that may be on their way to a reader, in the kernel and here: a slow one must be known as such soon.
ROOM = 16 * 1024
#: Milliseconds after which a browser comes back.
RETRY = 500

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back
}


async def stream(platform: Web, talk: Talk, request: web.Request) -> web.StreamResponse:
    """Tell the page that made *request* what happens in *talk*, until it leaves."""
    if platform.readers(talk.owner) >= MOST:
        raise Refusal(429, "You have this page open too often; close some of its tabs.")
    platform.expect_serving()  # also now: to find the conversation took a while
    response, run = web.StreamResponse(headers=HEADERS), platform.run_id
    reader = Reader(_known(request, run), platform.people.session_of(request))
    talk.readers.add(reader)
    platform.watch(talk)
    try:
        await response.prepare(request)
        _narrow(request)
        await _write(response, reader, f"retry: {RETRY}\n\n".encode())
        await _tell(run, request, response, talk, reader)
    except ConnectionError:
        pass
    finally:
        talk.readers.discard(reader)
        platform.watch(talk)
    return response


async def _tell(
    run: str, request: web.Request, response: web.StreamResponse, talk: Talk, reader: Reader
) -> None:
    quiet = 0.0
    while not reader.ended and request.transport and not request.transport.is_closing():
        reader.news.clear()
        if talk.number != reader.known or quiet >= BEAT:
            await _write(response, reader, frame(talk, reader, run))
            quiet = 0.0
        try:
            async with asyncio.timeout(LOOK):
                await reader.news.wait()
        except TimeoutError:
            quiet += LOOK
    if reader.ended and talk.number != reader.known:
        # The last words before a shutdown.
        await _write(response, reader, frame(talk, reader, run))


def frame(talk: Talk, reader: Reader, run: str) -> bytes:
    """Return the event that tells *reader* what they lack of *talk*; a sign of life where that is nothing."""
    number = talk.number
    if number == reader.known:
        return b": still here\n\n"
    told = json.dumps(talk.told(reader.known), ensure_ascii=False, separators=(",", ":"))
    reader.known, reader.lacks = number, 0
    return f"id: {run}-{number}\ndata: {told}\n\n".encode()


async def _write(response: web.StreamResponse, reader: Reader, data: bytes) -> None:
    """Send *data*; hang up on a reader that takes none for long."""
    loop = asyncio.get_running_loop()
    reader.writing = loop.time()
    try:
        async with asyncio.timeout(DEAF):
            await response.write(data)
    except TimeoutError:
        raise ConnectionError("a reader takes nothing") from None
    finally:
        reader.writing = None


def _known(request: web.Request, run: str) -> int:
    """Return the number of the last change that the page knows; -1 for none of this *run*."""
    last = request.headers.get("Last-Event-ID") or request.query.get("last", "")
    begin, _, number = last.partition("-")
    return int(number) if begin == run and COUNT.fullmatch(number) else -1


def _narrow(request: web.Request) -> None:
    """Let little wait for a reader."""
    if request.transport:
        request.transport.set_write_buffer_limits(high=ROOM)
        if wire := request.transport.get_extra_info("socket"):
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
