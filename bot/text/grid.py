"""A table while it grows: every row is taken apart once.  Pure."""

from __future__ import annotations

from markdown_it.rules_block.table import escapedSplit

from bot.text.dialect import Dialect
from bot.text.markdown import Known
from bot.text.safe import clean
from bot.text.writing import Writing


class Grid:
    """The rows of one table.

    Args:
        dialect: How it is written.
        known: What its cells may refer to.
        head: Its first line.
        ruler: Its second line, which says how columns are aligned.
    """

    def __init__(self, dialect: Dialect, known: Known, head: str, ruler: str) -> None:
        self._dialect = dialect
        self._writing = Writing(dialect, [], known)
        self._rows = [_cells(head)]
        self._aligned = [_side(cell) for cell in _cells(ruler)]
        self._shown = ""

    def add(self, row: str) -> None:
        """Take the next row; one that is longer than the head makes the table wider."""
        cells = _cells(row)
        self._rows.append(cells)
        self._aligned += [""] * (len(cells) - len(self._aligned))
        self._shown = ""

    def shown(self) -> str:
        """Return all rows as the platform is to be sent them."""
        if not self._shown:
            wide = max(len(self._aligned), *map(len, self._rows))
            self._aligned += [""] * (wide - len(self._aligned))
            rows = [[*row, *[""] * (wide - len(row))] for row in self._rows]
            self._shown = self._dialect.table(rows, self._aligned, self._writing)
        return self._shown


def _cells(row: str) -> list[str]:
    """Return the cells of *row* as GitHub's tables have them."""
    cells = escapedSplit(clean(row).strip())
    begin = 1 if cells and not cells[0] else 0
    end = len(cells) - 1 if len(cells) > 1 and not cells[-1] else len(cells)
    return [cell.strip() for cell in cells[begin:end]]


def _side(ruler: str) -> str:
    sides = {(True, True): "center", (True, False): "left", (False, True): "right"}
    return sides.get((ruler.startswith(":"), ruler.endswith(":")), "")
