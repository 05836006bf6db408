"""The Slack emulator's commands, shortcuts and modals, as Bolt's own listeners take them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.emulators.slack import Slack
from adapters.emulators.slack.interactions import Interactions
from adapters.slack.incoming.interactions import About
from adapters.slack.incoming.shortcuts import modal
from tests.test_emulator_slack import Bot, close, connect, error_of, happened

Json = dict[str, Any]


@pytest.fixture
async def slack() -> AsyncIterator[Slack]:
    emulator = Slack()
    await emulator.start()
    yield emulator
    await emulator.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def bot(slack: Slack, session: aiohttp.ClientSession) -> AsyncIterator[Bot]:
    bot = Bot(slack, session)
    await connect(bot)
    await happened(slack, "connect")
    yield bot
    await close(bot)


@pytest.fixture
async def web(slack: Slack, session: aiohttp.ClientSession) -> AsyncWebClient:
    return AsyncWebClient(token="xoxb-1", base_url=f"{slack.url}/api/", session=session, retry_handlers=[])


VIEW = modal(About("C1", "1.0", ""))


async def test_a_command_is_shown_what_the_app_acknowledges_it_with(slack: Slack, bot: Bot) -> None:
    async def listener(ack: Any, command: Json) -> None:
        await ack(f"{command['text']} of {command['user_id']} in {command['channel_id']}")

    bot.app.command("/rivulet")(listener)
    shown = await slack.command("C1", "U1", "a < b <@U2>")
    assert (shown["text"], shown["failed"]) == ("a < b <@U2|bob> of U1 in C1", "")
    [told] = await slack.events(kinds=["ephemeral"])
    assert (told["user"], told["by"]) == ("U1", "ack")


async def test_a_command_that_nobody_acknowledges_fails(slack: Slack, bot: Bot) -> None:
    await slack.redelivery(after=0.2)
    bot.acknowledges = False
    assert (await slack.command("C1", "U1", "x"))["failed"] == "dispatch_failed"
    assert (
        len([each for each in await slack.events(kinds=["envelope"]) if each["type"] == "slash_commands"])
        == 1
    )


async def test_a_response_url_is_good_five_times_and_half_an_hour(slack: Slack, bot: Bot) -> None:
    statuses: list[int] = []

    async def listener(ack: Any, respond: Any) -> None:
        await ack()
        for number in range(6):
            answer = await respond(f"reply {number}")
            statuses.append(answer.status_code)
        await slack.age(addresses=1801.0)
        statuses.append((await respond("late")).status_code)

    bot.app.command("/rivulet")(listener)
    assert (await slack.command("C1", "U1", "x"))["text"] == ""
    told = await happened(slack, "ephemeral", 5)
    async with asyncio.timeout(20):
        while len(statuses) < 7:
            await asyncio.sleep(0.01)
    assert statuses == [200] * 5 + [404, 404]
    assert [each["text"] for each in told] == [f"reply {number}" for number in range(5)]


async def test_a_reply_for_all_is_a_message(slack: Slack, bot: Bot) -> None:
    async def listener(ack: Any) -> None:
        await ack(text="for all", response_type="in_channel")

    bot.app.command("/rivulet")(listener)
    await slack.command("C1", "U1", "x")
    assert [each["text"] for each in await slack.channel_messages("C1")] == ["for all"]


async def test_a_shortcut_opens_a_modal_that_is_sent_back(slack: Slack, bot: Bot) -> None:
    sent: list[Json] = []

    async def chosen(ack: Any, shortcut: Json, client: Any) -> None:
        await ack()
        sent.append(shortcut)
        await client.views_open(trigger_id=shortcut["trigger_id"], view=VIEW)

    async def submitted(ack: Any, view: Json) -> None:
        sent.append(view)
        value = view["state"]["values"]["question"]["text"]["value"]
        await ack(response_action="errors", errors={"question": "No."}) if value == "no" else await ack()

    bot.app.message_shortcut("ask_about")(chosen)
    bot.app.view("ask_about")(submitted)
    ts = await slack.say("C1", "U2", "hello")
    assert await slack.shortcut("C1", ts, "U1")
    async with asyncio.timeout(20):
        while not sent:
            await asyncio.sleep(0.01)
    assert (sent[0]["message"]["ts"], sent[0]["message"]["text"]) == (ts, "hello")
    await happened(slack, "call")
    async with asyncio.timeout(20):
        while not slack._views._open:
            await asyncio.sleep(0.01)
    with pytest.raises(ValueError, match="required"):
        await slack.submit("U1", "")
    assert (await slack.submit("U1", "no"))["errors"] == {"question": "No."}
    assert (await slack.submit("U1", "yes"))["errors"] == {}
    with pytest.raises(LookupError):
        await slack.submit("U1", "again")
    assert sent[1]["private_metadata"] == VIEW["private_metadata"]


async def test_a_trigger_is_good_once_and_for_three_seconds(slack: Slack, web: AsyncWebClient) -> None:
    assert isinstance(slack, Interactions)
    trigger = slack._views.trigger("U1")
    await web.views_open(trigger_id=trigger, view=VIEW)
    assert await error_of(web.views_open(trigger_id=trigger, view=VIEW)) == "exchanged_trigger_id"
    assert await error_of(web.views_open(trigger_id="1.2.x", view=VIEW)) == "invalid_trigger_id"
    trigger = slack._views.trigger("U1")
    await slack.age(triggers=3.0)
    assert await error_of(web.views_open(trigger_id=trigger, view=VIEW)) == "expired_trigger_id"


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "home"},
        {"title": {"type": "plain_text", "text": "x" * 25}},
        {"title": {"type": "mrkdwn", "text": "x"}},
        {"submit": {"type": "plain_text", "text": ""}},
        {"private_metadata": "x" * 3_001},
        {"callback_id": "x" * 256},
        {"blocks": []},
        {"blocks": [{"type": "divider"}] * 101},
        {"blocks": [{**VIEW["blocks"][0], "label": {"type": "mrkdwn", "text": "x"}}]},
        {"blocks": [{**VIEW["blocks"][0], "element": {"type": "plain_text_input", "max_length": 3_001}}]},
    ],
)
async def test_a_view_that_is_wrong_is_refused(slack: Slack, web: AsyncWebClient, wrong: Json) -> None:
    trigger = slack._views.trigger("U1")
    assert await error_of(web.views_open(trigger_id=trigger, view={**VIEW, **wrong})) == "invalid_arguments"
    await web.views_open(trigger_id=trigger, view=VIEW)


async def test_an_input_needs_a_button_to_send_it(slack: Slack, web: AsyncWebClient) -> None:
    view = {name: value for name, value in VIEW.items() if name != "submit"}
    with pytest.raises(SlackApiError, match="invalid_arguments"):
        await web.views_open(trigger_id=slack._views.trigger("U1"), view=view)


@pytest.mark.parametrize(("channel", "error"), [("C1", "not_in_channel"), ("G1", "channel_not_found")])
async def test_where_the_bot_is_no_member_it_can_do_nothing_and_hears_nothing(
    slack: Slack, bot: Bot, channel: str, error: str
) -> None:
    await slack.absent(channel)
    ts = await slack.say(channel, "U1", "<@UBOT> hello")
    assert await error_of(bot.web.chat_postMessage(channel=channel, text="x")) == error
    assert await error_of(bot.web.conversations_replies(channel=channel, ts=ts)) == error
    assert not await slack.events(kinds=["envelope"])
    await slack.absent()
    await bot.web.chat_postMessage(channel=channel, text="x")
