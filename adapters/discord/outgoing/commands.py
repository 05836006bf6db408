"""The commands that Discord's clients offer for the bot, and telling Discord of them."""

from __future__ import annotations

import asyncio

import structlog

from adapters.discord.outgoing.asked import LONGEST
from adapters.discord.wire.rest import Json, Refused, Rest
from bot.platform import Gone, SlowDown

log = structlog.get_logger(__name__)

#: In a message's context menu.
ABOUT, STOP = "Ask about this", "Stop"
#: Types of commands and options, and where commands can be used (interactions/application-commands.mdx).
CHAT_INPUT, MESSAGE, ENTRY_POINT = 1, 3, 4
SUB_COMMAND, TEXT = 1, 3
SERVERS, DIRECT = 0, 1
#: Seconds before Discord is asked again that was not well.
AGAIN = (5.0, 60.0, 600.0)
BUCKET = "discord/commands"


def _typed(name: str, description: str, *options: Json) -> Json:
    return _command(CHAT_INPUT, name) | {"description": description, "options": list(options)}


def _command(kind: int, name: str) -> Json:
    usual = {"contexts": [SERVERS, DIRECT], "default_member_permissions": None, "nsfw": False}
    return {"type": kind, "name": name, **usual}


def _option(name: str, description: str, **more: object) -> Json:
    return {"type": TEXT, "name": name, "description": description, **more}


#: All of them; who may use which is asked when one is used.
COMMANDS: tuple[Json, ...] = (
    _typed(
        "ask",
        "Ask a question; everybody here sees it, and the answer",
        _option("question", "What you want to know", required=True, max_length=LONGEST),
    ),
    _typed("stop", "Stop the answer that is being written here"),
    _typed("again", "Answer the last question here anew"),
    _typed(
        "model",
        "See which model answers you, or choose another",
        _option("name", "The model, or: default", max_length=100),
    ),
    _typed("usage", "See what your questions have cost"),
    _typed("help", "See what can be done here"),
    _typed(
        "forget",
        "Delete what the bot keeps of you",
        {"type": SUB_COMMAND, "name": "me", "description": "Delete what the bot keeps of you"},
    ),
    _command(MESSAGE, ABOUT),
    _command(MESSAGE, STOP),
)


class Registering:
    """Tells Discord of the commands: once in a process, and only if it knows others.

    Args:
        rest: What to tell it with.
    """

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._done = False

    async def run(self, application: int) -> None:
        """Let Discord know the commands of *application*; never raises."""
        for delay in (*AGAIN, 0.0):
            if self._done:
                return
            try:
                self._done = await self._register(f"applications/{application}/commands")
            except SlowDown as slow:
                delay = max(delay, slow.retry_after)  # noqa: PLW2901  it asks for more
            except OSError as error:
                log.info("the commands are not registered yet", error=repr(error))
            except (Gone, Refused) as error:
                self._done = True
                log.warning(
                    "Discord does not take the commands; mentions and buttons work all the same",
                    error=str(error),
                )
            await asyncio.sleep(0 if self._done else delay)

    async def _register(self, path: str) -> bool:
        """Compare what Discord knows, and overwrite it if that is something else; return True."""
        told, _ = await self._rest.call("GET", path, BUCKET)
        known = [each for each in told.get("items", []) if isinstance(each, dict)]
        kept = [each for each in known if each.get("type") == ENTRY_POINT]  # Discord wants to keep it (50240)
        if not same([each for each in known if each not in kept], COMMANDS):
            await self._rest.call("PUT", path, BUCKET, [*COMMANDS, *kept])
            log.info("the commands are registered", commands=len(COMMANDS))
        return True


def same(known: list[Json], wanted: tuple[Json, ...]) -> bool:
    """Tell whether Discord knows what is *wanted*, whatever it adds of its own."""
    named = {(each.get("type", CHAT_INPUT), each.get("name")): each for each in known}
    if len(known) != len(wanted):
        return False
    return all(_holds(named.get((each["type"], each["name"])), each) for each in wanted)


def _holds(known: object, wanted: object) -> bool:
    """Tell whether *known* says all that *wanted* does; what says nothing may be left out."""
    if isinstance(wanted, dict):
        found = known if isinstance(known, dict) else {}
        return all(_holds(found.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        found_all = known if isinstance(known, list) else []
        return len(found_all) == len(wanted) and all(map(_holds, _ordered(found_all), _ordered(wanted)))
    return known == wanted or not (known or wanted)


def _ordered(found: list[object]) -> list[object]:
    """Return numbers in their order: Discord may tell where a command can be used in any."""
    return sorted(found, key=str) if all(isinstance(each, int) for each in found) else found
