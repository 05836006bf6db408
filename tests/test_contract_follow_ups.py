"""Every platform with threads: what needs no mention there, what is said to others, and what waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

import bot.core.repair
from bot.config import Settings
from bot.core.core import Core
from bot.core.sayings import REPLACED
from bot.platform import Platform
from bot.run.places import Places
from bot.run.supervise import build
from tests.contract import HOLD, World, at, until
from tests.fakes import spoken
from tests.test_spend import ANN, HERE, NONE, spend, spending
from tests.worlds import DiscordWorld, SlackHttpWorld, SlackWorld, encoded


class SlackThreads(SlackWorld):
    """Slack, where every answer is in a thread."""

    #: What somebody calls who is not the bot.
    summons: Sequence[str] = ("<@U2>", "<@UROBOT>", "<!subteam^S1>", "<!here>", "<!channel>")
    #: What has no words of its own.
    wordless: Sequence[str] = ("👍", ":tada: :+1:", "?!", "<#C2>")
    #: What names the bot or others and calls nobody.
    namings: Sequence[str] = ("`<@U2>` is what?", "&gt; <@U2> said\nso why?", "what about <#C2>?")

    async def write(
        self, question: str, text: str, who: str = "", files: Mapping[str, bytes] | None = None
    ) -> str:
        """Let *who* (ann) write *text* in the thread of *question*, whatever it calls, with *files*."""
        channel, ts = at(question)
        root = (await self.emulator.message(channel, ts))["thread_ts"] or ts
        said = self.emulator.say(channel, who or self.ann, text, root, files=encoded(files or {}))
        return f"{channel}/{await said}"

    def called(self, text: str) -> str:
        return f"<@UBOT> {text}"

    async def robot(self, question: str, text: str) -> None:
        channel, ts = at(question)
        await self.emulator.post_as(channel, "UROBOT", text, thread_ts=ts)
        await self.emulator.post_as(channel, "UROBOT", text, thread_ts=ts, subtype="")

    async def stranger(self, question: str, text: str) -> None:
        for who in ("UGUEST", "UEXT"):
            await self.write(question, text, who)

    async def eyes(self, message: str) -> bool:
        return "UBOT" in (await self.emulator.message(*at(message)))["reactions"].get("eyes", ())


class SlackHttpThreads(SlackHttpWorld, SlackThreads):
    """The same over HTTP."""


class DiscordThreads(DiscordWorld):
    """Discord, where every answer is in a thread that the bot has opened for it."""

    summons: Sequence[str] = ("<@301>", "<@777>", "<@&102>", "@everyone", "@here")
    wordless: Sequence[str] = ("👍", "<:wave:5> <a:party:6>", "?!", "<#200>")
    namings: Sequence[str] = ("`<@301>` is what?", "> <@301> said\nso why?", "what about <#200>?")

    def load(self, **settings: str) -> Platform:
        return super().load(**{"RIVULET_DISCORD_REPLY": "thread", **settings})

    async def write(
        self,
        question: str,
        text: str,
        who: str = "",
        files: Mapping[str, bytes] | None = None,
        answering: str = "",
    ) -> str:
        """As above; *answering*: the message that it replies to."""
        place = self.place(question)
        said = self.emulator.say(place, who or self.ann, text, answering, files=encoded(files or {}))
        return f"{place}/{await said}"

    def place(self, question: str) -> str:
        channel, id_ = at(question)
        return id_ if channel == "200" else channel

    def called(self, text: str) -> str:
        return f"<@999> {text}"

    async def answers(self, question: str):
        channel, asked = at(question)
        if channel == "200":
            return await super().answers(question)
        return await self._chain(channel, asked)

    async def robot(self, question: str, text: str) -> None:
        await self.emulator.say(self.place(question), self.bots[0], text, bot=True)
        hooked = {"webhook_id": "888"}
        await self.emulator.say(self.place(question), "888", text, more=hooked)

    async def stranger(self, question: str, text: str) -> None:
        self.platform.admits = ()
        self.core._access._admits = frozenset()
        await self.write(question, text, self.bob)

    async def eyes(self, message: str) -> bool:
        reactions: dict[str, list[str]] = self.emulator._messages.find(*at(message)).reactions
        return "999" in reactions.get("👀", [])


class DiscordOwnThread(DiscordThreads):
    """Discord, in a thread that a person has opened, and that the bot is asked in."""

    thread = ""

    async def say(self, text: str, who: str = "") -> str:
        if not self.thread:
            first = await self.emulator.say("200", self.bob, "a plan")
            self.thread = await self.emulator.open_thread("200", first, self.bob, "plan")
        return f"{self.thread}/{await self.emulator.say(self.thread, who or self.ann, f'<@999> {text}')}"


KINDS: Sequence[type[World]] = (SlackThreads, SlackHttpThreads, DiscordThreads, DiscordOwnThread)


async def opened(kind: type[World], **settings: str) -> AsyncIterator[Any]:
    world = await kind.open(**settings)
    yield world
    await world.close()


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
async def world(request: pytest.FixtureRequest, monkeypatch) -> AsyncIterator[World]:
    monkeypatch.setattr(bot.core.repair, "LATE", 0.05)
    async for each in opened(request.param):
        yield each


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
async def strict(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async for each in opened(request.param, RIVULET_FOLLOW_UPS="mention"):
        yield each


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
async def hasty(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async for each in opened(request.param, RIVULET_WHEN_BUSY="replace"):
        yield each


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
async def poor(request: pytest.FixtureRequest, monkeypatch) -> AsyncIterator[Any]:
    async for each in unpaid(request.param, monkeypatch):
        yield each


async def unpaid(kind: type[World], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """A world whose cap is `money`'s, to be used up by a test."""
    money = spending(replace(NONE, day=0.01))

    def fresh(world: World) -> Core:
        settings = Settings.model_validate(world.settings)
        places = Places.alike(settings)
        places.spend = money
        return build(settings, [world.platform], world.model, world.store, places=places)

    monkeypatch.setattr(kind, "fresh_core", fresh)
    async for each in opened(kind):
        each.money = money
        yield each


async def whispered(world: Any, who: str) -> list[str]:
    """Return what *who* was told alone."""
    if isinstance(world, SlackThreads):
        told = await world.emulator.events(kinds=["ephemeral"])
        return [each["text"] for each in told if each["user"] == who]
    direct = await world.emulator.messages(await world.emulator.dm(who))
    return [each["content"].split("\n-# In ")[0] for each in direct]


async def nothing_more(world: World, count: int = 1) -> None:
    """The model was asked *count* times, and nothing was posted beside that."""
    await world.settled()
    assert len(world.model.requests) == count
    assert len(await world.calls("post")) == count


async def test_what_follows_in_the_thread_needs_no_mention_and_is_one_question(world):
    question = await world.ask("why?", "Because.")
    await world.final(question)
    second = await world.write(question, "and how?", world.bob)
    assert (await world.final(second))[0].text == "Because."
    assert [text for _, text in spoken(world.model.requests[1])][-3:] == ["why?", "Because.", "and how?"]
    third = await world.write(question, world.called("and when?"))
    assert (await world.final(third))[0].text == "Because."
    await world.redeliver()
    await nothing_more(world, 3)


async def test_what_calls_somebody_else_is_not_for_the_bot(world):
    question = await world.ask("why?")
    await world.final(question)
    for call in world.summons:
        await world.write(question, f"{call} what do you think?")
        await world.write(question, f"I ask you, {call}.")
    await nothing_more(world)


async def test_what_calls_the_bot_and_somebody_else_is_for_it(world):
    question = await world.ask("why?")
    await world.final(question)
    both = await world.write(question, world.called(f"what does {world.summons[0]} think?"))
    await world.final(both)
    await nothing_more(world, 2)


async def test_what_names_somebody_and_calls_nobody_is_a_question(world):
    question = await world.ask("why?")
    await world.final(question)
    for count, text in enumerate(world.namings, 2):
        await world.final(await world.write(question, text))
        await nothing_more(world, count)


async def test_what_has_no_words_is_no_question(world):
    question = await world.ask("why?")
    await world.final(question)
    for text in world.wordless:
        await world.write(question, text)
    await nothing_more(world)


@pytest.mark.parametrize("text", ["", "👍"])
async def test_a_file_without_a_word_is_a_question(world, text):
    question = await world.ask("why?", "Show me.")
    await world.final(question)
    dropped = await world.write(question, text, files={"log.txt": b"nothing but errors"})
    assert (await world.final(dropped))[0].text == "Show me."
    [asked] = [turn for turn in world.model.requests[1].turns if turn.files]
    assert asked.files[0].data == b"nothing but errors"
    await world.redeliver()
    await nothing_more(world, 2)


async def test_a_file_for_somebody_else_or_of_a_kind_that_nobody_reads_is_no_question(world):
    question = await world.ask("why?")
    await world.final(question)
    await world.write(question, world.summons[0], files={"log.txt": b"errors"})
    await world.write(question, "", files={"song.mp3": b"la", "film.mp4": b"la"})
    await nothing_more(world)


async def test_a_file_without_a_word_that_was_missed_is_found(world):
    question = await world.ask("why?")
    await world.final(question)
    await world.crash()
    missed = await world.write(question, "", files={"log.txt": b"errors"})
    await world.restart(remember=True)
    await world.final(missed)
    await nothing_more(world, 2)


async def test_neither_bots_nor_the_bot_itself_are_answered(world):
    question = await world.ask("why?")
    await world.final(question)
    await world.robot(question, "I am a bot, and you?")
    await nothing_more(world)


async def test_who_may_not_ask_is_met_with_silence(world):
    question = await world.ask("why?")
    await world.final(question)
    await world.stranger(question, "and me?")
    await nothing_more(world)


async def test_what_people_write_where_the_bot_was_not_asked_is_theirs(world):
    question = await world.ask("why?")
    await world.final(question)
    other = await world.chat("a word to all")
    if isinstance(world, SlackThreads):
        await world.write(other, "and one more")
    else:
        thread = await world.emulator.open_thread("200", at(other)[1], world.ann, "chat")
        await world.emulator.say(thread, world.bob, "and one more")
    await nothing_more(world)


async def test_who_goes_on_at_a_cap_is_told_it_alone_and_once_and_a_stranger_is_not(poor):
    question = await poor.ask("why?")
    await poor.final(question)
    await spend(poor.money, 0.01)
    said = poor.money.refusal(ANN, HERE)
    assert "The bot has used up its $0.01 for today, until 00:00 UTC" in said
    await poor.write(question, "and how?")

    async def told() -> bool:
        return bool(await whispered(poor, poor.ann))

    await until(told)
    await poor.write(question, "and when?")
    await poor.stranger(question, "and me?")
    await nothing_more(poor)
    assert await whispered(poor, poor.ann) == [said]
    for stranger in ("UGUEST", "UEXT") if isinstance(poor, SlackThreads) else (poor.bob,):
        assert await whispered(poor, stranger) == []


async def test_an_edit_makes_no_follow_up(world):
    question = await world.ask("why?")
    await world.final(question)
    said = await world.write(question, f"{world.summons[0]} so")
    await world.emulator.edit(*at(said), "so what?")
    await nothing_more(world)


async def test_stop_needs_no_mention(world):
    question = await world.ask("why?", "Because ", HOLD)
    await world.first(question, "Because")
    await world.write(question, "Stop")
    await world.stopped(question)
    await nothing_more(world)


async def test_a_follow_up_that_is_edited_before_the_first_word_is_asked_anew(world):
    question = await world.ask("why?")
    await world.final(question)
    world.model.steps = (HOLD, "Because.")
    second = await world.write(question, "and how?")
    await world.asked(2)
    await world.emulator.edit(*at(second), "and when?")
    assert (await world.asked(3)).turns[-1].text.endswith("and when?")
    world.model.go.set()
    assert (await world.final(second))[0].text == "Because."


async def test_a_follow_up_that_is_deleted_is_not_answered(world):
    question = await world.ask("why?")
    await world.final(question)
    world.model.steps = (HOLD, "Because.")
    second = await world.write(question, "and how?")
    await world.asked(2)
    await world.delete(second)
    await until(world.quiet)


async def test_what_waits_is_marked_until_its_turn_comes(world):
    question = await world.ask("why?", "Because ", HOLD, "of it.")
    await world.first(question, "Because")
    second = await world.write(question, "and how?")

    async def marked() -> bool:
        return bool(await world.eyes(second))

    async def unmarked() -> bool:
        return not await world.eyes(second)

    await until(marked)
    await nothing_more(world)
    world.model.go.set()
    await until(unmarked)
    assert (await world.final(second))[0].text == "Because of it."


async def test_more_than_one_that_waits_is_left_out_without_a_word(world):
    question = await world.ask("why?", "Because ", HOLD, "of it.")
    await world.first(question, "Because")
    second = await world.write(question, "and how?")
    await world.settled()
    await world.write(question, "and when?")
    await nothing_more(world)
    world.model.go.set()
    await world.final(second)
    await nothing_more(world, 2)


async def test_after_a_restart_the_bot_still_knows_its_threads(world):
    question = await world.ask("why?", "Because.")
    await world.final(question)
    await world.final(await world.write(question, "and how?"))
    await world.restart(remember=True)
    third = await world.write(question, "and when?")
    assert (await world.final(third))[0].text == "Because."
    await world.write(question, f"{world.summons[0]} so?")
    await nothing_more(world, 3)


async def test_a_follow_up_that_was_missed_is_found_and_what_came_before_the_question_is_not(world):
    question = await world.ask("why?", "Because.")
    await world.final(question)
    await world.write(question, f"{world.summons[0]} look")
    await world.final(await world.write(question, "and how?"))
    await world.crash()
    missed = await world.write(question, "and when?")
    await world.write(question, f"{world.summons[0]} so?")
    await world.write(question, world.wordless[0])
    await world.robot(question, "I am a bot")
    await world.restart(remember=True)
    assert (await world.final(missed))[0].text == "Because."
    await nothing_more(world, 3)


async def test_what_was_written_before_the_bot_was_asked_is_not_found_as_missed(world):
    first = await world.chat("a plan")
    if isinstance(world, SlackThreads):
        await world.write(first, "a word between people")
        question = await world.write(first, world.called("why?"))
    else:
        thread = await world.emulator.open_thread("200", at(first)[1], world.bob, "plan")
        await world.emulator.say(thread, world.bob, "a word between people")
        question = f"{thread}/{await world.emulator.say(thread, world.bob, world.called('why?'))}"
    await world.final(question)
    await world.restart(remember=True)
    await nothing_more(world)


async def test_where_the_operator_says_so_every_question_needs_a_mention(strict):
    question = await strict.ask("why?", "Because ", HOLD)
    await strict.first(question, "Because")
    await strict.write(question, "stop")
    await strict.write(question, "and how?")
    await nothing_more(strict)
    await strict.write(question, strict.called("stop"))
    await strict.stopped(question)


async def test_where_the_operator_says_so_a_newer_question_ends_the_running_answer(hasty):
    question = await hasty.ask("why?", "Because ", HOLD)
    await hasty.first(question, "Because")
    hasty.model.steps = ("Fine.",)
    second = await hasty.write(question, "and how?")
    assert (await hasty.final(second))[0].text == "Fine."

    async def ended() -> bool:
        seen = await hasty.first(question)
        return not seen.live and seen.note == REPLACED

    await until(ended)
    await nothing_more(hasty, 2)


# What only one platform has.


@pytest.fixture
async def discord() -> AsyncIterator[World]:
    async for each in opened(DiscordThreads):
        yield each


@pytest.fixture
async def slack() -> AsyncIterator[World]:
    async for each in opened(SlackThreads):
        yield each


async def test_on_discord_a_reply_to_somebody_else_is_theirs_and_one_to_the_bot_is_for_it(discord):
    question = await discord.ask("why?")
    [answer] = await discord.final(question)
    word = await discord.write(question, "<@300> a word", discord.bob)
    await discord.write(question, "I think so too", answering=at(word)[1])
    await discord.write(question, "me too", discord.bob, answering=at(word)[1])
    await nothing_more(discord)
    again = await discord.write(question, "and how?", answering=at(answer.id)[1])
    await discord.final(again)
    await nothing_more(discord, 2)


async def test_on_discord_a_thread_deep_in_a_chain_of_replies_is_known_after_a_restart(discord):
    first = await discord.ask("why?")
    await discord.final(first)
    second = await discord.emulator.say("200", discord.ann, "<@999> and how?", reply_to=at(first)[1])
    await discord.final(f"200/{second}")
    await discord.final(await discord.write(f"200/{second}", "and when?"))
    await discord.restart(remember=True)
    await discord.final(await discord.write(f"200/{second}", "and where?"))
    await nothing_more(discord, 4)


async def test_on_discord_a_post_that_begins_with_a_question_is_followed(discord):
    elsewhere = await discord.emulator.say("200", discord.ann, "elsewhere")
    thread = await discord.emulator.open_thread("200", elsewhere, discord.ann, "post")
    await discord.emulator.delete("200", elsewhere)  # as in a forum, the first message is in the thread
    await discord.final(f"{thread}/{await discord.emulator.say(thread, discord.ann, '<@999> why?')}")
    await discord.final(f"{thread}/{await discord.emulator.say(thread, discord.bob, 'and how?')}")
    await nothing_more(discord, 2)


async def test_on_discord_who_takes_no_direct_messages_reads_of_a_cap_in_the_thread_once(monkeypatch):
    async for world in unpaid(DiscordThreads, monkeypatch):
        question = await world.ask("why?")
        await world.final(question)
        await world.emulator.close_dms(world.ann)
        await spend(world.money, 0.01)
        first = await world.write(question, "and how?")
        assert [each.text for each in await world.final(first)] == [world.money.refusal(ANN, HERE)]
        await world.write(question, "and when?")
        await world.settled()
        assert len(world.model.requests) == 1
        assert len(await world.calls("post")) == 2


async def test_on_discord_a_message_in_the_channel_itself_needs_a_mention(discord):
    await discord.final(await discord.ask("why?"))
    await discord.chat("so there")
    await nothing_more(discord)


async def test_on_discord_without_the_content_of_messages_each_question_needs_a_mention(monkeypatch):
    monkeypatch.setattr(DiscordThreads, "load", lambda self: DiscordWorld.load(self, **NO_CONTENT))
    async for world in opened(DiscordThreads):
        question = await world.ask("why?")
        await world.final(question)
        await world.write(question, "and how?")
        await nothing_more(world)
        await world.final(await world.write(question, world.called("and when?")))
        assert any("each question needs one" in each.text for each in await world.platform.check())


NO_CONTENT = {"RIVULET_DISCORD_REPLY": "thread", "RIVULET_DISCORD_CONTENT": "false"}


async def test_on_slack_a_direct_message_may_name_others(slack):
    question = await slack.dm("what does <@U2> think?")
    assert (await slack.final(question))[0].text == "Yes."


async def test_on_slack_what_was_written_before_the_question_and_comes_after_it_is_no_follow_up(slack):
    root = await slack.chat("a plan")
    before = await slack.write(root, "a word between people")
    await slack.final(await slack.write(root, slack.called("why?")))
    await slack.emulator.again(*at(before))
    await nothing_more(slack)


async def test_on_slack_a_private_channel_is_followed_too(slack):
    question = f"G1/{await slack.emulator.say('G1', 'U1', '<@UBOT> why?')}"
    await slack.final(question)
    await slack.final(await slack.write(question, "and how?", slack.bob))
    await nothing_more(slack, 2)


async def test_on_slack_a_preview_that_unfolds_is_no_question(slack):
    question = await slack.ask("why?")
    await slack.final(question)
    channel, said = at(await slack.write(question, "<@U2> https://example.com"))
    kept = slack.emulator._workspace.get(channel, said)
    slack.emulator._workspace.change(kept, "unfurl", attachments=[{"text": "a page", "from_url": "x"}])
    await nothing_more(slack)


async def test_on_slack_without_the_events_only_mentions_are_heard_and_that_is_said(
    slack, monkeypatch, capsys
):
    monkeypatch.setattr("adapters.slack.incoming.subscribed.TOLD_TWICE", 0.05)
    await slack.emulator.scopes("app_mentions:read,chat:write,users:read,reactions:read")
    question = await slack.ask("why?")
    await slack.final(question)
    await slack.write(question, "and how?")
    await nothing_more(slack)
    await slack.final(await slack.write(question, slack.called("and when?")))

    async def said() -> bool:
        return "message.channels" in capsys.readouterr().out

    await until(said)
    found = [each.text for each in await slack.platform.check() if not each.ok]
    assert any("channels:history" in text and "without a mention" in text for text in found)
