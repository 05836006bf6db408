"""The shards of the Discord emulator, seen by a plain WebSocket client (events/gateway.mdx, Sharding)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from adapters.emulators.discord import Discord

CHANNEL, ALICE = "200", "300"
ALL = (1 << 0) | (1 << 9) | (1 << 12) | (1 << 15)


class Link:
    """One connection."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.sequence = 0

    async def send(self, op: int, **data: Any) -> None:
        await self.socket.send_json({"op": op, "d": {"token": "t", **data}})

    async def hear(self, *wanted: object) -> dict[str, Any]:
        """Return the next frame with an op or an event that is *wanted*."""
        async with asyncio.timeout(5):
            while True:
                frame: dict[str, Any] = await self.socket.receive_json()
                self.sequence = frame.get("s") or self.sequence
                if frame["op"] in wanted or frame.get("t") in wanted:
                    return frame

    async def identify(self, shard: int, shards: int) -> dict[str, Any]:
        await self.send(2, intents=ALL, properties={}, shard=[shard, shards])
        return await self.hear("READY", 9)

    async def said(self) -> str:
        return str((await self.hear("MESSAGE_CREATE"))["d"]["content"])


@pytest.fixture
async def world() -> AsyncIterator[Discord]:
    world = Discord()
    await world.start()
    yield world
    await world.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def link(world: Discord, session: aiohttp.ClientSession) -> Link:
    return Link(await session.ws_connect(world.url.replace("http", "ws") + "/gw/"))


async def test_two_sessions_of_one_shard_both_hear_its_events(world, session):
    one, other = await link(world, session), await link(world, session)
    await one.identify(0, 1)
    await other.identify(0, 1)
    await world.say(CHANNEL, ALICE, "hello")
    assert [await one.said(), await other.said()] == ["hello", "hello"]


async def test_sessions_with_other_numbers_of_shards_live_side_by_side(world, session):
    far = await world.guild(str(3 << 22))
    one, other = await link(world, session), await link(world, session)
    await one.identify(1, 2)
    await other.identify(3, 4)
    await world.say(far, ALICE, "hello")
    assert [await one.said(), await other.said()] == ["hello", "hello"]


@pytest.mark.parametrize("old", ["closed", "open"])
async def test_another_connection_resumes_a_session_and_gets_what_was_missed(world, session, old):
    one = await link(world, session)
    ready = (await one.identify(0, 1))["d"]
    await world.say(CHANNEL, ALICE, "one")
    assert await one.said() == "one"
    if old == "closed":
        await one.socket.close(code=4000)
    before = one.sequence
    await world.say(CHANNEL, ALICE, "two")
    other = await link(world, session)
    await other.send(6, session_id=ready["session_id"], seq=before)
    assert await other.said() == "two"
    await other.hear("RESUMED")
    await world.say(CHANNEL, ALICE, "three")
    assert await other.said() == "three"


@pytest.mark.parametrize(("code", "lives"), [(1000, False), (1001, False), (4000, True), (4001, True)])
async def test_only_1000_and_1001_end_a_session(world, session, code, lives):
    one = await link(world, session)
    ready = (await one.identify(0, 1))["d"]
    await one.socket.close(code=code)
    other = await link(world, session)
    await other.send(6, session_id=ready["session_id"], seq=1)
    assert (await other.hear("RESUMED", 9))["op"] == (0 if lives else 9)


async def test_a_session_ends_a_while_after_its_connection(world, session):
    one = await link(world, session)
    ready = (await one.identify(0, 1))["d"]
    await world.linger(0)
    await one.socket.close(code=4000)
    other = await link(world, session)
    await other.send(6, session_id=ready["session_id"], seq=1)
    assert await other.hear("RESUMED", 9) == {"op": 9, "d": False}


async def test_shards_with_one_key_wait_for_each_other_and_others_need_not(world, session):
    await world.pace(2, 60)
    links = [await link(world, session) for _ in range(3)]
    told = [await each.identify(shard, 3) for shard, each in enumerate(links)]
    assert [each["op"] for each in told] == [0, 0, 9]
    made = await world.events(kinds=["identify"])
    assert [(each["shard"], each["early"]) for each in made] == [
        ([0, 3], False),
        ([1, 3], False),
        ([2, 3], True),
    ]


async def test_what_may_be_started_today_is_counted(world, session):
    await world.starts(remaining=7, reset_after=5000)
    await world.pace(16)
    await (await link(world, session)).identify(0, 1)
    async with session.get(
        f"{world.url}/api/v10/gateway/bot", headers={"Authorization": "Bot t"}
    ) as response:
        limit = (await response.json())["session_start_limit"]
    assert limit == {"total": 1000, "remaining": 6, "reset_after": 5000, "max_concurrency": 16}


async def test_a_guild_s_channels_and_threads_are_told_of(world, session):
    asked = await world.say(CHANNEL, ALICE, "hello")
    thread = await world.open_thread(CHANNEL, asked, ALICE, "more")
    headers = {"Authorization": "Bot t"}
    async with session.get(f"{world.url}/api/v10/guilds/100/channels", headers=headers) as response:
        assert [each["id"] for each in await response.json()] == [CHANNEL]
    async with session.get(f"{world.url}/api/v10/guilds/100/threads/active", headers=headers) as response:
        assert [each["id"] for each in (await response.json())["threads"]] == [thread]


async def test_guilds_of_a_size_come_with_all_that_is_in_them_and_reach_all_shards(world, session):
    await world.guilds(6, channels=9, roles=5, threads=2)
    found = {}
    for shard in range(3):
        one = await link(world, session)
        own = (await one.identify(shard, 3))["d"]["guilds"]
        for _ in own:
            guild = (await one.hear("GUILD_CREATE"))["d"]
            found[guild["id"]] = len(guild["channels"]), len(guild["roles"]), len(guild["threads"])
        assert len(own) == 2 + (shard == 0)  # the emulator's own is the first shard's
    del found["100"]
    assert [*found.values()] == [(9, 5, 2)] * 6


async def test_who_is_connected_hears_of_a_new_guild_with_all_that_is_in_it(world, session):
    one = await link(world, session)
    await one.identify(0, 1)
    await one.hear("GUILD_CREATE")
    await world.guilds(1, channels=9, roles=5)
    guild = (await one.hear("GUILD_CREATE"))["d"]
    assert (len(guild["channels"]), len(guild["roles"]), guild["threads"]) == (9, 5, [])
    parents = {each["id"] for each in guild["channels"] if each["type"] == 4}
    held = {role["id"] for role in guild["roles"]}
    for channel in guild["channels"]:
        assert (channel["parent_id"] in parents) != (channel["type"] == 4)
        assert {each["id"] for each in channel["permission_overwrites"]} <= held
