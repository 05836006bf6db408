"""Every platform: reactions on an answer that mean a button, or what somebody thinks of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest

from adapters.emulators.slack.workspace import SUBSCRIPTIONS
from bot.show.words import AGAIN
from tests.contract import HOLD, Seen, World, until
from tests.worlds import WORLDS

#: The emojis, as each platform names them: for another try, for the rest, and thumbs in some of their looks.
RETRIES = {"slack": ("repeat", "arrows_counterclockwise"), "discord": ("🔁", "🔄"), "web": ("🔁", "🔄")}
REST = {"slack": "arrow_forward", "discord": "▶\ufe0f", "web": "▶\ufe0f"}
UP = {"slack": ("+1", "thumbsup", "+1::skin-tone-4"), "discord": ("👍", "👍\U0001f3ff"), "web": ("👍",)}
DOWN = {
    "slack": ("-1", "thumbsdown", "thumbsdown::skin-tone-2"),
    "discord": ("👎", "👎\U0001f3fb"),
    "web": ("👎",),
}


@pytest.fixture(params=WORLDS, ids=lambda kind: kind.name)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = await request.param.open()
    yield world
    await world.close()


async def answered(world: World, *, reason: str = "end_turn") -> tuple[str, Seen]:
    """A question of ann's and its answer, which is done."""
    world.model.reason = reason
    question = await world.ask("why?", "Because of")
    [seen] = await world.final(question)
    await until(partial(is_done, world, question))
    world.model.reason = "end_turn"
    return question, seen


async def is_done(world: World, question: str) -> bool:
    entry = await world.store.find(world.key(question))
    return entry is not None and entry.done is not None


async def thought(world: World) -> list[tuple[str, bool]]:
    """Who thinks what, oldest first."""
    return [(rated.rater, rated.good) for rated in await world.store.ratings()]


async def test_a_reaction_makes_a_fresh_answer_in_the_same_message(world):
    question, first = await answered(world)
    for number, emoji in enumerate(RETRIES[world.name]):
        world.model.steps = (f"It is sun {number}.",)

        async def tried(text: str = f"It is sun {number}.") -> bool:
            [seen] = await world.answers(question)
            return not seen.live and (seen.id, seen.text) == (first.id, text)

        await world.react(first.id, emoji, world.bob)
        await until(tried)
    assert len(world.model.requests) == 3


async def test_a_fresh_answer_keeps_the_old_text_until_it_is_complete_and_nobody_gets_a_second_one(world):
    question, first = await answered(world)
    world.model.steps = ("It is ", HOLD, "the sun.")

    async def trying() -> bool:
        [seen] = await world.answers(question)
        return (seen.live, seen.text, seen.note) == (True, "Because of", AGAIN)

    async def tried() -> bool:
        [seen] = await world.answers(question)
        return not seen.live and seen.text == "It is the sun."

    await world.react(first.id, RETRIES[world.name][0])
    await until(trying)
    await world.react(first.id, RETRIES[world.name][1], world.bob)
    await world.settled()
    world.model.go.set()
    await until(tried)
    await world.settled()
    assert len(world.model.requests) == 2


async def test_a_reaction_that_is_told_twice_makes_one_answer(world):
    question, first = await answered(world)
    world.model.steps = ("It is the sun.",)

    async def tried() -> bool:
        [seen] = await world.answers(question)
        return not seen.live and seen.text == "It is the sun."

    await world.react(first.id, RETRIES[world.name][0])
    await until(tried)
    if world.name == "slack":
        await world.emulator.redeliver(1, "reaction_added")
    else:
        await world.redeliver()
    await world.settled()
    assert len(world.model.requests) == 2


async def test_a_reaction_asks_for_the_rest(world):
    question, first = await answered(world, reason="max_tokens")
    world.model.steps = ("the rain.",)

    async def continued() -> bool:
        answers = await world.answers(question)
        return [(each.live, each.text) for each in answers] == [(False, "Because of"), (False, "the rain.")]

    await world.react(first.id, REST[world.name], world.bob)
    await until(continued)
    assert len(world.model.requests) == 2


async def test_a_reaction_means_no_button_that_is_not_there(world):
    question, first = await answered(world)
    await world.react(first.id, REST[world.name])  # the answer is whole
    await world.react(question, RETRIES[world.name][0])  # no answer
    await world.react(await world.chat("lunch?"), RETRIES[world.name][0])
    for bot in world.bots:
        await world.react(first.id, RETRIES[world.name][0], bot)
    await world.settled()
    running = await world.ask("and now?", "Well, ", HOLD)
    live = await world.first(running, "Well")
    await world.react(live.id, RETRIES[world.name][0])
    await world.settled()
    world.model.go.set()
    await world.final(running)
    await world.settled()
    assert len(world.model.requests) == 2


async def test_taking_a_reaction_away_presses_nothing(world):
    question, first = await answered(world)
    world.model.steps = ("It is the sun.",)

    async def tried() -> bool:
        [seen] = await world.answers(question)
        return not seen.live and seen.text == "It is the sun."

    emoji = RETRIES[world.name][0]
    await world.react(first.id, emoji)
    await until(tried)
    await world.unreact(first.id, emoji)
    await world.settled()
    assert len(world.model.requests) == 2
    world.model.steps = ("It is the moon.",)
    await world.react(first.id, emoji)  # set anew, it presses anew
    await world.asked(3)


async def test_a_thumb_in_every_look_is_kept_once_for_each_person(world):
    if world.alone:
        pytest.skip("nobody else sees the answer")
    question, first = await answered(world)
    for emoji in UP[world.name]:
        await world.react(first.id, emoji)
        await world.react(first.id, emoji, world.bob)
    await until(partial(agrees, world, [(world.ann, True), (world.bob, True)]))
    for emoji in DOWN[world.name]:
        await world.react(first.id, emoji, world.bob)  # the newer replaces the older
    await until(partial(agrees, world, [(world.ann, True), (world.bob, False)]))
    rated = (await world.store.ratings())[-1]
    assert (rated.key, rated.asker) == (world.key(question), world.ann)
    assert world.key(question).split("/")[-2] == rated.channel


async def agrees(world: World, expected: list[tuple[str, bool]]) -> bool:
    return sorted(await thought(world)) == sorted(expected)


async def test_a_thumb_that_is_taken_away_counts_no_more(world):
    _, first = await answered(world)
    up, down = UP[world.name][0], DOWN[world.name][0]
    await world.react(first.id, up)
    await until(partial(agrees, world, [(world.ann, True)]))
    await world.unreact(first.id, up)
    await until(partial(agrees, world, []))
    await world.react(first.id, up)
    await world.react(first.id, down)
    await until(partial(agrees, world, [(world.ann, False)]))
    await world.unreact(first.id, up)  # which the other one has replaced
    await world.settled()
    assert await thought(world) == [(world.ann, False)]


async def test_an_answer_can_be_rated_while_it_runs_and_on_each_of_its_messages(world):
    question = await world.ask("why?", "Because. " * (world.page // 6), HOLD)
    await world.first(question, "Because")

    async def two() -> list[Seen]:
        found = await world.answers(question)
        return found if len(found) >= 2 else []

    last = (await until(two))[-1]
    await world.still()
    await world.react(last.id, UP[world.name][0])
    await until(partial(agrees, world, [(world.ann, True)]))
    world.model.go.set()
    first = (await world.final(question))[0]
    await world.react(first.id, DOWN[world.name][0])
    await until(partial(agrees, world, [(world.ann, False)]))


async def test_thumbs_of_bots_and_on_what_is_no_answer_are_not_kept_and_the_ledger_is_not_read_for_most(
    world,
):
    reads: list[str] = []
    find_shown = world.store.find_shown

    async def counted(message, **more):
        reads.append(message)
        return await find_shown(message, **more)

    question, first = await answered(world)
    world.store.find_shown = counted
    said = await world.chat("lunch?")
    for emoji in (*UP[world.name], *RETRIES[world.name], REST[world.name]):
        await world.react(said, emoji)
        await world.react(question, emoji)
    for other in ("eyes", "tada") if world.name == "slack" else ("👀", "🎉"):
        await world.react(first.id, other)
    await world.settled()
    assert reads == []  # the platforms say whose these are, and which emoji
    for bot in world.bots:
        await world.react(first.id, UP[world.name][0], bot)
    await world.settled()
    assert await thought(world) == []


async def test_what_is_rated_is_known_after_a_restart_and_a_fresh_answer_is_another_one(world):
    if world.alone:
        pytest.skip("nobody else sees the answer")
    question, first = await answered(world)
    await world.restart(remember=True)
    await world.react(first.id, UP[world.name][0])
    await until(partial(agrees, world, [(world.ann, True)]))
    world.model.steps = ("It is the sun.",)

    async def tried() -> bool:
        [seen] = await world.answers(question)
        return not seen.live and seen.text == "It is the sun."

    await world.react(first.id, RETRIES[world.name][0])
    await until(tried)
    await world.react(first.id, DOWN[world.name][0], world.bob)
    await until(partial(agrees, world, [(world.ann, True), (world.bob, False)]))
    assert len({rated.key for rated in await world.store.ratings()}) == 2


async def test_who_reacts_faster_than_hands_can_is_not_looked_at(world):
    _, first = await answered(world)
    reads = 0
    find_shown = world.store.find_shown

    async def counted(message, **more):
        nonlocal reads
        reads += 1
        return await find_shown(message, **more)

    world.store.find_shown = counted
    up = UP[world.name][0]
    for _ in range(60):
        await world.react(first.id, up)
        await world.unreact(first.id, up)
    await world.settled()
    await asyncio.sleep(0.1)
    assert reads <= 2 * 20


@pytest.fixture(params=[each for each in WORLDS if not each.alone], ids=lambda kind: kind.name)
async def shared(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = await request.param.open()
    yield world
    await world.close()


async def away(world: World) -> None:
    """End the bot; what happens from now on is not sent again."""
    await world.crash()
    if world.name == "slack":
        await world.emulator.subscribe([])


async def home(world: World) -> None:
    if world.name == "slack":
        await world.emulator.subscribe(SUBSCRIPTIONS)
    await world.restart(remember=True)


async def test_a_thumb_that_was_set_while_the_bot_was_away_is_found(shared):
    up, down = UP[shared.name], DOWN[shared.name]
    _, first = await answered(shared)
    await shared.react(first.id, up[0])
    await until(partial(agrees, shared, [(shared.ann, True)]))
    [before] = await shared.store.ratings()
    await away(shared)
    await shared.react(first.id, down[-1], shared.bob)
    await shared.react(first.id, RETRIES[shared.name][0], shared.bob)
    for bot in shared.bots:
        await shared.react(first.id, up[0], bot)
    await home(shared)
    await until(partial(agrees, shared, [(shared.ann, True), (shared.bob, False)]))
    await shared.settled()
    assert before in await shared.store.ratings()  # as old as it was
    assert len(shared.model.requests) == 1
    assert len(await thought(shared)) == 2


async def test_a_thumb_that_replaced_another_while_the_bot_was_away_is_found_and_both_mean_nothing(shared):
    up, down = UP[shared.name][0], DOWN[shared.name][0]
    _, first = await answered(shared)
    await shared.react(first.id, up)
    await until(partial(agrees, shared, [(shared.ann, True)]))
    await away(shared)
    await shared.unreact(first.id, up)
    await shared.react(first.id, down)
    for emoji in (up, down):
        await shared.react(first.id, emoji, shared.bob)
    await home(shared)
    await until(partial(agrees, shared, [(shared.ann, False)]))
    await shared.settled()
    assert await thought(shared) == [(shared.ann, False)]
