"""The oracles of what pages say, and pages made by hand: right ones pass, each kind of mistake is found."""

from __future__ import annotations

import random

import pytest

from bot.show.pages import Piece
from tests.bench import reads_discord, reads_slack
from tests.bench.facts import EM, STRONG, Facts
from tests.bench.fidelity import NAMES, read, unlike, unlike_so_far
from tests.bench.fuzz import Case, nothing
from tests.bench.meant import leaves
from tests.bench.oracles import allowed
from tests.bench.tree import UnclearError
from tests.bench.typical import FENCE, KINDS, typical


def wrong(side: str, text: str, *pages: str) -> list[str]:
    """Return what is wrong with *pages* that are said to be *text*; the text is cut where "✂" is."""
    parts = text.split("✂")
    pieces = [Piece(part, page) for part, page in zip(parts, pages, strict=True)]
    found = unlike(pieces, "".join(parts), side, allowed)
    return list(dict.fromkeys(each.partition(":")[0] for each in found))


MARKDOWN = f"{FENCE}markdown\na\n{FENCE}sh\nb\n{FENCE}\n{FENCE}\n\nc"
RIGHT = [
    ("slack", "1. a\n2. b\n\n3. c\n", ["1. a\n2. b\n\n3. c"]),
    ("discord", "1) a\n2) b\n10. ten\n", ["1. a\n2. b\n\n10. ten"]),
    ("discord", "0. a\n0. b", ["1. a\n2. b"]),
    ("slack", "**原因\uff1a**内存不足", ["**原因\uff1a\u200b**内存不足"]),
    ("discord", "**原因\uff1a**内存不足", ["**原因\uff1a**内存不足"]),
    ("slack", "a **$20** and `$X`, $5 and $n_1$", ["a **$20** and `$X`, $5 and `n_1`"]),
    ("slack", "<b> & `<b> &amp;`", ["&lt;b&gt; &amp; `<b> &amp;`"]),
    ("slack", "`<@U1>`", ["`<\u2060@U1>`"]),
    ("slack", "[ok](https://ok.example/a?b=1&c=2)", ["[ok](https://ok.example/a?b=1&c=2)"]),
    ("slack", "[x](https://evil.example/p?q) y", ["x (`https://evil.example/p`) y"]),
    ("slack", "![chart](https://evil.example/c)", ["chart (`https://evil.example/c`)"]),
    ("slack", "see [a]\n\n[a]: https://ok.example/a", ["see [a](https://ok.example/a)"]),
    ("slack", "x[^1] y[^b]\n\n[^1]: note\n\n[^b]: other", ["x¹ y\\[^b]\n\n¹ note\n\n\\[^b] other"]),
    ("slack", "__init__.py ~x~ ~~y~~", ["\\_\\_init\\_\\_.py \\~x\\~ ~~y~~"]),
    ("slack", "# **a** b", ["# a b"]),
    ("discord", "#### a", ["**a**"]),
    ("discord", "- # a\n-\n- b", ["- **a**\n- \u2060\n- b"]),
    ("discord", "# C#", ["# C#\u2060"]),
    ("discord", "> a\n> > b", ["> a\n> ┃ b"]),
    ("discord", "a\n\n---\n\nb", [f"a\n\n{'─' * 24}\n\nb"]),
    ("discord", "- [x] a\n- [ ] b", ["- ☑ a\n- ☐ b"]),
    ("slack", "|a|b|\n|-|-|\n|x<br>y|`c\\|d`|", ["| a | b |\n| --- | --- |\n| x · y | `c\\|d` |"]),
    ("discord", "|a|b|\n|-|-|\n|x<br>y|`c`|", ["```\na │ b\n──┼──\nx │ c\ny\n```"]),
    ("discord", "|a|b|\n|-|-|\n|x|**c**|", ["a: x\nb: **c**"]),
    ("slack", '```py title="x.py"\na\n```', ["`x.py`\n```py\na\n```"]),
    ("discord", "~~~\n```\n~~~", ["```\n`\u2060``\n```"]),
    ("discord", "1. a\n\n   ```\n   b\n\n   c\n   ```", ["1. a\n   ```\n   b\n   \n   c\n   ```"]),
    ("slack", MARKDOWN, [f"````markdown\na\n{FENCE}sh\nb\n{FENCE}\n````\n\nc"]),
    ("slack", "1. a\n✂2. b\n3. c", ["1. a", "2. b\n3. c"]),
    ("slack", "a **b ✂c** d", ["a **b**", "**c** d"]),
    ("discord", "```\na\n✂b\n```", ["```\na\n```", "```\nb\n```"]),
    ("slack", "~x~~*3*", ["\\~x\\~\\~*3*"]),  # text to comrak, but for single tildes it is none of its own
    ("discord", "**`**k`** **a**", ["`**k` **a**"]),
    ("discord", "#### `**k`", ["`**k`"]),
    ("discord", "> > # a", ["> ┃ **a**"]),
    ("slack", "![ ](https://evil.example/c)", ["image (`https://evil.example/c`)"]),
    ("slack", "a\n\n[^1]:", ["a\n\n¹"]),
    ("slack", "> [^1]: *a*", ["> ¹ *a*"]),
    ("discord", "|&#32;|\n|-|\n|a|", [f"{FENCE}\n\n─\na\n{FENCE}"]),
    ("slack", "    a\n        \n✂    b", ["```\na\n```", "```\nb\n```"]),
    ("slack", "a[^1]\n\n    [^1]", ["a¹\n\n```\n[^1]\n```"]),
    ("slack", "    [^1]", ["```\n[^1]\n```"]),
    ("slack", "***原因\uff1a***内存", ["***原因\uff1a\u200b**\u200b*内存"]),
    ("slack", "```x&#10;y\na\n```", ["`y`\n```x\na\n```"]),
    ("slack", "______~______", ["**\\~**"]),
    ("slack", "- ```\n  a ✂b\n\n", ["- ```\n  a \n  ```", "```\nb\n\n```"]),  # it has two lines to comrak
    ("slack", "|a|b|\n✂|-|-|\n|1|2|\n7. c", ["\\|a|b|", "\\|-|-|\n|1|2|\n7\\. c"]),  # it does not fit
    ("slack", "|a|\n|-|\n|b|\n|c ✂d|\n7. e", ["| a |\n| --- |\n| b |\n|c", "d|\n7\\. e"]),  # nor does a row
    ("slack", "a `](http://b) d ✂e", ["a `](http://b) d`", "e"]),  # as here
    ("slack", "|a\n|-|-|\nb ✂|c|\n|-|\n|d|", ["\\|a\n\\|-|-|\nb", "| c |\n| --- |\n| d |"]),  # no table
    ("discord", "> - - a\n>   1. b", ["> - - a\n>   1\\. b"]),
    ("slack", "`\n|a|✂b`|\n|-|-|", ["` |a|`", "b\\`|\n|-|-|"]),  # code, as far as anybody knew then
]  # fmt: skip


@pytest.mark.parametrize(("side", "text", "pages"), RIGHT)
def test_pages_that_say_what_was_meant_pass(side, text, pages):
    assert wrong(side, text, *pages) == []


WRONG = [
    ("numbers", "slack", "1. a\n2. b\n\n3. c\n", ["2. a\n3. b\n\n4. c"]),
    ("numbers", "slack", "1. a\n\n- b\n2. c", ["1. a\n\n- b\n- c"]),
    ("numbers", "discord", "- a\n\n1. b", ["- a\n1. b"]),  # a list of bullets, to Discord
    ("numbers", "discord", "1) a\n10. b", ["1. a\n10. b"]),  # 1 and 2
    ("numbers", "slack", "1. a\n✂2. b", ["1. a", "1. b"]),
    ("spans", "slack", "set `$TOKEN`", ["set `$ TOKEN`"]),
    ("spans", "slack", "`<b>`", ["`&lt;b&gt;`"]),
    ("spans", "slack", "a `x` b", ["a x b"]),
    ("blocks", "slack", "```\na &lt; b\n```", ["```\na < b\n```"]),
    ("blocks", "slack", "> ```\n> a \n> ```", ["> ```\n> a\n> ```"]),
    ("blocks", "discord", "1. a\n\n   ```\n   b\n   ```", ["1. a\n\n   ```\n   b\n   ```"]),  # it is indented
    ("blocks", "discord", "- ```\n  a\n\n  b\n  ```", ["- ```\n  a\n\n  b\n  ```"]),  # and it has no end
    ("blocks", "discord", "```\na\n✂b\n```", ["```\na\n```", "```\nc\n```"]),
    ("links", "slack", "[ok](https://ok.example/a)", ["ok"]),
    ("links", "slack", "[ok](https://ok.example/a)", ["[ok](https://ok.example/b)"]),
    ("links", "slack", "[ok](https://ok.example/?a&b)", ["[ok](https://ok.example/?a&amp;b)"]),
    ("links", "discord", "ok", ["[ok](https://ok.example/)"]),
    ("definition", "slack", "\\[a]: b", ["[a]: b"]),
    ("text", "slack", "\\> a", ["\\&gt; a"]),
    ("text", "slack", "**原因\uff1a**内存", ["\\*\\*原因\uff1a\\*\\*内存"]),
    ("text", "slack", "a\\*b", ["a\\\\*b"]),
    ("text", "discord", "# C#", ["# C#"]),
    ("text", "discord", "- # a", ["- # a"]),
    ("text", "slack", "a b✂ c d", ["a b", "d"]),
    ("emphasis", "slack", "这是**重点**内容\uff0c还有**复现**", ["这是重点**内容\uff0c还有**复现"]),
    ("emphasis", "slack", "a *b* c", ["a **b** c"]),
    ("emphasis", "slack", "# a\nb", ["a\nb"]),
    ("emphasis", "slack", "> a\n\nb", ["> a\nb"]),
    ("emphasis", "discord", "a *b* c", ["a __b__ c"]),
    ("emphasis", "slack", "a **b ✂c** d", ["a **b**", "c d"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "side", "text", "pages"), WRONG)
def test_a_page_that_says_something_else_is_found(name, side, text, pages):
    assert name in wrong(side, text, *pages)


def test_every_oracle_has_a_mistake_that_it_finds():
    assert {name for name, *_ in WRONG} == set(NAMES)


SO_FAR = [
    ([], "1. a\n2. b\n\n3. c", "1. a\n2. b\n\n3. ", 0),
    ([], "a\n\n**b", "a\n\n**b**", 0),
    ([], "a\n\n```\nb", "a", 0),
    (["numbers"], "1. a\n2. b\n\n3. c", "2. a\n3. b\n\n4. c", 0),
    (["text"], "a b\n\nc", "a\n\nc", 0),
    (["emphasis"], "a *b*\n\nc", "a b\n\nc", 0),
    ([], "first\n\na *b*\n\nc", "a *b*\n\nc", 7),
    (["text"], "first\n\na *b*\n\nc", "first\n\na *b*\n\nc", 7),
]


@pytest.mark.parametrize(("names", "text", "shown", "begin"), SO_FAR)
def test_a_page_that_grows_says_all_but_its_last_block(names, text, shown, begin):
    found = unlike_so_far(Piece(text[begin:], shown), text, [begin], "slack", allowed, 100)
    assert [each.partition(":")[0] for each in found] == names


def test_a_page_that_grows_may_leave_what_does_not_fit_to_the_next_but_nothing_else():
    text = "a\n\nb\n\n" + "c" * 90 + "\n\nd"
    for shown, names in (("a\n\nb", []), ("a", ["text"])):
        found = unlike_so_far(Piece(text, shown), text, [0], "slack", allowed, 100)
        assert [each.partition(":")[0] for each in found] == names


# The readers, by what their sources say.


def test_discord_reads_as_its_client_does():
    assert reads_discord.seen("***foo** bar* baz").marks == "".join(map(chr, [3, 3, 3, 1, 1, 1, 0, 0, 0]))
    assert reads_discord.seen("**foo *bar** baz*").text == "foo*barbaz*"
    assert reads_discord.seen("a * b*").text == "a*b*"
    assert reads_discord.seen("1. a\n   1. b\n   2. c\n2. d").items == (1, 1, 2, 2)
    assert reads_discord.seen("* a\n\n7. b\nc\n9. d").items == (None, 7, 9)
    assert reads_discord.seen("1000000001. a").items == (reads_discord.HIGHEST,)
    assert reads_discord.seen("```py\na```").blocks == ("a",)
    assert reads_discord.seen("```````").blocks == ("`",)
    assert reads_discord.seen(r"\```a").text == "```a"
    assert reads_discord.seen("#    a #   ####   ").text == "a#"
    assert reads_discord.seen("> > a").text == ">a"
    assert reads_discord.seen("> ://\n- a").text == "a"  # two words, of which one is an address


def test_slack_reads_entities_in_text_alone():
    page = "&lt;a&gt; &amp;amp; `&lt;` [x](https://ok.example/?a&amp;b)\n\n```\n&lt;\n```"
    seen = reads_slack.seen(page)
    assert (seen.spans, seen.blocks, seen.links) == (("&lt;",), ("&lt;",), ("https://ok.example/?a&amp;b",))
    assert seen.text == "<a>&amp;&lt;x&lt;"
    assert reads_slack.seen("*a*b**c**").marks == "".join(map(chr, [EM, 0, STRONG]))


def test_what_nobody_can_say_is_not_compared():
    for text in ("\\[ `x` \\]", "> " * 60 + "a", "|a|\n|-|\n|b|c|", "<br>\n*a*"):
        with pytest.raises(UnclearError):
            leaves(text, "slack", nothing)
        assert read(text, "slack", nothing) is None
    assert read("[a]: b", "slack", nothing) is None  # no reference uses it
    assert read("see [a]\n\n[a]: b", "slack", nothing, pages=2) is None
    assert read("see [a]\n\n[a]: b\nc\n|d|\n|-|", "slack", nothing) is None  # comrak reads text there


# Texts that models write.


def test_typical_texts_have_all_kinds_and_are_compared_mostly():
    texts = [typical(random.Random(number)) for number in range(600)]
    for mark in (
        "\n1. ",
        "\n- ",
        "**Pros",
        "$20",
        "`$HOME`",
        "原因",
        "[^1]",
        FENCE + "markdown",
        "\\|",
        "<br>",
        "$x_1",
    ):
        assert any(mark in text for text in texts), mark
    unread = sum(read(text, side, allowed) is None for text in texts for side in ("slack", "discord"))
    assert unread < 0.1 * 2 * len(texts)
    assert len({kind.__name__ for kind in KINDS}) > 10


def test_every_other_case_of_each_platform_is_typical():
    sizes = [Case.of(f"1.{number}").limits.size for number in range(400)]
    assert sum(size > 300 for size in sizes) > 0.2 * len(sizes)
    assert Facts() == reads_slack.seen("") == reads_discord.seen("")
