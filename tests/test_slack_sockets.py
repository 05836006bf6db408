"""Slack's sockets: two that are kept up through all that the far side can do to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.web.async_client import AsyncWebClient

import adapters.slack.platform
from adapters.emulators.slack.workspace import SUBSCRIPTIONS
from adapters.slack.incoming import link, sockets, way
from adapters.slack.incoming.link import read
from adapters.slack.incoming.sockets import LONGEST, SHORTEST, backoff
from bot.core import standing
from bot.platform import Unavailable
from tests.contract import HOLD, at, until
from tests.worlds import SlackWorld


@pytest.fixture
async def world(monkeypatch) -> AsyncIterator[SlackWorld]:
    monkeypatch.setattr(sockets, "SHORTEST", 0.05)
    world = await SlackWorld.open()
    assert isinstance(world, SlackWorld)
    await opened(world, 2)
    yield world
    await world.close()


async def opened(world: SlackWorld, count: int) -> None:
    """Wait until so many sockets are open."""

    async def reached() -> bool:
        changes = await world.emulator.events(kinds=["connect", "disconnect"])
        return bool(changes) and changes[-1]["sockets"] == count

    await until(reached)


async def connects(world: SlackWorld, count: int) -> None:
    """Wait until so many sockets were opened in all."""

    async def reached() -> bool:
        return len(await world.emulator.events(kinds=["connect"])) >= count

    await until(reached)


async def health(world: SlackWorld, wanted: str) -> None:
    async def reached() -> bool:
        return world.platform.health == wanted

    await until(reached)


async def fewest(world: SlackWorld) -> int:
    """Return how many sockets there were at least, from when there were two."""
    counts: list[int] = [
        each["sockets"] for each in await world.emulator.events(kinds=["connect", "disconnect"])
    ]
    return min(counts[1:])


async def test_there_are_two_sockets_and_an_event_comes_over_one(world):
    [seen] = await world.final(await world.ask("why?"))
    assert seen.text == "Yes."
    await world.settled()
    events = [each["event_id"] for each in await world.emulator.events(kinds=["envelope"])]
    assert len(events) == len(set(events))


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_a_socket_that_is_told_to_go_is_replaced_before_it_is_closed(world, reason):
    question = await world.ask("why?", "Because ", HOLD, "of the rain.")
    await world.emulator.disconnect(reason)
    await connects(world, 3)
    await opened(world, 2)
    assert await fewest(world) == 2
    world.model.go.set()
    assert (await world.final(question))[0].text == "Because of the rain."


async def test_a_socket_that_is_told_to_go_still_acknowledges_what_it_has_brought(world):
    await world.emulator.latency("users.info", 0.6)
    question = await world.ask("why?")
    await until(lambda: world.emulator.events(kinds=["envelope"]))
    await world.emulator.disconnect("warning", every=True)
    await connects(world, 4)
    await world.final(question)
    await world.settled()
    sent = await world.emulator.events(kinds=["envelope"])
    assert [each["retry_attempt"] for each in sent] == [0] * len(sent)


async def test_both_sockets_told_to_go_at_once_leave_no_gap(world):
    await world.emulator.disconnect("refresh_requested", every=True)
    await connects(world, 4)
    await opened(world, 2)
    assert await fewest(world) >= 2


async def test_a_lost_socket_is_replaced_while_the_other_one_listens(world):
    await world.emulator.drop()
    question = await world.ask("why?")
    assert (await world.final(question))[0].text == "Yes."
    await opened(world, 2)


async def test_all_sockets_lost_at_once_come_back(world):
    await world.emulator.fault("link", times=4, status=500)
    await world.emulator.drop(every=True)
    question = await world.ask("why?")
    assert (await world.final(question))[0].text == "Yes."


@pytest.mark.rule(21)
@pytest.mark.rule(22)
async def test_a_socket_that_is_lost_is_logged_without_its_ticket(world, capsys):
    await world.emulator.fault("link", times=2, status=500)
    await world.emulator.drop(every=True)
    await world.final(await world.ask("why?"))
    told = capsys.readouterr().out
    assert "the handshake was refused with 500" in told
    assert "ticket" not in told


async def test_slack_that_has_switched_sockets_off_ends_the_run_with_what_to_do(world):
    await world.emulator.disconnect("link_disabled")
    assert world.running
    await asyncio.wait({world.running}, timeout=10)
    with pytest.raises(Unavailable, match="Socket Mode"):
        world.running.result()
    assert world.platform.health == "down"


async def test_a_half_open_socket_is_replaced_when_nothing_was_heard_of_it(world, monkeypatch):
    monkeypatch.setattr(link, "PING", 0.1)
    monkeypatch.setattr(link, "SILENCE", 0.5)
    await world.vanish()
    await world.connect()
    await opened(world, 2)
    before = len(await world.emulator.events(kinds=["connect"]))
    await world.emulator.mute(every=True)
    await connects(world, before + 2)
    assert (await world.final(await world.ask("why?")))[0].text == "Yes."


async def test_a_socket_that_answers_pings_is_kept_however_quiet_it_is(world, monkeypatch):
    monkeypatch.setattr(link, "PING", 0.05)
    monkeypatch.setattr(link, "SILENCE", 1.0)
    await world.vanish()
    await world.connect()
    await opened(world, 2)
    before = len(await world.emulator.events(kinds=["connect"]))
    await asyncio.sleep(2.0)
    assert len(await world.emulator.events(kinds=["connect"])) == before


async def test_a_socket_without_a_hello_does_not_count_and_is_replaced(world, monkeypatch):
    monkeypatch.setattr(sockets, "OPENING", 1.0)
    await world.vanish()
    await world.emulator.no_hello(2)
    world.platform, before = world.load(), len(await world.emulator.events(kinds=["connect"]))
    world.running = asyncio.create_task(world.platform.run(world.core))
    await connects(world, before + 2)
    assert world.platform.health == "starting"
    await health(world, "up")


async def test_health_is_down_only_when_no_socket_was_up_for_a_while(world, monkeypatch):
    monkeypatch.setattr(sockets, "DOWN", 0.8)
    monkeypatch.setattr(link, "PING", 0.1)
    await world.vanish()
    await world.connect()
    await opened(world, 2)
    await world.emulator.fault("link", times=10**6, status=500)
    await world.emulator.drop()
    await asyncio.sleep(1.2)
    assert world.platform.health == "up"  # the other one is
    await world.emulator.drop(every=True)
    assert world.platform.health == "up"
    await health(world, "down")
    world.emulator._traffic._faults.clear()
    await health(world, "up")
    await world.vanish()
    assert world.platform.health == "down"


# A ticket is good once, and not for long.


async def test_a_stale_ticket_is_not_used_again(world):
    """Handshakes fail while tickets age; when Slack is well again, so are we."""
    await world.emulator.tickets(spoilt=4)
    await world.emulator.drop(every=True)
    assert (await world.final(await world.ask("why?")))[0].text == "Yes."
    refused = await world.emulator.events(kinds=["handshake"])
    assert [each["refused"] for each in refused] == [408] * 4  # never 403: no ticket was shown twice


async def test_slacks_own_client_uses_a_stale_ticket_for_ever(world):
    """The reason why ours is not Slack's: if this fails, the SDK has become better."""
    await world.vanish()
    async with aiohttp.ClientSession() as session:
        web = AsyncWebClient(base_url=f"{world.emulator.url}/api/", session=session)
        client = SocketModeClient(app_token="xapp-1", web_client=web, ping_interval=0.1)
        await client.connect()
        await opened(world, 1)
        await world.emulator.tickets(spoilt=1)
        await world.emulator.disconnect("refresh_requested")
        asked = len(await world.calls_of("apps.connections.open"))
        await asyncio.sleep(2.0)  # twenty times its own interval; Slack is well all the time
        assert not await client.is_connected()
        assert len(await world.calls_of("apps.connections.open")) == asked + 1
        assert len(await world.emulator.events(kinds=["handshake"])) > 3
        await client.close()


# Tokens that are refused in the middle of the work.


@pytest.mark.parametrize("error", ["token_revoked", "account_inactive", "invalid_auth"])
@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
async def test_a_token_that_is_revoked_switches_slack_off_until_it_is_good_again(
    world, monkeypatch, error, told
):
    monkeypatch.setattr(adapters.slack.platform, "RECHECK", 0.3)
    question = await world.ask("why?", "Because ", HOLD, "of the rain.")
    await world.first(question, "Because")
    await world.emulator.revoke(error, tell=told)
    if not told:
        await world.ask("and then?")  # a call finds out
    await health(world, "down")
    await world.emulator.restore()
    await health(world, "up")
    world.model.go.set()
    assert (await world.final(question))[0].text == "Because of the rain."
    assert (await world.final(await world.ask("still there?", "Yes.")))[0].text == "Yes."


async def test_a_revoked_token_of_somebody_else_is_no_reason_to_go(world):
    await world.emulator.subscribe(["tokens_revoked", "app_mention"])
    world.emulator._workspace.tell({"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": []}})
    await world.final(await world.ask("why?"))
    assert world.platform.health == "up"


async def test_a_call_that_slack_refuses_with_a_good_token_does_not_switch_it_off(world):
    await world.emulator.fault("users.info", error="invalid_auth")
    await world.emulator.redelivery(after=0.1, delays=(0.0, 0.1, 0.1))
    await world.final(await world.ask("why?"))
    assert world.platform.health == "up"


async def test_slack_that_holds_events_back_is_logged_once_and_acknowledged(world, capsys):
    for _ in range(3):
        await world.emulator.rate_limit_app()
    await world.settled()
    assert capsys.readouterr().out.count("Slack holds events back") == 1


# Pure.


def test_waits_grow_to_a_limit_and_are_never_the_same_for_all():
    assert backoff(0) == 0
    for failures in range(1, 60):
        waits = {backoff(failures) for _ in range(50)}
        assert len(waits) > 1
        assert SHORTEST / 2 <= min(waits) <= max(waits) <= LONGEST
    assert min(backoff(50) for _ in range(50)) >= LONGEST / 2


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"hello"', "9" * 5000])
def test_a_frame_that_is_no_message_says_nothing(text):
    assert read(text) == {}


# What happened while nothing was heard.


async def out(world: SlackWorld, *, again: bool = False) -> None:
    """Lose all sockets, and let none come back until `back`; *again*: Slack sends what happens meanwhile."""
    await world.settled()  # an event under way now would never be acknowledged
    if not again:
        await world.emulator.subscribe([])
    await world.emulator.fault("link", times=10**6, status=500)
    await world.emulator.drop(every=True)
    await opened(world, 0)


async def back(world: SlackWorld) -> None:
    await world.emulator.subscribe(SUBSCRIPTIONS)
    world.emulator._traffic._faults.pop("link")
    await opened(world, 2)


@pytest.mark.parametrize("where", ["question", "answer"])
async def test_a_stop_that_was_set_while_no_socket_was_up_counts_after_the_reconnect(world, where):
    question, answer, _ = await world.begun()
    await out(world)
    await world.react(question if where == "question" else answer.removeprefix("slack/T1/"), who=world.bob)
    await back(world)
    assert (await world.stopped(question)).note == "Stopped by bob."


@pytest.mark.rule(2)
async def test_reactions_that_are_no_stops_or_are_set_by_who_may_not_stop_nothing_after_a_reconnect(world):
    question, _, _ = await world.begun()
    await out(world)
    for emoji, who in (("thumbsup", "U1"), ("x", "UGUEST"), ("x", "UEXT"), ("x", "UBOT")):
        await world.emulator.react(*at(question), who, emoji)
    await back(world)
    await until(lambda: world.calls_of("reactions.get"))
    await world.settled()
    await asyncio.sleep(0.3)
    assert world.model.running
    world.model.go.set()
    assert not (await world.final(question))[0].note


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 429, "headers": {"Retry-After": "1"}}])
async def test_reactions_that_cannot_be_read_at_first_are_read_later(world, fault, monkeypatch):
    monkeypatch.setattr(standing, "AGAIN", 0.1)
    question, _, _ = await world.begun()
    await out(world)
    await world.react(question, who=world.bob)
    await world.emulator.fault("reactions.get", times=3, **fault)
    await back(world)
    assert (await world.stopped(question)).note == "Stopped by bob."


async def test_no_reactions_are_read_while_one_socket_is_up_or_of_answers_that_are_over(world):
    await world.final(await world.ask("why?"))
    question, _, _ = await world.begun()
    before = await world.calls_of("reactions.get")
    await world.emulator.drop()
    await opened(world, 2)
    await connects(world, 3)
    assert await world.calls_of("reactions.get") == before
    await world.emulator.drop(every=True)
    await until(lambda: world.calls_of("reactions.get"))
    await world.settled()
    assert len(await world.calls_of("reactions.get")) <= 2  # of the question and its answer
    world.model.go.set()
    await world.final(question)


@pytest.mark.parametrize("long", [True, False])
async def test_mentions_are_looked_for_after_a_silence_that_outlasts_slacks_own_quick_retries(
    world, monkeypatch, long
):
    monkeypatch.setattr(way, "QUICK", 0.2 if long else 60.0)
    first = await world.ask("why?")
    await world.final(first)
    searches = len(await world.calls_of("conversations.history"))
    await out(world)
    missed = await world.ask("and how?")
    inside = await world.reply(first, "and when?")
    await asyncio.sleep(0.4)
    await back(world)
    if long:
        for question in (missed, inside):
            assert (await world.final(question))[0].text == "Yes."
        await world.settled()
        assert [len(await world.answers(each)) for each in (first, missed, inside)] == [2, 1, 1]
    else:
        await asyncio.sleep(0.5)
        assert len(await world.calls_of("conversations.history")) == searches
        assert len(world.model.requests) == 1


async def test_a_mention_that_is_found_and_sent_again_too_is_answered_once(world, monkeypatch):
    """Whichever comes first: what was answered before the outage is found as well."""
    monkeypatch.setattr(way, "QUICK", 0.2)
    before = await world.ask("why?")
    await world.final(before)
    await out(world, again=True)
    missed = await world.ask("and how?")
    await asyncio.sleep(0.4)
    await back(world)
    await world.final(missed)
    await world.redeliver()
    await world.settled()
    await asyncio.sleep(0.5)
    assert len(world.model.requests) == 2
    assert [len(await world.answers(each)) for each in (before, missed)] == [1, 1]
