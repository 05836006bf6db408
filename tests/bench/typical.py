"""Markdown as models write it: blocks of an answer, and texts of some of them.  Pure.

Every kind is something that was once shown wrongly, here or elsewhere, or that models write all the time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

FENCE = "```"
WORDS = (
    *(
        "the cache",
        "is",
        "warm",
        "so that",
        "a request",
        "returns",
        "at once",
        "and",
        "every worker",
        "waits",
    ),
    *("before it", "writes", "because", "the queue", "holds", "at most", "ten jobs", "R&D", "x < y"),
    "don't",
)
#: What stands within a sentence.
INLINES = (
    *("**bold**", "*em*", "_em_", "***both***", "~~gone~~", "**bold `code` in it**", "*an **inner** one*"),
    *("`code`", "`a | b`", "`string | undefined`", "`$HOME`", "`<br>`", "`` a`b ``", "`**kwargs`", "`x_1`"),
    *("**$20**/month", "$5 and $10", "US$ 3.50", "$1,000\u2013$2,000", "`$TOKEN`", "$PATH"),
    "*$9* (*billed yearly*)",
    *("$x_1^2$", "\\(a_i < b\\)", "$E = mc^2$", "$n$", '`$"{name}"`'),
    *("__init__.py", "snake_case_name", "`__init__`", "2*3*4", "5 * 3 * 2", "a ~5 % share", "~1 h"),
    *("C#", "C++"),
    *("[the docs](https://ok.example/docs)", "[a *marked* label](https://ok.example/a_b)"),
    "https://ok.example/x",
    *("[elsewhere](https://evil.example/p?q=1)", "<https://ok.example/z>", "<me@ok.example>"),
    "![a chart](https://evil.example/c.png)",
    *("**原因\uff1a**内存不足", "这是**「重点」**内容", "**日本語\uff08括弧付き\uff09。**続き"),
    *("*強調*です", "가나**다**라", "\uff0c而且"),
    *("**Note:** this", '**"Quoted"** words', "(**in** parentheses)", "word**inside**word", "**a**, **b**"),
    *("&lt;div&gt;", "&amp;", "AT&T", "<div>", "a <b>tag</b>", "\\*no em\\*", "1\\. no item"),
    *("#hashtag", "@here"),
    *("first<br>second", "one  \ntwo", "one\\\ntwo", "H~2~O", "E=mc^2^", "==marked==", "||spoiler||"),
    *("**AT&amp;T** and", "*a &lt; b*", "**Use &lt;div&gt; here**", "`a &lt; b`", "~~5 &euro;~~"),
    *("A&nbsp;*B*", "[Q&amp;A](https://ok.example/qa)", "me@ok.example", "[sic]", "[x]"),
    "**see [the docs](https://ok.example/docs) first**",
    *("[a](https://evil.example/p_(q))", "https://ok.example/a_(b)?c=d&e=f", "<kbd>Ctrl</kbd>+<kbd>C</kbd>"),
    *("*a* *b*", "**a** **b**", "**`code`**", "_**both**_", "**1.** one", "*(in parentheses)*", "`a`, `b`"),
    *("**שלום** עולם", "**مرحبا**", "**Schluss.**", "l'**été**", "5\\* hotel", "a\\_b", "50% ~ 60%"),
    *("→ next", "✅ done", "\U0001f469\u200d\U0001f469\u200d\U0001f467 family", "e\u0301te\u0301", "“q”"),
)  # fmt: skip
CODES = (
    *("print(1)\n", "if a < b && c > d:\n    pass\n", "$ pip install x\n# done\n"),
    "x = {'k': [1, 2]}\n\n\ny = 2\n",
    *("1. no item\n- nor this\n", "| a | b |\n|---|---|\n", "\tindented\n", 'echo `date` "$HOME" **\n'),
    '<a href="x">\n',
    *("for (;;) {\n\n  f(&x);\n}\n", "<@U1> <!here> @everyone\n", "&lt;p&gt; &amp; &copy;\n", "a\\\n  b\n"),
)  # fmt: skip
#: What is said behind a fence.
INFOS = (
    *("python", "bash", "", "c++", "json", "diff", "text"),
    'python title="x.py"',
    "python:src/app.py",
    "js {1,3}",
)
LINES = ("soft  \nhard", "one<br>two", "> quoted\n> on\n", "- a line\n")


def sentence(rng: random.Random, many: int = 0) -> str:
    """Return words, some of them marked."""
    words = [
        rng.choice(INLINES) if rng.random() < 0.35 else rng.choice(WORDS)
        for _ in range(many or rng.randint(3, 9))
    ]
    return " ".join(words) + rng.choice((".", ".", ":", "", "。"))


def short(rng: random.Random) -> str:
    """Return what stands in a cell, or behind a number."""
    text = rng.choice(INLINES) if rng.random() < 0.5 else " ".join(rng.choices(WORDS, k=rng.randint(1, 3)))
    return text.replace("\n", " ")


def fenced(rng: random.Random) -> str:
    """Return a block of code."""
    mark = rng.choice((FENCE, FENCE, FENCE, "~~~", "````"))
    code = rng.choice(CODES) + (f"{FENCE}\nx\n{FENCE}\n" if mark == "````" else "")
    return f"{mark}{rng.choice(INFOS)}\n{code}{mark}"


def _hung(text: str, width: int) -> str:
    return "\n".join(" " * width * bool(line) + line for line in text.split("\n"))[width:]


def listed(rng: random.Random, depth: int = 0) -> str:
    """Return a list: tight, loose, or both; numbered or not; with code, quotes and lists in it."""
    ordered = rng.random() < 0.6
    number = rng.choice((1, 1, 1, 1, 2, 7, 98)) if ordered else 0
    bullet = rng.choice(("-", "-", "*", "+"))
    loose, after = rng.choice((0.0, 0.0, 1.0, 0.3)), rng.choice((".", ".", ".", ")"))
    same = ordered and rng.random() < 0.1
    lines = []
    for index in range(rng.randint(2, 5)):
        marker = f"{number + index * (not same)}{after} " if ordered else f"{bullet} "
        blocks = [rng.choice(("", "", "**Name**: ", "[x] ", "[ ] ")) + sentence(rng)]
        if depth < 2 and rng.random() < 0.3:
            blocks.append(rng.choice((fenced, listed_in, quoted, told))(rng))
        gap = "\n\n" if rng.random() < loose else "\n"
        lines.append(marker + _hung(gap.join(blocks), len(marker)))
        lines.append("\n\n" if rng.random() < loose else "\n")
    return "".join(lines[:-1])


def listed_in(rng: random.Random) -> str:
    """Return a list that stands in another."""
    return listed(rng, 1)


def headed_lists(rng: random.Random) -> str:
    """Return lists below bold lines without blank lines between."""
    parts = []
    for name in ("Pros", "Cons", "优点")[: rng.randint(1, 3)]:
        bullets = rng.choice((("- ",) * 3, ("1. ", "2. ", "3. "), ("* ",) * 3))
        head = rng.choice((f"**{name}**", f"**{name}:**", f"### {name}", f"{name}:"))
        parts.append("\n".join([head, *(f"{mark}{short(rng)}" for mark in bullets)]))
    return "\n".join(parts)


def quoted(rng: random.Random) -> str:
    """Return a quote."""
    text = rng.choice((told, told, fenced, listed_in))(rng) + rng.choice(("", "", "\n\nmore"))
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def told(rng: random.Random) -> str:
    """Return a paragraph."""
    return rng.choice(("\n", " ")).join(sentence(rng) for _ in range(rng.randint(1, 3)))


def tabled(rng: random.Random) -> str:
    """Return a table; pipes in its code are escaped, as they must be."""
    columns = rng.randint(1, 4)
    rows = [[short(rng) for _ in range(columns)] for _ in range(rng.randint(2, 4))]
    rows[-1][-1] = rng.choice((rows[-1][-1], "", "`a || b`", "one<br>two", "全角"))
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([lines[0], "|" + rng.choice(("---|", ":-:|", "--:|")) * columns, *lines[1:]])


def headed(rng: random.Random) -> str:
    """Return a heading."""
    text = rng.choice(
        (short(rng), f"**{short(rng)}**", f"{rng.randint(1, 9)}. {short(rng)}", "Why C#", "What is `x`?")
    )
    return rng.choice((f"{'#' * rng.randint(1, 5)} {text}", f"## {text}", f"{text}\n---"))


def documented(rng: random.Random) -> str:
    """Return a block of markdown that has blocks of code in it."""
    inner = "\n".join(
        ["# Use", "", "Run:", "", f"{FENCE}bash", rng.choice(CODES).strip("\n"), FENCE, "", "That is all."]
    )
    return f"{FENCE}markdown\n{inner}\n{FENCE}"


def noted(rng: random.Random) -> str:
    """Return a paragraph with footnotes."""
    return f"{sentence(rng)}[^1] {sentence(rng)}[^a]\n\n[^1]: {short(rng)} there.\n\n[^a]: Another."


def referring(rng: random.Random) -> str:
    """Return a paragraph with links by reference."""
    return f"{sentence(rng)} See [docs][1] and [other].\n\n[1]: https://ok.example/ref\n[other]: https://evil.example/o"


def formula(rng: random.Random) -> str:
    """Return a formula on lines of its own."""
    return rng.choice(("$$\n\\frac{a}{b} = c_1\n$$", "\\[ a_i < b_j \\]", "$$x^2$$"))


#: Each kind as often as it stands here.
KINDS: Sequence[Callable[[random.Random], str]] = (
    *(told, told, told, told, listed, listed, listed, headed_lists, headed, headed, fenced, fenced, tabled),
    *(quoted, lambda _: "---", documented, noted, referring, formula, lambda rng: rng.choice(LINES)),
)  # fmt: skip


def typical(rng: random.Random) -> str:
    """Return an answer, of some 250 characters mostly."""
    blocks = [rng.choice(KINDS)(rng) for _ in range(min(9, int(rng.expovariate(1 / 2)) + 1))]
    text = "".join(block + rng.choice(("\n\n", "\n\n", "\n\n", "\n")) for block in blocks)
    return text if rng.random() < 0.5 else text.rstrip("\n")
