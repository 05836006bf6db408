"""Installing the app by OAuth: what people allow, the codes and tokens of it, and how they end.

[docs installing-with-oauth, oauth.v2.access, using-token-rotation, auth.revoke, auth.teams.list, and the
pages of app_uninstalled and tokens_revoked]  It knows no HTTP and no messages.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

from adapters.emulators.slack.arguments import Arguments, Refused
from adapters.emulators.slack.shapes import APP, Json

#: "The code is good for ten minutes"; "Access tokens expire every 12 hours" [docs].
CODE_LIFE, TOKEN_LIFE = 600.0, 43_200


@dataclass
class App:
    """What the app's pages say of it.

    Attributes:
        client_id, client_secret: Its credentials; "" for an app that is not installed by OAuth.
        redirects: Its redirect URLs.
        rotates: Whether token rotation is on.
    """

    client_id: str = ""
    client_secret: str = ""
    redirects: Sequence[str] = ()
    rotates: bool = False


@dataclass
class Installed:
    """An installation: in one workspace, or in an organization.

    Attributes:
        ids: The ids of the workspaces in which it is good.
        over: Slack's word for why its tokens are good no more; "" while they are.
        tokens: Its access tokens, each with when it ends, on the wall clock.
        refresh: Its refresh token, where the app's tokens rotate.
    """

    enterprise: str
    team: str
    bot_user: str
    user: str
    scope: str
    ids: set[str] = field(default_factory=set)
    over: str = ""
    tokens: dict[str, float] = field(default_factory=dict)
    refresh: str = ""

    @property
    def whole(self) -> bool:
        """Whether it is an organization's."""
        return not self.team


@dataclass
class Code:
    """What one yes of a person is worth."""

    installed: Installed
    redirect: str
    made: float
    used: bool = False


class OAuth:
    """All installations.

    Args:
        record: Adds an entry to the emulator's log.

    Attributes:
        app: What is set up.
        aged: Seconds that are added to the age of each code.
    """

    def __init__(self, record: Callable[..., None]) -> None:
        self.app = App()
        self.aged = 0.0
        self.installed: list[Installed] = []
        self._codes: dict[str, Code] = {}
        self._record = record

    @property
    def on(self) -> bool:
        """Whether the app is installed by OAuth."""
        return bool(self.app.client_id)

    def of(self, token: str) -> Installed | None:
        """Return the installation that *token* was ever good for."""
        return next((each for each in self.installed if token in each.tokens), None)

    def expect_good(self, token: str) -> Installed:
        """Return the installation that *token* is good for, or refuse it."""
        if not token:
            raise Refused("not_authed")
        found = self.of(token)
        if found is None:
            raise Refused("invalid_auth")
        if found.over:
            raise Refused(found.over)
        if found.tokens[token] <= time.time():
            raise Refused("token_expired")
        return found

    def allow(self, url: str, installed: Installed | None) -> str:
        """Return where the browser goes that opened *url* at Slack: back to the app, with a code or an error.

        Args:
            url: The address that the app sent somebody to.
            installed: What they allow, for now without scopes; None for "Cancel".

        Raises:
            ValueError: Slack shows its own page with what is wrong, and sends nobody anywhere.
        """
        asked = parse_qs(urlsplit(url).query)
        if any(len(values) > 1 for values in asked.values()):
            raise ValueError("a parameter is there twice")
        given = {name: values[0] for name, values in asked.items()}
        if given.get("client_id") != self.app.client_id:
            raise ValueError("Invalid client_id parameter")
        redirect = given.get("redirect_uri", [*self.app.redirects, ""][0])
        if not matches(redirect, self.app.redirects):
            raise ValueError("redirect_uri did not match any configured URIs")
        if not given.get("scope"):
            raise ValueError("no scopes")
        state = {"state": given["state"]} if "state" in given else {}
        if installed is None:
            return f"{redirect}?{urlencode({'error': 'access_denied', **state})}"
        installed.scope = given["scope"]
        code = f"{secrets.randbelow(10**10)}.{secrets.randbelow(10**13)}.{secrets.token_hex(32)}"
        self._codes[code] = Code(installed, given.get("redirect_uri", ""), time.monotonic())
        return f"{redirect}?{urlencode({'code': code, **state})}"

    def access(self, arguments: Arguments, basic: str) -> Json:
        """Serve oauth.v2.access; *basic* is what the Authorization header says after "Basic"."""
        self._expect_client(arguments, basic)
        kind = arguments.get("grant_type", "authorization_code")
        if kind == "refresh_token":
            return self._refreshed(str(arguments.get("refresh_token") or ""))
        if kind != "authorization_code":
            raise Refused("invalid_grant_type")
        code = self._codes.get(str(arguments.get("code") or ""))
        if code is None or time.monotonic() - code.made + self.aged > CODE_LIFE:
            raise Refused("invalid_code")
        if code.used:
            raise Refused("code_already_used")
        if str(arguments.get("redirect_uri") or "") != code.redirect:
            raise Refused("bad_redirect_uri")
        code.used = True
        return self._told(self._installed(code.installed))

    def _expect_client(self, arguments: Arguments, basic: str) -> None:
        try:
            name, _, secret = base64.b64decode(basic).decode().partition(":")
        except ValueError:
            name = secret = ""
        name, secret = name or str(arguments.get("client_id")), secret or str(arguments.get("client_secret"))
        if not self.on or name != self.app.client_id:
            raise Refused("invalid_client_id")
        if secret != self.app.client_secret:
            raise Refused("bad_client_secret")

    def _installed(self, new: Installed) -> Installed:
        """Return the installation that *new* is from now on: one that is there gets no other token."""
        for known in self.installed:
            if (known.enterprise, known.team) == (new.enterprise, new.team) and not known.over:
                known.scope, known.user = new.scope, new.user
                if self.app.rotates:
                    self._renew(known)
                return known
        self.installed.append(new)
        self._renew(new)
        self._record("install", team=new.team, enterprise=new.enterprise)
        return new

    def _renew(self, known: Installed) -> None:
        kind = "xoxe.xoxb-1-" if self.app.rotates else "xoxb-"
        end = time.time() + TOKEN_LIFE if self.app.rotates else float("inf")
        known.tokens[kind + secrets.token_hex(12)] = end
        known.refresh = f"xoxe-1-{secrets.token_hex(16)}" if self.app.rotates else ""

    def _refreshed(self, token: str) -> Json:
        for known in self.installed:
            if token and known.refresh == token and not known.over:
                self._renew(known)
                return self._told(known)
        raise Refused("invalid_refresh_token")

    def _told(self, known: Installed) -> Json:
        """Return what the app is told of an installation."""
        team = None if known.whole else {"id": known.team, "name": f"Team {known.team}"}
        enterprise = {"id": known.enterprise, "name": f"Org {known.enterprise}"} if known.enterprise else None
        rotating = {"expires_in": TOKEN_LIFE, "refresh_token": known.refresh} if self.app.rotates else {}
        return {
            "access_token": [*known.tokens][-1],
            "token_type": "bot",
            "scope": known.scope,
            "bot_user_id": known.bot_user,
            "app_id": APP,
            "team": team,
            "enterprise": enterprise,
            "is_enterprise_install": known.whole,
            "authed_user": {"id": known.user},
            **rotating,
        }

    def revoke(self, arguments: Arguments) -> Json:
        """Serve auth.revoke."""
        self.expect_good(str(arguments.get("token") or "")).over = "token_revoked"
        return {"revoked": True}

    def teams(self, arguments: Arguments, ids: Collection[str]) -> Json:
        """Serve auth.teams.list; *ids* are all workspaces that there are."""
        known = self.expect_good(str(arguments.get("token") or ""))
        found = sorted(known.ids & set(ids))
        start, most = int(arguments.get("cursor") or 0), int(arguments.get("limit") or 100)
        after = str(start + most) if start + most < len(found) else ""
        teams = [{"id": each, "name": f"Team {each}"} for each in found[start : start + most]]
        return {"teams": teams, "response_metadata": {"next_cursor": after}}


def matches(redirect: str, known: Sequence[str]) -> bool:
    """Tell whether *redirect* is at, or below, one of the app's redirect URLs: same scheme and host."""
    given = urlsplit(redirect)
    for each in known:
        there = urlsplit(each)
        below = given.path == there.path or given.path.startswith(there.path.rstrip("/") + "/")
        if (given.scheme, given.netloc) == (there.scheme, there.netloc) and below:
            return True
    return False


def answered(serve: Callable[[], Mapping[str, object]]) -> Json:
    """Return what *serve* returns, or refuses with."""
    try:
        return {"ok": True, **serve()}
    except Refused as refused:
        return refused.body
