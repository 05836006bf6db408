"""Slack on loopback: the Web API, Socket Mode, its limits, its people, and a judge of what a bot wrote.

It answers as Slack documents it and as recorded traffic shows it.  It must never do something
because a particular bot needs it, and imports neither our code nor Slack's SDK.
"""

from adapters.emulators.slack.emulator import Slack

__all__ = ["Slack"]
