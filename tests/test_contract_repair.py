"""Every platform: what a crash interrupts is ended, answered or told after the restart, and nothing twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

import bot.core.repair
from bot.core.repair import YOUNG
from bot.core.sayings import RESTART, UNBEGUN
from bot.platform import Platform
from bot.store.memory import Memory
from tests.contract import HOLD, World, at, until
from tests.fakes import spoken
from tests.worlds import WORLDS, DiscordWorld, SlackWorld

#: No id, and Python makes no number of it.
NINES = "9" * 5000


class ThreadWorld(DiscordWorld):
    """Discord, every answer in a thread, where people go on."""

    async def reply(self, question: str, text: str, after: str = "") -> str:
        thread = at(question)[1]
        return f"{thread}/{await self.emulator.say(thread, self.ann, f'<@999> {text}')}"

    def load(self, **settings: str) -> Platform:
        return super().load(RIVULET_DISCORD_REPLY="thread", **settings)


class StreamWorld(SlackWorld):
    """Slack with native streams, which have no nonce."""

    page = 9_000

    def load(self, **settings: str) -> Platform:
        return super().load(RIVULET_SLACK_STREAMING="native", **settings)


#: A native stream holds the last word back, so this has one to spare.
SAID = "Because of the "
KINDS: dict[str, type[World]] = {
    **{kind.name: kind for kind in WORLDS},
    "threads": ThreadWorld,
    "streams": StreamWorld,
}


@pytest.fixture(params=[*KINDS.values()], ids=[*KINDS])
async def world(request: pytest.FixtureRequest, monkeypatch) -> AsyncIterator[World]:
    monkeypatch.setattr(bot.core.repair, "LATE", 0.05)
    world = await request.param.open()
    yield world
    await world.close()


async def ended(world: World, question: str, pages: int = 1) -> list[tuple[str, str]]:
    """The texts and notes of an answer that has ended, and is done for the ledger."""

    async def done() -> bool:
        return not await world.store.unfinished(world.name)

    await world.final(question, pages)
    await until(done)
    seen = await world.final(question, pages)
    assert len(seen) == pages
    return [(each.text, each.note) for each in seen]


async def test_an_answer_that_a_crash_interrupted_is_ended_with_its_text(world):
    question = await world.ask("why?", SAID, HOLD)
    left = await world.first(question, "Because")
    await world.restart(remember=True)
    assert await ended(world, question) == [(SAID.strip(), RESTART)]
    assert (await world.first(question)).id == left.id
    assert len(world.model.requests) == 1


async def test_text_that_was_saved_and_not_shown_is_shown(world):
    question = await world.ask("why?", SAID, HOLD)
    await world.first(question, "Because")
    await world.store.save(world.key(question), "Because of the rain")
    await world.restart(remember=True)
    assert await ended(world, question) == [("Because of the rain", RESTART)]


async def test_an_answer_of_several_messages_is_ended_on_the_last(world):
    question = await world.ask("why?", "word " * (world.page // 4), HOLD)
    await until(lambda: _pages(world, question, 2))
    await world.restart(remember=True)
    seen = await ended(world, question, 2)
    assert [note for _, note in seen] == ["", RESTART]


async def _pages(world: World, question: str, pages: int) -> bool:
    seen = await world.answers(question)
    return len(seen) == pages and bool(seen[-1].text)


class Deaf(Memory):
    """A ledger that a crash keeps from learning what a post was called."""

    async def posted(self, key: str, nonce: str, message: str) -> None:
        pass


async def forgetful(world: World, store: Memory) -> None:
    world.store = store
    core = world.core
    core._store = store
    core.means = core.running._means = core.repairs._means = replace(core.means, store=store)


@pytest.mark.parametrize("said", ["", SAID])
async def test_a_post_whose_answer_was_never_read_is_found_and_not_made_again(world, said):
    await forgetful(world, Deaf())
    question = await world.ask("why?", *([said] if said else []), HOLD)
    left = await world.first(question, said[:7])
    await world.restart(remember=True)
    if said:
        assert await ended(world, question) == [(said.strip(), RESTART)]
    else:  # nothing was visible yet, so it is answered
        world.model.go.set()
        [seen] = await world.final(question)
        assert seen.note != RESTART
    assert [each.id for each in await world.answers(question)] == [left.id]


async def test_a_later_page_whose_post_was_never_read_is_found_too(world):
    class DeafLater(Memory):
        async def posted(self, key: str, nonce: str, message: str) -> None:
            if nonce.endswith("0"):
                await super().posted(key, nonce, message)

    await forgetful(world, DeafLater())
    question = await world.ask("why?", "word " * (world.page // 4), HOLD)
    await until(lambda: _pages(world, question, 2))
    await world.restart(remember=True)
    seen = await ended(world, question, 2)
    assert [note for _, note in seen] == ["", RESTART]


async def accepted(world: World, age: float = 0.0) -> str:
    """A question that was accepted by a process that died of it."""
    await ended(world, await world.ask("hello?", "Hello."))
    await world.crash()
    question = await world.say("why?")
    asked = (await _last(world)).asked
    key = world.key(question)
    talk = f"{asked.conversation.rsplit('/', 1)[0]}/{key.rsplit('/', 1)[-1]}"
    await world.store.accept(replace(asked, key=key, conversation=talk, text="why?", at=time.time() - age))
    return question


async def _last(world: World):
    return [*world.store._entries.values()][-1]


async def test_a_question_of_which_nothing_is_visible_is_answered(world):
    question = await accepted(world)
    world.model.steps = ("Because.",)
    await world.restart(remember=True)
    assert await ended(world, question) == [("Because.", "")]


async def test_an_older_one_is_told(world):
    question = await accepted(world, YOUNG + 1)
    await world.restart(remember=True)
    [(_, note)] = await ended(world, question)
    assert note == UNBEGUN
    assert not [request for request in world.model.requests if request.turns[-1].text == "why?"]


async def test_a_stop_whose_last_edit_was_lost_stays_a_stop(world):
    question = await world.ask("why?", HOLD)
    left = await world.first(question)
    await world.slow("edit", 5.0)
    await world.react(left.id)

    async def noted() -> bool:
        entry = await world.store.find(world.key(question))
        return entry is not None and entry.note is not None

    await until(noted)
    await world.crash()
    await world.slow("edit", 0.0)
    await world.restart(remember=True)
    [(_, note)] = await ended(world, question)
    assert note.startswith("Stopped by")


async def test_what_was_done_before_a_crash_is_left_alone(world):
    question = await world.ask("why?", "Because.")
    assert await ended(world, question) == [("Because.", "")]
    writes = len(await world.calls("edit"))
    await world.restart(remember=True)
    await world.settled()
    assert len(await world.calls("edit")) == writes


async def test_a_mention_that_was_missed_is_answered_once(world):
    first = await world.ask("why?", "Because.")
    await ended(world, first)
    await world.crash()
    missed = await world.say("and how?")
    inside = await world.reply(first, "and when?")
    await world.restart(remember=True)
    for question in (missed, inside):
        assert await ended(world, question) == [("Because.", "")]
    await world.settled()
    assert len(world.model.requests) == 3


async def test_a_row_whose_ids_are_none_hides_nothing_that_was_missed(world):
    await ended(world, await world.ask("why?", "Because."))
    [sound] = await world.store.recent(world.platform.name, 0.0)
    start = sound.key.rpartition("/")[0]
    keys = (
        f"{start}/abc",
        f"{start}/",
        world.platform.name,
        f"{world.platform.name}//",
        f"{start}/{NINES}",
    )
    harmed = [
        *(replace(sound, key=key) for key in keys),
        replace(sound, key=f"{start}/1", place=replace(sound.place, channel="x y")),
        replace(sound, key=f"{start}/2", place=replace(sound.place, channel="")),
        replace(sound, key=f"{start}/3", conversation="?"),
    ]
    for row in harmed:
        await world.store.accept(row)
        await world.store.done(row.key, time.time())
    await world.crash()
    missed = await world.say("and how?")
    await world.restart(remember=True)
    assert await ended(world, missed) == [("Because.", "")]


async def test_what_people_only_said_to_each_other_meanwhile_is_not_answered(world):
    await ended(world, await world.ask("why?", "Because."))
    await world.crash()
    await world.chat("nobody asked the bot")
    await world.others_say("a robot asks")
    await world.strangers_say("a stranger asks")
    await world.restart(remember=True)
    await world.settled()
    assert len(world.model.requests) == 1


async def interrupted(world: World, how: str, text: str = SAID) -> tuple[str, str]:
    """A question whose answer a crash or a shutdown has cut, and the message that it is in."""
    earlier = await world.ask("hello?", "Hello.")
    await ended(world, earlier)
    question = await world.ask("why?", *([text] if text else []), HOLD)
    left = await world.first(question, text[:7])
    if how == "shutdown":
        await world.disconnect()
    else:
        await world.crash()
    await world.restart(remember=True)
    return question, left.id


async def controls(world: World, message: str) -> list[str]:
    """What can be pressed under *message*."""
    shown: dict[str, Any] = await world.emulator.message(*at(message))
    return list(shown["controls"])


async def bare(world: World, message: str) -> bool:
    return not await controls(world, message)


@pytest.mark.parametrize("how", ["crash", "shutdown"])
async def test_what_a_restart_interrupted_is_continued_once_below_it(world, how):
    question, first = await interrupted(world, how)
    assert await ended(world, question) == [(SAID.strip(), RESTART)]
    assert await controls(world, first) == ["Continue"]
    world.model.steps = ("rain.",)
    for who in (world.bob, world.ann):
        with suppress(LookupError):  # it may be gone already
            await world.emulator.press(*at(first), who, "Continue")
    assert await ended(world, question, 2) == [(SAID.strip(), RESTART), ("rain.", "")]
    await until(partial(bare, world, first))
    await world.settled()
    assert (await world.answers(question))[0].id == first
    assert len(world.model.requests) == 3
    texts = [text.strip() for _, text in spoken(world.model.requests[-1])]
    assert texts[-3:] == ["why?", SAID.strip(), "continue"]


async def test_what_a_shutdown_kept_from_beginning_is_tried_again(world):
    question, first = await interrupted(world, "shutdown", "")
    assert [note for _, note in await ended(world, question)] == [UNBEGUN]
    assert await controls(world, first) == ["Try again"]
    world.model.steps = ("Because.",)
    await world.emulator.press(*at(first), world.ann, "Try again")

    async def answered() -> bool:
        return await ended(world, question) == [("Because.", "")]

    await until(answered)
    assert world.model.requests[-1].turns[-1].text == "why?"
    assert await controls(world, first) == ["Try again"]


async def test_a_crash_before_the_rest_is_shown_does_not_lose_the_press(world):
    question, first = await interrupted(world, "shutdown")
    await ended(world, question)
    world.model.steps = (HOLD,)
    await world.emulator.press(*at(first), world.ann, "Continue")

    async def came() -> bool:
        return len(world.model.requests) == 3

    await until(came)
    await world.crash()
    world.model.steps = ("rain.",)
    await world.restart(remember=True)
    assert await ended(world, question, 2) == [(SAID.strip(), RESTART), ("rain.", "")]
    texts = [text.strip() for _, text in spoken(world.model.requests[-1])]
    assert texts[-3:] == ["why?", SAID.strip(), "continue"]


@pytest.mark.parametrize("how", ["crash", "shutdown"])
async def test_a_button_under_what_was_purged_is_taken_away(world, how):
    question, first = await interrupted(world, how)
    await ended(world, question)
    await asyncio.gather(*world.core.repairs._searches)  # what it finds would be news to an empty ledger
    await world.store.purge()
    await world.emulator.press(*at(first), world.ann, "Continue")
    await until(partial(bare, world, first))
    await world.settled()
    assert len(world.model.requests) == 2
