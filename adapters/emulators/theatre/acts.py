"""What the page asks for: what people do on the platforms, and what the theatre's knobs do to the world."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.emulators.claude import Claude
from adapters.emulators.discord import Discord
from adapters.emulators.discord.limits import DEFAULTS
from adapters.emulators.slack import Slack
from adapters.emulators.slack.traffic import LIMITS

from .views import CHANNELS

Json = dict[str, Any]

#: How the bot is mentioned where people write @rivulet.
MENTIONS = {"slack": "<@UBOT>", "naive": "<@UBOT>", "discord": "<@999>"}
#: Characters of one message; Slack takes 40,000 and Discord 2,000 of a person.
LONGEST = 40_000
#: Methods and routes whose limits the knob turns.
WRITES = ("chat.update", "chat.postMessage", "chat.appendStream")
ROUTES = ("PATCH messages", "POST messages")
#: What share of the documented limits there is.
SHARES = {"documented": 1.0, "half": 0.5, "fifth": 0.2}
#: How many of the next edits a storm refuses, and for how many seconds.
STORM, STORM_SECONDS = 6, 4
#: What everybody of a crowd asks, and who they are.
CROWD_QUESTION = "Tell me something about river number"
NAMES = [
    begin + end
    for begin in ("ma", "lu", "jo", "ka", "ri", "ele", "no", "ta")
    for end in ("ra", "na", "lin", "mi", "dan", "vi", "s", "ko")
]


class Acts:
    """Does what the page asks for.

    Args:
        slack: By name: "slack", and "naive", which is the workspace of a naive bot.
        discord: The guild.
        claude: The model.
    """

    def __init__(self, slack: Mapping[str, Slack], discord: Discord, claude: Claude) -> None:
        self._slack = slack
        self._discord = discord
        self._claude = claude

    async def do(self, act: Json) -> Json:
        """Do *act*, which names itself in "do"; return what the page needs to know.

        Raises:
            LookupError, KeyError, TypeError, ValueError: It can't be done.
        """
        match act:
            case {"do": "say" | "react" | "press" | "edit" | "delete" | "dm", "platform": "discord"}:
                return await self._on_discord(act)
            case {"do": "say" | "react" | "press" | "edit" | "delete" | "stop", "platform": str(name)}:
                return await self._on_slack(self._slack[name], name, act)
            case {"do": "crowd", "on": list(names)}:
                await asyncio.gather(*(self._crowd(name) for name in names))
            case {"do": "knob", "name": str(name), "value": value}:
                await self._turn(name, value)
            case {"do": "fault", "name": str(name)}:
                await self._fail(name)
            case _:
                raise ValueError("nobody can do that")
        return {}

    async def _on_slack(self, slack: Slack, name: str, act: Json) -> Json:
        channel = str(act["channel"])
        match act["do"]:
            case "say":
                said: Json = {"user": str(act["user"]), "text": _mentioning(name, act["text"])}
                ts = await slack.say(channel, thread_ts=act.get("thread") or None, files=_files(act), **said)
                return {"id": ts}
            case "react" if act.get("on", True):
                await slack.react(channel, act["id"], act["user"], act["emoji"])
            case "react":
                await slack.unreact(channel, act["id"], act["user"], act["emoji"])
            case "press":
                await slack.press(channel, act["id"], act["user"], act["label"])
            case "stop":
                await slack.press_native_stop(channel, act["thread"], act["user"])
            case "edit":
                await slack.edit(channel, act["id"], _mentioning(name, act["text"]))
            case "delete":
                await slack.delete(channel, act["id"])
        return {}

    async def _on_discord(self, act: Json) -> Json:
        match act["do"]:
            case "dm":
                return {"id": await self._discord.dm(act["user"])}
            case "say":
                text = _mentioning("discord", act["text"])
                more: Json = {"reply_to": act.get("reply_to") or "", "files": _files(act)}
                return {"id": await self._discord.say(act["channel"], act["user"], text, **more)}
            case "react":
                where = (act["channel"], act["id"], act["user"], act["emoji"])
                await self._discord.react(*where, on=act.get("on", True))
            case "press":
                await self._discord.press(act["channel"], act["id"], act["user"], act["label"])
            case "edit":
                await self._discord.edit(act["channel"], act["id"], _mentioning("discord", act["text"]))
            case "delete":
                await self._discord.delete(act["channel"], act["id"])
        return {}

    async def _crowd(self, name: str) -> None:
        """Let so many people ask at once, in all channels."""
        for number, person in enumerate(NAMES):
            text = f"{MENTIONS[name]} {CROWD_QUESTION} {number + 1}, please."
            place = number % len(CHANNELS)
            if name == "discord":
                await self._discord.user(str(5000 + number), person)
                await self._discord.say(str(200 + place), str(5000 + number), text)
            else:
                await self._slack[name].user(f"UCROWD{number}", person)
                await self._slack[name].say(f"C{place + 1}", f"UCROWD{number}", text)

    async def _turn(self, name: str, value: Any) -> None:
        match name:
            case "speed":
                await self._claude.configure(speed=min(max(float(value), 0.1), 20.0))
            case "latency":
                seconds = min(max(float(value), 0.0), 5.0)
                await asyncio.gather(*(each.latency("*", seconds) for each in self._platforms()))
            case "limits" if value in SHARES:
                await self._share(SHARES[value])
            case "limits" if value == "off":
                await asyncio.gather(*(each.limits(on=False) for each in self._platforms()))
            case _:
                raise ValueError(f"there is no knob {name!r} with {value!r}")

    async def _share(self, share: float) -> None:
        for slack in self._slack.values():
            await slack.limits(on=True)
            for method in WRITES:
                calls, seconds = LIMITS[method]
                await slack.limit(method, max(1, round(calls * share)), seconds)
        await self._discord.limits(on=True)
        for route in ROUTES:
            calls, seconds = DEFAULTS[route]
            await self._discord.limit(route, max(1, round(calls * share)), seconds)

    async def _fail(self, name: str) -> None:
        match name:
            case "storm":
                refused: Json = {
                    "status": 429,
                    "error": "ratelimited",
                    "headers": {"Retry-After": str(STORM_SECONDS)},
                }
                for slack in self._slack.values():
                    await slack.fault("chat.update", STORM, **refused)
                body = {
                    "message": "You are being rate limited.",
                    "retry_after": STORM_SECONDS,
                    "global": False,
                }
                await self._discord.fault("PATCH messages", STORM, 429, body, refused["headers"])
            case "sockets":
                for slack in self._slack.values():
                    await slack.drop(every=True)
                await self._discord.drop()
            case "cut":
                if not await self._claude.cut():
                    raise LookupError("the model is not answering anybody")
            case _:
                raise ValueError(f"there is no fault {name!r}")

    def _platforms(self) -> Sequence[Slack | Discord]:
        return [*self._slack.values(), self._discord]


def _mentioning(platform: str, text: Any) -> str:
    """Return *text* with the bot's name as its client sends it."""
    if not isinstance(text, str) or len(text) > LONGEST:
        raise ValueError(f"a message has {LONGEST} characters at most")
    return text.replace("@rivulet", MENTIONS[platform])


def _files(act: Json) -> dict[str, str]:
    """Return the files of *act*, {name: base64}."""
    return {str(name): str(data) for name, data in dict(act.get("files") or {}).items()}
