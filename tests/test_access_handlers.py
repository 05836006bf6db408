"""Every handler that a platform has registered asks the gate, on the wire, and does nothing without its yes.

Each platform's handlers are listed from its code.  One that is new has no row here and fails the test: write
what a person does to reach it, and what the gate is to be asked; or that no person does it, and why.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from adapters.discord.incoming.client import Client
from adapters.discord.incoming.events import TOLD
from adapters.discord.incoming.given import COMMAND, PRESS, SUBMIT, Given
from adapters.discord.incoming.interactions import FIELD
from adapters.discord.outgoing.commands import CHAT_INPUT, COMMANDS
from adapters.slack.incoming import bolt
from adapters.slack.incoming.events import Events
from adapters.web.hearing import routes
from bot.events import CONTINUE
from bot.guard.access import REFUSED, Access, Action
from bot.platform import Actor, Place
from bot.run import supervise
from tests.contract import HOLD, World, at, until
from tests.web_world import WebWorld
from tests.worlds import DiscordWorld, SlackHttpWorld, SlackWorld

#: Interactions that are no commands, by the names of their types.
KINDS = {"a button": PRESS, "a form": SUBMIT}
#: Why the gate is not asked.
DELETED = "platforms do not say who deleted a message, and it can only end what belongs to it"
SYSTEM = "the platform itself says it, not a person"
ENVELOPE = "it holds the events below"
DOOR = "it is for whoever has not signed in, and tells nobody anything"
OWN = (
    "who has signed in reads and keeps what is their own; the model hears of it by a question, which is asked"
)


class Gate(Access):
    """The policy until it is shut: then nobody may anything.

    Attributes:
        asked: Who was to be let do what since then.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.shut = False
        self.asked: list[tuple[str, Action]] = []

    async def authorize(self, actor: Actor, place: Place, action: Action) -> bool:
        if self.shut:
            self.asked.append((actor.id, action))
        return not self.shut and await super().authorize(actor, place, action)


@dataclass
class Scene:
    """A world with an answer that was stopped, and one that waits for more.

    Attributes:
        old: The question that was stopped, and its answer.
        now: The question that is being answered, and its answer.
        keys: The questions that are being answered, or wait.
        form: The interaction that has opened a form.
    """

    world: Any
    gate: Gate
    old: tuple[str, str] = ("", "")
    now: tuple[str, str] = ("", "")
    keys: Sequence[str] = ()
    form: str = ""

    async def set(self) -> None:
        """Make the answers."""
        self.old = await self._asked("old?", "Old ")
        await self.world.react(self.old[1])
        await self.world.stopped(self.old[0])
        self.now = await self._asked("why?", "Because ")

    async def _asked(self, text: str, said: str) -> tuple[str, str]:
        question = await self.world.ask(text, said, HOLD)
        return question, (await self.world.first(question, said.strip())).id

    async def alone(self) -> bool:
        """Tell whether what else was answered, such as a refusal, has ended."""
        running = self.world.core.running
        return not running._errands and {each.mention.key for each in running.lives.values()} <= {*self.keys}

    async def state(self) -> tuple[Any, ...]:
        """Return all that a handler could change."""
        running = {live.mention.key: live.mention.text for live in self.world.core._lives.values()}
        self.keys = self.keys or [*running]
        lives = {key: running.get(key) for key in self.keys}  # a refusal is one too, for a moment
        seen = [await self.world.first(question) for question, _ in (self.old, self.now)]
        shown = [(each.text, each.note, each.live) for each in seen]
        ratings = await self.world.store.ratings()
        return (
            lives,
            len(self.world.model.requests),
            shown,
            ratings,
            self.world.model.running,
        )


#: Does what reaches a handler.
Do = Callable[[Scene], Awaitable[object]]


@dataclass(frozen=True)
class Row:
    """What somebody does that reaches a handler, and what the gate is to be asked; *before* it is shut."""

    do: Do
    action: Action
    who: str = ""
    before: Do | None = None


Rows = Mapping[str, str | Sequence[Row]]


async def _written(scene: Scene) -> None:
    """Say something that is not for the bot, and call it by an edit."""
    scene.world.said = await scene.world.chat("hello")


async def _refused(scene: Scene, command: str) -> None:
    """Give a command, and read that one may not."""
    assert (await scene.world.emulator.command("C1", "U2", command))["text"] == REFUSED


async def _chosen(scene: Scene) -> None:
    """Choose the shortcut, and see no form."""
    await scene.world.emulator.shortcut(*at(scene.now[0]), "U2")
    with pytest.raises(LookupError):
        await scene.world.emulator.submit("U2", "what is that?")


async def _waiting(scene: Scene) -> None:
    """Ask what waits for the answer before it."""
    scene.world.said = await scene.world.reply(scene.now[0], "and then?")


async def _command(scene: Scene, name: str, **values: str) -> None:
    """Give a command of Discord's, and read that one may not."""
    await scene.world.emulator.command("200", "301", name, values)

    async def told() -> bool:
        shown = await scene.world.emulator.messages("200")
        return [each["content"] for each in shown if each["alone"]] == [REFUSED]

    await until(told)


async def _form(scene: Scene) -> None:
    """Open the form of *Ask about this*."""
    scene.form = await scene.world.emulator.choose(*at(scene.now[0]), "301", "Ask about this")
    await until(lambda: scene.world.emulator.modal(scene.form))


async def _no_form(scene: Scene) -> None:
    """Choose *Ask about this*, and see that one may not, and no form."""
    chosen = await scene.world.emulator.choose(*at(scene.now[0]), "301", "Ask about this")

    async def told() -> bool:
        shown = await scene.world.emulator.messages("200")
        return [each["content"] for each in shown if each["alone"]] == [REFUSED]

    await until(told)
    assert await scene.world.emulator.modal(chosen) is None


ON_SLACK: Rows = {
    "app_mention": [Row(lambda s: s.world.say("hi", "U2"), Action.ASK)],
    "message": [
        Row(lambda s: s.world.emulator.say("C1", "U2", "and now?", at(s.old[0])[1]), Action.ASK),
        Row(lambda s: s.world.emulator.say("DU2", "U2", "hi"), Action.ASK),
        Row(lambda s: s.world.emulator.say("C1", "U2", "<@UBOT> stop", at(s.now[0])[1]), Action.ASK),
    ],
    "message/message_changed": [
        Row(lambda s: s.world.edit(s.world.said, "something else"), Action.EDIT, "U1", before=_waiting),
        Row(lambda s: s.world.edit(s.world.said, "why?"), Action.ASK, "U1", before=_written),
    ],
    "message/message_deleted": DELETED,
    "reaction_added": [
        Row(lambda s: s.world.react(s.now[1], "", "U2"), Action.STOP),
        Row(lambda s: s.world.react(s.now[0], "", "U2"), Action.STOP),
        Row(lambda s: s.world.react(s.old[1], "+1", "U2"), Action.RATE),
        Row(lambda s: s.world.react(s.old[1], "repeat", "U2"), Action.PRESS),
        Row(lambda s: s.world.react(s.old[1], "arrow_forward", "U2"), Action.PRESS),
    ],
    "reaction_removed": [
        Row(
            lambda s: s.world.unreact(s.old[1], "+1", "U2"),
            Action.RATE,
            before=lambda s: s.world.react(s.old[1], "+1", "U2"),
        )
    ],
    "agent_session_stopped": [
        Row(lambda s: s.world.emulator.stop_session("C1", at(s.now[0])[1], "U2"), Action.STOP),
        Row(
            lambda s: s.world.emulator.stop_session("C1", at(s.now[0])[1], "U2", [at(s.now[1])[1]]),
            Action.STOP,
        ),
    ],
    "block_actions": [
        Row(lambda s: s.world.press(s.now[1], "U2"), Action.STOP),
        Row(lambda s: s.world.emulator.press(*at(s.old[1]), "U2", CONTINUE.label), Action.PRESS),
    ],
    "command": [
        Row(lambda s: _refused(s, "usage"), Action.COMMAND),
        Row(lambda s: _refused(s, "forget me"), Action.COMMAND),
        Row(lambda s: s.world.emulator.command("C1", "U2", "why?"), Action.ASK),
    ],
    "message_action": [Row(_chosen, Action.ASK)],
    "view_submission": [
        Row(
            lambda s: s.world.emulator.submit("U2", "what is that?"),
            Action.ASK,
            before=lambda s: s.world.emulator.shortcut(*at(s.now[0]), "U2"),
        )
    ],
    "app_rate_limited": SYSTEM,
    "app_uninstalled": SYSTEM,
    "tokens_revoked": SYSTEM,
    "event_callback": ENVELOPE,
}

ON_DISCORD: Rows = {
    "on_told_message_create": [
        Row(lambda s: s.world.say("hi", "301"), Action.ASK),
        Row(
            lambda s: s.world.emulator.say("200", "301", "<@999> stop", reply_to=at(s.now[1])[1]), Action.ASK
        ),
    ],
    "on_told_message_update": [
        Row(lambda s: s.world.edit(s.world.said, "something else"), Action.EDIT, "300", before=_waiting),
        Row(lambda s: s.world.edit(s.world.said, "why?"), Action.ASK, "300", before=_written),
    ],
    "on_told_message_delete": DELETED,
    "on_told_message_delete_bulk": DELETED,
    "on_raw_thread_delete": DELETED,
    "on_told_message_reaction_add": [
        Row(lambda s: s.world.react(s.now[1], "", "301"), Action.STOP),
        Row(lambda s: s.world.react(s.now[0], "", "301"), Action.STOP),
        Row(lambda s: s.world.react(s.old[1], "👍", "301"), Action.RATE),
        Row(lambda s: s.world.react(s.old[1], "🔁", "301"), Action.PRESS),
        Row(lambda s: s.world.react(s.old[1], "▶", "301"), Action.PRESS),
    ],
    "on_told_message_reaction_remove": [
        Row(
            lambda s: s.world.unreact(s.old[1], "👍", "301"),
            Action.RATE,
            before=lambda s: s.world.react(s.old[1], "👍", "301"),
        )
    ],
    "on_told_interaction_create": ENVELOPE,
    "a button": [
        Row(lambda s: s.world.press(s.now[1], "301"), Action.STOP),
        Row(lambda s: s.world.emulator.press(*at(s.old[1]), "301", CONTINUE.label), Action.PRESS),
    ],
    "a form": [Row(lambda s: s.world.emulator.submit(s.form, {FIELD: "why?"}), Action.ASK, before=_form)],
    "/ask": [Row(lambda s: _command(s, "ask", question="why?"), Action.ASK)],
    "/stop": [Row(lambda s: _command(s, "stop"), Action.COMMAND)],
    "/again": [Row(lambda s: _command(s, "again"), Action.COMMAND)],
    "/model": [Row(lambda s: _command(s, "model"), Action.COMMAND)],
    "/usage": [Row(lambda s: _command(s, "usage"), Action.COMMAND)],
    "/help": [Row(lambda s: _command(s, "help"), Action.COMMAND)],
    "/forget": [Row(lambda s: _command(s, "forget", me=""), Action.COMMAND)],
    "Ask about this": [Row(_no_form, Action.ASK)],
    "Stop": [Row(lambda s: s.world.emulator.choose(*at(s.now[1]), "301", "Stop"), Action.STOP)],
}

ON_THE_PAGE: Rows = {
    "POST /web/ask/{talk}": [Row(lambda s: s.world.say("hi"), Action.ASK)],
    "POST /web/stop/{talk}": [Row(lambda s: s.world.send(f"stop/{at(s.now[0])[0]}", {}), Action.STOP)],
    "POST /web/press/{talk}": [
        Row(lambda s: s.world.press(s.now[1]), Action.STOP),
        Row(lambda s: s.world.emulator.press(*at(s.old[1]), "", CONTINUE.label), Action.PRESS),
    ],
    "POST /web/react/{talk}": [
        Row(lambda s: s.world.react(s.now[1]), Action.STOP),
        Row(lambda s: s.world.react(s.old[1], "👍"), Action.RATE),
        Row(lambda s: s.world.react(s.old[1], "▶"), Action.PRESS),
    ],
    "POST /web/edit/{talk}": [
        Row(lambda s: s.world.edit(s.world.said, "something else"), Action.EDIT, before=_waiting)
    ],
    "POST /web/delete/{talk}": DELETED,
    "POST /web/files/{talk}/{file}": OWN,
    "GET /web/files/{talk}/{file}": OWN,
    "GET /web/talks": OWN,
    "GET /web/events/{talk}": OWN,
    "GET /web/page/{name}": DOOR,
    "GET /web/sign-in": DOOR,
    "POST /web/sign-in": DOOR,
    "POST /web/sign-out": DOOR,
    "GET /": DOOR,
}


def slack_s() -> set[str]:
    """Return the kinds of payloads that `Events` takes, as its `match` statements spell them."""
    found = set()
    for pattern in ast.walk(ast.parse(inspect.getsource(Events))):
        if isinstance(pattern, ast.MatchMapping):
            told = {
                ast.literal_eval(key): _texts(value)
                for key, value in zip(pattern.keys, pattern.patterns, strict=True)
            }
            kinds = told.get("type", ["command"] if "command" in told else ["?"])
            found |= {"/".join([kind, *told.get("subtype", [])]) for kind in kinds}
    return found - {"?"}  # what is inside of an event


def _texts(pattern: ast.pattern) -> list[str]:
    return [
        node.value
        for node in ast.walk(pattern)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def discord_s() -> set[str]:
    """Return the handlers of events that are about what somebody does; the others are about connections."""
    own = {name for kind in Client.__mro__ if kind.__module__.startswith("adapters.") for name in vars(kind)}
    connection = {"on_error", "on_shard_connect", "on_shard_ready", "on_shard_resumed", "on_shard_disconnect"}
    given = {f"/{each['name']}" if each["type"] == CHAT_INPUT else each["name"] for each in COMMANDS}
    return {name for name in own if name.startswith("on_")} - connection | given | set(KINDS)


def page_s() -> set[str]:
    """Return the routes of the chat page."""
    return {f"{route.method} {route.path}" for route in routes(WebWorld(WebWorld.new_emulator()).platform)}  # type: ignore[arg-type]


LISTED: Sequence[tuple[type[World], Rows, Callable[[], Collection[str]], str]] = (
    (SlackWorld, ON_SLACK, slack_s, "U2"),
    (DiscordWorld, ON_DISCORD, discord_s, "301"),
    (WebWorld, ON_THE_PAGE, page_s, "ann"),
)


@pytest.mark.rule(2)
@pytest.mark.parametrize(("_world", "rows", "registered", "_who"), LISTED)
async def test_every_handler_that_is_registered_has_a_row(_world, rows, registered, _who):
    assert registered() == set(rows)


@pytest.mark.rule(2)
def test_what_discord_tells_as_it_came_is_taken_by_these_handlers():
    told = {"id": "5", "application_id": "6", "channel_id": "7", "user": {"id": "8"}, "token": "x"}
    taken = {kind for kind in range(20) if Given.of({**told, "type": kind})}
    assert taken == {COMMAND, *KINDS.values()}
    assert {f"on_told_{event.lower()}" for event in TOLD} == {
        name for name in discord_s() if "_told_" in name
    }


@pytest.mark.rule(2)
async def test_bolt_has_no_listener_beside_the_one_way_in(monkeypatch):
    made: list[tuple[Any, int]] = []
    app = bolt._app

    def watched(*args: Any) -> Any:
        found = app(*args)
        made.append((found, len(found._async_middleware_list)))
        return found

    monkeypatch.setattr(bolt, "_app", watched)
    world = await SlackWorld.open()
    await world.close()
    [(found, before)] = made
    assert found._async_listeners == []
    assert len(found._async_middleware_list) == before + 1


DRIVEN = [
    pytest.param(world, row, row.who or who, id=f"{world.__name__} {kind} {number}")
    for listed, rows, _, who in LISTED
    for world in ((listed, SlackHttpWorld) if listed is SlackWorld else (listed,))
    for kind, each in rows.items()
    if not isinstance(each, str)
    for number, row in enumerate(each)
]


async def _registered(world: DiscordWorld) -> bool:
    return len(await world.emulator.commands()) == len(COMMANDS)


@pytest.fixture
async def scenes(monkeypatch) -> AsyncIterator[Callable[[type[World]], Awaitable[Scene]]]:
    """Open a world whose core asks a gate that can be shut."""
    opened: list[World] = []

    async def opening(kind: type[World]) -> Scene:
        gates: list[Gate] = []

        def made(*args: Any, **more: Any) -> Gate:
            gates.append(Gate(*args, **more))
            return gates[-1]

        monkeypatch.setattr(supervise, "Access", made)
        world = await kind.open()
        opened.append(world)
        if isinstance(world, DiscordWorld):
            await until(lambda: _registered(world))
        scene = Scene(world, gates[-1])
        await scene.set()
        return scene

    yield opening
    for world in opened:
        await world.close()


@pytest.mark.rule(2)
@pytest.mark.parametrize(("kind", "row", "who"), DRIVEN)
async def test_what_somebody_does_is_asked_of_the_gate_and_comes_to_nothing_without_it(
    kind, row, who, scenes
):
    scene = await scenes(kind)
    if row.before:
        await row.before(scene)
        await scene.world.settled()
    before = await scene.state()
    scene.world.model.steps = ("Yes.",)
    scene.gate.shut = True
    await row.do(scene)

    async def asked() -> bool:
        return (who, row.action) in scene.gate.asked

    await until(asked)
    await scene.world.settled()
    await until(scene.alone)
    assert await scene.state() == before
    scene.gate.shut = False
