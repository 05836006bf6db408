"""What platforms keep for good, in memory; see `bot.platform.Vault`."""

from __future__ import annotations

from collections.abc import Sequence


class MemoryVault:
    """Texts in a dictionary; see `Vault`."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    async def keep(self, name: str, text: str) -> None:
        """See `Vault.keep`."""
        self._texts[name] = text

    async def kept(self, name: str) -> str | None:
        """See `Vault.kept`."""
        return self._texts.get(name)

    async def names(self, prefix: str) -> Sequence[str]:
        """See `Vault.names`."""
        return sorted(name for name in self._texts if name.startswith(prefix))

    async def drop(self, name: str) -> None:
        """See `Vault.drop`."""
        self._texts.pop(name, None)

    def purge(self) -> None:
        """Forget everything."""
        self._texts.clear()
