"""The log of what people and Claude say; off, unless the operator switches it on to find a fault."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)


def switch(*, on: bool) -> None:
    """Log it from now on, and say so; or log none of it."""
    log.setLevel(logging.INFO if on else logging.CRITICAL + 1)
    if on:
        log.warning("--debug-content: what people write and what is answered is logged")
