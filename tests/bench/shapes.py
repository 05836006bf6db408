"""Texts that cost more than they look, and those that people ask for, of up to 40,000 characters.  Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

#: Characters of a text at most: about what 10,000 tokens are.
SIZE = 40_000
#: The address of a link that is allowed.
HOST = "https://ok.example"


def many(unit: str, size: int = SIZE) -> str:
    """Return *unit* again and again, *size* characters of it."""
    return (unit * (size // len(unit) + 1))[:size]


def lines(line: str, count: int) -> str:
    """Return *count* times *line*, in which "№" is the number."""
    return "".join(line.replace("№", str(number)) for number in range(1, count + 1))[:SIZE]


def rising(step: Callable[[int], str], most: int) -> str:
    """Return what *step* makes of 0 to *most* and from 0 again."""
    text, number = "", 0
    while len(text) < SIZE:
        text += step(number % most)
        number += 1
    return text[:SIZE]


def sections(count: int) -> str:
    """Return an answer as people read it every day: headings, words, lists, code, tables."""
    part = (
        "## Step №\n\nDo **this** and then `that`, carefully; it costs $5 and takes [a minute](https://ok.example).\n\n"
        "1. one of №\n2. two\n   - in it\n\n```python\nfor x in range(№):\n    print(x)\n```\n\n"
        "| a | b |\n|---|---|\n| № | `x` |\n\n> quoted №\n\n"
    )
    return lines(part, count)


#: What people ask for.
USUAL: Mapping[str, str] = {
    "sections": sections(200),
    "numbers, 600": lines("№. number №\n", 600),
    "numbers, 5000": lines("№. a\n", 5_000),
    "numbers, loose": lines("№. number №\n\n", 2_000),
    "bullets, 600": lines("- number №\n", 600),
    "bullets, 5000": lines("- a\n", 5_000),
    "numbers, one a line": lines("№\n", 7_000),
    "items with names": lines("№. **Name №**: what it is and why it matters to us\n", 600),
    "one item of many lines": "- first\n" + lines("  line № of it\n", 2_000),
    "a poem as a quote": lines("> line № of a poem\n", 2_000),
    "code of many lines": "```csv\n" + lines("№,№\n", 4_000) + "```\n",
    "a line of code": "```\n" + many("x"),
    "code of one letter a line": "```\n" + many("a\n"),
    "a table of 3000 rows": "|a|b|\n|-|-|\n" + lines("|№|b|\n", 3_000),
    "a table with marks": "|a|b|\n|-|-|\n" + many(f"|**a** `b`|[c]({HOST}/f)|\n"),
    "words": many("word "),
    "sentences": many("It is so. "),
    "paragraphs": many("a b c\n\n"),
    "lines": many("a\n"),
    "headings": many("# a\n"),
    "rules": many("---\n"),
    "ideographs": many("字"),
    "bold labels": lines("**原因\uff1a** № 内存不足。\n", 3_000),
    "emoji": many("👨‍👩‍👧‍👦"),
    "prices": many("it costs $5 and $10 or `$X`. "),
    "names": many("a___b"),
    "formulas": many("$x_1$ and \\(y\\) "),
    "short definitions": "".join(f"[r{n}]: http://h/{n}\n" for n in range(1_600)),
    "short definitions behind their uses": many("[r1][r2] ", 15_000)
    + "\n\n"
    + "".join(f"[r{n}]: http://h/{n}\n" for n in range(700)),
    "links": many(f"[label]({HOST}/d) "),
    "footnotes": many("word[^1] and[^2] ")[:20_000] + "\n\n" + lines("[^№]: a note\n\n", 1_000),
    "references": many("[r1][r2] [r9] ")[:20_000] + "\n\n" + lines(f"[r№]: {HOST}/№\n", 700),
}
#: What nobody should write.
NASTY: Mapping[str, str] = {
    "lazy lines": "- a\n" + many("b\n"),
    "lazy lines of a quote": "> a\n" + many("b\n"),
    "> a": many("> a\n"),
    "> > >": many("> "),
    ">>>>": many(">"),
    "quotes that deepen": rising(lambda depth: ">" * depth + " a\n", 60),
    "lists that deepen": rising(lambda depth: "  " * depth + "- a\n", 60),
    "numbers that deepen": rising(lambda depth: "   " * depth + "1. a\n", 40),
    "- - -": many("- "),
    "- > -": many("- > "),
    "an item of paragraphs": "1. a\n\n" + many("   b\n\n"),
    "code in an item": "- ```\n" + many("  a\n"),
    "code in an item in a quote": "> - ```\n" + many(">   a\n"),
    "fences": many("```\n"),
    "fences of both kinds": many("~~~\n```\n"),
    "fences in a fence": "````\n" + many("```\n"),
    "fences in markdown": "```markdown\n" + many("a\n```sh\nb\n```\n"),
    "markdown that never ends": "```markdown\n" + many("```\n"),
    "a long fence": "`" * 3_000 + "\n" + many("a\n"),
    "a long info string": "```" + many("a"),
    "indented": many("    a\n"),
    "indents that grow": rising(lambda depth: " " * depth + "a\n", 200),
    "underlines": many("a\n=\n"),
    "dashes": many("a\n-\n"),
    "[": many("["),
    "[a": many("[a"),
    "]": many("]"),
    "[[[]]]": "[" * (SIZE // 2) + "]" * (SIZE // 2),
    "[[[]]] of 60": many("[" * 60 + "]" * 60),
    "[a](": many("[a]("),
    "[a](<b": many("[a](<b"),
    "![": many("!["),
    "[a](((((": many("[a]((((((((((((((("),
    "[a][b]": many("[a][b] "),
    "definitions": lines(f"[r№]: {HOST}/№\n", 2_000),
    "[^a]": many("[^a] "),
    "notes": lines("[^№]: t\n", 4_000),
    "*": many("*"),
    "*a ": many("*a "),
    "a**b": many("a**b"),
    "*a_": many("*a_ "),
    "_*a*_": many("_*a*_"),
    "***a** ": many("***a** "),
    "*_**__`": many("*_**__`"),
    "~~a": many("~~a"),
    "||a": many("||a"),
    "marks around a word": "*" * 300 + many("a"),
    "`": many("`"),
    "`a ": many("`a "),
    "ticks that rise": rising(lambda depth: "`" * depth + " ", 280),
    "$a": many("$a"),
    "$$a": many("$$a"),
    "$a_": many("$a_ "),
    "\\(a": many("\\(a"),
    "\\[a": many("\\[a "),
    "<": many("<"),
    "<a ": many("<a "),
    "<!--": many("<!--"),
    "<a b='": many("<a b='"),
    "<br>": many("<br>"),
    "&amp;": many("&amp;"),
    "&": many("&"),
    "\\": many("\\"),
    "hard breaks": many("\\\n"),
    "@everyone": many("@everyone "),
    "<@1>": many("<@1> <!channel> "),
    "addresses": many(f"{HOST}/c "),
    "a long address": f"{HOST}/" + many("c"),
    "(((( in an address": f"{HOST}/" + many("("),
    ".... in an address": f"{HOST}/" + many("."),
    "a://": many("a://"),
    "a+.-": many("a+.-"),
    "mailto:": many("mailto:"),
    "www.": many("www."),
    "labels of 10,000": many(f"[{many('a.', 10_000)}]({HOST}) "),
    "labels of dots and letters": many(f"[{many('ab.cd-', 9_000)}]({HOST}) "),
    "images of 10,000": many(f"![{many('a.', 10_000)}](https://evil.example/i) "),
    "a table of 400 columns": "|" * 400 + "\n" + "|-" * 399 + "|\n" + many("|a" * 399 + "|\n"),
    "a row that grows": "|a|\n|-|\n|" + many("a|"),
    "heads of tables": many("a|b\n-|-\n"),
    "|": many("|"),
    "|-": many("|-"),
    "|a": many("|a\n"),
    ":-:|": many(":-:|"),
    "newlines": many("\n"),
    "spaces": many(" "),
    "tabs": many("\t- a\n"),
    "combining": "a" + many("\u0301"),
    "joiners": "a" + many("\u200d"),
    "flags": many("🇩🇪"),
    "prepended": many("\u0600"),
    "overrides": many("\u202e"),
    "NUL": many("\x00"),
    "CR": many("\r"),
    "FF": many("\x0c"),
    "1.": many("1."),
    "1": many("1"),
    "=": many("="),
    "-": many("-"),
    "#": many("#"),
}
SHAPES: Mapping[str, str] = {**USUAL, **NASTY}

#: Texts of any size whose cost a character must not grow.
LINEAR: Mapping[str, Callable[[int], str]] = {
    "sections": lambda size: USUAL["sections"][:size],
    "words": lambda size: many("word ", size),
    "numbers": lambda size: USUAL["numbers, 5000"][:size],
    "bullets": lambda size: USUAL["bullets, 5000"][:size],
    "code": lambda size: USUAL["code of many lines"][:size],
    "quote": lambda size: USUAL["a poem as a quote"][:size],
    "table": lambda size: USUAL["a table of 3000 rows"][:size],
    "label": lambda size: f"[{many('a.', size - 22)}]({HOST})",
}


def mutated(rng: random.Random, units: Sequence[str]) -> str:
    """Return a unit that is made of some of *units*: repeated, spliced, nested or grown."""
    one, other = rng.choice(units), rng.choice(units)
    begin = rng.randrange(len(one))
    match rng.randrange(5):
        case 0:
            return one[begin : begin + rng.randint(1, 40)]
        case 1:
            return one[:begin] + other[rng.randrange(len(other)) :]
        case 2:
            mark = rng.choice(("> ", "- ", "  ", "1. ", "| ", "# ", "\t"))
            return "".join(f"{mark}{line}" for line in one.splitlines(keepends=True))
        case 3:
            return one[:begin] + one[begin : begin + rng.randint(1, 4)] * rng.randint(2, 60) + one[begin:]
        case _:
            return (
                one[:begin]
                + rng.choice(("\n", "\n\n", " ", "`", "*", "[", "]", "(", "$", "|", "<", "\\"))
                + one[begin:]
            )
