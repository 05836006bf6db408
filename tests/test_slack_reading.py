"""What a message says in Slack, who it is for, and who is looked up for it."""

from __future__ import annotations

import pytest

from adapters.slack.reading import Message

NAMES = {"U2": "bob", "UBOT": "rivulet", "C2": "infra", "S1": "oncall"}


def says(**message: object) -> str:
    return Message.of(message).says(NAMES, "UBOT")


def rich(*parts: object) -> dict[str, object]:
    return {"type": "rich_text", "elements": list(parts)}


def section(*elements: object) -> dict[str, object]:
    return {"type": "rich_text_section", "elements": list(elements)}


def text(said: str) -> dict[str, object]:
    return {"type": "mrkdwn", "text": said}


WORD = {"type": "text", "text": "a < b"}
LIST = {"type": "rich_text_list", "elements": [section(WORD)] * 2}


@pytest.mark.parametrize("mention", ["<@UBOT>", "<@UBOT|rivulet>"])
def test_our_own_mention_is_no_part_of_a_question(mention):
    assert says(text=f"{mention} why <@U2>?") == "why @bob?"
    assert says(text=f"why?  {mention}") == "why?"
    assert says(text=f"{mention}: why does {mention} lag?") == "why does @rivulet lag?"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("<@U2> in <#C2> and <#C3|other> and <!subteam^S1>", "@bob in #infra and #other and @oncall"),
        ("<!here> <!channel> <!everyone|everyone> <!subteam^S9|@ops>", "@here @channel @everyone @ops"),
        ("<@U77> <#C77>", "@U77 #C77"),
        (
            "<!date^1700000000^{date_num}|yesterday> <!date^1700000000^{date_num}>",
            "yesterday 2023-11-14 22:13 UTC",
        ),
        ("&lt;@U2&gt; <https://a.example|here>", "<@U2> here (https://a.example)"),
    ],
)
def test_ids_and_dates_are_read_by_name(text, read):
    assert says(text=text) == read


@pytest.mark.parametrize(
    ("block", "read"),
    [
        ({"type": "section", "text": {"type": "mrkdwn", "text": "*a* &lt; <@U2>"}}, "*a* < @bob"),
        ({"type": "section", "fields": [{"type": "plain_text", "text": "a <b>"}] * 2}, "a <b>\na <b>"),
        ({"type": "header", "text": {"type": "plain_text", "text": "a"}}, "*a*"),
        ({"type": "context", "elements": [{"type": "image", "alt_text": "a"}, text("b")]}, "a b"),
        ({"type": "markdown", "text": "# a <b>"}, "# a <b>"),
        ({"type": "image", "alt_text": "a chart"}, "(Picture or film: a chart)"),
        ({"type": "table", "rows": [[{"type": "raw_text", "text": "a"}, rich(section(WORD))]]}, "a | a < b"),
        ({"type": "actions", "elements": [{"type": "button", "text": text("x")}]}, ""),
        ({"type": "task_card", "title": "x", "details": {"type": "mrkdwn", "text": "a"}}, "a"),
        (rich({**LIST, "style": "ordered"}), "1. a < b\n2. a < b"),
        (rich({**LIST, "indent": 1}), "- a < b\n  - a < b"),
        (rich({"type": "rich_text_quote", "elements": [WORD]}), "> a < b"),
        (rich({"type": "rich_text_preformatted", "elements": [WORD]}), "```\na < b\n```"),
        (rich(section({"type": "text", "text": "a", "style": {"code": True, "bold": True}})), "*`a`*"),
        (rich(section({"type": "emoji", "name": "x", "unicode": "1f44d-1f3fd"})), "👍🏽"),
        (rich(section({"type": "emoji", "name": "ours"}, {"type": "color", "value": "#fff"})), ":ours:#fff"),
        (rich(section({"type": "date", "timestamp": 5, "fallback": "then"})), "then"),
        (rich(section({"type": "usergroup", "usergroup_id": "S1"})), "@oncall"),
        (rich(section({"type": "broadcast", "range": "here"})), "@here"),
        (rich(section({"type": "link", "url": "https://a.example", "text": "a"})), "a (https://a.example)"),
    ],
)  # fmt: skip
def test_every_kind_of_block_says_what_people_see(block, read):
    assert says(text="", blocks=[block]) == read


def test_blocks_are_read_instead_of_the_text_that_stands_for_them():
    assert says(text="a notification", blocks=[{"type": "markdown", "text": "all of it"}]) == "all of it"
    assert says(text="a text", blocks=[{"type": "divider"}]) == "a text"


ALERT = {
    "fallback": "[FIRING] x",
    "pretext": "p",
    "author_name": "Grafana",
    "title": "DiskFull",
    "text": "97 %",
    "fields": [{"title": "host", "value": "db-7"}],
    "footer": "f",
}
FORWARD = {
    "is_share": True,
    "is_msg_unfurl": True,
    "author_name": "bob",
    "channel_id": "C2",
    "text": "old",
    "message_blocks": [
        {"message": {"blocks": [rich(section(WORD))]}, "team": "T1", "channel": "C2", "ts": "1.0"}
    ],
    "files": [{"name": "log.txt"}],
}


def test_an_alert_is_read_with_all_its_parts():
    assert says(text="", attachments=[ALERT]) == "> p\n> Grafana\n> *DiskFull*\n> 97 %\n> host: db-7\n> f"
    assert says(text="", attachments=[{"fallback": "only this"}]) == "> only this"
    assert says(text="", attachments=[{"blocks": [{"type": "markdown", "text": "a"}]}]) == "> a"


def test_a_forward_is_read_with_its_author_its_place_and_its_files():
    read = says(text="<@UBOT> and this?", attachments=[FORWARD])
    assert read == "and this?\n\n> Message of bob in #infra:\n> a < b"
    assert [file.name for file in Message.of({"text": "", "attachments": [FORWARD]}).files] == ["log.txt"]


URL = "https://files.slack.com/files-pri/T1-F1"


@pytest.mark.parametrize(
    ("file", "key"),
    [
        (
            {"id": "F1", "url_private": f"{URL}/a", "url_private_download": f"{URL}/download/a"},
            f"F1 {URL}/download/a",
        ),
        ({"id": "F1", "url_private": f"{URL}/a"}, f"F1 {URL}/a"),
        ({"id": "F1", "file_access": "check_file_info"}, "F1 "),
        ({"id": "F1"}, ""),
        ({"id": "F1", "url_private": "https://docs.example.com/d", "is_external": True}, ""),
        ({"id": "F1", "url_private": "https://docs.example.com/d", "mode": "external"}, ""),
        ({"id": "F1", "url_private": f"{URL}/a", "mode": "hidden_by_limit"}, ""),
        ({"id": ["F1"], "url_private": {"a": 1}, "size": "big", "mimetype": 3}, ""),
    ],
)
@pytest.mark.rule(16)
def test_a_file_is_fetched_by_its_address_or_its_id_and_one_that_slack_does_not_keep_is_not(file, key):
    [read] = Message.of({"text": "", "files": [{"name": "a.m4a", **file}, {"mode": "tombstone"}]}).files
    assert (read.name, read.key, read.size) == ("a.m4a", key, 0)


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("<@UBOT> a", True),
        ("a `x` <@UBOT|r> `y`", True),
        ("&gt; a\n<@UBOT> b", True),
        ("`<@UBOT> a`", False),
        ("```\n<@UBOT> a\n``` b", False),
        ("``` <@UBOT> never closed", False),
        ("&gt; <@UBOT> a\nwhat of this?", False),
        ("&gt;&gt;&gt; a\n<@UBOT> b", False),
        ("<@UBOTHER> a", False),
        ("&lt;@UBOT&gt;", False),
    ],
)
def test_a_call_in_code_or_in_a_quotation_is_none(text, called):
    assert Message.of({"text": text}).addresses("UBOT") is called


def test_a_call_in_code_or_in_a_quotation_of_rich_text_is_none():
    call = {"type": "user", "user_id": "UBOT"}
    code = {**call, "style": {"code": True}}
    for part in (section(code), {"type": "rich_text_quote", "elements": [call]}):
        assert not Message.of({"text": "<@UBOT>", "blocks": [rich(part)]}).addresses("UBOT")
    assert Message.of({"text": "", "blocks": [rich(section(call))]}).addresses("UBOT")
    forward = {**FORWARD, "message_blocks": [{"message": {"blocks": [rich(section(call))]}}]}
    assert not Message.of({"text": "see", "attachments": [forward]}).addresses("UBOT")


def test_code_of_a_question_stays_whole():
    assert says(text="<@UBOT> explain `<@UBOT> help`") == "explain `@rivulet help`"
    assert says(text="<@UBOT>\n```\n<@UBOT> a\n```") == "```\n@rivulet a\n```"
