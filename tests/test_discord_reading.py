"""Discord: what a message says, and whether it is for the bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.discord.incoming.markup import Names, calls, named
from adapters.discord.incoming.reading import files, says
from bot.config.rules import Who
from bot.platform import Actor, Outcome, Platform
from tests.contract import HOLD, until
from tests.fakes import spoken
from tests.worlds import DiscordWorld

NAMES = Names(me=999, my_role=101, channel={200: "general"}.get, role={7: "crew"}.get, users={999: "rivulet"})  # type: ignore[arg-type]

SNAPSHOT = {
    "type": 0,
    "content": "AC in the server room failed, says <@300>",
    "mentions": [{"id": "300", "username": "alice"}],
    "embeds": [{"type": "rich", "title": "Alert", "fields": [{"name": "Room", "value": "B2"}]}],
    "attachments": [{"id": "1", "filename": "log.txt", "size": 5}],
}
FORWARD = {
    "message_reference": {"type": 1, "channel_id": "200", "message_id": "12345", "guild_id": "100"},
    "message_snapshots": [{"message": SNAPSHOT}],
}
POLL = {
    "question": {"text": "Lunch?"},
    "answers": [
        {"answer_id": 1, "poll_media": {"text": "Pizza"}},
        {"answer_id": 2, "poll_media": {"emoji": {"name": "🥗"}}},
    ],
    "results": {"answer_counts": [{"id": 1, "count": 3}]},
    "expiry": None,
}


@pytest.fixture
async def world() -> AsyncIterator[DiscordWorld]:
    world = await DiscordWorld.open()
    assert isinstance(world, DiscordWorld)
    yield world
    await world.close()


# What it says.


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "hi <@300>", "mentions": [{"id": "300", "global_name": "Al"}]}, "hi @Al"),
        ({"content": "<@300>", "mentions": [{"id": "300", "member": {"nick": "Ally"}}]}, "@Ally"),
        ({"content": "<@!301> in <#200>, <#201>"}, "@unknown-user in #general, #unknown"),
        ({"content": "<@&7> and <@&8>"}, "@crew and @unknown-role"),
        ({"content": "<:tada:123> <a:dance:124>"}, ":tada: :dance:"),
        ({"content": "at <t:1700000000:R>"}, "at 2023-11-14 22:13 UTC"),
        ({"content": "use </ask me:5> or <id:guide>"}, "use /ask me or #guide"),
        ({"content": "<t:99999999999999:R>"}, "<t:99999999999999:R>"),
        ({"content": "<@999> run `<@999>`"}, "run `<@999>`"),
        ({"content": "<@999> why\n> <@999> said so"}, "why\n> @rivulet said so"),
        ({"embeds": [{"title": "Build", "url": "https://ci", "description": "oh"}]}, "Build (https://ci)\noh"),
        ({"embeds": [{"type": "link", "title": "A page"}]}, "> A page"),
        ({"embeds": [{"author": {"name": "CI"}, "footer": {"text": "today"}}]}, "CI\ntoday"),
        ({"embeds": [{"fields": [{"name": "a", "value": "b"}, {"value": "c"}]}]}, "a: b\nc"),
        ({"embeds": [{"type": "rich", "image": {"url": "https://x"}}]}, "(A picture, not seen)"),
        ({"poll": POLL}, "Poll: Lunch?\n- Pizza (3 votes)\n- 🥗"),
        ({"sticker_items": [{"id": "1", "name": "Wave"}]}, "(Sticker: Wave)"),
        ({"attachments": [{"filename": "a.pdf"}]}, ""),
        ({"interaction_metadata": {"name": "sky"}, "content": "rain"}, "rain\n(Answers the command /sky)"),
        (
            {"components": [{"type": 17, "components": [{"type": 10, "content": "All is well"}]}]},
            "All is well",
        ),
        (
            {"components": [{"components": [{"content": "a"}], "accessory": {"label": "Open"}}]},
            "a\n[Open]",
        ),
        ({"components": [{"type": 12, "items": [{"description": "A cat"}]}]}, "A cat"),
        ({"components": [{"file": {"url": "x"}, "name": "b.zip"}]}, "(Attached, and not read: b.zip)"),
        ({"components": [{"type": 1, "components": [{"label": "Stop", "custom_id": "rivulet:stop"}]}]}, ""),
        (
            FORWARD,
            "> Forwarded:\n> AC in the server room failed, says @alice\n> Alert\n> Room: B2",
        ),
    ],
)  # fmt: skip
def test_a_message_says_all_that_people_see_of_it(message, text):
    assert says(message, NAMES) == text


def test_files_of_a_message_and_of_what_it_forwards_are_known_by_name():
    message = {**FORWARD, "attachments": [{"filename": "a.pdf"}]}
    assert [file.name for file in files(message)] == ["a.pdf", "log.txt"]


@pytest.mark.parametrize(
    ("attachment", "name"),
    [
        ({"filename": "x_y.pdf", "title": "x y.pdf"}, "x y.pdf"),
        ({"filename": "voice-message.ogg", "duration_secs": 12.3}, "a voice message of 12 s"),
    ],
)
def test_a_file_has_the_name_that_people_see(attachment, name):
    [file] = files({"flags": 1 << 13, "attachments": [attachment]})
    assert file.name == name


def test_a_file_is_fetched_by_its_message_and_its_address():
    message = {
        "id": "7",
        "channel_id": "8",
        "attachments": [{"id": "9", "url": "https://x/a b", "size": 3}, {}],
    }
    assert [file.key for file in files(message)] == ["8 7 9 https://x/a b", ""]


@pytest.mark.parametrize("junk", [None, 5, "x", [], {}, [None], [[]], [{"x": 1}], {"id": []}])
@pytest.mark.parametrize(
    "field",
    ["content", "embeds", "poll", "components", "attachments", "message_snapshots", "mentions", "flags"],
)  # fmt: skip
def test_a_field_of_any_shape_leaves_the_others_readable(field, junk):
    message = {"content": "still", "embeds": [{"title": "here"}], field: junk}
    assert "still" in says(message, NAMES) or "here" in says(message, NAMES)


def test_a_message_of_any_size_is_read_in_part():
    piece = {"title": "x" * 5_000, "description": "`<@999> " * 5_000}
    assert len(says({"content": "`" * 200_000, "embeds": [piece] * 500}, NAMES)) < 31_000


# Is it for the bot?


@pytest.mark.parametrize(
    ("text", "for_it"),
    [
        ("<@999> hi", True),
        ("hi <@!999>", True),
        ("||<@999>|| **<@&101>**", True),
        ("`<@999>`", False),
        ("``a ` <@999>``", False),
        ("```\n<@999>\n```", False),
        ("```py\n<@999>``` <@999>", True),
        ("> <@999> said", False),
        ("> x\n<@999> is it so?", True),
        (">>> x\n<@999>", False),
        ("`x\n<@999>", True),
        ("a > <@999>", True),
        ("\\<@999>", False),
        ("<@9990>", False),
        ("<@300>", False),
    ],
)
def test_a_mention_in_code_or_in_a_quote_is_none(text, for_it):
    assert calls(text, NAMES) is for_it


def test_what_is_in_code_is_not_changed():
    text = "```\n<@300> <#200> <t:1:R>\n```\n`<:a:1>`"
    assert named(text, NAMES, calls=True) == text


async def silent(world: DiscordWorld) -> bool:
    """Tell whether the model was asked nothing for a moment."""
    await asyncio.sleep(0.3)
    return not world.model.requests


async def read(world: DiscordWorld, count: int = 1) -> str:
    """Return what the model read in its last question, once it was asked *count* times."""

    async def asked() -> bool:
        return len(world.model.requests) >= count

    await until(asked)
    return "\n".join(text for _, text in spoken(world.model.requests[-1]))


async def test_a_mention_in_a_code_block_asks_nothing(world):
    await world.emulator.say("200", "300", "log:\n```\n<@999> connected\n```")
    assert await silent(world)


async def test_a_forward_in_a_direct_message_is_a_question(world):
    direct = await world.emulator.dm("1")
    await world.emulator.say(direct, "1", "", more=FORWARD)
    assert "server room" in await read(world)


async def test_a_forward_with_a_mention_is_a_question(world):
    await world.emulator.say("200", "300", "<@999>", more=FORWARD)
    assert "server room" in await read(world)


async def test_a_forward_is_read_with_the_comment_that_its_sender_writes_below(world):
    other = {**FORWARD, "message_snapshots": [{"message": {"content": "nothing to do with it"}}]}
    await world.emulator.say("200", "301", "", more=other)
    await world.emulator.say("200", "300", "", more=FORWARD)
    await world.emulator.say("200", "300", "<@999> what now?")
    text = await read(world)
    assert "server room" in text
    assert "nothing to do with it" not in text


async def test_a_forward_of_a_mention_is_none(world):
    snapshot = {**SNAPSHOT, "content": "<@999> help", "mentions": [world.emulator._world.users["999"]]}
    await world.emulator.say("200", "300", "", more={**FORWARD, "message_snapshots": [{"message": snapshot}]})
    assert await silent(world)


@pytest.mark.parametrize("ping", [True, False])
async def test_a_reply_to_the_bots_message_is_a_question_with_and_without_a_ping(world, ping):
    question = await world.ask("why?", "Because.")
    [answer] = await world.final(question)
    more: dict[str, list[str]] = {} if ping else {"mentions": []}
    await world.emulator.say("200", "301", "and then?", answer.id.split("/")[1], more=more)
    assert "and then?" in await read(world, 2)


async def test_a_sticker_in_reply_to_the_bot_is_read(world):
    question = await world.ask("why?", "Because.")
    [answer] = await world.final(question)
    more = {"sticker_items": [{"id": "5", "name": "Confused"}]}
    await world.emulator.say("200", "301", "", answer.id.split("/")[1], more=more)
    assert "(Sticker: Confused)" in await read(world, 2)


async def test_a_reply_to_a_poll_without_an_expiry_reads_it(world):
    poll = await world.emulator.say("200", "301", "", more={"poll": POLL})
    await world.emulator.say("200", "300", "<@999> who wins?", poll)
    assert "Pizza (3 votes)" in await read(world)


async def test_a_reply_to_the_bot_that_is_nothing_but_a_file_is_a_question(world):
    [answer] = await world.final(await world.ask("why?", "Because."))
    await world.emulator.say("200", "300", "", reply_to=answer.id.split("/")[1], files={"plan.txt": "eA=="})
    request = await world.asked(2)
    assert request.turns[-1].text == "(Attached: plan.txt)"


async def test_a_mention_that_an_edit_adds_is_a_question(world):
    asked = await world.emulator.say("200", "300", "what is a monad?")
    await world.emulator.edit("200", asked, "<@999> what is a monad?")
    assert "what is a monad?" in await read(world)


async def test_an_edit_of_an_answered_question_asks_nothing_more(world):
    question = await world.ask("why?", "Because.")
    await world.final(question)
    await world.edit(question, "why not?")
    await asyncio.sleep(0.3)
    assert len(world.model.requests) == 1


async def test_an_edit_of_an_old_message_makes_no_question_of_it(world):
    old = str((1 << 22) * 1000)
    told = {
        "id": old,
        "channel_id": "200",
        "guild_id": "100",
        "type": 0,
        "content": "<@999> hi",
        "mentions": [],
    }
    told |= {"author": world.emulator._world.users["300"], "edited_timestamp": "2026-01-01T00:00:00+00:00"}
    world.emulator._gateway.publish("MESSAGE_UPDATE", told, "100")
    assert await silent(world)


async def test_a_question_edited_to_stop_stops(world):
    world.model.steps = ("Because ", HOLD)
    question = await world.say("why?")
    await world.first(question, "Beca")
    await world.edit(question, "stop")
    [seen] = await world.final(question)
    assert not seen.live


# What is none of the bot's.


async def test_reactions_edits_and_deletions_of_others_messages_cost_the_core_nothing(world, monkeypatch):
    taken: list[object] = []

    async def take(event: object) -> Outcome:
        taken.append(event)
        return Outcome.UNKNOWN

    monkeypatch.setattr(world.core, "stop", take)
    monkeypatch.setattr(world.core, "edited", take)
    monkeypatch.setattr(world.core, "mention", take)
    old = {"message_id": str((1 << 22) * 1000), "channel_id": "200", "guild_id": "100"}
    edit = {"id": old["message_id"], **old, "content": "x", "mentions": [], "edited_timestamp": "2026-01-01"}
    before = len(await world.emulator.events(kinds=["call"]))
    for number in range(1000):
        hand = {**old, "user_id": str(5000 + number), "emoji": {"id": None, "name": "✋"}}
        world.emulator._gateway.publish("MESSAGE_REACTION_ADD", hand, "100")
        author = {"id": str(5000 + number), "username": "x"}
        world.emulator._gateway.publish("MESSAGE_UPDATE", {**edit, "author": author}, "100")
    await world.settled()
    assert taken == []
    assert len(await world.emulator.events(kinds=["call"])) == before


async def test_who_may_not_press_is_told_so_once_an_hour(world):
    world.model.steps = ("Because ", HOLD)
    question = await world.say("why?")
    answer = await world.first(question, "Beca")
    world.core._access._who = lambda _place: Who(stop="asker")
    for _ in range(3):
        await world.press(answer.id, world.bob)

    async def answered() -> bool:
        return len(await world.emulator.events(kinds=["callback"])) == 3

    await until(answered)
    kinds = [each["type"] for each in await world.emulator.events(kinds=["callback"])]
    assert sorted(kinds) == [4, 6, 6]


# Bots.


async def test_a_question_deleted_before_a_word_was_shown_leaves_nothing(world):
    world.model.steps = (HOLD, "There.")
    question = await world.say("text to proxy")
    await world.first(question, "")
    await world.delete(question)

    async def gone() -> bool:
        return all(each["deleted"] for each in await world.emulator.messages("200") if each["user"] == "999")

    await until(gone)


async def test_a_question_deleted_after_a_word_was_shown_keeps_it(world):
    world.model.steps = ("Because ", HOLD)
    question = await world.say("why?")
    await world.first(question, "Beca")
    await world.delete(question)

    async def ended() -> bool:
        found = [each for each in await world.emulator.messages("200") if each["user"] == "999"]
        return len(found) == 1 and not found[0]["live"] and not found[0]["deleted"]

    await until(ended)


class BotsWorld(DiscordWorld):
    """A PluralKit, and another bot, may ask."""

    def load(self, **settings: str) -> Platform:
        return super().load(RIVULET_DISCORD_BOTS="466378653216014359,777", **settings)


HOOK = {"webhook_id": "888", "application_id": "466378653216014359"}


@pytest.fixture
async def proxied() -> AsyncIterator[DiscordWorld]:
    world = await BotsWorld.open()
    assert isinstance(world, DiscordWorld)
    yield world
    await world.close()


async def test_a_webhook_of_an_application_that_is_named_is_answered(proxied):
    proxied.model.steps = ("Yes.",)
    asked = await proxied.emulator.say("200", "888", "<@999> text to proxy", more=HOOK)
    [seen] = await proxied.final(f"200/{asked}")
    assert seen.text == "Yes."


async def test_a_webhook_is_not_answered_unless_it_is_named(world):
    await world.emulator.say("200", "888", "<@999> text to proxy", more=HOOK)
    assert await silent(world)


async def test_a_bot_that_may_ask_is_answered_three_times_and_no_more(proxied):
    for number in range(6):
        await proxied.emulator.say("200", "777", f"<@999> {number}?", bot=True)
    await proxied.asked()
    await asyncio.sleep(0.5)
    assert len(proxied.model.requests) <= 3


async def test_a_bot_that_replies_to_an_answer_without_a_mention_is_not_answered(proxied):
    proxied.model.steps = ("Yes.",)
    asked = await proxied.emulator.say("200", "777", "<@999> well?", bot=True)
    [seen] = await proxied.final(f"200/{asked}")
    await proxied.emulator.say("200", "777", "thanks", seen.id.split("/")[1], bot=True)
    await asyncio.sleep(0.3)
    assert len(proxied.model.requests) == 1


# What was said before, and by whom.


async def chained(world, lines):
    root = await world.emulator.say("200", "300", "the root")
    last = await world.talk(f"200/{root}", [f"line {number}" for number in range(lines)])
    await world.emulator.say("200", "300", "<@999> so?", last.split("/")[1])


async def test_a_long_chain_keeps_its_root_and_says_that_some_is_left_out(world):
    world.model.steps = ("x", HOLD)
    await chained(world, 60)
    await read(world)
    said = await (await world.still())._surface.history(40)
    assert [each.text for each in said] == ["the root", *(f"line {number}" for number in range(21, 60))]
    assert [each.skipped for each in said].index(True) == 1
    world.model.go.set()


async def test_a_chain_of_more_than_a_page_is_read_whole(world):
    await chained(world, 120)
    text = await read(world)
    assert text.startswith("the root")
    assert "left out" not in text
    assert all(f"line {number}" in text for number in range(120))


async def test_a_long_post_in_a_forum_keeps_its_first_message(world):
    thread = await world.emulator.open_thread(
        "200", await world.emulator.say("200", "300", "elsewhere"), "300", "post"
    )
    await world.emulator.delete("200", thread)
    first = await world.emulator.say(thread, "300", "the first message")
    for number in range(250):
        await world.emulator.say(thread, ("301", "300")[number % 2], f"line {number}")
    await world.emulator.say(thread, "300", "<@999> so?")
    text = await read(world)
    assert first
    assert text.startswith("the first message")
    assert "left out" in text
    assert "line 249" in text


async def test_a_threads_newest_messages_and_what_it_began_with_are_asked_for_at_once(world):
    began = await world.emulator.say("200", "300", "the beginning")
    thread = await world.emulator.open_thread("200", began, "300", "talk")
    await world.emulator.say(thread, "301", "and more")
    await world.emulator.latency("*", 1.0)
    await world.emulator.say(thread, "300", "<@999> so?")
    assert "the beginning" in await read(world)
    calls = [each for each in await world.emulator.events(kinds=["call"]) if each["method"] == "GET"]
    newest, first = (
        each["t"] for each in calls if each["path"].endswith((f"{thread}/messages", f"messages/{began}"))
    )
    assert abs(first - newest) < 1.0


async def test_who_said_it_is_known_by_id_and_bots_as_bots(world):
    first = await world.emulator.say("200", "777", "I am a bot", bot=True)
    second = await world.emulator.say("200", "301", "I am not", first)
    asked = await world.emulator.say("200", "300", "<@999> who?", second)
    world.model.steps = ("x", HOLD)
    await read(world)
    surface = (await world.still())._surface
    said = await surface.history(40)
    assert [each.actor for each in said] == [Actor("777", "robot", bot=True), Actor("301", "Bob")]
    assert asked
    world.model.go.set()
