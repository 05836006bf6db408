"""What a message may hold, and what a reader sees of it.

Pure: no clock, no state, no network.  What it does to the reader is `judge.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from adapters.emulators.slack import markdown
from adapters.emulators.slack.markdown import INVISIBLE, Code, Table, entities

Block = dict[str, Any]

#: "The text field cannot exceed 4,000 characters" [docs chat.update]; a live probe found UTF-8 bytes.
UPDATE_BYTES = 4_000
#: Longer posts are truncated, with a warning [docs chat.postMessage].
POST_CHARACTERS = 40_000
#: "Cumulative limit for all markdown blocks in a single payload" [docs markdown-block].
MARKDOWN_CHARACTERS = 12_000
#: The text of all blocks together: somewhat over 13,200 pass at times (slack-markdown-parser, bolt-js#2509).
TEXTS_CHARACTERS = 13_200
#: Blocks in a message [docs block-kit/blocks], those counted that Slack makes of its markdown blocks.
BLOCKS = 50
#: A table, and the characters in all cells of a message [docs table-block]; inferred for the tables of
#: markdown blocks, as is that their head is a row.
ROWS, COLUMNS, CELL_CHARACTERS = 100, 20, 10_000
#: A text object in a section or a context block [docs section-block, text-object].
TEXT_CHARACTERS = 3_000
#: Elements of a context block [docs context-block].
CONTEXT_ELEMENTS = 10
#: Elements of an actions block [docs actions-block].
ACTIONS_ELEMENTS = 25
#: A button's label and its value [docs button-element].
LABEL_CHARACTERS, VALUE_CHARACTERS = 75, 2_000
#: A header's text [docs header-block].
HEADER_CHARACTERS = 150
#: Block types a message may hold [docs block-kit/blocks]; those not looked into are taken as they come.
OTHER_BLOCKS = frozenset(
    {
        "alert",
        "card",
        "carousel",
        "context_actions",
        "divider",
        "file",
        "image",
        "input",
        "plan",
        "rich_text",
        "table",
        "task_card",
        "video",
    }
)

_WIRE = re.compile(r"<(?:[@#!][^<>\s]+|(?:https?://|mailto:)[^<>\s][^<>]*)>|&(?:amp|lt|gt);")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def refusal(text: str, blocks: Sequence[Block]) -> str:
    """Return the error with which Slack refuses this content, or ''."""
    if not text and not blocks:
        return "no_text"
    if len(blocks) > BLOCKS or not all(_well_formed(block) and _sound(block) for block in blocks):
        return "invalid_blocks"
    if len("".join(_markdown(blocks))) > MARKDOWN_CHARACTERS or _length(blocks) > TEXTS_CHARACTERS:
        return "msg_blocks_too_long"
    return "" if expands(blocks) else "invalid_blocks"


def expands(blocks: Sequence[Block]) -> bool:
    """Tell whether what Slack makes of well-formed *blocks* is no more than a message holds.

    Measured for posts (slack-markdown-parser, metabase#79908, #80652) and inferred for all other calls.
    """
    texts = _markdown(blocks)
    tables = [table for text in texts for table in markdown.tables(text)]
    tables += [_table(block) for block in blocks if block["type"] == "table"]
    return (
        len(blocks) - len(texts) + sum(map(markdown.items, texts)) <= BLOCKS
        and all(table.rows <= ROWS and table.columns <= COLUMNS for table in tables)
        and sum(table.characters for table in tables) <= CELL_CHARACTERS
    )


def _markdown(blocks: Sequence[Block]) -> list[str]:
    return [block["text"] for block in blocks if block["type"] == "markdown"]


def _length(value: Any) -> int:
    """Return how many characters of text there are in blocks, or in a part of them."""
    match value:
        case list():
            return sum(map(_length, value))
        case dict():
            text = value.get("text")
            return sum(map(_length, value.values())) + (len(text) if isinstance(text, str) else 0)
        case _:
            return 0


def _table(block: Block) -> Table:
    """Return the size of a table block."""
    rows = [row for row in block.get("rows") or [] if isinstance(row, list)]
    return Table(len(rows), max(map(len, rows), default=0), _length(rows))


def _well_formed(block: Any) -> bool:
    """Tell whether *block* is an object with lists of objects where Block Kit has them."""
    lists = [block.get(name, []) for name in ("elements", "fields")] if isinstance(block, dict) else [None]
    return all(isinstance(items, list) and all(isinstance(item, dict) for item in items) for items in lists)


def _sound(block: Block) -> bool:
    match block.get("type"):
        case "markdown":
            text = block.get("text")
            return isinstance(text, str) and bool(text.strip())
        case "section":
            fields = block.get("fields", [])
            texts = [*([block["text"]] if "text" in block else []), *fields]
            return bool(texts) and all(_text_fits(text, TEXT_CHARACTERS) for text in texts)
        case "context":
            elements = block.get("elements", [])
            return 0 < len(elements) <= CONTEXT_ELEMENTS and all(
                element.get("type") == "image" or _text_fits(element, TEXT_CHARACTERS) for element in elements
            )
        case "actions":
            return _actions_fit(block.get("elements", []))
        case "header":
            return _text_fits(block.get("text"), HEADER_CHARACTERS)
        case other:
            return other in OTHER_BLOCKS


def _text_fits(text: Any, most: int) -> bool:
    """Tell whether *text* is a text object of 1 to *most* characters."""
    return (
        isinstance(text, dict)
        and text.get("type") in {"plain_text", "mrkdwn"}
        and isinstance(text.get("text"), str)
        and 0 < len(text["text"]) <= most
    )


def _actions_fit(elements: Sequence[Block]) -> bool:
    names = [element["action_id"] for element in elements if "action_id" in element]
    buttons = [element for element in elements if element.get("type") == "button"]
    return (
        0 < len(elements) <= ACTIONS_ELEMENTS
        and len(names) == len(set(names))
        and all(element.get("type") for element in elements)
        and all(
            _text_fits(button.get("text"), LABEL_CHARACTERS)
            and button["text"]["type"] == "plain_text"
            and len(str(button.get("value", ""))) <= VALUE_CHARACTERS
            for button in buttons
        )
    )


def wire(typed: str) -> str:
    """Return what Slack stores of a text that a person *typed*: entities, but for its own <...> tokens."""
    parts, end = [], 0
    for token in _WIRE.finditer(typed):
        parts += [_escaped(typed[end : token.start()]), token[0]]
        end = token.end()
    return "".join([*parts, _escaped(typed[end:])])


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in text)


def decoded(text: str) -> str:
    """Return mrkdwn or plain *text* without entities and what is drawn as nothing; see `markdown.decoded`."""
    return entities(text).translate(INVISIBLE)


def visible(text: str, blocks: Sequence[Block], code: Code = "literal") -> str:
    """Return what a reader sees as the message's body, with its markup; *code* as in `markdown`."""
    if written := _markdown(blocks):
        return "\n".join(markdown.decoded(each, code) for each in written)
    sections = [part["text"] for block in blocks if block["type"] == "section" for part in texts(block)]
    return decoded("\n".join(sections) or text)


def note(blocks: Sequence[Block]) -> str:
    """Return the text of the context blocks: small print below the body."""
    parts = [part["text"] for block in blocks if block["type"] == "context" for part in texts(block)]
    return decoded("\n".join(parts))


def buttons(blocks: Sequence[Block]) -> Iterator[tuple[Block, Block]]:
    """Yield every (block, button) that a reader can press."""
    for block in blocks:
        for element in [*block.get("elements", []), block.get("accessory", {})]:
            if block["type"] in {"actions", "section"} and element.get("type") == "button":
                yield block, element


def labels(blocks: Sequence[Block]) -> list[str]:
    """Return the labels of the buttons, as drawn."""
    return [decoded(button["text"]["text"]) for _, button in buttons(blocks)]


def is_live(blocks: Sequence[Block]) -> bool:
    """Tell whether a reader sees a Stop button."""
    return any("Stop" in label for label in labels(blocks))


def texts(block: Block) -> Iterable[Block]:
    """Return the text objects of a section or context *block*."""
    match block:
        case {"type": "section"}:
            return [*([block["text"]] if "text" in block else []), *block.get("fields", [])]
        case {"type": "context"}:
            return [element for element in block["elements"] if "text" in element]
        case _:
            return []
