"""How Slack is set up: what `rivulet init` asks, and the link by which another workspace installs the bot."""

from __future__ import annotations

import secrets
import time
from argparse import Namespace

from adapters.slack import manifest
from adapters.slack.settings import Settings, check
from adapters.slack.tokens import APP, BOT, OTHERS, SIGNING
from bot.setup import Question, Setup, Shape
from bot.unavailable import Unavailable

USERS = Shape(
    "ids of Slack, as in U0123ABCD (a profile's ⋮, Copy member ID), with commas between",
    r"[UW][A-Z0-9]+(, *[UW][A-Z0-9]+)*",
)
MEMBERS = Shape(
    "ids of members (U…) and user groups (S…), with commas between", r"[UWS][A-Z0-9]+(, *[UWS][A-Z0-9]+)*"
)

BOT_TOKEN = Question("SLACK_BOT_TOKEN", "Bot User OAuth Token (xoxb-…)", BOT, secret=True, needed=True)
APP_TOKEN = Question(
    "SLACK_APP_TOKEN",
    "App-Level Token (xapp-…); empty for HTTP mode",
    APP,
    secret=True,
    unless="SLACK_SIGNING_SECRET",
)
SIGNING_SECRET = Question(
    "SLACK_SIGNING_SECRET", "Signing Secret", SIGNING, secret=True, needed=True, unless="SLACK_APP_TOKEN"
)
QUESTIONS = (
    BOT_TOKEN,
    APP_TOKEN,
    SIGNING_SECRET,
    Question("slack.who.allow", "Who may use it, by ids; empty for all full members", MEMBERS, kind="ids"),
    Question("slack.who.guests", "May guests use it, too?", kind="yes", default="no"),
    Question("slack.who.admins", "Admins, by their ids; empty for none", USERS, kind="ids"),
)


def setup() -> Setup:
    """Return how Slack is set up."""
    return Setup(
        "slack",
        "Slack",
        QUESTIONS,
        (
            f"Open this link, choose your workspace, and press Create: {manifest.usual().link}",
            "Install App: install it to your workspace, and copy the Bot User OAuth Token.",
            "Basic Information, App-Level Tokens: make one with the scope connections:write, and copy it.",
            "For HTTP mode, make the app with the link of `rivulet manifest slack --http URL` instead.",
        ),
        people=MEMBERS,
        shapes=OTHERS,
        options=manifest.OPTIONS,
        manifest=manifest.manifest,
        invite=link,
    )


async def link(_options: Namespace) -> str:
    """Return a link that lets one workspace, or one organization, install the bot; good once, for three days.

    It is made of the client secret alone, so that the bot need not run, and is not asked.

    Raises:
        Unavailable: The bot serves one workspace, or its settings are wrong.
    """
    settings = Settings()
    if not settings.several:
        raise Unavailable(
            "SLACK_CLIENT_ID is not set: with SLACK_BOT_TOKEN the bot serves the one workspace that it was "
            "installed in at Slack's page of the app; see docs/slack.md, Several workspaces."
        )
    check(settings)
    from adapters.slack.several.seal import LINK, Seal, Tickets  # noqa: PLC0415  nobody else waits for it

    tickets = Tickets(Seal(settings.client_secret.get_secret_value(), "link"), LINK)
    key = tickets.issue(secrets.token_hex(16), time.time())
    return f"{settings.url}/slack/install?key={key}"
