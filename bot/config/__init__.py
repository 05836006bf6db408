"""Settings: from the environment and `.env` (`settings`), and, narrower, from `config.toml`.

A file goes this way: `file` reads it, `scope` says what its tables may hold, `faults` says what is wrong,
`rules` what holds in a place.
"""

from __future__ import annotations

from bot.config.environment import ENV, FromEnvironment
from bot.config.scope import Table
from bot.config.settings import (
    CONFIG,
    SYSTEM,
    Names,
    Settings,
    address_of,
    expect_readable,
    explain,
    known_zone,
    split,
    zone_of,
)

__all__ = [
    "CONFIG",
    "ENV",
    "SYSTEM",
    "FromEnvironment",
    "Names",
    "Settings",
    "Table",
    "address_of",
    "expect_readable",
    "explain",
    "known_zone",
    "split",
    "zone_of",
]
