"""Slack's client, as far as a picture needs it: Block Kit to HTML."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from adapters.emulators.slack.markdown import html

CSS = """
body { background: #fff; color: #1d1c1d; font: 15px/1.47 Lato, "Noto Sans", "Noto Sans CJK JP", sans-serif }
.name { font-weight: 900 } .app, .time { color: #616061; font-size: 12px }
.app { background: #ededed; border-radius: 2px; padding: 0 3px; font-size: 10px; font-weight: 700 }
.avatar { border-radius: 8px } .moment { color: #616061; border-color: #ddd }
h1, h2, h3, h4, h5, h6 { margin: 10px 0 4px; line-height: 1.3 }
h1 { font-size: 22px } h2 { font-size: 18px } h3 { font-size: 16px } h4, h5, h6 { font-size: 15px }
p, ul, ol, table, pre, blockquote { margin: 6px 0 } ul, ol { padding-left: 28px } li p { margin: 0 }
ul ul, ol ul { margin: 0 } ul { list-style: disc } ul ul, ol ul { list-style: circle }
ul ul ul, ol ul ul { list-style: square }
li.task { list-style: none; margin-left: -20px }
a { color: #1264a3; text-decoration: none }
code { color: #c01343; background: #f8f8f8; border: 1px solid #ddd; border-radius: 3px; padding: 1px 3px }
code, pre { font: 12px/1.5 "DejaVu Sans Mono", "Noto Sans CJK JP", monospace }
pre { background: #f8f8f8; border: 1px solid #ddd; border-radius: 4px; padding: 8px }
pre code { color: inherit; border: 0; padding: 0 }
blockquote { border-left: 4px solid #ddd; padding-left: 12px }
table { border-collapse: collapse } td, th { border: 1px solid #ddd; padding: 4px 10px; text-align: left }
th { background: #f8f8f8 } hr { border: 0; border-top: 1px solid #ddd; margin: 12px 0 }
.note { color: #616061; font-size: 12px }
button { border: 1px solid #bbb; border-radius: 4px; background: #fff; font: 700 13px Lato, sans-serif;
  padding: 5px 12px; margin: 6px 0; color: #1d1c1d }
"""


def draw(message: dict[str, Any]) -> str:
    """Return *message*, as Slack keeps it, as HTML."""
    return "".join(_block(block) for block in message["blocks"])


def _block(block: dict[str, Any]) -> str:
    match block["type"]:
        case "markdown":
            return markdown(block["text"])
        case "context":
            return f'<div class="note">{"".join(escape(each["text"]) for each in block["elements"])}</div>'
        case "actions":
            return "".join(f"<button>{escape(each['text']['text'])}</button>" for each in block["elements"])
        case other:
            raise ValueError(f"no picture of a block of type {other}")


def markdown(text: str) -> str:
    """Return the markdown block of *text* as the emulator reads it, with boxes for tasks."""
    boxes = {" ": "☐", "x": "☑"}
    return re.sub(
        r"<li>(<p>)?\[([ x])\] ",
        lambda found: f'<li class="task">{found[1] or ""}{boxes[found[2]]} ',
        html(text),
    )
