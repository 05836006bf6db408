"""How Discord is set up: what `rivulet init` asks, and the link that invites the bot."""

from __future__ import annotations

import re
from argparse import Namespace

from adapters.discord.rights import invite
from adapters.discord.settings import Settings
from adapters.discord.tokens import OTHERS, TOKEN
from adapters.proxies import proxy_for
from bot.setup import Question, Setup, Shape
from bot.unavailable import Unavailable

SERVERS = Shape(
    "ids of servers (right-click the server, Copy Server ID), with commas between, or *", r"\*|\d+(, *\d+)*"
)
PEOPLE = Shape("ids of people and roles (right-click, Copy ID), with commas between", r"\d+(, *\d+)*")

BOT_TOKEN = Question("DISCORD_BOT_TOKEN", "Bot token", TOKEN, secret=True, needed=True)
QUESTIONS = (
    BOT_TOKEN,
    Question(
        "RIVULET_DISCORD_GUILDS",
        "Servers whose members may use it, by ids; empty for nobody but its owner",
        SERVERS,
    ),
    Question("RIVULET_DISCORD_CONTENT", "Is Message Content Intent switched on?", kind="yes", default="yes"),
    Question("discord.who.allow", "Who of them may use it, by ids; empty for all", PEOPLE, kind="ids"),
    Question(
        "discord.who.admins", "Admins, by their ids; empty for the application's owner", PEOPLE, kind="ids"
    ),
)
APPLICATION = re.compile(r"[0-9]{17,20}")
#: Seconds that Discord has to say which application a token is of.
PATIENCE = 10.0


def setup() -> Setup:
    """Return how Discord is set up."""
    return Setup(
        "discord",
        "Discord",
        QUESTIONS,
        (
            "Open https://discord.com/developers/applications and make a New Application.",
            "Bot: Reset Token, and copy it. On the same page switch on Message Content Intent.",
            "In Discord: User Settings, Advanced, Developer Mode; right-click your server, Copy Server ID.",
            "Afterwards `rivulet invite discord` prints the link that lets the bot in.",
        ),
        people=PEOPLE,
        shapes=OTHERS,
        invite=link,
    )


async def link(options: Namespace) -> str:
    """Return the invite link of the application *options* name, or of the one whose token is set.

    Raises:
        Unavailable: There is no token, Discord refuses it, or can't be asked.
    """
    if options.app:
        if not APPLICATION.fullmatch(options.app):
            raise Unavailable(
                f"--app got {options.app[:40]!r}; it takes the Application ID, 17 to 20 digits (General "
                "Information)."
            )
        return invite(options.app)
    settings = Settings()
    token = settings.bot_token.get_secret_value()
    if not token:
        raise Unavailable("DISCORD_BOT_TOKEN is not set: set it, or give --app with the Application ID.")
    return invite(await _application(settings.api_url.rstrip("/"), token))


async def _application(api: str, token: str) -> str:
    import aiohttp  # noqa: PLC0415  half a second that nobody else who sets up need wait

    headers = {"Authorization": f"Bot {token}"}
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(
                f"{api}/applications/@me", headers=headers, proxy=proxy_for(api), allow_redirects=False
            ) as answer,
        ):
            if answer.status == 401:
                raise Unavailable("Discord refuses DISCORD_BOT_TOKEN: make a new one, or give --app.")
            answer.raise_for_status()
            return str((await answer.json())["id"])
    except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(
            f"Discord could not be asked for the id ({type(error).__name__}): try again, or give --app."
        ) from None
