"""Blocks of code in blocks of markdown, which the specification does not have and models write.  Pure."""

from __future__ import annotations

import re

import comrak
from comrak import AstNode

from bot.text.safe import JOINER
from bot.text.tree import Tree, found, parsed, value_of, words

#: A language, or what else stands behind a fence, is no longer than this where a page begins with it again.
LONGEST_INFO = 40
#: How often blocks of code are looked for in others.
_NESTINGS = 8
#: What begins a block of code, and how one begins that may hold others.
_FENCE = "```"
_NESTING = re.compile(r"(?:md|markdown)\b", re.IGNORECASE)


def nested(tree: Tree, definitions: tuple[str, ...]) -> Tree:
    """Return *tree* with a longer fence around each block of markdown that has blocks of code in it.

    By the specification such a block ends with the first fence in it.  Where text goes on right behind that
    fence, as it does behind one that opens, the model has meant another one.
    """
    for _ in range(_NESTINGS):
        lines, end = [*tree.lines], 0
        for node in found(tree.blocks, comrak.CodeBlock):
            value: comrak.NodeCodeBlock = value_of(node)
            short = value.fence_char == ord("`") and value.fence_length == len(_FENCE)
            if short and (first := tree.first(node)) >= end and _NESTING.match(value.info):
                quoted = lines[first].lstrip().startswith(">")
                end = first if quoted else _lengthened(lines, first)
        if lines == tree.lines:
            break
        tree = parsed("\n".join(lines), definitions)
    return tree


def fence(value: comrak.NodeCodeBlock) -> str:
    """Return what a block of code begins with: its fence, and the spaces before that."""
    return " " * value.fence_offset + chr(value.fence_char) * value.fence_length


def opening(tree: Tree, node: AstNode, at: int) -> str:
    """Return the line that opens the block of code *node* of *tree* again, which goes on at *at*."""
    value: comrak.NodeCodeBlock = value_of(node)
    begin = fence(value)
    info = words(value.info) if len(value.info) <= LONGEST_INFO else ""
    if not (_NESTING.match(info) and begin.strip() == "````"):
        return begin + info
    within = tree.source[tree.begin(node) : at].split("\n")[1:]  # in one of the blocks in it
    inner = sum(line.strip("> \t").startswith("```") for line in within) % 2
    return f"```{info}{JOINER * inner}"


def _lengthened(lines: list[str], opened: int) -> int:
    """Lengthen the fences of the block that line *opened* begins, if it has others; return its last line."""
    inner = holds = lines[opened].endswith(JOINER)  # see `opening`
    ended = 0
    for number in range(opened + 1, len(lines)):
        line = lines[number].strip()
        bare = not line.strip("`")
        follows = number + 1 < len(lines) and bool(lines[number + 1].strip())
        if not line.startswith(_FENCE):
            continue
        if inner:
            inner = not bare
        elif bare and not follows:
            ended = number
            break
        else:
            inner = holds = True
    for number in {opened, ended or opened} if holds else ():
        lines[number] = lines[number].replace(_FENCE, f"{_FENCE}`", 1)
    return (ended or len(lines)) if holds else opened
