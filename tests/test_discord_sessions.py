"""What one process leaves another of a gateway session: how far it was heard, and where it may be resumed."""

from __future__ import annotations

import asyncio

import pytest

from adapters.discord.incoming.heard import Heard, leave
from adapters.discord.incoming.sessions import FRESH, Session, read


async def test_what_is_not_stored_yet_is_not_counted_as_heard():
    heard, go = Heard(), asyncio.Event()

    async def slow() -> None:
        await go.wait()

    async def quick() -> None:
        pass

    async def dropped() -> None:
        leave()

    waits = heard.track(5, lambda: asyncio.create_task(slow()))
    await heard.track(6, lambda: asyncio.create_task(quick()))
    assert heard.upto(7) == 4
    go.set()
    await waits
    await asyncio.sleep(0)
    assert heard.upto(7) == 7
    await heard.track(8, lambda: asyncio.create_task(dropped()))
    await asyncio.sleep(0)
    assert heard.upto(9) == 7


def test_a_note_says_what_a_session_is_and_fits_where_it_may_be_resumed():
    known = Session("abc", "wss://gateway-us-east1-b.discord.gg", 7, 4, 1, 1000.0)
    ours = "wss://gateway.discord.gg/"
    assert read(known.note()) == known
    assert known.fits(4, 1, ours, 1000.0 + FRESH)
    assert not known.fits(4, 1, ours, 1001.0 + FRESH)
    assert not known.fits(5, 1, ours, 1000.0)
    assert not known.fits(4, 2, ours, 1000.0)


@pytest.mark.parametrize(
    "url", ["ws://gateway.discord.gg", "wss://discord.gg.example", "https://x.discord.gg", "wss://[", "", "x"]
)
def test_a_session_elsewhere_than_at_discord_is_not_resumed(url):
    assert not Session("abc", url, 7, 4, 1, 1000.0).fits(4, 1, "wss://gateway.discord.gg/", 1000.0)
