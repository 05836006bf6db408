"""The pages by which workspaces install the bot: Bolt's OAuth flow, and who may.

Rule 1: nothing is kept of a workspace that neither a link, nor the operator's list, nor an installation that
is there already lets in; its token is given back.
Rule 2: where Slack sends browsers back to is the operator's setting; what a request says of its host is not
looked at.
Rule 3: what goes wrong is said on one page; the log has Slack's word for it, and no code, state or token.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp
import structlog
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.error import BoltError
from slack_bolt.oauth.async_callback_options import AsyncCallbackOptions, AsyncFailureArgs, AsyncSuccessArgs
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.slack.incoming.bolt import bolt_log
from adapters.slack.rights import PARTS, SCOPES, chosen
from adapters.slack.settings import TEAM_ID, Settings
from adapters.slack.several import pages
from adapters.slack.several.claims import Claims
from adapters.slack.several.installations import Installations, name_of
from adapters.slack.several.seal import Ticket, Tickets
from adapters.slack.wire.errors import code_of
from adapters.slack.wire.web import Web

log = structlog.get_logger(__name__)

INSTALL, REDIRECT = "/slack/install", "/slack/oauth_redirect"
#: The parameter that a link's ticket comes in.
KEY = "key"

#: Takes an installation that is kept.
Add = Callable[[Installation], Awaitable[None]]


class NotAdmittedError(BoltError):
    """A workspace may not install the bot."""


class Asker(Web):
    """A client without a token, which logs why Slack refuses what it asks."""

    async def api_call(self, api_method: str, **options: object) -> AsyncSlackResponse:
        """See `Web.api_call`."""
        try:
            return await super().api_call(api_method, **options)
        except SlackApiError as error:
            log.warning("Slack refuses an installation", method=api_method, error=code_of(error))
            raise


class States(AsyncOAuthStateStore):
    """States that are good once, for ten minutes; see `AsyncOAuthStateStore`."""

    def __init__(self, tickets: Tickets, claims: Claims) -> None:
        self._tickets = tickets
        self._claims = claims

    async def async_issue(self, *args: object, **kwargs: object) -> str:
        """Return a new one, which carries the name of a link, the first of *args*."""
        return self._tickets.issue(secrets.token_hex(16), time.time(), str(args[0]) if args else "")

    async def async_consume(self, state: str) -> bool:
        """Tell whether *state* is good, which it is then no more."""
        ticket = self._tickets.read(state, time.time())
        return ticket is not None and await self._claims.claim(ticket.name, time.time())

    def link(self, state: str) -> str:
        """Return the name of the link that *state* carries; "" for none."""
        ticket = self._tickets.read(state, time.time())
        return ticket.carries if ticket else ""


class Flow(AsyncOAuthFlow):
    """Bolt's flow, with the links that let workspaces in.

    Args:
        settings: The operator's.
        store: Keeps installations.
        states: Makes states.
        links: Reads links.
        claims: Says which link was used.
        client: Asks Slack.
        add: Takes what was installed.
    """

    def __init__(
        self,
        settings: Settings,
        store: Installations,
        states: States,
        links: Tickets,
        claims: Claims,
        client: Web,
        add: Add,
    ) -> None:
        self._admits = frozenset(settings.workspaces)
        self._store = store
        self._states = states
        self._links = links
        self._claims = claims
        self._add = add
        super().__init__(client=client, logger=bolt_log, settings=_oauth(settings, store, states))

    async def begin(self, request: AsyncBoltRequest) -> BoltResponse:
        """Return the page that leads to Slack; without a good link, only where others are let in.

        Raises:
            OSError: It can't be told whether the link was used.
        """
        ticket = self._ticket(request)
        if ticket and await self._claims.used(ticket.name):
            return shown(*pages.USED_LINK, status=410)
        if not ticket and not self._admits:
            return shown(*pages.NO_LINK, status=403)
        return await self.handle_installation(request)

    def _ticket(self, request: AsyncBoltRequest) -> Ticket | None:
        [given, *_] = [*request.query.get(KEY, ()), ""]
        return self._links.read(given, time.time())

    async def issue_new_state(self, request: AsyncBoltRequest) -> str:
        """Return a state that carries the link of *request*."""
        ticket = self._ticket(request)
        return await self._states.async_issue(ticket.name if ticket else "")

    async def build_authorize_url(self, state: str, request: AsyncBoltRequest) -> str:
        """Return Slack's address; of *request* nothing goes into it but the id of a workspace."""
        [team, *_] = [*request.query.get("team", ()), ""]
        known = team if TEAM_ID.fullmatch(team) else None
        return str(self.settings.authorize_url_generator.generate(state=state, team=known))

    async def build_install_page_html(self, url: str, request: AsyncBoltRequest) -> str:
        """Return our page."""
        text = "Slack asks you for a workspace, and shows what the bot may do there."
        return pages.page("Add Rivulet to Slack", text, (url, "Add to Slack"))

    async def store_installation(self, request: AsyncBoltRequest, installation: Installation) -> None:
        """Keep *installation*, if it is let in.

        Raises:
            NotAdmittedError: It is not.
            BoltError: It can't be kept, or is none.
        """
        try:
            name_of(installation.enterprise_id, installation.team_id)
            if not (installation.bot_token and installation.bot_user_id):
                raise ValueError("no bot")
        except ValueError as error:
            raise BoltError("Slack's answer makes no sense") from error
        try:
            admitted = await self._admitted(request, installation)
            if admitted:
                await self._store.async_save(installation)
                await self._add(installation)
        except OSError as error:
            log.warning("an installation was not kept", error=str(error))
            raise BoltError("not kept") from error
        if not admitted:
            await self._give_back(installation)
            raise NotAdmittedError("not admitted")

    async def _admitted(self, request: AsyncBoltRequest, installation: Installation) -> bool:
        """Tell whether *installation* is let in; the link that does it is used then."""
        ids = {installation.enterprise_id, installation.team_id}
        if ids & self._admits:
            return True
        there = await self._store.async_find_installation(
            enterprise_id=installation.enterprise_id,
            team_id=installation.team_id,
            is_enterprise_install=installation.is_enterprise_install,
        )
        link = self._states.link(request.query["state"][0])
        return there is not None or (bool(link) and await self._claims.claim(link, time.time()))

    async def _give_back(self, installation: Installation) -> None:
        log.warning(
            "a workspace that is not let in has tried to install the bot",
            workspace=installation.team_id,
            organization=installation.enterprise_id,
        )
        with suppress(SlackApiError, OSError, aiohttp.ClientError):
            await self.client.auth_revoke(token=installation.bot_token)


class Door:
    """The routes; while there is no `flow`, they say that the bot is starting.

    Attributes:
        flow: What serves them.
    """

    def __init__(self) -> None:
        self.flow: Flow | None = None
        self.routes = [web.get(INSTALL, self._install), web.get(REDIRECT, self._return)]

    async def _install(self, request: web.Request) -> web.Response:
        return await self._served(request, lambda flow, asked: flow.begin(asked))

    async def _return(self, request: web.Request) -> web.Response:
        return await self._served(request, lambda flow, asked: flow.handle_callback(asked))

    async def _served(
        self, request: web.Request, serve: Callable[[Flow, AsyncBoltRequest], Awaitable[BoltResponse]]
    ) -> web.Response:
        if self.flow is None:
            return _page(*pages.STARTING, status=503)
        asked = AsyncBoltRequest(body="", query=request.query_string, headers=dict(request.headers))
        try:
            answer = await serve(self.flow, asked)
        except (OSError, aiohttp.ClientError, SlackApiError) as error:
            log.warning("an installation failed", reason=type(error).__name__)
            return _page(*pages.AWAY, status=503)
        response = await to_aiohttp_response(answer)
        response.headers.update(pages.HEADERS)
        return response


def shown(title: str, text: str, status: int) -> BoltResponse:
    """Return a page."""
    return BoltResponse(status=status, body=pages.page(title, text), headers=dict(pages.HEADERS))


def authorization_url(api: str) -> str:
    """Return where Slack asks people, for a Web API at *api*: that of another Slack has one of its own."""
    return f"{api.rstrip('/').removesuffix('/api')}/oauth/v2/authorize"


def _page(title: str, text: str, status: int) -> web.Response:
    return web.Response(status=status, body=pages.page(title, text).encode(), headers=pages.HEADERS)


def _oauth(settings: Settings, store: Installations, states: States) -> AsyncOAuthSettings:
    return AsyncOAuthSettings(
        client_id=settings.client_id,
        client_secret=settings.client_secret.get_secret_value(),
        scopes=[right.name for right in chosen(SCOPES, PARTS)],
        user_scopes=[],
        redirect_uri=f"{settings.url}{REDIRECT}",
        install_path=INSTALL,
        redirect_uri_path=REDIRECT,
        callback_options=AsyncCallbackOptions(success=_succeeded, failure=_failed),
        authorization_url=authorization_url(settings.api_url),
        installation_store=store,
        state_store=states,
        logger=bolt_log,
    )


async def _succeeded(args: AsyncSuccessArgs) -> BoltResponse:
    made = args.installation
    where = made.enterprise_name if made.is_enterprise_install else made.team_name
    return _ended(args.settings, *pages.installed(str(where or "")), status=200)


async def _failed(args: AsyncFailureArgs) -> BoltResponse:
    if isinstance(args.error, NotAdmittedError):
        return _ended(args.settings, *pages.NOT_ADMITTED, status=403)
    return _ended(args.settings, *pages.failed(args.reason), status=args.suggested_status_code)


def _ended(settings: AsyncOAuthSettings, title: str, text: str, status: int) -> BoltResponse:
    """Return a page after which the state is forgotten by the browser."""
    answer = shown(title, text, status)
    answer.headers["set-cookie"] = [settings.state_utils.build_set_cookie_for_deletion()]
    return answer
