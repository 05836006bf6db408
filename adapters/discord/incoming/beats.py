"""Which connections are answered: discord.py itself watches only when it last received anything."""

from __future__ import annotations

import threading

import discord

from adapters.discord.incoming.shards import Shards

#: Heartbeats without an answer after which a connection is a zombie (events/gateway.mdx).
BEATS = 2


def hush(client: Shards) -> None:
    """End the heartbeats of connections that *client* forgot, since their log-in failed."""
    for thread in threading.enumerate():
        beats = isinstance(thread, discord.gateway.KeepAliveHandler)
        if beats and thread.ws._connection is client._connection:  # type: ignore[attr-defined]  # noqa: SLF001
            thread.stop()  # type: ignore[attr-defined]


def silent(client: Shards, now: float) -> dict[discord.gateway.DiscordWebSocket, float]:
    """Return for each connection the seconds since a heartbeat of it was answered.

    discord.py itself only watches when it last received anything.  The time of the last acknowledgement is a
    private attribute of it; a test with the real discord.py fails if that changes.
    """
    sockets = (info._parent.ws for info in client.shards.values())  # noqa: SLF001
    beating = ((socket, socket._keep_alive) for socket in sockets)  # noqa: SLF001
    return {socket: now - beat._last_ack for socket, beat in beating if beat and beat.interval}  # noqa: SLF001


def zombies(client: Shards, now: float) -> list[discord.gateway.DiscordWebSocket]:
    """Return the connections on which no heartbeat was answered for `BEATS` intervals."""
    return [
        socket
        for socket, seconds in silent(client, now).items()
        if socket._keep_alive and seconds > BEATS * (socket._keep_alive.interval or 0)  # noqa: SLF001
    ]
