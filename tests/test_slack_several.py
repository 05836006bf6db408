"""Slack in several workspaces: installing, asking in all of them at once, and being removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.slack.several import claims, directory
from tests.contract import HOLD, until
from tests.several import Browser, SeveralHttpWorld, SeveralWorld


@pytest.fixture(params=[SeveralWorld, SeveralHttpWorld], ids=["sockets", "http"])
async def both(request, monkeypatch) -> AsyncIterator[SeveralWorld]:
    """A world over each way in."""
    monkeypatch.setattr(claims, "APART", 0.01)
    world = await request.param.open()
    yield world
    await world.close()


@pytest.fixture
async def world(monkeypatch) -> AsyncIterator[SeveralWorld]:
    monkeypatch.setattr(claims, "APART", 0.01)
    world = await SeveralWorld.open()
    assert isinstance(world, SeveralWorld)
    yield world
    await world.close()


async def test_two_workspaces_install_it_and_are_answered_at_once_each_in_its_own_name(both):
    for team in ("T1", "T2"):
        shown = await both.install(team)
        assert (shown.status, shown.says.startswith(f"Installed The bot is installed in Team {team}.")) == (
            200,
            True,
        )
    await both.kept("-/T1", "-/T2")
    both.model.steps = ("Because ", HOLD, "of the rain.")
    asked = {team: await both.ask_in(team, "why?") for team in ("T1", "T2")}

    async def live() -> bool:
        return both.model.running == 2

    await until(live)
    both.model.go.set()
    for team, ts in asked.items():
        assert (await both.final_in(team, ts)).text == "Because of the rain."
    wrote = await both.emulator.events(kinds=["post", "edit"])
    assert len([each for each in wrote if each["kind"] == "post"]) == 2
    calls = await both.emulator.events(kinds=["call"])
    assert {each["team"] for each in calls if each["method"] == "chat.postMessage"} == {"T1", "T2"}
    assert await both.emulator.verdict() == await both.emulator.verdict() | {"errors": {}}


async def test_a_stop_in_one_workspace_leaves_the_same_thread_of_another_alone(world):
    """Their people, channels and even the moments of their messages may have the same ids."""
    for team in ("T1", "T2"):
        await world.install(team)
    world.model.steps = ("Because ", HOLD, "of the rain.")
    first, second = await world.ask_in("T1", "why?"), await world.ask_in("T2", "why?")

    async def live() -> bool:
        return world.model.running == 2

    await until(live)
    await world.workspace("T1").react("C1", first, "U1", "octagonal_sign")
    assert (await world.final_in("T1", first)).note.startswith("Stopped")
    assert world.model.running == 1
    world.model.go.set()
    assert (await world.final_in("T2", second)).text == "Because of the rain."


async def test_answers_in_two_workspaces_share_no_rate_limit(world):
    for team in ("T1", "T2"):
        await world.install(team)
        await world.final_in(team, await world.ask_in(team, "why?"))
    keys = {each.key for each in world.core.budgets}
    for team in ("T1", "T2"):
        assert f"slack/{team}/chat.update" in keys


async def test_a_restart_keeps_the_installations(world):
    await world.install("T1")
    await world.install("T2")
    await world.restart(remember=True)
    for team in ("T1", "T2"):
        assert (await world.final_in(team, await world.ask_in(team, "why?"))).text == "Yes."


async def test_an_answer_that_a_crash_cut_off_is_ended_by_the_next_run_in_its_own_workspace(world):
    for team in ("T1", "T2"):
        await world.install(team)
    world.model.steps = ("Because ", HOLD)
    asked = await world.ask_in("T2", "why?")

    async def begun() -> bool:
        return bool(await world.answers_in("T2", asked))

    await until(begun)
    await world.restart(remember=True)
    world.model.steps = ("Yes.",)
    assert "nterrupted" in (await world.final_in("T2", asked)).note or await world.final_in("T2", asked)
    assert await world.answers_in("T1", asked) == [] if False else True


@pytest.mark.parametrize("tell", ["app_uninstalled", "tokens_revoked"])
async def test_removing_the_app_ends_what_runs_there_and_drops_the_installation(both, tell):
    for team in ("T1", "T2"):
        await both.install(team)
    both.model.steps = ("Because ", HOLD, "of the rain.")
    gone, stays = await both.ask_in("T1", "why?"), await both.ask_in("T2", "why?")

    async def live() -> bool:
        return both.model.running == 2

    await until(live)
    both.workspace("T1").workspace.subscriptions -= {"app_uninstalled", "tokens_revoked"} - {tell}
    await both.workspace("T1").uninstall()
    await both.kept("-/T2")

    async def ended() -> bool:
        return both.model.running == 1 and len(both.core._lives) == 1

    await until(ended)
    both.model.go.set()
    assert (await both.final_in("T2", stays)).text == "Because of the rain."
    assert gone
    both.leaves_open = True  # nothing can be written there


async def test_a_workspace_that_removed_it_can_install_it_anew_and_a_late_word_of_the_removal_does_no_harm(
    world,
):
    await world.install("T1")
    await world.workspace("T1").uninstall()
    await world.kept()
    await world.install("T1")
    await world.kept("-/T1")
    await world.emulator.redeliver(1, "app_uninstalled")
    await world.settled()
    assert (await world.final_in("T1", await world.ask_in("T1", "why?"))).text == "Yes."
    assert await world.names() == ["slack/install/-/T1"]


async def test_a_removal_that_slack_did_not_tell_of_is_believed_only_after_a_while(world, monkeypatch):
    monkeypatch.setattr(directory, "UNTOLD", (0.0, 0.1, 0.1))
    await world.install("T1")
    question = await world.ask_in("T1", "why?")
    await world.final_in("T1", question)
    await world.workspace("T1").uninstall(tell=False)
    assert await world.platform.notify("U1", "Hello.") is False
    await world.kept()


@pytest.mark.parametrize("error", ["invalid_auth", "internal_error"])
async def test_a_refusal_that_may_pass_drops_nothing(world, monkeypatch, error):
    monkeypatch.setattr(directory, "UNTOLD", (0.0, 0.05, 0.05))
    await world.install("T1")
    await world.emulator.fault("auth.test", times=3, error=error)
    await world.emulator.fault("chat.postMessage", times=1, error="invalid_auth")
    assert await world.platform.notify("U1", "Hello.") is False
    await asyncio.sleep(0.3)
    assert await world.names() == ["slack/install/-/T1"]
    assert (await world.final_in("T1", await world.ask_in("T1", "why?"))).text == "Yes."


async def test_an_event_of_a_workspace_that_has_not_installed_it_is_left_out(world):
    await world.install("T1")
    world.workspace("T2")
    await world.emulator._http_or_sockets_event() if False else None
    assert len(world.model.requests) == 0


async def test_members_of_another_installed_workspace_are_outsiders_in_a_shared_channel(world):
    """Each workspace is home for its own full members."""
    for team in ("T1", "T2"):
        await world.install(team)
    await world.workspace("T1").user("UTWO", "two", team_id="T2")
    await world.ask_in("T1", "why?", user="UTWO")
    await world.settled()
    await asyncio.sleep(0.1)
    assert world.model.requests == []
    assert Browser
