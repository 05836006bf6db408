"""The Discord emulator, seen by the real discord.py and by a plain HTTP client."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import discord
import discord.gateway
import discord.http
import pytest
import yarl

from adapters.emulators.control import Remote
from adapters.emulators.discord import Discord

CHANNEL, ALICE, BOB = "200", "300", "301"
STOP = [{"type": 1, "components": [{"type": 2, "style": 2, "label": "Stop", "custom_id": "stop:1"}]}]
NOBODY: dict[str, Any] = {"parse": []}
RECORDED = os.environ.get("RECORDED_PAYLOADS", "")
Rest = Callable[..., Awaitable[tuple[int, Any, Any]]]


class Bot(discord.AutoShardedClient):
    """A client that keeps what it is told."""

    def __init__(self, intents: discord.Intents, **options: Any) -> None:
        super().__init__(intents=intents, guild_ready_timeout=0.1, enable_debug_events=True, **options)
        self.frames: list[dict[str, Any]] = []
        self.told = asyncio.Event()
        self.up = asyncio.Event()

    async def on_ready(self) -> None:
        self.up.set()

    async def on_socket_raw_receive(self, frame: str) -> None:
        self.frames.append(json.loads(frame))
        self.told.set()

    async def hear_op(self, op: int) -> None:
        """Wait for a frame with this operation."""
        async with asyncio.timeout(5):
            while not any(each["op"] == op for each in self.frames):
                self.told.clear()
                await self.told.wait()

    def heard(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Return the data of the events so far that have these fields."""
        found = [each["d"] for each in self.frames if each.get("t") == event]
        return [data for data in found if fields.items() <= data.items()]

    async def hear(self, event: str, count: int = 1, **fields: Any) -> dict[str, Any]:
        """Wait for the *count*-th event with these fields."""
        async with asyncio.timeout(15):
            while len(self.heard(event, **fields)) < count:
                self.told.clear()
                await self.told.wait()
        return self.heard(event, **fields)[count - 1]


def wanted(*, content: bool = True) -> discord.Intents:
    intents = discord.Intents.none()
    intents.guilds = intents.guild_messages = intents.dm_messages = True
    intents.guild_reactions = intents.dm_reactions = True
    intents.message_content = content
    return intents


Connect = Callable[..., Awaitable[Bot]]


@pytest.fixture
async def world() -> AsyncIterator[Discord]:
    emulator = Discord()
    await emulator.start()
    yield emulator
    await emulator.stop()


@pytest.fixture
async def connect(world: Discord, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connect]:
    """Connects a client, and closes it in the end."""
    monkeypatch.setattr(discord.http.Route, "BASE", f"{world.url}/api/v10")
    gateway = yarl.URL(world.url.replace("http", "ws") + "/gw/")
    monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", gateway)
    running = []

    async def start(intents: discord.Intents | None = None, **options: Any) -> Bot:
        bot = Bot(intents or wanted(), **options)
        task = asyncio.create_task(bot.start("token"))
        running.append((bot, task))
        ready = asyncio.create_task(bot.up.wait())
        await asyncio.wait({task, ready}, timeout=15, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if task.done():
            await task
        assert bot.up.is_set()
        return bot

    yield start
    for bot, task in running:
        await bot.close()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def rest(world: Discord) -> AsyncIterator[Rest]:
    """Calls the API as a client of one's own would: (status, body, headers)."""
    async with aiohttp.ClientSession(headers={"Authorization": "Bot token"}) as session:

        async def call(method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any, Any]:
            url = f"{world.url}/api/v10/{path}"
            async with session.request(method, url, json=body, **options) as response:
                text = await response.text()
                return response.status, json.loads(text) if text else None, response.headers

        yield call


async def post(rest: Rest, content: str = "…", channel: str = CHANNEL, **body: Any) -> str:
    status, answer, _ = await rest("POST", f"channels/{channel}/messages", {"content": content, **body})
    assert status == 200, answer
    return str(answer["id"])


def text_channel(bot: Bot, channel: str = CHANNEL) -> discord.TextChannel:
    found = bot.get_channel(int(channel))
    assert isinstance(found, discord.TextChannel)
    return found


# ------------------------------------------------------------------------------- the real SDK


async def test_the_sdk_logs_in_and_is_ready(world: Discord, connect: Connect) -> None:
    """discord.py sees its user, its guild, its role and the channel."""
    bot = await connect()
    assert bot.user
    assert (bot.user.id, bot.user.name) == (999, "rivulet")
    guild = bot.get_guild(100)
    assert guild
    assert guild.self_role
    assert guild.self_role.id == 101
    assert text_channel(bot).permissions_for(guild.me).create_public_threads
    [identify] = await world.events(kinds=["identify"])
    assert identify["accepted"]
    assert identify["intents"] == wanted().value


async def test_a_mention_is_answered_and_edited(world: Discord, connect: Connect) -> None:
    """A mention arrives; a reply and its edit are what a reader sees."""
    bot = await connect(allowed_mentions=discord.AllowedMentions.none())
    asked = asyncio.create_task(bot.wait_for("message", timeout=5))
    await asyncio.sleep(0)
    question = await world.say(CHANNEL, ALICE, "<@999> why?")
    mention = await asked
    assert bot.user in mention.mentions
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label="Stop", custom_id="stop:1"))
    reply = await mention.reply("…", view=view, mention_author=False)
    seen = await world.message(CHANNEL, str(reply.id))
    assert (seen["live"], seen["controls"], seen["reply_to"]) == (True, ["Stop"], question)
    await reply.edit(content="because\n-# done \u2060· 1 s", view=None)
    seen = await world.message(CHANNEL, str(reply.id))
    assert (seen["text"], seen["note"], seen["live"], seen["edits"]) == ("because", "done · 1 s", False, 1)
    assert (await bot.hear("MESSAGE_UPDATE"))["edited_timestamp"]
    verdict = await world.verdict()
    assert verdict["pings"] == verdict["never_final"] == []
    assert verdict["live"] == [f"{CHANNEL}/{reply.id}"]
    assert [each["empty"] for each in await world.events(kinds=["post", "edit"])] == [True, False]


async def test_a_dropped_socket_resumes_and_misses_nothing(world: Discord, connect: Connect) -> None:
    """What happened without a connection is replayed, once, and in order."""
    bot = await connect()
    await world.drop()
    ids = [await world.say(CHANNEL, ALICE, f"<@999> {number}") for number in range(3)]
    await bot.hear("RESUMED")
    await bot.hear("MESSAGE_CREATE", 3)
    assert [each["id"] for each in bot.heard("MESSAGE_CREATE")] == ids
    assert len(await world.events(kinds=["identify"])) == 1


async def test_op_7_makes_the_client_resume(world: Discord, connect: Connect) -> None:
    """A reconnect asked for by the gateway is resumed too."""
    bot = await connect()
    await world.reconnect()
    await world.say(CHANNEL, ALICE, "still there?")
    await bot.hear("RESUMED")
    assert (await bot.hear("MESSAGE_CREATE"))["content"] == "still there?"
    [resume] = await world.events(kinds=["resume"])
    assert resume["accepted"]


async def test_an_invalid_session_identifies_again(world: Discord, connect: Connect) -> None:
    """A session that is gone can't be resumed."""
    await connect()
    world._gateway._sessions.clear()
    await world.drop()
    since = len(world.log)
    assert await world.events(since, 20, ["identify"])
    [resume] = await world.events(kinds=["resume"])
    assert not resume["accepted"]


async def test_a_replay_repeats_the_last_dispatch(world: Discord, connect: Connect) -> None:
    """A RESUME replay may deliver an event twice."""
    bot = await connect()
    await world.say(CHANNEL, ALICE, "once")
    await world.replay()
    first, second = await bot.hear("MESSAGE_CREATE"), await bot.hear("MESSAGE_CREATE", 2)
    assert first == second


async def test_any_message_can_be_dispatched_again(world: Discord, connect: Connect) -> None:
    """However old it is."""
    bot = await connect()
    first = await world.say(CHANNEL, ALICE, "once")
    await world.say(CHANNEL, ALICE, "later")
    await world.again(CHANNEL, first)
    assert (await bot.hear("MESSAGE_CREATE", 3))["id"] == first


async def test_heartbeats_are_answered(world: Discord, connect: Connect) -> None:
    """A heartbeat that is asked for comes, and so does its acknowledgement."""
    bot = await connect()
    since = len(world.log)
    await world.beat()
    assert await world.events(since, 5, ["heartbeat"])
    await bot.hear_op(11)


async def test_content_is_hidden_without_the_intent(world: Discord, connect: Connect) -> None:
    """Without the intent only mentions, direct messages and the bot's own have content."""
    bot = await connect(wanted(content=False))
    hidden = await world.say(CHANNEL, ALICE, "<@&101> secret")
    named = await world.say(CHANNEL, ALICE, "<@999> hello")
    direct = await world.say(await world.dm(ALICE), ALICE, "psst")
    secret = await bot.hear("MESSAGE_CREATE", id=hidden)
    assert (secret["content"], secret["mention_roles"]) == ("", [])
    assert (await bot.hear("MESSAGE_CREATE", id=named))["content"] == "<@999> hello"
    assert (await bot.hear("MESSAGE_CREATE", id=direct))["content"] == "psst"


async def test_events_without_their_intent_are_not_sent(world: Discord, connect: Connect) -> None:
    """Neither messages nor reactions come to a bot that asked for guilds alone."""
    bot = await connect(discord.Intents(guilds=True))
    said = await world.say(CHANNEL, ALICE, "<@999> hello")
    await world.react(CHANNEL, said, BOB, "🛑")
    await world.say("201", ALICE, "elsewhere")
    await bot.hear("CHANNEL_CREATE")
    assert not bot.heard("MESSAGE_CREATE")
    assert not bot.heard("MESSAGE_REACTION_ADD")


async def test_a_forbidden_intent_and_a_bad_token_are_turned_away(world: Discord, connect: Connect) -> None:
    """Close code 4014 and status 401 are what discord.py makes its own exceptions of."""
    await world.allow_content(on=False)
    with pytest.raises(discord.PrivilegedIntentsRequired):
        await connect()
    await world.tokens(["another"])
    with pytest.raises(discord.LoginFailure):
        await connect()


async def test_shards_share_the_guilds(world: Discord, connect: Connect) -> None:
    """Events go to the shard of their guild, direct messages to shard 0."""
    await world.shards(2)
    other = await world.guild(str(1 << 22))
    bot = await connect()
    await world.say(other, ALICE, "far")
    await world.say(CHANNEL, ALICE, "near")
    await bot.hear("MESSAGE_CREATE", 2)
    far, near = bot.get_guild(1 << 22), bot.get_guild(100)
    assert far
    assert near
    assert (far.shard_id, near.shard_id) == (1, 0)


async def test_reactions_arrive_raw_and_can_be_given(world: Discord, connect: Connect) -> None:
    """A person's reaction is dispatched with its author; the bot's own is dispatched too."""
    bot = await connect()
    sent = await text_channel(bot).send("answer")
    await world.react(CHANNEL, str(sent.id), ALICE, "🛑")
    data = await bot.hear("MESSAGE_REACTION_ADD", user_id=ALICE)
    assert (data["emoji"]["name"], data["message_author_id"]) == ("🛑", "999")
    await sent.add_reaction("👀")
    await bot.hear("MESSAGE_REACTION_ADD", user_id="999")
    assert bot.user
    await sent.remove_reaction("👀", bot.user)
    await bot.hear("MESSAGE_REACTION_REMOVE", user_id="999")
    fetched = await text_channel(bot).fetch_message(sent.id)
    assert [(str(each.emoji), each.count) for each in fetched.reactions] == [("🛑", 1)]
    assert (await world.message(CHANNEL, str(sent.id)))["reactions"] == {"🛑": [ALICE]}
    for _ in range(2):  # the second time there is nothing to take back
        await world.react(CHANNEL, str(sent.id), ALICE, "🛑", on=False)
    await bot.hear("MESSAGE_REACTION_REMOVE", user_id=ALICE)
    assert (await world.message(CHANNEL, str(sent.id)))["reactions"] == {}


async def test_a_press_is_an_interaction_that_can_be_deferred(world: Discord, connect: Connect) -> None:
    """The button's custom id arrives, and the answer is logged with its time."""
    bot = await connect()
    message = await post(bot_rest(bot), components=STOP)
    pressed = asyncio.create_task(bot.wait_for("interaction", timeout=5))
    await asyncio.sleep(0)
    await world.press(CHANNEL, message, ALICE)
    interaction: Any = await pressed
    assert interaction.data["custom_id"] == "stop:1"
    assert (interaction.user.id, interaction.message.id) == (300, int(message))
    await interaction.response.defer()
    [callback] = await world.events(kinds=["callback"])
    assert (callback["type"], callback["message"]) == (6, message)
    assert 0 <= callback["took"] < 3
    await interaction.followup.send("noted", ephemeral=True)
    assert (await world.messages(CHANNEL))[-1]["flags"] == 64
    with pytest.raises(LookupError):
        await world.press(CHANNEL, message, ALICE, "Continue")


async def test_a_press_can_be_answered_by_changing_the_message(world: Discord, connect: Connect) -> None:
    """Type 7 applies to the message at once; type 4 writes another one."""
    bot = await connect()
    message = await post(bot_rest(bot), components=STOP)
    for number, answer in enumerate(("edit_message", "send_message")):
        pressed = asyncio.create_task(bot.wait_for("interaction", timeout=5))
        await asyncio.sleep(0)
        await world.press(CHANNEL, message, ALICE)
        interaction = await pressed
        await getattr(interaction.response, answer)(content=f"answer {number}")
    await interaction.edit_original_response(content="changed")
    assert [each["text"] for each in await world.messages(CHANNEL)] == ["answer 0", "changed"]


async def test_direct_messages_have_no_guild(world: Discord, connect: Connect) -> None:
    """A direct message reaches the bot, and it can answer and write first."""
    bot = await connect()
    channel = await world.dm(ALICE)
    await world.say(channel, ALICE, "hello")
    data = await bot.hear("MESSAGE_CREATE")
    assert "guild_id" not in data
    assert "member" not in data
    assert data["channel_type"] == 1
    user = await bot.fetch_user(300)
    await user.send("hi")
    assert [each["text"] for each in await world.messages(channel)] == ["hello", "hi"]


async def test_a_role_mention_names_the_role(world: Discord, connect: Connect) -> None:
    """Who mentions the bot's role mentions no user."""
    bot = await connect()
    await world.say(CHANNEL, ALICE, "<@&101> hello")
    data = await bot.hear("MESSAGE_CREATE")
    assert (data["mentions"], data["mention_roles"]) == ([], ["101"])


async def test_a_reply_to_the_bot_mentions_it(world: Discord, connect: Connect) -> None:
    """A client's reply tells the author replied to, and carries what it replies to."""
    bot = await connect()
    answer = await text_channel(bot).send("answer")
    said = await world.say(CHANNEL, ALICE, "go on", reply_to=str(answer.id))
    data = await bot.hear("MESSAGE_CREATE", id=said)
    assert [each["id"] for each in data["mentions"]] == ["999"]
    assert data["referenced_message"]["content"] == "answer"


async def test_threads_are_channels_of_their_own(world: Discord, connect: Connect) -> None:
    """A thread has its message's id, its own bucket, and an end to how many can be made."""
    bot = await connect()
    await world.limit("POST threads", 2, 300)  # not 1: discord.py would wait for the next window
    message = await text_channel(bot).send("question")
    thread = await message.create_thread(name="talk")
    assert thread.id == message.id
    await thread.send("inside")
    assert (await bot.hear("THREAD_CREATE"))["newly_created"]
    data = await bot.hear("MESSAGE_CREATE", channel_id=str(thread.id), type=0)
    assert (data["channel_type"], data["position"]) == (11, 0)
    assert [each["text"] for each in await world.messages(str(thread.id))] == ["inside"]
    more = (f"channels/{CHANNEL}/threads", {"name": "more", "type": 11})
    assert (await bot_rest(bot)("POST", *more))[0] == 200
    status, body, _ = await bot_rest(bot)("POST", *more)
    assert (status, body["global"]) == (429, False)


async def test_a_message_starts_one_thread_whose_id_is_its_own(world: Discord, rest: Rest) -> None:
    """The second try gets code 160004, and the thread is where the message's id leads."""
    question = await world.say(CHANNEL, ALICE, "why?")
    path = f"channels/{CHANNEL}/messages/{question}/threads"
    assert (await rest("POST", path, {"name": "talk"}))[1]["id"] == question
    status, body, _ = await rest("POST", path, {"name": "more"})
    assert (status, body["code"]) == (400, 160004)
    assert (await rest("GET", f"channels/{question}"))[1]["name"] == "talk"


async def started(world: Discord, rest: Rest) -> tuple[str, str]:
    """Return a thread of alice's, and the bot's answer in it."""
    question = await world.say(CHANNEL, ALICE, "why?")
    thread = await world.open_thread(CHANNEL, question, ALICE, "talk")
    return thread, (await rest("POST", f"channels/{thread}/messages", {"content": "answer"}))[1]["id"]


async def code_of(rest: Rest, method: str, path: str, body: Any = None) -> int:
    """Return the error code with which Discord refuses a request, or 0."""
    return int((await rest(method, path, body))[1].get("code", 0))


async def test_an_archived_thread_takes_no_edit_until_it_is_opened(
    world: Discord, connect: Connect, rest: Rest
) -> None:
    """Edits and reactions get code 50083, deletions work; who is in it may open it, and no more than that."""
    bot = await connect()
    thread, answer = await started(world, rest)
    other = (await rest("POST", f"channels/{thread}/messages", {"content": "other"}))[1]["id"]
    await world.close_thread(thread)
    data = await bot.hear("THREAD_UPDATE")
    assert (data["id"], data["thread_metadata"]["archived"]) == (thread, True)
    path = f"channels/{thread}/messages/{answer}"
    assert await code_of(rest, "PATCH", path, {"content": "more"}) == 50083
    assert await code_of(rest, "PUT", f"{path}/reactions/%F0%9F%91%80/@me") == 50083
    assert await code_of(rest, "PATCH", f"channels/{thread}", {"name": "new"}) == 50083
    assert (await rest("DELETE", f"channels/{thread}/messages/{other}"))[0] == 204
    assert (await world.message(thread, answer))["text"] == "answer"
    status, body, _ = await rest("PATCH", f"channels/{thread}", {"archived": False})
    assert (status, body["id"], body["thread_metadata"]["archived"]) == (200, thread, False)
    assert await code_of(rest, "PATCH", path, {"content": "more"}) == 0
    assert await code_of(rest, "PATCH", f"channels/{thread}", {"name": "new"}) == 50013
    assert await code_of(rest, "PATCH", f"channels/{CHANNEL}", {"archived": False}) == 50013


@pytest.mark.parametrize("who", ["the bot", "alice"])
async def test_a_post_opens_an_archived_thread(world: Discord, rest: Rest, who: str) -> None:
    """Whoever writes it."""
    thread, answer = await started(world, rest)
    await world.close_thread(thread)
    if who == "alice":
        await world.say(thread, ALICE, "go on")
    else:
        assert await code_of(rest, "POST", f"channels/{thread}/messages", {"content": "go on"}) == 0
    state = (await rest("GET", f"channels/{thread}"))[1]["thread_metadata"]
    assert (state["archived"], state["locked"]) == (False, False)
    assert await code_of(rest, "PATCH", f"channels/{thread}/messages/{answer}", {"content": "more"}) == 0


async def test_a_locked_thread_stays_closed(world: Discord, rest: Rest) -> None:
    """Posts and opening it get code 160005, whether it is archived or not; then reactions still work."""
    thread, answer = await started(world, rest)
    message, eyes = f"channels/{thread}/messages/{answer}", "reactions/%F0%9F%91%80/@me"
    post = ("POST", f"channels/{thread}/messages", {"content": "go on"})
    await world.close_thread(thread, archived=True, locked=True)
    assert await code_of(rest, *post) == 160005
    assert await code_of(rest, "PATCH", message, {"content": "more"}) == 50083
    assert await code_of(rest, "DELETE", message) == 160005
    assert await code_of(rest, "PATCH", f"channels/{thread}", {"archived": False}) == 160005
    with pytest.raises(ValueError, match="locked"):
        await world.say(thread, ALICE, "go on")
    await world.close_thread(thread, archived=False, locked=True)
    assert await code_of(rest, *post) == 160005
    assert await code_of(rest, "PATCH", message, {"content": "more"}) == 160005
    assert (await rest("PUT", f"{message}/{eyes}"))[0] == 204
    await world.close_thread(thread, archived=False)
    assert await code_of(rest, "PATCH", message, {"content": "more"}) == 0


async def test_a_thread_of_its_own_the_bot_may_name_and_archive(world: Discord, rest: Rest) -> None:
    """It started it; what needs the right to manage threads it may not."""
    thread = (await rest("POST", f"channels/{CHANNEL}/threads", {"name": "mine", "type": 11}))[1]["id"]
    path = f"channels/{thread}"
    _, body, _ = await rest("PATCH", path, {"name": "new", "archived": True})
    assert (body["name"], body["thread_metadata"]["archived"]) == ("new", True)
    assert await code_of(rest, "PATCH", path, {"archived": False, "name": "newer"}) == 0
    assert await code_of(rest, "PATCH", path, {"locked": True}) == 50013
    assert await code_of(rest, "DELETE", path) == 0


async def test_files_can_be_sent_both_ways(world: Discord, connect: Connect) -> None:
    """An upload is stored, and a person's file can be read."""
    bot = await connect()
    sent = await text_channel(bot).send(file=discord.File(pathlib.Path(__file__), "code.py"))
    assert (await sent.attachments[0].read()).startswith(b'"""')
    await world.say(CHANNEL, ALICE, "<@999> read", files={"note.txt": "aGVsbG8="})
    assert [each.attachments[0].filename async for each in text_channel(bot).history(limit=1)] == ["note.txt"]


async def test_an_edit_names_the_files_that_stay(world: Discord, connect: Connect) -> None:
    """discord.py's own edit: old attachments by their ids, new ones by number; without the array all stay."""
    bot = await connect()
    sent = await text_channel(bot).send(files=[note("a.txt", b"one"), note("b.txt", b"two")])
    sent = await sent.edit(content="text")
    assert [each["name"] for each in await files_of(world, sent)] == ["a.txt", "b.txt"]
    sent = await sent.edit(attachments=[sent.attachments[1], note("c.txt", b"three")])
    assert await files_of(world, sent) == [
        {"name": "b.txt", "size": 3, "text": "two"},
        {"name": "c.txt", "size": 5, "text": "three"},
    ]
    sent = await sent.edit(attachments=[])
    assert await files_of(world, sent) == []


async def test_files_are_refused_as_documented(world: Discord, connect: Connect) -> None:
    """10 MiB a file, ten files, no number without its file, and no message without anything."""
    bot = await connect()
    await text_channel(bot).send(file=note("full.bin", bytes(10 * 2**20)))
    with pytest.raises(discord.HTTPException) as refused:
        await text_channel(bot).send(file=note("over.bin", bytes(10 * 2**20 + 1)))
    assert (refused.value.status, refused.value.code) == (413, 40005)
    sent = await text_channel(bot).send("text", files=[note(f"{n}.txt", b"") for n in range(10)])
    with pytest.raises(discord.HTTPException) as refused:
        await sent.add_files(note("more.txt", b""))
    assert refused.value.code == 30015
    path = f"channels/{CHANNEL}/messages"
    status, body, _ = await bot_rest(bot)("POST", path, {"content": "x", "attachments": [{"id": 0}]})
    assert (status, body["code"]) == (400, 50035)
    alone = await text_channel(bot).send(file=note("a.txt", b"one"))
    with pytest.raises(discord.HTTPException) as refused:
        await alone.edit(attachments=[])
    assert refused.value.code == 50006


def note(name: str, data: bytes) -> discord.File:
    return discord.File(io.BytesIO(data), name)


async def files_of(world: Discord, message: discord.Message) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.message(CHANNEL, str(message.id)))["files"]
    return found


def bot_rest(bot: Bot) -> Rest:
    """Calls the API on the client's own HTTP session, past its rate limiting."""

    async def call(method: str, path: str, body: Any = None) -> tuple[int, Any, Any]:
        url, headers = f"{discord.http.Route.BASE}/{path}", {"Authorization": "Bot token"}
        session = bot.http._HTTPClient__session  # type: ignore[attr-defined]
        async with session.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json(), response.headers

    return call


# ------------------------------------------------------------------------------- limits


async def test_posts_and_edits_share_a_name_but_not_a_count(world: Discord, rest: Rest) -> None:
    """Both answer with the same bucket, and each with its own remaining calls."""
    message = await post(rest)
    _, _, posted = await rest("POST", f"channels/{CHANNEL}/messages", {"content": "2"})
    _, _, edited = await rest("PATCH", f"channels/{CHANNEL}/messages/{message}", {"content": "3"})
    assert posted["X-RateLimit-Bucket"] == edited["X-RateLimit-Bucket"]
    assert (posted["X-RateLimit-Remaining"], edited["X-RateLimit-Remaining"]) == ("3", "4")
    assert (edited["X-RateLimit-Limit"], edited["Content-Type"]) == ("5", "application/json")
    assert 0 < float(edited["X-RateLimit-Reset-After"]) <= 5
    assert float(edited["X-RateLimit-Reset"]) > 0
    assert edited["Via"] == "1.1 google"


async def test_the_sixth_edit_is_refused(world: Discord, rest: Rest) -> None:
    """A 429 says how long, for whom, and that it isn't global; another channel is free."""
    await world.limit("PATCH messages", 5, 60)
    message, other = await post(rest), await post(rest, channel="201")
    for _ in range(5):
        await rest("PATCH", f"channels/{CHANNEL}/messages/{message}", {"content": "x"})
    status, body, headers = await rest("PATCH", f"channels/{CHANNEL}/messages/{message}", {"content": "y"})
    assert (status, body["global"], headers["X-RateLimit-Scope"]) == (429, False, "user")
    assert isinstance(body["retry_after"], float)
    assert int(headers["Retry-After"]) >= body["retry_after"]
    status, _, _ = await rest("PATCH", f"channels/201/messages/{other}", {"content": "x"})
    assert status == 200
    assert (await world.verdict())["refused"] == 1
    assert (await world.message(CHANNEL, message))["content"] == "x"


async def test_a_window_ends(world: Discord, rest: Rest) -> None:
    """After a window there is a fresh one."""
    await world.limit("POST messages", 1, 0.05)
    await post(rest)
    await asyncio.sleep(0.06)
    await post(rest)


async def test_the_global_limit_stops_everything(world: Discord, rest: Rest) -> None:
    """Its 429 is global and says so twice."""
    await world.limit("global", 1, 60)
    await rest("GET", "users/@me")
    status, body, headers = await rest("GET", "gateway")
    assert (status, body["global"], headers["X-RateLimit-Global"]) == (429, True, "true")
    await world.limits(on=False)
    assert (await rest("GET", "gateway"))[0] == 200


async def test_a_shared_429_comes_once(world: Discord, rest: Rest) -> None:
    """A limit shared with others isn't the bot's fault."""
    await world.shared("POST messages", 219.0)
    path = f"channels/{CHANNEL}/messages"
    status, body, headers = await rest("POST", path, {"content": "x"})
    assert (status, body["retry_after"], headers["X-RateLimit-Scope"]) == (429, 219.0, "shared")
    assert (await rest("POST", path, {"content": "x"}))[0] == 200


async def test_old_messages_are_edited_rarely(world: Discord, rest: Rest) -> None:
    """The fourth edit within 6 s of an hour-old message gets code 30046 as a 429."""
    message = await post(rest)
    await world.age(CHANNEL, message, 4000)
    path = f"channels/{CHANNEL}/messages/{message}"
    answers = [await rest("PATCH", path, {"content": str(number)}) for number in range(4)]
    assert [each[0] for each in answers] == [200, 200, 200, 429]
    assert answers[3][1]["code"] == 30046
    assert 0 < answers[3][1]["retry_after"] <= 6


# ------------------------------------------------------------------------------- refusals


async def test_a_nonce_posts_once(world: Discord, rest: Rest) -> None:
    """A repeated nonce returns the first message; without enforcing it there are two."""
    body: dict[str, Any] = {"nonce": "n" * 25, "enforce_nonce": True}
    assert await post(rest, **body) == await post(rest, **body)
    await post(rest, nonce="n" * 25)
    assert len(await world.messages(CHANNEL)) == 2
    status, answer, _ = await rest(
        "POST", f"channels/{CHANNEL}/messages", {"content": "x", "nonce": "n" * 26}
    )
    assert (status, answer["code"]) == (400, 50035)
    assert answer["errors"]["nonce"]["_errors"][0]["code"] == "BASE_TYPE_MAX_LENGTH"


async def test_what_is_unknown_too_long_or_empty_is_refused(world: Discord, rest: Rest) -> None:
    """Each error has Discord's status, code and shape."""
    path, gone = f"channels/{CHANNEL}/messages", await post(rest)
    alices = await world.say(CHANNEL, ALICE, "mine")
    await world.delete(CHANNEL, gone)
    reply: dict[str, Any] = {"content": "x", "message_reference": {"message_id": gone}}
    long_label = [{"type": 1, "components": [{"type": 2, "label": "x" * 81, "custom_id": "1"}]}]
    wanted = [
        ("POST", path, {"content": "x" * 2001}, 400, 50035),
        ("POST", path, {"content": " "}, 400, 50006),
        ("POST", path, {"content": "x", "components": long_label}, 400, 50035),
        ("POST", path, reply, 400, 50035),
        ("PATCH", f"{path}/{gone}", {"content": "x"}, 404, 10008),
        ("PATCH", f"{path}/{alices}", {"content": "x"}, 403, 50005),
        ("PUT", f"{path}/{alices}/reactions/x/@me", None, 404, 10014),
        ("GET", "users/12345", None, 404, 10013),
        ("POST", "interactions/1/nope/callback", {"type": 6}, 404, 10062),
    ]
    await world.limits(on=False)
    for method, where, body, status, code in wanted:
        answer = await rest(method, where, body)
        assert (answer[0], answer[1]["code"]) == (status, code), where
    reply["message_reference"]["fail_if_not_exists"] = False
    assert (await world.message(CHANNEL, await post(rest, **reply)))["reply_to"] == ""
    assert (await world.verdict())["errors"]["404/10008"] == 1


async def test_2000_code_points_fit(world: Discord, rest: Rest) -> None:
    """The limit counts code points, not bytes and not UTF-16 units."""
    message = await post(rest, "😀" * 2000)
    assert len((await world.message(CHANNEL, message))["content"]) == 2000


async def test_history_is_paged_newest_first(world: Discord, rest: Rest) -> None:
    """Limit, before, after and around mean what they mean at Discord."""
    ids = [await world.say(CHANNEL, ALICE, str(number)) for number in range(6)]
    await world.limits(on=False)

    async def page(query: str) -> list[int]:
        _, found, _ = await rest("GET", f"channels/{CHANNEL}/messages?{query}")
        return [ids.index(each["id"]) for each in found]

    assert await page("limit=2") == [5, 4]
    assert await page(f"before={ids[4]}&limit=2") == [3, 2]
    assert await page(f"after={ids[1]}&limit=2") == [3, 2]
    assert await page(f"around={ids[2]}&limit=3") == [3, 2, 1]


async def test_history_respects_the_content_switch(world: Discord, rest: Rest) -> None:
    """Without the privilege REST shows no more than the gateway does."""
    await world.say(CHANNEL, ALICE, "secret")
    await world.allow_content(on=False)
    _, [message], _ = await rest("GET", f"channels/{CHANNEL}/messages")
    assert message["content"] == ""


# ------------------------------------------------------------------------------- the judge


@pytest.mark.parametrize(
    ("content", "allowed", "pinged"),
    [
        ("<@300> hi", None, (False, [], ["300"])),
        ("@everyone <@&101> <@!301>", None, (True, ["101"], ["301"])),
        ("@everyone <@&101> <@300>", NOBODY, None),
        ("<@300> <@301>", {"users": ["301"]}, (False, [], ["301"])),
        ("`@everyone` ```\n<@300>\n```", None, None),
        ("```\n<@300> in a fence without an end", None, (False, [], ["300"])),
        ("\\`<@300>`", None, (False, [], ["300"])),
        ("<@12345> <@&54321> are not there", None, None),
    ],
)
async def test_the_judge_knows_who_is_pinged(
    world: Discord, rest: Rest, content: str, allowed: Any, pinged: Any
) -> None:
    """Mentions count as the platform resolves them with that request's allowed_mentions."""
    body = {"content": content} if allowed is None else {"content": content, "allowed_mentions": allowed}
    message = await post(rest, allowed_mentions=NOBODY)
    await rest("PATCH", f"channels/{CHANNEL}/messages/{message}", body)
    found = [(each["everyone"], each["roles"], each["users"]) for each in (await world.verdict())["pings"]]
    assert found == ([pinged] if pinged else [])


async def test_a_reply_pings_unless_told_not_to(world: Discord, rest: Rest) -> None:
    """Without allowed_mentions the one replied to is told."""
    question = await world.say(CHANNEL, ALICE, "why?")
    reference: dict[str, Any] = {"message_reference": {"message_id": question}}
    await post(rest, **reference, allowed_mentions=NOBODY)
    assert (await world.verdict())["pings"] == []
    await post(rest, **reference)
    assert [each["replied_user"] for each in (await world.verdict())["pings"]] == [ALICE]


async def test_the_judge_sees_unfolding_links_and_open_answers(world: Discord, rest: Rest) -> None:
    """A link unfolds unless suppressed, bracketed or in code; a Stop button must go in the end."""
    quiet = "<https://a.test> `https://b.test`"
    message = await post(rest, quiet, components=STOP)
    await post(rest, "https://c.test", flags=4)
    assert (await world.verdict())["unfurls"] == []
    await rest("PATCH", f"channels/{CHANNEL}/messages/{message}", {"content": "see https://d.test"})
    verdict = await world.verdict()
    assert [each["url"] for each in verdict["unfurls"]] == ["https://d.test"]
    assert verdict["never_final"] == [f"{CHANNEL}/{message}"]
    await rest("PATCH", f"channels/{CHANNEL}/messages/{message}", {"components": []})
    assert (await world.verdict())["never_final"] == []


# ------------------------------------------------------------------------------- faults


async def test_faults_come_as_often_as_asked(world: Discord, rest: Rest) -> None:
    """A status, a body that isn't JSON, and headers; then all is well again."""
    await world.fault("POST messages", times=2, status=429, body="error code: 1015", via=False)
    path = f"{world.url}/api/v10/channels/{CHANNEL}/messages"
    async with aiohttp.ClientSession(headers={"Authorization": "Bot token"}) as session:
        for _ in range(2):
            async with session.post(path, json={"content": "x"}) as response:
                assert (response.status, await response.text()) == (429, "error code: 1015")
                assert "Via" not in response.headers
    await post(rest)
    assert (await world.verdict())["refused"] == 2


async def test_a_request_can_be_applied_and_never_answered(world: Discord, rest: Rest) -> None:
    """The connection is cut after the message was written, or before."""
    await world.fault("POST messages", drop=True, apply=True)
    with pytest.raises(aiohttp.ClientError):
        await post(rest, "written")
    await world.fault("* messages", drop=True)
    with pytest.raises(aiohttp.ClientError):
        await post(rest, "lost")
    assert [each["text"] for each in await world.messages(CHANNEL)] == ["written"]


async def test_a_request_is_applied_although_the_client_hung_up(world: Discord, rest: Rest) -> None:
    """Latency passes in halves, and giving up in the first one takes nothing back."""
    await world.latency("POST messages", 2.0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(post(rest, "late"), 0.5)
    assert await world.messages(CHANNEL) == []
    [entry] = await world.events(kinds=["post"], wait=5)
    assert entry["length"] == 4


async def test_a_bad_token_is_unauthorized(world: Discord, rest: Rest) -> None:
    """Neither no token nor a bad one gets anywhere."""
    status, body, _ = await rest("GET", "users/@me", headers={"Authorization": "Bot bad"})
    assert (status, body) == (401, {"message": "401: Unauthorized", "code": 0})


async def test_controls_work_from_another_process(world: Discord) -> None:
    """What people do can be asked for over HTTP."""
    async with aiohttp.ClientSession() as session:
        remote = Remote(session, world.url)
        said = await remote.say(channel=CHANNEL, user=ALICE, text="hello")
        assert (await remote.message(channel=CHANNEL, message=said))["text"] == "hello"
        with pytest.raises(LookupError):
            await remote.press(channel=CHANNEL, message=said, user=ALICE)


# ------------------------------------------------------------------------------- recorded traffic


def lacking(recorded: Any, ours: Any, path: str = "") -> list[str]:
    """Return where *ours* lacks a recorded key, or has another JSON type there."""
    if recorded is None or (ours is None and path):
        return []
    if type(recorded) is not type(ours):
        return [f"{path}: {type(ours).__name__} instead of {type(recorded).__name__}"]
    match recorded:
        case dict():
            missing = [f"{path}.{key} is missing" for key in recorded if key not in ours]
            both = [key for key in recorded if key in ours]
            return missing + [
                each for key in both for each in lacking(recorded[key], ours[key], f"{path}.{key}")
            ]
        case list() if recorded and not ours:
            return [f"{path} is empty"]
        case list():
            return [each for item in recorded for each in lacking(item, ours[0], f"{path}[]")]
        case _:
            return []


@pytest.mark.skipif(not RECORDED, reason="RECORDED_PAYLOADS names no folder with recorded traffic")
async def test_what_was_recorded_is_what_we_send(world: Discord, connect: Connect) -> None:
    """Every key of the recorded events is in ours, with a value of its type."""
    bot = await connect()
    direct, ours = await world.dm(ALICE), {}
    ours["mention"] = await bot.hear("MESSAGE_CREATE", id=await world.say(CHANNEL, ALICE, "<@999> Hey"))
    ours["role"] = await bot.hear("MESSAGE_CREATE", id=await world.say(CHANNEL, ALICE, "<@&101> Hey"))
    thread = (
        await text_channel(bot).get_partial_message(int(ours["mention"]["id"])).create_thread(name="talk")
    )
    ours["thread"] = await bot.hear("THREAD_CREATE")
    ours["inside"] = await bot.hear("MESSAGE_CREATE", id=await world.say(str(thread.id), ALICE, "Hey"))
    embed = discord.Embed(title="Welcome", description="hello", color=1).add_field(name="DM", value="No")
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label="Hello", custom_id="hello"))
    welcome = await thread.send("**Welcome**", embed=embed, view=view)
    ours["welcome"] = await bot.hear("MESSAGE_CREATE", id=str(welcome.id))
    await world.react(str(thread.id), str(welcome.id), ALICE, "👍")
    ours["reaction"] = await bot.hear("MESSAGE_REACTION_ADD")
    await world.press(str(thread.id), str(welcome.id), ALICE, "Hello")
    ours["click"] = await bot.hear("INTERACTION_CREATE")
    private = await (await bot.fetch_user(int(ALICE))).send("hello", view=view)
    await world.press(direct, str(private.id), ALICE, "Hello")
    ours["private"] = await bot.hear("INTERACTION_CREATE", 2)
    recorded = json.loads((pathlib.Path(RECORDED) / "discord/gateway_and_interactions.json").read_text())
    kinds = {"gatewayMention": "mention", "gatewayAIMention": "mention", "gatewayRoleMention": "role"}
    kinds |= {
        "gatewayReactionAdd": "reaction",
        "gatewayThreadCreate": "thread",
        "gatewayBotWelcome": "welcome",
    }
    kinds |= {"gatewayThreadWelcome": "welcome", "dmButtonClick": "private"}
    for name, shape in recorded.items():
        if name == "metadata":
            continue
        kind = kinds.get(name, "inside" if name.startswith("gateway") else "click")
        assert lacking(shape.get("data") if "timestamp" in shape else shape, ours[kind]) == [], name
