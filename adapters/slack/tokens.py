"""What tokens of Slack look like, and what else is copied from its pages."""

from __future__ import annotations

from bot.setup import Shape

BOT = Shape("a bot token (xoxb-…)", r"xoxb-[\w-]+")
APP = Shape("an app-level token (xapp-…)", r"xapp-[\w-]+")
SIGNING = Shape("a signing secret (32 digits and letters a to f)", r"[0-9a-f]{32}")
#: What else is copied from Slack's pages.
OTHERS = (
    Shape("a user token (xoxp-…)", r"xoxp-[\w-]+"),
    Shape("an app configuration token (xoxe…)", r"xoxe[.-][\w.-]+"),
    Shape("a Slack app's id", r"A[0-9A-Z]{8,12}"),
    Shape("a client id of Slack", r"\d{9,14}\.\d{9,15}"),
    Shape("Slack's verification token, which is not used any more", r"[A-Za-z0-9]{24}"),
)
SHAPES = (BOT, APP, SIGNING, *OTHERS)
