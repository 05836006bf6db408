"""Discord's own: drawing, delays, errors, settings, health, and events of which only Discord has the like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

import adapters.discord
from adapters.discord.incoming.history import translated
from adapters.discord.outgoing.drawing import CONTENT, NOTE, draw, said
from adapters.discord.surface import DiscordSurface
from adapters.discord.wire.rest import GLOBAL, LONGEST_RETRY, RETRY_AFTER, Rest, retry_after
from adapters.discord.wire.traffic import PAUSE
from bot.events import STOP, Page
from bot.platform import Gone, Op, SlowDown, Unavailable
from tests.contract import HOLD, at, until
from tests.fakes import spoken
from tests.worlds import DiscordWorld

#: Words as a model may write them: with line breaks inside, without blank space around, without subtext.
PROSE = (
    st.text(st.characters(codec="utf-8"))
    .map(str.strip)
    .filter(lambda text: text != "…" and "-# " not in text)
)


@pytest.fixture
async def world() -> AsyncIterator[DiscordWorld]:
    world = await DiscordWorld.open()
    assert isinstance(world, DiscordWorld)
    yield world
    await world.close()


# Drawing.


@given(PROSE, st.text())
def test_what_is_drawn_is_read_back_without_its_note(text, note):
    assert said(draw(Page(text, note))["content"]) == text


@given(st.text(min_size=CONTENT - NOTE, max_size=CONTENT - NOTE), st.text(max_size=500))
def test_a_full_page_with_a_note_fits(text, note):
    assert 0 < len(draw(Page(text, note))["content"]) <= CONTENT


@given(st.text(), st.text())
@pytest.mark.rule(7)
@pytest.mark.rule(9)
def test_everything_drawn_pings_nobody_and_unfolds_nothing(text, note):
    drawn = draw(Page(text, note))
    assert drawn["allowed_mentions"] == {"parse": [], "replied_user": False}
    assert drawn["flags"] == 4


@given(st.text(" \n\t\u2003\u200b"), st.booleans())
def test_a_page_of_blank_space_is_never_sent_empty(text, live):
    assert draw(Page(text, live=live))["content"].strip()


def test_an_empty_page_is_drawn_as_dots_and_a_final_one_has_no_buttons():
    live = draw(Page("", controls=(STOP,)))
    assert live["content"] == "…"
    assert said("…") == ""
    assert [button["label"] for button in live["components"][0]["components"]] == ["Stop"]
    assert draw(Page("a", live=False))["components"] == []


# Delays and errors.


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        ({"retry_after": 1.5}, {"Retry-After": "2"}, 1.5),
        ({"retry_after": "1.5"}, {}, 1.5),
        ({"retry_after": 3600}, {}, LONGEST_RETRY),
        ({"retry_after": -5}, {}, 0.1),
        ({"retry_after": "nan"}, {}, RETRY_AFTER),
        ({"retry_after": float("inf")}, {}, RETRY_AFTER),
        ({"retry_after": {"s": 1}}, {}, RETRY_AFTER),
        ({"retry_after": "soon"}, {}, RETRY_AFTER),
        ({}, {"Retry-After": "7"}, 7.0),
        ({}, {}, RETRY_AFTER),
    ],
)
def test_a_429s_delay_is_read_and_capped(body, headers, seconds):
    assert retry_after(body, headers) == seconds


def test_a_client_that_was_closed_meanwhile_is_a_connection_that_is_gone():
    with pytest.raises(ConnectionError), translated():
        raise RuntimeError("Session is closed")


@pytest.fixture
async def surface(world: DiscordWorld) -> AsyncIterator[DiscordSurface]:
    """A surface of its own session, on the emulator."""
    rest = Rest(f"{world.emulator.url}/api/v10", "token")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1.0)) as rest.session:
        yield DiscordSurface(rest, 200, int(await world.emulator.say("200", "300", "hello")))


async def refused(world: DiscordWorld, surface: DiscordSurface, **fault: Any) -> Exception:
    """What a post raises that meets *fault*."""
    world.leaves_open = True
    await world.emulator.fault("POST messages", **fault)
    with pytest.raises(Exception) as caught:  # noqa: PT011  any is what is asked for
        await surface.post(Page("a"), "nonce")
    return caught.value


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"status": 401, "body": {"message": "401: Unauthorized", "code": 0}}, ConnectionError),
        ({"status": 403, "body": {"message": "Missing Permissions", "code": 50013}}, Gone),
        ({"status": 404, "body": {"message": "Unknown Channel", "code": 10003}}, Gone),
        ({"status": 500}, ConnectionError),
        ({"status": 502, "body": "<html>bad gateway"}, ConnectionError),
        ({"status": 503, "body": "[]"}, ConnectionError),
        ({"drop": True}, ConnectionError),
        ({"delay": 2.0, "status": 0}, TimeoutError),
    ],
)
async def test_each_answer_means_one_thing_to_the_core(world, surface, fault, kind):
    error = await refused(world, surface, **fault)
    assert isinstance(error, kind)
    assert isinstance(error, OSError) is issubclass(kind, OSError)


@pytest.mark.parametrize(
    ("fault", "seconds", "whole"),
    [
        ("429 user", 0.5, False),
        ("429 shared", 0.5, False),
        ("429 old edits", 0.5, False),
        ("429 hour", LONGEST_RETRY, False),
        ("429 bare", RETRY_AFTER, False),
        ("429 global", 0.5, True),
        ("429 proxy", PAUSE, True),
        ("429 cloudflare", PAUSE, True),
        ("429 text", PAUSE, True),
        ("429 40333", PAUSE, True),
        ("403 cloudflare", PAUSE, True),
    ],
)
async def test_a_429_names_its_bucket_or_all_of_them(world, surface, fault, seconds, whole):
    await world.emulator.strike(fault, "POST messages")
    with pytest.raises(SlowDown) as slow:
        await surface.post(Page("a", live=False), "n1")
    bucket = GLOBAL if whole else surface.buckets(Op.POST)[0].key
    assert (slow.value.retry_after, slow.value.bucket) == (seconds, bucket)


async def test_buckets_are_what_discords_headers_say(world, surface):
    await world.emulator.limits(on=True)
    posted = await surface.post(Page("a", live=False), "n1")
    edited = await surface.edit(posted.message, Page("b", live=False))
    edited = await surface.edit(posted.message, Page("c", live=False))
    assert [(state.key, state.remaining) for state in (*posted.states, *edited.states)] == [
        ("discord/POST/200", 4),
        ("discord/PATCH/200", 3),
    ]
    assert all(0 < state.reset_after <= 5 for state in (*posted.states, *edited.states))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-RateLimit-Remaining": "4"},
        {"X-RateLimit-Remaining": "x", "X-RateLimit-Reset-After": "1"},
        {"X-RateLimit-Remaining": "4", "X-RateLimit-Reset-After": "nan"},
    ],
)
async def test_headers_that_say_nothing_are_no_state(world, surface, headers):
    await world.emulator.fault("POST messages", status=200, body={"id": "5"}, headers=headers)
    assert (await surface.post(Page("a"), "nonce")).states == ()


async def test_without_a_connection_a_write_is_tried_again_later():
    with pytest.raises(ConnectionError):
        await Rest("http://127.0.0.1:9", "token").call("GET", "users/@me", "")


async def test_the_eyes_on_a_question_never_raise(world, surface):
    await surface.status(on=True)
    assert (await world.emulator.events(kinds=["react"]))[-1]["emoji"] == "👀"
    await world.emulator.fault("* reactions", times=2, status=500)
    await surface.status(on=False)
    await surface.status(on=True)


@pytest.mark.parametrize(
    ("status", "kind"), [(403, Gone), (404, Gone), (500, ConnectionError), (400, ConnectionError)]
)
def test_discord_pys_errors_mean_the_same(status, kind):
    class Response:
        reason = "because"

    response: Any = Response()
    response.status = status
    sdk = {403: discord.Forbidden, 404: discord.NotFound}.get(status, discord.HTTPException)
    with pytest.raises(kind), translated():
        raise sdk(response, "no")


# Settings.


def test_discord_without_a_token_is_left_out(monkeypatch):
    monkeypatch.delenv("DISCORD_BOT_TOKEN", raising=False)
    assert adapters.find("discord", DISCORD_BOT_TOKEN="") is None


def test_guilds_and_emoji_are_names_with_commas_between():
    settings = adapters.discord.Settings(RIVULET_DISCORD_GUILDS=" 1, 2,", RIVULET_DISCORD_STOP_EMOJI="🛑")  # type: ignore[call-arg]
    assert (settings.guilds, settings.stop_emoji) == (("1", "2"), ("🛑",))


# Looking at what is set up.


async def findings(world: DiscordWorld, **settings: str) -> list[tuple[bool, bool, str]]:
    platform = world.load(**settings)
    return [(each.ok, each.fatal, f"{each.text}; {each.fix}") for each in await platform.check()]


@pytest.mark.rule(6)
async def test_check_is_content_with_a_good_set_up_and_gives_the_invite_link(world):
    [(ok, fatal, text)] = await findings(world)
    assert (ok, fatal) == (True, False)
    assert "client_id=999" in text


async def test_check_names_a_token_that_discord_refuses(world):
    [(ok, fatal, text)] = await findings(world, DISCORD_BOT_TOKEN="bad")
    assert (ok, fatal, "DISCORD_BOT_TOKEN" in text) == (False, True, True)


async def test_check_names_the_switch_of_the_content_intent(world):
    await world.emulator.allow_content(on=False)
    good, (ok, fatal, text) = await findings(world)
    assert good[0]
    assert (ok, fatal, "Message Content Intent" in text) == (False, True, True)
    assert len(await findings(world, RIVULET_DISCORD_CONTENT="false")) == 1


async def test_check_says_how_to_let_people_in(world):
    _, (ok, fatal, text) = await findings(world, RIVULET_DISCORD_GUILDS="")
    assert (ok, fatal, "RIVULET_DISCORD_GUILDS" in text) == (False, False, True)


async def test_check_blames_no_token_for_a_discord_that_is_not_reached(world):
    [(ok, fatal, text)] = await findings(world, DISCORD_API_URL="http://127.0.0.1:9/api/v10")
    assert (ok, fatal, "network" in text) == (False, False, True)


async def test_a_wrong_token_ends_the_run_with_what_to_do(world):
    with pytest.raises(Unavailable, match="DISCORD_BOT_TOKEN"):
        await asyncio.wait_for(world.load(DISCORD_BOT_TOKEN="bad").run(world.core), 5)


async def test_a_content_intent_that_is_off_ends_the_run_with_what_to_do(world):
    await world.emulator.allow_content(on=False)
    with pytest.raises(Unavailable, match="Message Content Intent"):
        await asyncio.wait_for(world.load().run(world.core), 5)


# Health.


async def test_health_follows_the_gateway(world, monkeypatch):
    assert world.load().health == "starting"
    await world.vanish()
    assert world.platform.health == "down"
    seen: list[str] = []
    monkeypatch.setattr(world.platform, "_report", seen.append)
    world.running = asyncio.create_task(world.platform.run(world.core))
    await until(lambda: heard(seen, ["up"]))
    await asyncio.sleep(0.1)
    await world.drop()
    await until(lambda: heard(seen, ["up", "down", "up"]))
    await world.emulator.invalidate()
    await world.vanish()
    assert seen[-1] == "down"


async def heard(seen: list[str], wanted: list[str]) -> bool:
    """Tell whether health went as *wanted*."""
    return seen == wanted


# Events that only Discord has.


async def test_a_mention_of_the_bots_own_role_is_answered_and_no_other_role(world):
    first = await world.emulator.say("200", "300", "<@&101> why?")
    assert (await world.final(f"200/{first}"))[0].text == "Yes."
    assert world.model.requests[0].turns[-1].text == "why?"
    await world.emulator.say("200", "300", "<@&100> <@&102> why?")
    await world.settled()
    assert len(world.model.requests) == 1
    await world.final(await world.reply(f"200/{first}", "and?"))
    assert [turn.text for turn in world.model.requests[1].turns] == ["why?", "Yes.", "and?"]


async def test_the_applications_owner_is_served_everywhere(world):
    foreign = await world.emulator.guild("555")
    question = await world.emulator.say(foreign, world.owner, "<@999> why?")
    assert (await world.final(f"{foreign}/{question}"))[0].text == "Yes."


async def test_people_whom_a_question_names_have_their_names_in_it(world):
    await world.final(await world.ask("who is <@301>?"))
    assert world.model.requests[0].turns[-1].text == "who is @Bob?"


async def test_a_thread_is_one_conversation(world):
    root = await world.emulator.say("200", "300", "a topic")
    thread = await world.emulator.open_thread("200", root, world.ann, "topic")
    await world.emulator.say(thread, "301", "what is a?")
    question = await world.emulator.say(thread, "300", "<@999> well?")
    [seen] = await world.final(f"{thread}/{question}")
    assert seen.text == "Yes."
    await world.final(f"{thread}/{await world.emulator.say(thread, '301', '<@999> and b?')}")
    assert spoken(world.model.requests[1]) == [
        ("Alice", "a topic"),
        ("Bob", "what is a?"),
        ("Alice", "well?"),
        ("", "Yes."),
        ("Bob", "and b?"),
    ]


async def test_a_question_whose_link_unfolds_is_not_asked_anew(world):
    question = await world.ask("what is https://example.com?", HOLD, "A page.")
    await world.asked()
    post = world.emulator._there(*at(question))
    world.emulator._messages._tell("MESSAGE_UPDATE", post)
    await world.settled()
    assert len(world.model.requests) == 1
    world.model.go.set()
    await world.final(question)


async def test_somebody_who_may_not_stop_is_told_so_and_nobody_else():
    world = await DiscordWorld.open(RIVULET_STOP="asker")
    question = await world.ask("why?", "Because", HOLD)
    answer = await world.first(question, "Because")
    await world.press(answer.id, who=world.bob)

    async def told() -> list[str]:
        return [post.shape["content"] for post in world.emulator._messages.within("200") if post.hidden]

    assert await until(told) == ["You may not do that here."]
    assert (await world.first(question)).live
    await world.press(answer.id, who=DiscordWorld.owner)
    await world.stopped(question)
    await world.close()


async def test_without_the_content_intent_direct_mentions_are_still_answered(world):
    await world.vanish()
    await world.emulator.allow_content(on=False)
    world.platform = world.load(RIVULET_DISCORD_CONTENT="false")
    world.core = world.fresh_core()
    await world.connect()
    question = await world.ask("why?")
    assert (await world.final(question))[0].text == "Yes."
