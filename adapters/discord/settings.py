"""What the operator sets for Discord.  Imports no SDK."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator

from adapters.discord.tokens import OTHERS, TOKEN
from bot.config import FromEnvironment, Names, Table, split
from bot.config.values import Http, Socket
from bot.unavailable import Unavailable

API_URL = "https://discord.com/api/v10"
GATEWAY_URL = "wss://gateway.discord.gg/"

#: What Discord's ids look like.
ID = re.compile(r"[0-9]{1,20}")
#: What `config.toml` has tables for below [discord].
TABLES = {
    "guilds": Table("workspace", ID, "1100000000000000001"),
    "categories": Table("category", ID, "1100000000000000002"),
    "channels": Table("channel", ID, "1100000000000000003"),
}

#: Shards that a bot may have; Discord recommends one for 1,000 servers.
MOST_SHARDS = 16_384


def _shards(text: str) -> str:
    if text != "auto" and not (text.isdecimal() and 1 <= int(text) <= MOST_SHARDS):
        raise ValueError(f"write auto, or a number from 1 to {MOST_SHARDS}")
    return text


Shards = Annotated[str, AfterValidator(_shards)]

#: Where answers go: to a thread while another answer is live in the channel, always, or never.
Reply = Literal["auto", "thread", "channel"]


class Settings(FromEnvironment):
    """Discord's settings; see docs/settings.md."""

    bot_token: SecretStr = Field(
        default=SecretStr(""), validation_alias="DISCORD_BOT_TOKEN", description="Discord bot token."
    )
    api_url: Http = Field(
        default=API_URL,
        validation_alias="DISCORD_API_URL",
        description="Where Discord's REST API is; for proxies and tests.",
    )
    gateway_url: Socket = Field(
        default=GATEWAY_URL,
        validation_alias="DISCORD_GATEWAY_URL",
        description="Where Discord's gateway is; for proxies and tests.",
    )
    shards: Shards = Field(
        default="auto",
        validation_alias="DISCORD_SHARDS",
        description="How many shards all processes of the bot have together, the same in each; `auto`: what "
        "Discord recommends when the first of them starts.",
    )
    guilds: Names = Field(
        default=(),
        validation_alias="RIVULET_DISCORD_GUILDS",
        description="Ids of the servers whose members may use the bot, with commas between; `*` means all.",
    )
    content: bool = Field(
        default=True,
        validation_alias="RIVULET_DISCORD_CONTENT",
        description="Ask for the message content intent; without it the bot hears direct mentions only.",
    )
    reply: Reply = Field(
        default="auto",
        validation_alias="RIVULET_DISCORD_REPLY",
        description="Where answers go: `channel`, a `thread` each, or `auto`: a thread while another answer "
        "is live in the channel.",
    )
    stop_emoji: Names = Field(
        default=("🛑", "⏹", "❌", "✋"),
        validation_alias="RIVULET_DISCORD_STOP_EMOJI",
        description="Reactions that stop an answer, with commas between; any skin tone.",
    )
    bots: Names = Field(
        default=(),
        validation_alias="RIVULET_DISCORD_BOTS",
        description="Ids of bots, webhooks and their applications that may ask by a mention, with commas "
        "between (PluralKit is `466378653216014359`): at most 3 questions in a channel in 10 minutes, and 20 "
        "of one in an hour.",
    )
    brake: bool = Field(
        default=True,
        validation_alias="RIVULET_DISCORD_BRAKE",
        description="Log in to the gateway once a minute and 200 times a day at most, and wait after "
        "restarts in quick succession.",
    )

    _split = field_validator("guilds", "stop_emoji", "bots", mode="before")(split)

    @field_validator("guilds", "bots")
    @classmethod
    def _ids(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        if not all(ID.fullmatch(each) or each == "*" for each in ids):
            raise ValueError("write ids, which are numbers, with commas between")
        return ids


def check(settings: Settings) -> None:
    """Look at what the token is; raise Unavailable with what to do about one that is something else."""
    token = settings.bot_token.get_secret_value()
    if wrong := next((shape.name for shape in OTHERS if shape.fits(token)), ""):
        raise Unavailable(
            f"DISCORD_BOT_TOKEN got {wrong}; it takes {TOKEN.name}: Developer Portal > your application > "
            "Bot > Reset Token."
        )
