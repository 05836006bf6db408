"""Slack: files are a message of their own, shared once, also where nobody knows whether they were."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.emulators.slack.web_api import SCOPES
from adapters.slack import surface as slack
from adapters.slack.wire import errands
from adapters.slack.wire.errors import LOOKING
from bot.events import File, Page
from bot.platform import Op, SlowDown
from bot.show.words import FOLLOWS
from tests.contract import at, until
from tests.worlds import SlackWorld

FILE = File("answer.md", "text/markdown", 3, data=b"all")
LAST = Page("Because of the rain.", "All of it is below.", live=False, files=(FILE,))
SENT = [{"name": "answer.md", "size": 3, "text": "all"}]


@pytest.fixture
async def world(monkeypatch) -> AsyncIterator[SlackWorld]:
    monkeypatch.setattr(slack, "DELETE_AGAIN", (0.05, 0.05, 0.05))
    world = await SlackWorld.open()
    assert isinstance(world, SlackWorld)
    yield world
    await world.close()


async def calls(world: SlackWorld, method: str) -> int:
    return sum(each["method"] == method for each in await world.emulator.events(kinds=["call"]))


async def test_files_stand_below_the_page_in_its_thread(world):
    question, message, surface = await world.begun()
    await surface.edit(message, LAST)
    page, shared = await world._ours(question)
    assert (page["text"], page["files"]) == (LAST.text, [])
    assert (shared["text"], shared["files"], shared["thread_ts"]) == ("", SENT, at(question)[1])
    world.model.go.set()


async def test_a_share_that_landed_unheard_is_found_and_not_made_again(world):
    question, message, surface = await world.begun()
    await world.emulator.fault("files.completeUploadExternal", status=500, body="<html>", apply=True)
    with pytest.raises(OSError, match="500"):
        await surface.edit(message, LAST)
    await surface.edit(message, LAST)
    assert await world.attached(question) == SENT
    assert await calls(world, "files.completeUploadExternal") == 1
    assert await calls(world, "files.getUploadURLExternal") == 1
    world.model.go.set()


async def test_a_share_that_landed_and_is_not_to_be_seen_yet_is_not_made_again(world):
    question, message, surface = await world.begun()
    await world.emulator.fault("files.completeUploadExternal", drop=True, apply=True)
    with pytest.raises(ConnectionError):
        await surface.edit(message, LAST)
    await world.emulator.fault("conversations.replies", body={"ok": True, "messages": []})
    await surface.edit(message, LAST)
    await surface.edit(message, LAST)
    assert await world.attached(question) == SENT
    world.model.go.set()


async def test_a_429_of_a_look_for_files_is_none_of_a_write_and_gives_up_no_file(world):
    question, message, surface = await world.begun()
    await world.emulator.fault("files.completeUploadExternal", drop=True, apply=True)
    with pytest.raises(ConnectionError):
        await surface.edit(message, LAST)
    await world.emulator.fault("conversations.replies", status=429, headers={"Retry-After": "1"})
    with pytest.raises(SlowDown) as slow:
        await surface.edit(message, LAST)
    assert slow.value.bucket == LOOKING
    await surface.edit(message, LAST)
    assert await world.attached(question) == SENT
    world.model.go.set()


@pytest.mark.parametrize("fault", [{"status": 500}, {"drop": True}, {"drop": True, "apply": True}])
async def test_bytes_that_got_lost_are_sent_again(world, fault):
    question, message, surface = await world.begun()
    await world.emulator.fault("upload", **fault)
    with pytest.raises(ConnectionError):
        await surface.edit(message, LAST)
    await surface.edit(message, LAST)
    assert await world.attached(question) == SENT
    world.model.go.set()


async def test_an_upload_that_slack_has_lost_begins_anew(world):
    question, message, surface = await world.begun()
    await world.emulator.fault("files.completeUploadExternal", error="file_not_found")
    with pytest.raises(ConnectionError):
        await surface.edit(message, LAST)
    await surface.edit(message, LAST)
    assert await world.attached(question) == SENT
    assert await calls(world, "files.getUploadURLExternal") == 2
    world.model.go.set()


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
async def test_a_429_of_an_upload_is_waited_for_and_holds_back_no_edits(world, method):
    question, message, surface = await world.begun()
    await world.emulator.fault(method, status=429, headers={"Retry-After": "1"})
    await surface.edit(message, LAST)
    assert await world.attached(question) == SENT
    assert await calls(world, method) == 2
    world.model.go.set()


@pytest.mark.parametrize("call", ["files.getUploadURLExternal", "upload", "files.completeUploadExternal"])
@pytest.mark.parametrize("status", [400, 413, 418])
async def test_files_that_slack_refuses_are_given_up_at_once(world, call, status):
    question, message, surface = await world.begun()
    await world.emulator.fault(call, 1000, status, "some_new_error", body="no" if call == "upload" else None)
    for _ in range(2):  # the second time is a repetition of the core's
        assert (await surface.edit(message, LAST)).unattached == slack.NO_FILES
    assert await world.attached(question) == []
    [seen] = await world.answers(question)
    assert (seen.text, seen.live) == (LAST.text, False)
    world.model.go.set()


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
async def test_files_do_not_wait_long_for_their_turn(world, method):
    _, message, surface = await world.begun()
    await world.emulator.fault(method, 1000, 429, headers={"Retry-After": "30"})
    assert (await surface.edit(message, LAST)).unattached == slack.NO_FILES
    assert await calls(world, method) == 1
    world.model.go.set()


async def test_a_native_stream_whose_file_is_refused_goes_on_page_by_page():
    world = await SlackWorld.open(RIVULET_PAGES=1)
    await world.emulator.fault("files.completeUploadExternal", 1000, 400, "some_new_error")
    text = " ".join(f"w{number}x" for number in range(4000))
    world.model.steps = (text[:9_000], text[9_000:])
    question = await world.dm("why?")

    async def over() -> bool:
        return not world.core._lives and bool(await world.answers(question))

    await until(over)
    seen = await world.answers(question)
    assert " ".join(each.text for each in seen).split() == text.split()
    assert not any(each.live for each in seen)
    assert FOLLOWS in seen[0].note
    await world.close()


async def test_the_budget_of_uploads_is_kept(world, monkeypatch):
    monkeypatch.setattr(errands, "UPLOADS", 4)
    tally = errands.Errands().uploads
    assert [tally.take() for _ in range(4)] == [0.0] * 4
    assert tally.take() > 60


async def test_a_replacement_has_files_once_however_often_it_fails(world):
    question, old, surface = await world.begun()
    await world.emulator.fault("files.completeUploadExternal", drop=True, apply=True)
    with pytest.raises(ConnectionError):
        await surface.replace(old, LAST, "r")
    receipt = await surface.replace(old, LAST, "r")

    async def replaced() -> bool:
        return [each.id for each in await world.answers(question)] == [
            receipt.message.removeprefix("slack/T1/")
        ]

    await until(replaced)
    assert await world.attached(question) == SENT
    world.model.go.set()


async def test_files_that_an_edit_has_shared_are_not_shared_by_a_replacement(world):
    question, old, surface = await world.begun()
    await surface.edit(old, LAST)
    await surface.replace(old, LAST, "r")
    assert await world.attached(question) == SENT
    world.model.go.set()


async def test_a_native_stream_ends_with_files(world):
    question, message, surface = await world.begun(direct=True)
    assert [bucket.key for bucket in surface.buckets(Op.FINAL)] == ["slack/T1/chat.appendStream"]
    await world.emulator.fault("files.completeUploadExternal", drop=True, apply=True)
    with pytest.raises(ConnectionError):
        await surface.edit(message, LAST)
    await surface.edit(message, LAST)
    assert await world.attached(question) == SENT
    [seen] = await world.answers(question)
    assert (seen.text, seen.note, seen.live) == (LAST.text, LAST.note, False)
    world.model.go.set()


async def test_a_stream_that_began_unheard_is_not_taken_for_a_file(world):
    question, message, surface = await world.begun(direct=True)
    await surface.edit(message, LAST)
    await world.emulator.fault("chat.startStream", drop=True, apply=True)
    with pytest.raises(ConnectionError):
        await surface.post(Page("More"), "n2")
    receipt = await surface.post(Page("More of it."), "n2")
    await surface.edit(receipt.message, Page("More of it.", live=False))
    assert [each.text for each in await world.answers(question)] == [LAST.text, "More of it."]
    world.model.go.set()


async def test_without_the_scope_nothing_can_be_attached(world):
    await world.vanish()
    await world.emulator.scopes(",".join(each for each in SCOPES.split(",") if each != "files:write"))
    world.platform = world.load()
    world.core = world.fresh_core()
    await world.connect()
    question, message, surface = await world.begun()
    assert surface.limits.attach == 0
    # No page has any; should one have, its text stands and the core is told.
    assert (await surface.edit(message, LAST)).unattached == slack.NO_FILES
    [seen] = await world.answers(question)
    assert (seen.text, seen.note, seen.live) == (LAST.text, LAST.note, False)
    assert await world.attached(question) == []
    world.model.go.set()
