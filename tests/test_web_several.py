"""The chat page of a bot of several processes: one of them serves it, and another when that one is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from secrets import token_hex
from typing import Any

import pytest

from adapters.web import platform
from adapters.web.platform import ELSEWHERE
from bot.store.redis.store import RedisStore
from tests.contract import until
from tests.stores import redis_store
from tests.test_web import TALK, answered, ask, got
from tests.web import Site, Typist
from tests.web_world import Browser

#: Seconds; a beat is an eighth.
LEASE = 1.6
Start = Callable[..., Awaitable[Site]]


@pytest.fixture
async def start(redis_shared: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Return what starts a process; only the first of them serves the page."""
    monkeypatch.setattr(platform, "STANDBY", LEASE)
    prefix, sites = token_hex(4), []

    async def started(*says: Any) -> Site:
        site = Site(Typist(*says), {}, {})
        site.store = await redis_store(redis_shared, prefix, joins=True, lease=LEASE)
        sites.append(site)
        await site.start()
        return site

    yield started
    for site in sites:
        await site.stop()
        await site.store.close()


async def dies(site: Site) -> None:
    """End *site* without a word, to Redis neither."""
    assert isinstance(site.store, RedisStore)
    assert site.store._joined
    assert site.store._joined._beating
    site.store._joined._beating.cancel()
    await site.store._wire.close()
    await site.crash()


async def serving(site: Site) -> bool:
    """Tell whether *site* serves the page."""
    browser = Browser(lambda: site.url)
    status, _ = await got(browser, "/")
    await browser.close()
    return status == 200


async def test_one_process_serves_the_page_and_the_others_say_that_they_do_not(start):
    first = await start()
    second = await start()
    assert (first.platform.health, second.platform.health) == ("up", "up")
    browser = Browser(lambda: second.url)
    for path in ("/", "/web/talks", f"/web/events/{TALK}"):
        status, said = await got(browser, path)
        assert status == 503
        assert ELSEWHERE in said or path.startswith("/web/events")
    assert (await ask(browser))[0] == 503
    assert second.model.requests == []
    await browser.close()


async def test_what_is_asked_of_the_one_that_serves_is_answered_there(start):
    """Whatever the channel's home would be: the reader is connected here."""
    first, _ = await start(), await start()
    browser = Browser(lambda: first.url)
    for number in range(6):
        await ask(browser, talk=f"{TALK}{number}")
        assert await answered(browser, f"{TALK}{number}") == "Yes."
    assert len(first.model.requests) == 6
    await browser.close()


async def test_another_one_serves_the_page_when_that_one_dies_and_ends_its_answer(start):
    first, second = await start("Half of it", None), await start()
    at = [first]
    browser = Browser(lambda: at[0].url)
    await ask(browser)
    view = browser.open(TALK)

    async def begun() -> bool:
        return any("Half of it" in each.text for each in view.messages.values())

    await until(begun)
    await dies(first)
    at[0] = second
    await until(partial(serving, second))
    assert "Half of it" in await answered(browser)
    assert "Interrupted by a restart" in next(
        each.told["note"] for each in view.messages.values() if each.told["role"] == "bot"
    )
    await ask(browser, "and then?")
    assert await answered(browser, text="Yes.") == "Yes."
    await browser.close()


async def test_one_that_is_ending_ends_its_answer_before_another_one_serves_the_page(start):
    first, second = await start("Half of it", None, " and the rest."), await start()
    at = [first]
    browser = Browser(lambda: at[0].url)
    await ask(browser)
    view = browser.open(TALK)

    async def begun() -> bool:
        return any("Half of it" in each.text for each in view.messages.values())

    await until(begun)
    await first.store.peers.leave()
    await asyncio.sleep(LEASE)
    assert not await serving(second)
    first.model.go.set()
    await until(partial(serving, second))
    at[0] = second
    assert await answered(browser) == "Half of it and the rest."
    assert not any(each.told["live"] for each in view.messages.values())
    await browser.close()
