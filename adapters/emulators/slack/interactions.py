"""What people do by commands, shortcuts and modals, as switches; and the payloads of it.

[docs interactivity/implementing-slash-commands, reference/interaction-payloads]
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from adapters.emulators.control import control
from adapters.emulators.slack import content, shapes
from adapters.emulators.slack.http_sender import HttpSender
from adapters.emulators.slack.responses import Responses
from adapters.emulators.slack.shapes import Json, Person
from adapters.emulators.slack.sockets import Sockets
from adapters.emulators.slack.views import Views
from adapters.emulators.slack.workspace import Workspace

_PERSON = re.compile(r"<@([A-Z0-9]+)>")


class Interactions:
    """The switches; `Slack` has them beside its controls."""

    _sockets: Sockets
    _http: HttpSender
    _workspace: Workspace
    _views: Views
    _responses: Responses
    record: Callable[..., None]
    url: str

    @property
    def _way(self) -> Sockets | HttpSender:
        return self._http if self._http.url else self._sockets

    @control
    async def command(self, channel: str, user: str, text: str, command: str = "/rivulet") -> Json:
        """Let *user* send a slash command; Slack has none in threads.

        Returns:
            {"text", "failed", "seconds"}: what they see at once, the error that Slack shows where the app
            does not answer, and how long that took.  What comes later is in the log, as "ephemeral".
        """
        who = self._workspace.person(user)
        self.record("command", channel=channel, user=user, text=text, command=command)
        sent = self._slash(who, channel, text, command)
        since = time.monotonic()
        answer = await self._way.ask("slash_commands", sent)
        if answer is None:
            return {"text": "", "failed": "dispatch_failed", "seconds": time.monotonic() - since}
        seen = self._responses.show(channel, user, answer, "ack") if answer else ""
        shown = content.visible(answer.get("text") or "", answer.get("blocks") or [], self._workspace.code)
        return {"text": "" if seen else shown, "failed": seen, "seconds": time.monotonic() - since}

    def _slash(self, who: Person, channel: str, text: str, command: str) -> Json:
        """Return the payload, all texts, of an app that has Slack escape what people write."""

        def named(found: re.Match[str]) -> str:
            known = self._workspace.people.get(found[1])
            return f"<@{found[1]}|{known.name}>" if known else found[0]

        names = {"D": "directmessage", "G": "privategroup"}
        return {
            "token": shapes.VERIFICATION_TOKEN,
            "team_id": self._workspace.team.id,
            "team_domain": "emulated",
            "channel_id": channel,
            "channel_name": names.get(channel[0], channel.lower()),
            "user_id": who.id,
            "user_name": who.name,
            "command": command,
            "text": _PERSON.sub(named, content.wire(text)).strip(),
            "api_app_id": shapes.APP,
            "is_enterprise_install": str(self._workspace.team.whole).lower(),
            "response_url": f"{self.url}/{self._responses.path('commands', channel, who.id)}",
            "trigger_id": self._views.trigger(who.id),
        }

    @control
    async def shortcut(self, channel: str, ts: str, user: str, callback_id: str = "ask_about") -> bool:
        """Let *user* choose a shortcut of the app on a message; tell whether the app acknowledged it."""
        who, kept = self._workspace.person(user), self._workspace.get(channel, ts)
        self.record("shortcut", channel=channel, ts=ts, user=user, callback_id=callback_id)
        sent = {
            **self._by(who, "message_action"),
            "action_ts": f"{time.time():.6f}",
            "callback_id": callback_id,
            "response_url": f"{self.url}/{self._responses.path('actions', channel, user)}",
            "message_ts": ts,
            "channel": {"id": channel, "name": channel.lower()},
            "message": self._workspace.shape(kept),
        }
        return await self._way.ask("interactive", sent) is not None

    @control
    async def modal(self, user: str) -> Json:
        """Return the view that *user* sees, as the API has it; LookupError if there is none."""
        return self._views.newest(user)

    @control
    async def submit(self, user: str, text: str) -> Json:
        """Let *user* write *text* into the modal that they see, and send it.

        Returns:
            {"errors", "failed"}: what the modal says then, by its blocks; it is closed if that is nothing.

        Raises:
            LookupError: They see none.
            ValueError: Slack's client sends no such text, or takes no such answer.
        """
        who, view = self._workspace.person(user), self._views.newest(user)
        sent = {**self._by(who, "view_submission"), "view": self._views.filled(view, text)}
        self.record("submit", user=user, text=text)
        answer = await self._way.ask("interactive", {**sent, "response_urls": []})
        if answer is None:
            return {"errors": {}, "failed": True}
        return {"errors": self._views.answered(view, answer), "failed": False}

    def _by(self, who: Person, kind: str) -> Json:
        return {
            "type": kind,
            "token": shapes.VERIFICATION_TOKEN,
            "user": {"id": who.id, "username": who.name, "name": who.name, "team_id": who.team},
            "api_app_id": shapes.APP,
            "trigger_id": self._views.trigger(who.id),
            **shapes.belonging(self._workspace.team),
        }

    @control
    async def age(self, triggers: float = 0.0, addresses: float = 0.0) -> None:
        """Let triggers and response_urls be so many seconds older than they are."""
        self._views.aged, self._responses.aged = triggers, addresses

    @control
    async def absent(self, *channels: str) -> None:
        """Let the bot be a member of none of these *channels*, and of all others."""
        self._workspace.absent = set(channels)

    def _pressed(self, who: Person, pressed: Json) -> Json:
        """Return *pressed*, a press on a button, with what an app may do about it."""
        where: Any = pressed["channel"]["id"]
        return pressed | {
            "trigger_id": self._views.trigger(who.id),
            "response_url": f"{self.url}/{self._responses.path('actions', where, who.id)}",
        }
