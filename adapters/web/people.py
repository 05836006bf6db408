"""Who is asking: the machine's own user on loopback, else who has signed in with a token of the operator's.

A session's cookie is signed with the person's token, so it outlives a restart of the bot, and a token that
was taken away or changed ends all sessions that were begun with it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Mapping
from urllib.parse import urlsplit

from aiohttp import web

from adapters.web.settings import is_loopback
from bot.platform import Actor

WORKSPACE = "web"
#: Whoever sits at this machine.
ME = Actor("you", "you", workspace=WORKSPACE, owner=True)
#: Seconds that a session lasts, and how many a person may have; the oldest ends.
LASTS = 30 * 86_400
MOST = 20
#: Wrong tokens of one address in a minute, and addresses that are remembered.
WRONG, SPAN, ADDRESSES = 10, 60.0, 1000
#: Sessions that were ended and are remembered.
ENDED = 10_000


class Refusal(Exception):
    """A request that is not heeded.

    Args:
        status: Its HTTP status.
        why: One line for people.
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class People:
    """Who may use the page.

    Args:
        tokens: Each person's token, by name; none where this machine's user is the only one.
        origin: What browsers call the page's origin; "" for this machine.
    """

    def __init__(self, tokens: Mapping[str, str], origin: str) -> None:
        self._tokens = tokens
        self._origin = origin
        self._sessions: defaultdict[str, OrderedDict[str, None]] = defaultdict(OrderedDict)
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self.secure = origin.startswith("https:")
        self.cookie = "__Host-rivulet" if self.secure else "rivulet"

    @property
    def open(self) -> bool:
        """Whether nobody has to sign in."""
        return not self._tokens

    def expect_host(self, request: web.Request) -> None:
        """Raise `Refusal` unless *request* is meant for this server: others may point their names at it."""
        host = request.headers.get("Host", "").lower()
        if self._origin:
            port = ":443" if self.secure else ":80"
            known = host.removesuffix(port) == urlsplit(self._origin).netloc
        else:
            known = is_loopback(_name(host))
        if not known:
            raise Refusal(421, "This server is not known by that name; the operator sets RIVULET_WEB_URL.")

    def expect_origin(self, request: web.Request) -> None:
        """Raise `Refusal` unless the request comes from this server's own page."""
        expected = self._origin or f"http://{request.headers.get('Host', '').lower()}"
        origin = request.headers.get("Origin", "").lower()
        if origin != expected and (origin or request.method != "GET"):
            raise Refusal(403, "This request came from another page.")
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            raise Refusal(403, "This request came from another page.")

    def of(self, request: web.Request) -> Actor:
        """Return who makes *request*; raise `Refusal` if nobody is signed in."""
        if self.open:
            return ME
        name, session = self._read(request.cookies.get(self.cookie, ""))
        sessions = self._sessions[name]
        sessions[session] = None
        sessions.move_to_end(session)
        if len(sessions) > MOST:
            self._end(sessions.popitem(last=False)[0])
        return Actor(name, name, workspace=WORKSPACE)

    def sign_in(self, token: str, address: str) -> str:
        """Return the cookie of a new session for who has *token*; raise `Refusal` if nobody has."""
        self._expect_patience(address)
        found = [name for name, each in self._tokens.items() if _same(each, token)]
        if not found:
            self._wrong.setdefault(address, deque(maxlen=WRONG)).append(time.monotonic())
            if len(self._wrong) > ADDRESSES:
                self._wrong.popitem(last=False)
            raise Refusal(
                401, "That is nobody's token. Look whether it is whole, or ask the operator for a new one."
            )
        name = base64.urlsafe_b64encode(found[0].encode()).decode().rstrip("=")
        begun = f"{name}.{int(time.time())}.{secrets.token_urlsafe(12)}"
        return f"{begun}.{self._signed(found[0], begun)}"

    def sign_out(self, request: web.Request) -> None:
        """End the session of *request*."""
        if not self.open:
            name, session = self._read(request.cookies.get(self.cookie, ""))
            self._sessions[name].pop(session, None)
            self._end(session)

    def _read(self, cookie: str) -> tuple[str, str]:
        """Return name and session that *cookie* proves."""
        begun, _, sign = cookie.rpartition(".")
        try:
            coded, at, session = begun.split(".")
            name = base64.urlsafe_b64decode(coded + "==").decode()
            fresh = time.time() - int(at) < LASTS
            signed = name in self._tokens and _same(self._signed(name, begun), sign)
        except ValueError:
            raise Refusal(401, "Sign in first.") from None
        if not (signed and fresh) or session in self._ended:
            raise Refusal(401, "You are signed out; sign in again.")
        return name, session

    def _signed(self, name: str, begun: str) -> str:
        key = hashlib.sha256(f"rivulet/{self._tokens[name]}".encode()).digest()
        return hmac.new(key, begun.encode(), hashlib.sha256).hexdigest()

    def _end(self, session: str) -> None:
        self._ended[session] = None
        if len(self._ended) > ENDED:
            self._ended.popitem(last=False)

    def _expect_patience(self, address: str) -> None:
        tries = self._wrong.get(address, deque())
        if len(tries) == WRONG and time.monotonic() - tries[0] < SPAN:
            raise Refusal(429, "Too many wrong tokens; try again in a minute.")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode("utf-8", "surrogatepass"))


def _name(host: str) -> str:
    """Return the name in a Host header, without the port."""
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
