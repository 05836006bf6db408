"""Settings from the environment and `.env`.

Each adapter has a `Settings` of its own in its file; these are the ones that know no platform.  The page
docs/settings.md is made of all of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, tzinfo
from io import StringIO
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator

from bot.config.environment import ENV, FromEnvironment
from bot.config.shapes import SECRET, shown
from bot.config.values import Host, Http, ModelId, StoreUrl
from bot.unavailable import Unavailable

#: What goes before every conversation unless the operator says otherwise.
SYSTEM = (
    "You are Rivulet, an assistant in a team's chat. Answer in the language of the question, "
    "briefly where that will do, in GitHub-flavoured markdown without HTML."
)

#: What holds in places; see `bot.config.file`.
CONFIG = Path("config.toml")
#: Bytes of `.env`; a longer one is another file.
LONGEST = 64 * 1024
#: How the names of our settings begin.
OURS = re.compile("RIVULET_|SLACK_|DISCORD_|ANTHROPIC_")
#: Several names in one setting, with commas between; wants `split` as its validator.
Names = tuple[str, ...]


def split(value: Any) -> Any:
    """Turn "a, b" into ("a", "b"); other values stay as they are."""
    return (
        tuple(filter(None, (name.strip() for name in value.split(",")))) if isinstance(value, str) else value
    )


def zone_of(name: str) -> tzinfo:
    """Return the time zone *name*; UTC needs no database.

    Raises:
        ValueError: There is none of that name.
    """
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("there is no such time zone; set a name as in Europe/Berlin") from None


def address_of(text: str) -> tuple[str, int] | None:
    """Return the host and the port that *text* names; None for "off".

    Raises:
        ValueError: It names none.
    """
    if text == "off":
        return None
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:  # noqa: PLR2004  TCP's
        raise ValueError("set a host and a port as in 127.0.0.1:9464, or off")
    return host.strip("[]"), int(port)


def known_address(text: str) -> str:
    """Return *text*; raise ValueError if it names no address."""
    address_of(text)
    return text


def known_zone(name: str) -> str:
    """Return *name*; raise ValueError if no time zone has it."""
    zone_of(name)
    return name


class Settings(FromEnvironment):
    """What the operator decides; see docs/settings.md."""

    anthropic_api_key: SecretStr = Field(
        default=SecretStr(""), validation_alias="ANTHROPIC_API_KEY", description="Key of the Claude API."
    )
    anthropic_base_url: Http = Field(
        default="https://api.anthropic.com",
        validation_alias="ANTHROPIC_BASE_URL",
        description="Where the Claude API is; for proxies and tests.",
    )
    model: ModelId = Field(
        default="claude-sonnet-5-5", validation_alias="RIVULET_MODEL", description="The model that answers."
    )
    fallback_model: ModelId = Field(
        default="",
        validation_alias="RIVULET_FALLBACK_MODEL",
        description="The model to ask where the other one doesn't exist or stays overloaded; empty for none.",
    )
    effort: Literal["default", "low", "medium", "high", "xhigh", "max"] = Field(
        default="medium",
        validation_alias="RIVULET_EFFORT",
        description="How hard it thinks, `low` to `max`; `default` leaves it to the model.",
    )
    max_tokens: int = Field(
        default=32_000,
        gt=0,
        validation_alias="RIVULET_MAX_TOKENS",
        description="The longest answer, in tokens, with what it thinks before.",
    )
    thinking: Literal["off", "seconds", "summary"] = Field(
        default="off",
        validation_alias="RIVULET_THINKING",
        description="What is shown of thinking: that it goes on (`off`), for how long "
        "(`seconds`), or a `summary`.",
    )
    tool_rounds: int = Field(
        default=10,
        gt=0,
        validation_alias="RIVULET_TOOL_ROUNDS",
        description="How often one answer may use tools.",
    )
    tools: Names = Field(
        default=(),
        validation_alias="RIVULET_TOOLS",
        description="What the model may use, with commas between: `dates`, `search` (this channel's newest "
        "messages), `files` (one in full), `notes`; `web_search`, `web_fetch`, `code_execution`, which run "
        "at Anthropic; and what installed packages bring. Empty for nothing.",
    )
    mcp: Path | None = Field(
        default=None,
        validation_alias="RIVULET_MCP",
        description="JSON file that names the MCP servers whose tools the model may use; see `docs/mcp.md`.",
    )
    system: str = Field(
        default=SYSTEM,
        validation_alias="RIVULET_SYSTEM",
        description="Instructions before every conversation; `{date}`, `{platform}`, `{channel}`, `{topic}` "
        "and `{bot}` are filled in, and other words in braces stay.",
    )
    config: Path = Field(
        default=CONFIG,
        validation_alias="RIVULET_CONFIG",
        description="File that says what holds where: models, tools, who, caps; or a folder that has "
        "`config.toml`, or none. See `docs/config.md`. Without one, all places are alike.",
    )
    time_zone: str = Field(
        default="UTC",
        validation_alias="RIVULET_TIME_ZONE",
        description="Time zone of the date that Claude is told, as in `Europe/Berlin`.",
    )
    context: int = Field(
        default=32_000,
        ge=1_000,
        validation_alias="RIVULET_CONTEXT",
        description="Tokens of a conversation that are read with a question, the newest first.",
    )
    channel_messages: int = Field(
        default=0,
        ge=0,
        le=100,
        validation_alias="RIVULET_CHANNEL_MESSAGES",
        description="The channel's last messages that are read with a question too; 0 for none.",
    )
    ahead: int = Field(
        default=48 * 1024,
        gt=0,
        validation_alias="RIVULET_AHEAD",
        description="Characters that the model may be ahead of the screen before it is slowed down.",
    )
    stop: Literal["anyone", "asker", "asker_and_admins"] = Field(
        default="anyone",
        validation_alias="RIVULET_STOP",
        description="Who may stop an answer: `anyone` who may use the bot, only its `asker`, or "
        "`asker_and_admins`.",
    )
    follow_ups: Literal["thread", "mention"] = Field(
        default="thread",
        validation_alias="RIVULET_FOLLOW_UPS",
        description="Whether what people write in a thread that the bot was asked in is a question without a "
        "mention too (`thread`), or every question needs one (`mention`).",
    )
    when_busy: Literal["wait", "replace"] = Field(
        default="wait",
        validation_alias="RIVULET_WHEN_BUSY",
        description="What a question does while another one of its conversation is answered: `wait`, or "
        "`replace` it if its asker may stop that.",
    )
    turns: int = Field(
        default=32,
        gt=0,
        validation_alias="RIVULET_TURNS",
        description="Answers that run at once; more questions wait.",
    )
    intake: int = Field(
        default=200,
        gt=0,
        validation_alias="RIVULET_INTAKE",
        description="Questions that may be taken and not answered yet; more are refused, with one notice.",
    )
    user_turns: int = Field(
        default=1,
        ge=0,
        validation_alias="RIVULET_USER_TURNS",
        description="Answers that run at once for a person in a channel; as many wait. 0 for any number.",
    )
    user_per_minute: int = Field(
        default=8,
        ge=0,
        validation_alias="RIVULET_USER_PER_MINUTE",
        description="Questions of one person that are taken in a minute; 0 for any number.",
    )
    user_per_hour: int = Field(
        default=60,
        ge=0,
        validation_alias="RIVULET_USER_PER_HOUR",
        description="Questions of one person that are taken in an hour; 0 for any number.",
    )
    links: Names = Field(
        default=(),
        validation_alias="RIVULET_LINKS",
        description="Hosts that answers may link to, with commas between, and all below them; `*` for all. "
        "Other URLs are shown, not linked; those of the question are.",
    )
    stream: bool = Field(
        default=True,
        validation_alias="RIVULET_STREAM",
        description="Whether an answer shows while it grows; `false` posts it when it is complete.",
    )
    pages: int = Field(
        default=8,
        ge=0,
        validation_alias="RIVULET_PAGES",
        description="Messages that one answer may take; a longer one comes as a file. 0 for any number.",
    )
    code_file: int = Field(
        default=0,
        ge=0,
        validation_alias="RIVULET_CODE_FILE",
        description="Characters from which on a block of code comes as a file, at most half a "
        "message; 0 for never.",
    )
    files: int = Field(
        default=20,
        ge=0,
        le=100,
        validation_alias="RIVULET_FILES",
        description="Files that are read for one answer: those of the question, then the newest; 0 for none.",
    )
    file_bytes: int = Field(
        default=20_000_000,
        gt=0,
        validation_alias="RIVULET_FILE_BYTES",
        description="Bytes that one of them may have.",
    )
    pixels: int = Field(
        default=40_000_000,
        gt=0,
        validation_alias="RIVULET_PIXELS",
        description="Pixels that a picture among them may have.",
    )
    data: Path = Field(
        default=Path("data"),
        validation_alias="RIVULET_DATA",
        description="Folder for what must survive a restart; one for each bot.",
    )
    store: StoreUrl = Field(
        default=SecretStr(""),
        validation_alias="RIVULET_STORE",
        description="Redis or Valkey in which several processes of one bot keep what must survive: "
        "`redis://`, `rediss://`, `unix://` or `redis+sentinel://host:port,host:port/service`; "
        "`?prefix=team` where others use it, too. Empty for SQLite in `RIVULET_DATA`.",
    )
    host: Host = Field(
        default="127.0.0.1",
        validation_alias="RIVULET_HOST",
        description="Address on which `/healthz` and `/readyz` are served.",
    )
    port: int = Field(
        default=8080,
        ge=0,
        le=65535,
        validation_alias="RIVULET_PORT",
        description="Its port; 0 takes a free one.",
    )
    events_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        validation_alias="RIVULET_EVENTS_PORT",
        description="Port for what platforms post (in HTTP mode); 0 for `RIVULET_PORT` where `RIVULET_HOST` "
        "is a loopback address, else the one after it.",
    )
    metrics: str = Field(
        default="127.0.0.1:9464",
        validation_alias="RIVULET_METRICS",
        description="Address on which Prometheus finds `/metrics`; `off` for nowhere.",
    )
    drain: int = Field(
        default=0,
        ge=0,
        le=3600,
        validation_alias="RIVULET_DRAIN",
        description="Seconds for which answers go on after SIGTERM, while nothing new is taken; 0 ends them "
        "at once, each with a note. Whatever stops the bot must wait 10 seconds longer.",
    )
    log: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        validation_alias="RIVULET_LOG",
        description="What is logged: `debug`, `info`, `warning` or `error`.",
    )

    _split = field_validator("links", "tools", mode="before")(split)
    _known = field_validator("time_zone")(known_zone)
    _named = field_validator("metrics")(known_address)

    @property
    def zone(self) -> tzinfo:
        """The time zone of the date."""
        return zone_of(self.time_zone)


def expect_readable() -> None:
    """Look whether `.env`, if there is one, and the settings in the environment can be read at all.

    Raises:
        Unavailable: They can't, or are no UTF-8.
    """
    for name, value in os.environ.items():
        if OURS.match(name) and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise Unavailable(f"{name} is not UTF-8: set it anew.")
    try:
        if ENV.is_file():
            if ENV.stat().st_size > LONGEST:
                raise Unavailable(f"{ENV} is longer than {LONGEST:,} bytes.")
            _expect_parsed(ENV.read_text("utf-8-sig"))
    except OSError as error:
        raise Unavailable(f"{ENV} can't be read: {error.strerror}.") from None
    except UnicodeError:
        raise Unavailable(f"{ENV} is not UTF-8: save it as UTF-8 in your editor.") from None


def _expect_parsed(text: str) -> None:
    """Look whether each line of `.env` is a setting; what one says is not shown, since it may be a secret."""
    from dotenv.parser import parse_stream  # noqa: PLC0415  a container has no such file

    for found in parse_stream(StringIO(text)):
        if found.error:
            blank = len(found.original.string) - len(found.original.string.lstrip("\r\n"))
            number = found.original.line + found.original.string[:blank].count("\n")
            raise Unavailable(
                f"{ENV}, line {number} is no setting: write NAME=value, and close what quotes there are."
            )


def explain(error: ValidationError, *, values: bool = False, between: str = "; ") -> str:
    """Return which settings are wrong.

    Args:
        error: What was found.
        values: Whether to show what they are; never those of secrets.
        between: What stands between two of them.
    """
    return between.join(_explained(one, values) for one in error.errors())


def _explained(one: Any, values: bool) -> str:
    name, why = ".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")
    if not values:
        return f"{name}: {why}"
    line, secret = line_in_env(name), SECRET.fullmatch(name)
    where = f"{ENV}, line {line}: {name}" if line else name
    if secret:
        return f"{where}: {why}"
    if takes := _takes(one["type"], one.get("ctx", {})):
        return f"{where} is {shown(one['input'])}; it takes {takes}."
    return f"{where}: {why}; it is {shown(one['input'])}"


def _takes(kind: str, known: Mapping[str, Any]) -> str:
    """Return what a setting takes whose fault is of this *kind*; "" where its own words say it."""
    match kind:
        case "int_parsing" | "int_type" | "int_from_float":
            return "a whole number"
        case "float_parsing" | "float_type":
            return "a number"
        case "bool_parsing" | "bool_type":
            return "true or false"
        case "literal_error":
            return str(known["expected"]).replace("'", '"')
        case "greater_than_equal":
            return f"{known['ge']:,} or more"
        case "greater_than":
            return f"more than {known['gt']:,}"
        case "less_than_equal":
            return f"{known['le']:,} or less"
    return ""


def line_in_env(name: str) -> int:
    """Return the line of `.env` that sets *name*; 0 where the environment does, or none."""
    if any(value and each.upper() == name for each, value in os.environ.items()) or not ENV.is_file():
        return 0
    from dotenv.parser import parse_stream  # noqa: PLC0415  the same

    found = 0
    for each in parse_stream(StringIO(ENV.read_text("utf-8-sig"))):
        if each.key and each.key.upper() == name:  # the last one counts
            begun = each.original.string
            found = each.original.line + begun[: len(begun) - len(begun.lstrip())].count("\n")
    return found
