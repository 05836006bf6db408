"""What a message may hold, and what a reader sees of it.

Pure: no clock, no state, no network.  What it does to the reader is `judge.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

Block = dict[str, Any]

#: "The text field cannot exceed 4,000 characters" [docs chat.update]; a live probe found UTF-8 bytes.
UPDATE_BYTES = 4_000
#: Longer posts are truncated, with a warning [docs chat.postMessage].
POST_CHARACTERS = 40_000
#: "Cumulative limit for all markdown blocks in a single payload" [docs markdown-block].
MARKDOWN_CHARACTERS = 12_000
#: Blocks in a message [docs block-kit/blocks].
BLOCKS = 50
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
    markdown = sum(len(block["text"]) for block in blocks if block["type"] == "markdown")
    return "msg_blocks_too_long" if markdown > MARKDOWN_CHARACTERS else ""


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


def entities(text: str) -> str:
    """Return *text* with the three entities decoded that Slack knows."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def decoded(text: str) -> str:
    """Return *text* as it is drawn: without entities and invisible word joiners."""
    return entities(text).replace("\u2060", "")


def visible(text: str, blocks: Sequence[Block]) -> str:
    """Return what a reader sees as the message's body."""
    markdown = [block["text"] for block in blocks if block["type"] == "markdown"]
    sections = [part["text"] for block in blocks if block["type"] == "section" for part in texts(block)]
    return decoded("\n".join(markdown or sections) or text)


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
