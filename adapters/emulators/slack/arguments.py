"""What a Web API call asks for: its arguments, and the message it drafts, or why it is refused.

Reads and checks; it knows neither state nor the emulator.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from adapters.emulators.slack import content
from adapters.emulators.slack.shapes import Json

_JSON_ARGUMENTS = ("blocks", "metadata", "attachments", "files")
_CHANNEL = re.compile(r"[CDG][A-Z0-9]+")

Arguments = dict[str, Any]


class Refused(Exception):
    """An answer `ok: false` with this error."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.body = {"ok": False, "error": error, **more}


@dataclass
class Draft:
    """What a call wants a message to hold."""

    text: str
    blocks: list[Json]
    arguments: Arguments

    @property
    def linked(self) -> bool:
        """Tell whether bare names become mentions."""
        return yes(self.arguments.get("link_names")) or self.arguments.get("parse") == "full"

    @property
    def unfurled(self) -> bool:
        """Tell whether links may unfurl: links of media do by default, others by Slack's guess."""
        switches = (self.arguments.get("unfurl_links"), self.arguments.get("unfurl_media"))
        return any(switch is None or yes(switch) for switch in switches)


async def read(request: web.Request) -> Arguments:
    """Return the call's arguments from query, form or JSON, the token among them."""
    arguments: Arguments = dict(request.query)
    if request.content_type == "application/json":
        given = await request.json()
        if not isinstance(given, dict):
            raise ValueError("a call's arguments are an object")
        arguments |= {name: value for name, value in given.items() if value is not None}
    else:
        arguments |= dict(await request.post())
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        arguments["token"] = token
    for name in _JSON_ARGUMENTS:
        if isinstance(arguments.get(name), str):
            # What is no JSON stays a string, for which the methods have errors of their own.
            with contextlib.suppress(ValueError):
                arguments[name] = json.loads(arguments[name] or "null")
    return arguments


def digest(arguments: Mapping[str, Any]) -> str:
    """Return what two calls of a method have in common if they ask for the same."""
    said = {name: value for name, value in arguments.items() if name != "token"}
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:16]


def channel_of(arguments: Mapping[str, Any], *, people: bool = False) -> str:
    """Return the channel, which exists if it looks like one; *people* stand for their direct conversation."""
    channel = str(arguments.get("channel", ""))
    if people and re.fullmatch(r"U[A-Z0-9]+", channel):
        return f"D{channel}"  # a post to a person opens the direct conversation
    if not _CHANNEL.fullmatch(channel):
        raise Refused("channel_not_found")
    return channel


def draft_of(arguments: Arguments) -> Draft:
    """Return the content of a post or update, or refuse it."""
    text, blocks = str(arguments.get("text") or ""), arguments.get("blocks") or []
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format")
    if not isinstance(arguments.get("metadata", {}), dict | None):
        raise Refused("invalid_metadata_format")
    if markdown := arguments.get("markdown_text"):
        if text or blocks:
            raise Refused("markdown_text_conflict")
        if len(markdown) > content.MARKDOWN_CHARACTERS:
            raise Refused("msg_too_long")
        blocks = [{"type": "markdown", "text": markdown}]
    if error := content.refusal(text, blocks):
        raise Refused(error)
    return Draft(text, blocks, arguments)


def within(ts: str, arguments: Arguments) -> bool:
    """Tell whether *ts* lies between `oldest` and `latest`; `inclusive` counts the ends in."""
    moment, inclusive = float(ts), yes(arguments.get("inclusive"))
    oldest, latest = float(arguments.get("oldest") or 0), float(arguments.get("latest") or "inf")
    return oldest <= moment <= latest if inclusive else oldest < moment < latest


def cursor(ts: str) -> str:
    """Return the cursor of the page after the message *ts*."""
    return base64.b64encode(f"next_ts:{ts}".encode()).decode()


def uncursor(cursor: str) -> str:
    """Return the ts in a cursor, or refuse it."""
    try:
        return base64.b64decode(cursor).decode().removeprefix("next_ts:")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refused("invalid_cursor") from error


def yes(value: Any) -> bool:
    """Tell whether an argument is true, in JSON or in a form."""
    return str(value).lower() in {"1", "true"}
