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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
#: Sessions of one person that were ended and are remembered.
ENDED = 1000


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


@dataclass(frozen=True, slots=True)
class Session:
    """What one sign-in has begun.

    Attributes:
        name: Whose it is.
        id: Its id.
    """

    name: str
    id: str

    @property
    def owner(self) -> str:
        """What stands for *name* where it is kept that the session has ended: who is forgotten stays so."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:16]


class People:
    """Who may use the page.

    Args:
        tokens: Each person's token, by name; none where this machine's user is the only one.
        origin: What browsers call the page's origin; "" for this machine.
        too_many: Is told of a session that has ended since its person has newer ones.
    """

    def __init__(
        self, tokens: Mapping[str, str], origin: str, too_many: Callable[[Session], None] = lambda _: None
    ) -> None:
        self._tokens = tokens
        self._origin = origin
        self._sessions: defaultdict[str, OrderedDict[str, None]] = defaultdict(OrderedDict)
        self._ended: defaultdict[str, OrderedDict[str, None]] = defaultdict(OrderedDict)
        self._too_many = too_many
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self.proxied = bool(origin)
        self.secure = origin.startswith("https:")
        self.cookie = "__Host-rivulet" if self.secure else "rivulet"

    @property
    def open(self) -> bool:
        """Whether nobody has to sign in."""
        return not self._tokens

    def has(self, name: str) -> bool:
        """Tell whether *name* may sign in, or need not."""
        return name == ME.id if self.open else name in self._tokens

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
        session = self.session_of(request)
        if session is None:
            return ME
        name = session.name
        sessions = self._sessions[name]
        sessions[session.id] = None
        sessions.move_to_end(session.id)
        if len(sessions) > MOST:
            oldest = Session(name, sessions.popitem(last=False)[0])
            self.end(oldest)
            self._too_many(oldest)
        return Actor(name, name, workspace=WORKSPACE)

    def session_of(self, request: web.Request) -> Session | None:
        """Return the session of *request*, None where there are none; raise `Refusal` if it is bad."""
        return None if self.open else self._read(request.cookies.get(self.cookie, ""))

    def end(self, session: Session) -> None:
        """Let *session* be good for nothing from now on."""
        self._sessions[session.name].pop(session.id, None)
        ended = self._ended[session.owner]
        ended[session.id] = None
        if len(ended) > ENDED:
            ended.popitem(last=False)

    def remember(self, owner: str, session: str) -> None:
        """Take from an earlier run that *session* has ended; *owner* is its `Session.owner`."""
        self._ended[owner][session] = None

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

    def _read(self, cookie: str) -> Session:
        """Return the session that *cookie* proves."""
        begun, _, sign = cookie.rpartition(".")
        try:
            coded, at, id_ = begun.split(".")
            name = base64.urlsafe_b64decode(coded + "==").decode()
            fresh = time.time() - int(at) < LASTS
            signed = name in self._tokens and _same(self._signed(name, begun), sign)
        except ValueError:
            raise Refusal(401, "Sign in first.") from None
        session = Session(name, id_)
        if not (signed and fresh and id_ not in self._ended[session.owner]):
            raise Refusal(401, "You are signed out; sign in again.")
        return session

    def _signed(self, name: str, begun: str) -> str:
        key = hashlib.sha256(f"rivulet/{self._tokens[name]}".encode()).digest()
        return hmac.new(key, begun.encode(), hashlib.sha256).hexdigest()

    def _expect_patience(self, address: str) -> None:
        tries = self._wrong.get(address, deque())
        if len(tries) == WRONG and time.monotonic() - tries[0] < SPAN:
            raise Refusal(429, "Too many wrong tokens; try again in a minute.")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode("utf-8", "surrogatepass"))


def _name(host: str) -> str:
    """Return the name in a Host header, without the port."""
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
