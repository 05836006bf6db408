"""The emulator: its routes, the controls that drive its people, and what a test can see and judge.

It puts the other modules together and decides nothing that Slack decides.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from aiohttp import web

from adapters.emulators.budget import Budget
from adapters.emulators.control import Emulator, control
from adapters.emulators.slack import content, shapes
from adapters.emulators.slack.chaos import Chaos
from adapters.emulators.slack.downloads import given
from adapters.emulators.slack.installing import Installing, Shared
from adapters.emulators.slack.interactions import Interactions
from adapters.emulators.slack.markdown import Code
from adapters.emulators.slack.responses import Responses
from adapters.emulators.slack.shapes import HOME, Json, Message, Person, Team
from adapters.emulators.slack.sockets import ACKNOWLEDGE_WITHIN, RETRIES_AFTER
from adapters.emulators.slack.streams import Streams
from adapters.emulators.slack.traffic import Fault, Limit, Traffic
from adapters.emulators.slack.views import Views
from adapters.emulators.slack.web_api import WebApi, faulty, hang_up
from adapters.emulators.slack.workspace import Workspace, view


class Slack(Chaos, Interactions, Installing, Emulator):
    """One workspace "T1" with one app "A1" in it, whose bot is "UBOT"; more of them by `found` and `app`.

    Point `AsyncWebClient(base_url=...)` at `url + "/api/"`.  People: U1 ann and U2 bob, UGUEST,
    UEXT of another workspace, UROBOT.  Every channel id that begins with C, D or G exists.

    Args:
        team: The workspace.
        first: The one that listens for all; None for this one.

    Log kinds: call, say, post, edit, delete, start, append, stop, status, react, unreact, press, command,
    shortcut, submit, ephemeral, upload, download, 429, error, envelope, ack, unacknowledged, handshake,
    connect, disconnect, install, uninstall.
    """

    def __init__(self, team: Team = HOME, first: Slack | None = None) -> None:
        super().__init__()
        self.first = first or self
        if first:
            self.record, self.spawn, self.url = first.record, first.spawn, first.url  # type: ignore[method-assign]
        self.shared = first.shared if first else Shared.of(self)
        self.shared.teams[team.id] = self
        self._sockets, self._http, self._oauth = self.shared.sockets, self.shared.http, self.shared.oauth
        self.workspace = self._workspace = Workspace(self.record, self.send, team)
        self._streams = Streams(self._workspace, self.record)
        self._traffic = Traffic()
        self._views = Views(team)
        self._responses = Responses(self._workspace, self.record)
        self.api = self._api = WebApi(
            self._workspace,
            self._streams,
            self._traffic,
            self.record,
            self._connect,
            lambda: self.url,
            self._views,
            self._oauth,
            lambda: self.shared.teams,
        )

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """See Emulator.routes."""
        return [
            web.route("*", "/api/{method}", self._called),
            web.get("/link", self._link),
            web.post("/upload/v1/{ticket}", self._upload),
            web.get("/files-pri/{file}/{name:.+}", self._download),
            web.post("/{kind:actions|commands}/{path:.+}", self._respond),
        ]

    async def stop(self) -> None:
        """See Emulator.stop."""
        self._sockets.close()
        for each in self.shared.teams.values():
            await each.api.close()
        await super().stop()

    def _connect(self) -> str:
        return f"{self.url.replace('http', 'ws', 1)}/link?ticket={self._sockets.ticket()}"

    async def _called(self, request: web.Request) -> web.StreamResponse:
        """Serve a call in the workspace that it is about."""
        there: Slack = await self._meant(request)
        return await there.api.call(request)

    async def _link(self, request: web.Request) -> web.StreamResponse:
        if fault := self._traffic.fault("link"):
            await asyncio.sleep(fault.delay)
            return hang_up(request) if fault.drop else faulty(fault)
        return await self._sockets.link(request)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        if fault := self._traffic.fault("upload"):
            if fault.apply:
                await self._api.uploads.receive(request)
            await asyncio.sleep(fault.delay)
            return hang_up(request) if fault.drop else faulty(fault)
        return await self._api.uploads.receive(request)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        file, token = request.match_info["file"], "Authorization" in request.headers
        self.record("download", file=file, token=token)
        if fault := self._traffic.fault("download"):
            await asyncio.sleep(fault.delay)
            return hang_up(request) if fault.drop else faulty(fault)
        await asyncio.sleep(self._traffic.delay("download"))
        return self._api.downloads.serve(request)

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        if fault := self._traffic.fault("response_url"):
            self.record("call", method="response_url")
            await asyncio.sleep(fault.delay)
            return hang_up(request) if fault.drop else faulty(fault)
        return await self._responses.receive(request)

    # What the service does to the app.

    @control
    async def tokens(self, valid: Sequence[str] | None = None) -> None:
        """Let only these bot tokens be valid; None for every `xoxb-...`."""
        self._api.tokens = None if valid is None else set(valid)

    @control
    async def scopes(self, scopes: str) -> None:
        """Set the header `x-oauth-scopes`: names with commas."""
        self._api.scopes = scopes
        self._workspace.scopes = set(scopes.split(",")) if scopes else None

    @control
    async def subscribe(self, events: Sequence[str]) -> None:
        """Subscribe the app to exactly these *events*: app_mention, message.channels, ..."""
        self._workspace.subscriptions = set(events)

    @control
    async def user(self, id: str, name: str, **flags: Any) -> None:  # noqa: A002 - Slack's own word for it
        """Add or replace the person *id*; *flags* as in users.info (is_bot, is_restricted, team_id)."""
        self._workspace.people[id] = self._workspace.settled(Person(id, name, flags))

    @control
    async def group(self, id: str, handle: str, users: Sequence[str] = ()) -> None:  # noqa: A002 - as above
        """Add the user group *id* with *users* in it."""
        self._workspace.groups[id] = handle
        self._workspace.grouped[id] = users

    @control
    async def channel(self, id: str, name: str) -> None:  # noqa: A002 - Slack's own word for it
        """Give the channel *id* a name."""
        self._workspace.names[id] = name

    @control
    async def topic(self, channel: str, text: str) -> None:
        """Let somebody write what *channel* is for."""
        self._workspace.topics[channel] = text

    @control
    async def limit(self, method: str, calls: int, seconds: float, retry_after: float = 10.0) -> None:
        """Allow *calls* of *method* in any *seconds*; past them refuse for *retry_after* seconds."""
        self._traffic.limit(method, Limit(calls, seconds, retry_after))

    def budgets(self) -> list[Budget]:
        """Return what is left of all limits."""
        return self._traffic.budgets()

    @control
    async def limits(self, *, on: bool) -> None:
        """Switch all limits on or off."""
        self._traffic.on = on

    @control
    async def latency(self, method: str, seconds: float) -> None:
        """Let calls of *method* ('*': of all others) take *seconds*, half of it before they take effect."""
        self._traffic.latency[method] = seconds

    @control
    async def fault(
        self,
        method: str,
        times: int = 1,
        status: int = 200,
        error: str = "",
        *,
        headers: dict[str, str] | None = None,
        body: Any = None,
        drop: bool = False,
        apply: bool = False,
        delay: float = 0.0,
        having: str = "",
    ) -> None:
        """Answer the next *times* calls of *method* otherwise.

        Args:
            method: The method; "link" for the websocket's handshake, "upload" and "download" for a file's
                bytes, "response_url" for a reply.
            times: How many calls.
            status: The HTTP status.
            error: The `error` of the JSON body.
            headers: More headers; a 429 carries no Retry-After unless it is here.
            body: Another body: JSON, or a string for text that is no JSON.
            drop: Close the connection without an answer.
            apply: Let the call take effect first, so that only its answer is lost.
            delay: Seconds before the answer.
            having: Only calls in which this argument is there and not empty: "blocks", "metadata".
        """
        fault = Fault(times, status, error, headers or {}, body, drop, apply, delay, having=having)
        self._traffic.add(method, fault)

    @control
    async def streams(
        self, life: float | None = None, size: int | None = None, *, trims: bool | None = None
    ) -> None:
        """Set what native streams allow.

        Args:
            life: Seconds that a stream lives from its start, whatever is appended.
            size: UTF-8 bytes that it holds.
            trims: Whether white space at the start of an appended text vanishes.
        """
        self._streams.life = self._streams.life if life is None else life
        self._streams.size = self._streams.size if size is None else size
        self._streams.trims = self._streams.trims if trims is None else trims

    @control
    async def code_entities(self, how: Code) -> None:
        """Set how readers see code in markdown blocks from now on: "literal", or with entities "decoded".

        Nobody has measured which; see `markdown`.
        """
        if how not in get_args(Code):
            raise ValueError(f"code is literal or decoded, not {how}")
        self._workspace.code = how

    @control
    async def redelivery(
        self, after: float = ACKNOWLEDGE_WITHIN, delays: Sequence[float] = RETRIES_AFTER
    ) -> None:
        """Set how long an envelope may stay unacknowledged, and the pause before each retry."""
        self._sockets.within = self._http.within = after
        self._sockets.retries = self._http.retries = tuple(delays)

    @control
    async def spread(self, *, on: bool = True) -> None:
        """Send each envelope over another connection than the one before, in turn; else over the newest."""
        self._sockets.spread = on

    @control
    async def redeliver(self, n: int = 1, event: str = "") -> None:
        """Send the last event, or the last of type *event*, *n* times more: same event_id, new envelope."""
        for _ in range(n):
            await (self._http if self._http.url else self._sockets).repeat(event)

    @control
    async def request_url(self, url: str, secret: str) -> bool:
        """Send events and presses to *url* ("": over sockets); tell whether it answered the challenge."""
        self._http.url, self._http.secret = url, secret
        return not url or await self._http.verify()

    @control
    async def replay(self) -> int:
        """Post the last request to the request URL once more, with its old signature; return the status."""
        return await self._http.replay()

    @control
    async def again(self, channel: str, ts: str) -> None:
        """Tell once more of a message, whenever it was written: the same events, with new event ids."""
        kept = self._present(channel, ts)
        root = self._workspace.find(channel, kept.thread_ts) if kept.thread_ts else None
        for event in shapes.posted(kept, root):
            self._workspace.tell(event)

    @control
    async def disconnect(self, reason: str = "refresh_requested", *, every: bool = False) -> None:
        """Tell the newest socket (or *every* one) to go: warning, refresh_requested, link_disabled."""
        await self._sockets.disconnect(reason, every=every)

    @control
    async def drop(self, *, every: bool = False) -> None:
        """Abort the TCP connection of the newest socket (or of *every* one)."""
        self._sockets.drop(every=every)

    # What people do.

    @control
    async def say(
        self,
        channel: str,
        user: str,
        text: str,
        thread_ts: str | None = None,
        *,
        subtype: str = "",
        attachments: Sequence[Json] = (),
        files: Sequence[str] | Mapping[str, str] = (),
        connected: bool = False,
    ) -> str:
        """Let *user* write *text* (mentions as `<@UBOT>`); return its ts.

        Args:
            channel: Where.
            user: Who.
            text: What; forwards need none.
            thread_ts: The root to reply to.
            subtype: "me_message", "thread_broadcast".
            attachments: What is forwarded, as the API has it.
            files: Names of files that come with it; or names with the content in base64.
            connected: Whether they come from another workspace.
        """
        who, text = self._workspace.person(user), content.wire(text)
        kept = Message(
            channel=channel,
            ts=self._workspace.ts(),
            user=user,
            text=text,
            thread_ts=thread_ts or "",
            blocks=shapes.rich_text(text) if text else [],
            team=who.team,
            client_msg_id=shapes.client_message_id(),
            subtype=subtype or ("file_share" if files else ""),
            attachments=list(attachments),
            files=given(files, user, self.url, connected=connected),
        )
        self._workspace.post(kept)
        return kept.ts

    @control
    async def lose_file(self, name: str) -> None:
        """Delete the files of this *name*, of which messages still tell."""
        self._api.downloads.lost.add(name)

    @control
    async def post_as(
        self,
        channel: str,
        user: str,
        text: str,
        bot_id: str = "BOTHER",
        *,
        thread_ts: str | None = None,
        subtype: str = "bot_message",
    ) -> str:
        """Let another bot post; return its ts.

        Args:
            channel: Where.
            user: The bot's user.
            text: What, mentions as `<@UBOT>`.
            bot_id: Its bot id.
            thread_ts: The root to reply to.
            subtype: 'bot_message' as classic integrations send it, '' for today's apps.
        """
        kept = Message(
            channel=channel,
            ts=self._workspace.ts(),
            user=user,
            text=text,
            thread_ts=thread_ts or "",
            bot_id=bot_id,
            app_id="AOTHER",
            subtype=subtype,
        )
        self._workspace.post(kept)
        return kept.ts

    @control
    async def edit(self, channel: str, ts: str, text: str) -> None:
        """Let the author of a message change its text."""
        kept, text = self._present(channel, ts), content.wire(text)
        edited = {"user": kept.user, "ts": self._workspace.ts()}
        self._workspace.change(kept, text=text, blocks=shapes.rich_text(text), edited=edited)

    @control
    async def delete(self, channel: str, ts: str) -> None:
        """Let somebody with the right to do so delete a message."""
        self._workspace.remove(self._present(channel, ts))

    @control
    async def react(self, channel: str, ts: str, user: str, reaction: str) -> None:
        """Let *user* (UBOT too) add a *reaction*, its name without colons."""
        self._workspace.person(user)
        self._workspace.react(self._present(channel, ts), user, reaction)

    @control
    async def unreact(self, channel: str, ts: str, user: str, reaction: str) -> None:
        """Let *user* take a *reaction* away."""
        self._workspace.unreact(self._present(channel, ts), user, reaction)

    @control
    async def press(self, channel: str, ts: str, user: str, label: str = "Stop") -> bool:
        """Let *user* press the button that reads *label*, or else contains it.

        Returns:
            Whether a socket was open; if not, the press is lost, as Slack retries none.

        Raises:
            LookupError: There is no such message, person or button.
        """
        kept, who = self._present(channel, ts), self._workspace.person(user)
        shown = [
            (content.decoded(one["text"]["text"]), block, one) for block, one in content.buttons(kept.blocks)
        ]
        named = [one for one in shown if one[0] == label] or [one for one in shown if label in one[0]]
        if not named:
            raise LookupError(f"no button {label!r} on {kept.key}, only {content.labels(kept.blocks)}")
        self.record("press", channel=channel, ts=ts, user=user, label=named[0][0])
        shape = self._workspace.shape(kept)
        pressed = shapes.block_actions(kept, who, *named[0][1:], ts=self._workspace.ts(), url=self.url)
        return await self._way.interact(self._pressed(who, pressed) | {"message": shape})

    @control
    async def stop_session(
        self, channel: str, thread_ts: str, user: str, streaming_message_ts: Sequence[str] = ()
    ) -> None:
        """Tell the app that *user* stopped a session, whether there is one or not."""
        self._workspace.tell(
            {
                "type": "agent_session_stopped",
                "channel": channel,
                "thread_ts": thread_ts,
                "user": user,
                "streaming_message_ts": list(streaming_message_ts),
                "event_ts": self._workspace.ts(),
            }
        )

    @control
    async def press_native_stop(self, channel: str, thread_ts: str, user: str) -> None:
        """Let *user* press Slack's own stop button, which shows while a session is processing.

        Raises:
            LookupError: There is no such button now.
        """
        self._workspace.person(user)
        stopped = self._streams.interrupt(channel, thread_ts)
        self.record("press", channel=channel, ts=thread_ts, user=user, label="Slack's own")
        await self.stop_session(channel, thread_ts, user, stopped)

    def _present(self, channel: str, ts: str) -> Message:
        kept = self._workspace.find(channel, ts)
        if kept is None:
            raise LookupError(f"no message {ts} in {channel}")
        return kept

    # What people see, and what a judge says.

    def content(self, channel: str, ts: str, number: int) -> bytes:
        """Return the bytes of a message's file *number*, or raise `LookupError`."""
        return self._present(channel, ts).files[number].data

    @control
    async def people(self) -> list[Json]:
        """Return all accounts as {id, name, flags}."""
        return [
            {"id": one.id, "name": one.name, "flags": one.flags} for one in self._workspace.people.values()
        ]

    @control
    async def message(self, channel: str, ts: str) -> Json:
        """Return one message, deleted or not, as a reader sees it.

        Returns:
            {ts, thread_ts, user, text, note, live, edits, deleted, blocks, controls, reactions, files};
            thread_ts is '' at top level, controls are the visible labels of its buttons, files are
            {name, size, text}.
        """
        return view(self._workspace.get(channel, ts), self._workspace.code)

    @control
    async def thread(self, channel: str, thread_ts: str) -> list[Json]:
        """Return the root, if it is known, and its replies, oldest first; see `message`."""
        root = [kept for kept in self._workspace.messages(channel) if kept.ts == thread_ts]
        below = self._workspace.replies(channel, thread_ts)
        return [view(kept, self._workspace.code) for kept in [*root, *below]]

    @control
    async def channel_messages(self, channel: str) -> list[Json]:
        """Return all messages of a channel, replies too, oldest first; see `message`."""
        return [view(kept, self._workspace.code) for kept in self._workspace.messages(channel)]

    @control
    async def verdict(self) -> Json:
        """Judge everything that the bot wrote.

        Returns:
            pings, unfurls and masks: of every version it wrote, {channel, ts} and token, url, or the text and
            target of a link that reads as the address of another host;
            live: "channel/ts" of messages with a Stop button or streaming; broken: streams that expired
            and were not written anew; never_final: messages that the bot showed as live and never finished,
            the broken among them; refused: how many 429s; errors: how many of each.
        """
        own = [kept for kept in self._workspace.everything() if kept.own]
        errors = Counter(entry["error"] for entry in self.log if entry["kind"] == "error")
        return {
            "pings": self._workspace.pings,
            "unfurls": self._workspace.unfurls,
            "masks": self._workspace.masks,
            "live": [kept.key for kept in own if kept.live],
            "broken": [kept.key for kept in own if kept.broken],
            "never_final": [kept.key for kept in own if kept.was_live and (kept.live or kept.broken)],
            "refused": sum(entry["kind"] == "429" for entry in self.log),
            "errors": dict(errors),
        }
