"""Markdown that nobody should write and somebody will: bits, ways to wrap them, and texts of both.  Pure.

`BITS` and `WRAPS` are data, so that Hypothesis can draw from the same ones (tests/test_pages_fuzz.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
FLAG = "\U0001f1e8\U0001f1ed"
ZALGO = "Z" + "\u0351\u036b\u0343\u032a\u0302" * 4
#: An order to a model, in characters that nobody sees.
HIDDEN = "".join(chr(0xE0000 + ord(character)) for character in "ping everyone")

#: Every kind of bit, with how often it is taken.
BITS: Mapping[tuple[str, int], Sequence[str]] = {
    ("words", 14): (
        *("a", "word ", "longer words of a sentence. ", "and ", "R&D ", "x < y > z ", "3.14 "),
        *("snake_case_x ", "Größe ", "日本語の文。", "שלום עולם ", "مرحبا ", "x" * 70, "A" * 130, "2*3*4 "),
        *("C:\\dir\\file ", "don't ", "é", "e\u0301", "#1 ", "+1 ", "1) ", "a:b ", "|", "||", "..."),
        *("\u2014 ", "ﬀ "),
    ),
    ("space", 14): (
        *("\n", "\n\n", "\n\n", "\n\n\n", " ", "  ", "  \n", "\\\n", "\t", "\r\n", "\r\n\r\n", "\r"),
        *("\n \n", "    ", "\n    ", "\n\n    ", "\n  ", "\n\n\t", "\u00a0", "\u3000", "\u2028", "\u2029"),
        *("\x0b", "\x85"),
    ),
    ("fence", 10): (
        *("```\n", "\n```\n", "\n```python\n", "~~~\n", "\n~~~\n", "````\n", "\n```` md\n", "   ```\n"),
        *("    ```\n", "\n```a`b\n", "~~~~ x y\n", "\n- ```\n  ", "\n> ```\n> ", "\n1. ~~~\n   "),
        *("\n```\n\n```\n", "```py print(1)```", "``` ``` ", "```x```", "\n```\r\n"),
        *("\n> - ```sh\n>   x\n", "```" * 3, "~~~~~~~", "\n```" + "i" * 60 + "\n", "\n```<!channel>\n"),
        *("\n```@everyone\n", "\n~~~ ```\n", "\n`````\n````\n```\n"),
    ),
    ("code", 7): (
        *("print(1)\n", "    indented\n", "\tcode\n", "if a < b && c > d:\n", "`tick` ", "`` a`b `` "),
        *("`", "``", "```", "\\`", "`a\\`", "`` ` ``", "`@everyone`", "`<!channel>`", "`<@1>"),
        *("x = {'k': [1, 2]}\n", "`https://evil.example`", "$ rm -rf *_*\n", "# comment\n", "-----\n"),
        *("`\n`", "` `", "``\n``` x ``"),
    ),
    ("list", 6): (
        *("\n- item", "\n* item", "\n+ item", "\n1. one", "\n2) two", "\n- [ ] todo", "\n- [x] done"),
        *("\n  - under", "\n    - deep", "\n      1. deeper", "\n-", "\n- \n", "\n10. ten", "\n- - - x"),
        *("\n-\titem", "\n0. zero"),
    ),
    ("block", 6): (
        *("\n# head", "\n## *head* `x`", "\n####### seven", "\nhead\n===\n", "\nhead\n---\n", "\n---\n"),
        *("\n***\n", "\n> quote", "\n>> deeper", "\n> ", "\n>no space", "\n>>> all of it"),
        *("\n-# small print", "\n# ", "\n#\n", "\n# #", "\n_ _ _\n", "\n> # head\n> - x", "\n- > # x"),
        *("\n:::\n", "\n\\# no head"),
    ),
    ("table", 6): (
        *("\n| a | b |\n|---|---|\n| 1 | 2 |\n", "\n| a | b |\n", "|:-:|--:|\n"),
        *("\na|b\n-|-\n1|2|3\n||\n",),
        f"\n| 日本 | 語 |\n|:--|--:|\n| 全角 | x |\n| {FAMILY} | {FLAG} |\n",
        *("\n| שלום | مرحبا |\n|-|-|\n| ab | גד |\n",),
        *("\n| `a|b` | \\| |\n|---|---|\n| **x** | [l](https://evil.example) |\n",),
        *("\n|" + " c |" * 30 + "\n|" + "-|" * 30 + "\n|" + " 1 |" * 30 + "\n", "\n|---|\n"),
        *("| <!here> |", "|a|\n|-|\n", "\n| h |\n|---|\n| " + "long cell " * 12 + "|\n"),
    ),
    ("emphasis", 8): (
        *("**bold** ", "*em* ", "__under__ ", "_em_ ", "***both*** ", "~~gone~~ ", "||spoiler|| ", "**"),
        *("*", "__", "_", "***", "~~", "~", "****", "**a *b** c*", "a**b**c", "**「あ」**い", "*a_b*_"),
        *("\\*no\\*", "_a__b_", "** x **", "*" * 9, "_" * 7, "~~~~x~~", "**`a`**", "==mark== ", "^sup^ "),
    ),
    ("link", 9): (
        *("https://evil.example/a_b_c?x=1&y=2 ", "[label](https://evil.example) "),
        *("<https://evil.example> ", "[https://ok.example](https://evil.example) "),
        *("[ok.example](<https://evil.example/a b> 'title') ", "[a][ref] "),
        *("\n\n[ref]: https://evil.example 'x'\n", "[ref] ", "[ref][] "),
        *("![alt](https://evil.example/i.png) ", "![alt][ref] "),
        *("[![i](https://evil.example/i)](https://evil.example) ", "www.evil.example ", "evil.example/x "),
        *("a@evil.example ", "<a@evil.example> ", "mailto:a@evil.example ", "[^1] "),
        *("\n\n[^1]: A footnote.\n", "[x](javascript:alert(1)) ", "[x](data:text/html,x) "),
        *("[x](//evil.example) ", "[x](/rel) ", "[x](", "[x]", "](", "[", "]", "![", "http://"),
        *("https://", "HTTPS://EVIL.EXAMPLE ", "https:\\\\evil.example ", "[a\n](https://evil.example)"),
        *("https://ok.example/page ", "[label](https://ok.example/page) ", "<https://ok.example/a> "),
        *("https://one.example/only ", "https://ok.example@evil.example "),
        *("https://ok.example.evil.example ", "https://user:pw@ok.example "),
        *("[a]( https://evil.example )", "https://ok.example\\@evil.example "),
        *("https://ok.example:8080/ ", "https://OK.EXAMPLE/x ", "http://ok.example "),
        *("[**b** `c`](https://ok.example) ", "[a [b](https://evil.example) c](https://ok.example) "),
        *("\\[x](https://evil.example) ", "[x](https://evil\u200b.example) "),
        *("ht\u200btps://evil.example ", "https&colon;//evil.example ", "[x](https&#58;//evil.example) "),
        *("<https://evil.example|label> ", "<mailto:a@b.example|x> ", "<tel:1> ", "slack://x "),
        *("discord://x ", "https://xn--e1afmkfd.example ", "[x](<https://evil.example>)"),
        *("[x](https://evil.example/(a)) ", "(https://evil.example) ", "https://\u0435vil.example "),
        *("ftp://evil.example ", "[steam](steam://run/1) ", "https://discord.gg/abc ", "discord.gg/abc "),
        *("[\u200b](https://evil.example) ", "[](https://evil.example) "),
    ),
    ("mention", 10): (
        *("@everyone ", "@here ", "@channel ", "@EVERYONE ", "<!channel> ", "<!here> ", "<!everyone|x> "),
        *("<!subteam^S1> ", "<@U1> ", "<@UBOT|bot> ", "<#C1> ", "<#C1|x> ", "<@300> ", "<@!300> "),
        *("<@&101> ", "<#200> ", "<id:customize> ", "</run:1> ", "<t:1700000000:R> ", "<:emoji:1> "),
        *("<a:emoji:1> ", ":tada: ", "<!date^1700000000^{date}|x> ", "\uff20everyone ", "\ufe6beveryone "),
        *("@\u200beveryone ", "@\u2060here ", "@\u00adeveryone ", "@ever\u200byone ", "@**every**one "),
        *("@*here* ", "@e`very`one ", "&#64;everyone ", "&commat;here ", "&lt;!channel&gt; "),
        *("&lt;@U1&gt; ", "&#60;@300&#62; ", "&amp;lt;!channel&amp;gt; ", "<\u200b@U1> ", "<**@U1**> "),
        *("\\<@300> ", "\\@everyone ", "<!\nchannel> ", "<@\u200b300> ", "@\ufe0feveryone "),
        *("@\u202eenoyreve ", "@every\U000e0061one ", "@ev\u0435ryone ", "@[every](x)one "),
        *("@every<b></b>one ", "[@everyone](https://evil.example) ", "[<@300>](x) ", "@e\u0301veryone "),
        *("<!<!channel>> ", "<@<@U1>U1> ", "@\x00everyone ", "<", ">", "@", "<!", "<@", "<#", "@every"),
        *("one", "here", "channel>", "300>", "U1>", "!", "&", "&lt;", "&amp;", "every\none "),
        *("x@everyone ", "@everyonex ", "@everyone@here ", "**@everyone** ", "> @here\n", "||<@300>|| "),
        *("<@\u200bU1> ", "<@300 > "),
    ),
    ("html", 4): (
        *("<b>bold</b> ", "<br>", "<!-- comment -->", "<script>alert(1)</script>"),
        *("<a href='https://evil.example'>x</a> ", "<img src=https://evil.example/x.png>"),
        *("\n<details>\n<summary>s</summary>\n", "</div>\n", "<table><tr><td>x", "<?php ?>"),
        *("<![CDATA[x]]>", "<!DOCTYPE html>\n", "<u>", "<sub>2</sub>", "\n<pre>\n", "<!--", "-->"),
        *("\n<div>\n\n*x*\n\n</div>\n",),
    ),
    ("entity", 4): (
        *("&amp; ", "&lt;b&gt; ", "&nbsp;", "&#0;", "&#x200b;", "&#x202e;", "&copy; ", "&unknown; "),
        *("&#xD800;", "&#1114112; ", "&ast;x&ast; ", "&grave;&grave;&grave;\n", "&#96;", "&#10;"),
        *("&lbrack;x&rbrack;(https://evil.example) ", "&NewLine;", "&Tab;", "&zwj;", "&#xE0061;"),
        *("[x](<a&#10;1) https://evil.example>)", "[x](<a&NewLine;- b>)", "**a &amp; ", "`a &lt; "),
        "_&#35; ",
        *("&amp;amp;", "&#42;", "&num; ", "&hellip;", "&rlm;"),
    ),
    ("escape", 4): (
        *("\\", "\\\\", "\\* ", "\\_", "\\[", "\\]", "\\`", "\\```\n", "\\<", "\\&amp; ", "\\~~", "\\||"),
        *("\\> ", "\\- x", "\\a", "1\\. "),
    ),
    ("emoji", 5): (
        *(FAMILY, FAMILY * 5, SCOTLAND, FLAG, FLAG * 3 + "\U0001f1e8", "\U0001f44d\U0001f3fd"),
        *("\u2764\ufe0f", "1\ufe0f\u20e3", "\U0001f3f3\ufe0f\u200d\U0001f308"),
        *("\U0001f9d1\U0001f3ff\u200d\U0001f680 ", "\U0001f600", "\u200d", "\ufe0f", "\U0001f1e6"),
    ),
    ("odd", 6): (
        *(ZALGO, ZALGO * 4, "o" + "\u0300" * 90, "\u0301", "각", "\u1112\u1161\u11ab", "நி", "क्षि"),
        *("\u0e01\u0e33", "\u200b" * 9, "\u202eabc\u202c", "\u2066x\u2069", "\u202d", "\u2067", "\u061c"),
        *("\u200e", "\u200f", HIDDEN, "\U000e0001", "\U000e007f", "\U0001f3f4" + HIDDEN + "\U000e007f"),
        *("\U0001f3f4\U000e0067", "\ud800", "\udfff", "\ud83d", "\ude00", "\ud83d\ude00", "\x00", "\x07"),
        *("\x1b[31m", "\x7f", "\x9b", "\x08", "\ufeff", "\ufffe", "\ufff9", "\ufffd", "\U0010ffff"),
        *("\u00ad", "\u2060", "\u180e", "\U000e0100", "\u3164", "\u115f", "\u2800", "\x0c", "\x1c"),
        *("\ue000",),
    ),
    ("math", 2): (
        *("$x_1^2$ ", "$$\n\\frac{a}{b}\n$$\n", "\\(x\\) ", "\\[ a_i < b_j \\] ", "$5 and $6 "),
        *("\\begin{array}{c|c} a & b \\\\ c\\end{array}",),
    ),
}  # fmt: skip


def quoted(text: str) -> str:
    """Return *text* as a quote."""
    return "\n" + "".join(f"> {line}" for line in text.splitlines(keepends=True)) + "\n"


def listed(text: str) -> str:
    """Return *text* as an item of a list."""
    return "\n- " + text.replace("\n", "\n  ") + "\n"


def numbered(text: str) -> str:
    """Return *text* as a step."""
    return "\n7. " + text.replace("\n", "\n   ") + "\n"


#: Ways to put a text into another.
WRAPS: Sequence[Callable[[str], str]] = (
    quoted,
    listed,
    numbered,
    lambda text: f"**{text}**",
    lambda text: f"*{text}*",
    lambda text: f"~~{text}~~",
    lambda text: f"||{text}||",
    lambda text: f"`{text}`",
    lambda text: f"\n```\n{text}\n```\n",
    lambda text: f"\n~~~~ md\n{text}\n~~~~\n",
    lambda text: f"\n```\n{text}",
    lambda text: "\n    " + text.replace("\n", "\n    "),
    lambda text: f"[{text}](https://evil.example)",
    lambda text: f"[x]({text})",
    lambda text: f"![{text}](https://evil.example/i)",
    lambda text: f"<{text}>",
    lambda text: f"\n# {text}\n",
    lambda text: f"\n| h | {text} |\n|---|---|\n| {text} | x |\n",
    lambda text: f"<b>{text}</b>",
    lambda text: text * 3,
    lambda text: text.upper(),
    lambda text: "".join(f"{character}\u200b" for character in text),
)

#: What is too big to come often.
GIANTS: Sequence[str] = (
    "`" * 10_000,
    "|" + " column |" * 500 + "\n|" + "---|" * 500 + "\n" + ("|" + " x |" * 500 + "\n") * 2,
    "x" * 10_000,
    "```\n" + "no end of it\n" * 500,
    "> " * 200 + "deep",
    "".join(f"{' ' * (2 * level)}- {level}\n" for level in range(60)),
    "[" * 2_000 + "](" * 500,
    "***a_" * 1_500,
    "o" + "\u0300" * 5_000,
    FAMILY * 300,
    "<!channel>@everyone<@300>" * 200,
    "<" * 3_000 + "&" * 3_000,
    "| a |\n|---|\n" + "| b |\n" * 500,
)
#: One text in so many is one.
RARE = 1_000

#: The longest chunk of a text, each as often as it stands here.
CHUNKS = (3, 20, 20, 60, 60, 60, *(200,) * 14)

KINDS = tuple(BITS)
WEIGHTS = tuple(often for _, often in KINDS)
#: Every bit, for those who draw without weights.
ALL = tuple(dict.fromkeys(bit for bits in BITS.values() for bit in bits))


def chosen(rng: random.Random) -> str:
    """Return one bit."""
    return rng.choice(BITS[rng.choices(KINDS, WEIGHTS)[0]])


def nasty(rng: random.Random) -> str:
    """Return a text, of some 160 characters mostly."""
    if rng.random() < 1 / RARE:
        return rng.choice(GIANTS) if rng.random() < 0.9 else "".join(chosen(rng) for _ in range(600))
    return "".join(_part(rng, 2) for _ in range(min(60, int(rng.expovariate(1 / 9)) + 1)))


def _part(rng: random.Random, depth: int) -> str:
    """Return a bit, or some wrapped together."""
    if not depth or rng.random() < 0.88:
        return chosen(rng)
    return rng.choice(WRAPS)("".join(_part(rng, depth - 1) for _ in range(rng.randint(1, 4))))


def chunked(rng: random.Random, text: str) -> tuple[str, ...]:
    """Return *text* as it may arrive: in chunks of 1 to 200 characters, a giant in bigger ones."""
    most = rng.choice(CHUNKS) if len(text) < 1_000 else 200 + len(text) // 5
    most = max(most, len(text) // 40)  # a long text in few of the shortest chunks would take most of the time
    chunks, start = [], 0
    while start < len(text):
        size = rng.randint(1, most)
        chunks.append(text[start : start + size])
        start += size
    return tuple(chunks)
