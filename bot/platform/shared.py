"""What a platform keeps for good, and what its processes share out where there are several."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol


class Vault(Protocol):
    """Keeps a platform's own secrets, by name, until they are dropped: which workspace gave it which token.

    Names begin with the platform's name and "/".  No age ends them, and neither `forget` nor a prune does;
    `purge` does.
    """

    async def keep(self, name: str, text: str) -> None:
        """Keep *text* in place of what *name* stood for; safe against loss of power.

        Raises:
            OSError: It can't be written now.
        """

    async def kept(self, name: str) -> str | None:
        """Return what *name* stands for; None for nothing.

        Raises:
            OSError: It can't be read now; so does `names`.
        """

    async def names(self, prefix: str) -> Sequence[str]:
        """Return the names that begin with *prefix*, sorted."""

    async def drop(self, name: str) -> None:
        """Forget *name*; raises as `keep`."""


@dataclass(frozen=True, slots=True)
class Handed:
    """A part of a work that this process is to do from now on, or is to give up.

    Attributes:
        number: Which part, from 0.
        held: Whether it is this process's now; else it is to be ended here, and then `Leases.leave` called.
        note: What `Leases.note` was last told of it, perhaps in another process; "" if nothing.
        lapsed: Whether another process may do it already, so that there is nothing to wait for.
    """

    number: int
    held: bool
    note: str = ""
    lapsed: bool = False


class Leases(Protocol):
    """Shares work out among the processes of the bot, so that no two do the same; one process does it all."""

    def parts(self, name: str, total: int) -> AsyncGenerator[Handed]:
        """Yield what becomes of this process's parts of the work *name*, which has *total* parts.

        It yields for as long as it is iterated.  Parts are shared out evenly, anew when processes come and
        go; those of a process that died are another's within 15 seconds.  A part that this process could not
        prove to hold for so long that another may have it is yielded with `held` false.
        """
        ...

    async def note(self, name: str, number: int, note: str) -> None:
        """Keep *note* for whoever has the part next; soon, so the newest may be lost.  Never raises."""

    async def leave(self, name: str, number: int) -> None:
        """Let the part go, which is done here no more.  Never raises."""

    async def turn(self, name: str, seconds: float) -> None:
        """Wait until *name* may be done: by one process, and once in so many *seconds*."""
