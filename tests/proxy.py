"""A proxy on loopback that can be cut, as a network would be: bytes go nowhere, and nobody is told."""

from __future__ import annotations

import asyncio


class Proxy:
    """What connects to `port` reaches *target*, a port of this machine, until `cut`.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()

    async def start(self) -> Proxy:
        """Listen."""
        self._server = await asyncio.start_server(self._line, "127.0.0.1")
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def cut(self) -> None:
        """Let no byte through, either way."""
        self._open.clear()

    def mend(self) -> None:
        """Let bytes through again, those that waited first."""
        self._open.set()

    async def stop(self) -> None:
        """End it, and all connections."""
        if self._server:
            self._server.close()
        for task in [*self._lines]:
            task.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    async def _line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # nobody is there
            writer.close()
            return
        ways = [(reader, back), (there, writer)]
        for way in ways:
            task = asyncio.create_task(self._carry(*way))
            self._lines.add(task)
            task.add_done_callback(self._lines.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
