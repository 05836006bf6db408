"""Tools that read and tools that reach outside: not together, unless the operator says that they know.

A model that reads what strangers wrote can be talked into what they want.  Where it can also read what is not
theirs, and send something out, they can have that.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.tools import Offered
from bot.tools.box import OUTWARD, PRIVATE
from bot.tools.mcp.settings import Configured


def risk(names: Sequence[str], packed: Sequence[Offered], servers: Mapping[str, Configured]) -> str:
    """Return which tools of one place read what people wrote, and which reach outside; "" without both.

    Args:
        names: Tools by the operator's names for them.
        packed: Those of them that packages bring.
        servers: The MCP servers whose tools may be used too.
    """
    reading = [name for name in names if name in PRIVATE]
    reaching = [
        *(name for name in names if name in OUTWARD),
        *(each.name for each in packed if each.writes and not each.asks),
        *(
            f"the MCP server {name}, which asks nobody"
            for name, server in servers.items()
            if server.ask is False
        ),
    ]
    if not reading or not reaching:
        return ""
    return f"{_listed(reading)} can read what people wrote, and {_listed(reaching)} can reach outside"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[:-1] else names)
