"""What the emulators of Slack and Discord make of a text: who is pinged, and where its links lead."""

from __future__ import annotations

import pytest

from adapters.emulators.discord import markup, reading
from adapters.emulators.masks import masked
from adapters.emulators.slack import judge


def block(text: str) -> list[dict[str, str]]:
    return [{"type": "markdown", "text": text}]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("hi <!channel> <!here> <!everyone>", ["<!channel>", "<!here>", "<!everyone>"]),
        ("<!subteam^S1|@ops> <@U1> <@U1|ann> <#C1>", ["<!subteam^S1|@ops>", "<@U1>", "<@U1|ann>", "<#C1>"]),
        (
            "# @here\n\n| a |\n|---|\n| @channel |\n\n[@everyone](https://a.b)",
            ["@here", "@channel", "@everyone"],
        ),
        ("> - **@here**", ["@here"]),
        ("\\@here", ["@here"]),
        ("&lt;!channel&gt; &lt;@U1&gt; @\u2060here me@here.org", []),
        ("`@here`\n\n```\n@channel\n```\n\n~~~\n@here\n\n    @everyone\n", []),
        ("a\n\n    @everyone", []),
        ("`<!channel>`\n\n```\n<@U1>\n```", []),
        ("`<!channel> <@U1>", ["<!channel>", "<@U1>"]),
        ("```\n@here\n```\n@here", ["@here"]),
        ("`a @here", ["@here"]),
        ("```\n`@here`", []),
        ("<b>@here</b>", ["@here"]),
    ],
)
def test_slack_reads_mentions_as_its_client_does(text, tokens):
    assert judge.pings("", block(text), linked=False) == tokens


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("[a](https://x.com)", [("a", "https://x.com")]),
        ("[**a** `b`](https://x.com 't')", [("a b", "https://x.com")]),
        ("[a][r]\n\n[r]: https://x.com", [("a", "https://x.com")]),
        ("<https://x.com>", [("https://x.com", "https://x.com")]),
        ("<https://x.com|a>", [("a", "https://x.com")]),
        ("&lt;https://x.com&gt;", [("https://x.com", "https://x.com")]),
        ("see https://x.com/a_b?c=d&amp;e.", [("https://x.com/a_b?c=d&e", "https://x.com/a_b?c=d&e")]),
        ("(www.x.com)", [("www.x.com", "http://www.x.com")]),
        ("mailto:a@b.c", [("mailto:a@b.c", "mailto:a@b.c")]),
        ("`https://x.com`\n\n    https://x.com\n\n~~~\nhttps://x.com", []),
        ("[a](javascript:b)", [("a", "javascript:b")]),
        ("\\[a](https://x.com)", [("https://x.com", "https://x.com")]),
        ("| a |\n|---|\n| [l](https://x.com) |", [("l", "https://x.com")]),
    ],
)
def test_slack_finds_every_link_of_a_markdown_block(text, links):
    assert judge.links("", block(text)) == links


def test_slack_finds_links_in_mrkdwn_and_rich_text_and_none_in_plain_text():
    context = {
        "type": "context",
        "elements": [
            {"type": "mrkdwn", "text": "<https://x.com|a> `https://y.com`"},
            {"type": "plain_text", "text": "https://z.com"},
        ],
    }
    rich = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [
        {"type": "link", "url": "https://r.com", "text": "r"}]}]}  # fmt: skip
    found = judge.links("https://t.com", [context, rich])
    assert found == [("https://t.com", "https://t.com"), ("a", "https://x.com"), ("r", "https://r.com")]


def test_slack_finds_images():
    picture = {"type": "image", "image_url": "https://i.com/b.png", "alt_text": "b"}
    found = judge.images([*block("![a](https://i.com/a.png) `![a](https://i.com/c.png)`"), picture])
    assert found == ["https://i.com/a.png", "https://i.com/b.png"]


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        ("@everyone @here <@1> <@!1> <@&1>", ["@everyone", "@here", "<@1>", "<@!1>", "<@&1>"]),
        ("<#1> </cmd sub:1> <id:customize>", ["<#1>", "</cmd sub:1>", "<id:customize>"]),
        ("<:n:1> <a:n:1> <t:1:R> <t:-1>", ["<:n:1>", "<a:n:1>", "<t:1:R>", "<t:-1>"]),
        ("@\u2060everyone <\u2060@1> x", []),
        ("\\@everyone \\<@1> <\\@1>", []),
        ("\\\\@everyone", ["@everyone"]),
        ("`@here` ``a`<@1>`` ```<@1>``` ```py\n@here\n```", []),
        ("```\n@here", ["@here"]),
        ("````\n@here\n````", []),
        ("````\n```\n@here\n````", ["@here"]),
        ("~~~\n@here\n~~~\n\n    <@1>", ["@here", "<@1>"]),
        ("\\`@here`", ["@here"]),
        ("[@here](https://x.com)", ["@here"]),
        ("https://x.com/\\<@1>", ["<@1>"]),
        ("`` `@here` ``", []),
    ],
)
def test_discord_reads_mentions_as_its_client_does(content, tokens):
    assert markup.tokens(content) == tokens


@pytest.mark.parametrize(
    ("content", "links"),
    [
        ("[a](https://x.com)", [("a", "https://x.com")]),
        ("[a](<https://x.com>)", [("a", "https://x.com")]),
        ('[a [b]](https://x.com/(c) "t")', [("a [b]", "https://x.com/(c)")]),
        ("[a\\](https://x.com)", [("a\\", "https://x.com")]),
        ("\\[a](https://x.com)", [("https://x.com", "https://x.com")]),
        ("<https://x.com/a>", [("https://x.com/a", "https://x.com/a")]),
        ("(see https://x.com/a).", [("https://x.com/a", "https://x.com/a")]),
        ("https://x.com/(a)", [("https://x.com/(a)", "https://x.com/(a)")]),
        ("`https://x.com` ```\nhttps://x.com\n```", []),
        ("```\nhttps://x.com", [("https://x.com", "https://x.com")]),
        ("    https://x.com", [("https://x.com", "https://x.com")]),
        ("discord.gg/a, discord.com/invite/b", [
            ("discord.gg/a", "https://discord.gg/a"), ("discord.com/invite/b", "https://discord.com/invite/b")]),
        ("[https://a.com](https://b.com)", [("https://a.com", "https://b.com"), ("https://a.com", "https://a.com")]),
        ("[a](b) www.x.com x.com", []),
    ],
)  # fmt: skip
def test_discord_finds_every_link(content, links):
    assert markup.links(content) == links


def test_discord_reads_no_mentions_in_code_and_others_also_behind_a_backslash():
    allowed = {"parse": ["everyone", "users"]}
    assert not reading.mentions("`@here` ```\n<@1>\n```", allowed)
    assert reading.mentions("```\n@here", allowed).everyone
    assert reading.mentions("\\<@1>", allowed).users == ("1",)


@pytest.mark.parametrize(
    ("label", "target"),
    [
        ("https://bank.com", "https://evil.com"),
        ("bank.com/x", "https://evil.com/bank.com"),
        ("BANK.com", "https://bank.com.evil.com"),
        ("www.bank.com", "https://evil.com"),
        ("go to https://bank.com now", "https://evil.com"),
        ("bank\u2060.com", "https://evil.com"),
        ("https://bank.com", "https://bank.com@evil.com"),
        ("https://bank.com", "https://evil.com\\@bank.com"),
        ("bank\uff0ecom", "https://evil.com"),
    ],
)
def test_a_label_that_names_another_host_is_a_mask(label, target):
    assert masked(label, target)


@pytest.mark.parametrize(
    ("label", "target"),
    [
        ("the docs", "https://x.com"),
        ("https://x.com", "https://x.com/a?b"),
        ("x.com/long", "https://www.X.com/long"),
        ("version 1.2", "https://x.com"),
        ("3.14", "https://x.com"),
        ("e.g. this", "https://x.com"),
        ("a@b.com", "mailto:a@b.com"),
    ],
)
def test_other_labels_are_none(label, target):
    assert not masked(label, target)
