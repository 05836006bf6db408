"""Modals: what opens one, what it may hold, and what is sent back.

[docs views.open, modals]  It keeps views and triggers, and decides nothing about who may see what.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from typing import Any

from adapters.emulators.slack import shapes
from adapters.emulators.slack.arguments import Arguments, Refused
from adapters.emulators.slack.shapes import Json

#: "Your app must use the trigger_id within 3 seconds of receiving it, and only once" [docs].
TRIGGER_LIFE = 3.0
#: Characters of a title and of the two buttons, of what is carried, of a label and a hint, of an input.
TITLE, CARRIED, LABEL, VALUE = 24, 3_000, 2_000, 3_000
#: Blocks of a view, characters of a callback id, bytes of all of it.
BLOCKS, NAME, SIZE = 100, 255, 250_000


class Views:
    """Triggers, and the views that they have opened.

    Args:
        team: The workspace.
    """

    def __init__(self, team: shapes.Team = shapes.HOME) -> None:
        self._team = team
        self._triggers: dict[str, tuple[str, float]] = {}
        self._exchanged: set[str] = set()
        self._open: dict[str, tuple[str, Json]] = {}
        #: Seconds that are added to the age of each trigger.
        self.aged = 0.0

    def trigger(self, user: str) -> str:
        """Return what *user* has triggered, good once and for three seconds."""
        made = f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**13)}.{secrets.token_hex(16)}"
        self._triggers[made] = user, time.monotonic()
        return made

    def open(self, arguments: Arguments) -> Json:
        """Serve views.open."""
        view = _read(arguments.get("view"))
        if faults := [*_faults(view)]:
            raise Refused("invalid_arguments", response_metadata={"messages": faults})
        user = self._exchange(str(arguments.get("trigger_id") or ""))
        number = shapes.token("V", 10)
        shape = {
            "private_metadata": "",
            "callback_id": "",
            "external_id": "",
            "close": None,
            "submit": None,
            **view,
            "id": number,
            "team_id": self._team.id,
            "state": {"values": {}},
            "hash": f"{time.time():.7f}",
            "clear_on_close": False,
            "notify_on_close": False,
            "root_view_id": number,
            "previous_view_id": None,
            "app_id": shapes.APP,
            "bot_id": self._team.bot_id,
            "blocks": shapes.blocks_kept(view["blocks"]),
        }
        self._open[number] = user, shape
        return {"view": shape}

    def _exchange(self, trigger: str) -> str:
        """Return whose *trigger* it is, or refuse it."""
        if trigger in self._exchanged:
            raise Refused("exchanged_trigger_id")
        if trigger not in self._triggers:
            raise Refused("invalid_trigger_id")
        user, at = self._triggers[trigger]
        if time.monotonic() - at + self.aged > TRIGGER_LIFE:
            raise Refused("expired_trigger_id")
        self._exchanged.add(trigger)
        return user

    def newest(self, user: str) -> Json:
        """Return the view that *user* sees, or raise LookupError."""
        for whose, view in reversed(self._open.values()):
            if whose == user:
                return view
        raise LookupError(f"{user} sees no modal")

    def filled(self, view: Json, text: str) -> Json:
        """Return *view* with *text* in its input.

        Raises:
            ValueError: Slack's client would not send that.
        """
        [block] = [each for each in view["blocks"] if each["type"] == "input"]
        element = block["element"]
        if not text and not block.get("optional"):
            raise ValueError("Please complete this required field.")
        if not element.get("min_length", 0) <= len(text) <= element.get("max_length", VALUE):
            raise ValueError("too short, or too long")
        value = {"type": element["type"], "value": text or None}
        return {**view, "state": {"values": {block["block_id"]: {element["action_id"]: value}}}}

    def answered(self, view: Json, answer: Json) -> dict[str, str]:
        """Do with *view* what the app has *answered*; return the errors that are shown in it.

        Raises:
            ValueError: Slack would show that the app made a mistake.
        """
        match answer:
            case {"response_action": "errors", "errors": dict(errors)}:
                known = {each["block_id"] for each in view["blocks"] if each["type"] == "input"}
                if not errors or not set(errors) <= known or not all(map(_said, errors.values())):
                    raise ValueError(f"errors of no input: {errors}")
                return dict(errors)
            case {} if not answer or answer == {"response_action": "clear"}:
                del self._open[view["id"]]
                return {}
        raise ValueError(f"no answer to a view: {answer}")


def _read(given: Any) -> Json:
    try:
        view = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        view = None
    if not isinstance(view, dict):
        raise Refused("invalid_arguments", response_metadata={"messages": ["missing required field: view"]})
    if len(json.dumps(view)) > SIZE:
        raise Refused("view_too_large")
    return view


def _faults(view: Json) -> Iterator[str]:
    """Yield what is wrong with *view*."""
    blocks = view.get("blocks")
    listed = blocks if isinstance(blocks, list) else []
    inputs = [each for each in listed if isinstance(each, dict) and each.get("type") == "input"]
    if view.get("type") != "modal":
        yield "type: must be modal"
    if not 0 < len(listed) <= BLOCKS:
        yield "blocks: 1 to 100"
    if not _plain(view.get("title"), TITLE):
        yield "title: plain text of 1 to 24 characters"
    for name in ("submit", "close"):
        if name in view and not _plain(view[name], TITLE):
            yield f"{name}: plain text of 1 to 24 characters"
    if inputs and "submit" not in view:
        yield "submit: needed where there is an input"
    if len(str(view.get("private_metadata", ""))) > CARRIED or len(str(view.get("callback_id", ""))) > NAME:
        yield "private_metadata or callback_id: too long"
    for block in inputs:
        yield from _input_faults(block)


def _input_faults(block: Json) -> Iterator[str]:
    element = block.get("element")
    if not _plain(block.get("label"), LABEL) or ("hint" in block and not _plain(block["hint"], LABEL)):
        yield "label or hint: plain text of 1 to 2,000 characters"
    if not isinstance(element, dict) or element.get("type") != "plain_text_input":
        yield "element: this emulator knows plain_text_input"
    elif not 0 < int(element.get("max_length", VALUE)) <= VALUE:
        yield "max_length: 1 to 3,000"


def _plain(found: Any, most: int) -> bool:
    return (
        isinstance(found, dict)
        and found.get("type") == "plain_text"
        and 0 < len(found.get("text", "")) <= most
    )


def _said(found: Any) -> bool:
    return isinstance(found, str) and bool(found)
