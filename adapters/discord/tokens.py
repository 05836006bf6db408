"""What a bot token of Discord looks like, and what else is copied from its pages."""

from __future__ import annotations

from bot.setup import Shape

TOKEN = Shape(
    "a bot token of Discord (three parts with dots between)", r"[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}"
)
#: What else is copied from the Developer Portal.
OTHERS = (
    Shape("an id of Discord", r"\d{17,20}"),
    Shape("an application's public key", r"[0-9a-f]{64}"),
    Shape("a client secret of Discord", r"[A-Za-z0-9_-]{32}"),
    Shape("a token with the word Bot before it", r"Bot +[\w.-]+"),
    Shape("a token of Slack", r"x(ox[a-z]|app)-[\w-]+"),
    Shape("a key of the Claude API", r"sk-ant-api[\w-]+"),
)
