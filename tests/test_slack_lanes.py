"""Slack's post lane: under overload a final is posted anew and the old message deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.slack import surface as slack
from adapters.slack.wire.errors import LOOKING
from bot.events import STOP, Page
from bot.platform import Op, Remains, SlowDown
from tests.contract import HOLD, until
from tests.worlds import SlackWorld

#: Live answers from which on the core asks for the lane.
MANY = 14
FINAL = Page("Because of the rain & <wind>.", "", live=False)
NONCE = "r" * 19


@pytest.fixture
async def world(monkeypatch) -> AsyncIterator[SlackWorld]:
    monkeypatch.setattr(slack, "DELETE_AGAIN", (0.05, 0.05, 0.05))
    world = await SlackWorld.open()
    assert isinstance(world, SlackWorld)
    yield world
    await world.close()


async def shown(world: SlackWorld, question: str) -> list[str]:
    return [each.text for each in await world.answers(question)]


async def test_a_replacement_is_one_message_with_the_whole_text(world):
    question, old, surface = await world.begun()
    receipt = await surface.replace(old, FINAL, NONCE)
    assert receipt.message != old
    assert await shown(world, question) == [FINAL.text]
    assert [bucket.key for bucket in surface.escape()] == ["slack/T1/chat.postMessage/C1"]
    assert not {bucket.key for bucket in surface.escape()} & {
        bucket.key for bucket in surface.buckets(Op.EDIT)
    }
    world.model.go.set()


async def test_a_native_stream_is_stopped_and_replaced(world):
    question, old, surface = await world.begun(direct=True)
    receipt = await surface.replace(old, FINAL, NONCE)
    assert await shown(world, question) == [FINAL.text]
    await surface.edit(receipt.message, Page(FINAL.text, "Stopped.", live=False))
    assert [bucket.key for bucket in surface.buckets(Op.FINAL)] == ["slack/T1/chat.update"]
    assert (await world.emulator.verdict())["live"] == []


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "headers": {"Retry-After": "1"}},
        {"status": 500, "body": "<html>oh"},
        {"drop": True, "apply": True},
        {"drop": True},
        {"error": "internal_error"},
    ],
)
async def test_a_deletion_that_fails_is_made_up_for(world, fault):
    question, old, surface = await world.begun()
    await world.emulator.fault("chat.delete", **fault)
    await surface.replace(old, FINAL, NONCE)

    async def one() -> bool:
        return await shown(world, question) == [FINAL.text]

    await until(one)


async def test_a_message_that_is_gone_already_is_as_good_as_deleted(world):
    question, old, surface = await world.begun()
    await world.emulator.fault("chat.delete", error="message_not_found", apply=True)
    await surface.replace(old, FINAL, NONCE)
    assert await shown(world, question) == [FINAL.text]


@pytest.mark.parametrize("apply", [True, False])
@pytest.mark.parametrize("then", ["replace", "edit"])
async def test_a_replacement_in_doubt_is_looked_for_before_anything_else(world, apply, then):
    question, old, surface = await world.begun()
    await world.emulator.fault("chat.postMessage", drop=True, apply=apply)
    with pytest.raises(OSError, match="not reached"):
        await surface.replace(old, FINAL, NONCE)
    if then == "replace":
        receipt = await surface.replace(old, FINAL, NONCE)
    else:
        receipt = await surface.edit(old, FINAL)

    async def one() -> bool:
        return await shown(world, question) == [FINAL.text]

    await until(one)
    [answer] = await world.answers(question)
    assert receipt.message == f"slack/T1/{answer.id}"


async def test_a_replacement_that_slack_slows_down_leaves_the_old_one(world):
    question, old, surface = await world.begun()
    await world.emulator.fault("chat.postMessage", status=429, headers={"Retry-After": "1"})
    with pytest.raises(SlowDown) as caught:
        await surface.replace(old, FINAL, NONCE)
    assert caught.value.bucket == "slack/T1/chat.postMessage/C1"
    await surface.edit(old, Page("Because", live=True, controls=(STOP,)))
    assert await shown(world, question) == ["Because"]


@pytest.mark.parametrize("how", ["final edit", "post in doubt", "native post in doubt"])
async def test_a_429_of_a_look_up_is_about_no_write(world, how):
    _, old, surface = await world.begun(direct="native" in how)
    surface.resume(Remains(messages=(old,), nonces=(NONCE,)))
    await world.emulator.fault("conversations.replies", status=429, headers={"Retry-After": "1"})

    async def write() -> str:
        receipt = await (surface.edit(old, FINAL) if "edit" in how else surface.post(FINAL, NONCE))
        return str(receipt.message)

    with pytest.raises(SlowDown) as caught:
        await write()
    assert caught.value.bucket == LOOKING
    assert await write()
    assert await looks(world) == 2  # one for each try
    world.model.go.set()


@pytest.mark.parametrize("direct", [False, True])
async def test_what_is_posted_after_a_look_is_found_by_the_next_one(world, direct):
    question, old, surface = await world.begun(direct=direct)
    surface.resume(Remains(messages=(old,), nonces=(NONCE,)))
    await world.emulator.fault("chat.postMessage", drop=True, apply=True)
    with pytest.raises(OSError, match="not reached"):
        await surface.post(FINAL, NONCE)
    await surface.post(FINAL, NONCE)
    assert (await shown(world, question)).count(FINAL.text) == 1
    world.model.go.set()


async def looks(world: SlackWorld) -> int:
    calls = await world.emulator.events(kinds=["call"])
    return sum(each["method"] == "conversations.replies" for each in calls)


async def test_a_replacement_that_was_posted_after_all_is_found_until_its_change_gets_through(world):
    question, old, surface = await world.begun()
    await world.emulator.fault("chat.postMessage", drop=True, apply=True)
    with pytest.raises(OSError, match="not reached"):
        await surface.replace(old, FINAL, NONCE)
    await world.emulator.fault("chat.update", status=429, headers={"Retry-After": "1"})
    with pytest.raises(SlowDown):
        await surface.edit(old, FINAL)
    receipt = await surface.edit(old, FINAL)

    async def one() -> bool:
        return await shown(world, question) == [FINAL.text]

    await until(one)
    [answer] = await world.answers(question)
    assert receipt.message == f"slack/T1/{answer.id}"
    world.model.go.set()


async def test_a_429_of_a_post_beside_an_edit_is_not_one_of_the_edits(world):
    question, old, surface = await world.begun()
    await world.emulator.fault("chat.update", error="edit_window_closed")
    await world.emulator.fault("chat.postMessage", status=429, headers={"Retry-After": "1"})
    with pytest.raises(SlowDown) as caught:
        await surface.edit(old, FINAL)
    assert caught.value.bucket == "slack/T1/chat.postMessage/C1"
    assert (await surface.edit(old, FINAL)).message != old
    assert FINAL.text in await shown(world, question)
    world.model.go.set()


async def test_a_429_of_a_look_up_leaves_other_answers_alone_and_a_stop_ends_the_wait(world):
    """A post is in doubt, so that it is looked for; meanwhile another answer of the channel is given."""
    world.model.steps = ("Because ", HOLD, "of the rain.")
    await world.emulator.fault("chat.postMessage", drop=True, apply=True)
    await world.emulator.fault("conversations.replies", status=429, headers={"Retry-After": "300"})
    slow = f"C1/{await world.emulator.say('C1', 'U1', '<@UBOT> why?')}"

    async def refused() -> bool:
        return await looks(world) == 1

    await until(refused)
    world.model.steps = ("Because.",)
    quick = f"C1/{await world.emulator.say('C1', 'U1', '<@UBOT> why?')}"

    async def given() -> bool:
        return await shown(world, quick) == ["Because."]

    await until(given)
    assert await looks(world) == 1
    await world.react(slow)

    async def ended() -> bool:
        return not world.core._lives

    await until(ended)
    assert await looks(world) == 2
    assert (await world.emulator.verdict())["live"] == []


async def test_a_429_of_the_edit_itself_is_told(world):
    _, old, surface = await world.begun()
    await world.emulator.fault("chat.update", status=429, headers={"Retry-After": "1"})
    with pytest.raises(SlowDown) as caught:
        await surface.edit(old, FINAL)
    assert caught.value.bucket == "slack/T1/chat.update"
    world.model.go.set()


async def test_under_overload_every_answer_ends_in_one_message(world):
    world.model.steps = ("Because ", HOLD, "of the rain.")
    channels = [f"C{number}" for number in range(1, MANY + 1)]
    questions = [f"{each}/{await world.emulator.say(each, 'U1', '<@UBOT> why?')}" for each in channels]
    for question in questions:
        await world.first(question, "Because")
    await world.emulator.limit("chat.update", 2, 3.0, retry_after=3.0)
    await world.emulator.limits(on=True)
    world.model.go.set()

    async def ended() -> bool:
        return not world.core._lives

    await until(ended)

    async def alone() -> bool:
        return all([await shown(world, question) == ["Because of the rain."] for question in questions])

    await until(alone)
    deleted = await world.emulator.events(kinds=["delete"])
    assert {each["user"] for each in deleted} == {"UBOT"}
    assert len(deleted) >= MANY // 2
    assert (await world.emulator.verdict())["live"] == []
