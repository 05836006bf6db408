"""The theatre: a page that shows the emulated Slack and Discord as people know them, and the wire's figures.

It is a person's client: it reads what people see and does what people do, and never speaks to the bot.
"""

from __future__ import annotations

from .server import Theatre

__all__ = ["Theatre"]
