"""The Web API: arguments in, `{"ok": ...}` out.

Each method checks what Slack documents that it checks, in that order, and leaves the change to the
workspace.  Errors of the API are HTTP 200 with `ok: false`; only 429 is a status of its own.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection

from aiohttp import web

from adapters.emulators.slack import content, shapes
from adapters.emulators.slack.arguments import (
    Arguments,
    Refused,
    channel_of,
    cursor,
    digest,
    draft_of,
    read,
    uncursor,
    within,
    yes,
)
from adapters.emulators.slack.downloads import Downloads
from adapters.emulators.slack.oauth import OAuth, answered
from adapters.emulators.slack.shapes import Json, Message
from adapters.emulators.slack.streams import Streams
from adapters.emulators.slack.traffic import Fault, Traffic
from adapters.emulators.slack.uploads import Uploads
from adapters.emulators.slack.views import Views
from adapters.emulators.slack.workspace import Workspace

SCOPES = (
    "app_mentions:read,channels:history,channels:read,chat:write,commands,files:read,files:write,"
    "groups:history,groups:read,"
    "im:history,reactions:read,reactions:write,usergroups:read,users:read"
)
#: Page sizes when no limit is given [docs conversations.history, conversations.replies].
HISTORY_LIMIT, REPLIES_LIMIT, MOST = 100, 1_000, 1_000

_EMOJI = re.compile(r"[a-z0-9_+'-]+(::skin-tone-[2-6])?")


class WebApi:
    """All methods.

    Args:
        workspace: The state they read and change.
        streams: The native streams, and the sessions of agents.
        traffic: What calls meet before that.
        record: Adds an entry to the emulator's log.
        connect: Returns the address of a new Socket Mode connection.
        url: Returns where the emulator listens.
        views: The modals.
        oauth: The installations, where the app is installed by OAuth.
        teams: Returns the ids of all workspaces.

    Attributes:
        tokens: The bot tokens that are valid; None for every `xoxb-...`.  Not where there is OAuth.
        scopes: The value of the header `x-oauth-scopes`.
        uploads: The methods that upload files.
        downloads: What gives them out.
        revoked: The error with which the bot's token is refused.
        shortens, narrow: Characters of markdown past which it is cut, or refused; 0 for Slack's usual.
    """

    def __init__(
        self,
        workspace: Workspace,
        streams: Streams,
        traffic: Traffic,
        record: Callable[..., None],
        connect: Callable[[], str],
        url: Callable[[], str],
        views: Views,
        oauth: OAuth,
        teams: Callable[[], Collection[str]],
    ) -> None:
        self._oauth = oauth
        self._teams = teams
        self.tokens: set[str] | None = None
        self.scopes = SCOPES
        self.revoked = ""
        self.shortens = self.narrow = 0
        self._workspace = workspace
        self._traffic = traffic
        self._record = record
        self._connect = connect
        self.uploads = Uploads(workspace, record, lambda: self.scopes, url)
        self.downloads = Downloads(workspace, self._has)
        self._underway: set[asyncio.Task[web.StreamResponse]] = set()
        self._methods: dict[str, Callable[[Arguments], Json]] = {
            "agents.sessions.setStatus": streams.set_status,
            "auth.test": self._auth_test,
            "chat.appendStream": streams.append,
            "chat.delete": self._delete,
            "chat.postEphemeral": self._post_ephemeral,
            "chat.postMessage": self._post_message,
            "chat.startStream": streams.start,
            "chat.stopStream": streams.stop,
            "chat.update": self._update,
            "conversations.history": self._history,
            "conversations.info": self._conversation,
            "conversations.open": self._open,
            "conversations.replies": self._replies,
            "files.completeUploadExternal": self.uploads.complete,
            "files.getUploadURLExternal": self.uploads.ask,
            "files.info": self.downloads.info,
            "reactions.add": self._react,
            "reactions.get": self._reactions,
            "reactions.remove": self._unreact,
            "usergroups.list": self._groups,
            "usergroups.users.list": self._group,
            "users.info": self._user,
            "views.open": views.open,
        }

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Serve one call."""
        try:
            arguments = await read(request)
        except ValueError:
            return web.json_response({"ok": False, "error": "invalid_json"})
        # Slack finishes what it has read, even if the caller hangs up meanwhile.
        work = asyncio.get_running_loop().create_task(self._answer(request, arguments))
        self._underway.add(work)
        work.add_done_callback(self._underway.discard)
        return await asyncio.shield(work)

    async def close(self) -> None:
        """Give up the calls under way."""
        for work in self._underway:
            work.cancel()
        await asyncio.gather(*self._underway, return_exceptions=True)

    async def _answer(self, request: web.Request, arguments: Arguments) -> web.StreamResponse:
        method = request.match_info["method"]
        names = ("channel", "channel_id", "ts", "timestamp", "thread_ts", "name", "status", "user")
        seen = {name: arguments[name] for name in names if name in arguments}
        if "timestamp" in seen:
            seen["ts"] = seen.pop("timestamp")
        if "channel_id" in seen:
            seen["channel"] = seen.pop("channel_id")
        body = digest(arguments)
        self._record("call", method=method, body=body, team=self._workspace.team.id, **seen)
        fault = self._traffic.fault(method, arguments)
        if fault and not fault.apply:
            return await self._fail(request, method, fault, body)
        wait = self._traffic.refuse(method, str(arguments.get("channel", "")))
        half = self._traffic.delay(method) / 2
        await asyncio.sleep(half)
        _, _, basic = request.headers.get("Authorization", "").partition("Basic ")
        answer = {"ok": False, "error": "ratelimited"} if wait else self._apply(method, arguments, basic)
        await asyncio.sleep(half)
        if fault:
            return await self._fail(request, method, fault, body)
        if wait:
            self._record("429", method=method)
            return web.json_response(answer, status=429, headers={"Retry-After": str(wait)})
        if not answer["ok"]:
            self._record("error", method=method, error=answer["error"], body=body)
        return web.json_response(answer, headers={"x-oauth-scopes": self.scopes})

    def _apply(self, method: str, arguments: Arguments, basic: str) -> Json:
        match method:
            case "api.test":  # needs no token [docs]
                return {"ok": True, "args": {}}
            case "oauth.v2.access":
                return answered(lambda: self._oauth.access(arguments, basic))
            case "auth.revoke" if self._oauth.on:
                return answered(lambda: self._oauth.revoke(arguments))
            case "auth.teams.list" if self._oauth.on:
                return answered(lambda: self._oauth.teams(arguments, self._teams()))
            case "apps.connections.open":
                return answered(lambda: self._open_connection(arguments))
        return self._applied(method, arguments)

    def _applied(self, method: str, arguments: Arguments) -> Json:
        """Return the answer of a method of the workspace's."""
        try:
            if method not in self._methods:
                raise Refused("unknown_method", req_method=method)
            self._authorize(arguments)
            self._belong(arguments)
            cut = self._shorten(arguments)
            body = {"ok": True, **self._methods[method](arguments)}
            return body | ({"warning": "message_truncated"} if cut else {})
        except Refused as refused:
            return refused.body

    async def _fail(self, request: web.Request, method: str, fault: Fault, body: str) -> web.StreamResponse:
        await asyncio.sleep(fault.delay)
        if fault.status == 429:
            self._record("429", method=method)
        else:
            self._record("error", method=method, error=fault.error or f"http {fault.status}", body=body)
        return hang_up(request) if fault.drop else faulty(fault)

    def _authorize(self, arguments: Arguments) -> None:
        token = arguments.get("token", "")
        if not token:
            raise Refused("not_authed")
        if self.revoked:
            raise Refused(self.revoked)
        if self._oauth.on:
            if self._workspace.team.id not in self._oauth.expect_good(token).ids:
                raise Refused("team_access_not_granted")
            return
        if token not in self.tokens if self.tokens is not None else not token.startswith("xoxb-"):
            raise Refused("invalid_auth")

    def _belong(self, arguments: Arguments) -> None:
        """Refuse what is done in a channel that the bot is no member of; a private one is not even shown."""
        if (channel := str(arguments.get("channel", ""))) in self._workspace.absent:
            raise Refused("not_in_channel" if channel.startswith("C") else "channel_not_found")

    def _has(self, token: str, scope: str) -> bool:
        """Tell whether *token* is good, and the app has *scope*."""
        try:
            self._authorize({"token": token})
        except Refused:
            return False
        return scope in self.scopes.split(",")

    def _shorten(self, arguments: Arguments) -> bool:
        """Cut the markdown of a call, where that is set; tell whether it was."""
        if not (self.shortens or self.narrow):
            return False
        blocks = [block for block in arguments.get("blocks") or () if block.get("type") == "markdown"]
        texts = [(block, "text") for block in blocks] or [(arguments, "markdown_text")]
        size = sum(len(str(holder.get(name) or "")) for holder, name in texts)
        if self.narrow and size > self.narrow:
            raise Refused("msg_too_long")
        if not (self.shortens and size > self.shortens):
            return False
        holder, name = texts[0]
        holder[name] = holder[name][: self.shortens]
        return True

    def _open_connection(self, arguments: Arguments) -> Json:
        token = arguments.get("token", "")
        if not token.startswith("xapp-"):
            raise Refused("not_allowed_token_type" if token else "not_authed")
        return {"url": self._connect()}

    def _auth_test(self, _: Arguments) -> Json:
        team = self._workspace.team
        return {
            "url": "https://emulated.slack.com/",
            "team": "Emulated",
            "user": "rivulet",
            "team_id": team.enterprise if team.whole else team.id,
            **({"enterprise_id": team.enterprise} if team.enterprise else {}),
            "user_id": self._workspace.team.bot_user,
            "bot_id": self._workspace.team.bot_id,
            "is_enterprise_install": self._workspace.team.whole,
        }

    def _post_message(self, arguments: Arguments) -> Json:
        channel = channel_of(arguments, people=True)
        draft = draft_of(arguments)
        kept = Message(
            channel=channel,
            ts=self._workspace.ts(),
            user=self._workspace.team.bot_user,
            text=draft.text[: content.POST_CHARACTERS],
            thread_ts=str(arguments.get("thread_ts") or ""),
            blocks=shapes.blocks_kept(draft.blocks),
            metadata=arguments.get("metadata") or None,
            bot_id=self._workspace.team.bot_id,
            app_id=shapes.APP,
        )
        self._workspace.post(kept)
        self._workspace.judge(kept, linked=draft.linked, unfurled=draft.unfurled)
        body: Json = {"channel": channel, "ts": kept.ts, "message": self._workspace.shape(kept)}
        if len(draft.text) > content.POST_CHARACTERS:
            body |= {"warning": "message_truncated"}
            body |= {"response_metadata": {"warnings": ["message_truncated"]}}
        return body

    def _update(self, arguments: Arguments) -> Json:
        kept = self._own(arguments, "cant_update_message")
        if kept.streaming:
            raise Refused("streaming_state_conflict")
        if len(str(arguments.get("text") or "").encode()) > content.UPDATE_BYTES:
            raise Refused("msg_too_long")
        draft = draft_of(arguments)
        # Text without blocks removes the old blocks and is flagged as edited [docs chat.update].
        edited = None if draft.blocks else {"user": self._workspace.team.bot_user, "ts": self._workspace.ts()}
        self._workspace.change(
            kept,
            text=draft.text,
            blocks=shapes.blocks_kept(draft.blocks),
            edited=edited,
            streams_until=0.0,
            metadata=(arguments["metadata"] or None) if "metadata" in arguments else kept.metadata,
        )
        self._workspace.judge(kept, linked=draft.linked, unfurled=False)
        shape = self._workspace.shape(kept)
        return {"channel": kept.channel, "ts": kept.ts, "text": kept.text, "message": shape}

    def _delete(self, arguments: Arguments) -> Json:
        kept = self._own(arguments, "cant_delete_message")
        if kept.streaming:
            raise Refused("cant_delete_message")
        self._workspace.remove(kept)
        return {"channel": kept.channel, "ts": kept.ts}

    def _post_ephemeral(self, arguments: Arguments) -> Json:
        channel = channel_of(arguments)
        draft = draft_of(arguments)
        if arguments.get("user") not in self._workspace.people:
            raise Refused("user_not_in_channel")
        text = content.visible(draft.text, draft.blocks, self._workspace.code)
        ts = self._workspace.ts()
        thread = str(arguments.get("thread_ts") or "")
        self._record("ephemeral", channel=channel, ts=ts, thread_ts=thread, user=arguments["user"], text=text)
        return {"message_ts": ts}

    def _react(self, arguments: Arguments) -> Json:
        if not self._workspace.react(
            self._reacted(arguments), self._workspace.team.bot_user, arguments["name"]
        ):
            raise Refused("already_reacted")
        return {}

    def _unreact(self, arguments: Arguments) -> Json:
        if not self._workspace.unreact(
            self._reacted(arguments), self._workspace.team.bot_user, arguments["name"]
        ):
            raise Refused("no_reaction")
        return {}

    def _reactions(self, arguments: Arguments) -> Json:
        """Return a message with its reactions [docs reactions.get]; `full` is what it does here anyway."""
        kept = self._there(arguments, "timestamp")
        link = f"https://emulated.slack.com/archives/{kept.channel}/p{kept.ts.replace('.', '')}"
        return {
            "type": "message",
            "channel": kept.channel,
            "message": self._workspace.shape(kept) | {"permalink": link},
        }

    def _reacted(self, arguments: Arguments) -> Message:
        if not _EMOJI.fullmatch(str(arguments.get("name", ""))):
            raise Refused("invalid_name")
        return self._there(arguments, "timestamp")

    def _history(self, arguments: Arguments) -> Json:
        kept = [kept for kept in self._workspace.messages(channel_of(arguments)) if not kept.thread_ts]
        page = [one for one in reversed(kept) if self._remains(one) and within(one.ts, arguments)]
        return self._page(page, arguments, HISTORY_LIMIT)

    def _replies(self, arguments: Arguments) -> Json:
        channel, ts = channel_of(arguments), str(arguments.get("ts", ""))
        known = {kept.ts: kept for kept in self._workspace.messages(channel)}
        if ts not in known or not self._remains(known[ts]):
            raise Refused("thread_not_found")
        below = [kept for kept in self._workspace.replies(channel, ts) if not kept.deleted]
        found = [known[ts], *(kept for kept in below if within(kept.ts, arguments))]
        return self._page(found, arguments, REPLIES_LIMIT)

    def _remains(self, kept: Message) -> bool:
        """Tell whether a message is listed: it is there, or is a tombstone on top of its thread."""
        below = self._workspace.replies(kept.channel, kept.ts) if kept.deleted else []
        return not kept.deleted or any(not reply.deleted for reply in below)

    def _page(self, found: list[Message], arguments: Arguments, limit: int) -> Json:
        limit = min(int(arguments.get("limit") or limit), MOST)
        start = 0
        if given := arguments.get("cursor"):
            after = uncursor(str(given))
            start = next((n + 1 for n, kept in enumerate(found) if kept.ts == after), len(found))
        page, more = found[start : start + limit], len(found) > start + limit
        metadata = yes(arguments.get("include_all_metadata"))
        body: Json = {
            "messages": [self._workspace.shape(kept, metadata=metadata) for kept in page],
            "has_more": more,
        }
        return body | ({"response_metadata": {"next_cursor": cursor(page[-1].ts)}} if more else {})

    def _conversation(self, arguments: Arguments) -> Json:
        channel = channel_of(arguments)
        direct, private = channel.startswith("D"), channel.startswith("G")
        shape: Json = {
            "id": channel,
            "created": 1_700_000_000,
            "is_archived": False,
            "is_im": direct,
            "is_channel": not direct and not private,
            "is_group": private,
            "is_mpim": False,
            "is_private": direct or private,
            "is_ext_shared": False,
            "context_team_id": self._workspace.team.id,
        }
        topic = {"value": self._workspace.topics.get(channel, ""), "creator": "U1", "last_set": 0}
        name = self._workspace.names.get(channel, channel.lower())
        named = {"user": "U1"} if direct else {"name": name, "is_member": True, "topic": topic}
        return {"channel": shape | named}

    def _open(self, arguments: Arguments) -> Json:
        user = str(arguments.get("users", ""))
        if user not in self._workspace.people:
            raise Refused("user_not_found")
        return {"channel": {"id": f"D{user}"}}

    def _user(self, arguments: Arguments) -> Json:
        who = self._workspace.people.get(str(arguments.get("user", "")))
        if who is None:
            raise Refused("user_not_found")
        return {"user": shapes.account(who)}

    def _expect_team(self, arguments: Arguments) -> None:
        """Refuse a call that must say which of an organization's workspaces it is about [docs]."""
        if self._workspace.team.whole and not arguments.get("team_id"):
            raise Refused("missing_argument")

    def _groups(self, arguments: Arguments) -> Json:
        named = self._workspace.groups.items()
        self._expect_team(arguments)
        return {
            "usergroups": [{"id": id_, "handle": handle, "name": handle.title()} for id_, handle in named]
        }

    def _group(self, arguments: Arguments) -> Json:
        """Tell who is in a user group [docs, usergroups.users.list]."""
        self._expect_team(arguments)
        id_ = str(arguments.get("usergroup", ""))
        if id_ not in self._workspace.groups:
            raise Refused("no_such_subteam")
        return {"users": [*self._workspace.grouped.get(id_, ())]}

    def _own(self, arguments: Arguments, error: str) -> Message:
        kept = self._there(arguments, "ts")
        if not kept.own:
            raise Refused(error)
        return kept

    def _there(self, arguments: Arguments, name: str) -> Message:
        kept = self._workspace.find(channel_of(arguments), str(arguments.get(name, "")))
        if kept is None:
            raise Refused("message_not_found")
        return kept


def faulty(fault: Fault) -> web.Response:
    """Return the answer that *fault* prescribes."""
    if fault.raw:
        return web.Response(
            status=fault.status, headers=fault.headers, body=fault.raw, content_type=fault.kind
        )
    if isinstance(fault.body, str):
        return web.Response(
            status=fault.status, headers=fault.headers, text=fault.body, content_type="text/html"
        )
    error = fault.error or ("ratelimited" if fault.status == 429 else "internal_error")
    body = {"ok": False, "error": error} if fault.body is None else fault.body
    return web.json_response(body, status=fault.status, headers=fault.headers)


def hang_up(request: web.Request) -> web.Response:
    """Close the TCP connection without an answer."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()
