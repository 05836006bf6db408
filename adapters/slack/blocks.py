"""What blocks and attachments say, in Slack's own notation (mrkdwn with entities).  Pure.

Everything in here was written by others and may have any shape: what is not as documented says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from adapters.slack.text import Json

#: Blocks, attachments, rows or elements that are read of one list, and how deep they may be nested.
MANY = 200
DEEP = 6
#: Characters that one message may say; Slack's own texts have 40,000.
LONG = 60_000
#: The kinds of blocks that say nothing.
MUTE = frozenset({"actions", "divider", "input", "call"})


def drawn(found: Any, deep: int = 0) -> str:
    """Return what the list of blocks *found* says; "" if nothing."""
    return "\n".join(filter(None, (_block(block, deep) for block in objects(found))))[:LONG]


def attached(found: Any, deep: int = 0) -> str:
    """Return what attachments say (alerts, forwards, previews of links), in lines that begin with ">"."""
    if deep > DEEP:
        return ""
    said = filter(None, (_attachment(each, deep) for each in objects(found)))
    return "\n\n".join(quoted(each) for each in said)[:LONG]


def quoted(text: str) -> str:
    """Return *text* with the mark of a quotation before each of its lines."""
    return "\n".join(f"&gt; {line}" for line in text.split("\n"))


def objects(found: Any, most: int = MANY) -> list[Json]:
    """Return the objects among the first *most* of a list, whatever *found* is."""
    return [each for each in found[:most] if isinstance(each, dict)] if isinstance(found, list) else []


def string(found: Any) -> str:
    """Return *found* if it is a text, else ""."""
    return found[:LONG] if isinstance(found, str) else ""


def plain(found: Any) -> str:
    """Return a text that is in no notation, in Slack's."""
    return string(found).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _block(block: Json, deep: int) -> str:
    if deep > DEEP:
        return ""
    kind = string(block.get("type"))
    if kind in MUTE:
        return ""
    if kind in _KINDS:
        return _KINDS[kind](block, deep)
    # Slack adds kinds: what is a text in one that is not known is said too.
    return "\n".join(_texts(block, deep))


def _texts(found: Any, deep: int) -> Iterator[str]:
    if deep > DEEP:
        return
    if isinstance(found, dict):
        if string(found.get("type")) in {"mrkdwn", "plain_text", "raw_text", "text"}:
            yield _object(found)
        elif string(found.get("type")) not in {"button", "actions"}:
            for each in list(found.values())[:MANY]:
                yield from _texts(each, deep + 1)
    for each in objects(found):
        yield from _texts(each, deep + 1)


def _object(found: Any) -> str:
    """Return what a text object says; also one in which an image stands for a text."""
    if not isinstance(found, dict):
        return ""
    if found.get("type") == "image":
        return plain(found.get("alt_text"))
    text = found.get("text")
    return string(text) if string(found.get("type")) in {"mrkdwn", "text"} else plain(text)


def _section(block: Json, _deep: int) -> str:
    return "\n".join(filter(None, [_object(block.get("text")), *map(_object, objects(block.get("fields")))]))


def _header(block: Json, _deep: int) -> str:
    text = _object(block.get("text"))
    return text and f"*{text}*"


def _context(block: Json, _deep: int) -> str:
    return " ".join(filter(None, map(_object, objects(block.get("elements")))))


def _markdown(block: Json, _deep: int) -> str:
    text = string(block.get("text"))
    return text.replace("<", "&lt;").replace(">", "&gt;")


def _picture(block: Json, _deep: int) -> str:
    title = block.get("title")
    shown = _object(title) or plain(title) or plain(block.get("alt_text"))
    more = _object(block.get("description"))
    return "\n".join(filter(None, [shown and f"(Picture or film: {shown})", more]))


def _table(block: Json, deep: int) -> str:
    rows = block.get("rows")
    listed = [row for row in rows[:MANY] if isinstance(row, list)] if isinstance(rows, list) else []
    return "\n".join(" | ".join(_cell(cell, deep) for cell in objects(row)) for row in listed)


def _cell(cell: Json, deep: int) -> str:
    text = _rich(cell, deep) if cell.get("type") == "rich_text" else plain(cell.get("text"))
    return " ".join(text.split())


def _rich(block: Json, deep: int) -> str:
    return "\n".join(filter(None, (_part(part, deep) for part in objects(block.get("elements")))))


def _part(part: Json, deep: int) -> str:
    kind = part.get("type")
    if deep > DEEP:
        return ""
    if kind == "rich_text_list":
        indent = part.get("indent")
        margin = "  " * (min(indent, DEEP) if isinstance(indent, int) else 0)
        ordered = part.get("style") == "ordered"
        items = enumerate((_part(each, deep + 1) for each in objects(part.get("elements"))), 1)
        return "\n".join(f"{margin}{f'{number}.' if ordered else '-'} {item}" for number, item in items)
    text = "".join(_element(each) for each in objects(part.get("elements")))
    if kind == "rich_text_quote":
        return quoted(text.rstrip("\n"))
    if kind == "rich_text_preformatted":
        return f"```\n{text.strip(chr(10))}\n```"
    return text


def _element(each: Json) -> str:
    style = each.get("style")
    text = _plain_element(each)
    if isinstance(style, dict) and text.strip():
        for name, mark in (("code", "`"), ("strike", "~"), ("italic", "_"), ("bold", "*")):
            if style.get(name) is True:
                text = f"{mark}{text}{mark}"
    return text


def _plain_element(each: Json) -> str:
    kind = string(each.get("type"))
    if kind in _TOKENS:
        name, before = _TOKENS[kind]
        value = plain(each.get(name))
        return value and f"<{before}{value}>"
    if kind == "emoji":
        return _emoji(each)
    if kind == "date":
        return plain(each.get("fallback")) or plain(str(each.get("timestamp") or ""))
    if kind == "link":
        url, text = plain(each.get("url")), plain(each.get("text"))
        return f"<{url}|{text}>" if text else f"<{url}>"
    return plain(each.get("text")) or plain(each.get("value"))


def _emoji(each: Json) -> str:
    try:
        return "".join(chr(int(code, 16)) for code in string(each.get("unicode")).split("-")[:16])
    except (ValueError, OverflowError):
        name = plain(each.get("name"))
        return name and f":{name}:"


#: Elements that name somebody or something: the field with the id, and what is before it in the notation.
_TOKENS: Mapping[Any, tuple[str, str]] = {
    "user": ("user_id", "@"),
    "channel": ("channel_id", "#"),
    "usergroup": ("usergroup_id", "!subteam^"),
    "broadcast": ("range", "!"),
}
_KINDS: Mapping[str, Callable[[Json, int], str]] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "markdown": _markdown,
    "image": _picture,
    "video": _picture,
    "table": _table,
    "rich_text": _rich,
}


def _attachment(each: Json, deep: int) -> str:
    """Return what one attachment says: a forward, the preview of a link, or an alert."""
    inner = [
        shared
        for part in objects(each.get("message_blocks"))
        if isinstance(shared := part.get("message"), dict)
    ]
    text = "\n".join(filter(None, (drawn(shared.get("blocks"), deep + 1) for shared in inner)))
    text = text or drawn(each.get("blocks"), deep + 1) or string(each.get("text"))
    author, title = plain(each.get("author_name")), string(each.get("title"))
    if each.get("is_share") is True or each.get("is_msg_unfurl") is True or inner:
        channel = string(each.get("channel_id"))
        author = f"Message of {author or 'somebody'}{f' in <#{channel}>' if channel else ''}:"
    fields = [
        f"{string(one.get('title'))}: {string(one.get('value'))}" for one in objects(each.get("fields"))
    ]
    below = attached(each.get("attachments"), deep + 1)
    said = [string(each.get("pretext")), author, title and f"*{title}*", text, *fields, below]
    shown = "\n".join(filter(None, said))
    footer = plain(each.get("footer")) if shown else ""
    return "\n".join(filter(None, [shown, footer])) or string(each.get("fallback"))
