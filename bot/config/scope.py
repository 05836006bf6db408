"""What one table of `config.toml` may say: its keys, and what each takes.

The JSON schema and docs/settings.md are made from these classes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

#: Most dollars of a cap, so that a typo is seen.
RICHEST = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Takes:
    """What a value may be, in words, where its type does not say it."""

    words: str


@dataclass(frozen=True, slots=True)
class Table:
    """A kind of place that a platform's part of the file has tables for.

    Attributes:
        level: Which attribute of `Place` names such a place: "workspace", "category" or "channel".
        ids: What the platform's ids of them look like.
        example: One of them.
    """

    level: Literal["workspace", "category", "channel"]
    ids: re.Pattern[str] = field(default=re.compile(r"\S+"))
    example: str = ""


#: The tables of a platform that has said nothing of its own.
TABLES: Mapping[str, Table] = MappingProxyType(
    {"workspaces": Table("workspace"), "channels": Table("channel")}
)

#: Lengths stand beside the patterns: in a pattern they take pydantic a tenth of a second each.
Model = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_.:/@-]+$", max_length=100),
    Takes('a model\'s id, as in "claude-haiku-5-5"'),
]
#: What stands in a list is checked as itself; a list is not a tuple, so the list must not be strict.
Models = Annotated[
    tuple[Model, ...], Field(strict=False), Takes('a list of models, as in ["claude-haiku-5-5"]')
]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=64), Takes("a name")]
NameList = Annotated[tuple[Name, ...], Field(strict=False), Takes('a list of names, as in ["dates"]')]
Servers = Annotated[tuple[Name, ...], Field(strict=False), Takes('a list of names, as in ["rooms"]')]
Id = Annotated[
    str, Field(pattern=r"^[\w.-][\w.@-]*$", max_length=64), Takes('an id in quotes, as in "U0123ABC"')
]
Ids = Annotated[tuple[Id, ...], Field(strict=False), Takes('a list of ids, as in ["U0123ABC"]')]
Dollars = Annotated[
    float, Field(ge=0, le=RICHEST, allow_inf_nan=False), Takes(f"dollars, 0 to {RICHEST:,.0f}; 0 for no cap")
]
Price = Annotated[
    float, Field(ge=0, le=10_000, allow_inf_nan=False), Takes("dollars for a million tokens, 0 to 10,000")
]


class Keys(BaseModel):
    """A table of the file: nothing but its own keys, and no value of another type."""

    # Built once a file is read: most bots have none, and a mistake in the settings is to be told at once.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    @property
    def given(self) -> Mapping[str, Any]:
        """What the file says, by the names of the keys."""
        return {
            name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set
        }


class WhoKeys(Keys):
    """Who may use the bot in a place."""

    allow: Ids = Field(
        default=(),
        description="Ids of the users, roles and user groups that may use the bot; empty for all whom the "
        "platform's own rule admits. A guest or outsider who is named by their own id may too.",
    )
    deny: Ids = Field(
        default=(),
        description="Ids of those who may not, unless they are admins. Adds to what wider tables say.",
    )
    guests: bool = Field(default=False, description="Whether guests of the workspace may use it.")
    outsiders: bool = Field(
        default=False,
        description="Whether people of other workspaces may, in shared channels (Slack Connect).",
    )
    direct: bool = Field(default=True, description="Whether direct messages are answered.")
    open: bool = Field(default=True, description="Whether the bot answers here at all, admins too.")
    admins: Ids = Field(
        default=(),
        description="Ids of those who are never kept out, may see what all have spent, and are told of "
        "trouble. Adds to what wider tables say.",
    )
    stop: Literal["anyone", "asker", "asker_and_admins"] = Field(
        default="anyone", description="Who may stop an answer."
    )
    contact: Annotated[str, Field(max_length=200, pattern=r"^[^\r\n]*$"), Takes("one line of text")] = Field(
        default="", description='Whom somebody who is refused is told to ask, as in "@ann".'
    )


class CapKeys(Keys):
    """What may be spent, in dollars; 0 for no cap."""

    person_day: Dollars = Field(default=0.0, description="Of one person in a day (UTC).")
    person_month: Dollars = Field(default=0.0, description="Of one person in a month.")
    channel_day: Dollars = Field(default=0.0, description="Of one channel in a day.")
    channel_month: Dollars = Field(default=0.0, description="Of one channel in a month.")
    workspace_day: Dollars = Field(default=0.0, description="Of one workspace or server in a day.")
    workspace_month: Dollars = Field(default=0.0, description="Of one workspace or server in a month.")
    day: Dollars = Field(default=0.0, description="Of all in a day.")
    month: Dollars = Field(default=0.0, description="Of all in a month.")


class Scope(Keys):
    """What holds in one place, or in many; a key that is not there leaves it to the wider table."""

    model: Model = Field(default="", description="The model that answers.")
    models: Models = Field(
        default=(), description="The models that people may choose from; `model` is one of them."
    )
    effort: Literal["default", "low", "medium", "high", "xhigh", "max"] = Field(
        default="default", description="How hard it thinks; `default` leaves it to the model."
    )
    thinking: Literal["off", "seconds", "summary"] = Field(
        default="off", description="What is shown of thinking."
    )
    system: Annotated[str, Field(max_length=100_000), Takes("a text of 100,000 characters at most")] = Field(
        default="",
        description="Instructions before every conversation; `{date}`, `{platform}`, `{channel}`, `{topic}` "
        "and `{bot}` are filled in.",
    )
    tools: NameList = Field(default=(), description="What the model may use, of what `RIVULET_TOOLS` takes.")
    mcp: Servers = Field(
        default=(), description="Names of the MCP servers whose tools it may use; all where nothing is said."
    )
    follow_ups: Literal["thread", "mention"] = Field(
        default="thread", description="Whether a thread that the bot was asked in needs mentions."
    )
    stream: bool = Field(default=True, description="Whether an answer shows while it grows.")
    footer: bool = Field(
        default=False, description="Whether an answer ends with its model, its tokens and what it cost."
    )
    i_understand: bool = Field(
        default=False,
        description="Whether the model may have tools that read what people wrote together with tools that "
        "reach outside; see `docs/config.md`.",
    )
    who: WhoKeys = Field(default_factory=WhoKeys, description="Who may use the bot.")
    caps: CapKeys = Field(default_factory=CapKeys, description="What may be spent.")


class PriceKeys(Keys):
    """What a model costs that the bot knows no price of, in dollars for a million tokens."""

    input: Price = Field(description="What the model reads.")
    output: Price = Field(description="What it writes and thinks.")
    cache_read: Price = Field(
        default=0.0, description="What it has from the cache; a tenth of `input` where nothing is said."
    )
    cache_write: Price = Field(
        default=0.0, description="What the cache takes; 1.25 times `input` where nothing is said."
    )
    cache_hour: Price = Field(
        default=0.0, description="The same, to keep it for an hour; twice `input` where nothing is said."
    )


def takes(info: FieldInfo) -> str:
    """Return what the field *info* takes, in words."""
    for each in reversed(info.metadata):
        if isinstance(each, Takes):
            return each.words
    if info.annotation is bool:
        return "true or false"
    if options := get_args(info.annotation):
        return ", ".join(f'"{option}"' for option in options)
    return "a table"
