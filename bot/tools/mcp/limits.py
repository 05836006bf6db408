"""How long an MCP server may take, and how much it may say."""

from __future__ import annotations

from dataclasses import dataclass

#: Bytes of one message: a longer result is an error, and of the message nothing is kept.
MESSAGE = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, but for `calls`.

    Attributes:
        first: How long answers wait, once, for servers that have just been started.
        start: Until a server has told its tools.
        listing: For telling them anew.
        call: For one call.
        write: For taking a message of ours.
        calls: Calls that may run at once.
        changed: Between two looks at the tools of a server that says that they change.
        listen: Before it is asked again to tell of changes.
        farewell: For ending by itself.
        restarts: Before a server is started again that ended, or didn't start; the last one repeats.
        steady: A server that ran this long had recovered.
    """

    first: float = 5.0
    start: float = 30.0
    listing: float = 10.0
    call: float = 60.0
    write: float = 10.0
    calls: int = 16
    changed: float = 5.0
    listen: float = 60.0
    farewell: float = 0.8
    restarts: tuple[float, ...] = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
    steady: float = 300.0
