"""Draws `looks-slack.png` and `looks-discord.png` into a folder: `python -m tests.looks docs`."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tests.looks import discord, slack
from tests.looks.sent import QUESTION, Frame, frames
from tests.worlds import DiscordWorld, SlackWorld

WIDTH = 800
SIDES: Sequence[tuple[Any, Callable[[dict[str, Any]], str], str]] = (
    (SlackWorld, slack.draw, slack.CSS),
    (DiscordWorld, discord.draw, discord.CSS),
)
#: Debian's packages of fonts that have all of it.
FONTS = "fonts-lato fonts-noto-core fonts-dejavu-core fonts-noto-cjk fonts-noto-color-emoji"
CSS = """
* { box-sizing: border-box } body { margin: 0; padding: 12px 18px }
.message { display: flex; gap: 10px; margin: 8px 0 } .message > div:last-child { flex: 1; min-width: 0 }
.avatar { width: 36px; height: 36px; flex: none; color: #fff; font: 700 18px/36px "Noto Sans", sans-serif;
  text-align: center }
.moment { font: 12px "Noto Sans", sans-serif; border-bottom: 1px dashed; margin-top: 14px }
"""
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
)


def page(taken: Sequence[Frame], draw: Callable[[dict[str, Any]], str], css: str) -> str:
    """Return the HTML of the question and of the answer at every moment."""
    rows = [_row("Ann", "#2b7a78", "", f"@Rivulet {escape(QUESTION)}")]
    for frame in taken:
        rows.append(f'<div class="moment">{frame.moment}</div>')
        rows.append(_row("Rivulet", "#4a54c5", '<span class="app">APP</span> ', draw(frame.message)))
    head = f'<!doctype html><meta charset="utf-8"><style>{CSS}{css}</style>'
    tail = "<script>document.body.dataset.height = document.documentElement.offsetHeight</script>"
    return f"{head}<body>{''.join(rows)}{tail}"


def _row(name: str, colour: str, badge: str, body: str) -> str:
    avatar = f'<div class="avatar" style="background: {colour}">{name[0]}</div>'
    head = f'<span class="name">{name}</span> {badge}<span class="time">10:42</span>'
    return f'<div class="message">{avatar}<div><div>{head}</div>{body}</div></div>'


def shoot(chromium: str, html: str, path: Path) -> None:
    """Write a picture of *html*, as high as it is, to *path*."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "page.html")
        source.write_text(html, encoding="utf-8")
        run = [chromium, *FLAGS, f"--user-data-dir={folder}/profile"]
        dom = _said([*run, f"--window-size={WIDTH},600", "--dump-dom", source.as_uri()])
        height = re.search(r'data-height="(\d+)"', dom)
        assert height, "the browser has not laid the page out"
        _said(
            [*run, f"--window-size={WIDTH},{height[1]}", f"--screenshot={path.absolute()}", source.as_uri()]
        )


def _said(command: Sequence[str]) -> str:
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    return done.stdout.decode()


def main(folder: Path) -> None:
    """Draw both."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("There is no chromium here; on Debian: apt-get install chromium " + FONTS)
    for kind, draw, css in SIDES:
        taken = asyncio.run(frames(kind))
        path = folder / f"looks-{kind.name}.png"
        shoot(chromium, page(taken, draw, css), path)
        print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
