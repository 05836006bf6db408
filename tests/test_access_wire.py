"""The operator's rules, on the wire: who is answered, whatever a platform tells of people and places."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from adapters.discord.incoming.people import REMEMBERED, People
from adapters.discord.incoming.written import Written
from bot.config.rules import Who
from bot.guard.access import Access
from bot.platform import Place
from bot.run import supervise
from tests.contract import HOLD, World, until
from tests.worlds import DiscordWorld, SlackHttpWorld, SlackWorld


class Rules:
    """What the operator says, which a test changes.

    Attributes:
        who: Who may, by channel; "" for all others.
    """

    def __init__(self) -> None:
        self.who: dict[str, Who] = {"": Who()}

    def at(self, place: Place) -> Who:
        """Return who may in *place*: as its category, its parent, or itself says."""
        for key in (place.channel, place.parent, place.category):
            if key in self.who and key:
                return self.who[key]
        return self.who[""]

    def named(self) -> frozenset[str]:
        """Return all ids that are named."""
        return frozenset(id_ for who in self.who.values() for id_ in (*who.allow, *who.deny, *who.admins))


@pytest.fixture
def rules(monkeypatch) -> Rules:
    """What the core of the next world asks."""
    found = Rules()

    def made(admits: Any, **_more: Any) -> Access:
        return Access(admits, who=found.at, named=found.named)

    monkeypatch.setattr(supervise, "Access", made)
    return found


@pytest.fixture(params=[SlackWorld, SlackHttpWorld], ids=["sockets", "http"])
async def slack(request: pytest.FixtureRequest, rules: Rules) -> AsyncIterator[Any]:
    world = await request.param.open()
    await world.emulator.group("S1", "staff", ["U2"])
    await world.emulator.group("S2", "others", ["U1"])
    yield world
    await world.close()


@pytest.fixture
async def discord(rules: Rules) -> AsyncIterator[Any]:
    world = await DiscordWorld.open()
    assert isinstance(world, DiscordWorld)
    await world.emulator.hold("301", ["901", "902"])
    yield world
    await world.close()


async def answered(world: World, say: Callable[[], Awaitable[object]]) -> bool:
    """Tell whether the model is asked what somebody says."""
    before = len(world.model.requests)
    await say()
    await world.settled()

    async def ended() -> bool:
        return not world.core.running.lives and not world.core.running._errands

    await until(ended)
    return len(world.model.requests) > before


# Slack.


@pytest.mark.rule(1)
@pytest.mark.rule(3)
@pytest.mark.parametrize(
    ("who", "may"),
    [
        (Who(), "U1 U2"),
        (Who(guests=True), "U1 U2 UGUEST"),
        (Who(outsiders=True), "U1 U2 UEXT"),
        (Who(guests=True, outsiders=True), "U1 U2 UGUEST UEXT"),
        (Who(allow=("U1",)), "U1"),
        (Who(allow=("S1",)), "U2"),
        (Who(allow=("S1", "UGUEST")), "U2 UGUEST"),
        (Who(allow=("S9",)), ""),
        (Who(deny=("U1",)), "U2"),
        (Who(deny=("S1",)), "U1"),
        (Who(deny=("S1", "S2"), admins=("U1",)), "U1"),
        (Who(allow=("S1",), deny=("U2",)), ""),
        (Who(allow=("U2",), admins=("S2", "UEXT", "UROBOT")), "U1 U2 UEXT"),
        (Who(open=False, admins=("U1",)), ""),
    ],
)
async def test_slack_s_people_are_answered_in_a_channel_as_the_rules_say(slack, rules, who, may):
    rules.who[""] = who
    everybody = ("U1", "U2", "UGUEST", "UEXT", "UROBOT")
    found = [user for user in everybody if await answered(slack, partial(slack.say, "why?", user))]
    await slack.others_say("why?")
    await slack.settled()
    assert found == may.split()
    assert len(slack.model.requests) == len(found)


async def test_slack_s_direct_messages_are_on_or_off_and_channels_have_rules_of_their_own(slack, rules):
    rules.who = {"": Who(direct=False), "C2": Who(open=False), "C3": Who(allow=("U2",))}
    assert not await answered(slack, lambda: slack.dm("why?"))
    assert await answered(slack, lambda: slack.emulator.say("C1", "U1", "<@UBOT> why?"))
    assert not await answered(slack, lambda: slack.emulator.say("C2", "U1", "<@UBOT> why?"))
    assert not await answered(slack, lambda: slack.emulator.say("C3", "U1", "<@UBOT> why?"))
    assert await answered(slack, lambda: slack.emulator.say("C3", "U2", "<@UBOT> why?"))


async def test_who_is_taken_out_of_an_allowed_group_is_out_when_slack_is_asked_again(slack, rules):
    rules.who[""] = Who(allow=("S1",))
    assert await answered(slack, lambda: slack.say("why?", "U2"))
    await slack.emulator.group("S1", "staff", ["U1"])
    slack.platform._here.people.groups._members._known.clear()  # ten minutes later
    assert not await answered(slack, lambda: slack.say("why?", "U2"))
    assert await answered(slack, lambda: slack.say("why?", "U1"))


async def test_slack_is_asked_once_for_each_group_that_a_rule_names_and_for_no_other(slack, rules):
    await answered(slack, lambda: slack.say("why?"))
    assert await slack.calls_of("usergroups.users.list") == []
    rules.who[""] = Who(deny=("S1", "U9"))
    for user in ("U1", "U2", "U1", "UGUEST"):
        await answered(slack, partial(slack.say, "why?", user))
    assert len(await slack.calls_of("usergroups.users.list")) == 1


@pytest.mark.parametrize("who", [Who(deny=("S1",)), Who(allow=("S1",))])
async def test_while_slack_does_not_tell_who_is_in_a_group_nobody_new_is_answered(slack, rules, who):
    rules.who[""] = who
    await slack.emulator.redelivery(after=3.0, delays=(0.0, 0.1, 0.1, 0.1))
    await slack.emulator.fault("usergroups.users.list", times=2, error="missing_scope")
    question = await slack.say("why?", "U2" if who.allow else "U1")

    async def refused() -> bool:
        return len(await slack.calls_of("usergroups.users.list")) >= 2

    await until(refused)
    assert slack.model.requests == []
    assert (await slack.final(question))[0].text == "Yes."  # Slack has sent it again meanwhile


async def test_somebody_in_a_denied_group_stops_nothing(slack, rules):
    rules.who[""] = Who(deny=("S1",))
    question = await slack.ask("why?", "Because ", HOLD)
    answer = await slack.first(question, "Because")
    await slack.react(answer.id, "", "U2")
    await slack.settled()
    assert (await slack.first(question)).live
    await slack.react(answer.id, "", "U1")
    await slack.stopped(question)


# Discord.


@pytest.mark.rule(1)
@pytest.mark.rule(3)
@pytest.mark.parametrize(
    ("who", "may"),
    [
        (Who(), "300 301 1"),
        (Who(allow=("300",)), "300 1"),
        (Who(allow=("901",)), "301 1"),
        (Who(deny=("902",)), "300 1"),
        (Who(deny=("300", "1"), allow=("300", "901")), "301 1"),
        (Who(allow=("903",), admins=("902",)), "301 1"),
        (Who(open=False, admins=("902",)), ""),
    ],
)
async def test_discord_s_people_are_answered_in_a_channel_as_the_rules_say(discord, rules, who, may):
    rules.who[""] = who
    everybody = ("300", "301", "1")
    found = [user for user in everybody if await answered(discord, partial(discord.say, "why?", user))]
    await discord.others_say("why?")
    await discord.settled()
    assert found == may.split()
    assert len(discord.model.requests) == len(found)


async def test_discord_s_direct_messages_are_for_owners_and_for_who_is_named_until_they_are_off(
    discord, rules
):
    assert await answered(discord, lambda: discord.dm("why?"))
    assert not await answered(discord, lambda: discord.dm("why?", "300"))
    rules.who[""] = Who(allow=("300",))
    assert await answered(discord, lambda: discord.dm("why?", "300"))
    assert not await answered(discord, lambda: discord.dm("why?", "301"))
    rules.who[""] = Who(allow=("300",), direct=False)
    assert not await answered(discord, lambda: discord.dm("why?", "300"))
    assert not await answered(discord, lambda: discord.dm("why?"))


async def test_the_rules_of_a_channel_hold_in_its_threads_and_nobody_is_answered_in_another_server(
    discord, rules
):
    rules.who = {"": Who(), "200": Who(allow=("301",))}
    opened = await discord.emulator.say("200", "300", "hello")
    thread = await discord.emulator.open_thread("200", opened, "300", "a thread")
    assert not await answered(discord, lambda: discord.emulator.say(thread, "300", "<@999> why?"))
    assert await answered(discord, lambda: discord.emulator.say(thread, "301", "<@999> why?"))
    rules.who = {"": Who(allow=("300",))}
    foreign = await discord.emulator.guild("555")
    assert not await answered(discord, lambda: discord.emulator.say(foreign, "300", "<@999> why?"))


@pytest.mark.parametrize("who", [Who(allow=("301",)), Who(open=False, admins=("301",))])
async def test_the_rules_of_a_channel_hold_in_a_thread_that_the_gateway_has_not_told_of(discord, rules, who):
    rules.who = {"": Who(), "200": who}
    opened = await discord.emulator.say("200", "300", "hello")
    thread = await discord.emulator.open_thread("200", opened, "300", "a thread")
    await discord.settled()
    for guild in discord.platform._running.guilds:
        guild._threads.clear()
    assert discord.platform._running.get_channel(int(thread)) is None
    assert not await answered(discord, lambda: discord.emulator.say(thread, "300", "<@999> why?"))
    assert await answered(discord, lambda: discord.emulator.say(thread, "301", "<@999> why?")) == who.open
    asked = [
        each for each in await discord.emulator.events(kinds=["call"]) if each["path"] == f"channels/{thread}"
    ]
    assert len(asked) == 1


@pytest.mark.parametrize(("status", "code"), [(403, 50001), (500, 0)])
async def test_while_discord_does_not_tell_where_a_thread_is_nobody_is_answered_there(discord, status, code):
    opened = await discord.emulator.say("200", "300", "hello")
    thread = await discord.emulator.open_thread("200", opened, "300", "a thread")
    await discord.settled()
    for guild in discord.platform._running.guilds:
        guild._threads.clear()
    tries = 5  # of discord.py, where Discord is not well
    body = {"message": "x", "code": code}
    await discord.emulator.fault("GET channels", times=1 if code else tries, status=status, body=body)
    await discord.emulator.say(thread, "300", "<@999> why?")

    async def failed() -> bool:
        made = await discord.emulator.events(kinds=["call"])
        return [each["path"] for each in made].count(f"channels/{thread}") >= 1

    await until(failed)
    await discord.settled()
    assert discord.model.requests == []
    if code:
        assert await answered(discord, lambda: discord.emulator.say(thread, "300", "<@999> why?"))


async def test_a_role_that_is_taken_away_is_gone_with_the_next_message(discord, rules):
    rules.who[""] = Who(allow=("901",))
    assert await answered(discord, lambda: discord.say("why?", "301"))
    await discord.emulator.hold("301", [])
    assert not await answered(discord, lambda: discord.say("why?", "301"))


async def test_a_role_counts_for_reactions_presses_and_for_what_somebody_said_before(discord, rules):
    rules.who[""] = Who(allow=("901", "300"))
    first = await discord.ask("why?", "Because ", HOLD)
    answer = await discord.first(first, "Because")
    await discord.react(answer.id, "", "302")
    await discord.settled()
    assert (await discord.first(first)).live
    await discord.react(answer.id, "", "301")
    await discord.stopped(first)
    said = await discord.emulator.say("200", "301", "I know why", reply_to=answer.id.split("/")[1])
    other = await discord.emulator.say("200", "302", "me too", reply_to=said)
    discord.model.steps = ("Yes.",)
    await answered(discord, lambda: discord.emulator.say("200", "300", "<@999> so?", reply_to=other))
    read = "\n".join(turn.text for turn in discord.model.requests[-1].turns)
    assert "I know why" in read
    assert re.findall(r'by="(\S+)">\n(.*)\n</unverified-', read) == [("User302", "me too")]


def message(user: int, roles: object, guild: int = 100) -> Written:
    """Return a message as Discord tells it."""
    author = {"id": str(user), "username": "x"}
    raw = {"id": "5", "channel_id": "7", "author": author, "guild_id": str(guild), "member": {"roles": roles}}
    found = Written.of({key: value for key, value in raw.items() if key != "member" or roles is not None})
    assert found
    return found


@pytest.mark.parametrize("roles", [None, {}, "901", 901, [], [None, {}, "x", -1, True, "901x"]])
def test_no_shape_of_roles_gives_a_right(roles):
    assert People(named=lambda: ("901", "None", "x", "True", "0")).author(message(300, roles)).roles == ()


def test_the_roles_that_the_rules_name_are_told_and_remembered_for_a_server_alone():
    people = People(named=lambda: ("901", "902"))
    assert people.author(message(300, ["903", "902", "901"])).roles == ("901", "902")
    assert people.author(message(300, None)).roles == ("901", "902")
    assert people.author(message(300, None, guild=555)).roles == ()
    assert people.author(message(301, None)).roles == ()
    assert people.author(message(300, [])).roles == ()
    assert people.author(message(300, None)).roles == ()


def test_the_roles_of_so_many_members_are_remembered():
    people = People(named=lambda: ("901",))
    for user in range(1, REMEMBERED + 2):
        people.author(message(user, ["901"]))
    assert len(people._roles) == REMEMBERED
    assert people.author(message(1, None)).roles == ()
    assert people.author(message(2, None)).roles == ("901",)


async def test_admins_that_are_a_user_group_are_told(slack, rules):
    rules.who[""] = Who(admins=("S1",))
    slack.core.tell_admins("80 % are spent")

    async def told() -> bool:
        return "80 % are spent" in [each["text"] for each in await slack.emulator.channel_messages("DU2")]

    await until(told)
    assert await slack.emulator.channel_messages("DU1") == []


async def test_admins_that_are_a_role_are_told_once_the_bot_has_heard_of_them(discord, rules):
    rules.who[""] = Who(admins=("901",))
    for user in ("300", "301"):
        await answered(discord, partial(discord.say, "why?", user))
    discord.core.tell_admins("80 % are spent")
    direct = await discord.emulator.dm("301")

    async def told() -> bool:
        return "80 % are spent" in [each["content"] for each in await discord.emulator.messages(direct)]

    await until(told)
    assert await discord.emulator.messages(await discord.emulator.dm("300")) == []
