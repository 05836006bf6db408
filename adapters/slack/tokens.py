"""What tokens of Slack look like, and what else is copied from its pages."""

from __future__ import annotations

from bot.setup import Shape

BOT = Shape("a bot token of Slack (xoxb-…)", r"xoxb-[\w-]+")
APP = Shape("an app-level token of Slack (xapp-…)", r"xapp-[\w-]+")
SIGNING = Shape("a signing secret of Slack (32 digits and letters a to f)", r"[0-9a-f]{32}")
CLIENT = Shape("a client id (two numbers with a dot between)", r"\d{5,20}\.\d{5,20}")
SECRET = Shape("a client secret (some 32 digits and letters a to f)", r"[0-9a-f]{30,40}")
#: What else is copied from Slack's pages.
OTHERS = (
    Shape("a user token of Slack (xoxp-…)", r"xoxp-[\w-]+"),
    Shape("an app configuration token of Slack (xoxe…)", r"xoxe[.-][\w.-]+"),
    Shape("a Slack app's id", r"A[0-9A-Z]{8,12}"),
    CLIENT,
    Shape("Slack's verification token, which is not used any more", r"[A-Za-z0-9]{24}"),
)
SHAPES = (BOT, APP, SIGNING, *OTHERS)
