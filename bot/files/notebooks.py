"""Jupyter notebooks as text: cells in order, with the texts that they gave out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bot.files import texts
from bot.files.reading import Read

#: Characters of one output.
OUTPUT = 2_000


def read(data: bytes) -> Read:
    """Return the notebook *data* as markdown, of a long one the beginning; if it is none, as the text it is.

    Raises:
        Unreadable: It has no text in it, or is none.
    """
    cells = _cells(data)
    return texts.shortened(cells) if cells else texts.read(data)


def _cells(data: bytes) -> str:
    try:
        book = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    cells = book.get("cells") if isinstance(book, dict) else None
    if not isinstance(cells, list):
        return ""
    return "\n\n".join(part for cell in cells if isinstance(cell, dict) for part in _cell(cell) if part)


def _cell(cell: Mapping[str, Any]) -> Iterator[str]:
    source = _joined(cell.get("source"))
    if cell.get("cell_type") != "code":
        yield source
        return
    yield f"```python\n{source}\n```" if source else ""
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        text = _output(output) if isinstance(output, dict) else ""
        yield f"Output:\n```\n{text[:OUTPUT]}\n```" if text else ""


def _output(output: Mapping[str, Any]) -> str:
    if text := _joined(output.get("text")):
        return text
    if error := output.get("ename"):
        return f"{error}: {output.get('evalue')}"
    given = output.get("data")
    shown = given if isinstance(given, dict) else {}
    picture = any(str(name).startswith("image/") for name in shown)
    return _joined(shown.get("text/plain")) or ("(a picture)" if picture else "")


def _joined(found: Any) -> str:
    """Return a text that may be a list of lines."""
    lines = found if isinstance(found, list) else [found]
    return "".join(line for line in lines if isinstance(line, str)).rstrip("\n")
