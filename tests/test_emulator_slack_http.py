"""The Slack emulator in HTTP mode and in trouble, as Slack's own SDK sees it over real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from adapters.emulators.slack import Slack
from adapters.emulators.slack.chaos import CALLS
from adapters.emulators.slack.http_sender import FORGED, signed

SECRET = "s3cret"


class HttpBot:
    """A Bolt app behind a request URL, as Slack's own adapter serves it."""

    def __init__(self, slack: Slack) -> None:
        client = AsyncWebClient(token="xoxb-1", base_url=f"{slack.url}/api/")
        self.app = AsyncApp(name="bot", client=client, signing_secret=SECRET)
        self.told: list[dict[str, Any]] = []
        self.retries: list[str] = []
        self.app.use(self._note)
        for event in ("app_mention", "message"):
            self.app.event(event)(self._nothing)
        self.app.action("stop")(self._acknowledge)
        self.runner = web.AppRunner(self.app.web_app(path="/slack/events"))
        self.status = 200

    async def _note(self, body: dict[str, Any], req: Any, next: Callable[[], Awaitable[Any]]) -> None:  # noqa: A002
        self.told.append(body)
        self.retries += req.headers.get("x-slack-retry-num", [""])
        if self.status != 200:
            raise RuntimeError("not now")
        await next()

    async def _nothing(self) -> None:
        pass

    async def _acknowledge(self, ack: Callable[[], Awaitable[None]]) -> None:
        await ack()

    async def start(self) -> str:
        """Listen; return the request URL."""
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}/slack/events"


@pytest.fixture
async def slack() -> AsyncIterator[Slack]:
    emulator = Slack()
    await emulator.start()
    yield emulator
    await emulator.stop()


@pytest.fixture
async def bot(slack: Slack) -> AsyncIterator[HttpBot]:
    bot = HttpBot(slack)
    assert await slack.request_url(await bot.start(), SECRET)
    yield bot
    await bot.runner.cleanup()


async def happened(slack: Slack, kind: str, count: int = 1) -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        while len(found := await slack.events(kinds=[kind])) < count:
            await asyncio.sleep(0.01)
    return found


@pytest.mark.parametrize("body", [b"", b"{}", "é".encode()])
def test_slacks_own_verifier_takes_the_signature(body: bytes) -> None:
    verifier = SignatureVerifier(SECRET)
    assert verifier.is_valid_request(body, signed(SECRET, body, time.time()))
    assert not verifier.is_valid_request(body, signed("another", body, time.time()))
    assert not verifier.is_valid_request(body, signed(SECRET, body, time.time() - 301))


async def test_a_url_that_does_not_answer_the_challenge_is_not_verified(slack: Slack, bot: HttpBot) -> None:
    assert not await slack.request_url(slack.url, SECRET)
    assert not await slack.request_url("http://127.0.0.1:9/", SECRET)


async def test_events_and_presses_are_posted(slack: Slack, bot: HttpBot) -> None:
    await slack.say("C1", "U1", "<@UBOT> hi")
    await happened(slack, "ack", 2)
    assert {told["event"]["type"] for told in bot.told} == {"app_mention", "message"}
    button = {"type": "button", "action_id": "stop", "text": {"type": "plain_text", "text": "Stop"}}
    web = AsyncWebClient(token="xoxb-1", base_url=f"{slack.url}/api/")
    posted = await web.chat_postMessage(
        channel="C1", text="x", blocks=[{"type": "actions", "elements": [button]}]
    )
    assert await slack.press("C1", posted["ts"], "U1")
    assert bot.told[-1]["type"] == "block_actions"


async def test_what_is_not_answered_by_200_is_posted_again_and_then_given_up(
    slack: Slack, bot: HttpBot
) -> None:
    await slack.redelivery(after=1.0, delays=(0.0, 0.05, 0.05))
    bot.status = 500
    await slack.say("D1", "U1", "hi")
    sent = await happened(slack, "unacknowledged", 4)
    await asyncio.sleep(0.2)
    assert len(await slack.events(kinds=["unacknowledged"])) == len(sent)
    assert bot.retries == ["", "1", "2", "3"]
    assert len({told["event_id"] for told in bot.told}) == 1


async def test_a_request_can_be_posted_again_as_it_was(slack: Slack, bot: HttpBot) -> None:
    await slack.say("D1", "U1", "hi")
    await happened(slack, "ack")
    assert await slack.replay() == 200
    assert [told["event_id"] for told in bot.told] == [bot.told[0]["event_id"]] * 2


async def test_what_is_lost_on_the_way_there_or_back_is_posted_again(slack: Slack, bot: HttpBot) -> None:
    await slack.redelivery(after=1.0, delays=(0.0, 0.05, 0.05))
    await slack.lose(requests=2)
    await slack.say("D1", "U1", "hi")
    await happened(slack, "ack")
    assert bot.retries == ["2"]
    await slack.lose(answers=1)
    await slack.say("D1", "U1", "hi")
    await happened(slack, "ack", 2)
    assert bot.retries == ["2", "", "1"]


@pytest.mark.parametrize("how", FORGED)
async def test_what_is_forged_bolt_does_not_take_either(slack: Slack, bot: HttpBot, how: str) -> None:
    """It answers 500 where its verifier raises."""
    assert await slack.forge(how) in {401, 500}
    assert not bot.told


# Trouble.


@pytest.mark.parametrize("how", CALLS)
async def test_every_way_to_fail_reaches_the_caller_and_then_is_over(slack: Slack, how: str) -> None:
    await slack.fail("chat.postMessage", how)
    async with aiohttp.ClientSession() as session:
        web = AsyncWebClient(token="xoxb-1", base_url=f"{slack.url}/api/", session=session, retry_handlers=[])
        with pytest.raises((SlackApiError, aiohttp.ClientError, AttributeError, ValueError)):
            await web.chat_postMessage(channel="C1", text="one")
        applied = len(await slack.channel_messages("C1"))
        await web.chat_postMessage(channel="C1", text="two")
    assert applied == how.endswith("applied")
    assert len(await slack.channel_messages("C1")) == applied + 1


async def test_tickets_grow_stale(slack: Slack) -> None:
    await slack.tickets(life=0.1)
    web = AsyncWebClient(base_url=f"{slack.url}/api/")
    url = (await web.apps_connections_open(app_token="xapp-1"))["url"]
    await asyncio.sleep(0.2)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(url)
    assert caught.value.status == 408


async def test_a_half_open_socket_stays_and_answers_nothing(slack: Slack) -> None:
    web = AsyncWebClient(base_url=f"{slack.url}/api/")
    url = (await web.apps_connections_open(app_token="xapp-1"))["url"]
    async with aiohttp.ClientSession() as session, session.ws_connect(url, autoping=False) as socket:
        assert (await socket.receive_json())["type"] == "hello"
        await socket.ping()
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.PONG
        await slack.mute()
        await socket.ping()
        await slack.say("D1", "U1", "hi")
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.3)
        assert not socket.closed


async def test_a_revoked_token_is_good_for_nothing_until_it_is_restored(slack: Slack) -> None:
    web = AsyncWebClient(token="xoxb-1", base_url=f"{slack.url}/api/")
    await slack.revoke("account_inactive", tell=False)
    with pytest.raises(SlackApiError, match="account_inactive"):
        await web.auth_test()
    await slack.restore()
    await web.auth_test()
