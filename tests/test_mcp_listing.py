"""What is offered of a server's tools: names, descriptions and schemas that strangers wrote."""

from __future__ import annotations

import re
from typing import Any

import pytest
from mcp_types import JSONRPCError, Tool, ToolAnnotations

from bot.model import Result
from bot.tools.mcp.limits import MESSAGE
from bot.tools.mcp.lines import HEAD, Line, Lines
from bot.tools.mcp.listing import DESCRIPTION, MOST, listing, named
from bot.tools.mcp.pipes import message_of
from bot.tools.mcp.settings import Configured

SERVER = Configured(command="x")
API = re.compile(r"[a-zA-Z0-9_-]{1,64}")
OBJECT = {"type": "object"}
UNSEEN = "\N{ZERO WIDTH SPACE}\U000e0041"


async def nothing(_tool, _given) -> Result:
    return Result("")


def listed(*tools: Tool, server: Configured = SERVER, name: str = "s"):
    return listing(name, server, tools, nothing, 1.0)


def told(schema=OBJECT, name: str = "t", **more) -> Tool:
    return Tool(name=name, input_schema=schema, **more)


def test_names_are_told_apart_and_fit_the_api():
    pairs = [
        ("a", "b"),
        ("a__b", "c"),
        ("a", "b__c"),
        ("a_", "b"),
        ("a", "_b"),
        ("a b", "c"),
        ("a_b", "c"),
        ("a", "x" * 61),
        ("a", "x" * 62),
        ("a", "x" * 63),
        ("s" * 24, "t"),
        ("s" * 25, "t"),
        ("s" * 200, "t" * 200),
        ("\N{CJK UNIFIED IDEOGRAPH-4E2D}", "\N{CJK UNIFIED IDEOGRAPH-6587}"),
        ("", ""),
        ("a", ""),
        ("a", "b.c"),
        ("a", "b/c"),
        ("a", "\ud800"),
    ]
    names = [named(*pair) for pair in pairs]
    assert len(set(names)) == len(names)
    assert all(API.fullmatch(name) for name in names)
    assert names == [named(*pair) for pair in pairs]
    assert names[0] == "a__b"


def test_a_tool_is_believed_to_read_only_when_the_server_says_so():
    hints = [
        None,
        ToolAnnotations(),
        ToolAnnotations(read_only_hint=False),
        ToolAnnotations(read_only_hint=True),
    ]
    made = [listed(told(annotations=hint)).offered[0] for hint in hints]
    assert [tool.asks for tool in made] == [True, True, True, False]
    assert [tool.writes for tool in made] == [True, True, True, False]


def test_descriptions_are_cleaned_cut_and_said_to_be_the_servers():
    [tool] = listed(told(description=f"Do it.{UNSEEN}" + "x" * 100_000)).offered
    text = tool.described["description"]
    assert text.startswith('Tool "t" of the MCP server "s", which says of it:\nDo it.xxx')
    assert len(text) < DESCRIPTION + 100


def test_texts_in_a_schema_are_cleaned():
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "description": f"One.{UNSEEN}", "enum": [f"x{UNSEEN}", "\t"]}},
    }
    [tool] = listed(told(schema)).offered
    assert tool.described["input_schema"]["properties"]["a"] == {
        "type": "string",
        "description": "One.",
        "enum": ["x", "\t"],
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string"}}},
        {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}},
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "additionalProperties": False,
        },
        {"type": "object", "properties": {"description": {"type": "string", "title": "T"}, "title": {}}},
    ],
)
def test_a_good_schema_is_taken(schema):
    assert len(listed(told(schema)).offered) == 1


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({}, "of no object"),
        ({"type": "string"}, "of no object"),
        ({"type": ["object"]}, "of no object"),
        ({"type": "object", "properties": []}, "not valid, at properties"),
        ({"type": "object", "properties": {"a": {"type": "banana"}}}, "not valid, at properties/a/type"),
        ({"type": "object", "required": "a"}, "not valid, at required"),
        ({"type": "object", "properties": {"a": {"pattern": "("}}}, "not valid, at properties/a/pattern"),
        ({"type": "object", "properties": {"a": {"items": [{}]}}}, "not valid, at properties/a/items"),
        ({"type": "object", "anyOf": [{}]}, "anyOf at the top"),
        ({"type": "object", "properties": {"a b": {}}}, "a name that the API does not take"),
        ({"type": "object", "properties": {"a" * 65: {}}}, "a name that the API does not take"),
        ({"type": "object", "properties": {f"a{UNSEEN}": {}}}, "characters that nobody sees"),
        ({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1/x"}}}, "refers to another one"),
        ({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}, "refers to another one"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}, "refers to what is not in it"),
        ({"type": "object", "description": "x" * 30_000}, "longer than"),
        (deep(30), "too deep"),
        (deep(300), "too deep"),
    ],
)
def test_a_schema_that_the_api_would_not_take_costs_its_tool_alone(schema, reason):
    found = listed(told(schema, "bad"), told(name="good"))
    assert [tool.name for tool in found.offered] == ["s__good"]
    [line] = found.left_out
    assert line.startswith("bad: ")
    assert reason in line


def test_two_tools_of_one_name_are_one():
    found = listed(told(description="one"), told(description="two"))
    assert len(found.offered) == 1
    assert found.left_out == ("t: the server has two tools of this name",)


def test_no_server_has_more_tools_than_may_be():
    found = listed(*(told(name=f"t{number}") for number in range(MOST + 7)))
    assert len(found.offered) == MOST
    assert found.left_out == (f"7 more than the {MOST} tools that one server may have",)


def test_what_people_read_while_a_tool_runs_has_only_plain_letters():
    [tool] = listed(told(name="[x](https://evil.example) @here"), name="<!channel>").offered
    assert re.fullmatch(r"[a-zA-Z0-9_-]+ \([a-zA-Z0-9_-]+\)", tool.title)


def test_lines_come_whole_in_whatever_pieces_they_arrive():
    content = b"one\n\n" + b"x" * 50 + b"\nlast"
    for size in (1, 3, 7, 1000):
        lines = Lines(50)
        found = [line for at in range(0, len(content), size) for line in lines.feed(content[at : at + size])]
        assert found == [Line(b"one"), Line(b""), Line(b"x" * 50)]


@pytest.mark.parametrize("size", [1, 100, 100_000])
def test_of_a_line_that_is_too_long_only_its_begin_is_kept(size):
    lines = Lines(1000)
    content = b"y" * 5000
    assert not [line for at in range(0, len(content), size) for line in lines.feed(content[at : at + size])]
    assert sum(map(len, lines._parts)) <= max(1000, HEAD)
    [over, after] = lines.feed(b"y\nz\n")
    assert over == Line(b"y" * HEAD, whole=False)
    assert after == Line(b"z")


def test_a_long_answer_says_whose_it_is_and_other_long_messages_do_not():
    answer = message_of(Line(b'{"jsonrpc":"2.0","id":7,"result":{"content":', whole=False))
    assert isinstance(answer, JSONRPCError)
    assert answer.id == 7
    for begin in (
        b'{"jsonrpc":"2.0","id":7,"method":"x"',
        b'{"result":{"id":7,',
        b"xxxx",
        b'{"id":"7","result":',
    ):
        with pytest.raises(ValueError, match=f"more than {MESSAGE // 2**20} MB"):
            message_of(Line(begin, whole=False))
