"""One block on its way from markdown-it's tokens to a dialect's text.  Pure.

`Writing` walks the blocks, `Line` what stands in one of them.  Text between two marks is one run: only so a
URL or a mention is seen whole, however the model has put it together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from markdown_it.token import Token

from bot.text.markdown import Known, Node, inlines, said
from bot.text.safe import JOINER, Links, addressed, clean, deceives, inert, trimmed

if TYPE_CHECKING:
    from bot.text.dialect import Dialect

_TASK = re.compile(r"\\?\[([ xX])\](?=\s)")


class Writing:
    """One block being written.

    Args:
        dialect: How.
        lines: The source's lines.
        known: What it may refer to.
    """

    def __init__(self, dialect: Dialect, lines: Sequence[str], known: Known) -> None:
        self._dialect = dialect
        self._lines = lines
        self._known = known
        self._quotes = 0
        self._strong = True  # whether bold may be marked here

    def blocks(self, nodes: Sequence[Node]) -> str:
        """Return *nodes*, with blank lines where the source has them."""
        written = ""
        end, apart = 0, False
        for node in nodes:
            text = str(getattr(self, f"_{node.kind}")(node))
            begin, after = node.token.map or (end, end)
            # HTML is a paragraph now, which would become a part of the next block, or of a table before it.
            apart = apart or node.kind == "html_block"
            gap = "\n\n" if apart or node.kind == "hr" or self._blank(begin - 1) else "\n"
            written += f"{gap if written else ''}{text}" if text else ""
            end, apart = after, node.kind in {"html_block", "table"}
        return written

    def _blank(self, line: int) -> bool:
        return 0 <= line < len(self._lines) and not self._lines[line].strip("> \t")

    # Blocks, by the names of markdown-it's tokens.

    def _paragraph(self, node: Node) -> str:
        return self.inline(inlines(node.children[0].token.content, self._known))

    def _heading(self, node: Node) -> str:
        self._strong = False
        text = self.inline(inlines(node.children[0].token.content, self._known))
        self._strong = True
        return self._dialect.heading(text.replace("\n", " "), int(node.token.tag[1]))

    def _fence(self, node: Node) -> str:
        token = node.token
        return self._dialect.fence(token.content, token.markup, clean(token.info).strip())

    def _code_block(self, node: Node) -> str:
        return self._dialect.fence(node.token.content, "```", "")

    def _html_block(self, node: Node) -> str:
        return self.plain(node.token.content.strip("\n"))

    def _hr(self, _node: Node) -> str:
        return self._dialect.rule()

    def _blockquote(self, node: Node) -> str:
        self._quotes += 1
        text = self.blocks(node.children)
        self._quotes -= 1
        return self._dialect.quote(text, self._quotes)

    def _bullet_list(self, node: Node) -> str:
        return self._items(node, [None] * len(node.children))

    def _ordered_list(self, node: Node) -> str:
        begin = int(node.token.attrs.get("start", 1))
        if self._known.number is not None and node.token.level == 0:
            begin = self._known.number
        return self._items(node, list(range(begin, begin + len(node.children))))

    def _items(self, node: Node, numbers: Sequence[int | None]) -> str:
        written = ""
        for item, number in zip(node.children, numbers, strict=True):
            marker = self._dialect.marker(item.token.markup, number)
            begin = (item.token.map or [0])[0]
            text = self._hung(self._task(self.blocks(item.children)), " " * len(marker))
            gap = "\n\n" if self._blank(begin - 1) else "\n"
            written += f"{gap if written else ''}{marker}{text}".rstrip(" ")
        return written

    def _hung(self, text: str, indent: str) -> str:
        """Return *text* with all lines but the first indented."""
        return "\n".join(line if not line else f"{indent}{line}" for line in text.split("\n"))[len(indent) :]

    def _task(self, text: str) -> str:
        found = _TASK.match(text)
        return f"{self._dialect.task(done=found[1] != ' ')}{text[found.end() :]}" if found else text

    def _table(self, node: Node) -> str:
        rows = [
            [cell.children[0].token.content for cell in row.children]
            for part in node.children
            for row in part.children
        ]
        head = node.children[0].children[0].children
        aligned = [str(cell.token.attrs.get("style", "")).partition(":")[2] for cell in head]
        return self._dialect.table(rows, aligned, self)

    def cell(self, source: str) -> str:
        """Return a table's cell, written as a line."""
        known = self._known.cells
        if source not in known:
            known[source] = self.inline(inlines(source, self._known)).replace("\n", " ")
        return known[source]

    # What stands in a line.

    def words(self, source: str) -> str:
        """Return a table's cell as plain text."""
        known, key = self._known.cells, f"\0{source}"
        if key not in known:
            tokens = inlines(source, self._known)
            known[key] = " ".join(clean(said(tokens, addresses=True)).split())
        return known[key]

    def inline(self, tokens: Sequence[Token], *, fresh: bool = True) -> str:
        """Return what *tokens* say; *fresh* where they begin a line."""
        return Line(self._dialect, self._known, strong=self._strong).write(tokens, fresh=fresh)

    def plain(self, text: str) -> str:
        """Return *text* without any markup of its own."""
        return Line(self._dialect, self._known).write([Token("text", "", 0, content=text)], fresh=True)


class _Address(str):
    """A URL that the platform makes a link of."""

    __slots__ = ()


class _Opening(str):
    """A mark that begins emphasis."""

    __slots__ = ()


class Line:
    """What stands in a line, being written: runs of text between marks."""

    def __init__(self, dialect: Dialect, known: Known, *, strong: bool = True) -> None:
        self._dialect = dialect
        self._known = known
        self._strong = strong
        self._written: list[str] = []
        self._depths: dict[str, int] = {}
        self._run = ""
        self._fresh = True

    def write(self, tokens: Sequence[Token], *, fresh: bool) -> str:
        """Return what *tokens* say."""
        self._fresh = fresh
        at = 0
        while at < len(tokens):
            at = self._link(tokens, at) if tokens[at].type == "link_open" else self._one(tokens[at], at)
        self._flush()
        for number in range(len(self._written) - 1):
            piece, after = self._written[number], self._written[number + 1]
            if isinstance(piece, _Address) and not after[0].isspace():
                self._written[number] = f"<{piece}>"  # else what follows would be taken for a part of it
        return "".join(self._written)

    def _one(self, token: Token, at: int) -> int:
        match token.type:
            case "text" | "html_inline":
                self._run += token.content
            case "text_special":
                self._run += token.content.replace("\n", " ")  # else it could begin a block
            case "softbreak" | "hardbreak":
                self._run += "\n"
            case "code_inline" | "math":
                self._mark(self._dialect.code(" ".join(token.content.split("\n"))))
            case "image":
                self._point(
                    said(token.children or []) or "image", str(token.attrs["src"]), token.children or []
                )
            case "note":
                self._footnote(token.content)
            case _:
                self._emphasize(token)
        return at + 1

    def _emphasize(self, token: Token) -> None:
        """Begin or end emphasis; within its own kind, and bold within a heading, it is no more than that."""
        kind = token.type.partition("_")[0]
        self._depths[kind] = self._depths.get(kind, 0) + token.nesting
        outermost = self._depths[kind] == (token.nesting == 1)
        if not outermost or (kind == "strong" and not self._strong):
            return
        mark = self._dialect.emphasis(token.markup)
        self._flush()
        if token.nesting < 0 and self._written and isinstance(self._written[-1], _Opening):
            self._written.pop()  # there is nothing between
        elif mark:
            self._put(_Opening(mark) if token.nesting > 0 else mark)

    def _mark(self, markup: str) -> None:
        if markup:
            self._flush()
            self._put(markup)

    def _put(self, markup: str) -> None:
        """Write something of ours; two pieces of code must not touch."""
        touches = markup[0] == "`" and self._written and self._written[-1].endswith("`")
        self._written.append(f"{JOINER}{markup}" if touches else markup)
        self._fresh = False

    def _flush(self) -> None:
        """Write the run of text so far: its URLs, and what is between them."""
        if not self._run:
            return
        run, self._run = clean(self._run), ""  # once more: entities are decoded now
        end = 0
        for found in self._dialect.urls(run) if addressed(run) else ():
            url = trimmed(found[0])
            if found.start() < end or not url:
                continue
            self._text(run[end : found.start()])
            self._put(self._address(url))
            end = found.start() + len(url)
        self._text(run[end:])

    def _text(self, text: str) -> None:
        if text:
            self._written.append(self._dialect.literal(text, fresh=self._fresh))
            self._fresh = text.endswith("\n")

    def _address(self, url: str) -> str:
        allowed = self._known.links.allows(url)
        return _Address(self._dialect.address(url)) if allowed else self._dialect.code(inert(url))

    def _link(self, tokens: Sequence[Token], at: int) -> int:
        """Write the link that begins at *at*; return where it is over."""
        depth, end = 1, at
        while depth:
            end += 1
            depth += (tokens[end].type == "link_open") - (tokens[end].type == "link_close")
        inner = tokens[at + 1 : end]
        self._point(said(inner), str(tokens[at].attrs["href"]), inner)
        return end + 1

    def _point(self, label: str, url: str, inner: Sequence[Token]) -> None:
        """Write something that is said to be at *url*."""
        self._flush()
        same = label in {
            url,
            url.removeprefix("mailto:"),
            url.removeprefix("https://"),
            url.removeprefix("http://"),
        }
        if not url or same:
            self._run += label if not url else ""
            self._mark(self._address(url) if url else "")
            return
        links = self._known.links
        within = Line(self._dialect, Known(Links(), self._known.references), strong=self._strong)
        text = (
            within.write(inner, fresh=self._fresh)
            if inner
            else self._dialect.literal(label, fresh=self._fresh)
        )
        if (
            text.strip()
            and "\n\n" not in text
            and links.allows(url)
            and not (deceives(label, url) or deceives(text, url))
        ):
            self._mark(self._dialect.link(text.strip(), url))
        else:
            bare = not text.strip()
            for part in [self._address(url)] if bare else [f"{text} (", self._address(url), ")"]:
                self._mark(part)

    def _footnote(self, label: str) -> None:
        if said := self._known.notes.get(label):
            self._run += f" ({said})"
        else:
            self._mark(self._dialect.note(label))
