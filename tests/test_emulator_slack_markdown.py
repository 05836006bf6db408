"""What Slack's emulator makes of a markdown block: how much a message holds, and what people read of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.emulators.slack import Slack, content, judge, markdown
from adapters.emulators.slack.markdown import Table
from tests.readers import slack as read

Json = dict[str, Any]

#: One item each, whatever stands beside it.
ALONE = {
    "a heading": "# h\n\n",
    "an underlined heading": "h\n===\n\n",
    "a thematic break": "***\n\n",
    "a table": "|a|\n|-|\n\n",
}


@pytest.fixture
async def slack() -> AsyncIterator[Slack]:
    emulator = Slack()
    await emulator.start()
    yield emulator
    await emulator.stop()


@pytest.fixture
async def web(slack: Slack) -> AsyncIterator[AsyncWebClient]:
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(token="xoxb-1", base_url=f"{slack.url}/api/", session=session, retry_handlers=[])


def block(text: str) -> Json:
    return {"type": "markdown", "text": text}


def section(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def context(text: str) -> Json:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}


def table(rows: int, columns: int = 1, cell: str = "x") -> str:
    row = f"|{f'{cell}|' * columns}\n"
    return f"{row}|{'-|' * columns}\n{row * (rows - 1)}"


def native(rows: int, columns: int = 1, cell: str = "x") -> Json:
    return {"type": "table", "rows": [[{"type": "raw_text", "text": cell}] * columns] * rows}


async def error_of(call: Awaitable[Any]) -> str:
    """Return the error with which Slack refuses *call*, or ''."""
    try:
        await call
    except SlackApiError as refused:
        return str(refused.response["error"])
    return ""


# How many items a markdown block is.


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("one", 1),
        ("one\n\ntwo\n\n- three\n\n> four\n\n```\nfive\n```\n\n    six\n\n1. seven", 1),
        ("# one\n\ntwo", 2),
        ("one\n\n# two\n\nthree\n\n***\n\nfour\n\nfour\n\n|five|\n|-|\n\nsix", 7),
        ("# one\n## two\nthree\n===\n", 3),
        ("- a\n\n  # in a list\n\n  ***\n\n  |a|\n  |-|\n\n> # in a quote", 1),
        ("```\n# one\n***\n|a|\n|-|\n```", 1),
        ("\\# one\n\n&#35; one\n\n\\***", 1),
        ("one\n***\ntwo\n---\n", 3),
        ("[a]: https://x.com", 1),
        ("&gt; one\n&amp;\n# two\n&lt;br&gt;", 3),
        ("<!here>\n# two <@U1>", 2),
    ],
)
def test_a_heading_a_rule_and_a_table_are_an_item_each_and_so_is_what_stands_between(text, items):
    assert markdown.items(text) == items


@pytest.mark.parametrize("text", ALONE.values(), ids=ALONE)
def test_a_message_holds_50_items(text):
    assert content.refusal("x", [block(text * 50)]) == ""
    assert content.refusal("x", [block(text * 51)]) == "invalid_blocks"


@pytest.mark.parametrize("text", ALONE.values(), ids=ALONE)
def test_the_text_between_them_counts(text):
    assert content.refusal("x", [block(f"{text}run\n\nrun\n\n" * 25)]) == ""
    assert content.refusal("x", [block(f"{text}run\n\nrun\n\n" * 25 + text)]) == "invalid_blocks"


def test_markdown_blocks_and_all_other_blocks_add_up():
    button = {"type": "button", "text": {"type": "plain_text", "text": "Stop"}}
    others = [context("note"), {"type": "actions", "elements": [button]}, {"type": "divider"}]
    headings = ALONE["a heading"]
    assert content.refusal("x", [block(headings * 20), block(headings * 27), *others]) == ""
    assert content.refusal("x", [block(headings * 20), block(headings * 28), *others]) == "invalid_blocks"
    assert content.refusal("x", [block("one"), block("two"), *[{"type": "divider"}] * 48]) == ""
    assert content.refusal("x", [block("one"), block("two"), *[{"type": "divider"}] * 49]) == "invalid_blocks"


# How much text a message holds.


def test_markdown_blocks_hold_12000_characters_together_and_all_blocks_13200():
    assert content.refusal("x", [block("x" * 12_000)]) == ""
    assert content.refusal("x", [block("x" * 12_001)]) == "msg_blocks_too_long"
    assert content.refusal("x", [block("x" * 6_000), block("x" * 6_001)]) == "msg_blocks_too_long"
    for beside in (section, context):
        assert content.refusal("x" * 999, [block("x" * 12_000), beside("x" * 1_200)]) == ""
        assert content.refusal("", [block("x" * 12_000), beside("x" * 1_201)]) == "msg_blocks_too_long"
    assert content.refusal("", [section("x" * 3_000)] * 4 + [section("x" * 1_200)]) == ""
    assert content.refusal("", [section("x" * 3_000)] * 4 + [section("x" * 1_201)]) == "msg_blocks_too_long"
    fields = {"type": "section", "fields": [{"type": "plain_text", "text": "x" * 601}] * 2}
    assert content.refusal("", [block("x" * 12_000), fields]) == "msg_blocks_too_long"


# How large tables may be.


@pytest.mark.parametrize("made", [lambda *size: block(table(*size)), native], ids=["markdown", "table block"])
def test_a_table_has_100_rows_20_columns_and_all_cells_of_a_message_10000_characters(made):
    assert content.refusal("x", [made(100)]) == ""
    assert content.refusal("x", [made(101)]) == "invalid_blocks"
    assert content.refusal("x", [made(2, 20)]) == ""
    assert content.refusal("x", [made(2, 21)]) == "invalid_blocks"
    assert content.refusal("x", [made(100, 1, "x" * 50), made(50, 2, "x" * 50)]) == ""
    assert content.refusal("x", [made(100, 1, "x" * 50), made(50, 2, "x" * 50), made(1)]) == "invalid_blocks"
    assert content.refusal("x", [made(60), made(60)]) == ""


def test_a_table_is_measured_as_it_is_written_wherever_it_stands():
    text = "> |a|b|\n> |-|-|\n> |`|`|&lt;|\n\ntext\n\n|**d**|\n|-|\n|e|f|\n||\n"
    assert markdown.tables(text) == [Table(2, 2, 4), Table(3, 1, 6)]
    assert markdown.tables("|a|\n|-|\n|<https://x.com\\|y>|\n|<https://x.com|y>|") == [Table(3, 1, 36)]


# What a call does that is refused.


async def test_posts_and_updates_are_refused_whole(slack: Slack, web: AsyncWebClient) -> None:
    """The message stays as it was, or is none."""
    channel, over = (
        "C1",
        [[block("# h\n\n" * 51)], [block(table(101))], [block("x" * 12_000), section("x" * 1_201)]],
    )
    errors = ["invalid_blocks", "invalid_blocks", "msg_blocks_too_long"]
    assert [
        await error_of(web.chat_postMessage(channel=channel, text="x", blocks=each)) for each in over
    ] == errors
    assert (
        await error_of(web.chat_postMessage(channel=channel, markdown_text="# h\n\n" * 51))
        == "invalid_blocks"
    )
    assert await slack.channel_messages(channel) == []
    ts = (await web.chat_postMessage(channel=channel, text="x", blocks=[block("# h\n\n" * 50)]))["ts"]
    before = await slack.message(channel, ts)
    assert [
        await error_of(web.chat_update(channel=channel, ts=ts, text="x", blocks=each)) for each in over
    ] == errors
    assert await slack.message(channel, ts) == before
    await web.chat_update(channel=channel, ts=ts, text="x", blocks=[block(table(100))])


@pytest.mark.parametrize("text", ["# h\n\n" * 51, table(101), table(2, 21)], ids=["items", "rows", "columns"])
async def test_a_stream_holds_what_a_post_does(slack: Slack, web: AsyncWebClient, text: str) -> None:
    """Its text is looked at as a whole with every call; nothing is kept of the call that is refused."""
    question = await slack.say("DU1", "U1", "why?")
    start = web.chat_startStream
    assert await error_of(start(channel="DU1", thread_ts=question, markdown_text=text)) == "invalid_blocks"
    ts = (await start(channel="DU1", thread_ts=question, markdown_text=text[:20]))["ts"]
    for call in (web.chat_appendStream, web.chat_stopStream):
        assert await error_of(call(channel="DU1", ts=ts, markdown_text=text[20:])) == "invalid_blocks"
    seen = await slack.message("DU1", ts)
    assert (seen["text"], seen["live"]) == (text[:20], True)


async def test_blocks_below_a_stream_are_another_50(slack: Slack, web: AsyncWebClient) -> None:
    """They are refused like those of a post."""
    question = await slack.say("DU1", "U1", "why?")
    ts = (await web.chat_startStream(channel="DU1", thread_ts=question, markdown_text="# h\n\n" * 50))["ts"]
    for blocks, error in (
        ([block("# h\n\n" * 51)], "invalid_blocks"),
        ([section("x" * 3_000)] * 5, "msg_blocks_too_long"),
        ([block("# h\n\n" * 50)], ""),
    ):
        assert await error_of(web.chat_stopStream(channel="DU1", ts=ts, blocks=blocks)) == error
    assert not (await slack.message("DU1", ts))["live"]


# Entities, and Slack's own tokens.


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1 &lt; 2 &amp; 3 &gt; 2", "1 < 2 & 3 > 2"),
        ("&amp;lt; &amp;amp; &amp;copy;", "&lt; &amp; &copy;"),
        ("&lt;b&gt; &lt;!here&gt; &#60;!channel&#62; &#x3c;@U1>", "<b> <!here> <!channel> <@U1>"),
        ("&lt;https://x.com|y&gt;", "<https://x.com|y>"),
        ("&gt; a\n\n&#35; a\n\n&#45; a\n\n&#96;a&#96; &ast;&ast;a**", "> a\n# a\n- a\n`a` **a**"),
        ("\\&lt; \\\\&lt;", "&lt; \\<"),
        ("&foo; & &lt", "&foo; & &lt"),
        ("**&lt;a&gt;**b *a*&amp;*b*", "**<a>**b a&b"),
        ("# &lt;\n\n|&amp;|\n|-|\n|**&gt;**|\n\n[&lt;l&gt;](https://x.com)", "<\n&\n>\n<l>"),
        (
            "<@U1> <!here> <#C1|dev> <!subteam^S1|@ops> <https://x.com|*l &amp; m*> <b>",
            "@U1 @here #dev @ops *l & m* <b>",
        ),
        ("⸢0⸣ &lt; ⸢ <@U1>", "⸢0⸣ < ⸢ @U1"),
    ],
)
def test_entities_are_characters_and_read_as_nothing_else(text, shown):
    assert "".join(read(text).split()) == "".join(shown.split())


def test_entities_stay_as_they_are_in_a_destination():
    address = "https://x.com/?a=1&amp;b=2&copy;"
    for text in (
        f"[l]({address})",
        f"[l](<{address}> 't')",
        f"[l][r]\n\n[r]: {address}",
        f"[l&amp;m]\n\n[l&amp;m]: {address}",
        f"<{address}>",
    ):
        assert [target for _, target in judge.links("", [block(text)])] == [address]
        assert address in content.visible("", [block(text)])
    assert judge.images([block(f"![a]({address})")]) == [address]
    assert judge.links("", [block("see https://x.com/?a=1&amp;b=2")])[0][1] == "https://x.com/?a=1&b=2"


def test_the_markdown_is_told_with_entities_as_they_are_read_and_without_what_is_invisible():
    text = "# &lt;\u2060b&gt; **a\u200b** \\&lt; [&amp;](https://x.com/?a&amp;b) <@U1> `&amp; <\u2060@U1>`"
    rest = "# <b> **a** \\&lt; [&](https://x.com/?a&amp;b) <@U1>"
    assert markdown.decoded(text, "literal") == f"{rest} `&amp; <@U1>`"
    assert markdown.decoded(text, "decoded") == f"{rest} `& <@U1>`"


@pytest.mark.parametrize(
    "text",
    [
        "<!here>",
        "\\<!here>",
        "**a<!here>b**",
        "[a <!here>](https://x.com)",
        "[a](<!here>)",
        "[a](https://x.com '<!here>')",
        "[a]: https://x.com '<!here>'",
        "![<!here>](https://x.com)",
        "|a|\n|-|\n|b|<!here>|",
        "\\`<!here>\\`",
        "`<!here>",
    ],
)
@pytest.mark.parametrize("code", ["literal", "decoded"])
def test_a_raw_token_is_live_wherever_it_stands_in_text(text, code):
    assert judge.pings("", [block(text)], linked=False, code=code) == ["<!here>"]


CODE = [
    "`{}`",
    "``a `{}``",
    "```\n{}\n```",
    "~~~ {}\n~~~",
    "    {}",
    "a\n\n\t{}",
    "- a\n\n      {}",
    "> ```\n> {}",
    "|a|\n|-|\n|`{}`|",
]


@pytest.mark.parametrize("made", CODE)
def test_in_code_a_raw_token_is_text_unless_code_is_decoded(made):
    for token in ("<!here>", "<@U1|ann>", "<#C1>"):
        blocks = [block(made.format(token))]
        assert judge.pings("", blocks, linked=False) == []
        assert judge.pings("", blocks, linked=False, code="decoded") == [token]
    for token, label in (("<https://x.com|y>", "y"), ("<https://x.com>", "https://x.com")):
        blocks = [block(made.format(token))]
        assert judge.links("", blocks) == []
        assert judge.links("", blocks, "decoded") == [(label, "https://x.com")]


@pytest.mark.parametrize("made", [each for each in CODE if "~" not in each])
def test_in_code_entities_are_as_written_unless_code_is_decoded(made):
    text = made.format("a &lt;@U1&gt; &amp;lt; \\&lt; &copy; <\u2060@U1>")
    assert "a &lt;@U1&gt; &amp;lt; \\&lt; &copy; <@U1>" in read(text)
    assert "a <@U1> &lt; \\< &copy; <@U1>" in read(text, "decoded")
    assert not judge.pings("", [block(text)], linked=False)
    assert not judge.pings("", [block(text)], linked=False, code="decoded")


def test_code_that_begins_before_a_token_wins_and_a_token_that_begins_before_code():
    assert not judge.pings("", [block("`a <!here` b>")], linked=False)
    assert judge.pings("", [block("<!here|`> b`")], linked=False) == ["<!here|`>"]


async def test_the_emulator_reads_code_both_ways(slack: Slack, web: AsyncWebClient) -> None:
    """What was sent says nothing of it: the switch does."""
    text = "`a &lt; <@U1>` &lt;"
    ts = (await web.chat_postMessage(channel="C1", text="x", blocks=[block(text)]))["ts"]
    assert (await slack.message("C1", ts))["text"] == "`a &lt; <@U1>` <"
    assert (await slack.verdict())["pings"] == []
    await slack.code_entities("decoded")
    assert (await slack.message("C1", ts))["text"] == "`a < <@U1>` <"
    await web.chat_update(channel="C1", ts=ts, text="x", blocks=[block(text)])
    assert [each["token"] for each in (await slack.verdict())["pings"]] == ["<@U1>"]
    with pytest.raises(ValueError, match="literal or decoded"):
        await slack.code_entities("raw")  # type: ignore[arg-type]


# Emphasis.


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**原因\uff1a**内存不足", "**原因\uff1a**内存不足"),
        ("**原因\uff1a\u200b**内存不足", "原因\uff1a内存不足"),
        ("这是**「重点」**内容", "这是**「重点」**内容"),
        ("这是**\u200b「重点」\u200b**内容", "这是「重点」内容"),
        ("~~\uff08终\uff09~~了 ~~\u200b\uff08终\uff09\u200b~~了", "~~\uff08终\uff09~~了 \uff08终\uff09了"),
        ("*日本語。*次 *日本語。\u200b*次", "*日本語。*次 日本語。次"),
        ("한국어**(굵게)**는", "한국어**(굵게)**는"),
        ("한국어**\u200b(굵게)\u200b**는", "한국어(굵게)는"),
        ("**重点**内容", "重点内容"),
    ],
)
def test_emphasis_beside_letters_is_strict_and_a_space_without_width_inside_it_is_not_read(text, shown):
    assert read(text).strip() == shown
    assert "\u200b" not in content.visible("", [block(text)])
