"""What platforms keep for good, in memory, and in the ledger's file; see `bot.platform.Vault`."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from bot.store import rows, tables
from bot.store.rows import BadRow
from bot.store.tables import Statement
from bot.store.writer import Writer
from bot.text.safe import SURROGATE

log = structlog.get_logger(__name__)


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


class FileVault:
    """Texts in the ledger's file; see `Vault`.

    Args:
        writer: The thread that has the file.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def keep(self, name: str, text: str) -> None:
        """See `Vault.keep`."""
        await self._write((tables.KEEP, (name, text)))

    async def kept(self, name: str) -> str | None:
        """See `Vault.kept`."""
        return await self._writer.read(lambda: self._find(name))

    async def names(self, prefix: str) -> Sequence[str]:
        """See `Vault.names`."""
        db = self._writer.file
        found = await self._writer.read(lambda: db.connected.execute(tables.KEPT_NAMES).fetchall())
        return [name for (name,) in found if name.startswith(prefix) and not SURROGATE.search(name)]

    async def drop(self, name: str) -> None:
        """See `Vault.drop`."""
        await self._write((tables.UNKEEP, (name,)))

    async def _write(self, statement: Statement) -> None:
        written = self._writer.post(statement, full=True)
        if written is None or not await written:
            raise OSError(f"the ledger can't be written: {self._writer.trouble}")

    def _find(self, name: str) -> str | None:
        """Return a good text; another is deleted, and that is said.  In the thread."""
        db = self._writer.file.connected
        for row in db.execute(tables.KEPT, (name,)).fetchall():
            try:
                return rows.kept_of(row)[1]
            except BadRow as why:
                log.warning("a secret of the ledger was bad and is deleted", name=name, reason=str(why))
                db.execute(tables.ASIDE_KEPT, (rows.bytes_of(row[0]),))
        return None
