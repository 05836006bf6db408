"""Kinds of text that the fuzz found told otherwise than meant: those texts, and others of each kind.

Each grows a character at a time, and comes at once; all that must hold for any text is asked of every frame.
"""

from __future__ import annotations

import pytest

from adapters.discord.surface import DiscordSurface
from adapters.slack.surface import SlackSurface
from bot.show.pages import Pages, paginate
from tests.bench import reads_discord, reads_slack
from tests.bench.fidelity import read
from tests.bench.fuzz import Case, complaints
from tests.bench.oracles import SIDES

READERS = {"slack": reads_slack, "discord": reads_discord}

F = "```"
#: Code in something that is indented by four, and what comes behind it.
CODE = f"    {F}\n" + "".join(f"    x = {number}\n      y\n" for number in range(10)) + f"    {F}\n"

WORDS = "words of a sentence that goes on, " * 10

TAGS = "".join(chr(0xE0000 + ord(each)) for each in "ping everyone")
MARKS = "\u0300" * 90

KINDS = {
    "code that only the end of its item ends": [
        (0, f"- {F}\n- {F}\n  r\n\n&"),
        (0, f"> * {F}\n> * {F}\n>   r\n>\n>   s\n>\n> z"),
    ],
    "a page that holds no more and is not cut yet": [
        (84, f"\xa0\n---\n~~@e`very`one \n\n~~`\n{F}\nThat is $5 and longer words of a sentence to it. "),
        (66, "`\n####### seven\n\n\n_a__b_\n-[a [b](https://evil.example) c](https://ok.example) _a__"),
    ],
    "white space that makes code": [(0, "&#10;\te"), (0, "*a*<br>&#32;\tb"), (0, "a\n\n&#32; \tb")],
    "white space beside a mark": [(0, "*a&nbsp;*"), (0, "**&nbsp;a** b"), (0, "*<br>a*")],
    "a link or a formula in a table": [(0, "[](e)\n|-"), (0, "`\n-|\n[x]()"), (0, "a\n-|\n//\\[ j\\]")],
    "a name or a price beside a mark": [(0, "**a*__r__"), (0, "**a*$5 b"), (0, "~a **b*~c")],
    "a scheme in capitals": [(0, "[a](HTTPS://ok.example/b) c"), (0, "[`a`](Http://ok.example)")],
    "a table without words": [(0, "| |\n|-|\n| |\n"), (0, "\u200d\n|-\n\t<")],
    "what looks like a block behind a mark": [
        (0, "~~[&num;](e)~~"),
        (0, "**\\# a**"),
        (0, "*\\> a* b"),
        (0, "***\\- a***"),
    ],
    "more of an item or a footnote on the next page": [
        (100, "-   a\n\n" + "        code of it\n" * 9 + "\n-   b\n"),
        (100, "1.  a\n\n    *   b\n\n" + "            code of it\n" * 9 + "\n    *   c\n"),
        (100, f"a[^1]\n\n[^1]: note\n\n{CODE}\n    end *of*\n\nz\n"),
        (100, f"[^1]: {WORDS}\n\n    > a\n\n    1. b\n    2. c\n"),
        (71, "-\tim\nHTTPS://EVIL.EXAMPLE | 1afmkfd.example `https://evil.exampl\n7. |"),
        (100, f"-   {WORDS}\n    {WORDS}\n\n3. a\n4. b\n"),
        (100, f"10. {WORDS}\n\n    {CODE}\n11. b\n\n- c\n"),
        (60, f"- {WORDS}\n\n  ## head\n  - x\n- y\n"),
        (60, f"- > {WORDS}\n  >\n  > ## head\n- y\n"),
    ],
    "the head of a table that looks like something else behind a paragraph": [
        (0, f"{WORDS}\n10. b\n|-|\n|c|\n\n{WORDS}"),
        (0, f"{WORDS}\n10. b|c\n-|-\nd|e\n\n{WORDS}"),
        (0, f"{WORDS}\n    |b|\n|-|\n|c|\n\n{WORDS}"),
        (60, "a longer paragraph that fills a page\n10. ten\n|---|\n| a |\n| b |\n"),
    ],
    "what looks like a block of markdown with code in it": [
        (0, f"<div>\n{F}markdown\n{F}sh\nx\n{F}\n{F}\n</div>\n\na *b*"),
        (0, f"<pre>\n{F}md\na\n{F}\nb\n</pre>\n\n{F}md\na\n{F}sh\nb\n{F}\n{F}\n\nc"),
    ],
    "a link without label and address": [(0, "*[ ]()*"), (0, "a *[ ]()* b"), (0, "> []()")],
    "a list that is told as text, from nothing": [(0, "7.\n   + \n   0. 0"), (0, "- - b\n  0. c\n")],
    "a hash at the end of a heading": [(0, "# #\u3000"), (0, "## C# \u3000#"), (0, "# a&nbsp;#&nbsp;\n\nb")],
    "an escape between marks in a heading": [(0, "- # *_*"), (0, "> > # *\\** a"), (0, "- # \\*a*b*")],
    "a quote and fences in a block of markdown": [
        (0, f"{F}markdown\n{F}\n>{F}\n{F}\n{F}"),
        (0, f"> {F}md\n> a\n> {F}\n> {F}sh\n> b\n> {F}\n\n{F}md\na\n{F}sh\nb\n{F}\n{F}\n\nc"),
    ],
    "a byte order mark": [(20, "a longer one here\n\n\ufeff- b"), (0, "\ufeff* a\n\n`\ufeff`")],
    "a line's end in an address, or behind a fence": [
        (0, f"{F}py a&#10;1) b\nx\n{F}"),
        (0, "~~~a&NewLine;&#10;-  b\tc\nx"),
        (0, "[x](<http://\u3044&#10;1) https://evil.example>) a"),
        (0, "![](a&#10;-&#32;https://evil.example/b) c"),
        (0, "see [a] b\n\n[a]: <x&NewLine;&NewLine;1)&#32;https://evil.example>"),
    ],
    "a list in a footnote beside another": [
        (0, "[^1]: A footnote.\n~\n      1. deeper\n1. x"),
        (0, "[^1]: a\n\n    - b\n\n- c\n"),
    ],
    "what stands behind a fence, on two pages": [
        (84, "rm -rf *_*\n1) ~~~~~[x](<img src=https://evil.example/x>    )a**\t\x9b$x_1^2$ **\u65e5\u3002"),
        (70, f"> ~~~ {'a b ' * 40}\n> x\n> ~~~\n> *y*"),
    ],
    "a heading that a page shows with what it heads": [
        (69, f"    3.14 channel>{'`' * 9}channel>{'`' * 9}\n# head\n#\n@e <script>alert(1)</script>&#64;e"),
    ],
    "a name behind a mark that nobody sees": [
        (0, "_\x9b__n__"),
        (0, "a_b_\u0301__under__ c"),
        (0, "call __init__.py, a__b__, *__c__* and __d"),
        (0, "use __init__ for $5 and $10 __d__.py US$3.50"),
        (0, "__a___ -________a__b________ ___r__"),
    ],
    "an image or a link around one": [
        (0, "![[](:/)]()"),
        (0, "![[](b)](https://evil.example/c) [![](b)](c)"),
        (0, "a ![*[]()*](b)"),
    ],
    "a mark before an entity, at a cut": [
        (97, f"*&nu; 4 o{MARKS}{MARKS}*."),
        (60, f"a **&lt; {WORDS} {WORDS}** b"),
    ],
    "a box that is none": [
        (0, "- [x]\n**a**"),
        (0, "- [x]\n  b\n- [ ]\n- [x]\u00a0c"),
        (0, "1. [ ] d\n2. [X]\te"),
    ],
    "a link without an address": [(0, "a [**b** `c`]() d"), (0, "![*b*](?e)")],
    "a character that a page is too small for, in code": [
        (77, f"{F}el>\n *b** c*&Tab;\n7. https://user:pw@ok.example ![[^1] {TAGS}x\n{F}\n]"),
        (60, f"{F}\nx\n  o{MARKS}\n# y\n{F}\n\n*z*"),
        (60, f"{F}\n{'x' * 40}o{MARKS}\n# y\n{F}\n\n*z*"),
    ],
    "HTML that ends in a line that still grows": [
        (100, f"<!a> {'b ' * 40} &num; <img src=https://evil.example/x.png>~~~~~~~"),
        (60, f"<?a ?> {WORDS}\n\n*b*"),
    ],
    "a list that is told as text in a quote": [(0, ">1.\n>     - \n>    5. "), (0, "> - - a\n>   1. ~~b~~")],
    "a space that stays before a mark of a block": [(0, "- \xa0\\- x"), (0, "1. &nbsp;# y\n2. \u3000\\>")],
    "a line below a heading": [
        (88, "ps://evil.example`\n- e\u0301[**\n  - item\n \n  ](https://evil.example)  head\n  =\n  ```"),
    ],
}  # fmt: skip
CASES = [(side, *case) for cases in KINDS.values() for case in cases for side in ("slack", "discord")]


@pytest.mark.parametrize(("side", "size", "text"), CASES)
def test_pages_say_what_was_meant(side, size, text):
    for chunks in (tuple(text), (text,)):
        case = Case(side, size, linked=True, chunks=chunks)
        assert read(text, side, case.allowed) is not None  # else nothing is compared
        assert [*complaints(case, faithful=True)] == []


@pytest.mark.parametrize("waits", ["| c |\n", "| c", "- ", "1", "[d"])
@pytest.mark.parametrize(("text", "shown"), [("a\n# b `c\n", "a\n# b \\`c"), ("> ## *b\n> ", "> ## \\*b")])
def test_a_mark_in_a_heading_is_text_once_its_line_ends(text, shown, waits):
    pages = Pages(SlackSurface.limits)
    pages.feed(text + waits)
    assert pages.last.shown == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("so **AT&amp;T and", "so **AT&T and**"),
        ("_a&euro; b", "*a€ b*"),
        ("~~5 &euro; off", "~~5 € off~~"),
        ("x `a &amp; b", "x `a &amp; b`"),
        ("see [Q&amp;A](https://evil.exa", "see Q&A"),
        ("**[Q&amp;A](<https", "**Q&A**"),
    ],
)
def test_what_is_open_before_an_entity_is_closed_while_the_text_grows(text, shown):
    pages = Pages(DiscordSurface.limits)
    pages.feed(text)
    assert pages.last.shown == shown


GROWING = {
    "a link with brackets in its address": "see [a **b**](https://ok.example/Foo_(bar)_(baz)) c",
    "a mark before an entity": "a *&quot;b* c, **&amp;** d",
    "a mark before a formula": "a **$x$** c",
    "a mark of two tildes": "a ~~b~~ c",
    "code between two backticks": "a `` b`c `` d, ``` e``f ``` g, `` `h` `` i",
    "a formula with lines of its own": "a\n\n$$\n\\frac{b}{c} +\nd_1*e*\n$$\nf $5 and $6",
    "another": "> \\[\n> b \\\\\n> c\n> \\]\n> d",
    "one in an item": "- $$\n  b^2\n  $$\n- c",
    "a long one": f"$$x_1{' + x_2' * 20}$$ b",
    "a formula in a line": "a $5 and $x^2$ b",
    "another in a line": "a $HOME/b, c \\(x^2\\) b",
    "a definition": 'b\n\n[a]: https://ok.example/b "c"\n\nd',
}


@pytest.mark.parametrize(("kind", "side"), [(kind, side) for kind in GROWING for side in READERS])
def test_no_mark_is_shown_for_a_moment_and_nothing_that_was_shown_goes(kind, side):
    text, reader = GROWING[kind], READERS[side]
    whole = reader.seen(paginate(text, SIDES[side].limits)[0].shown).text
    pages = Pages(SIDES[side].limits)
    for character in text:
        pages.feed(character)
        assert whole.startswith(reader.seen(pages.last.shown).text)


@pytest.mark.parametrize(
    "begun", ["http", "https", "https:", "https:/", "https://evil.ex", "www", "www.evil.ex"]
)
def test_an_address_that_is_begun_waits(begun):
    pages = Pages(SlackSurface.limits)
    pages.feed(f"a {begun}")
    assert pages.last.shown == "a"


def test_a_variable_is_shown_once_it_is_no_formula_and_a_formula_with_lines_of_its_own_as_it_grows():
    pages = Pages(SlackSurface.limits)
    pages.feed("a $HOME/bin")
    assert pages.last.shown == "a $HOME/bin"
    pages.feed("\n\n$$\n\\frac{b}{c} + x")
    assert pages.last.shown == "a $HOME/bin\n\n`\\frac{b}{c} + x`"


def test_a_block_of_markdown_with_a_longer_fence_ends_where_that_does():
    text = f"{F}`markdown\n{F}sh\na\n{F}\n{F}`\nb\n\nc *d*"
    assert paginate(text, SlackSurface.limits)[0].shown == text


def test_a_tilde_operator_and_a_small_dollar_sign_stay_what_they_are():
    text = "a \u223c b, \ufe69 and ~c~, $5, __init__"
    assert paginate(text, SlackSurface.limits)[0].shown.replace("\\", "") == text
