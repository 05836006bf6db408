"""The connection to Redis: what is asked for while a request is under way goes out with the next, together.

So the round trips do not grow with the answers.  While Redis is away every request fails at once, with
`Away`; the wire looks for it all the time, and tells when it is back.  Only this package imports `redis`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any, cast

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import TimeoutError as TooSlow

from bot.store.once import Once
from bot.store.redis.address import SENTINEL, Sentinels, sentinels_of

log = structlog.get_logger(__name__)

#: Seconds that Redis may take to answer, also to be connected to; Slack wants an event acknowledged within 3.
PATIENCE = 2.0
#: Seconds between two tries to reach it.
LOOK = 0.25
#: Seconds that what has time waits for another request.
WAIT = 1.0
#: Requests that go out together.
TOGETHER = 200
#: What is no fault of the request, but of the connection or of the server; also one that is no master now.
LOST = (NotConnected, TooSlow, ReadOnlyError, MasterDownError, OSError, EOFError)
#: All that `Wire.client` fails with.
FAILED = (*LOST, RedisError)
#: What `Wire.client` fails with where Redis has understood, and does not do it; but see `LOST`.
DENIED = ResponseError
#: What is said, once for each reason, while Redis is looked for.
REFUSES = "Redis is there, and refuses what it is asked at first: going on from memory"
UNTOLD = "what Redis is to be told could not be made"


class Away(OSError):
    """Redis was not reached, or did not answer in time; nobody knows whether the request was done."""


class Refusal(OSError):
    """Redis has refused a request; the message says why, in its own words."""


@dataclass(frozen=True, slots=True)
class Script:
    """What is done in one step.

    Attributes:
        text: Lua; it must touch only keys of the slot that the keys are of that it is given (see `Names`).
        sha: What Redis knows it by.
    """

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", sha1(self.text.encode(), usedforsecurity=False).hexdigest())


@dataclass(slots=True)
class _Asked:
    words: tuple[Any, ...]
    script: Script | None
    done: asyncio.Future[Any]


class Wire:
    """A connection for requests.

    Answers of scripts are bytes, numbers, lists and None; those of commands as the redis client parses them:
    HGETALL and CONFIG GET as dictionaries of bytes, INFO as one of texts, SCAN as a number and a list.

    Args:
        connect: Makes a client; see `connector`.

    Attributes:
        trouble: Why Redis is away; "" while it is there.
        since: The loop's time when `trouble` began.
        trips: Round trips so far.
        took: Told how many seconds each round trip took.
        losses: How often the connection was lost; what was written before may be lost since.
        scripts: What Redis is told with each connection, so that it need not be sent with the first call.
        boarding: What is called before requests go out, so that what can wait goes along with them.
        back: What is awaited, in this order, whenever Redis is there again.  The first one's first request
            goes out before any other; those of others may go out beside the rest.  If one fails, or Redis is
            away again, all are awaited anew.
    """

    def __init__(self, connect: Callable[[], Redis]) -> None:
        self.trouble = "it was not opened yet"
        self.since = 0.0
        self.trips = 0
        self.losses = 0
        self.took: Callable[[float], object] = float
        self.scripts: list[Script] = []
        self.boarding: list[Callable[[], None]] = []
        self.back: list[Callable[[], Awaitable[None]]] = []
        self._connect = connect
        self._client: Redis | None = None
        self._asked: list[_Asked] = []
        self._sending: asyncio.Task[None] | None = None
        self._due = False  # whether something is asked for that waits for no other request
        self._waiting: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None
        self._once = Once()
        self._refuses = False  # where there is trouble
        self._closed = False

    async def open(self) -> None:
        """Connect.

        Raises:
            Away: It can't be reached.
            Refusal: It lets nobody in like this.
        """
        await self._reach()

    async def call(self, script: Script, keys: Sequence[str | bytes], args: Sequence[Any] = ()) -> Any:
        """Run *script*; raises as `ask`."""
        return await asyncio.shield(self.post(script, keys, args))

    def post(
        self, script: Script, keys: Sequence[str | bytes], args: Sequence[Any] = (), *, soon: bool = True
    ) -> asyncio.Future[Any]:
        """Have *script* run after all that was asked for before; return what `call` awaits.

        If not *soon*, it goes along with the next request, or by itself after `WAIT` seconds.
        """
        return self._put(("EVALSHA", script.sha, len(keys), *keys, *args), script, soon=soon)

    async def ask(self, *words: Any) -> Any:
        """Send a command; return what Redis answers.

        Raises:
            Away: See there.
            Refusal: See there.
        """
        return await asyncio.shield(self._put(words, None))

    def client(self, patience: float = PATIENCE) -> Redis:
        """Return a client of its own for what blocks for up to *patience* seconds; its user closes it."""
        client = self._connect()
        client.connection_pool.connection_kwargs["socket_timeout"] = patience
        return client

    async def close(self) -> None:
        """Send what waits, then nothing any more."""
        self._closed = True
        self._go()
        if self._looking:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        if self._sending:
            await asyncio.wait({self._sending})
        self.trouble = self.trouble or "closed"
        if self._client:
            with suppress(*LOST, RedisError):
                await self._client.aclose()

    def _put(
        self, words: tuple[Any, ...], script: Script | None, *, soon: bool = True
    ) -> asyncio.Future[Any]:
        asked = _Asked(words, script, asyncio.get_running_loop().create_future())
        if self.trouble:
            asked.done.set_exception(Away(self.trouble))
            asked.done.exception()  # nobody may wait for it
            return asked.done
        self._asked.append(asked)
        if soon:
            self._go()
        elif self._waiting is None:
            self._waiting = asyncio.get_running_loop().call_later(WAIT, self._go)
        return asked.done

    def _go(self) -> None:
        """Send what is asked for, unless that is being done."""
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None
        self._due = bool(self._asked)
        if self._due and self._sending is None:
            self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        """Send what is asked for until nothing is due."""
        try:
            while self._due and self._asked:
                for board in self.boarding:
                    board()
                await asyncio.sleep(0)  # they may need a task for that
                batch, self._asked = self._asked[:TOGETHER], self._asked[TOGETHER:]
                self._due = bool(self._asked)
                try:
                    await self._answer(batch)
                except LOST as error:
                    self._lose(error, batch)
                except Exception as error:
                    log.exception("a request to Redis could not be made")
                    _fail(batch, error)
        finally:
            self._sending = None

    async def _answer(self, batch: Sequence[_Asked]) -> None:
        assert self._client  # noqa: S101  there is no trouble
        for asked, said in zip(batch, await self._execute(self._client, batch), strict=True):
            if asked.done.done():
                continue
            if isinstance(said, RedisError):
                asked.done.set_exception(Refusal(why(said)))
                asked.done.exception()  # somebody may have stopped waiting
            else:
                asked.done.set_result(said)

    async def _execute(self, client: Redis, batch: Sequence[_Asked]) -> list[Any]:
        said = await self._sent(client, [asked.words for asked in batch])
        if unknown := [at for at, one in enumerate(said) if isinstance(one, NoScriptError)]:
            again = []
            for at in unknown:
                script = batch[at].script
                assert script  # noqa: S101  nothing else is refused like this
                again.append(("EVAL", script.text, *batch[at].words[2:]))
            for at, one in zip(unknown, await self._sent(client, again), strict=True):
                said[at] = one
        return said

    async def _sent(self, client: Redis, words: Sequence[tuple[Any, ...]]) -> list[Any]:
        pipe = client.pipeline(transaction=False)
        for each in words:
            pipe.execute_command(*each)
        self.trips += 1
        began = asyncio.get_running_loop().time()
        said = await pipe.execute(raise_on_error=False)
        self.took(asyncio.get_running_loop().time() - began)
        if lost := next((one for one in said if isinstance(one, LOST)), None):
            raise lost
        return said

    def _lose(self, error: BaseException, batch: Sequence[_Asked]) -> None:
        """Fail all that was asked for, and look for Redis until it is there again."""
        waiting, self._asked = [*batch, *self._asked], []
        self.losses += 1
        self._trouble(error)
        _fail(waiting, Away(self.trouble))
        if not self._closed and (self._looking is None or self._looking.done()):
            log.error("Redis is away: going on from memory", reason=self.trouble)
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while not self._closed:  # a client that connects may take being cancelled for a failure
            await asyncio.sleep(LOOK)
            try:
                await self._reach()
                for told in self.back:
                    await told()
                if self.trouble:  # which none of them has met
                    continue
            except Away as error:
                self._trouble(error)
            except Refusal as error:
                self._trouble(error)
                if self._once.new(REFUSES, self.trouble):
                    log.error(REFUSES, reason=self.trouble)  # noqa: TRY400  said in one line
            except Exception as error:  # whatever is in Redis, this is tried again
                self._trouble(error)
                if self._once.new(UNTOLD, repr(error)):
                    log.exception(UNTOLD)
            else:
                self._once = Once()
                log.warning("Redis is back")
                return

    async def _reach(self) -> None:
        """Connect anew; there is no trouble any more then."""
        if self._client:
            with suppress(*LOST, RedisError):
                await self._client.aclose()
        client = self._client = self._connect()
        try:
            await client.ping()
            if self.scripts:
                await self._sent(client, [("SCRIPT", "LOAD", script.text) for script in self.scripts])
        except AuthenticationError as error:  # a kind of `NotConnected`
            raise Refusal(str(error)) from error
        except LOST as error:
            raise Away(why(error)) from error
        except RedisError as error:
            raise Refusal(why(error)) from error
        self.trouble = ""

    @property
    def state(self) -> str:
        """What is amiss, as a sentence begins: it is away, or is there and refuses; "" for nothing."""
        what = "refuses to work" if self._refuses else "is away"
        return f"Redis {what} ({self.trouble})" if self.trouble else ""

    def _trouble(self, error: BaseException) -> None:
        self._refuses = isinstance(error, Refusal)
        if not self.trouble:
            self.since = asyncio.get_running_loop().time()
        self.trouble = why(error)


def why(error: BaseException) -> str:
    """Return what *error* says, with the word for a missing right, which the redis client takes off."""
    said = str(error).partition(" : <redis.")[0] or "it does not answer"  # of a sentinel its whole client
    return f"NOPERM {said}" if isinstance(error, NoPermissionError) else said


def _fail(batch: Sequence[_Asked], error: Exception) -> None:
    for asked in batch:
        if not asked.done.done():
            asked.done.set_exception(error)
            asked.done.exception()  # somebody may have stopped waiting


def connector(url: str) -> Callable[[], Redis]:
    """Return what connects to the Redis at *url*.

    redis://, rediss:// and unix:// as the redis client takes them; for Sentinel
    redis+sentinel://user:password@host:26379,host:26379/service/0.

    Raises:
        ValueError: It is no such address.
    """
    options: dict[str, Any] = {
        "socket_timeout": PATIENCE,
        "socket_connect_timeout": PATIENCE,
        "encoding_errors": "surrogatepass",  # a platform may send half a character
        "retry": Retry(NoBackoff(), 0),  # a script that may have run is not run again unasked
    }
    if url.startswith(f"{SENTINEL}://"):
        return _by_sentinel(sentinels_of(url), options)
    try:
        pool: Any = Redis.from_url(url, **options).connection_pool
        pool.make_connection()  # which says what is wrong with it
    except (TypeError, RedisError) as error:
        raise ValueError(str(error).rpartition(") ")[2]) from None
    return lambda: Redis.from_url(url, **options)


def _by_sentinel(at: Sentinels, options: dict[str, Any]) -> Callable[[], Redis]:
    """Return what asks the sentinels who is master, with each connection anew."""
    plain = {**options}
    options |= {"db": at.number, "username": at.user or None, "password": at.password or None}
    sentinel: Any = Sentinel(at.pairs, sentinel_kwargs=plain)  # type: ignore[no-untyped-call]
    return lambda: cast("Redis", sentinel.master_for(at.service, **options))
