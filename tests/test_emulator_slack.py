"""The Slack emulator, as Slack's own SDK sees it over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.emulators.control import Remote
from adapters.emulators.slack import Slack

Json = dict[str, Any]

STOP = {
    "type": "actions",
    "elements": [
        {
            "type": "button",
            "action_id": "stop",
            "value": "x",
            "text": {"type": "plain_text", "text": "Stop"},
        }
    ],
}


def markdown(text: str) -> Json:
    return {"type": "markdown", "text": text}


def moment(body: Json) -> tuple[str, str]:
    event = body.get("event") or {"event_ts": body["actions"][0]["action_ts"], "type": "press"}
    return event["event_ts"], event["type"]


class Bot:
    """A Bolt app that only remembers what it was told."""

    def __init__(self, slack: Slack, session: aiohttp.ClientSession) -> None:
        self.web = AsyncWebClient(token="xoxb-1", base_url=f"{slack.url}/api/", session=session)
        self.app = AsyncApp(
            name="bot", client=self.web, signing_secret="unused", ignoring_self_events_enabled=False
        )
        self.socket = AsyncSocketModeHandler(self.app, "xapp-1", web_client=self.web, ping_interval=1)
        self.told: list[Json] = []
        self.retries: list[tuple[int, str]] = []
        self.acknowledges = True
        self._news = asyncio.Event()
        self.app.use(self._note)
        for event in ("app_mention", "message", "reaction_added", "agent_session_stopped"):
            self.app.event(event)(self._nothing)
        self.app.action("stop")(self._acknowledge)

    async def _note(self, body: Json, req: Any, next: Callable[[], Awaitable[Any]]) -> None:  # noqa: A002
        self.told.append(body)
        number = int((req.headers.get("x-slack-retry-num") or ["0"])[0])
        self.retries.append((number, body.get("event_id", "")))
        self._news.set()
        if self.acknowledges:
            await next()
        else:
            await asyncio.sleep(0.5)

    async def _nothing(self) -> None:
        pass

    async def _acknowledge(self, ack: Callable[[], Awaitable[None]]) -> None:
        await ack()

    async def hears(self, count: int) -> list[Json]:
        """Wait until it was told *count* things; return them as they happened, which Bolt does not ensure."""
        async with asyncio.timeout(20):
            while len(self.told) < count:
                self._news.clear()
                await self._news.wait()
        return sorted(self.told, key=moment)


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


async def connect(bot: Bot) -> None:
    await bot.socket.connect_async()  # so it is in Bolt


async def close(bot: Bot) -> None:
    client = bot.socket.client
    tasks = [client.message_processor, client.current_session_monitor, client.message_receiver]
    await bot.socket.close_async()  # so it is in Bolt
    await asyncio.gather(*filter(None, tasks), return_exceptions=True)


async def happened(slack: Slack, kind: str, count: int = 1) -> list[Json]:
    """Return the log entries of a kind, once there are *count*."""
    async with asyncio.timeout(20):
        while len(found := await slack.events(kinds=[kind])) < count:
            await slack.events(since=len(slack.log), wait=0.2)
    return found


async def error_of(call: Awaitable[Any]) -> str:
    with pytest.raises(SlackApiError) as refused:
        await call
    return str(refused.value.response["error"])


def kinds(told: list[Json]) -> list[str]:
    return [body["event"]["type"] for body in told]


# The way through.


async def test_the_sdk_hears_a_mention_twice_then_posts_and_edits(slack: Slack, bot: Bot) -> None:
    """One mention is two events of one message; the bot's post and edit are what a reader sees."""
    ts = await slack.say("C1", "U1", "<@UBOT> is 1 < 2 & so on?")
    told = await bot.hears(2)
    assert kinds(told) == ["app_mention", "message"]
    mention, message = (body["event"] for body in told)
    assert mention["ts"] == message["ts"] == ts
    assert mention["client_msg_id"] == message["client_msg_id"]
    assert told[0]["event_id"] != told[1]["event_id"]
    assert message["text"] == "<@UBOT> is 1 &lt; 2 &amp; so on?"
    assert message["blocks"][0]["elements"][0]["elements"] == [
        {"type": "user", "user_id": "UBOT"},
        {"type": "text", "text": " is 1 < 2 & so on?"},
    ]
    note = {"type": "context", "elements": [{"type": "mrkdwn", "text": "2 s &amp; more"}]}
    posted = await bot.web.chat_postMessage(
        channel="C1", thread_ts=ts, text="…", blocks=[markdown("…"), STOP]
    )
    assert (await slack.message("C1", posted["ts"]))["live"]
    await bot.web.chat_update(
        channel="C1", ts=posted["ts"], text="1 &lt; 2", blocks=[markdown("1 &lt; 2"), note]
    )
    seen = (await slack.thread("C1", ts))[1]
    assert (seen["text"], seen["note"], seen["live"], seen["edits"]) == ("1 < 2", "2 s & more", False, 1)
    assert [entry["live"] for entry in await slack.events(kinds=["post", "edit"])] == [True, False]
    assert [entry["empty"] for entry in await slack.events(kinds=["post", "edit"])] == [True, False]


async def test_acknowledgements_are_seen(slack: Slack, bot: Bot) -> None:
    """Every envelope that Bolt acknowledges is in the log with its own id."""
    await slack.say("C1", "U1", "<@UBOT> hi")
    acks = await happened(slack, "ack", 2)
    sent = await slack.events(kinds=["envelope"])
    assert {entry["envelope_id"] for entry in acks} == {entry["envelope_id"] for entry in sent}


async def test_a_direct_message_is_one_event(slack: Slack, bot: Bot) -> None:
    """In a direct conversation there is no app_mention, even if the bot is named."""
    await slack.say("D1", "U1", "<@UBOT> hi")
    await slack.say("D1", "U1", "again")
    told = await bot.hears(2)
    assert [(body["event"]["type"], body["event"]["channel_type"]) for body in told] == [
        ("message", "im")
    ] * 2


async def test_strangers_and_replies_carry_their_marks(slack: Slack, bot: Bot) -> None:
    """A reply names its root's author; a stranger's message names their workspace."""
    root = await slack.say("C1", "U1", "hello")
    await slack.say("C1", "UEXT", "hello you", thread_ts=root)
    reply = (await bot.hears(2))[1]
    assert (reply["event"]["thread_ts"], reply["event"]["parent_user_id"]) == (root, "U1")
    assert (reply["event"]["user_team"], reply["event"]["source_team"]) == ("T2", "T2")
    assert reply["is_ext_shared_channel"]
    user = (await bot.web.users_info(user="UEXT"))["user"]
    assert user["is_stranger"]
    assert user["team_id"] == "T2"
    assert await error_of(bot.web.users_info(user="UNOBODY")) == "user_not_found"


async def test_other_bots_are_marked(slack: Slack, bot: Bot) -> None:
    """Another bot's message carries its bot_id."""
    await slack.post_as("C1", "UROBOT", "<@UBOT> hi", "BOTHER")
    told = await bot.hears(2)
    assert {(body["event"]["bot_id"], body["event"]["subtype"]) for body in told} == {
        ("BOTHER", "bot_message")
    }


async def test_the_bot_is_told_of_its_own_doings(slack: Slack, web: AsyncWebClient, bot: Bot) -> None:
    """Slack sends a bot its own posts, edits and deletions; ignoring them is the bot's business."""
    ts = (await web.chat_postMessage(channel="C1", text="one"))["ts"]
    await web.chat_update(channel="C1", ts=ts, text="two")
    await web.chat_delete(channel="C1", ts=ts)
    posted, changed, deleted = (body["event"] for body in await bot.hears(3))
    assert (posted["bot_id"], posted["user"], posted["app_id"]) == ("BBOT", "UBOT", "A1")
    assert (changed["subtype"], changed["hidden"]) == ("message_changed", True)
    assert (changed["message"]["text"], changed["previous_message"]["text"]) == ("two", "one")
    assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", ts)


async def test_people_edit_delete_react_and_press(slack: Slack, bot: Bot) -> None:
    """Each of a person's acts arrives in Slack's shape."""
    question = await slack.say("C1", "U1", "hello")
    await slack.edit("C1", question, "hello!")
    await slack.delete("C1", question)
    answer = (await bot.web.chat_postMessage(channel="C1", text="x", blocks=[markdown("x"), STOP]))["ts"]
    await slack.react("C1", answer, "U1", "octagonal_sign")
    await slack.stop_session("C1", question, "U1", [answer])
    told = [body["event"] for body in await bot.hears(6)]
    changed, deleted, _, reaction, stopped = told[1:]
    assert (changed["message"]["text"], changed["message"]["edited"]["user"]) == ("hello!", "U1")
    assert deleted["previous_message"]["user"] == "U1"
    assert reaction["item"] == {"type": "message", "channel": "C1", "ts": answer}
    assert (reaction["reaction"], reaction["item_user"]) == ("octagonal_sign", "UBOT")
    assert stopped["streaming_message_ts"] == [answer]
    assert await slack.press("C1", answer, "U2")
    press = (await bot.hears(7))[6]
    assert (press["type"], press["user"]["id"], press["container"]["message_ts"]) == (
        "block_actions",
        "U2",
        answer,
    )
    assert [(action["action_id"], action["value"]) for action in press["actions"]] == [("stop", "x")]
    with pytest.raises(LookupError):
        await slack.press("C1", answer, "U2", "Retry")


async def test_a_deleted_root_leaves_a_tombstone(slack: Slack, bot: Bot) -> None:
    """Deleting a root with replies arrives as message_changed, and the thread stays readable."""
    root = await slack.say("C1", "U1", "hello")
    await slack.say("C1", "U2", "hi", thread_ts=root)
    await slack.delete("C1", root)
    gone = (await bot.hears(3))[2]["event"]
    assert (gone["subtype"], gone["message"]["subtype"]) == ("message_changed", "tombstone")
    assert gone["previous_message"]["user"] == "U1"
    listed = (await bot.web.conversations_replies(channel="C1", ts=root))["messages"]
    assert [message.get("subtype") for message in listed] == ["tombstone", None]


# Refusals.


async def test_a_429_names_its_wait_and_leaves_other_methods_alone(slack: Slack, web: AsyncWebClient) -> None:
    """Past its limit one method is refused with Retry-After, until the penalty is over."""
    await slack.limit("chat.update", 1, 0.1, retry_after=1.0)
    ts = (await web.chat_postMessage(channel="C1", text="x"))["ts"]
    await web.chat_update(channel="C1", ts=ts, text="y")
    with pytest.raises(SlackApiError) as refused:
        await web.chat_update(channel="C1", ts=ts, text="z")
    assert (refused.value.response.status_code, refused.value.response["error"]) == (429, "ratelimited")
    assert refused.value.response.headers["Retry-After"] == "1"
    await web.reactions_add(channel="C1", timestamp=ts, name="eyes")
    await asyncio.sleep(0.2)
    assert await error_of(web.chat_update(channel="C1", ts=ts, text="z")) == "ratelimited"
    await asyncio.sleep(1.0)
    await web.chat_update(channel="C1", ts=ts, text="z")
    assert (await slack.verdict())["refused"] == 2


async def test_posts_are_limited_per_channel(slack: Slack, web: AsyncWebClient) -> None:
    """A busy channel does not keep the bot from posting in another one."""
    await slack.limit("chat.postMessage", 1, 60)
    await web.chat_postMessage(channel="C1", text="x")
    assert await error_of(web.chat_postMessage(channel="C1", text="x")) == "ratelimited"
    await web.chat_postMessage(channel="C2", text="x")
    await slack.limits(on=False)
    await web.chat_postMessage(channel="C1", text="x")


async def test_updates_are_refused_as_documented(slack: Slack, web: AsyncWebClient) -> None:
    """Too long, not there, somebody else's: each has its error."""
    ts = (await web.chat_postMessage(channel="C1", text="x"))["ts"]
    theirs = await slack.say("C1", "U1", "mine")
    await web.chat_update(channel="C1", ts=ts, text="é" * 2_000)
    assert await error_of(web.chat_update(channel="C1", ts=ts, text="é" * 2_001)) == "msg_too_long"
    assert await error_of(web.chat_update(channel="C1", ts="1.0", text="x")) == "message_not_found"
    assert await error_of(web.chat_update(channel="C1", ts=theirs, text="x")) == "cant_update_message"
    assert await error_of(web.chat_update(channel="X1", ts=ts, text="x")) == "channel_not_found"
    await web.chat_delete(channel="C1", ts=ts)
    assert await error_of(web.chat_update(channel="C1", ts=ts, text="x")) == "message_not_found"
    assert (await slack.verdict())["errors"]["message_not_found"] == 2


@pytest.mark.parametrize(
    ("blocks", "error"),
    [
        ([], "no_text"),
        ([markdown("x" * 6_001), markdown("x" * 6_000)], "msg_blocks_too_long"),
        ([markdown(" ")], "invalid_blocks"),
        ([{"type": "divider"}] * 51, "invalid_blocks"),
        ([{"type": "paragraph"}], "invalid_blocks"),
        ([{"type": "context", "elements": ["x"]}], "invalid_blocks"),
        ("[{", "invalid_blocks_format"),
        ([{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_001}}], "invalid_blocks"),
        ([{"type": "context", "elements": [{"type": "mrkdwn", "text": "x" * 3_001}]}], "invalid_blocks"),
        ([{"type": "actions", "elements": STOP["elements"] * 2}], "invalid_blocks"),  # type: ignore[operator]
    ],
)
async def test_content_is_checked(web: AsyncWebClient, blocks: Any, error: str) -> None:
    """Blocks are refused where Block Kit's pages say so."""
    assert await error_of(web.api_call("chat.postMessage", json={"channel": "C1", "blocks": blocks})) == error


async def test_a_post_that_is_too_long_loses_its_tail_and_succeeds(web: AsyncWebClient) -> None:
    """Slack truncates at 40,000 characters and only warns."""
    answer = await web.chat_postMessage(channel="C1", text="x" * 40_001)
    assert answer["warning"] == "message_truncated"
    assert len(answer["message"]["text"]) == 40_000


async def test_tokens_scopes_and_unknown_methods(slack: Slack, web: AsyncWebClient) -> None:
    """Tokens are checked, scopes announced, unknown methods refused."""
    await slack.scopes("chat:write")
    assert (await web.auth_test()).headers["x-oauth-scopes"] == "chat:write"
    assert await error_of(web.api_call("chat.sing")) == "unknown_method"
    assert await error_of(web.apps_connections_open(app_token="xoxb-1")) == "not_allowed_token_type"
    await slack.tokens(["xoxb-2"])
    assert await error_of(web.auth_test()) == "invalid_auth"


async def test_an_event_whose_scope_is_missing_is_not_sent(slack: Slack) -> None:
    """Each event's page names the scope without which it is not sent."""
    sent: list[Any] = []
    slack._workspace._send = sent.append
    await slack.scopes("app_mentions:read,groups:history")
    await slack.say("C1", "U1", "<@UBOT> hi")
    await slack.say("G1", "U1", "hi")
    await slack.say("DU1", "U1", "hi")
    assert [(each["event"]["type"], each["event"]["channel"]) for each in sent] == [
        ("app_mention", "C1"),
        ("message", "G1"),
    ]


async def test_text_without_blocks_replaces_the_blocks(slack: Slack, web: AsyncWebClient) -> None:
    """An update with text only takes the old blocks away; metadata stays."""
    metadata = {"event_type": "answer", "event_payload": {"id": "7"}}
    posted = await web.chat_postMessage(
        channel="C1", text="x", blocks=[markdown("x"), STOP], metadata=metadata
    )
    await web.chat_update(channel="C1", ts=posted["ts"], text="plain")
    seen = await slack.message("C1", posted["ts"])
    assert (seen["text"], seen["blocks"], seen["controls"]) == ("plain", [], [])
    page = await web.conversations_history(channel="C1", include_all_metadata=True)
    assert page["messages"][0]["metadata"] == metadata
    assert "metadata" not in (await web.conversations_history(channel="C1"))["messages"][0]


async def test_history_and_replies_come_in_pages(slack: Slack, web: AsyncWebClient) -> None:
    """History is newest first and without replies, a thread oldest first; cursors lead through both."""
    tops = [await slack.say("C1", "U1", f"top {n}") for n in range(5)]
    below = [await slack.say("C1", "U2", f"reply {n}", thread_ts=tops[0]) for n in range(4)]
    read: list[str] = []
    cursor = ""
    while not read or cursor:
        page = await web.conversations_history(channel="C1", limit=2, cursor=cursor)
        read += [message["ts"] for message in page["messages"]]
        cursor = page["response_metadata"]["next_cursor"] if page["has_more"] else ""
    assert read == tops[::-1]
    thread = await web.conversations_replies(channel="C1", ts=tops[0], limit=3)
    rest = await web.conversations_replies(
        channel="C1", ts=tops[0], limit=3, cursor=thread["response_metadata"]["next_cursor"]
    )
    assert [message["ts"] for message in [*thread["messages"], *rest["messages"]]] == [tops[0], *below]
    assert thread["messages"][0]["reply_count"] == 4
    between = await web.conversations_history(channel="C1", oldest=tops[1], latest=tops[3])
    assert [message["ts"] for message in between["messages"]] == [tops[2]]
    inclusive = await web.conversations_history(channel="C1", oldest=tops[1], latest=tops[3], inclusive=True)
    assert len(inclusive["messages"]) == 3
    assert await error_of(web.conversations_replies(channel="C1", ts="1.0")) == "thread_not_found"


async def test_reactions_of_the_bot(slack: Slack, web: AsyncWebClient) -> None:
    """A reaction can be added once and removed once."""
    ts = await slack.say("C1", "U1", "hi")
    await web.reactions_add(channel="C1", timestamp=ts, name="eyes")
    assert await error_of(web.reactions_add(channel="C1", timestamp=ts, name="eyes")) == "already_reacted"
    assert (await slack.message("C1", ts))["reactions"] == {"eyes": ["UBOT"]}
    await web.reactions_remove(channel="C1", timestamp=ts, name="eyes")
    assert await error_of(web.reactions_remove(channel="C1", timestamp=ts, name="eyes")) == "no_reaction"


async def test_the_small_methods_answer(web: AsyncWebClient) -> None:
    """A conversation's kind, a session's status and a note for one person."""
    assert (await web.conversations_info(channel="D1"))["channel"]["is_im"]
    await web.api_call(
        "agents.sessions.setStatus", json={"channel_id": "C1", "thread_ts": "1.0", "status": "active"}
    )
    assert (await web.chat_postEphemeral(channel="C1", user="U1", text="psst"))["message_ts"]


# Faults.


async def test_faults_answer_instead(slack: Slack, web: AsyncWebClient) -> None:
    """A fault hits so many calls; with apply the effect is there and only the answer is lost."""
    await slack.fault("chat.postMessage", times=2, error="fatal_error")
    for _ in range(2):
        assert await error_of(web.chat_postMessage(channel="C1", text="x")) == "fatal_error"
    await slack.fault("chat.postMessage", drop=True, apply=True)
    with pytest.raises(aiohttp.ClientConnectionError):
        await web.chat_postMessage(channel="C1", text="only once")
    assert [seen["text"] for seen in await slack.channel_messages("C1")] == ["only once"]
    await slack.fault("auth.test", status=503, body="<html>busy</html>")
    with pytest.raises(SlackApiError):
        await web.auth_test()
    await slack.fault("auth.test", status=429, headers={"Retry-After": "7"})
    with pytest.raises(SlackApiError) as refused:
        await web.auth_test()
    assert refused.value.response.headers["Retry-After"] == "7"
    await web.auth_test()


async def test_a_call_takes_effect_though_its_caller_hangs_up(slack: Slack, web: AsyncWebClient) -> None:
    """What Slack has read takes effect, even if the caller does not wait for it."""
    await slack.latency("chat.postMessage", 0.4)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.05):
            await web.chat_postMessage(channel="C1", text="late")
    await happened(slack, "post")
    assert [seen["text"] for seen in await slack.channel_messages("C1")] == ["late"]


# Socket Mode.


async def test_what_is_not_acknowledged_comes_again(slack: Slack, bot: Bot) -> None:
    """Retries carry the same event_id and count up; then Slack gives up."""
    await slack.redelivery(after=0.05, delays=[0.0, 0.05, 0.05])
    bot.acknowledges = False
    await slack.say("D1", "U1", "hi")
    await bot.hears(4)
    assert [number for number, _ in bot.retries] == [0, 1, 2, 3]
    assert len({event_id for _, event_id in bot.retries}) == 1
    sent = await slack.events(kinds=["envelope"])
    assert len({entry["envelope_id"] for entry in sent}) == 4


async def test_an_acknowledged_event_can_come_again(slack: Slack, bot: Bot) -> None:
    """On demand the last event is delivered once more, as a retry."""
    await slack.say("C1", "U1", "<@UBOT> hi")
    await bot.hears(2)
    await happened(slack, "ack", 2)
    await slack.redeliver(event="app_mention")
    first, again, _ = await bot.hears(3)
    assert (first["event_id"], kinds([first])) == (again["event_id"], ["app_mention"])
    assert bot.retries[2] == (1, first["event_id"])


async def test_any_message_can_be_told_of_again(slack: Slack, bot: Bot) -> None:
    """However old it is; the events are new ones for the same post."""
    first = await slack.say("C1", "U1", "<@UBOT> hi")
    await slack.say("C1", "U1", "<@UBOT> ho")
    await bot.hears(4)
    await slack.again("C1", first)
    events = await bot.hears(6)
    assert [event["event"]["ts"] for event in events].count(first) == 4
    assert len({event["event_id"] for event in events}) == 6


@pytest.mark.parametrize("how", ["disconnect", "drop"])
async def test_a_lost_socket_is_replaced(slack: Slack, bot: Bot, how: str) -> None:
    """After a refresh or a dropped connection the SDK comes back, and nothing is lost."""
    await getattr(slack, how)()
    await slack.say("D1", "U1", "are you there?")
    assert kinds(await bot.hears(1)) == ["message"]
    assert len(await happened(slack, "connect", 2)) == 2


async def test_events_wait_for_a_socket(slack: Slack, session: aiohttp.ClientSession) -> None:
    """What happens while no socket is open arrives later, as a retry only."""
    await slack.say("D1", "U1", "early")
    bot = Bot(slack, session)
    await connect(bot)
    assert (await bot.hears(1))[0]["event"]["text"] == "early"
    assert bot.retries[0][0] == 1
    await close(bot)


async def test_tickets_are_good_for_one_of_ten_sockets(
    slack: Slack, session: aiohttp.ClientSession, web: AsyncWebClient
) -> None:
    """A used ticket is refused at the handshake, an eleventh socket is told to go."""
    async with contextlib.AsyncExitStack() as sockets:
        url = ""
        for number in range(10):
            url = (await web.apps_connections_open(app_token="xapp-1"))["url"]
            hello = await (await sockets.enter_async_context(session.ws_connect(url))).receive_json()
            assert (hello["type"], hello["num_connections"]) == ("hello", number + 1)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)
        url = (await web.apps_connections_open(app_token="xapp-1"))["url"]
        async with session.ws_connect(url) as eleventh:
            assert (await eleventh.receive_json())["reason"] == "too_many_websockets"
    await slack.fault("link", status=500)
    url = (await web.apps_connections_open(app_token="xapp-1"))["url"]
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await session.ws_connect(url)


# The judge.


@pytest.mark.parametrize(
    ("arguments", "tokens"),
    [
        ({"text": "<!channel> <!here> <!everyone>"}, ["<!channel>", "<!here>", "<!everyone>"]),
        ({"text": "<@U1>, <#C1>, <!subteam^S1|x>"}, ["<@U1>", "<#C1>", "<!subteam^S1|x>"]),
        ({"text": "&lt;!channel&gt; &lt;@U1&gt; @here ann@here.example"}, []),
        ({"text": "@here", "link_names": True}, ["@here"]),
        ({"text": "@everyone", "parse": "full"}, ["@everyone"]),
        ({"text": "x", "blocks": [markdown("to @channel and <@U1>")]}, ["<@U1>", "@channel"]),
        ({"text": "x", "blocks": [markdown("to @\u2060channel and &lt;@U1>")]}, []),
        ({"markdown_text": "@here"}, ["@here"]),
        (
            {"text": "x", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "<!here>"}}]},
            ["<!here>"],
        ),
        (
            {
                "text": "x",
                "blocks": [{"type": "context", "elements": [{"type": "plain_text", "text": "<!here>"}]}],
            },
            [],
        ),
    ],
)
async def test_the_judge_finds_pings(
    slack: Slack, web: AsyncWebClient, arguments: Json, tokens: list[str]
) -> None:
    """What would notify somebody is found, escaped text is not."""
    await web.api_call("chat.postMessage", json={"channel": "C1", **arguments})
    assert [ping["token"] for ping in (await slack.verdict())["pings"]] == tokens


async def test_the_judge_remembers_every_version(slack: Slack, web: AsyncWebClient) -> None:
    """A ping that was edited away has pinged; a message left live was never finished."""
    ts = (await web.chat_postMessage(channel="C1", text="https://a.example", blocks=[STOP]))["ts"]
    await web.chat_update(channel="C1", ts=ts, text="<!here>", blocks=[STOP])
    assert (await slack.verdict())["never_final"] == [f"C1/{ts}"]
    await web.chat_update(channel="C1", ts=ts, text="fine")
    await web.chat_postMessage(channel="C1", text="https://b.example", unfurl_links=False, unfurl_media=False)
    verdict = await slack.verdict()
    assert [ping["token"] for ping in verdict["pings"]] == ["<!here>"]
    assert [unfurl["url"] for unfurl in verdict["unfurls"]] == ["https://a.example"]
    assert (verdict["live"], verdict["never_final"]) == ([], [])


async def test_it_can_be_driven_from_another_process(slack: Slack, session: aiohttp.ClientSession) -> None:
    """All controls take and return JSON."""
    remote = Remote(session, slack.url)
    await remote.user(id="U9", name="cleo", is_admin=True)
    ts = await remote.say(channel="C1", user="U9", text="hi")
    assert (await remote.message(channel="C1", ts=ts))["text"] == "hi"
    await remote.fault(method="auth.test", error="fatal_error", apply=True)
    assert (await remote.verdict())["pings"] == []
    with pytest.raises(LookupError):
        await remote.press(channel="C1", ts=ts, user="U9", label="Stop")


# Recorded traffic.


def missing(recorded: Any, ours: Any, path: str = "") -> list[str]:
    """Return where *ours* lacks a recorded key or has another JSON type."""
    match recorded, ours:
        case dict(), dict():
            return [
                found
                for key, value in recorded.items()
                for found in (
                    missing(value, ours[key], f"{path}.{key}") if key in ours else [f"{path}.{key}"]
                )
            ]
        case list(), list():
            pairs = zip(recorded, ours, strict=False)
            found = [found for n, pair in enumerate(pairs) for found in missing(*pair, f"{path}[{n}]")]
            return found + ([f"{path}: shorter"] if len(ours) < len(recorded) else [])
        case _:
            return [] if type(recorded) is type(ours) else [f"{path}: {type(ours).__name__}"]


@pytest.mark.skipif(
    "RECORDED_PAYLOADS" not in os.environ, reason="RECORDED_PAYLOADS names no folder of payloads"
)
async def test_shapes_match_recorded_traffic(slack: Slack, bot: Bot) -> None:
    """Every key of the recorded mention, message, reaction and press is in ours, with the same type."""
    folder = pathlib.Path(os.environ["RECORDED_PAYLOADS"]) / "slack"
    recorded = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    asked = "<@UBOT> Can you see the name of this channel: <#C2>?"
    root = await slack.say("C1", "U1", asked)
    await slack.say("C1", "U1", "Hi", thread_ts=root)
    await slack.say("D1", "U1", "hello hello")
    answer = await bot.web.chat_postMessage(
        channel="C1", thread_ts=root, text="x", blocks=[markdown("x"), STOP]
    )
    await slack.react("C1", answer["ts"], "U1", "+1")
    await slack.press("C1", answer["ts"], "U1")
    mention, message, reply, direct, _, reaction, press = await bot.hears(7)
    pairs = [
        (recorded["mention_thread"]["mention"], mention),
        (recorded["mention_thread"]["followUp"], reply),
        (recorded["channel_mention"]["mention"], message),
        (recorded["dm"]["directDM"], direct),
        (recorded["dm"]["followUp"], direct),
        (recorded["actions_reactions"]["mention"], mention),
        (recorded["actions_reactions"]["reaction"], reaction),
        (recorded["actions_reactions"]["action"], press),
    ]
    assert [found for theirs, ours in pairs for found in missing(theirs, ours)] == []


# Native streams.


async def streaming(slack: Slack, web: AsyncWebClient, **more: Any) -> tuple[str, str]:
    """Return a direct question and the stream that was started below it."""
    question = await slack.say("DU1", "U1", "why?")
    return question, (await web.chat_startStream(channel="DU1", thread_ts=question, **more))["ts"]


async def test_a_stream_is_a_message_that_grows_and_then_is_one_like_others(
    slack: Slack, web: AsyncWebClient
) -> None:
    """Appends add up, a stop puts blocks below, and an edit replaces it all."""
    _, ts = await streaming(slack, web, markdown_text="a &amp; ")
    await web.chat_appendStream(channel="DU1", ts=ts, markdown_text="b\n")
    await web.chat_appendStream(channel="DU1", ts=ts, chunks=[{"type": "markdown_text", "text": "c"}])
    seen = await slack.message("DU1", ts)
    assert (seen["text"], seen["live"]) == ("a & b\nc", True)
    assert (await slack.verdict())["never_final"] == [f"DU1/{ts}"]
    note = {"type": "context", "elements": [{"type": "plain_text", "text": "note"}]}
    await web.chat_stopStream(channel="DU1", ts=ts, markdown_text="!", blocks=[note])
    seen = await slack.message("DU1", ts)
    assert (seen["text"], seen["note"], seen["live"]) == ("a & b\nc!", "note", False)
    await web.chat_update(channel="DU1", ts=ts, text="x", blocks=[markdown("x")])
    log = await slack.events(kinds=["start", "append", "stop", "edit"])
    assert [(each["kind"], each["live"], each["length"]) for each in log] == [
        ("start", True, 4),
        ("append", True, 6),
        ("append", True, 7),
        ("stop", False, 8),
        ("edit", False, 1),
    ]


async def test_task_cards_are_kept_by_their_ids_and_take_room(slack: Slack, web: AsyncWebClient) -> None:
    """A second update of one changes it."""
    _, ts = await streaming(slack, web, markdown_text="a")
    card = {"type": "task_update", "id": "1", "title": "look", "status": "in_progress"}
    for status in ("in_progress", "complete"):
        await web.chat_appendStream(channel="DU1", ts=ts, chunks=[{**card, "status": status}])
    drawn = (await slack.message("DU1", ts))["blocks"]
    assert [each.get("status") for each in drawn] == [None, "complete"]
    for wrong in ({"status": "done"}, {"title": ""}, {"title": "x" * 257}, {"id": ""}):
        refused = web.chat_appendStream(channel="DU1", ts=ts, chunks=[{**card, **wrong}])
        assert await error_of(refused) == "invalid_chunks"
    many = [{**card, "id": str(number)} for number in range(40)]
    assert await error_of(web.chat_appendStream(channel="DU1", ts=ts, chunks=many)) == "msg_too_long"


async def test_a_stream_needs_a_thread_and_in_channels_a_reader(slack: Slack, web: AsyncWebClient) -> None:
    """What Slack wants to know is asked for in its own words."""
    question = await slack.say("C1", "U1", "why?")
    start = web.chat_startStream
    assert await error_of(start(channel="DU1", thread_ts="")) == "invalid_thread_ts"
    assert await error_of(start(channel="C1", thread_ts=question)) == "missing_recipient_user_id"
    assert (
        await error_of(start(channel="C1", thread_ts=question, recipient_user_id="U1"))
        == "missing_recipient_team_id"
    )
    assert (await start(channel="C1", thread_ts=question, recipient_user_id="U1", recipient_team_id="T1"))[
        "ok"
    ]


async def test_an_open_stream_can_be_neither_edited_nor_deleted(slack: Slack, web: AsyncWebClient) -> None:
    """Both work once it is stopped; appends do not."""
    _, ts = await streaming(slack, web)
    assert await error_of(web.chat_update(channel="DU1", ts=ts, text="x")) == "streaming_state_conflict"
    assert await error_of(web.chat_delete(channel="DU1", ts=ts)) == "cant_delete_message"
    await web.chat_stopStream(channel="DU1", ts=ts)
    over = "message_not_in_streaming_state"
    assert await error_of(web.chat_appendStream(channel="DU1", ts=ts, markdown_text="x")) == over
    assert await error_of(web.chat_stopStream(channel="DU1", ts=ts)) == over
    await web.chat_update(channel="DU1", ts=ts, text="x")
    await web.chat_delete(channel="DU1", ts=ts)
    assert (await slack.message("DU1", ts))["deleted"]


async def test_a_stream_expires_whatever_is_appended(slack: Slack, web: AsyncWebClient) -> None:
    """Then it is broken until somebody writes it anew."""
    await slack.streams(life=1.0)
    _, ts = await streaming(slack, web)
    await web.chat_appendStream(channel="DU1", ts=ts, markdown_text="x")
    await asyncio.sleep(1.05)
    over = "message_not_in_streaming_state"
    assert await error_of(web.chat_appendStream(channel="DU1", ts=ts, markdown_text="x")) == over
    verdict = await slack.verdict()
    assert (verdict["live"], verdict["broken"]) == ([], [f"DU1/{ts}"])
    assert verdict["never_final"] == verdict["broken"]
    await web.chat_update(channel="DU1", ts=ts, text="x")
    assert (await slack.verdict())["never_final"] == []


async def test_a_stream_holds_so_many_bytes_and_a_call_so_many_characters(
    slack: Slack, web: AsyncWebClient
) -> None:
    """Past that an append is refused, and nothing of it is kept."""
    _, ts = await streaming(slack, web)
    append = web.chat_appendStream
    assert await error_of(append(channel="DU1", ts=ts, markdown_text="x" * 12_001)) == "msg_too_long"
    await append(channel="DU1", ts=ts, markdown_text="é" * 5_750)
    assert await error_of(append(channel="DU1", ts=ts, markdown_text="x")) == "msg_too_long"
    assert len((await slack.message("DU1", ts))["text"]) == 5_750


async def test_white_space_vanishes_at_joins_if_it_is_told_to(slack: Slack, web: AsyncWebClient) -> None:
    """As one report has it."""
    await slack.streams(trims=True)
    _, ts = await streaming(slack, web, markdown_text=" a")
    await web.chat_appendStream(channel="DU1", ts=ts, markdown_text=" b")
    assert (await slack.message("DU1", ts))["text"] == " ab"


async def test_a_readers_stop_ends_the_stream_and_is_told(slack: Slack, bot: Bot) -> None:
    """The button is there while the session is processing."""
    question, ts = await streaming(slack, bot.web)
    with pytest.raises(LookupError):
        await slack.press_native_stop("DU1", question, "U1")
    set_status = bot.web.agents_sessions_setStatus
    assert await error_of(set_status(channel_id="DU1", thread_ts=question, status="busy")) == "invalid_status"
    await set_status(channel_id="DU1", thread_ts=question, status="processing")
    await slack.press_native_stop("DU1", question, "U1")
    call = bot.web.chat_appendStream(channel="DU1", ts=ts, markdown_text="x")
    assert await error_of(call) == "stopped_by_user"
    [stopped] = [
        body["event"] for body in await bot.hears(4) if body["event"]["type"] == "agent_session_stopped"
    ]
    assert (stopped["thread_ts"], stopped["streaming_message_ts"]) == (question, [ts])
    assert (await slack.verdict())["live"] == []


@pytest.mark.parametrize(
    ("method", "calls"),
    [
        *(("chat.startStream", 20), ("chat.stopStream", 20), ("chat.appendStream", 100)),
        *(("chat.update", 50), ("chat.delete", 50)),
    ],
)
async def test_every_method_has_a_budget_of_its_own(
    slack: Slack, web: AsyncWebClient, method: str, calls: int
) -> None:
    """The call past it is refused, whatever the others did."""
    for _ in range(calls):
        with contextlib.suppress(SlackApiError):
            await web.api_call(method, json={"channel": "DU1"})
    assert (await slack.verdict())["refused"] == 0
    assert await error_of(web.api_call(method, json={"channel": "DU1"})) == "ratelimited"
    assert await error_of(web.chat_update(channel="DU2", ts="1", text="x")) == (
        "ratelimited" if method == "chat.update" else "message_not_found"
    )


# Files.


async def test_the_sdk_uploads_files_into_a_thread(slack: Slack, web: AsyncWebClient) -> None:
    """files_upload_v2: a ticket each, the bytes, one share, which is a message of the bot in the thread."""
    root = await slack.say("C1", "U1", "files?")
    uploads: list[Json] = [
        {"filename": "a.txt", "content": "one", "title": "A"},
        {"filename": "b.bin", "file": b"\x00two"},
    ]
    answer = await web.files_upload_v2(
        file_uploads=uploads, channel="C1", thread_ts=root, initial_comment="here <!here>"
    )
    assert [set(each) for each in answer["files"]] == [{"id", "title"}] * 2
    _, shared = await slack.thread("C1", root)
    assert (shared["user"], shared["text"], shared["thread_ts"]) == ("UBOT", "here <!here>", root)
    assert shared["files"] == [
        {"name": "a.txt", "size": 3, "text": "one"},
        {"name": "b.bin", "size": 4, "text": "\x00two"},
    ]
    [_, told] = (await web.conversations_replies(channel="C1", ts=root))["messages"]
    assert (told["subtype"], [each["id"] for each in told["files"]]) == (
        "file_share",
        [each["id"] for each in answer["files"]],
    )
    assert [ping["token"] for ping in (await slack.verdict())["pings"]] == ["<!here>"]


async def test_an_upload_is_a_form_as_well(slack: Slack, web: AsyncWebClient, session) -> None:
    """Bytes come raw or as multipart; what is not as long as announced is refused."""
    ticket = await web.files_getUploadURLExternal(filename="a.txt", length=3)
    for data, status in ((b"four", 400), ({"filename": b"one"}, 200), (b"one", 400)):
        form = aiohttp.FormData(default_to_multipart=True)
        if isinstance(data, dict):
            form.add_field("filename", data["filename"], filename="a.txt")
        async with session.post(
            ticket["upload_url"], data=form if isinstance(data, dict) else data
        ) as answer:
            assert answer.status == status
    await web.files_completeUploadExternal(files=[{"id": ticket["file_id"]}], channel_id="C1")
    [shared] = await slack.channel_messages("C1")
    assert shared["files"] == [{"name": "a.txt", "size": 3, "text": "one"}]


async def test_uploads_are_refused_as_documented(slack: Slack, web: AsyncWebClient, session) -> None:
    """A share needs an upload, is made once, and both methods need their scope."""
    assert (
        await error_of(web.api_call("files.getUploadURLExternal", params={"length": 1})) == "missing_argument"
    )
    assert await error_of(web.files_getUploadURLExternal(filename="a", length=0)) == "invalid_arguments"
    assert await error_of(web.api_call("files.completeUploadExternal")) == "missing_argument"
    ticket = await web.files_getUploadURLExternal(filename="a", length=1)
    files = [{"id": ticket["file_id"], "title": "a"}]
    assert await error_of(web.files_completeUploadExternal(files=files, channel_id="C1")) == "file_not_found"
    async with session.post(ticket["upload_url"], data=b"a") as answer:
        assert answer.status == 200
    assert (
        await error_of(web.files_completeUploadExternal(files=files, channel_id="x")) == "channel_not_found"
    )
    await web.files_completeUploadExternal(files=files, channel_id="C1")
    assert await error_of(web.files_completeUploadExternal(files=files, channel_id="C1")) == "file_not_found"
    assert len(await slack.channel_messages("C1")) == 1
    await slack.scopes("chat:write")
    assert await error_of(web.files_getUploadURLExternal(filename="a", length=1)) == "missing_scope"
    assert await error_of(web.files_completeUploadExternal(files=files)) == "missing_scope"


async def test_uploads_are_limited_as_tier_4(slack: Slack, web: AsyncWebClient) -> None:
    """100 a minute; the next gets a 429."""
    for _ in range(100):
        await web.files_getUploadURLExternal(filename="a", length=1)
    assert await error_of(web.files_getUploadURLExternal(filename="a", length=1)) == "ratelimited"
