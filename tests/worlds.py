"""The platforms that pass the contract, as people use them: Slack (over both ways in), Discord, the page."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import adapters
from adapters.emulators.discord import Discord as DiscordEmulator
from adapters.emulators.slack import Slack as SlackEmulator
from bot.platform import Platform, Surface
from bot.run.server import serving
from tests.contract import HOLD, Call, Part, Seen, Trouble, World, at, until
from tests.ports import free_port
from tests.web_world import WebWorld

METHODS = {"post": "chat.postMessage", "edit": "chat.update", "attach": "files.completeUploadExternal"}
#: Seconds of an answer that is late; tests of it shorten what they wait.
LATE = 2.0
ROUTES = {"post": "POST messages", "edit": "PATCH messages", "attach": "P* messages"}


def encoded(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return *files* as emulators take them: the content in base64."""
    return {name: base64.b64encode(data).decode() for name, data in files.items()}


class SlackWorld(World):
    """Slack: threads in channel C1; people are found by users.info."""

    name = "slack"
    ann, bob = "U1", "U2"
    bots = ("UROBOT", "UBOT")
    page = 11_000
    pause = 1.0
    #: What the emulator logs of an envelope that the adapter is done with.
    answered: tuple[str, ...] = ("ack",)
    stops = (
        *("octagonal_sign", "black_square_for_stop", "x", "hand", "raised_hand"),
        *(f"{name}::skin-tone-{tone}" for name in ("hand", "raised_hand") for tone in range(2, 7)),
    )
    others = ("thumbsup", "octagonal_sign_2", "eyes", "stop")
    emulator: SlackEmulator

    @classmethod
    def new_emulator(cls) -> SlackEmulator:
        return SlackEmulator()

    def load(self, **settings: str) -> Platform:
        usual = {
            "SLACK_BOT_TOKEN": "xoxb-1",
            "SLACK_APP_TOKEN": "xapp-1",
            "SLACK_API_URL": f"{self.emulator.url}/api/",
        }
        found = adapters.load("slack", **{**usual, **settings})
        assert found
        return found

    def key(self, message: str) -> str:
        return f"slack/T1/{message}"

    async def say(self, text: str, who: str = "") -> str:
        return f"C1/{await self.emulator.say('C1', who or self.ann, f'<@UBOT> {text}')}"

    async def begun(self, *, direct: bool = False) -> tuple[str, str, Surface]:
        """Return a question, its answer, which waits for more, and the surface that it is written with."""
        self.model.steps = ("Because ", HOLD)
        question = await (self.dm("why?") if direct else self.say("why?"))
        answer = await self.first(question, "Beca")
        return question, f"slack/T1/{answer.id}", (await self.still())._surface

    async def attach(self, text: str, files: Mapping[str, bytes], question: str = "") -> str:
        channel, thread = at(question) if question else ("C1", "")
        call = "" if question else "<@UBOT> "
        ts = await self.emulator.say(channel, self.ann, call + text, thread or None, files=encoded(files))
        return f"{channel}/{ts}"

    async def spoil_files(self, times: int = 1, **fault: Any) -> None:
        await self.emulator.fault("download", times, **fault)

    async def talk(self, question: str, texts: Sequence[str]) -> str:
        channel, ts = at(question)
        for number, text in enumerate(texts):
            last = await self.emulator.say(channel, (self.ann, self.bob)[number % 2], text, ts)
        return f"{channel}/{last}"

    async def reply(self, question: str, text: str, after: str = "") -> str:
        channel, ts = at(question)
        thread = (await self.emulator.message(channel, ts))["thread_ts"] or ts
        mention = "" if channel[0] == "D" else "<@UBOT> "
        return f"{channel}/{await self.emulator.say(channel, self.ann, mention + text, thread)}"

    async def dm(self, text: str, who: str = "") -> str:
        return f"DU1/{await self.emulator.say('DU1', who or self.ann, text)}"

    async def chat(self, text: str) -> str:
        return f"C1/{await self.emulator.say('C1', self.ann, text)}"

    async def others_say(self, text: str) -> None:
        for channel in ("C1", "DU1"):
            await self.emulator.post_as(channel, "UROBOT", f"<@UBOT> {text}", "BOTHER")
            await self.emulator.post_as(channel, "UROBOT", f"<@UBOT> {text}", "BOTHER", subtype="")
            await self.emulator.post_as(channel, "UBOT", f"<@UBOT> {text}", "BBOT", subtype="")
            await self.emulator.say(channel, "UROBOT", f"<@UBOT> {text}")

    async def strangers_say(self, text: str) -> None:
        for stranger in ("UGUEST", "UEXT"):
            await self.emulator.say("C1", stranger, f"<@UBOT> {text}")
            await self.emulator.say(f"D{stranger}", stranger, text)

    async def answers(self, question: str) -> list[Seen]:
        ours = [each for each in await self._ours(question) if each["text"] or not each["files"]]
        channel, _ = at(question)
        return [Seen.of(each, f"{channel}/{each['ts']}", f"{channel}/{each['thread_ts']}") for each in ours]

    async def attached(self, question: str) -> list[dict[str, Any]]:
        return [file for each in await self._ours(question) for file in each["files"]]

    async def _ours(self, question: str) -> list[dict[str, Any]]:
        """Return all messages of the bot in the thread of *question*, after it."""
        channel, ts = at(question)
        root = (await self.emulator.message(channel, ts))["thread_ts"] or ts
        told = await self.emulator.thread(channel, root)
        later = [each for each in told if float(each["ts"]) > float(ts) and not each["deleted"]]
        return [each for each in later if each["user"] == "UBOT"]

    async def react(self, message: str, emoji: str = "", who: str = "") -> None:
        await self.emulator.react(*at(message), who or self.ann, emoji or self.stops[0])

    async def unreact(self, message: str, emoji: str = "", who: str = "") -> None:
        await self.emulator.unreact(*at(message), who or self.ann, emoji or self.stops[0])

    async def press(self, message: str, who: str = "") -> None:
        assert await self.emulator.press(*at(message), who or self.ann)

    async def edit(self, question: str, text: str) -> None:
        await self.emulator.edit(*at(question), f"<@UBOT> {text}")

    async def delete(self, message: str) -> None:
        await self.emulator.delete(*at(message))

    async def redeliver(self) -> None:
        for event in ("app_mention", "message"):
            await self.emulator.redeliver(2, event)

    async def drop(self) -> None:
        await self.emulator.drop()

    async def trouble(self, call: Call, how: Trouble, *, lands: bool = False, times: int = 1) -> None:
        method = METHODS[call]
        match how:
            case "slow":
                await self.emulator.fault(method, times, 429, headers={"Retry-After": "1"})
            case "gone":
                error = "message_not_found" if call == "edit" else "channel_not_found"
                await self.emulator.fault(method, times, error=error)
            case "ill":
                await self.emulator.fault(method, times, 500, body="<html>oh", apply=lands)
            case "cut":
                await self.emulator.fault(method, times, drop=True, apply=lands)
            case "late":
                method = "upload" if call == "attach" else method
                await self.emulator.fault(method, times, drop=True, apply=lands, delay=LATE)

    async def refuse(self, call: Call, part: Part = "anything", times: int = 1, *, status: int = 400) -> None:
        having = {"anything": "", "buttons": "blocks", "mark": "metadata"}[part]
        await self.emulator.fault(METHODS[call], times, status, "some_new_error", having=having)

    async def slow(self, call: Call, seconds: float) -> None:
        await self.emulator.latency(METHODS[call], seconds)

    async def hide_history(self) -> None:
        await self.emulator.fault("conversations.replies", error="missing_scope")

    async def calls(self, call: Call) -> list[float]:
        return await self.calls_of(METHODS[call])

    async def calls_of(self, method: str) -> list[float]:
        """Return when each call of *method* came."""
        return [each["t"] for each in await self.emulator.events(kinds=["call"]) if each["method"] == method]

    async def settled(self) -> None:
        async def acknowledged() -> bool:
            await asyncio.sleep(0.03)
            sent = await self.emulator.events(kinds=["envelope"])
            latest = {each["event_id"] or each["envelope_id"]: each["envelope_id"] for each in sent}
            taken = {each["envelope_id"] for each in await self.emulator.events(kinds=self.answered)}
            return set(latest.values()) <= taken

        await until(acknowledged)


class SlackHttpWorld(SlackWorld):
    """Slack in HTTP mode: it posts to the routes that the adapter has served."""

    answered = ("ack", "unacknowledged")  # what was refused comes again, perhaps in five minutes
    SECRET = "8f742231b10e8888abcd99yyyzzz85a5"  # of Slack's documentation

    def __init__(self, emulator: Any, **settings: Any) -> None:
        self.stack = AsyncExitStack()
        self.port = free_port()
        super().__init__(emulator, **settings)

    def load(self, **settings: str) -> Platform:
        return super().load(**{"SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": self.SECRET, **settings})

    async def connect(self) -> None:
        await self.serve()
        await super().connect()
        url = f"http://127.0.0.1:{self.port}/slack/events"
        assert await self.emulator.request_url(url, self.SECRET)

    async def vanish(self) -> None:
        await super().vanish()
        await self.stack.aclose()

    async def serve(self) -> None:
        """Listen, on the same port as before."""
        self.port = await self.stack.enter_async_context(serving("127.0.0.1", self.port, [self.platform]))

    async def drop(self) -> None:
        """Be away for a moment; Slack tries again."""
        await self.emulator.redelivery(3.0, (0.2, 0.5, 1.0))
        await self.stack.aclose()
        asyncio.get_running_loop().call_later(0.1, self.come_back)

    def come_back(self) -> None:
        self.back = asyncio.ensure_future(self.serve())


class DiscordWorld(World):
    """Discord: replies in channel 200 of guild 100; direct messages are the owner's."""

    name = "discord"
    ann, bob, owner = "300", "301", "1"
    bots = ("777", "999")
    page = 1_850
    pause = 0.5
    stops = (*"🛑⏹❌✋", "⏹\ufe0f", *(f"✋{chr(tone)}" for tone in range(0x1F3FB, 0x1F400)))
    others = ("👍", "👀", "🟥")
    emulator: DiscordEmulator

    @classmethod
    def new_emulator(cls) -> DiscordEmulator:
        return DiscordEmulator()

    def load(self, **settings: str) -> Platform:
        usual = {
            "DISCORD_BOT_TOKEN": "token",
            "DISCORD_API_URL": f"{self.emulator.url}/api/v10",
            "DISCORD_GATEWAY_URL": self.emulator.url.replace("http", "ws") + "/gw/",
            "RIVULET_DISCORD_GUILDS": "100",
            "RIVULET_DISCORD_BRAKE": "false",
        }
        found = adapters.load("discord", **{**usual, **settings})
        assert found
        return found

    async def connect(self) -> None:
        await self.emulator.user(self.bots[0], "robot", bot=True)
        await super().connect()
        await asyncio.sleep(0.1)  # closing it sooner than this after READY makes discord.py complain

    def key(self, message: str) -> str:
        return f"discord/{message}"

    async def say(self, text: str, who: str = "") -> str:
        return f"200/{await self.emulator.say('200', who or self.ann, f'<@999> {text}')}"

    async def attach(self, text: str, files: Mapping[str, bytes], question: str = "") -> str:
        channel, replied = at(question) if question else ("200", "")
        call = "" if question else "<@999> "
        sent = await self.emulator.say(channel, self.ann, call + text, replied, files=encoded(files))
        return f"{channel}/{sent}"

    async def spoil_files(self, times: int = 1, **fault: Any) -> None:
        await self.emulator.fault("GET attachments", times, **fault)

    async def talk(self, question: str, texts: Sequence[str]) -> str:
        channel, last = at(question)
        for number, text in enumerate(texts):
            last = await self.emulator.say(channel, (self.ann, self.bob)[number % 2], text, reply_to=last)
        return f"{channel}/{last}"

    async def reply(self, question: str, text: str, after: str = "") -> str:
        channel, asked = at(question)
        asker = (await self.emulator.message(channel, asked))["user"]
        last = after or (await self.answers(question))[-1].id
        sent = await self.emulator.say(channel, asker, f"<@999> {text}", reply_to=last.split("/")[1])
        return f"{channel}/{sent}"

    async def dm(self, text: str, who: str = "") -> str:
        channel = await self.emulator.dm(who or self.owner)
        return f"{channel}/{await self.emulator.say(channel, who or self.owner, text)}"

    async def chat(self, text: str) -> str:
        return f"200/{await self.emulator.say('200', self.ann, text)}"

    async def others_say(self, text: str) -> None:
        await self.emulator.say("200", self.bots[0], f"<@999> {text}", bot=True)
        hook = await self.emulator.say("200", "888", "hook")
        raw = self.emulator._messages.find("200", hook)
        told = {**self.emulator._messages.shape(raw), "id": str(int(hook) + 1), "webhook_id": "888"}
        told |= {"content": f"<@999> {text}", "mentions": [self.emulator._world.users["999"]]}
        self.emulator._gateway.publish("MESSAGE_CREATE", {**told, "guild_id": "100"}, "100")
        direct = await self.emulator.dm(self.owner)
        await self.emulator.say(direct, "999", text)

    async def strangers_say(self, text: str) -> None:
        foreign = await self.emulator.guild("555")
        await self.emulator.say(foreign, self.ann, f"<@999> {text}")
        await self.emulator.say(await self.emulator.dm(self.ann), self.ann, text)

    async def answers(self, question: str) -> list[Seen]:
        channel, asked = at(question)
        return [*await self._chain(channel, asked), *await self._chain(asked, "")]

    async def attached(self, question: str) -> list[dict[str, Any]]:
        shown = [await self.emulator.message(*at(each.id)) for each in await self.answers(question)]
        return [file for each in shown for file in each["files"]]

    async def _chain(self, channel: str, last: str) -> list[Seen]:
        """Return the answers in *channel* that reply to the message *last*, and to each other."""
        found, chain = [], {last}
        for each in await self.emulator.messages(channel):
            if each["user"] == "999" and each["reply_to"] in chain:
                chain.add(each["id"])
                if not each["deleted"]:
                    found.append(Seen.of(each, f"{channel}/{each['id']}", f"{channel}/{each['reply_to']}"))
        return found

    async def react(self, message: str, emoji: str = "", who: str = "") -> None:
        await self.emulator.react(*at(message), who or self.ann, emoji or self.stops[0])

    async def unreact(self, message: str, emoji: str = "", who: str = "") -> None:
        post = self.emulator._messages.find(*at(message))
        self.emulator._messages.react(post, who or self.ann, emoji or self.stops[0], on=False)

    async def press(self, message: str, who: str = "") -> None:
        await self.emulator.press(*at(message), who or self.ann)

    async def edit(self, question: str, text: str) -> None:
        await self.emulator.edit(*at(question), f"<@999> {text}")

    async def delete(self, message: str) -> None:
        await self.emulator.delete(*at(message))

    async def redeliver(self) -> None:
        sent = await self.emulator.events(kinds=["dispatch"])
        await self.emulator.replay(sum(each["event"].startswith("MESSAGE_") for each in sent))

    async def drop(self) -> None:
        await self.emulator.drop()

    async def trouble(self, call: Call, how: Trouble, *, lands: bool = False, times: int = 1) -> None:
        fault = partial(self.emulator.fault, ROUTES[call], times, having="files" if call == "attach" else "")
        match how:
            case "slow":
                body = {"message": "slow down", "retry_after": 0.5, "global": False}
                await fault(status=429, body=body)
            case "gone":
                status, code = (403, 50013) if call == "post" else (404, 10008)
                await fault(status=status, body={"message": "gone", "code": code})
            case "ill":
                await fault(status=500, body="<html>oh", apply=lands)
            case "cut":
                await fault(drop=True, apply=lands)
            case "late":
                await fault(drop=True, apply=lands, delay=LATE)

    async def refuse(self, call: Call, part: Part = "anything", times: int = 1, *, status: int = 400) -> None:
        having = {"anything": "", "buttons": "components", "mark": "nonce"}[part]
        if call == "attach":
            having = "files"
        body = {"message": "Something new", "code": 99999}
        await self.emulator.fault(ROUTES[call], times, max(status, 400), body, having=having)

    async def shown(self, question: str) -> list[Seen]:
        channel, _ = at(question)
        ours = [each for each in await self.emulator.messages(channel) if each["user"] == "999"]
        return [Seen.of(each, f"{channel}/{each['id']}", "") for each in ours if not each["deleted"]]

    async def slow(self, call: Call, seconds: float) -> None:
        await self.emulator.latency(ROUTES[call], seconds)

    async def hide_history(self) -> None:
        body = {"message": "Missing Access", "code": 50001}
        await self.emulator.fault("GET message*", times=9, status=403, body=body)

    async def calls(self, call: Call) -> list[float]:
        route = ROUTES[call]
        made = [each for each in await self.emulator.events(kinds=["call"]) if each["route"] == route]
        # What askers are told directly is no part of an answer.
        aside = [f"channels/{await self.emulator.dm(user)}/messages" for user in (self.ann, self.bob)]
        return [each["t"] for each in made if each["path"] not in aside]

    async def settled(self) -> None:
        """Ask for a heartbeat: frames are taken in order, so what came before it has been taken."""
        before = len(await self.emulator.events(kinds=["heartbeat"]))
        await self.emulator.beat()

        async def beaten() -> bool:
            return len(await self.emulator.events(kinds=["heartbeat"])) > before

        await until(beaten)
        await asyncio.sleep(0.03)


#: One way in per platform is enough where only what is written matters.
PLATFORMS: Sequence[type[World]] = (SlackWorld, DiscordWorld)
WORLDS: Sequence[type[World]] = (SlackWorld, SlackHttpWorld, DiscordWorld, WebWorld)
