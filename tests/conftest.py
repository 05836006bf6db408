"""A clock that jumps, so that sleeping is free, exact, and a deadlock is a failure."""

from __future__ import annotations

import asyncio
import os
import selectors
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.redis_server import MISSING, SERVER, RedisServer


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


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Let fixtures know whether their test failed: some keep a picture of it."""
    outcome = yield
    if outcome.get_result().failed:
        item.user_properties.append(("failed", True))


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """Let no test hear less of the logs because one before it ran a command in this process."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def redis_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Yield a server that tests share, each under a prefix of its own."""
    if not SERVER:
        assert not os.environ.get("CI"), MISSING
        pytest.skip(MISSING)
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
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
