"""What platforms keep for good, in Redis; see `bot.platform.Vault`."""

from __future__ import annotations

from collections.abc import Sequence

from bot.store.redis.keys import Names
from bot.store.redis.wire import Wire


class RedisVault:
    """Texts in one hash, which never expires; see `Vault`.

    `keep` is as safe against loss of power as Redis is made: for good with `appendfsync always`, else but for
    the last second.  Texts are kept as they are given; who can read Redis can read them.
    """

    def __init__(self, wire: Wire, names: Names) -> None:
        self._wire = wire
        self._key = names.of("vault")

    async def keep(self, name: str, text: str) -> None:
        """See `Vault.keep`."""
        await self._wire.ask("HSET", self._key, _bytes(name), _bytes(text))

    async def kept(self, name: str) -> str | None:
        """See `Vault.kept`."""
        found = await self._wire.ask("HGET", self._key, _bytes(name))
        return None if found is None else _text(found)

    async def names(self, prefix: str) -> Sequence[str]:
        """See `Vault.names`."""
        names = map(_text, await self._wire.ask("HKEYS", self._key))
        return sorted(name for name in names if name.startswith(prefix))

    async def drop(self, name: str) -> None:
        """See `Vault.drop`."""
        await self._wire.ask("HDEL", self._key, _bytes(name))

    async def purge(self) -> None:
        """Forget everything; raises as `keep`."""
        await self._wire.ask("DEL", self._key)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
