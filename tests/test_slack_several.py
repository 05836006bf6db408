"""Slack in several workspaces: installing, asking in all of them at once, and being removed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import pytest
from slack_sdk.oauth.installation_store import Installation

from adapters.emulators.slack import shapes
from adapters.slack.incoming import sockets
from adapters.slack.incoming.link import Link
from adapters.slack.several import claims, directory, grants
from adapters.slack.several.claims import Claims
from adapters.slack.several.directory import Directory
from adapters.slack.several.installations import Installations
from adapters.slack.several.platform import Several
from adapters.slack.several.seal import Seal
from bot.config import Settings
from bot.platform import Handed, Platform
from bot.run.supervise import build
from bot.store.alone import Alone, Undivided
from bot.store.memory import Memory
from bot.store.sqlite import Sqlite
from tests.contract import HOLD, Seen, until
from tests.several import SECRET, Browser, SeveralHttpWorld, SeveralWorld
from tests.stores import redis_store
from tests.worlds import SlackWorld


def hasten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let claims wait little for their turn, and have all the time that a busy machine takes."""
    monkeypatch.setattr(claims, "APART", 0.01)
    monkeypatch.setattr(claims, "WITHIN", 8.0)


@pytest.fixture(params=[SeveralWorld, SeveralHttpWorld], ids=["sockets", "http"])
async def both(request, monkeypatch) -> AsyncIterator[SeveralWorld]:
    """A world over each way in."""
    hasten(monkeypatch)
    world = await request.param.open()
    yield world
    await world.close()


@pytest.fixture
async def world(monkeypatch) -> AsyncIterator[SeveralWorld]:
    hasten(monkeypatch)
    monkeypatch.setattr(directory, "TICK", 0.05)
    world = await SeveralWorld.open()
    assert isinstance(world, SeveralWorld)
    yield world
    await world.close()


def running(world: SeveralWorld, count: int) -> Callable[[], Awaitable[bool]]:
    """Return what tells whether the model writes so many answers."""

    async def reached() -> bool:
        return bool(world.model.running == count)

    return reached


def directory_of(platform: Platform) -> Directory:
    assert isinstance(platform, Several)
    assert platform._directory
    return platform._directory


async def gone(platform: Platform, team: str) -> None:
    """Wait until *platform* serves *team* no more."""

    async def left() -> bool:
        return directory_of(platform).known(team) is None

    await until(left)


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

    await until(running(both, 2))
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

    await until(running(world, 2))
    await world.workspace("T1").react("C1", first, "U1", "octagonal_sign")
    assert (await world.final_in("T1", first)).note.startswith("Stopped")
    assert world.model.running == 1
    world.model.go.set()
    assert (await world.final_in("T2", second)).text == "Because of the rain."


async def test_answers_in_two_workspaces_share_no_rate_limit(world):
    for team in ("T1", "T2"):
        await world.install(team)
        await world.final_in(team, await world.ask_in(team, "why?"))
    keys = {each.key for each in world.core.means.pace.readings()}
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
        return any("Because" in each.text for each in await world.answers_in("T2", asked))

    await until(begun)
    await world.restart(remember=True)
    assert (await world.final_in("T2", asked)).text == "Because"
    assert await world.emulator.channel_messages("C1") == []


@pytest.mark.parametrize("tell", ["app_uninstalled", "tokens_revoked"])
async def test_removing_the_app_ends_what_runs_there_and_drops_the_installation(both, tell):
    for team in ("T1", "T2"):
        await both.install(team)
    both.model.steps = ("Because ", HOLD, "of the rain.")
    gone, stays = await both.ask_in("T1", "why?"), await both.ask_in("T2", "why?")

    await until(running(both, 2))
    both.workspace("T1").workspace.subscriptions -= {"app_uninstalled", "tokens_revoked"} - {tell}
    await both.workspace("T1").uninstall()
    await both.kept("-/T2")

    await until(running(both, 1))

    async def one_lives() -> bool:
        return len(both.core._lives) == 1

    await until(one_lives)
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


async def test_an_event_of_a_workspace_that_has_not_installed_it_is_acknowledged_and_left_out(both):
    await both.install("T1")
    event = {
        "type": "app_mention",
        "user": "U1",
        "text": "<@UBOT> why?",
        "channel": "C1",
        "ts": "1700000000.1",
    }
    stranger = shapes.callback(event, shared=False, team=shapes.Team("T9"))
    (both.emulator._http if both.emulator._http.url else both.emulator._sockets).event(stranger)
    await both.settled()
    assert (await both.final_in("T1", await both.ask_in("T1", "and why?"))).text == "Yes."
    assert len(both.model.requests) == 1


async def test_members_of_another_installed_workspace_are_outsiders_in_a_shared_channel(world):
    """Each workspace is home for its own full members."""
    for team in ("T1", "T2"):
        await world.install(team)
    await world.workspace("T1").user("UTWO", "two", team_id="T2")
    await world.ask_in("T1", "why?", user="UTWO")
    await world.ask_in("T2", "why?", user="UGUEST")
    await world.settled()
    assert (await world.final_in("T2", await world.ask_in("T2", "why?"))).text == "Yes."
    assert len(world.model.requests) == 1


# Enterprise Grid.


async def test_an_organizations_installation_answers_in_each_of_its_workspaces(both):
    for team in ("T3", "T4"):
        both.emulator.found(team, "E1")
    shown = await both.install("T3", whole=True)
    assert (shown.status, "Org E1" in shown.says) == (200, True)
    await both.kept("E1/-")
    for team in ("T3", "T4"):
        assert (
            await both.final_in(team, await both.ask_in(team, "why?", channel=f"C{team}"), f"C{team}")
        ).text
    keys = {each.key for each in both.core.means.pace.readings()}
    assert {f"slack/{team}/chat.update" for team in ("T3", "T4")} <= keys
    assert len(both.model.requests) == 2


async def test_a_button_in_an_organizations_workspace_is_heard_though_slack_names_no_workspace(both):
    both.emulator.found("T3", "E1")
    await both.install("T3", whole=True)
    both.model.steps = ("Because ", HOLD)
    asked = await both.ask_in("T3", "why?")

    async def begun() -> list[Seen]:
        return [each for each in await both.answers_in("T3", asked) if "Because" in each.text]

    [answer] = await until(begun)
    assert await both.workspace("T3").press("C1", answer.id.split("/")[1], "U1")
    assert (await both.final_in("T3", asked)).note.startswith("Stopped")


async def test_of_an_organizations_installation_a_foreign_workspace_in_a_shared_channel_is_no_home(world):
    """Slack may name the workspace of others, where something happened in a channel that is shared."""
    world.emulator.found("T3", "E1")
    await world.install("T3", whole=True)
    await world.workspace("T3").user("UFAR", "far", team_id="T9")
    there = world.workspace("T3")
    event = {"type": "app_mention", "user": "UFAR", "text": f"<@{there.team.bot_user}> why?", "channel": "C1"}
    event |= {"ts": "1700000000.1", "event_ts": "1700000000.1", "user_team": "T9"}
    payload = shapes.callback(event, shared=True, team=there.team) | {"team_id": "T9"}
    for context in ("T3", "T9"):
        world.emulator._sockets.event({**payload, "context_team_id": context, "event_id": f"Ev{context}"})
    await world.settled()
    assert world.model.requests == []
    assert directory_of(world.platform).known("T9") is None


async def test_a_workspace_that_an_organization_lets_the_bot_into_later_is_answered_until_it_is_out(world):
    world.emulator.found("T3", "E1")
    await world.install("T3", whole=True)
    world.emulator.found("T4", "E1")
    assert directory_of(world.platform).known("T4") is None
    await world.workspace("T4").grant()
    assert (await world.final_in("T4", await world.ask_in("T4", "why?", channel="C4"), "C4")).text == "Yes."
    await world.workspace("T4").withdraw()
    await world.settled()
    await gone(world.platform, "T4")


async def test_removing_it_from_an_organization_ends_it_in_all_its_workspaces(world):
    for team in ("T3", "T4"):
        world.emulator.found(team, "E1")
    await world.install("T3", whole=True)
    world.model.steps = ("Because ", HOLD)
    await world.ask_in("T4", "why?", channel="C4")

    await until(running(world, 1))
    await world.workspace("T3").uninstall()
    await world.kept()
    await until(world.quiet)
    world.leaves_open = True


# Tokens that end.


class Rotating(SeveralWorld):
    rotates = True


@pytest.fixture
async def rotating(monkeypatch) -> AsyncIterator[Rotating]:
    hasten(monkeypatch)
    monkeypatch.setattr(grants, "APART", 0.01)
    monkeypatch.setattr(directory, "TICK", 0.05)
    world = await Rotating.open()
    assert isinstance(world, Rotating)
    yield world
    await world.close()


async def test_a_token_that_ends_soon_is_renewed_once_and_the_new_one_outlives_a_restart(rotating):
    await rotating.install("T1")
    await rotating.final_in("T1", await rotating.ask_in("T1", "why?"))
    before = await rotating.workspace("T1").tokens_here()
    await age(rotating, "T1")

    async def kept() -> str:
        found = await installed(rotating, "T1")
        return found.bot_token or ""

    old = await kept()

    async def renewed() -> bool:
        return await kept() != old  # Slack has made it before it is kept

    await until(renewed)
    await rotating.workspace("T1").end_tokens(but_newest=True)
    await rotating.restart(remember=True)
    assert (await rotating.final_in("T1", await rotating.ask_in("T1", "why?"))).text == "Yes."
    after = await rotating.workspace("T1").tokens_here()
    assert (len(before), len(after), after[0]) == (1, 2, before[0])


async def test_a_token_that_ended_while_the_bot_was_away_is_renewed_before_the_first_answer(rotating):
    await rotating.install("T1")
    await rotating.crash()
    await age(rotating, "T1", by=13 * 3_600)
    await rotating.workspace("T1").end_tokens()
    await rotating.restart(remember=True)
    assert (await rotating.final_in("T1", await rotating.ask_in("T1", "why?"))).text == "Yes."
    refused = [
        each for each in await rotating.emulator.events(kinds=["error"]) if each["error"] != "token_expired"
    ]
    assert refused == []


async def test_a_token_that_can_not_be_renewed_is_told_and_the_installation_stays(rotating, caplog):
    await rotating.install("T1")
    [known] = rotating.emulator._oauth.installed
    known.refresh = "xoxe-1-another"
    await age(rotating, "T1")

    async def told() -> bool:
        return any(
            each.get("error") == "invalid_refresh_token"
            for each in await rotating.emulator.events(kinds=["error"])
        )

    await until(told)
    assert await rotating.names() == ["slack/install/-/T1"]


async def test_a_new_token_that_can_not_be_kept_yet_is_used_and_kept_later(rotating, monkeypatch):
    """Slack takes its old refresh token no more, so that it is the only one."""
    monkeypatch.setattr(grants, "LATER", 0.05)
    await rotating.install("T1")
    vault, failures = rotating.store.vault, 3
    keep = vault.keep

    async def full(name: str, text: str) -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise OSError("the disk is full")
        await keep(name, text)

    await age(rotating, "T1")
    monkeypatch.setattr(vault, "keep", full)

    async def kept() -> bool:
        return failures < 0

    await until(kept)
    await rotating.workspace("T1").end_tokens(but_newest=True)
    assert len(await rotating.workspace("T1").tokens_here()) == 2
    await rotating.restart(remember=True)
    assert (await rotating.final_in("T1", await rotating.ask_in("T1", "why?"))).text == "Yes."


def installations(world: SeveralWorld) -> Installations:
    """What *world* has kept of its workspaces."""
    return Installations(world.store.vault, Seal(SECRET, "installation"))


async def installed(world: SeveralWorld, team: str) -> Installation:
    """Return what *world* has kept of *team*."""
    made = await installations(world).async_find_installation(enterprise_id=None, team_id=team)
    assert made
    return made


async def age(world: SeveralWorld, team: str, by: float = 11 * 3_600) -> None:
    """Let the token of *team* end so many seconds sooner than it does."""
    made = await installed(world, team)
    assert made.bot_token_expires_at
    made.bot_token_expires_at -= int(by)
    await installations(world).async_save(made)
    if world.running:
        directory_of(world.platform)._grants[team].adopt(made)


# Replicas.


async def beside(world: SeveralWorld) -> tuple[Platform, asyncio.Task[None]]:
    """Start another process of the same bot, which shares the vault."""
    other = world.load()
    store = Memory()
    store._vault = world.store._vault
    core = build(Settings(**world.settings), [other], world.model, store, [])
    running = asyncio.create_task(other.run(core))

    async def up() -> bool:
        return other.health == "up"

    await until(up)
    return other, running


async def test_another_replica_serves_what_one_has_installed_and_leaves_what_one_has_dropped(world):
    other, running = await beside(world)
    try:
        await world.install("T1")

        async def there() -> bool:
            return directory_of(other).known("T1") is not None

        await until(there)  # before anything has happened in it
        await world.workspace("T1").uninstall()  # the newest socket, which is told of it, is the other's
        await world.kept()
        await gone(world.platform, "T1")
    finally:
        running.cancel()
        await asyncio.wait({running})


async def test_an_event_of_an_installation_that_another_replica_has_just_made_is_answered(world, monkeypatch):
    monkeypatch.setattr(directory, "TICK", 60.0)
    other, running = await beside(world)
    try:
        await world.install("T1")
        assert directory_of(other).known("T1") is None
        assert (await world.final_in("T1", await world.ask_in("T1", "why?"))).text == "Yes."
        assert directory_of(other).known("T1") is not None
        await world.workspace("T1").uninstall()
        await world.kept()
        assert not await world.platform.notify("U1", "Hello.")  # so that Slack refuses the token here, too
        await gone(world.platform, "T1")
    finally:
        running.cancel()
        await asyncio.wait({running})


# Sockets.


class Shares(Undivided):
    """Gives and takes parts as a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.handed: asyncio.Queue[Handed] = asyncio.Queue()
        self.left: list[int] = []

    async def parts(self, name: str, total: int) -> AsyncGenerator[Handed]:
        assert (name, total) == (sockets.SHARES, sockets.SHARED)
        while True:
            yield await self.handed.get()

    async def leave(self, name: str, number: int) -> None:
        self.left.append(number)


@pytest.fixture
async def sharing(monkeypatch) -> AsyncIterator[tuple[SlackWorld, Shares]]:
    monkeypatch.setattr(sockets, "OTHERS", 0.2)
    monkeypatch.setattr(sockets, "DOWN", 0.4)
    shares = Shares()
    emulator = SlackWorld.new_emulator()
    await emulator.start()
    await emulator.limits(on=False)
    world = SlackWorld(emulator)
    alone = Alone()
    alone.leases = shares
    world.store._peers = alone
    yield world, shares
    await world.close()


async def opened(world: SlackWorld, count: int) -> None:
    """Wait until so many sockets are open."""

    async def reached() -> bool:
        changes = await world.emulator.events(kinds=["connect", "disconnect"])
        return int(changes[-1]["sockets"] if changes else 0) == count

    await until(reached)


async def test_a_process_opens_as_many_sockets_as_it_has_shares_and_two_at_most(sharing):
    world, shares = sharing
    shares.handed.put_nowait(Handed(3, held=True))
    await world.connect()
    await opened(world, 1)
    for number in (1, 5, 7):
        shares.handed.put_nowait(Handed(number, held=True))
    await opened(world, 2)
    for number in (1, 5):
        shares.handed.put_nowait(Handed(number, held=False))
    shares.handed.put_nowait(Handed(3, held=False))
    await opened(world, 1)
    assert shares.left == [1, 5, 3]


async def test_a_process_that_can_not_prove_its_last_share_still_hears(sharing):
    world, shares = sharing
    shares.handed.put_nowait(Handed(0, held=True))
    await world.connect()
    shares.handed.put_nowait(Handed(0, held=False))

    async def left() -> bool:
        return bool(shares.left == [0])

    await until(left)
    await opened(world, 1)
    assert (await world.final(await world.ask("why?")))[0].text == "Yes."


async def test_a_socket_that_is_given_up_is_closed_whole_when_the_process_ends(sharing, monkeypatch):
    world, shares = sharing
    close, closing, closed = Link.close, asyncio.Event(), []

    async def slow(link: Link) -> None:
        closing.set()
        await asyncio.sleep(0.2)
        await close(link)
        closed.append(link)

    for number in (0, 1):
        shares.handed.put_nowait(Handed(number, held=True))
    await world.connect()
    await opened(world, 2)
    monkeypatch.setattr(Link, "close", slow)
    shares.handed.put_nowait(Handed(0, held=False))
    await closing.wait()
    await world.crash()
    assert len(closed) == 2


async def test_a_process_without_a_share_is_well_all_the_same(sharing):
    world, _ = sharing
    await world.connect()  # which waits until it is up
    await asyncio.sleep(0.6)
    assert world.platform.health == "up"
    assert await world.emulator.events(kinds=["connect"]) == []


# What is kept, for good.


async def test_in_sqlite_installations_outlive_the_process_and_no_token_is_in_the_file(world, tmp_path):
    await world.crash()
    world.store = Sqlite(tmp_path)
    await world.store.open()
    await world.restart(remember=True)
    link = await world.link()
    await world.install("T1", link)
    await world.crash()
    await world.store.close()
    [token] = await world.workspace("T1").tokens_here()
    assert all(token.encode() not in path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    world.store = Sqlite(tmp_path)
    await world.store.open()
    await world.restart(remember=True)
    assert (await world.final_in("T1", await world.ask_in("T1", "why?"))).text == "Yes."
    assert (await Browser().get(link)).status == 410
    await world.store.close()


async def test_in_redis_two_replicas_share_installations_links_and_sockets(world, redis_shared):
    await world.crash()
    under = secrets.token_hex(4)
    world.store = await redis_store(redis_shared, under, joins=True)
    await world.restart(remember=True)
    second = await redis_store(redis_shared, under, joins=True)
    other = world.load()
    core = build(Settings(**world.settings), [other], world.model, second, [])
    running = asyncio.create_task(other.run(core))
    try:
        link = await world.link()
        await world.install("T1", link)

        async def there() -> bool:
            return directory_of(other).known("T1") is not None

        await until(there)
        claimed = Claims(second.vault, second.peers.leases)
        [used, *_] = await world.names("slack/used/")
        assert not await claimed.claim(used, 0.0)
        await opened(world, 4)
        assert (await world.final_in("T1", await world.ask_in("T1", "why?"))).text == "Yes."
    finally:
        running.cancel()
        await asyncio.wait({running})
        await world.disconnect()
        await second.close()
        await world.store.close()
