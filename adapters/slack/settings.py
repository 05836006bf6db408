"""What the operator sets for Slack.  Imports no SDK."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from adapters.slack.tokens import APP, BOT, CLIENT, SECRET, SHAPES
from bot.config import FromEnvironment, Names, Table, split
from bot.config.values import Http
from bot.setup import Shape, described
from bot.unavailable import Unavailable

#: What Slack's ids look like; those of bots.
BOT_ID = re.compile(r"[ABUW][A-Z0-9]*")
#: Those of workspaces and of organizations.
TEAM_ID = re.compile(r"[TE][A-Z0-9]{1,39}")
#: What `config.toml` has tables for below [slack].
TABLES = {
    "workspaces": Table("workspace", re.compile(r"[TE][A-Z0-9]*"), "T0123ABCD"),
    "channels": Table("channel", re.compile(r"[CDG][A-Z0-9]*"), "C0123ABCD"),
}


class Settings(FromEnvironment):
    """Slack's settings; see docs/settings.md."""

    bot_token: SecretStr = Field(
        default=SecretStr(""), validation_alias="SLACK_BOT_TOKEN", description="Slack bot token, `xoxb-…`."
    )
    app_token: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="SLACK_APP_TOKEN",
        description="Slack app-level token, `xapp-…`.",
    )
    signing_secret: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="SLACK_SIGNING_SECRET",
        description="Slack's signing secret, for HTTP mode: set it and leave `SLACK_APP_TOKEN` empty.",
    )
    client_id: str = Field(
        default="",
        validation_alias="SLACK_CLIENT_ID",
        description=(
            "The app's client id, to serve several workspaces (see `docs/slack.md`): set it and leave "
            "`SLACK_BOT_TOKEN` empty."
        ),
    )
    client_secret: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="SLACK_CLIENT_SECRET",
        description="The app's client secret, with it.",
    )
    url: str = Field(
        default="",
        validation_alias="RIVULET_SLACK_URL",
        description="With it: where workspaces install the bot, as in `https://bot.example.com`.",
    )
    workspaces: Names = Field(
        default=(),
        validation_alias="RIVULET_SLACK_WORKSPACES",
        description=(
            "With it: ids of workspaces (`T…`) and organizations (`E…`) that may install the bot, with "
            "commas between; others need a link of `rivulet invite slack`."
        ),
    )
    api_url: Http = Field(
        default="https://slack.com/api/",
        validation_alias="SLACK_API_URL",
        description="Where Slack's Web API is; for proxies and tests.",
    )
    stop_emoji: Names = Field(
        default=("octagonal_sign", "black_square_for_stop", "x", "hand", "raised_hand"),
        validation_alias="RIVULET_SLACK_STOP_EMOJI",
        description="Names of the reactions that stop an answer, with commas between; any skin tone.",
    )

    streaming: Literal["auto", "edit", "native"] = Field(
        default="auto",
        validation_alias="RIVULET_SLACK_STREAMING",
        description=(
            "How answers stream: `edit` (all readers see it live), `native` (one reader does), "
            "`auto` (native in direct messages)."
        ),
    )

    bots: Names = Field(
        default=(),
        validation_alias="RIVULET_SLACK_BOTS",
        description=(
            "Ids of bots and workflows that may ask as members do (`B…`, `A…`, `U…`), with commas between: "
            "at most 3 questions in a conversation in 10 minutes, and 20 of one bot in an hour."
        ),
    )

    _split = field_validator("stop_emoji", "bots", "workspaces", mode="before")(split)

    @property
    def several(self) -> bool:
        """Whether the bot is installed into workspaces, each with a token of its own."""
        return bool(self.client_id or self.client_secret.get_secret_value())

    @field_validator("client_id")
    @classmethod
    def _client(cls, id_: str) -> str:
        if id_ and not CLIENT.fits(id_):
            raise ValueError(
                "write the Client ID of Basic Information > App Credentials: two numbers with a dot"
            )
        return id_

    @field_validator("url")
    @classmethod
    def _origin(cls, url: str) -> str:
        parts = urlsplit(url)
        local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost"}
        bare = url.rstrip("/") == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc
        if url and not (bare and parts.hostname and (local or parts.scheme == "https")):
            raise ValueError("write an address without a path, as in https://bot.example.com")
        return url.rstrip("/")

    @field_validator("workspaces")
    @classmethod
    def _teams(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        if not all(TEAM_ID.fullmatch(each) for each in ids):
            raise ValueError("write ids, as in T0123ABCD or E0123ABCD, with commas between")
        return ids

    @field_validator("bots")
    @classmethod
    def _ids(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        if not all(BOT_ID.fullmatch(each) for each in ids):
            raise ValueError("write ids, as in B0123ABCD, with commas between")
        return ids


def check(settings: Settings) -> None:
    """Look at what the tokens are; raise Unavailable with what to do about a wrong one."""
    bot, app = settings.bot_token.get_secret_value(), settings.app_token.get_secret_value()
    if not app and not settings.signing_secret.get_secret_value().strip():
        raise Unavailable(
            "SLACK_APP_TOKEN is missing: make one at Basic Information > App-Level Tokens; "
            "or, for HTTP mode, set SLACK_SIGNING_SECRET."
        )
    if BOT.fits(app) and APP.fits(bot):
        raise Unavailable("SLACK_BOT_TOKEN and SLACK_APP_TOKEN are swapped: give each the other's value.")
    if app and not app.startswith("xapp-"):
        raise Unavailable(f"SLACK_APP_TOKEN {_told(app, APP)}: Basic Information > App-Level Tokens.")
    if settings.several:
        _check_several(settings)
    elif not bot.startswith("xoxb-"):
        raise Unavailable(f"SLACK_BOT_TOKEN {_told(bot, BOT)}: OAuth & Permissions > Bot User OAuth Token.")


def _check_several(settings: Settings) -> None:
    """Look at what installing into workspaces needs; see `check`."""
    secret = settings.client_secret.get_secret_value()
    if settings.bot_token.get_secret_value():
        raise Unavailable(
            "SLACK_BOT_TOKEN serves one workspace, and SLACK_CLIENT_ID several: leave one of them empty. "
            "The workspace of the token can install the bot like the others."
        )
    for name, value, takes in (
        ("SLACK_CLIENT_ID", settings.client_id, CLIENT),
        ("SLACK_CLIENT_SECRET", secret, SECRET),
    ):
        if not takes.fits(value):
            raise Unavailable(f"{name} {_told(value, takes)}: Basic Information > App Credentials.")
    if not settings.url:
        raise Unavailable(
            "RIVULET_SLACK_URL is missing: where workspaces install the bot, as in https://bot.example.com."
        )


def _told(value: str, takes: Shape) -> str:
    """Return what a token is and should be, without any of it."""
    return f"{f'got {described(value, SHAPES)}' if value else 'is empty'}; it takes {takes.name}"
