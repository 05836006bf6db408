"""`config.toml` with all that it names: read at the start, by `rivulet check`, and anew when it changed.

Reading is quick; importing the tools that it names may not be, so `toolsets` is for a thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from bot.config import CONFIG, Settings, Table
from bot.config.faults import Fault, Faulty, dotted
from bot.config.file import Known, judged, read, reading
from bot.config.rules import DEFAULTS, Rulebook, Rules, Written, from_environment
from bot.config.shapes import SECRET
from bot.guard.prices import prices
from bot.guard.trifecta import risk
from bot.run.secrets import known
from bot.tools import Offered
from bot.tools.box import BOX, names, offered
from bot.tools.mcp.settings import Configured, Named
from bot.tools.mcp.settings import read as read_servers
from bot.unavailable import Unavailable

#: The tools that are loaded, by the lists of names that places have.
Toolsets = Mapping[tuple[str, ...], Sequence[Offered]]
#: What a file is known by: when it was changed, its length, and which file it is; None if it is not there.
Stamp = tuple[int, int, int] | None
#: Characters of a secret that is looked for in the file: a shorter one may be a word.
SHORT = 12


class ConfigFile:
    """The file, and what may be named in it.

    Args:
        settings: The operator's.
        platforms: The tables that each platform has, by its name.
    """

    def __init__(
        self, settings: Settings, platforms: Mapping[str, Mapping[str, Table]] | None = None
    ) -> None:
        self._settings = settings
        self._platforms = platforms or {}
        self._expected = "config" in settings.model_fields_set and not settings.config.is_dir()

    @property
    def path(self) -> Path:
        """Where it is, or would be."""
        path = self._settings.config
        return path if self._expected or path == CONFIG else path / CONFIG

    @cached_property
    def base(self) -> Rules:
        """What holds where it says nothing."""
        return from_environment(self._settings)

    @cached_property
    def servers(self) -> Named:
        """The MCP servers that the settings name.

        Raises:
            Unavailable: Their file is wrong.
        """
        return read_servers(self._settings.mcp, known())

    def book(self, written: Written) -> Rulebook:
        """Return what holds where, once the file says what is *written*."""
        return Rulebook(self.base, written)

    def read(self) -> Written:
        """Return what the file says; nothing where there is none and none is expected.

        Raises:
            Unavailable: It can't be read, or something in it is wrong, or in the settings beside it.
        """
        if self._expected and not self.path.is_file():
            raise Unavailable(
                f"RIVULET_CONFIG: {self.path} is {'no file' if self.path.exists() else 'not there'}."
            )
        if not self.path.exists() and not self.path.is_symlink():
            if faults := list(judged(Written(), self.base, self._known())):
                raise Faulty("the settings", faults)
            return Written()
        return read(self.path, self.base, self._known())

    def expect_good(self, text: str) -> None:
        """Look whether the file may say *text*.

        Raises:
            Faulty: Something is wrong with it; each fault is a line.
        """
        reading(self.path, text, self.base, self._known())

    def toolsets(self, written: Written) -> Toolsets:
        """Import the tools that *written* and the settings name; slow.

        Raises:
            Unavailable: One of them can't be had, or some must not come together.
        """
        loaded: dict[tuple[str, ...], Sequence[Offered]] = {}
        faults = []
        for path, rules in self.book(written).each():
            if rules.tools not in loaded:
                loaded[rules.tools] = offered(rules.tools)
            if path == DEFAULTS or {"tools", "mcp", "i_understand"} & written.scopes[path].given.keys():
                faults += self._risks(written, path, rules)
        if faults:
            raise Faulty(self.path if written.scopes else "RIVULET_TOOLS", faults)
        return loaded

    def _risks(self, written: Written, path: tuple[str, ...], rules: Rules) -> list[Fault]:
        """Say what the tools of one table should not be together."""
        if rules.i_understand:
            return []
        packed = [each for name in rules.tools if name not in BOX for each in offered([name])]
        found = risk(rules.tools, packed, self._servers_of(rules))
        where = dotted(written.paths.get(path, path))
        told = f"{where}: {found}: whoever writes in the chat could have that sent to them."
        mend = f"Leave some of them out, or set i_understand = true in [{where}] of {self.path}."
        return [Fault(written.line(path, "tools", "mcp"), f"{told} {mend}")] if found else []

    def _servers_of(self, rules: Rules) -> Mapping[str, Configured]:
        named = self.servers.named
        return {name: each for name, each in named.items() if rules.mcp is None or name in rules.mcp}

    def _known(self) -> Known:
        table, fallback = prices(), self._settings.fallback_model
        said = [value for name, value in known().items() if SECRET.fullmatch(name) and len(value) >= SHORT]
        return Known(
            self._platforms,
            names(),
            tuple(self.servers.named),
            tuple(table.models),
            lambda model: table.of(model) is not None,
            [fallback] if fallback else [],
            said,
        )


def stamp(path: Path) -> Stamp:
    """Return what the file at *path* is known by."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
