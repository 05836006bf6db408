"""What the operator sets for Slack, and what the app must be allowed.  Imports no SDK."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from bot.config import SOURCES, Names, Table, split
from bot.config.values import Http
from bot.unavailable import Unavailable

#: What Slack's ids look like; those of bots.
BOT = re.compile(r"[ABUW][A-Z0-9]*")
#: What `config.toml` has tables for below [slack].
TABLES = {
    "workspaces": Table("workspace", re.compile(r"[TE][A-Z0-9]*"), "T0123ABCD"),
    "channels": Table("channel", re.compile(r"[CDG][A-Z0-9]*"), "C0123ABCD"),
}
#: The scope without which nothing can be attached.
FILES = "files:write"
#: The scope without which nothing that people attach can be read.
READ = "files:read"
#: Bot scopes that the features here need, and what for; `rivulet doctor` compares.
SCOPES = {
    "app_mentions:read": "to hear mentions",
    "channels:history": "to read the thread it is asked in, and to hear questions there without a mention",
    "groups:history": "the same in private channels",
    "im:history": "to be asked in direct messages",
    "chat:write": "to answer",
    "reactions:read": "to be stopped with an emoji",
    "reactions:write": "to mark a question that waits",
    "users:read": "to tell members from guests and strangers",
    "channels:read": "to read the names of channels",
    "groups:read": "to read the names of private channels",
    "usergroups:read": "to read the names of user groups",
    FILES: "to attach what is too long for a message",
    READ: "to read pictures and documents that people attach",
}


class Settings(BaseSettings):
    """Slack's settings; see docs/settings.md."""

    model_config = SOURCES

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

    _split = field_validator("stop_emoji", "bots", mode="before")(split)

    @field_validator("bots")
    @classmethod
    def _ids(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        if not all(BOT.fullmatch(each) for each in ids):
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
    if app and not app.startswith("xapp-"):
        raise Unavailable(
            "SLACK_APP_TOKEN must be an app-level token (xapp-…): Basic Information > App-Level Tokens."
        )
    if not bot.startswith("xoxb-"):
        raise Unavailable(
            "SLACK_BOT_TOKEN must be a bot token (xoxb-…): OAuth & Permissions > Bot User OAuth Token."
        )
