"""Slack's HTTP mode: who is listened to, and what is acknowledged."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

import adapters
from adapters.emulators.slack.http_sender import signed
from adapters.slack.incoming import http, way
from adapters.slack.incoming.http import FRESH, authentic, parsed
from bot.platform import Unavailable
from tests.contract import HOLD, until
from tests.worlds import SlackHttpWorld

SECRET = SlackHttpWorld.SECRET
NOW = 1_531_420_618.0
#: The example of Slack's documentation.
BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
STAMP = "1531420618"
SIGNATURE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"


@pytest.fixture
async def world() -> AsyncIterator[SlackHttpWorld]:
    world = await SlackHttpWorld.open()
    assert isinstance(world, SlackHttpWorld)
    yield world
    await world.close()


async def post(world: SlackHttpWorld, body: Any, **headers: str) -> int:
    """Post *body* to the bot; return the status."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{world.port}{http.PATH}", data=body, headers=headers) as answer,
    ):
        return answer.status


def letter(payload: Any, age: float = 0.0) -> tuple[bytes, dict[str, str]]:
    """Return *payload* as Slack would post it, so many seconds ago."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return body, {"Content-Type": "application/json", **signed(SECRET, body, time.time() - age)}


# Signatures.


def test_slacks_own_example_of_a_signature_is_good():
    assert authentic(SECRET, BODY, STAMP, SIGNATURE, NOW)


@pytest.mark.parametrize(
    ("secret", "body", "stamp", "signature", "now"),
    [
        ("", BODY, STAMP, SIGNATURE, NOW),
        (SECRET[:-1], BODY, STAMP, SIGNATURE, NOW),
        (SECRET, BODY + b" ", STAMP, SIGNATURE, NOW),
        (SECRET, BODY, "1531420619", SIGNATURE, NOW),
        (SECRET, BODY, STAMP, SIGNATURE.upper(), NOW),
        (SECRET, BODY, STAMP, SIGNATURE[3:], NOW),
        (SECRET, BODY, STAMP, "", NOW),
        (SECRET, BODY, "", SIGNATURE, NOW),
        (SECRET, BODY, STAMP, SIGNATURE, NOW + FRESH + 1),
        (SECRET, BODY, STAMP, SIGNATURE, NOW - FRESH - 1),
    ],
)
def test_anything_else_is_not(secret, body, stamp, signature, now):
    assert not authentic(secret, body, stamp, signature, now)


@given(
    st.binary(max_size=50),
    st.text(max_size=20) | st.sampled_from(["١٢٣", "1e3", "nan", "-1", "1" * 400, " 1531420618"]),
    st.text(max_size=80) | st.sampled_from(["v0=é", "v0=\udcff"]),
)
def test_no_header_whatever_it_holds_makes_the_check_raise_or_pass(body, stamp, signature):
    assert not authentic(SECRET, body, stamp, signature, NOW)


@pytest.mark.parametrize("age", [0, FRESH - 5, -FRESH + 5])
async def test_a_signed_request_is_taken_within_five_minutes(world, age):
    body, headers = letter({"type": "x"}, age)
    assert await post(world, body, **headers) == 200


@pytest.mark.parametrize("age", [FRESH + 5, -FRESH - 5])
@pytest.mark.rule(25)
async def test_a_request_signed_at_another_time_is_not(world, age):
    body, headers = letter({"type": "x"}, age)
    assert await post(world, body, **headers) == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Slack-Signature": SIGNATURE},
        {"X-Slack-Request-Timestamp": STAMP},
        {"X-Slack-Request-Timestamp": "yesterday", "X-Slack-Signature": SIGNATURE},
        {"X-Slack-Request-Timestamp": "now", "X-Slack-Signature": "v0=é"},
        {"X-Slack-Request-Timestamp": "1" * 5000, "X-Slack-Signature": SIGNATURE},
    ],
)
@pytest.mark.rule(25)
async def test_what_is_not_signed_is_401_and_never_500(world, headers):
    assert await post(world, b'{"type": "url_verification", "challenge": "x"}', **headers) == 401


@pytest.mark.rule(25)
async def test_a_signature_that_is_not_ascii_is_401(world):
    body, headers = letter({"type": "x"})
    assert await post(world, body, **{**headers, "X-Slack-Signature": "v0=é"}) == 401


async def test_a_body_that_is_not_what_it_says_is_401(world):
    body, headers = letter({"type": "x"})
    assert await post(world, body, **{**headers, "Content-Encoding": "gzip"}) in {400, 401}


@pytest.mark.rule(25)
async def test_a_body_over_a_megabyte_is_not_read(world, monkeypatch):
    monkeypatch.setattr(http, "LARGEST", 1000)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    assert await post(world, b"x" * 1001) == 413
    assert await post(world, endless()) == 413
    body, headers = letter({"type": "x" * 900})
    assert await post(world, body, **headers) == 200


@pytest.mark.rule(25)
async def test_a_body_that_does_not_come_is_given_up(world, monkeypatch):
    monkeypatch.setattr(http, "READING", 0.1)

    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(0.5)

    assert await post(world, slow()) == 413


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
async def test_a_signed_body_that_says_nothing_is_no_error_of_ours(world, body):
    _, headers = letter(body)
    assert await post(world, body, **headers) == 400


# What is acknowledged.


async def test_slacks_challenge_is_answered_only_if_it_is_signed(world):
    world.emulator._http.secret = "another"
    assert not await world.emulator._http.verify()
    world.emulator._http.secret = SECRET
    assert await world.emulator._http.verify()


@pytest.mark.rule(25)
async def test_the_same_signed_request_again_is_good_and_answered_once(world):
    question = await world.ask("why?")
    await world.final(question)
    await world.settled()
    assert await world.emulator.replay() == 200
    await world.settled()
    assert len(await world.answers(question)) == 1
    assert len(world.model.requests) == 1


async def test_what_the_core_did_not_take_is_503_and_comes_again(world, monkeypatch):
    await world.emulator.redelivery(after=3.0, delays=(0.0, 0.1, 0.1))
    mention, tries = world.core.mention, []

    async def fails_once(asked: Any) -> None:
        tries.append(asked.key)
        if len(tries) == 1:
            raise ConnectionError("the ledger is away")
        await mention(asked)

    monkeypatch.setattr(world.core, "mention", fails_once)
    question = await world.ask("why?")
    assert len(await world.final(question)) == 1
    statuses = [each["status"] for each in await world.emulator.events(kinds=["unacknowledged"])]
    assert statuses == [503]
    assert len(world.model.requests) == 1


async def test_an_event_that_takes_long_is_503_in_time_and_taken_all_the_same(world, monkeypatch):
    monkeypatch.setattr(http, "WITHIN", 0.1)
    await world.emulator.redelivery(after=3.0, delays=(0.0,))
    await world.emulator.latency("users.info", 0.6)
    question = await world.ask("why?")
    assert len(await world.final(question)) == 1
    assert {each["status"] for each in await world.emulator.events(kinds=["unacknowledged"])} == {503}
    assert len(world.model.requests) == 1


async def test_an_event_that_comes_as_a_retry_only_is_answered(world):
    await world.vanish()
    await world.emulator.redelivery(after=3.0, delays=(0.5, 1.0, 2.0))
    question = await world.ask("why?")
    await world.emulator.events(len(world.emulator.log), 0.2)
    await world.connect()
    assert (await world.final(question))[0].text == "Yes."
    taken = [each for each in await world.emulator.events(kinds=["envelope"]) if each["retry_attempt"]]
    assert taken


async def test_while_nobody_takes_events_they_are_503(world):
    await world.vanish()
    await world.serve()
    body, headers = letter({"type": "event_callback", "event": {"type": "app_mention"}})
    assert await post(world, body, **headers) == 503


async def test_events_wait_for_room_and_none_is_lost(world):
    world.platform._way.http._room = asyncio.Semaphore(1)
    await world.emulator.latency("users.info", 0.1)
    questions = [await world.ask(f"why {number}?", who=("U1", "U2")[number % 2]) for number in range(6)]
    for question in questions:
        await world.final(question)


async def test_an_event_for_which_there_is_no_room_in_time_is_503(world, monkeypatch):
    monkeypatch.setattr(http, "WITHIN", 0.1)
    world.platform._way.http._room = asyncio.Semaphore(0)
    body, headers = letter({"type": "x"})
    assert await post(world, body, **headers) == 503


async def test_a_press_comes_as_a_form(world):
    question = await world.ask("why?", "Because ", HOLD)
    answer = await world.first(question, "Because")
    assert await world.emulator.press(*answer.id.split("/"), world.ann)
    await world.stopped(question)


# Settings and health.


def test_without_an_app_token_a_signing_secret_is_enough_and_a_route_is_wanted():
    settings = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": SECRET}
    platform = adapters.load("slack", **settings)
    assert platform
    assert [getattr(route, "path", "") for route in platform.routes] == [http.PATH]
    assert SECRET in platform.secrets


def test_with_an_app_token_nothing_is_served():
    settings = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "SLACK_SIGNING_SECRET": SECRET}
    platform = adapters.load("slack", **settings)
    assert platform
    assert not platform.routes


@pytest.mark.parametrize("secret", ["", "   "])
@pytest.mark.rule(25)
def test_an_empty_secret_is_refused_at_the_start(secret):
    settings = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": secret}
    with pytest.raises(Unavailable, match="SLACK_SIGNING_SECRET"):
        adapters.find("slack", **settings)


async def test_the_doctor_needs_no_app_token(world):
    [found] = await world.load().check()
    assert found.ok


async def test_the_doctor_calls_no_scope_missing_where_slack_names_none(world):
    await world.emulator.scopes("")
    good, found = await world.load().check()
    assert (good.ok, found.ok, found.fatal) == (True, False, False)
    assert "did not say" in found.text


async def test_health_follows_what_slack_answers(world, monkeypatch):
    monkeypatch.setattr(way, "PULSE", 0.1)
    monkeypatch.setattr(way, "DOWN", 0.3)
    await world.vanish()
    await world.connect()
    await world.emulator.fault("auth.test", times=6, status=503)

    async def down() -> bool:
        return bool(world.platform.health == "down")

    async def up() -> bool:
        return bool(world.platform.health == "up")

    await until(down)
    await until(up)


@pytest.mark.parametrize(
    ("body", "form", "read"),
    [
        (b'{"a": 1}', False, {"a": 1}),
        (urlencode({"payload": '{"a": "\u00fc"}'}).encode(), True, {"a": "ü"}),
        (b"ssl_check=1", True, {}),
        (b"payload=", True, {}),
        (b"payload=[]", True, None),
        (b"payload=%7B", True, None),
    ],
)
def test_a_body_is_json_or_a_form_with_json_in_it(body, form, read):
    assert parsed(body, form=form) == read
