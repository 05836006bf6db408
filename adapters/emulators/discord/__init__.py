"""A stand-in for Discord on loopback, which discord.py cannot tell from the real one.

It follows Discord's documentation and recorded traffic.  It must never import the bot, an
adapter or an SDK: see `adapters.emulators`.
"""

from adapters.emulators.discord.emulator import Discord

__all__ = ["Discord"]
