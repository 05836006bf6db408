"""A clock that jumps, so that sleeping is free, exact, and a deadlock is a failure."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import selectors
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from bot.store import ballast
from tests.ports import free_port
from tests.redis_server import MISSING, SERVER, RedisServer

# Thousands of tests open a ledger, and each would write 16 MB of zeros beside it.
ballast.SIZE = 2**16

# How long an example takes says how busy the machine is, not whether it is right.  With CI set, Hypothesis
# knows that by itself, and what else it sets for that stays.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


class _JumpSelector(selectors.DefaultSelector):
    """Adds the timeout to the loop's time where a real selector would sleep."""

    loop: JumpLoop

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready and timeout:
            self.loop.jumped += timeout
        elif not ready and timeout is None:
            raise RuntimeError("deadlock: every task waits and nothing is scheduled")
        return ready


class JumpLoop(asyncio.SelectorEventLoop):
    """An event loop whose time only moves when every task waits."""

    def __init__(self) -> None:
        selector = _JumpSelector()
        self.jumped = 0.0
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        return self.jumped


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item):
    if item.get_closest_marker("jump"):
        return {"jump": JumpLoop}
    return {"real": asyncio.new_event_loop}


# What is made here stays to the end; see `pytest_collection_finish`.
gc.disable()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Import another part of the tests first in each process, so that they compile each file once."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        number, count = int(worker.removeprefix("gw")), int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        for path in sorted(Path(__file__).parent.glob("test_*.py"))[number::count]:
            with suppress(Exception):  # it is told of when the file is collected
                importlib.import_module(f"tests.{path.stem}")


def pytest_collection_finish() -> None:
    """Let the garbage collector look at what tests make, and at nothing that was imported for them."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Let fixtures know whether their test failed: some keep a picture of it."""
    outcome = yield
    if outcome.get_result().failed:
        item.user_properties.append(("failed", True))


def _log_plainly() -> None:
    """Log as structlog does by itself, but for tracebacks, which it draws richly and slowly."""
    structlog.reset_defaults()
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure([*structlog.get_config()["processors"][:-1], renderer])


_log_plainly()


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """Let no test hear less of the logs because one before it ran a command in this process."""
    yield
    _log_plainly()


@pytest.fixture(scope="session")
def unused_tcp_port_factory() -> Callable[[], int]:
    """Yield what returns a port that no connection takes before it is listened on."""
    return free_port


@pytest.fixture
def unused_tcp_port() -> int:
    """Return such a port."""
    return free_port()


@pytest.fixture(scope="session")
def redis_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Yield a server that tests share, each under a prefix of its own, with the rights that the docs have."""
    if not SERVER:
        assert not os.environ.get("CI"), MISSING
        pytest.skip(MISSING)
    from bot.store.redis.keys import PREFIX, Names  # noqa: PLC0415  most tests need no Redis
    from bot.store.redis.rights import rule  # noqa: PLC0415

    words = [word.replace(PREFIX, "*") for word in rule(Names())]
    user = ("--user", "default", "on", "nopass", *words, "+keys")  # some tests look at all that is there
    server = RedisServer(tmp_path_factory.mktemp("redis"), *user).start()
    yield server
    server.stop()


@pytest.fixture
def redis_own(tmp_path: Path) -> Iterator[RedisServer]:
    """Yield a server that a test may kill, pause and start again."""
    if not SERVER:
        assert not os.environ.get("CI"), MISSING
        pytest.skip(MISSING)
    server = RedisServer(tmp_path / "redis").start()
    yield server
    server.stop()
