"""What Discord refuses: the checks of a request's body, and its errors in their JSON shape.

Pure: a check must never change anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.emulators.discord.shapes import Json

CONTENT_LIMIT = 2000  # code points; resources/message.mdx, create and edit
NONCE_LIMIT = 25  # resources/message.mdx, create
LABEL_LIMIT = 80  # components/reference.mdx, button
CUSTOM_ID_LIMIT = 100  # components/reference.mdx
ROWS = 5  # components/reference.mdx: action rows of a message, and buttons of a row
NAME_LIMIT = 100  # resources/channel.mdx: 1 to 100 characters
EMBEDS = 10  # resources/message.mdx
DESCRIPTION_LIMIT = 4096  # resources/message.mdx, embed limits
V2 = 1 << 15  # message flag IS_COMPONENTS_V2


class Refusal(Exception):
    """An error answer.

    Args:
        status: The HTTP status.
        code: Discord's JSON error code (topics/opcodes-and-status-codes.mdx).
        message: Its text.
        errors: The nested `errors` of code 50035.
    """

    def __init__(self, status: int, code: int, message: str, errors: Json | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"message": message, "code": code, **({"errors": errors} if errors else {})}


def unknown(code: int, what: str) -> Refusal:
    """Return the 404 for something that does not exist."""
    return Refusal(404, code, f"Unknown {what}")


def invalid(path: Sequence[str | int], code: str, message: str) -> Refusal:
    """Return the 50035 for the field at *path*."""
    errors: Json = {"_errors": [{"code": code, "message": message}]}
    for key in reversed(path):
        errors = {str(key): errors}
    return Refusal(400, 50035, "Invalid Form Body", errors)


def _length(path: Sequence[str | int], value: Any, limit: int) -> None:
    if len(str(value or "")) > limit:
        raise invalid(path, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")


def check_message(body: Json) -> None:
    """Raise `Refusal` for a body that no message may have."""
    _length(["content"], body.get("content"), CONTENT_LIMIT)
    _length(["nonce"], body.get("nonce"), NONCE_LIMIT)
    if len(body.get("embeds") or []) > EMBEDS:
        raise invalid(["embeds"], "BASE_TYPE_MAX_LENGTH", f"Must be {EMBEDS} or fewer in length.")
    for number, embed in enumerate(body.get("embeds") or []):
        _length(["embeds", number, "description"], embed.get("description"), DESCRIPTION_LIMIT)
    _check_mentions(body.get("allowed_mentions") or {})
    _check_components(body.get("components") or [])


def _check_mentions(allowed: Json) -> None:
    for kind in ("users", "roles"):
        if kind in (allowed.get("parse") or []) and allowed.get(kind):
            raise invalid(
                ["allowed_mentions"],
                "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.',
            )


def _check_components(rows: list[Json]) -> None:
    seen: set[str] = set()
    for number, row in enumerate(rows):
        if row.get("type") != 1:
            continue
        path: list[str | int] = ["components", number, "components"]
        children = row.get("components") or []
        if not 1 <= len(children) <= ROWS:
            raise invalid(path, "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {ROWS} in length.")
        for place, button in enumerate(children):
            _check_button([*path, place], button, seen)
    if len(rows) > ROWS and all(row.get("type") == 1 for row in rows):
        raise invalid(["components"], "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {ROWS} in length.")


def _check_button(path: Sequence[str | int], button: Json, seen: set[str]) -> None:
    if button.get("type") != 2:
        return
    _length([*path, "label"], button.get("label"), LABEL_LIMIT)
    _length([*path, "custom_id"], button.get("custom_id"), CUSTOM_ID_LIMIT)
    name = button.get("custom_id")
    if not name and not button.get("url"):
        raise invalid([*path, "custom_id"], "BASE_TYPE_REQUIRED", "This field is required")
    if name in seen:
        message = "Component custom id cannot be duplicated"
        raise invalid([*path, "custom_id"], "COMPONENT_CUSTOM_ID_DUPLICATED", message)
    seen.add(name or "")


#: What a message may consist of, beside components (resources/message.mdx, create message, and forwards).
FILLING = ("content", "embeds", "attachments", "sticker_items", "poll", "message_snapshots")


def check_filled(shape: Json) -> None:
    """Raise 50006 for a message with nothing in it; classic components alone are nothing."""
    filled = any(shape.get(each) for each in FILLING)
    if not filled and not (shape["flags"] & V2 and shape["components"]):
        raise Refusal(400, 50006, "Cannot send an empty message")


def check_name(body: Json) -> str:
    """Return a thread's name, or raise `Refusal`."""
    name = str(body.get("name") or "").strip()
    if not 1 <= len(name) <= NAME_LIMIT:
        raise invalid(["name"], "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {NAME_LIMIT} in length.")
    return name


def check_emoji(emoji: str) -> str:
    """Return *emoji* if it is a Unicode one; this guild has no emojis of its own."""
    if not any(ord(character) > 0x7F for character in emoji) or ":" in emoji:
        raise unknown(10014, "Emoji")
    return emoji
