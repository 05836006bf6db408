"""Slack's hop in HTTP mode, for `tests.bench.faults`: events come in another way, so that is what fails."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from adapters.emulators.slack import Slack
from adapters.emulators.slack.http_sender import FORGED
from adapters.slack.incoming.http import PATH
from bot.platform import Platform
from bot.run.server import serving
from tests.bench import faults_slack
from tests.bench.faults_slack import Fault, Inject, deliveries, redelivered, revoked, switch

if TYPE_CHECKING:
    from tests.bench.faults import Player

MOMENTS = faults_slack.MOMENTS
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"  # of Slack's documentation


def _forged(how: str) -> Inject:
    async def inject(slack: Slack, _rng: random.Random) -> None:
        if (status := await slack.forge(how)) != 401:
            raise AssertionError(f"{how}: {status}")

    return inject


async def _replayed(slack: Slack, rng: random.Random) -> None:
    """Somebody has recorded a request of Slack's, and sends it again."""
    with suppress(LookupError):  # there was none yet
        if statuses := {await slack.replay() for _ in range(rng.randint(1, 3))} - {200}:
            raise AssertionError(f"replayed: {statuses}")


async def _lost(slack: Slack, rng: random.Random) -> None:
    await slack.lose(requests=rng.randint(1, 3))


async def _unheard(slack: Slack, rng: random.Random) -> None:
    await slack.lose(answers=rng.randint(1, 3))


TABLE: Mapping[str, Fault] = {
    **{how: Fault(_forged(how)) for how in FORGED},
    "replayed": Fault(_replayed),
    "request lost": Fault(_lost),
    "answer lost": Fault(_unheard),
    "duplicates": Fault(deliveries),
    "redelivered": Fault(redelivered),
    "app_rate_limited": Fault(switch("rate_limit_app")),
    "tokens_revoked": Fault(revoked("token_revoked", tell=True), unheard=True),
    "app_uninstalled": Fault(revoked("account_inactive", tell=True), unheard=True),
}
FAULTS = tuple(TABLE)


@asynccontextmanager
async def _served(slack: Slack, platform: Platform) -> AsyncIterator[None]:
    async with serving("127.0.0.1", 0, [platform]) as port:
        assert await slack.request_url(f"http://127.0.0.1:{port}{PATH}", SECRET)
        yield


def opened() -> AbstractAsyncContextManager[Player]:
    """Start the emulator and the adapter; see `faults.Hop`."""
    return faults_slack.opened(TABLE, _served, SLACK_APP_TOKEN="", SLACK_SIGNING_SECRET=SECRET)
