"""config.toml while the bot runs: a good file holds for the next question, a bad one leaves the old one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import structlog

import adapters
from adapters.emulators.process import World
from bot.config import Settings
from bot.config.rules import Written
from bot.core.core import Core
from bot.events import Usage
from bot.guard.access import Access
from bot.model.script import Script
from bot.platform import Actor, Place
from bot.run import watch as module
from bot.run.configured import ConfigFile, stamp
from bot.run.money import spend_of
from bot.run.places import Places
from bot.run.stage import discord_stage, slack_stage, until
from bot.run.watch import GONE, watching
from bot.store.memory import Memory
from bot.tally import Tally
from tests.fakes import ANN, Sheet, ask
from tests.test_cli import TRACEBACK, ended, good, started
from tests.warm import spawned

C1 = Place("C1", "T1", "T1", platform="slack")


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A file that is there from the start, and is looked at more often than in earnest."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "LOOK", 0.02)
    for name in ("RIVULET_CONFIG", "RIVULET_MODEL", "RIVULET_TOOLS"):
        monkeypatch.delenv(name, raising=False)
    Path("config.toml").write_text(
        '[defaults]\nmodel = "claude-one"\n[defaults.caps]\nperson_day = 0\nday = 0\n'
    )
    return ConfigFile(Settings(), adapters.tables())


async def soon(condition: Callable[[], bool], seconds: float) -> None:
    """Return once *condition* holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def opened(config: ConfigFile) -> Places:
    """Return what holds by the file as it is."""
    written = config.read()
    return Places(Settings(), config.book(written), config.toolsets(written))


def rewrite(text: str) -> None:
    """Write another file, as a careful editor does."""
    Path("new.toml").write_text(text + "[defaults.caps]\nperson_day = 0\nday = 0\n")
    Path("new.toml").replace("config.toml")


def model(places: Places) -> str:
    """Return the model that answers in a channel."""
    return places.terms(C1, ANN).asking.model


def test_a_folder_may_have_the_file_or_none(tmp_path, monkeypatch):
    monkeypatch.setenv("RIVULET_CONFIG", str(tmp_path))
    assert not ConfigFile(Settings()).read().scopes
    (tmp_path / "config.toml").write_text('[defaults]\neffort = "low"\n')
    config = ConfigFile(Settings())
    assert config.path == tmp_path / "config.toml"
    assert config.book(config.read()).at(C1).effort == "low"


async def test_a_new_file_holds_and_a_bad_one_leaves_the_old_one_and_says_why(config):
    told: list[str] = []
    places = opened(config)
    async with watching(config, places, stamp(config.path), told.append):
        rewrite('[defaults]\nmodel = "claude-two"\n[slack.channels.C1]\nfooter = true\ntools = ["dates"]\n')
        await soon(lambda: model(places) == "claude-two", 10)
        assert places.terms(C1, ANN).footer
        assert [tool.name for tool in places.terms(C1, ANN).tools]
        with structlog.testing.capture_logs() as logs:
            rewrite('[defaults]\nmodel = "claude-three"\nefort = "low"\n')
            await soon(lambda: places.book.trouble != "", 10)
        assert places.book.trouble == "config.toml, line 3: there is no defaults.efort: did you mean effort?"
        assert [each["reason"] for each in logs] == [places.book.trouble]
        assert model(places) == "claude-two"
        rewrite('[defaults]\nmodel = "claude-four"\n')
        await soon(lambda: model(places) == "claude-four", 10)
    assert places.book.trouble == ""
    assert [line.split(";")[0] for line in told] == ["config.toml is wrong", "config.toml holds again."]


@pytest.mark.parametrize(
    "bad", ["[defaults", "[defaults]\ntools = ['search', 'web_fetch']\n", "[defaults]\ntools = ['none']\n"]
)
async def test_whatever_is_wrong_with_the_new_file_the_old_one_holds(bad, config):
    places = opened(config)
    async with watching(config, places, stamp(config.path)):
        rewrite(bad)
        await soon(lambda: places.book.trouble != "", 10)
        assert model(places) == "claude-one"


async def test_a_file_that_is_deleted_holds_until_the_next_start(config):
    places = opened(config)
    async with watching(config, places, stamp(config.path)):
        config.path.unlink()
        await soon(lambda: places.book.trouble == GONE, 10)
        assert model(places) == "claude-one"
        rewrite('[defaults]\nmodel = "claude-two"\n')
        await soon(lambda: model(places) == "claude-two", 10)


async def test_a_file_that_appears_holds(config):
    config.path.unlink()
    places = opened(config)
    assert model(places) == "claude-sonnet-5-5"
    async with watching(config, places, stamp(config.path)):
        rewrite('[defaults]\nmodel = "claude-two"\n')
        await soon(lambda: model(places) == "claude-two", 10)


async def test_a_file_that_is_written_in_pieces_is_read_once_it_is_whole(config, monkeypatch):
    read: list[ConfigFile] = []
    real = ConfigFile.read

    def reading(self: ConfigFile) -> Written:
        read.append(self)
        return real(self)

    monkeypatch.setattr(ConfigFile, "read", reading)
    places = opened(config)
    read.clear()
    async with watching(config, places, stamp(config.path)):
        with config.path.open("w") as file:
            for number in range(200):
                file.write(f"# {number}\n")
                file.flush()
                await asyncio.sleep(0.002)
            file.write('[defaults]\nmodel = "claude-two"\n[defaults.caps]\nperson_day = 0\nday = 0\n')
        await soon(lambda: model(places) == "claude-two", 10)
    assert len(read) <= 3  # a slow machine may pause in the middle


async def test_a_bug_in_reading_leaves_the_old_rules(config, monkeypatch):
    places = opened(config)
    async with watching(config, places, stamp(config.path)):
        monkeypatch.setattr(ConfigFile, "read", lambda _self: 1 // 0)
        rewrite("")
        await soon(lambda: places.book.trouble != "", 10)
    assert places.book.trouble == "config.toml can't be read anew (ZeroDivisionError)."
    assert model(places) == "claude-one"


async def test_an_answer_that_has_begun_keeps_its_terms_and_the_next_one_has_the_new_ones(config):
    places, script = opened(config), Script("one ", 0.5, "and all")
    core = Core(script, Memory(), Access(), terms=places.terms)
    first, second = Sheet("first"), Sheet("second")
    async with watching(config, places, stamp(config.path)):
        await core.mention(ask(first, "q1"))
        await soon(lambda: bool(script.requests), 10)
        rewrite('[defaults]\nmodel = "claude-two"\nstream = false\n')
        await soon(lambda: model(places) == "claude-two", 10)
        await core.mention(ask(second, "q2", conversation="c2"))
        await soon(lambda: core.state["running"] == 0, 20)
    assert [request.model for request in script.requests] == ["claude-one", "claude-two"]
    assert [sheet.last.text for sheet in (first, second)] == ["one and all", "one and all"]


async def test_a_place_has_its_own_model_words_tools_and_choice(config):
    rewrite(
        '[defaults]\nmodels = ["claude-one", "claude-two"]\nmodel = "claude-one"\n[slack.channels.C1]\n'
        'model = "claude-two"\nsystem = "In French."\neffort = "default"\nthinking = "summary"\n'
        "stream = false\n"
        'tools = ["notes"]\nfollow_ups = "mention"\n'
    )
    places = opened(config)
    here, there = places.terms(C1, ANN), places.terms(replace(C1, channel="C2"), ANN)
    assert (here.asking.model, there.asking.model) == ("claude-two", "claude-one")
    assert (here.asking.system, here.asking.effort, here.asking.thinking) == ("In French.", "", True)
    assert (here.showing.stream, here.showing.thinking, here.follow_ups) == (False, "summary", False)
    assert (bool(here.tools), bool(there.tools)) == (True, False)
    assert here.models == ("claude-two", "claude-one")
    assert there.models == ("claude-one", "claude-two")
    assert places.follow_ups()
    assert there.showing.stream
    assert places.terms(C1, ANN) is here


async def test_caps_prices_and_whom_to_ask_are_those_of_the_file_as_it_is_now(config):
    free = '[prices.mine]\ninput = 1\noutput = 2\n[slack.channels.C1.who]\ncontact = "@ann"\n'
    config.path.write_text(free + "[slack.channels.C1.caps]\nchannel_day = 1\n")
    written = config.read()
    book = config.book(written)
    spend = spend_of(Settings(), book, Memory().accounts, Tally())
    places = Places(Settings(), book, config.toolsets(written), spend=spend)
    actor = Actor("U1", "ann")
    caps = {(standing.cap.scope, standing.cap.most) for standing in spend.standing(actor, C1)}
    assert caps == {("person", 2_000_000), ("channel", 1_000_000), ("all", 20_000_000)}
    used = Usage(input=1_000_000, output=1_000_000)
    assert spend.cost_of("mine", used) == 3_000_000
    async with watching(config, places, stamp(config.path)):
        rewrite(free.replace("input = 1", "input = 4"))
        await soon(lambda: spend.cost_of("mine", used) == 6_000_000, 10)
    assert list(spend.standing(actor, C1)) == []
    assert places.book.at(C1).who.contact == "@ann"


async def test_while_the_bot_runs_the_next_question_has_the_new_model_and_no_answer_is_dropped(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('[defaults]\nmodel = "claude-sonnet-5-5"\n')
    async with spawned() as world:
        await world.claude.script(steps=["one ", 4.0, "and all"])
        async with started("run", cwd=tmp_path, env=good(world)) as process:
            stages = discord_stage(world), slack_stage(world)
            await until(lambda: world.discord.events(kinds=["identify"]), 60)
            await until(lambda: world.slack.events(kinds=["connect"]), 60)
            asked = [await stages[0].say("first?")]
            await until(world.claude.requests, 60)
            file.write_text('[defaults]\nmodel = "claude-haiku-5-5"\n')
            assert process.stderr
            seen = b""
            while b"new rules hold" not in seen:
                seen = await asyncio.wait_for(process.stderr.readline(), 60)
            asked.append(await stages[1].say("second?"))
            await until(lambda: _two(world), 60)
            for stage, question in zip(stages, asked, strict=True):
                await until(partial(ended, stage, question), 60)
            models = [request["body"]["model"] for request in await world.claude.requests()]
            texts = [
                (await stage.answers(question))[-1]["text"]
                for stage, question in zip(stages, asked, strict=True)
            ]
            process.send_signal(signal.SIGTERM)
            _, err = await asyncio.wait_for(process.communicate(), 30)
    assert models == ["claude-sonnet-5-5", "claude-haiku-5-5"]
    assert all("one and all" in text for text in texts)
    assert TRACEBACK.encode() not in err


async def _two(world: World) -> bool:
    return len(await world.claude.requests()) == 2


async def test_a_file_that_is_wrong_ends_the_start_with_its_line(tmp_path):
    (tmp_path / "config.toml").write_text('[defaults]\n\nmodle = "x"\n')
    async with started("run", cwd=tmp_path, env={"ANTHROPIC_API_KEY": "x", "RIVULET_WEB": "1"}) as process:
        out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out) == (78, b"")
    assert err == b"rivulet: config.toml, line 3: there is no defaults.modle: did you mean model?\n"
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]
