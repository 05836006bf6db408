"""Ports to listen on, and again: none that the system gives to connections, which might take it."""

from __future__ import annotations

import itertools
import os
import socket

#: Linux gives connections ports from 32768 on, others from 49152.
FIRST, COUNT = 10_000, 20_000
#: Each process begins elsewhere, so that no two look at the same port at the same time.
_NUMBERS = itertools.count(os.getpid() * 997)


def free_port() -> int:
    """Return a port on which nobody listens; the next call returns another."""
    while True:
        port = FIRST + next(_NUMBERS) % COUNT
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
