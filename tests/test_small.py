"""The small modules: stops, access, conversation, logs."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from bot.core.stops import EARLY, PATIENCE, Stops
from bot.guard.access import Access, Action
from bot.platform import Actor, Deleted, Mention, Place, Stop
from bot.run import logs
from tests.fakes import ANN, HERE, Sheet, ask

GUILD = Place("C1", workspace="G1")
DM = Place("D1")
OWNER = Actor("U9", owner=True)


def test_a_stop_finds_whoever_watches_the_message():
    stops: Stops[str] = Stops()
    stops.watch("m1", "run", 0.0)
    assert stops.find("m1") == "run"
    stops.forget("m1")
    assert stops.find("m1") is None


def test_an_early_stop_is_handed_over_once_and_only_while_it_is_fresh():
    stops: Stops[str] = Stops()
    stop = Stop("m1", ANN, HERE)
    stops.keep(stop, 0.0)
    assert stops.watch("m1", "run", PATIENCE) == stop
    assert stops.watch("m1", "run", PATIENCE) is None
    stops.keep(stop, 0.0)
    assert stops.watch("m1", "run", PATIENCE + 0.1) is None


def test_early_stops_are_bounded_and_the_oldest_goes():
    stops: Stops[str] = Stops()
    for i in range(EARLY + 1):
        stops.keep(Stop(f"m{i}", ANN, HERE), 0.0)
    assert stops.watch("m0", "run", 0.0) is None
    assert stops.watch("m1", "run", 0.0) is not None


def test_what_is_done_to_messages_that_are_none_of_ours_lets_no_stop_be_forgotten():
    stops: Stops[str] = Stops()
    stops.keep(Stop("m", ANN, HERE), 0.0)
    for i in range(EARLY + 1):
        stops.keep_change(Deleted(f"m{i}"), 0.0)
    assert stops.changed("m0", 0.0) is None
    assert stops.changed("m1", 0.0) == Deleted("m1")
    assert stops.changed("m1", 0.0) is None
    assert stops.changed("m2", PATIENCE + 0.1) is None
    assert stops.watch("m", "run", 0.0) is not None


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize(
    ("actor", "place", "admits", "may"),
    [
        (ANN, HERE, (), True),
        (Actor("U5", workspace="T2"), HERE, (), False),
        (Actor("U5", workspace="T1", guest=True), HERE, (), False),
        (Actor("U5", workspace="T1", bot=True), HERE, (), False),
        (Actor("U5", workspace="T1"), Place("C1", workspace="T2", home="T1"), (), False),
        (Actor("U5", workspace="T2"), HERE, ("*",), False),
        (Actor("U5"), GUILD, (), False),
        (Actor("U5"), GUILD, ("G1",), True),
        (Actor("U5"), GUILD, ("G2",), False),
        (Actor("U5"), GUILD, ("*",), True),
        (Actor("U5", bot=True), GUILD, ("*",), False),
        (Actor("U5"), DM, ("G1",), False),
        (Actor("U5"), DM, ("",), False),
        (Actor("U5"), DM, ("*",), True),
        (OWNER, GUILD, (), True),
        (OWNER, DM, (), True),
    ],
)
@pytest.mark.rule(1)
@pytest.mark.rule(3)
async def test_who_may_use_the_bot(actor, place, admits, may, action):
    assert await Access(admits).authorize(actor, place, action) is may


@pytest.mark.rule(3)
@pytest.mark.rule(5)
def test_who_may_stop_an_answer():
    asker, other = Actor("U1"), Actor("U2", name="U1")
    assert Access(stop="anyone").may_stop(other, asker, HERE)
    assert not Access(stop="asker").may_stop(other, asker, HERE)
    assert Access(stop="asker").may_stop(asker, asker, HERE)
    assert Access(stop="asker").may_stop(OWNER, asker, HERE)


def question(text: str = "and now?") -> Mention:
    return ask(Sheet(), text=text)


SECRETS = [
    "xoxb-123-456-abc",
    "xapp-1-A1-2-c0ffee",
    "sk-ant-api03-abc_def",
    "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
    "https://hooks.slack.com/commands/T1/123/c0ffee",
    "https://cdn.discordapp.com/a/b.png?ex=1&is=2&hm=0c0ffee00c0ffee00c0ffee0",
    "the-operators-own",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.rule(21)
def test_no_secret_reaches_the_log(secret, capsys):
    logs.configure("debug", ["the-operators-own", ""])
    try:
        structlog.get_logger("bot.test").info(f"with {secret}", key=secret)
        logging.getLogger("foreign").warning("with %s", secret)
        try:
            raise RuntimeError(secret)
        except RuntimeError:
            structlog.get_logger("bot.test").exception("failed")
    finally:
        logging.getLogger().handlers.clear()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert len(lines) == 3
    assert secret not in json.dumps(lines)
    assert "RuntimeError" in lines[2]["exception"]


@pytest.mark.rule(21)
def test_a_secret_that_is_known_later_reaches_no_line_of_a_logger_that_was_used_before(capsys):
    logs.configure("info", ["token"])
    try:
        logger = structlog.get_logger("bot.test")
        logger.info("started")
        logs.hide(["token-of-a-platform"])
        logger.info("with token-of-a-platform")
    finally:
        logging.getLogger().handlers.clear()
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == [
        "started",
        "with ***",
    ]


@pytest.mark.rule(22)
def test_libraries_are_heard_from_warnings_on_and_ours_from_the_level_set(capsys):
    logs.configure("info")
    try:
        structlog.get_logger("bot.test").debug("not this")
        structlog.get_logger("adapters.test").info("this")
        logging.getLogger("foreign").info("nor this")
    finally:
        logging.getLogger().handlers.clear()
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "this"
