"""What stands in a line of a model's text, told as a platform is to show it.  Pure.

What the platforms do differently from CommonMark stands in `WAYS`, with its source; what the bot does to
every text alike is in docs/text.md, "What is shown how".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.facts import EM, GONE, STRONG, Telling
from tests.bench.tree import Node, Tree, UnclearError, dollars

_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
#: A line break in HTML.
BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_TASK = re.compile(r"\[([ xX])\](?=[ \t])")
_MARKS = {"Emph": EM, "Strong": STRONG, "Strikethrough": GONE}
_DUNDER = re.compile(r"__(?!_)\w*[^\W_]__(?!\w)")
#: Blocks and marks that are deeper than this are beyond what is drawn.
DEEPEST = 40


@dataclass(frozen=True)
class Way:
    """What a platform does differently from CommonMark.

    Attributes:
        least: The number from which lists count at least.
        levels: Headings deeper than this are bold.
        within_lists: Whether headings in lists are some; else they are bold.
        rule: What a horizontal rule is shown as.
        boxes: A task that is done and one that is not.
        within: What a line break in a table's cell is shown as; "" where there are lines.
        drawn: Whether a table is words in a block of code.
        ends: Whether a mark ends where code in it has the same; it is not written then.
        mixed: Whether a list may stand right behind another one in an item; else its markers are text.
    """

    least: int = 0
    levels: int = 6
    within_lists: bool = True
    rule: str = ""
    boxes: tuple[str, str] = ("[x]", "[ ]")
    within: str = ""
    drawn: bool = False
    ends: bool = False
    mixed: bool = True


WAYS: Mapping[str, Way] = {
    "slack": Way(
        within=" · ",  # a cell of a `markdown` block's table has one line [docs markdown-block]
    ),
    "discord": Way(
        least=1,  # parse-discord, tests/lists.py, test_ol_bounds
        within_lists=False,  # parse-discord, tests/lists.py, test_headers_do_not
        levels=3,  # Discord's help, "Markdown Text 101": # to ###
        rule="─" * 24,  # there is no rule in parse-discord's grammar; docs/text.md
        boxes=("☑", "☐"),  # there are no tasks; docs/text.md
        ends=True,  # em and strong come before code where they begin before it [parse-discord]
        mixed=False,  # a bullet or number goes on with the list before [parse-discord]
        drawn=True,  # there are no tables; docs/text.md
    ),
}


class Inlines:
    """What stands in a line being told.

    Attributes:
        plain: Whether bold says nothing here.
        task: Whether a box may begin it.
        whole: Whether it has anything that no cut goes through.
    """

    def __init__(
        self, tree: Tree, way: Way, allowed: Callable[[str], bool], telling: Telling, within: str = ""
    ) -> None:
        self.telling = telling
        self.plain = self.task = self.whole = False
        self._tree = tree
        self._way = way
        self._allowed = allowed
        self._within = within or "\n"
        self._depth = 0

    def write(self, nodes: Sequence[Node], marks: int) -> None:
        """Tell *nodes*."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise UnclearError("deeper than what is drawn")
        for node in nodes:
            self._write(node, type(node.node_value).__name__, getattr(node.node_value, "value", None), marks)
            self.task = False
        self._depth -= 1

    def _write(self, node: Node, kind: str, value: Node, marks: int) -> None:
        match kind:
            case "Text":
                self.telling.say(self._box(dollars(value)), marks)
            case "SoftBreak" | "LineBreak":
                self.telling.say("\n")
            case "Emph" | "Strong" | "Strikethrough":
                self._emphasis(node, kind, marks)
            case _:
                self.whole = True
                self._other(node, kind, value, marks)

    def _other(self, node: Node, kind: str, value: Node, marks: int) -> None:
        match kind:
            case "Code":
                self.telling.span(dollars(value.literal), marks)
            case "Math":
                self.telling.span(" ".join(re.split("\r?\n", dollars(value.literal))).strip(), marks)
            case "HtmlInline":
                self.telling.say(self._within if BREAK.fullmatch(value) else dollars(value), marks)
            case "FootnoteReference":
                self.telling.say(note(dollars(value.name)), marks)
            case "Link" | "Image":
                self._link(node, dollars(value.url), marks, image=kind == "Image")
            case _:
                raise UnclearError(f"a {kind}")

    def _box(self, text: str) -> str:
        if not self.task or not (found := _TASK.match(text)):
            return text
        return self._way.boxes[found[1] == " "] + text[found.end() :]

    def _emphasis(self, node: Node, kind: str, marks: int) -> None:
        """Tell emphasis; `~x~` and `__init__` are words (docs/text.md)."""
        begins = self._tree.begins(node, "~" if kind == "Strikethrough" else "*_")
        number, at = self._tree.place(node)
        inner = getattr(node.children[0].node_value, "value", "") if node.children else ""
        size = 2 if begins[:1] == begins[1:] else 1
        first = inner[:1] if isinstance(inner, str) else "", "\\", "&"  # an escape, an entity
        if not self._tree.lines[number].startswith(first, at + size):
            raise UnclearError("comrak's positions are wrong behind a definition")
        word = _DUNDER.match(self._tree.lines[number], at) if begins == "__" else None
        literal = begins if word and kind == "Strong" and len(node.children) == 1 else ""
        mark = 0 if literal or (self.plain and kind == "Strong") else _MARKS[kind]
        if self.ends(node, {"Emph": "*", "Strong": "**"}.get(kind, "~~")):
            mark = 0
        self.telling.say(literal, marks)
        self.write(node.children, marks | mark)
        self.telling.say(literal, marks)

    def ends(self, node: Node, mark: str) -> bool:
        """Return whether *mark* around *node* ends in its code."""
        return self._way.ends and any(
            mark in each.node_value.value.literal
            if type(each.node_value).__name__ in {"Code", "Math"}
            else self.ends(each, mark)
            for each in node.children
        )

    def _link(self, node: Node, url: str, marks: int, *, image: bool) -> None:
        """Tell a link; the label of one that is not allowed, and its address as code (docs/text.md)."""
        inner = Inlines(self._tree, self._way, self._allowed, Telling(), self._within)
        inner.write(node.children, 0)
        inner_label = " ".join(inner.telling.said().split())
        label = inner_label or "image" * image
        if url and label in {url, url.removeprefix("https://"), url.removeprefix("http://")}:
            self._address(url, marks, "", "")
        elif label:
            words = Inlines(self._tree, self._way, lambda _: False, self.telling, self._within)
            words.plain = self.plain
            words.write(node.children if inner_label else (), marks)
            self.telling.say("" if inner_label else label, marks)
        if (
            not url.partition("?")[0]
            or url == f"mailto:{label}"
            or label in {url, url.removeprefix("https://")}
        ):
            return
        if self._allowed(url):
            self.telling.say(f" ({url})")
            if re.fullmatch(r"[\w ]+", label):  # it can't name an address
                self.telling.link(url)
        else:
            self._address(url, marks, " (" * bool(label), ")" * bool(label))

    def _address(self, url: str, marks: int, before: str, after: str) -> None:
        self.telling.say(before, marks)
        self.telling.span(url.partition("?")[0], marks)
        self.telling.say(after, marks)


def note(label: str) -> str:
    """Return the mark of a footnote: numbers are raised (docs/text.md)."""
    return label.translate(_RAISED) if label.isdecimal() and label.isascii() else f"[^{label}]"
