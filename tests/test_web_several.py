"""The chat page of a bot of several processes: one of them serves it, and another when that one is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from secrets import token_hex
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.web import platform, records
from adapters.web.platform import ELSEWHERE
from bot.store.redis.store import RedisStore
from tests.contract import until
from tests.proxy import Proxy
from tests.stores import redis_store
from tests.test_web import TALK, answered, ask, got
from tests.web import Site, Typist
from tests.web_world import Browser, View

#: Seconds; a beat is an eighth.
LEASE = 1.6
Start = Callable[..., Awaitable[Site]]


@pytest.fixture
async def start(redis_shared: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Return what starts a process; only the first of them serves the page."""
    monkeypatch.setattr(platform, "STANDBY", LEASE)
    prefix, sites = token_hex(4), []

    async def started(*says: Any, server: Any = None) -> Site:
        site = Site(Typist(*says), {}, {})
        site.store = await redis_store(server or redis_shared, prefix, joins=True, lease=LEASE)
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


async def shows(view: View, text: str, times: int = 1) -> bool:
    """Tell whether *text* is in so many messages."""
    return sum(text in each.text for each in view.messages.values()) == times


async def lets_go(site: Site) -> bool:
    """Tell whether *site* takes no more questions."""
    return bool(site.platform._ending)


async def asks(browser: Browser) -> bool:
    """Ask; tell whether that was taken."""
    return (await ask(browser, "and then?"))[0] == 202


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

    await until(partial(shows, view, "Half of it"))
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

    await until(partial(shows, view, "Half of it"))
    await first.store.peers.leave()
    await until(partial(lets_go, first))
    assert (await ask(browser, "and then?"))[0] == 503
    assert [each.told["role"] for each in view.messages.values()] == ["person", "bot"]
    await asyncio.sleep(LEASE)
    assert not await serving(second)
    first.model.go.set()
    await until(partial(serving, second))
    at[0] = second
    assert await answered(browser) == "Half of it and the rest."
    assert not any(each.told["live"] for each in view.messages.values())
    await browser.close()


async def test_one_that_is_ending_is_still_told_to_stop(start):
    first, second = await start("Half of it", None), await start()
    browser = Browser(lambda: first.url)
    await ask(browser)
    view = browser.open(TALK)
    await until(partial(shows, view, "Half of it"))
    await first.store.peers.leave()
    await until(partial(lets_go, first))
    assert (await browser.post(f"stop/{TALK}", {}))[0] == 200
    await until(partial(serving, second))
    await browser.close()


async def test_redis_away_for_long_cuts_nothing_that_people_read(start, redis_own, monkeypatch):
    """The page is let go meanwhile; a timer of what was read before must stop nothing that comes later."""
    monkeypatch.setattr(platform, "GRACE", 1.0)
    site = await start("Half of it", None, " and the rest.", server=redis_own)
    browser = Browser(lambda: site.url)
    await until(partial(asks, browser))
    view = browser.open(TALK)
    await until(partial(shows, view, "Half of it"))
    redis_own.pause()
    await until(partial(lets_go, site))
    assert not await serving(site)
    redis_own.resume()
    await until(partial(serving, site))
    site.model.go.set()
    assert await answered(browser) == "Half of it and the rest."
    site.model.go.clear()
    await until(partial(asks, browser))
    await until(partial(shows, view, "Half of it", 2))
    await asyncio.sleep(2.0)  # twice what a tab that is closed is waited for
    site.model.go.set()
    assert await answered(browser, text="rest") == "Half of it and the rest."
    assert not any(each.told.get("note") for each in view.messages.values())
    await browser.close()


async def test_one_that_can_not_begin_at_first_serves_the_page_later(start, monkeypatch):
    monkeypatch.setattr("bot.run.supervise.RESTARTS", (0.05,))
    times = []

    async def ended(*_: Any) -> list[Any]:
        times.append(1)
        if len(times) == 1:
            raise OSError("Redis is away")
        return []

    monkeypatch.setattr(records, "ended", ended)
    site = await start("```python\nx = 1\n```")
    browser = Browser(lambda: site.url)
    await until(partial(serving, site))
    await ask(browser)
    assert await answered(browser) == "x = 1"
    assert len(times) == 2
    await browser.close()


async def test_one_that_was_cut_off_from_redis_lets_go_of_a_page_that_another_one_has_taken_over(
    start, redis_own
):
    proxy = await Proxy(redis_own.port).start()
    behind = SimpleNamespace(url=f"redis://127.0.0.1:{proxy.port}/0")
    first = await start("Half of it", None, " and the rest.", server=behind)
    second = await start(server=redis_own)
    at = [first]
    browser = Browser(lambda: at[0].url)
    await until(partial(asks, browser))
    view = browser.open(TALK)
    await until(partial(shows, view, "Half of it"))
    proxy.cut()
    await until(partial(serving, second))
    assert await gone(first)
    # Until it is mended the page is nowhere else, also where a busy machine lets a lease run out.
    at[0] = second
    assert "Half of it" in await answered(browser)
    await until(partial(asks, browser))
    assert await answered(browser, text="Yes.") == "Yes."
    proxy.mend()
    await second.store.peers.leave()
    await until(partial(serving, first))  # it has not been waiting for something that never comes
    await browser.close()
    await proxy.stop()


async def gone(site: Site) -> bool:
    """Wait until *site* serves no page; its readers have been let go then."""

    async def there() -> bool:
        return not await serving(site) and not any(talk.readers for talk in site.platform._talks.values())

    return await until(there)
