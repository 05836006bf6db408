"""config.toml: what holds where, on which line a fault is, what is a fault, and what holds after a change."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import asdict, fields, replace
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import adapters
from bot.config import Settings, rules, scope
from bot.config.faults import Faulty
from bot.config.file import Known, read
from bot.config.lines import line_at, lines_of
from bot.config.rules import Caps, Rulebook, Rules, Written, from_environment
from bot.config.schema import schema_of
from bot.config.scope import CapKeys, Keys, PriceKeys, Scope, WhoKeys
from bot.config.settings import explain
from bot.platform import Place
from bot.unavailable import Unavailable

BASE = Rules("claude-sonnet-5-5")
KNOWN = Known(
    adapters.tables(),
    ("dates", "search", "files", "notes", "web_fetch"),
    ("rooms", "boats"),
    ("claude-sonnet-5-5", "claude-haiku-5-5"),
    lambda model: model in {"claude-sonnet-5-5", "claude-haiku-5-5"},
    secrets=("a-secret-without-a-shape",),
)


@pytest.fixture
def wrote(tmp_path):
    """Write a file and read it."""

    def written(text: str | bytes, known: Known = KNOWN, base: Rules = BASE) -> Written:
        path = tmp_path / "config.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read(path, base, known)

    return written


@pytest.fixture
def faults(wrote, tmp_path):
    """Write a file that is wrong, and return what is said of it, without its path."""

    def found(text: str | bytes, known: Known = KNOWN) -> list[str]:
        with pytest.raises(Unavailable) as caught:
            wrote(text, known)
        name = str(tmp_path / "config.toml")
        assert all(line.startswith(name) for line in str(caught.value).splitlines())
        return [line.removeprefix(name).lstrip(", ") for line in str(caught.value).splitlines()]

    return found


#: One of each level says who it is, in `system`; and what lists do.
LEVELS = """
[defaults]
system = "all"
effort = "low"
[defaults.who]
deny = ["U1"]
admins = ["U2"]
allow = ["U3"]
[discord]
system = "platform"
[discord.guilds.1]
system = "workspace"
footer = true
[discord.guilds.1.who]
deny = ["U4", "U1"]
allow = ["U5"]
[discord.guilds.1.caps]
person_day = 0.5
[discord.categories.2]
system = "category"
[discord.channels.3]
system = "parent"
[discord.channels.4]
system = "channel"
"""


@pytest.mark.parametrize(
    ("place", "system"),
    [
        (Place("9", platform="slack"), "all"),
        (Place("9", platform="discord"), "platform"),
        (Place("9", "1", platform="discord"), "workspace"),
        (Place("9", "1", platform="discord", category="2"), "category"),
        (Place("9", "1", platform="discord", category="2", parent="3"), "parent"),
        (Place("4", "1", platform="discord", category="2", parent="3"), "channel"),
        (Place("1", "4", platform="discord", category="3", parent="2"), "platform"),
        (Place("4", "1", platform="slack", category="2", parent="3"), "all"),
    ],
)
def test_the_narrower_table_wins_key_by_key(place, system, wrote):
    rules = Rulebook(BASE, wrote(LEVELS)).at(place)
    assert (rules.system, rules.effort, rules.model) == (system, "low", BASE.model)


def test_lists_replace_but_for_those_who_may_not_and_admins_and_caps_go_one_by_one(wrote):
    rules = Rulebook(BASE, wrote(LEVELS)).at(Place("9", "1", platform="discord"))
    assert (rules.who.allow, rules.who.deny, rules.who.admins) == (("U5",), ("U1", "U4"), ("U2",))
    assert (rules.caps.person_day, rules.caps.day) == (0.5, 20)
    assert rules.footer


def test_the_environment_is_what_the_defaults_override(wrote, monkeypatch):
    monkeypatch.setenv("RIVULET_EFFORT", "high")
    monkeypatch.setenv("RIVULET_STOP", "asker")
    base = from_environment(Settings())
    rules = Rulebook(base, wrote('[defaults]\nthinking = "seconds"\n', base=base)).at(Place("C1"))
    assert (rules.effort, rules.who.stop, rules.thinking) == ("high", "asker", "seconds")
    assert rules.caps == Caps(person_day=2, day=20)


def test_what_was_worked_out_for_a_place_is_worked_out_anew_for_a_new_file(wrote):
    book, place = (
        Rulebook(BASE, wrote('[slack.channels.C1]\neffort = "max"\n')),
        Place("C1", platform="slack"),
    )
    assert book.at(place) is book.at(place)
    assert book.at(place).effort == "max"
    book.take(wrote(""))
    assert book.at(place) == BASE


#: Each file that is wrong, with the beginning of what is said of it.
WRONG: dict[str, tuple[str | bytes, list[str]]] = {
    "no value": ("[defaults]\nmodel =\n", ["line 2: this is no TOML: behind the = stands no value"]),
    "Python's yes": (
        "[slack.who]\nguests = True\n",
        ["line 2: this is no TOML: behind the = stands no value"],
    ),
    "an open string": ('[defaults]\nsystem = "a\n', ["line 2: this is no TOML: "]),
    "an open long string": ('[defaults]\nsystem = """a\n\n', ["line 4: this is no TOML: "]),
    "an open table": ("[defaults\n", ["line 1: this is no TOML: "]),
    "a table twice": (
        "[slack]\n[defaults]\n[slack]\n",
        ["line 3: this is no TOML: the table [slack] is there twice"],
    ),
    "a key twice": (
        "[slack]\nmodel = 'a'\nmodel = 'a'\n",
        ["line 3: this is no TOML: this key is there twice"],
    ),
    "no UTF-8": (b"[defaults]\nsystem = '\xff'\n", [": config.toml is not UTF-8"]),
    "too long": ("#" * 300_000, [": config.toml is longer than 262,144 bytes"]),
    "too deep": (f"a = {'[' * 5000}", [": its lists and tables are too deep"]),
    "a huge number": (f"[defaults]\nstream = {'9' * 5000}\n", ["this is no TOML: "]),
    "a key before the tables": (
        "model = 'a'\n",
        ["line 1: model stands before all tables: put it below [defaults]."],
    ),
    "an unknown table": ("\n[slak]\n", ["line 2: there is no slak: did you mean slack?"]),
    "another platform's table": (
        "[discord.workspaces.1]\n",
        ["line 1: there is no discord.workspaces: there are "],
    ),
    "a table that is none": ("slack = 1\n", ["line 1: slack is 1; it takes a table."]),
    "places that are none": (
        "[slack]\nchannels = ['C1']\n",
        ["line 2: slack.channels is a list of 1; it takes tables"],
    ),
    "a place that is none": (
        "[slack.channels]\nC1 = 'x'\n",
        ['line 2: slack.channels.C1 is "x"; it takes a table.'],
    ),
    "tables in a list": (
        "[[slack.channels.C1]]\n",
        ["line 1: slack.channels.C1 is a list of 1; it takes a table."],
    ),
    "a name for an id": (
        '[slack.channels."#general"]\n',
        ['line 1: [slack.channels."#general"] does not name its place by an id'],
    ),
    "an unknown key": (
        "[defaults]\nmodell = 'a'\n",
        ["line 2: there is no defaults.modell: did you mean model?"],
    ),
    "an unknown key within": (
        "[slack.workspaces.T1.who]\n\ngests = true\n",
        ["line 3: there is no slack.workspaces.T1.who.gests: did you mean guests?"],
    ),
    "an unknown key in a line": (
        "[defaults]\nwho = {guests = true, stopp = 'asker'}\n",
        ["line 2: there is no defaults.who.stopp: did you mean stop?"],
    ),
    "an unknown key with dots": ("defaults.who.gests = true\n", ["line 1: there is no defaults.who.gests: "]),
    "one of a list": (
        "[defaults]\ntools = [ # these\n  'dates',\n\n  5]\n",
        ['line 5: defaults.tools is 5; it takes a list of names, as in ["dates"].'],
    ),
    "a tool that is none": (
        "[defaults]\ntools = [\n'dates',\n'serch']\n",
        ['line 4: defaults.tools has "serch": did you mean search?'],
    ),
    "a tool twice": (
        "[defaults]\ntools = ['dates', 'dates']\n",
        ['line 2: defaults.tools has "dates" twice.'],
    ),
    "a server that is none": (
        "[slack]\nmcp = ['room']\n",
        ['line 2: slack.mcp has "room": did you mean rooms?'],
    ),
    "no choice": (
        "[defaults]\nmodels = ['claude-haiku-5-5']\n",
        ['line 2: defaults: the model "claude-sonnet-5-5" is none of its models: claude-haiku-5-5.'],
    ),
    "a model that is no choice": (
        "[defaults]\nmodels = ['claude-sonnet-5-5']\n[slack.channels.C1]\nmodel = 'claude-haiku-5-5'\n",
        ['line 4: slack.channels.C1: the model "claude-haiku-5-5" is none of its models: claude-sonnet-5-5.'],
    ),
    "a model without a price": (
        "[slack]\nmodel = 'claude-haiku-55'\n",
        ['line 2: slack: there is no price of "claude-haiku-55", and caps need one: '],
    ),
    "half a price": (
        "[prices.mine]\ninput = 1\n",
        ["line 1: prices.mine.output is missing; it takes dollars for "],
    ),
    "a cap of all for some": (
        "[slack.caps]\nday = 1\n",
        ["line 2: slack.caps.day has to stand in [defaults.caps]."],
    ),
    "a cap of the workspace for a channel": (
        "[slack.channels.C1.caps]\nworkspace_day = 1\n",
        ["line 2: slack.channels.C1.caps.workspace_day has to stand in [defaults.caps], or "],
    ),
    "a date": (
        "[defaults]\nmodel = 2026-11-29\n",
        ["line 2: defaults.model is 2026-11-29; it takes a model's id"],
    ),
    "two faults": (
        "[defaults]\nstream = 1\n[slack]\nfooter = 'no'\n",
        [
            "line 2: defaults.stream is 1; it takes true or false.",
            'line 4: slack.footer is "no"; it takes true or false.',
        ],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_its_line_its_key_what_it_is_and_what_it_takes(name, faults, tmp_path):
    text, wanted = WRONG[name]
    said = [line.replace(f"{tmp_path}/", "") for line in faults(text)]
    assert len(said) == len(wanted)
    for line, begins in zip(said, wanted, strict=True):
        assert begins.removeprefix(": config.toml ") in line
        assert not begins.startswith("line") or line.startswith(begins)


def test_of_many_faults_some_are_told_and_the_rest_counted(faults):
    said = faults("[defaults]\n" + "".join(f"wrong{number} = 1\n" for number in range(50)))
    assert (len(said), said[-1]) == (21, ": 30 more.")


SECRETS = [
    "xoxb-123456789012-abcdef",
    "xapp-1-A0-123-abcdef",
    "sk-ant-api03-abcdefghijkl",
    "-----BEGIN RSA PRIVATE KEY-----",
    # Taken apart, so that nobody takes it for one that was lost.
    "MTEwMDAwMDAwMDAwMDAwMDAw" + "." + "GabcdE" + "." + "abcdefghijklmnopqrstuvwxyz_0123456789ab",
    "a-secret-without-a-shape",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "text", ["# {}\n", '[defaults]\nsystem = "{}"\n', '[defaults.who]\nallow = ["{}"]\n', "{} =\n"]
)
@pytest.mark.rule(20)
def test_a_secret_in_the_file_is_refused_and_not_shown(text, secret, faults):
    said = faults(text.format(secret))
    assert len(said) == 1
    assert "a secret is there" in said[0]
    assert secret not in said[0]


@pytest.mark.parametrize("key", ["bot_token", "api-key", "signing_secret", "TOKEN", "password", "tokens"])
@pytest.mark.parametrize("table", ["defaults", "slack", "slack.channels.C1", "prices.mine", "else"])
@pytest.mark.rule(20)
def test_a_key_for_a_secret_is_refused_and_its_value_not_shown(table, key, faults):
    said = faults(f'[{table}]\n{key} = "hush"\n')
    assert len(said) == 1
    assert said[0].startswith(f"line 2: {table}.{key} is for a secret")
    assert "hush" not in said[0]


def test_a_value_that_may_be_a_secret_is_not_shown(faults):
    (said,) = faults('[defaults]\neffort = "0123456789abcdef0123456789abcdef"\n')
    assert "defaults.effort is what looks like a secret" in said


@pytest.mark.parametrize("text", ["", "\ufeff[defaults]\r\nmodel = 'claude-haiku-5-5'\r\n", "# nothing\n"])
def test_an_empty_file_is_good_and_so_is_one_from_another_editor(text, wrote):
    rules = Rulebook(BASE, wrote(text)).at(Place("C1"))
    assert rules.model == ("claude-haiku-5-5" if text[1:2] == "[" else BASE.model)


def test_a_price_in_the_file_makes_up_for_one_that_is_not_known_and_so_does_no_cap(wrote):
    mine = "[defaults]\nmodel = 'mine'\n"
    assert wrote(f"{mine}[prices.mine]\ninput = 1\noutput = 2.5\n").prices["mine"].output == 2.5
    assert wrote(f"{mine}[defaults.caps]\nday = 0\nperson_day = 0\n")


def test_a_folder_and_a_pipe_are_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(Unavailable, match=r"is no file\.$"):
            read(path, BASE, KNOWN)


# --- Every key of every table

#: What a key of this type does not take; as TOML.
MISFITS = [
    "true",
    "5",
    "-1",
    "1e300",
    "nan",
    '"no such thing!"',
    '["x y"]',
    "[[1]]",
    "{a = 1}",
    "1979-05-27",
    '""',
]


def keys_of(kind: type[Keys], table: str) -> list[tuple[str, str, type[Keys]]]:
    """Return each key with its table, and what that takes."""
    found: list[tuple[str, str, type[Keys]]] = []
    for name, info in kind.model_fields.items():
        found.append((table, name, kind))
        if isinstance(info.annotation, type) and issubclass(info.annotation, Keys):
            found += keys_of(info.annotation, f"{table}.{name}")
    return found


EVERY = [
    each
    for table in (
        "defaults",
        "slack",
        "slack.workspaces.T1",
        "slack.channels.C1",
        "discord.categories.7",
        "web",
    )
    for each in keys_of(Scope, table)
] + keys_of(PriceKeys, "prices.mine")


@pytest.mark.parametrize(("table", "key", "kind"), EVERY)
def test_every_key_says_of_a_wrong_value_its_line_and_what_it_takes(table, key, kind, wrote, faults):
    refused = 0
    for misfit in MISFITS:
        text = f"# {misfit}\n[{table}]\n{key} = {misfit}\n"
        try:
            wrote(text)
        except Unavailable:
            refused += 1
            said = [line for line in faults(text) if "is missing" not in line]
            assert all(line.startswith("line 3: ") and key in line for line in said), (misfit, said)
    assert refused >= (6 if key in {"system", "contact"} else 7)
    assert f"line 2: there is no {table}.{key}x: did you mean {key}?" in faults(f"[{table}]\n{key}x = 1\n")


def test_the_tables_of_a_scope_are_all_tried():
    assert {kind for _, _, kind in EVERY} == {Scope, WhoKeys, CapKeys, PriceKeys}


# --- Lines


def test_lines_are_found_in_every_way_to_write_a_key():
    text = (
        '# [no.table]\na = """\n[no]\n"""  # "\n"b c".\'d\'.e = 1\n\n'
        '[t] # x\nf = [\n  1, # ]\n  "]", [2,\n 3],\n]\n'
        "[ u . v ]\ng = { h = 1, i = { j = '''\n}''' } }\n[[w]]\nk.l = 1979-05-27 07:32:00\nm = 1\n"
    )
    tomllib.loads(text)
    lines = {".".join(path): line for path, line in lines_of(text).items()}
    assert lines == {
        "a": 2,
        "b c": 5,
        "b c.d": 5,
        "b c.d.e": 5,
        "t": 7,
        "t.f": 8,
        "t.f.0": 9,
        "t.f.1": 10,
        "t.f.2": 10,
        "t.f.2.0": 10,
        "t.f.2.1": 11,
        "u": 13,
        "u.v": 13,
        "u.v.g": 14,
        "u.v.g.h": 14,
        "u.v.g.i": 14,
        "u.v.g.i.j": 14,
        "w": 16,
        "w.k": 17,
        "w.k.l": 17,
        "w.m": 18,
    }
    assert line_at(lines_of(text), ("u", "v", "none")) == 13


STRINGS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=8)
VALUES = st.recursive(
    st.one_of(st.integers(-9, 9), st.booleans(), STRINGS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(STRINGS, inner, max_size=3)),
    max_leaves=6,
)


def as_toml(value: object) -> str:
    """Return *value* as TOML in one line; JSON's strings are TOML's, but for DEL."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_toml(name)} = {as_toml(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",\n".join(map(as_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


@given(st.dictionaries(STRINGS, st.dictionaries(STRINGS, VALUES, max_size=4), max_size=3), st.integers(0, 2))
def test_whatever_is_in_a_file_each_key_is_found_on_its_line(tables, empty):
    lines: list[str] = []
    wanted: dict[tuple[str, ...], int] = {}
    for table, keys in tables.items():
        lines += [""] * empty
        wanted[(table,)] = len(lines) + 1
        lines.append(f"[{as_toml(table)}] # ]")
        for key, value in keys.items():
            wanted[table, key] = len(lines) + 1
            lines += f"{as_toml(key)} = {as_toml(value)}".split("\n")
    text = "\n".join(lines)
    try:
        assert tomllib.loads(text) == tables
    except tomllib.TOMLDecodeError:  # a list in an inline table may not span lines everywhere
        return
    found = lines_of(text)
    assert {path: line for path, line in found.items() if path in wanted} == wanted


# --- The schema

#: What of `WRONG` a schema can't see.
BEYOND = {
    "too long",
    "a tool that is none",
    "a tool twice",
    "a server that is none",
    "no choice",
    "a model that is no choice",
    "a model without a price",
    "a cap of all for some",
    "a cap of the workspace for a channel",
}


def test_the_schema_takes_what_is_good_and_refuses_what_is_wrong():
    schema = schema_of(adapters.tables())
    jsonschema.Draft202012Validator.check_schema(schema)
    takes = jsonschema.Draft202012Validator(schema).is_valid
    assert takes(tomllib.loads(LEVELS))
    for name, (text, _) in WRONG.items():
        try:
            raw = tomllib.loads(text if isinstance(text, str) else text.decode())
        except (ValueError, RecursionError):
            continue
        assert takes(raw) == (name in BEYOND), name


def test_the_schema_knows_every_key_and_says_what_it_is():
    schema = schema_of(adapters.tables())
    for kind in (Scope, WhoKeys, CapKeys, PriceKeys):
        properties = schema["$defs"][kind.__name__]["properties"]
        assert set(properties) == set(kind.model_fields)
        assert all(info.description for info in kind.model_fields.values())
    assert "default" not in json.dumps(schema["$defs"]["Scope"]["properties"]["stream"])


def test_a_fault_names_the_file_as_it_was_named():
    with pytest.raises(Unavailable, match=r"^none/config\.toml is not there\.$"):
        read(Path("none/config.toml"), BASE, KNOWN)
    assert str(Faulty("a", [])) == ""


def test_what_the_file_may_say_of_people_and_caps_is_what_holds_in_places():
    for said, holds in ((scope.WhoKeys, rules.Who), (scope.CapKeys, rules.Caps)):
        assert list(said.model_fields) == [each.name for each in fields(holds)]
    assert {name: field.default for name, field in scope.WhoKeys.model_fields.items()} == asdict(rules.Who())


def test_a_model_of_the_environment_without_a_price_is_told_once_and_as_its_setting(wrote):
    base, known = Rules(model="claude-sonet"), replace(KNOWN, others=["claude-haku"])
    with pytest.raises(Unavailable) as caught:
        wrote(
            "[slack.channels.C1.caps]\nchannel_day = 1\n[slack.channels.C2.caps]\nchannel_day = 1\n",
            known,
            base,
        )
    said = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in said] == ["RIVULET_FALLBACK_MODEL", "RIVULET_MODEL"]


def test_a_mistake_in_env_is_told_with_its_line_and_what_it_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("RIVULET_TURNS", "RIVULET_STREAM"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text("# a comment\n\nRIVULET_TURNS=many\nrivulet_stream=perhaps\n")
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert sorted(explain(caught.value, values=True, between="\n").splitlines()) == [
        '.env, line 3: RIVULET_TURNS is "many"; it takes a whole number.',
        '.env, line 4: RIVULET_STREAM is "perhaps"; it takes true or false.',
    ]
    monkeypatch.setenv("RIVULET_TURNS", "-1")
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert 'RIVULET_TURNS is "-1"; it takes more than 0.' in explain(caught.value, values=True, between="\n")
