"""Who may do what: every kind of person in every kind of place, by tables that were written by hand."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import pytest

from bot.config.rules import Who
from bot.guard.access import REFUSED, Access, Action
from bot.platform import Actor, Place

SLACK: Mapping[str, Actor] = {
    "member": Actor("U1", workspace="T1"),
    "another": Actor("U2", workspace="T1"),
    "grouped": Actor("U3", workspace="T1", roles=("S1",)),
    "guest": Actor("UG", workspace="T1", guest=True),
    "outsider": Actor("UX", workspace="T2"),
    "their guest": Actor("UY", workspace="T2", guest=True),
    "unknown": Actor("U?", guest=True),
    "robot": Actor("U9", workspace="T1", bot=True),
    "our robot": Actor("B7", workspace="T1"),  # one that RIVULET_SLACK_BOTS names comes like this
}
SLACK_PLACES: Mapping[str, Place] = {
    "channel": Place("C1", "T1", "T1", "slack"),
    "direct": Place("D1", "T1", "T1", "slack", direct=True),
    "elsewhere": Place("C2", "T2", "T1", "slack"),
    "nowhere": Place("C3", "", "T1", "slack"),
}
#: What the table of each setting says: "+" for everything, "-" for nothing, "s" for stops and nothing else.
#: Columns are the places above, in their order.
ON_SLACK: Mapping[str, tuple[Who, str]] = {
    "as it comes": (
        Who(),
        """
        member      + + - -
        another     + + - -
        grouped     + + - -
        guest       - - - -
        outsider    - - - -
        their guest - - - -
        unknown     - - - -
        robot       - - - -
        our robot   + + - -
        """,
    ),
    "guests": (
        Who(guests=True),
        """
        member      + + - -
        another     + + - -
        grouped     + + - -
        guest       + + - -
        outsider    - - - -
        their guest - - - -
        unknown     - - - -
        robot       - - - -
        our robot   + + - -
        """,
    ),
    "outsiders": (
        Who(outsiders=True),
        """
        member      + + - -
        another     + + - -
        grouped     + + - -
        guest       - - - -
        outsider    + + - -
        their guest + + - -
        unknown     - - - -
        robot       - - - -
        our robot   + + - -
        """,
    ),
    "guests and outsiders": (
        Who(guests=True, outsiders=True),
        """
        member      + + - -
        another     + + - -
        grouped     + + - -
        guest       + + - -
        outsider    + + - -
        their guest + + - -
        unknown     - - - -
        robot       - - - -
        our robot   + + - -
        """,
    ),
    "only one": (
        Who(allow=("U1",)),
        """
        member      + + - -
        another     - - - -
        grouped     - - - -
        guest       - - - -
        outsider    - - - -
        their guest - - - -
        unknown     - - - -
        robot       - - - -
        our robot   - - - -
        """,
    ),
    "only a group": (
        Who(allow=("S1",)),
        """
        member      - - - -
        another     - - - -
        grouped     + + - -
        guest       - - - -
        outsider    - - - -
        their guest - - - -
        unknown     - - - -
        robot       - - - -
        our robot   - - - -
        """,
    ),
    "a group, a guest and an outsider by their ids": (
        Who(allow=("S1", "UG", "UX")),
        """
        member      - - - -
        another     - - - -
        grouped     + + - -
        guest       + + - -
        outsider    + + - -
        their guest - - - -
        unknown     - - - -
        robot       - - - -
        our robot   - - - -
        """,
    ),
    "a robot that nobody named": (
        Who(allow=("U9", "B7"), admins=("U9",)),
        """
        member      - - - -
        another     - - - -
        grouped     - - - -
        guest       - - - -
        outsider    - - - -
        their guest - - - -
        unknown     - - - -
        robot       - - - -
        our robot   + + - -
        """,
    ),
    "not one": (
        Who(deny=("U1",)),
        """
        member      - - - -
        another     + + - -
        grouped     + + - -
        guest       - - - -
        outsider    - - - -
        their guest - - - -
        unknown     - - - -
        robot       - - - -
        our robot   + + - -
        """,
    ),
    "not a group": (
        Who(deny=("S1",), guests=True, outsiders=True),
        """
        member      + + - -
        another     + + - -
        grouped     - - - -
        guest       + + - -
        outsider    + + - -
        their guest + + - -
        unknown     - - - -
        robot       - - - -
        our robot   + + - -
        """,
    ),
    "denied and allowed": (
        Who(allow=("U1", "U2", "S1", "UG"), deny=("U2", "U3", "UG"), guests=True),
        """
        member      + + - -
        another     - - - -
        grouped     - - - -
        guest       - - - -
        outsider    - - - -
        their guest - - - -
        unknown     - - - -
        robot       - - - -
        our robot   - - - -
        """,
    ),
    "admins": (
        Who(allow=("U2",), deny=("U1", "S1", "UG"), admins=("U1", "S1", "UG", "UX")),
        """
        member      + + + +
        another     + + - -
        grouped     + + + +
        guest       + + + +
        outsider    + + + +
        their guest - - - -
        unknown     - - - -
        robot       - - - -
        our robot   - - - -
        """,
    ),
    "shut": (
        Who(open=False, admins=("U1",), allow=("U1", "U2")),
        """
        member      s s s s
        another     s s - -
        grouped     - - - -
        guest       - - - -
        outsider    - - - -
        their guest - - - -
        unknown     - - - -
        robot       - - - -
        our robot   - - - -
        """,
    ),
    "no direct messages": (
        Who(direct=False, admins=("U1",), guests=True),
        """
        member      + s + +
        another     + s - -
        grouped     + s - -
        guest       + s - -
        outsider    - - - -
        their guest - - - -
        unknown     - - - -
        robot       - - - -
        our robot   + s - -
        """,
    ),
}

DISCORD: Mapping[str, Actor] = {
    "member": Actor("300"),
    "another": Actor("301"),
    "with the role": Actor("302", roles=("900",)),
    "owner": Actor("1", owner=True),
    "robot": Actor("777", bot=True),
    "robot owner": Actor("2", bot=True, owner=True),
    "webhook": Actor("888", bot=True),
}
DISCORD_PLACES: Mapping[str, Place] = {
    "ours": Place("200", "100", platform="discord"),
    "a thread of ours": Place("201", "100", platform="discord", category="50", parent="200"),
    "foreign": Place("600", "555", platform="discord"),
    "direct": Place("400", platform="discord", direct=True),
}
ON_DISCORD: Mapping[str, tuple[Collection[str], Who, str]] = {
    "as it comes": (
        (),
        Who(),
        """
        member        - - - -
        another       - - - -
        with the role - - - -
        owner         + + + +
        robot         - - - -
        robot owner   - - - -
        webhook       - - - -
        """,
    ),
    "one server": (
        ("100",),
        Who(guests=True, outsiders=True),
        """
        member        + + - -
        another       + + - -
        with the role + + - -
        owner         + + + +
        robot         - - - -
        robot owner   - - - -
        webhook       - - - -
        """,
    ),
    "all servers": (
        ("*",),
        Who(),
        """
        member        + + + +
        another       + + + +
        with the role + + + +
        owner         + + + +
        robot         - - - -
        robot owner   - - - -
        webhook       - - - -
        """,
    ),
    "only a role": (
        ("100",),
        Who(allow=("900",)),
        """
        member        - - - -
        another       - - - -
        with the role + + - -
        owner         + + + +
        robot         - - - -
        robot owner   - - - -
        webhook       - - - -
        """,
    ),
    "one by their id, who may write directly too": (
        ("100",),
        Who(allow=("300", "900")),
        """
        member        + + - +
        another       - - - -
        with the role + + - -
        owner         + + + +
        robot         - - - -
        robot owner   - - - -
        webhook       - - - -
        """,
    ),
    "not a role": (
        ("*",),
        Who(deny=("900", "1", "777")),
        """
        member        + + + +
        another       + + + +
        with the role - - - -
        owner         + + + +
        robot         - - - -
        robot owner   - - - -
        webhook       - - - -
        """,
    ),
    "admins by role": (
        ("100",),
        Who(admins=("900",), allow=("301",), deny=("302",)),
        """
        member        - - - -
        another       + + - +
        with the role + + + +
        owner         + + + +
        robot         - - - -
        robot owner   - - - -
        webhook       - - - -
        """,
    ),
    "no direct messages": (
        ("*",),
        Who(direct=False),
        """
        member        + + + s
        another       + + + s
        with the role + + + s
        owner         + + + s
        robot         - - - -
        robot owner   - - - -
        webhook       - - - -
        """,
    ),
    "shut": (
        ("100",),
        Who(open=False),
        """
        member        s s - -
        another       s s - -
        with the role s s - -
        owner         s s s s
        robot         - - - -
        robot owner   - - - -
        webhook       - - - -
        """,
    ),
}


def table(text: str, actors: Collection[str], places: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the cells of a table, each with its actor and its place; every actor must have a row."""
    rows = [line.rsplit(None, len(places)) for line in text.strip().splitlines()]
    assert [row[0].strip() for row in rows] == [*actors]
    for name, *cells in rows:
        for place, cell in zip(places, cells, strict=True):
            assert cell in {"+", "-", "s"}
            yield name.strip(), place, cell


async def wrong(
    access: Access, text: str, actors: Mapping[str, Actor], places: Mapping[str, Place]
) -> list[str]:
    """Return where *access* says something else than the table."""
    found = []
    for name, where, cell in table(text, actors, places):
        for action in Action:
            expected = cell == "+" or (cell == "s" and action is Action.STOP)
            if await access.authorize(actors[name], places[where], action) is not expected:
                found.append(f"{name} in {where}: {action.value} should be {expected}")
    return found


@pytest.mark.parametrize("setting", ON_SLACK)
@pytest.mark.rule(1)
@pytest.mark.rule(2)
async def test_everybody_may_do_on_slack_what_the_table_says(setting):
    who, text = ON_SLACK[setting]
    for admits in ((), ("*",), ("T2",)):  # a home workspace is all that counts
        assert await wrong(Access(admits, who=lambda _: who), text, SLACK, SLACK_PLACES) == []


@pytest.mark.parametrize("setting", ON_DISCORD)
@pytest.mark.rule(1)
@pytest.mark.rule(2)
async def test_everybody_may_do_on_discord_what_the_table_says(setting):
    admits, who, text = ON_DISCORD[setting]
    assert await wrong(Access(admits, who=lambda _: who), text, DISCORD, DISCORD_PLACES) == []


async def test_what_holds_in_a_place_holds_there_alone():
    here, there = SLACK_PLACES["channel"], Place("C9", "T1", "T1", "slack")
    access = Access(who=lambda place: Who(allow=("U2",)) if place is there else Who())
    assert await access.authorize(SLACK["member"], here, Action.ASK)
    assert not await access.authorize(SLACK["member"], there, Action.ASK)
    assert await access.authorize(SLACK["another"], there, Action.ASK)


async def test_a_rule_that_changes_holds_for_the_next_thing_that_somebody_does():
    rules = {"": Who()}
    access, member, here = Access(who=lambda _: rules[""]), SLACK["member"], SLACK_PLACES["channel"]
    assert await access.authorize(member, here, Action.TOOL)
    rules[""] = Who(deny=("U1",))
    assert not await access.authorize(member, here, Action.TOOL)


@pytest.mark.parametrize("name", ["U1", "S1", "ann", ""])
@pytest.mark.rule(3)
async def test_names_give_no_rights_and_an_id_that_is_empty_names_nobody(name):
    mallory = Actor("UM", name, workspace="T2")
    access = Access(who=lambda _: Who(allow=("U1", "S1"), admins=("U1", "S1")))
    assert not await access.authorize(mallory, SLACK_PLACES["channel"], Action.ASK)


@pytest.mark.parametrize(
    ("stop", "may"),
    [
        ("anyone", {"asker", "other", "admin", "owner"}),
        ("asker", {"asker", "owner"}),
        ("asker_and_admins", {"asker", "admin", "owner"}),
    ],
)
@pytest.mark.rule(5)
def test_who_may_stop_an_answer_is_what_holds_where_it_is_given(stop, may):
    here, there = SLACK_PLACES["channel"], SLACK_PLACES["direct"]
    admins = ("U3", "S1")
    access = Access(who=lambda place: Who(admins=admins, stop=stop if place is here else "anyone"))
    asker = Actor("U1", workspace="T1")
    people = {
        "asker": Actor("U1", "renamed", workspace="T1"),
        "other": Actor("U2", "U1", workspace="T1"),
        "admin": Actor("U4", workspace="T1", roles=("S1",)),
        "owner": Actor("U5", workspace="T1", owner=True),
    }
    assert {name for name, each in people.items() if access.may_stop(each, asker, here)} == may
    assert all(access.may_stop(each, asker, there) for each in people.values())


@pytest.mark.rule(5)
@pytest.mark.rule(15)
def test_a_tool_s_call_is_allowed_by_its_asker_and_by_admins():
    access = Access(who=lambda _: Who(admins=("U3",)))
    here, asker = SLACK_PLACES["channel"], Actor("U1")
    allowed = [id_ for id_ in ("U1", "U2", "U3") if access.may_allow(Actor(id_), asker, here)]
    assert allowed == ["U1", "U3"]
    assert access.may_allow(Actor("U4", owner=True), asker, here)
    assert not access.may_allow(Actor("U3", bot=True), asker, here)


def test_a_refusal_says_whom_to_ask_and_why_where_that_is_the_place():
    here, direct = SLACK_PLACES["channel"], SLACK_PLACES["direct"]
    assert (
        Access().refusal(here)
        == REFUSED
        == "You may not use me here. Ask whoever runs this bot to let you in."
    )
    ann = Access(who=lambda _: Who(contact="@ann", direct=False))
    assert ann.refusal(here) == "You may not use me here. Ask @ann to let you in."
    assert ann.refusal(direct) == "I don't answer direct messages. Ask @ann where I answer."
    shut = Access(who=lambda _: Who(contact="@ann", open=False))
    assert (
        shut.refusal(here) == shut.refusal(direct) == "I don't answer in this channel. Ask @ann where I do."
    )
