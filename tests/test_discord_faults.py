"""Discord's refusals: what the bot does about each, as people in the channel and Discord itself see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from adapters.discord.outgoing.lastresort import BUTTONS_REFUSED, NO_FILES
from adapters.discord.surface import BLOCKED, DiscordSurface
from adapters.discord.wire.bars import RIGHTS
from adapters.discord.wire.rest import GLOBAL, Rest
from adapters.discord.wire.traffic import PAUSE
from bot.events import CONTINUE, File, Page
from bot.platform import Gone, Platform, Remains, SlowDown, Unavailable
from tests.contract import HOLD, until
from tests.worlds import DiscordWorld


@pytest.fixture
async def world() -> AsyncIterator[DiscordWorld]:
    world = await DiscordWorld.open()
    assert isinstance(world, DiscordWorld)
    yield world
    await world.close()


@pytest.fixture
async def surface(world: DiscordWorld) -> AsyncIterator[DiscordSurface]:
    """A surface of its own session, on the emulator."""
    rest = Rest(f"{world.emulator.url}/api/v10", "token")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1.0)) as rest.session:
        question = int(await world.emulator.say("200", "300", "hello"))
        yield DiscordSurface(rest, 200, question, asker=300)


async def calls(world: DiscordWorld, route: str) -> int:
    return sum(each["route"] == route for each in await world.emulator.events(kinds=["call"]))


async def told(world: DiscordWorld, user: str = "300") -> list[str]:
    """What the bot has told *user* directly."""
    channel = await world.emulator.dm(user)
    return [each["content"] for each in await world.emulator.messages(channel)]


async def kept(world: DiscordWorld) -> list[dict[str, Any]]:
    """The bot's messages in the channel."""
    return [each for each in await world.emulator.messages("200") if each["user"] == "999"]


# Bans.


@pytest.mark.parametrize("fault", ["429 40333", "429 text", "403 cloudflare"])
async def test_after_a_ban_nothing_is_called_and_one_harmless_call_tries_first(world, surface, fault):
    traffic = surface._rest.traffic
    posted = await surface.post(Page("a"), "n1")
    await world.emulator.strike(fault, "PATCH messages")
    for _ in range(5):
        with pytest.raises(SlowDown) as slow:
            await surface.edit(posted.message, Page("b"))
        assert slow.value.bucket == GLOBAL
    assert await calls(world, "PATCH messages") == 1
    traffic.until -= PAUSE  # its time passes
    await world.emulator.strike(fault, "GET gateway")
    probes = await calls(world, "GET gateway")
    tries = [surface.edit(posted.message, Page("b")) for _ in range(5)]
    assert {type(each) for each in await asyncio.gather(*tries, return_exceptions=True)} == {SlowDown}
    assert await calls(world, "GET gateway") == probes + 1
    assert await calls(world, "PATCH messages") == 1
    assert PAUSE < traffic.closed() <= 2 * PAUSE  # twice as long
    traffic.until -= 2 * PAUSE
    await surface.edit(posted.message, Page("b"))
    assert (await kept(world))[0]["text"] == "b"


async def test_a_global_limit_holds_all_calls_discord_pys_too(world, surface):
    await world.emulator.strike("429 global", "POST messages")
    with pytest.raises(SlowDown):
        await surface.post(Page("a"), "n1")
    before = len(await world.emulator.events(kinds=["call"]))
    with pytest.raises(SlowDown):
        await surface.edit("discord/200/1", Page("a"))
    await surface.status(on=True)
    assert len(await world.emulator.events(kinds=["call"])) == before


async def test_discord_pys_own_calls_are_counted_and_held(world):
    traffic = world.platform._rest.traffic
    await world.emulator.strike("403 50013", "GET messages")
    question = await world.ask("why?")
    await world.reply(question, "and?", after=(await world.final(question))[0].id)
    await until(lambda: one(traffic.invalid))
    await until(lambda: over(world))  # the second answer, too, before nothing is let through
    traffic.hold(30)
    before = await calls(world, "GET messages")
    await world.say("held")
    await world.settled()
    assert await calls(world, "GET messages") == before
    traffic.until = 0.0


async def one(count: int) -> bool:
    return count == 1


async def over(world: DiscordWorld) -> bool:
    return not world.core._lives


# The token.


async def test_a_refused_token_ends_all_calls(world, surface):
    await world.emulator.strike("401", "POST messages")
    for _ in range(3):
        with pytest.raises(OSError, match=r"401|token"):  # which is no end of the answer
            await surface.post(Page("a"), "n1")
    assert await calls(world, "POST messages") == 1
    assert surface._rest.traffic.dead.is_set()


async def test_an_answer_that_a_refused_token_cuts_short_ends_once_there_is_another(world):
    question = await world.ask("why?", "Because", HOLD, " of it.")
    await world.first(question, "Because")
    await world.emulator.strike("401", "PATCH messages")
    world.model.go.set()
    assert world.running
    await asyncio.wait({world.running}, timeout=10)
    assert isinstance(world.running.exception(), Unavailable)
    world.running = None
    await until(world.quiet)
    await world.restart(remember=True)
    [seen] = await world.final(question)
    assert seen.text == "Because of it." or seen.note


async def test_in_a_thread_there_is_no_question_to_react_to_and_no_call_is_made(world, surface):
    before = len(await world.emulator.events(kinds=["call"]))
    await DiscordSurface(surface._rest, 200, None).status(on=True)
    assert len(await world.emulator.events(kinds=["call"])) == before


# Rights.


@pytest.mark.parametrize(
    ("fault", "right"),
    [
        ("403 50001", "View Channel"),
        ("403 50013", RIGHTS["POST messages"]),
        ("403 160002", "Read Message History"),
    ],
)
async def test_a_missing_right_is_tried_once_and_the_asker_is_told_once(world, surface, fault, right):
    await world.emulator.strike(fault, "POST messages")
    for number in range(4):
        with pytest.raises(Gone):
            await surface.post(Page("a"), f"n{number}")
    assert await calls(world, "POST messages") == 2  # the other is the direct message
    [text] = await told(world)
    assert right in text
    assert "<#200>" in text
    assert surface._rest.traffic.invalid == 1


async def test_who_takes_no_direct_messages_is_left_alone(world, surface):
    body = {"message": "Cannot send messages to this user", "code": 50007}
    await world.emulator.fault("POST users", status=403, body=body)
    await world.emulator.strike("403 50013", "POST messages")
    for number in range(4):
        with pytest.raises(Gone):
            await surface.post(Page("a"), f"n{number}")
    assert await told(world) == []
    assert await calls(world, "POST users") == 1


async def test_a_question_where_the_bot_may_not_answer_costs_no_refused_call(world):
    world.emulator._world.channels["200"]["permission_overwrites"] = [
        {"id": "101", "type": 0, "allow": "0", "deny": str(1 << 11)}
    ]
    guild = next(each for each in world.emulator._world.guilds.values() if each["id"] == "100")
    for role in guild["roles"]:
        role["permissions"] = str(int(role["permissions"]) & ~(1 << 3))
    await world.vanish()
    await world.connect()
    await world.ask("why?")
    await until(lambda: told(world))
    assert (await world.emulator.verdict())["errors"] == {}
    assert await kept(world) == []


async def test_where_files_are_not_allowed_the_page_stands_without_them_and_the_core_is_told(world, surface):
    file = File("answer.md", "text/markdown", 4, data=b"text")
    posted = await surface.post(Page("…"), "n1")
    await world.emulator.strike("403 50013", "PATCH messages")
    for _ in range(2):  # the second time is a repetition of the core's
        page = Page("a", "Stopped by Ann.", live=False, files=(file,))
        assert (await surface.edit(posted.message, page)).unattached == NO_FILES
    [shown] = await kept(world)
    assert (shown["text"], shown["note"]) == ("a", "Stopped by Ann.")
    assert (shown["live"], shown["files"]) == (False, [])
    assert await calls(world, "PATCH messages") == 3
    assert await told(world) == []
    await surface.post(Page("b", live=False), "n2")  # nothing else is barred


async def test_where_nothing_may_be_changed_a_page_with_files_ends_the_answer_as_any(world, surface):
    world.leaves_open = True
    file = File("answer.md", "text/markdown", 4, data=b"text")
    posted = await surface.post(Page("…"), "n1")
    await world.emulator.strike("403 50013", "PATCH messages", times=2)
    with pytest.raises(Gone):
        await surface.edit(posted.message, Page("a", live=False, files=(file,)))
    [text] = await told(world)
    assert "Send Messages" in text


# Messages that are gone, or that Discord does not take.


async def test_an_answer_that_is_deleted_ends_and_is_not_posted_again(world):
    question = await world.ask("why?", "Because", HOLD, " of it.")
    await world.first(question, "Because")
    await world.emulator.strike("404 10008", "PATCH messages")
    posts = await calls(world, "POST messages")
    world.leaves_open = True
    world.model.go.set()
    await until(lambda: idle(world))
    assert await calls(world, "POST messages") == posts


async def idle(world: DiscordWorld) -> bool:
    return not world.core._lives and not world.model.running


async def test_a_page_that_is_too_long_after_all_is_sent_in_pieces(world, surface):
    text = "".join(chr(0x4E00 + number) for number in range(1800))
    posted = await surface.post(Page("…"), "n1")
    await world.emulator.strike("400 too long", "PATCH messages")
    for _ in range(2):  # the second time is a repetition of the core's, and what was refused is not in it
        await surface.edit(posted.message, Page(text, live=False))
    assert await calls(world, "PATCH messages") == 3
    shown = await kept(world)
    assert "".join(each["text"] for each in shown) == text
    assert not any(each["live"] for each in shown)


async def test_progress_that_is_too_long_shows_its_beginning_and_posts_nothing(world, surface):
    posted = await surface.post(Page("…"), "n1")
    await world.emulator.strike("400 too long", "PATCH messages")
    await surface.edit(posted.message, Page("x" * 1800))
    [shown] = await kept(world)
    assert shown["text"] == "x" * 1000


async def test_what_discord_names_is_left_out_and_nothing_else(world, surface):
    body = {"message": "Invalid Form Body", "code": 50035, "errors": {"components": {}}}
    await world.emulator.fault("POST messages", status=400, body=body)
    await surface.post(Page("x" * 1800, live=False, controls=(CONTINUE,)), "n1")
    [shown] = await kept(world)
    assert (shown["text"], shown["note"]) == ("x" * 1800, BUTTONS_REFUSED)
    assert shown["reply_to"] == str(surface._question)
    assert await calls(world, "POST messages") == 2


@pytest.mark.parametrize("code", [50083, 160005])
async def test_a_thread_that_is_closed_ends_the_answer(world, surface, code):
    posted = await surface.post(Page("a"), "n1")
    body = {"message": "no", "code": code}
    await world.emulator.fault("PATCH messages", status=400, body=body)
    with pytest.raises(Gone):
        await surface.edit(posted.message, Page("b"))


async def test_a_429_of_the_call_that_opens_an_archived_thread_ends_no_answer(world, surface):
    posted = await surface.post(Page("a"), "n1")
    body = {"message": "no", "code": 50083}
    await world.emulator.fault("PATCH messages", status=400, body=body, times=2)
    await world.emulator.strike("429 user", "PATCH channels")
    with pytest.raises(SlowDown) as slow:
        await surface.edit(posted.message, Page("b"))
    assert slow.value.bucket == "discord/threads/200"


async def test_what_is_said_of_automod_waits_for_a_429(world, surface):
    posted = await surface.post(Page("a"), "n1")
    await world.emulator.strike("400 automod", "PATCH messages")
    await world.emulator.strike("429 user", "PATCH messages")
    with pytest.raises(SlowDown):
        await surface.edit(posted.message, Page("a bad word", live=False))
    with pytest.raises(Gone):
        await surface.edit(posted.message, Page("a bad word", live=False))
    [shown] = await kept(world)
    assert BLOCKED in shown["content"]
    assert not shown["live"]


async def test_what_automod_blocks_is_said_where_the_answer_is(world):
    question = await world.ask("why?", "Because", HOLD, " of a bad word.")
    await world.first(question, "Because")
    await world.emulator.strike("400 automod", "PATCH messages")
    world.model.go.set()
    await until(lambda: idle(world))
    [shown] = await kept(world)
    assert (shown["text"], shown["live"]) == ("Because", False)
    assert BLOCKED in shown["content"]
    assert await calls(world, "POST messages") == 1


async def test_an_asker_whose_answer_automod_blocks_altogether_is_told_directly(world, surface):
    await world.emulator.strike("400 automod", "POST messages", times=2)
    with pytest.raises(Gone):
        await surface.post(Page("a bad word"), "n1")
    [text] = await told(world)
    assert "AutoMod" in text


async def test_a_question_that_is_gone_is_answered_without_the_reply(world, surface):
    await world.emulator.delete("200", str(surface._question))
    await surface.post(Page("a", live=False), "n1")
    assert [each["text"] for each in await kept(world)] == ["a"]


@pytest.mark.parametrize("fault", ["429 bare", "cut json"])
async def test_a_history_that_cannot_be_read_costs_the_history_only(world, fault):
    question = await world.ask("why?", "Because.")
    await world.final(question)
    await world.emulator.strike(fault, "GET messages", times=9)
    [seen] = await world.final(await world.reply(question, "and?"))
    assert (seen.text, seen.note) == ("Because.", "")


async def test_a_channel_that_cannot_be_read_hides_nothing_that_was_missed_in_others(world):
    await world.emulator.channel("250")
    for channel in ("200", "250"):
        await world.final(f"{channel}/{await world.emulator.say(channel, '300', '<@999> why?')}")
    await world.vanish()
    missed = [
        f"{channel}/{await world.emulator.say(channel, '300', '<@999> and?')}" for channel in ("200", "250")
    ]
    await world.emulator.strike("429 bare", "GET messages")
    await world.connect()

    async def answered() -> list[int]:
        return [len(await world.answers(question)) for question in missed]

    await until(lambda: some(answered))
    assert sorted(await answered()) == [0, 1]


async def some(counts: Callable[[], Awaitable[list[int]]]) -> bool:
    return any(await counts())


# Posts of which nobody knows.


async def test_an_earlier_runs_post_is_found_again_after_its_edit_has_failed(world, surface):
    await surface.post(Page("a"), "n1")
    await world.emulator.nonces(0)
    second = DiscordSurface(surface._rest, 200, surface._question)
    second.resume(Remains(nonces=("n1",)), "999")
    await world.emulator.strike("500", "PATCH messages")
    with pytest.raises(ConnectionError):
        await second.post(Page("b", live=False), "n1")
    await second.post(Page("b", live=False), "n1")
    assert [(each["text"], each["live"]) for each in await kept(world)] == [("b", False)]


async def test_a_429_of_another_call_within_a_write_is_about_that_call(world, surface):
    receipt = await surface.post(Page("a"), "n1")
    await world.emulator.nonces(0)
    second = DiscordSurface(surface._rest, 200, surface._question)
    second.resume(Remains(nonces=("n1",)), "999")
    for method in ("GET", "PATCH"):
        await world.emulator.strike("429 user", f"{method} messages")
        with pytest.raises(SlowDown) as slow:
            await second.post(Page("b"), "n1")
        assert slow.value.bucket == f"discord/{method}/200"
    assert (await second.post(Page("b"), "n1")).message == receipt.message

    await world.emulator.strike("400 50006", "PATCH messages", times=20)
    await world.emulator.strike("429 user", "POST messages")
    with pytest.raises(SlowDown) as slow:
        await second.edit(receipt.message, Page("c", live=False))
    assert slow.value.bucket == "discord/POST/200"
    assert (await second.edit(receipt.message, Page("c", live=False))).message != receipt.message


async def test_a_post_that_got_through_is_found_when_discord_has_forgotten_its_nonce(world):
    await world.emulator.nonces(0)
    await world.emulator.strike("500 applied", "POST messages")
    question = await world.ask("why?", "Because.")
    assert [each.text for each in await world.final(question)] == ["Because."]
    assert len(await kept(world)) == 1
    assert await calls(world, "GET messages") == 1


async def test_without_the_right_to_look_a_post_is_sent_again(world):
    await world.emulator.strike("500 applied", "POST messages")
    await world.emulator.strike("403 50013", "GET messages")
    question = await world.ask("why?", "Because.")
    assert [each.text for each in await world.final(question)] == ["Because."]
    assert len(await kept(world)) == 1


async def test_a_post_in_a_thread_is_found_too():
    world = await AlwaysWorld.open()
    assert isinstance(world, DiscordWorld)
    await world.emulator.nonces(0)
    await world.emulator.strike("500 applied", "POST messages")
    question = await world.ask("why?", "Because.")
    assert [each.text for each in await world.final(question)] == ["Because."]
    await world.close()


class AlwaysWorld(DiscordWorld):
    """Every answer in a thread."""

    def load(self, **settings: str) -> Platform:
        return super().load(RIVULET_DISCORD_REPLY="thread", **settings)


async def test_a_post_that_was_refused_is_not_looked_for(world, surface):
    await world.emulator.strike("429 user", "POST messages")
    surface.resume(Remains(), "999")
    with pytest.raises(SlowDown):
        await surface.post(Page("a", live=False), "n1")
    await surface.post(Page("a", live=False), "n1")
    assert await calls(world, "GET messages") == 0


# A Discord that is ill.


@pytest.mark.parametrize(
    "fault", ["500", "502", "503", "504", "520", "522", "524", "529", "reset", "charset"]
)
async def test_after_two_failures_progress_rests_and_the_last_edit_is_tried(world, surface, fault):
    posted = await surface.post(Page("a"), "n1")
    await world.emulator.strike(fault, "PATCH messages", times=2)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await surface.edit(posted.message, Page("b"))
    for _ in range(5):
        await surface.edit(posted.message, Page("b"))
    assert await calls(world, "PATCH messages") == 2
    await surface.edit(posted.message, Page("c", live=False))
    [shown] = await kept(world)
    assert (shown["text"], await calls(world, "PATCH messages")) == ("c", 3)
    await surface.edit(posted.message, Page("d"))
    assert await calls(world, "PATCH messages") == 4


@pytest.mark.parametrize(
    "fault",
    [
        *("500", "502", "503", "504", "520", "522", "524", "529", "500 applied", "reset", "reset applied"),
        *("charset", "cut json", "429 user", "429 shared", "429 global", "429 old edits"),
    ],
)
@pytest.mark.parametrize("route", ["POST messages", "PATCH messages"])
async def test_an_answer_survives_a_fault_whole_and_once(world, fault, route):
    await world.emulator.strike(fault, route, times=2)
    question = await world.ask("why?", "Because", " of ", "it.")
    assert [each.text for each in await world.final(question)] == ["Because of it."]
    assert len(await kept(world)) == 1


async def test_the_same_seed_does_the_same_to_the_same_requests(world, surface):
    names = await world.emulator.chaos(seed=7, rate=0.5, names=["500", "reset"], route="PATCH messages")
    assert names == ["500", "reset"]
    posted = await surface.post(Page("a"), "n1")

    async def struck() -> list[tuple[str, int]]:
        await world.emulator.chaos(seed=7, rate=0.5, names=names, route="PATCH messages")
        since = len(world.emulator.log)
        for number in range(20):
            await asyncio.gather(
                surface.edit(posted.message, Page(f"{number}", live=False)), return_exceptions=True
            )
        found = await world.emulator.events(since, kinds=["chaos"])
        return [(each["name"], each["after"]) for each in found]

    first = await struck()
    assert 3 < len(first) < 17
    assert await struck() == first
    await world.emulator.clear_faults()
    name, after = first[0]
    await world.emulator.strike(name, "PATCH messages", after=after)
    for number in range(after):
        await surface.edit(posted.message, Page(f"{number}", live=False))
    with pytest.raises(OSError):  # noqa: PT011  whichever it is
        await surface.edit(posted.message, Page("again", live=False))
