# ruff: noqa: RUF001  full-width punctuation is what some of these are about
"""Structure as the model meant it: what people saw wrong, and others of each kind, on both platforms."""

from __future__ import annotations

import time
from dataclasses import replace

import comrak
import psutil
import pytest

from adapters.discord.dialect import DiscordDialect
from adapters.discord.surface import DiscordSurface
from adapters.slack.dialect import SlackDialect
from adapters.slack.surface import CELLS, ITEMS, ROWS, SlackSurface
from bot.show.pages import Pages, join, paginate
from bot.text import grammar
from bot.text.lead import Dressed, lead_at
from bot.text.line import Known
from bot.text.safe import JOINER, Links
from bot.text.tree import kind, walk, words
from bot.text.writing import render

F = "```"
THIN = "\u200b"
OK = Known(Links(("ok.example",)))


def shown(text: str, known: Known | None = None) -> tuple[str, str]:
    """Return what Slack and Discord are sent for *text*, without what nobody sees."""
    slack, discord = (render(each, text, known) for each in (SlackDialect(), DiscordDialect()))
    return slack.replace(JOINER, ""), discord.replace(JOINER, "")


def last(text: str) -> tuple[str, str]:
    """Return what both show in the end of an answer that came a character at a time."""
    seen = []
    for limits in (SlackSurface.limits, DiscordSurface.limits):
        pages = Pages(limits, Links(("ok.example",)))
        for each in text:
            pages.feed(each)
            pages.read()
        pages.end()
        seen.append(pages.last.shown.replace(JOINER, ""))
    return seen[0], seen[1]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1. a\n2. b\n\n3. c\n", "1 2 3"),
        ("1. a\n\n2. b\n3. c\n\n4. d\n", "1 2 3 4"),
        ("1) a\n2) b\n10. ten\n", "1 2 10"),
        ("3. a\n4. b\n   - x\n\n5. c\n", "3 4 5"),
        ("1. a\n   ```\n   x\n   ```\n2. b\n\n   more\n3. c\n", "1 2 3"),
        ("1. a\n1. b\n1. c\n", "1 2 3"),
        ("**Pros**\n1. Fast\n2. Cheap\n**Cons**\n1. Fragile\n2. Slow\n", "1 2 3 4"),
        ("**Pros**\n\n1. Fast\n2. Cheap\n\n**Cons**\n\n1. Fragile\n2. Slow\n", "1 2 1 2"),
    ],
)
def test_lists_keep_their_numbers(text, numbers):
    for each in last(text):
        marks = (line.split()[0] for line in each.split("\n") if line[:1].isdecimal())
        assert [mark.strip(".)") for mark in marks] == numbers.split()


def test_numbers_go_on_behind_a_cut():
    text = "".join(f"{number}. item {number} of the list, which is long\n" for number in range(1, 301))
    for limits in (SlackSurface.limits, DiscordSurface.limits):
        pieces = paginate(text, limits)
        assert len(pieces) > 1
        lines = [line for piece in pieces for line in piece.shown.split("\n") if line]
        assert [line.split(".")[0] for line in lines] == [str(number) for number in range(1, 301)]


@pytest.mark.parametrize(
    "text",
    [
        "The plan is **$20**/month; set `$TOKEN` before you run it.",
        "- **Base:** $10\n- **Extra:** $5 per `user_id`, see `$RATE`",
        'Pro is **$20** (*billed yearly*); in C# write `$"{name}"`.',
        "It costs $5/month or $50/year, $1,000 in all.",
        "`echo $HOME` prints it, `$PATH` too; it costs $3.",
    ],
)
def test_prices_and_shell_variables_are_no_formulas(text):
    assert shown(text) == (text, text)


@pytest.mark.parametrize("body", ["E = mc^2", "x_1", "n", "\\frac{a}{b}", "a < b", "2^n"])
def test_formulas_are_code(body):
    for text in (f"so ${body}$ it is", f"so \\({body}\\) it is"):
        assert shown(text) == (f"so `{body}` it is",) * 2


def test_a_formula_is_one_however_many_prices_stand_before_it():
    prices = "it costs $5 and $10, see `$RATE`"
    for text in (" ".join([prices] * 6), "\n".join([f"- {prices}"] * 20), "\n\n".join([prices] * 20)):
        assert shown(f"{text} and $E = mc^2$") == (f"{text} and `E = mc^2`",) * 2


def test_prices_that_are_too_many_stay_as_they_are():
    prices = "see `$A` for $5 " * 300
    for text in (prices, f"| {prices} | {prices}b |\n|-|-|\n| c | {prices}d |"):
        tree = grammar.parse(text)
        assert words(tree.source) == text
        nodes = (node for block in tree.blocks for node in walk(block))
        assert not any(kind(node) is comrak.Math for node in nodes)


def test_emphasis_next_to_cjk_is_emphasis():
    text = "**原因：**内存不足，使用**`npm`**命令，**「重点」**内容"
    slack, discord = shown(text)
    assert discord == text
    assert slack == f"**原因：{THIN}**内存不足，使用**{THIN}`npm`{THIN}**命令，**「重点」{THIN}**内容"
    assert shown("5 * 3 * 2 = 30")[0].replace("\\", "") == "5 * 3 * 2 = 30"


def test_marks_that_end_together_are_marks_next_to_words():
    assert render(SlackDialect(), "***原因\uff1a***内存") == f"***原因\uff1a{THIN}**{THIN}*内存"
    assert render(DiscordDialect(), "*b*[*c*](x)") == f"*b*{JOINER}*c* (`x`)"
    assert render(SlackDialect(), "内存***\uff1a原因*** c") == f"内存*{THIN}**{THIN}\uff1a原因*** c"


def test_a_paragraph_with_a_pipe_stays_and_a_head_of_a_table_waits():
    for limits in (SlackSurface.limits, DiscordSurface.limits):
        pages = Pages(limits)
        pages.feed("The type is `string | undefined`, so check it.")
        before = pages.last.shown
        pages.feed("\n")
        assert pages.last.shown == before
        pages = Pages(limits)
        pages.feed("| a | b |\n")
        assert pages.last.shown == ""


def test_footnotes_are_no_definitions():
    slack, discord = shown("Yes[^1] and[^two].\n\n[^1]: https://ok.example/x\n[^two]: word\n")
    assert slack == discord == "Yes¹ and\\[^two\\].\n\n¹ `https://ok.example/x`\n\\[^two\\] word"


def test_a_footnote_is_one_whatever_looks_like_its_text():
    assert shown("a[^1]\n\n    [^1]: code") == (f"a¹\n\n{F}\n[^1]: code\n{F}",) * 2


def test_code_in_a_table_keeps_its_pipes():
    slack, discord = shown("| a | b |\n|---|---|\n| `x \\| y` | z |\n")
    assert "| `x \\| y` | z |" in slack
    assert "x | y │ z" in discord


@pytest.mark.parametrize("mark", ["", "> ", "- "])
def test_code_in_a_row_that_has_too_many_cells_keeps_pipes_that_are_not_escaped(mark):
    rows = ["| 類型 | b |", "|---|---|", "| 日 `x|y` or `a \\| b | c` | `||` |", "| `d` | e |"]
    lines = "\n".join([mark + rows[0], *(("  " if mark == "- " else mark) + row for row in rows[1:])])
    slack, discord = shown(lines)
    assert "| 日 `x\\|y` or `a \\| b \\| c` | `\\|\\|` |" in slack
    assert "日 x|y or a | b | c │ ||" in discord
    assert "| `d` | e |" in slack
    slack, discord = shown("a|b\n-|-\n`x|y`|z|w\n")
    assert slack == "| a | b |  |\n| --- | --- | --- |\n| `x\\|y` | z | w |"
    assert "x|y │ z │ w" in discord


@pytest.mark.parametrize(
    "text",
    [
        "| a | b |\n|---|---|\n1 | 2 | 3",
        "| `a\\|b` | c |\n|---|---|\n| 1 | 2 | 3 |",
        "> - | a | b\n>   | --- | ---\n>   | 1 | 2 | 3 |",
    ],
)
def test_a_cell_too_much_is_shown_however_many_pipes_the_head_has(text):
    slack, discord = shown(text)
    assert "| 1 | 2 | 3 |" in slack
    assert "│ 2 │ 3" in discord


def test_signs_that_resemble_pipes_stay_as_they_are():
    assert shown("a \u23d0 `b\u23d0\u2758`") == ("a \u23d0 `b\u23d0\u2758`",) * 2


def test_names_cost_no_more_than_their_length():
    text = "a___b" * 1_000
    before = time.process_time()
    grammar.parse(text * 8)
    assert time.process_time() - before < 5  # with its square it would take half a minute


@pytest.mark.parametrize(
    ("info", "language", "caption"),
    [
        ('python title="x.py"', "python", "x.py"),
        ("python:src/app.py", "python", "src/app.py"),
        ("js {1,3}", "js", ""),
        ("c++", "c++", ""),
        ("src/app.py", "", "src/app.py"),
        ("{.python}", "python", ""),
    ],
)
def test_a_fence_has_a_language_and_what_else_it_says_stands_above(info, language, caption):
    above = f"`{caption}`\n" if caption else ""
    assert shown(f"{F}{info}\nx\n{F}\n") == (f"{above}{F}{language}\nx\n{F}",) * 2


def test_a_block_of_markdown_holds_blocks_of_code():
    text = f"{F}markdown\n## Use\nRun:\n{F}\nmake\n{F}\n{F}json\n{{}}\n{F}\n{F}\n\nThat is **all** of it.\n"
    for each in last(text):
        assert each.endswith(f"{F}\n\nThat is **all** of it.")
    plain = f"{F}md\n# x\n{F}\n\nDone.\n"
    assert last(plain) == (f"{F}md\n# x\n{F}\n\nDone.",) * 2


def test_a_line_break_of_html_is_one():
    slack, discord = shown("one<br>two<br/>three\n\n| a |\n|---|\n| x<br>y |\n")
    assert slack.startswith("one\ntwo\nthree\n\n") and "| x · y |" in slack  # noqa: PT018  one text
    assert discord.startswith("one\ntwo\nthree\n\n") and "\nx\ny\n" in discord  # noqa: PT018


def test_a_line_break_of_html_at_the_end_of_a_line_is_no_blank_line():
    assert shown("a<br>\nb<br><br>c") == ("a\nb\n\nc",) * 2
    assert shown("**a<br>\nb<br><br>c**") == ("**a\nb\nc**",) * 2


def test_a_tilde_behind_an_escaped_one_strikes_nothing_out():
    for each in shown(r"\~~a \~~ b"):
        assert each.replace("\\", "").count("~") == 4
    assert all("~~a~~" in each for each in shown(r"\\~~a~~"))


@pytest.mark.parametrize("text", ["\\\\__n__", "\\\\\\\\__n__ a", "a\\b __n__"])
def test_a_name_with_underscores_is_one_behind_a_backslash_that_is_text(text):
    assert all("\\_\\_n\\_\\_" in each for each in shown(text))
    assert shown("\\__n__") == ("\\_*n*\\_",) * 2


@pytest.mark.parametrize(
    ("text", "discord"),
    [
        ("**`**kwargs`**: the rest", "`**kwargs`: the rest"),
        ("*`a*b`* **`a*b`**", "`a*b` **`a*b`**"),
        ("***`*args`***", "**`*args`**"),
        ("~~a `b~~c` d~~", "a `b~~c` d"),
        ("#### `**kwargs`", "`**kwargs`"),
        ("- # `**kwargs`", "- `**kwargs`"),
        ("*5 * 3*", "*5 \\* 3*"),
    ],
)
def test_no_mark_ends_in_code_or_between_spaces_on_discord(text, discord):
    assert shown(text)[1] == discord


def test_a_link_of_which_no_address_may_be_shown_is_its_label():
    assert shown("[x](?a=1) ![y](?)") == ("x y",) * 2


@pytest.mark.parametrize("label", ["", " ", "` `", "&#32;"])
def test_an_image_or_link_without_words_is_an_image_or_an_address(label):
    assert shown(f"![{label}](https://evil.example/i)") == ("image (`https://evil.example/i`)",) * 2
    assert shown(f"[{label}](https://evil.example/i)") == ("`https://evil.example/i`",) * 2


def test_a_footnote_in_a_table_is_a_raised_number():
    slack, discord = shown("|a[^1]|\n|-|\n|b[^n]|\n\n[^1]: x\n\n[^n]: y")
    assert "| a¹ |" in slack
    assert "a¹\n" in discord
    assert "b[^n]\n" in discord


def test_names_with_underscores_and_single_tildes_are_as_written():
    for each in shown("call __init__.py, **kwargs, ~5 to ~10 and ~x~"):
        assert each.replace("\\", "") == "call __init__.py, **kwargs, ~5 to ~10 and ~x~"
    for each in shown("[a]: b\n|c\\|__d__|\n|-|\n|__e__|"):  # where the parser's positions are wrong
        assert "__d__" in each.replace("\\", "")
        assert "__e__" in each.replace("\\", "")


def test_an_address_of_mail_has_no_scheme():
    assert shown("Write to <me@ok.example> please.") == ("Write to me@ok.example please.",) * 2


def test_links_by_reference_are_links_once_the_answer_ends():
    text = (
        "See [the docs][1] and [that].\n\n[1]: https://ok.example/a?b=1&c=2\n[that]: https://ok.example/d\n"
    )
    want = "See [the docs](https://ok.example/a?b=1&c=2) and [that](https://ok.example/d)."
    assert last(text) == (want, want)


def test_a_definition_that_no_link_uses_is_shown():
    for each in last("Hello.\n\n[1]: https://ok.example/a\n"):
        assert each.replace("\\", "") == "Hello.\n\n[1]: https://ok.example/a"


def test_entities_of_slack_are_none_in_addresses_and_in_code():
    text = "a < b & [x](https://ok.example/?a=1&b=2) `<@U1> & <b>`"
    literal = "a &lt; b &amp; [x](https://ok.example/?a=1&b=2) `<\u2060@U1> & <b>`"
    assert render(SlackDialect(), text, OK) == literal
    switched = SlackDialect()
    switched.code_entities = True
    assert render(switched, text, OK).endswith("`&lt;@U1&gt; &amp; &lt;b&gt;`")


def items(shown: str) -> int:
    """Return how many items Slack makes of a page of headings, rules and text."""
    tree = grammar.parse(shown)
    kinds = [kind(node).__name__ in {"Heading", "ThematicBreak", "Table"} for node in tree.blocks]
    return sum(alone or not index or kinds[index - 1] for index, alone in enumerate(kinds))


def test_a_page_of_slack_has_no_more_items_and_rows_than_slack_takes():
    text = "".join(f"## Step {number}\n\nDo this.\n\n---\n\n" for number in range(60))
    pieces = paginate(text, SlackSurface.limits)
    assert join(pieces) == text
    assert max(items(piece.shown) for piece in pieces) <= ITEMS
    table = "| a | b |\n|---|---|\n" + "| x | y |\n" * 3_000
    pieces = paginate(table, replace(SlackSurface.limits, attach=0))
    assert max(piece.shown.count("\n") for piece in pieces) <= ROWS
    assert all(piece.shown.startswith("| a | b |\n") for piece in pieces)
    wide = "| a |\n|---|\n" + f"| {'x' * 900} |\n" * 30
    assert all(len(piece.shown) <= CELLS + 1_000 for piece in paginate(wide, SlackSurface.limits))


def test_an_item_that_goes_on_behind_a_cut_is_followed_by_the_next_number():
    text = "1. " + "word " * 500 + "\n2. two\n3. three\n"
    pieces = paginate(text, DiscordSurface.limits)
    assert len(pieces) > 1
    assert pieces[-1].shown.endswith("\n2. two\n3. three")
    assert not pieces[-1].shown.startswith("1.")


def test_code_in_an_item_goes_on_as_code_behind_a_cut():
    text = "1. a\n   ```py\n" + "   x = 1\n" * 400 + "   ```\n2. b\n"
    pieces = paginate(text, DiscordSurface.limits)
    assert all(piece.shown.startswith("```py\nx = 1\n") for piece in pieces[1:])
    assert pieces[-1].shown.endswith("```\n\n2. b")


def cut(text: str, size: int) -> tuple[list[str], list[str]]:
    """Return the pages of *size* units that both show of *text*, without what nobody sees."""
    slack, discord = (
        [
            piece.shown.replace(JOINER, "")
            for piece in paginate(text, replace(limits, size=size), Links(("ok.example",)))
        ]
        for limits in (SlackSurface.limits, DiscordSurface.limits)
    )
    return slack, discord


WORDS = "so that every worker waits for it"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        (f"7. {WORDS}\n8. {WORDS}\n   1. {WORDS}\n   2. {WORDS}\n   3. {WORDS}\n9. {WORDS}\n", "7 8 1 2 3 9"),
        (
            f"- {WORDS}\n\n  1. {WORDS}\n  2. {WORDS}\n     1) {WORDS}\n     2) {WORDS}\n  3. {WORDS}\n",
            "1 2 1 2 3",
        ),
        (f"> 3. {WORDS}\n> 4. {WORDS}\n>    - {WORDS}\n> 5. {WORDS}\n", "3 4 5"),
        (f"1. {WORDS}\n\n   {WORDS}\n   {WORDS}\n\n2. {WORDS}\n", "1 2"),
        (f"1. {WORDS}\n   ```\n   {WORDS}\n   {WORDS}\n   ```\n2. {WORDS}\n", "1 2"),
        (f"1. {WORDS}\n\n[a]: https://ok.example/a\n\n1. {WORDS}\n2. {WORDS}\n\n[x][a]\n", "1 1 2"),
        (f"See it.[^1]\n\n[^1]: {WORDS}\n8. {WORDS}\n9. {WORDS}\n", "8 9"),
        (f"1. {WORDS}\n2. <div>\n**Next**\n1. {WORDS}\n", "1 2 1"),
    ],
)
@pytest.mark.parametrize("size", [60, 80, 100, 130, 0])
def test_lists_keep_their_numbers_over_any_cut(text, numbers, size):
    for pages in cut(text, size or SlackSurface.limits.size):
        lines = [line.lstrip("> ") for page in pages for line in page.split("\n")]
        marks = [line.split()[0].strip(".)") for line in lines if line[:1].isdecimal()]
        assert marks == numbers.split()


@pytest.mark.parametrize("size", [60, 80, 100])
@pytest.mark.parametrize(
    ("before", "line", "behind"),
    [
        ("<div>\n", "- no *list*\n", "\n"),
        ("<!-- a\n", "~~~ no code\n", "-->\n"),
        ("> <p>\n", "> # no heading\n", "\n"),
        ("1. <b>\n", "   2. no item\n", "\n"),
    ],
)
def test_html_goes_on_as_it_is_written_over_a_cut(before, line, behind, size):
    text = before + line * 12 + behind + "1. *it*\n"
    for pages in cut(text, size):
        assert len(pages) > 1
        words = "\n".join(pages).replace("\\", "").replace("&gt;", ">")
        assert words.count(line.strip("> \n")) == 12
        assert pages[-1].endswith("1. *it*") or pages[-1].endswith("2. *it*")


def test_html_that_ends_in_its_line_ends_with_it_over_a_cut():
    for before in ("<!-- a -->", "<!-- a\nb -->", "<?a?>"):
        for pages in cut(f"{before}{WORDS} {WORDS} {WORDS}\n--\n1. *it*", 70):
            assert len(pages) > 1
            assert pages[-1].endswith("1. *it*")
            assert not any("##" in page for page in pages)


def test_an_item_is_not_cut_from_the_quote_that_it_is_in():
    link = "[a *marked* label](https://evil.example/a_b)"
    text = (
        f"7. a\n10. {WORDS}, and:\n    > 2) [ ] it {WORDS}\n    > 3) [ ] don't one\n"
        f"    >    two **日本語\uff08括弧付き\uff09。**続き it is\n"
        f"    > 4) {link} and every worker {link}.\n    > 5) b\n11. c"
    )
    for size in range(60, 110):
        for pages in cut(text, size):
            assert pages[-1].split("\n")[-1] == "9. c"


def test_a_heading_that_a_cut_divides_is_one_on_both_pages():
    for pages in cut(f"> # {WORDS} {WORDS} {WORDS}\nand more", 100):
        assert pages[0].startswith("> # so")
        assert pages[1].startswith("> # ")
        assert pages[1].endswith("\nand more")


def test_a_mark_that_is_open_before_a_cut_is_closed_only_within_its_paragraph():
    for pages in cut(f"> **{WORDS}\n> - {WORDS}", 70):
        assert pages[0] == f"> \\*\\*{WORDS}"
    for pages in cut(f"> **{WORDS}\n> {WORDS} {WORDS}** b", 80):
        assert pages[0].endswith("**")
        assert pages[1].startswith("> **")


def test_the_end_of_code_stays_with_it():
    code = f"   > {F}py\n   > {WORDS}\n   > {F}\n   >\n   > {WORDS}\n   >\n   > more\n"
    for size in range(60, 120):
        pieces = paginate(f"1. {WORDS}\n\n{code}2. b", replace(SlackSurface.limits, size=size))
        assert not any(piece.text.lstrip("> ").startswith(f"{F}\n") for piece in pieces)
        assert pieces[-1].shown.split("\n")[-1] == "2. b"


def test_code_does_not_end_with_ticks_that_a_cut_puts_at_the_beginning_of_a_line():
    for text in (f"{F}\nx{F}\n- a\n{F}", "> - ~~~\n>   x  ~~~~\n>   - a"):
        at = text.index("x") + 1
        rest = Dressed(lead_at(grammar.parse(text), at), text[at:]).source
        assert render(SlackDialect(), rest).count("- a\n") == render(SlackDialect(), rest).count("- a") == 1
        assert len(grammar.parse(rest).blocks) == 1


def test_a_line_is_not_cut_before_its_end():
    for size in range(60, 90):
        pieces = paginate(f"- > # {'x' * 70}\n  ~ {WORDS}", replace(SlackSurface.limits, size=size))
        assert len(pieces) > 1
        assert not any(piece.text.startswith("\n") for piece in pieces)


def test_no_page_is_one_list_of_two_that_the_text_has():
    [slack], _ = cut("1. a\n\n[x]: https://ok.example/a\n\n1. b\n\n[x]", 1_000)
    paginated = paginate("1. a\n\n[x]: https://ok.example/a\n\n1. b\n\n[x]", SlackSurface.limits)
    assert "1. a" in slack
    assert f"\n\n{JOINER}\n\n1. b" in paginated[0].shown


def test_a_quote_in_a_quote_holds_lists_and_code_on_discord():
    _, discord = shown(f"> a\n> > b\n> > - c\n> > - d\n> >\n> > {F}py\n> > x = 1\n> > {F}\n> e")
    assert "> ┃ b\n> - c\n> - d" in discord
    assert f"> {F}py\n> x = 1\n> {F}" in discord


def test_a_list_right_behind_another_in_an_item_is_told_on_discord():
    slack, discord = shown("- a\n  * b\n  2. c\n  3. d")
    assert "2. c" in slack
    assert discord == "- a\n  - b\n  2\\. c\n  3\\. d"


def test_a_paragraph_behind_an_empty_item_is_no_part_of_it():
    assert shown("> 1)\na") == ("> 1) \n\na", "> 1. \n\na")
    assert shown("- a\n-\nb")[0] == "- a\n- \n\nb"


def test_a_heading_without_words_does_not_join_what_is_around_it():
    assert shown("1. a\n#\n- b")[1] == "1. a\n\n- b"
    assert shown("- a\n  * b\n  #\n  2. c")[1] == "- a\n  - b\n  2\\. c"


def test_an_item_of_white_space_is_an_item_behind_a_paragraph():
    assert render(SlackDialect(), "a\n- &#10;") == f"a\n- {JOINER}"
    assert shown("a\n- &#10;\nb")[0] == "a\n- b"


def test_a_rule_in_an_item_is_not_one_with_the_bullet():
    assert shown("- ***\n- b") == ("- ___\n- b", f"- {'─' * 24}\n- b")


def test_a_heading_in_a_quote_in_a_quote_is_bold_on_discord():
    assert shown("> > # a *b*")[1] == "> ┃ **a *b***"


def test_a_list_behind_the_rest_of_another_item_is_not_one_with_it():
    text = f"1. {WORDS} {WORDS}\n   * {WORDS}\n\n     4. {WORDS}\n   4. {WORDS}"
    assert cut(text, 130)[0][1] == f"4. {WORDS}\n\n\n\n4. {WORDS}"  # what is between is not seen


@pytest.mark.parametrize(
    "text",
    [
        "set $PATH to <x> and pay US$ 5",
        "$LD_LIBRARY_PATH:$HOME",
        "$HOME/bin = here and there$",
        "costs $5 < $6",
        "from $the first word to the last one = $ it",
        "one $a <\nb$ two",
    ],
)
def test_prose_and_variables_between_dollars_are_no_formula(text):
    for each in shown(text):
        assert "`" not in each


def test_a_block_of_markdown_goes_on_over_a_cut_within_a_block_in_it():
    body = "\n".join(f"line {number} of it" for number in range(8))
    for pages in cut(f"{F}markdown\n# Use\n\n{F}bash\n{body}\n{F}\n\nThat is all.\n{F}\n\nend", 90):
        assert "end" in pages[-1]
        inner = [line for page in pages for line in page.split("\n") if "That is all." in line]
        assert inner == ["That is all."]
        assert not any("That is all." in page.split(F)[0] for page in pages)


def test_discord_shows_no_language_that_it_does_not_know():
    assert shown(f"{F}c#\nx\n{F}")[1] == f"{F}cs\nx\n{F}"
    assert shown(f"{F}#1\nx\n{F}")[1] == f"{F}\nx\n{F}"


def test_a_bracket_and_a_colon_are_no_quiet_link_on_discord():
    for text in ("<:/\nt>", "<:/ t", f"<\n{F}\n://>\n{F}", "x <b:/c y>"):
        assert "\\<" in shown(text)[1]
    assert shown("1 < 2 and <b> 3")[1] == "1 < 2 and <b> 3"


def test_a_list_from_zero_counts_on_where_discord_counts_from_one():
    slack, discord = shown("0. a\n\n1. b\n\n2. c")
    assert [line[:1] for line in slack.split("\n") if line] == ["0", "1", "2"]
    assert [line[:1] for line in discord.split("\n") if line] == ["1", "2", "3"]


@pytest.mark.parametrize(
    "before", ["- see [docs][1]\n\n", "> see [docs][1]\n\n", "see [docs][1]\n\nmore\n\n"]
)
def test_what_was_written_before_a_definition_came_is_written_again(before):
    pages = Pages(DiscordSurface.limits, Links(("ok.example",)))
    for part in (before, "end\n\n", "[1]: https://ok.example/1\n"):
        pages.feed(part)
        seen = pages.last.shown
    assert "[docs](https://ok.example/1)" in seen


def test_complete_blocks_are_written_once_however_many_frames_show_them(monkeypatch):
    written = []
    literal = DiscordDialect.literal

    def counted(self, text, *, fresh=True):
        written.append(text)
        return literal(self, text, fresh=fresh)

    monkeypatch.setattr(DiscordDialect, "literal", counted)
    pages = Pages(DiscordSurface.limits)
    paragraphs = [f"Paragraph {number} says this and that." for number in range(400)]
    for paragraph in paragraphs:
        pages.feed(f"{paragraph}\n\n")
        assert pages.last.shown
    assert all(written.count(paragraph) <= 2 for paragraph in paragraphs)


def test_trees_are_freed():
    def megabytes() -> float:
        return psutil.Process().memory_info().rss / 2**20

    text = "\n\n".join(f"Some **bold {number}** and `code` [x](https://ok.example)" for number in range(60))
    grammar.parse(text)
    before = megabytes()
    for number in range(600):
        grammar.parse(f"{text}\n\n{number}")
    assert megabytes() - before < 30  # with a leak it is 80
