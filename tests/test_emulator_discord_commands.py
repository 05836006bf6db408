"""Discord's application commands, menus and modals, as the emulator has them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters.emulators.discord import Discord
from tests.test_emulator_discord import ALICE, CHANNEL, Connect, Rest, connect, rest, wanted, world

__all__ = ["connect", "rest", "world"]  # fixtures

ASK: dict[str, Any] = {
    "name": "ask",
    "description": "Ask",
    "options": [{"type": 3, "name": "question", "description": "What", "required": True, "max_length": 10}],
}
MENU: dict[str, Any] = {"type": 3, "name": "Look At It"}
MANY = [{"name": "x" * 90, "value": "y" * 90}] * 25
WHERE = "applications/999/commands"


def option(number: int, **more: Any) -> dict[str, Any]:
    return {"type": 3, "name": f"o{number}", "description": "x", **more}


async def test_commands_are_overwritten_in_bulk_and_keep_their_ids(world: Discord, rest: Rest) -> None:
    """What stays as it was keeps its version too; what is left out is gone."""
    status, first, *_ = await rest("PUT", WHERE, [ASK, MENU])
    assert status == 200
    assert [(each["type"], each["name"]) for each in first] == [(1, "ask"), (3, "Look At It")]
    changed = {**MENU, "nsfw": True}
    _, second, *_ = await rest("PUT", WHERE, [ASK, changed])
    assert [each["id"] for each in second] == [each["id"] for each in first]
    assert second[0] == first[0]
    assert second[1]["version"] != first[1]["version"]
    await rest("PUT", WHERE, [ASK])
    assert (await rest("GET", WHERE))[1] == [first[0]] == await world.commands()


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ([{**ASK, "name": "Ask"}], 50035),
        ([{**ASK, "name": "a b"}], 50035),
        ([{**ASK, "name": "x" * 33}], 50035),
        ([{**ASK, "description": ""}], 50035),
        ([{**ASK, "description": "x" * 101}], 50035),
        ([{**MENU, "description": "x"}], 50035),
        ([{**MENU, "options": ASK["options"]}], 50035),
        ([{**MENU, "name": "x" * 33}], 50035),
        ([ASK, ASK], 50035),
        ([{**ASK, "options": [option(0), option(1, required=True)]}], 50035),
        ([{**ASK, "options": [option(0), option(0)]}], 50035),
        ([{**ASK, "options": [option(number) for number in range(26)]}], 50035),
        ([{**ASK, "options": [option(0, max_length=6001)]}], 50035),
        ([{**ASK, "options": [option(0, name="Big")]}], 50035),
        ([{**ASK, "options": [option(number, choices=MANY) for number in (1, 2)]}], 50035),
        ([{**ASK, "name": f"c{number}"} for number in range(101)], 30032),
        ([{**MENU, "name": f"c{number}"} for number in range(16)], 30032),
        ({"name": "ask"}, 50035),
    ],
)
async def test_commands_that_there_may_not_be_are_refused_and_change_nothing(
    world: Discord, rest: Rest, wrong: Any, code: int
) -> None:
    """Each with Discord's code."""
    await rest("PUT", WHERE, [MENU])
    status, answer, *_ = await rest("PUT", WHERE, wrong)
    assert (status, answer["code"]) == (400, code)
    assert [each["name"] for each in await world.commands()] == ["Look At It"]


async def test_so_many_commands_are_made_in_a_day(world: Discord, rest: Rest) -> None:
    """A command that is there already counts no more."""
    for turn in range(2):
        await rest("PUT", WHERE, [{**ASK, "name": f"c{turn}-{number}"} for number in range(100)])
    assert (await rest("PUT", WHERE, [{**ASK, "name": "c1-1"}]))[0] == 200
    assert (await rest("PUT", WHERE, [ASK]))[1]["code"] == 30034


async def test_an_entry_point_can_not_be_left_out(world: Discord, rest: Rest) -> None:
    """50240."""
    await rest("PUT", WHERE, [{"type": 4, "name": "launch", "description": "x", "handler": 2}])
    assert (await rest("PUT", WHERE, [ASK]))[1]["code"] == 50240


async def test_people_give_only_commands_that_are_there_with_values_that_fit(
    world: Discord, rest: Rest
) -> None:
    """A client lets them do nothing else."""
    await rest("PUT", WHERE, [{**ASK, "contexts": [0]}])
    for name, values in (("no", {}), ("ask", {}), ("ask", {"question": "x" * 11}), ("ask", {"other": "x"})):
        with pytest.raises((LookupError, ValueError)):
            await world.command(CHANNEL, ALICE, name, values)
    direct = await world.dm(ALICE)
    with pytest.raises(LookupError):
        await world.command(direct, ALICE, "ask", {"question": "x"})


async def test_a_command_is_an_interaction_that_is_answered_once(
    world: Discord, rest: Rest, connect: Connect
) -> None:
    """Type 4 writes a message that says whom it answers; a second callback is 40060, a late one 10062."""
    bot = await connect()
    await rest("PUT", WHERE, [ASK])
    given = asyncio.create_task(bot.wait_for("interaction", timeout=5))
    await asyncio.sleep(0)
    id_ = await world.command(CHANNEL, ALICE, "ask", {"question": "why?"})
    interaction: Any = await given
    assert interaction.data["options"] == [{"type": 3, "name": "question", "value": "why?"}]
    assert (str(interaction.id), interaction.type.value, interaction.user.id) == (id_, 2, 300)
    await interaction.response.send_message("shown")
    raw = await bot.hear("MESSAGE_CREATE", content="shown")
    assert (raw["type"], raw["interaction_metadata"]["user"]["id"]) == (20, ALICE)
    path = f"interactions/{id_}/{interaction.token}/callback"
    assert (await rest("POST", path, {"type": 4, "data": {"content": "x"}}))[1]["code"] == 40060
    await world.interactions(first_response=-1.0)
    late = await world.command(CHANNEL, ALICE, "ask", {"question": "why?"})
    token = world._interactions.tokens()[-1]
    path = f"interactions/{late}/{token}/callback"
    assert (await rest("POST", path, {"type": 4, "data": {"content": "x"}}))[1]["code"] == 10062


async def test_a_deferred_answer_is_filled_in_and_can_be_taken_back(
    world: Discord, rest: Rest, connect: Connect
) -> None:
    """One person sees it, and nobody hears of its end."""
    bot = await connect()
    await rest("PUT", WHERE, [ASK])
    given = asyncio.create_task(bot.wait_for("interaction", timeout=5))
    await asyncio.sleep(0)
    await world.command(CHANNEL, ALICE, "ask", {"question": "why?"})
    interaction: Any = await given
    await interaction.response.defer(ephemeral=True)
    await interaction.followup.send("so")  # right after a deferral it is the answer
    [seen] = await world.messages(CHANNEL)
    assert (seen["text"], seen["alone"], seen["deleted"]) == ("so", True, False)
    await interaction.edit_original_response(content="changed")
    await interaction.delete_original_response()
    [seen] = await world.messages(CHANNEL)
    assert (seen["text"], seen["deleted"]) == ("changed", True)


async def test_a_menus_message_comes_whole_without_the_content_intent(
    world: Discord, rest: Rest, connect: Connect
) -> None:
    """The message that it was opened on is among what is resolved; its modal is filled in once it is open."""
    await world.allow_content(on=False)
    bot = await connect(wanted(content=False))
    await rest("PUT", WHERE, [MENU])
    post = await world.say(CHANNEL, ALICE, "rain")
    given = asyncio.create_task(bot.wait_for("interaction", timeout=5))
    await asyncio.sleep(0)
    opened = await world.choose(CHANNEL, post, ALICE, "Look At It")
    interaction: Any = await given
    assert interaction.data["resolved"]["messages"][post]["content"] == "rain"
    with pytest.raises(LookupError):
        await world.submit(opened, {"q": "x"})
    path = f"interactions/{opened}/{interaction.token}/callback"
    field = {"type": 4, "custom_id": "q", "style": 1, "max_length": 5}
    modal = {"custom_id": "m", "title": "t", "components": [{"type": 18, "label": "l", "component": field}]}
    wrong: dict[str, Any]
    for wrong in ({"title": "x" * 46}, {"components": []}, {"custom_id": ""}, {"components": [field]}):
        body = {"type": 9, "data": {**modal, **wrong}}
        assert (await rest("POST", path, body))[1]["code"] == 50035
    assert (await rest("POST", path, {"type": 7, "data": {"content": "x"}}))[1]["code"] == 50035
    assert (await rest("POST", path, {"type": 9, "data": modal}))[0] == 204
    for value in ("", "x" * 6):
        with pytest.raises(ValueError, match="hold"):
            await world.submit(opened, {"q": value})
    given = asyncio.create_task(bot.wait_for("interaction", timeout=5))
    await asyncio.sleep(0)
    await world.submit(opened, {"q": "why?"})
    interaction = await given
    assert interaction.type.value == 5
    [label] = interaction.data["components"]
    assert (label["type"], label["component"]["value"]) == (18, "why?")


async def test_an_option_is_completed_by_the_bot(world: Discord, rest: Rest, connect: Connect) -> None:
    """Type 4 takes suggestions, and nothing else."""
    bot = await connect()
    completed = {**ASK, "options": [option(0, autocomplete=True)]}
    await rest("PUT", WHERE, [completed])
    with pytest.raises(LookupError):
        await world.suggest(CHANNEL, ALICE, "no", "o0", "a")
    id_ = await world.suggest(CHANNEL, ALICE, "ask", "o0", "a")
    told = await bot.hear("INTERACTION_CREATE")
    assert (told["type"], told["data"]["options"][0]["focused"]) == (4, True)
    path = f"interactions/{id_}/{told['token']}/callback"
    assert (await rest("POST", path, {"type": 4, "data": {"content": "x"}}))[1]["code"] == 50035
    assert (await rest("POST", path, {"type": 8, "data": {"choices": []}}))[0] == 204


async def test_who_takes_no_direct_messages_gets_none(world: Discord, rest: Rest) -> None:
    """50007."""
    direct = await world.dm(ALICE)
    await world.close_dms(ALICE)
    assert (await rest("POST", f"channels/{direct}/messages", {"content": "x"}))[1]["code"] == 50007
    await world.close_dms(ALICE, on=False)
    assert (await rest("POST", f"channels/{direct}/messages", {"content": "x"}))[0] == 200
