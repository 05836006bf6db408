"""PDFs: passed as they are, if the model can read them.  The one importer of pypdf."""

from __future__ import annotations

import logging
from io import BytesIO
from typing import Any

from bot.files.reading import Read, Unreadable

#: Pages that one request may have (docs, "PDF support").
PAGES = 100
#: Where a PDF has to begin.
HEADER = 1024
#: Nodes of the tree of pages that are looked at.
NODES = 10 * PAGES

logging.getLogger("pypdf").setLevel(logging.ERROR)  # what it forgives is no news


def is_pdf(data: bytes) -> bool:
    """Tell whether *data* is a PDF, by its first bytes."""
    return b"%PDF-" in data[:HEADER]


def read(data: bytes) -> Read:
    """Return the PDF *data*.

    Raises:
        Unreadable: It needs a password, is too long, or damaged.
    """
    from pypdf import PdfReader

    try:
        reader = PdfReader(BytesIO(data), strict=False)
        locked = reader.is_encrypted
        pages = 0 if locked else _pages(reader.root_object["/Pages"])
    except MemoryError:
        raise
    except Exception as error:
        raise Unreadable("it is damaged") from error
    if locked:
        raise Unreadable("it needs a password")
    if pages > PAGES:
        raise Unreadable(f"it has more than {PAGES} pages")
    if not pages:
        raise Unreadable("it has no pages")
    return Read("application/pdf", data, pages)


def _pages(root: Any) -> int:
    """Return how many pages there are below *root*, or one more than `PAGES`; never trust its /Count."""
    found, left, seen = 0, [root], set[int]()
    for _ in range(NODES):
        if not left or found > PAGES:
            return found
        node = left.pop().get_object()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if "/Kids" in node:
            left += list(node["/Kids"])[: PAGES + 1]
        else:
            found += 1
    return PAGES + 1
