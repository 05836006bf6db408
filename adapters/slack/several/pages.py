"""What people see who install the bot: one page with one thing said.  Pure.

Nothing that a request brought is shown but Slack's word for an error, if it looks like one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

#: On every page: no script, nothing from elsewhere, kept nowhere, and the address of it is told to nobody.
HEADERS: Mapping[str, str] = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Rivulet</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 36em; margin: 4em auto; padding: 0 1em }}</style>
</head><body><h1>{title}</h1><p>{text}</p></body></html>
"""

ANEW = "Begin again with the link that you were given."
STARTING = ("Not yet", "The bot is starting. Load this page again in a moment.")
NO_LINK = (
    "A link is needed",
    "Whoever runs this bot can make one, with “rivulet invite slack”: it is good once, for three days.",
)
USED_LINK = ("This link was used", "It is good once. Ask whoever runs this bot for another.")
NOT_ADMITTED = (
    "Not installed",
    "Whoever runs this bot has not let your workspace in. Ask them for a link; nothing was kept.",
)
AWAY = ("Not installed", f"Slack could not be asked just now. {ANEW}")
#: By Bolt's reason, or Slack's.
REASONS: Mapping[str, str] = {
    "access_denied": f"You, or an administrator of your workspace, did not allow it. {ANEW}",
    "invalid_browser": (
        f"This page belongs to an installation that was not begun in this browser, or is over. {ANEW}"
    ),
    "invalid_state": f"This installation was begun more than ten minutes ago, or is done already. {ANEW}",
    "missing_code": f"Slack sent nothing to go on with. {ANEW}",
    "invalid_code": f"Slack does not take this code: it is old, or was used. {ANEW}",
    "storage_error": "The bot could not keep what Slack gave it. Try again later; its log says more.",
}
_WORD = re.compile(r"[a-z][a-z_]{0,50}")


def page(title: str, text: str, button: tuple[str, str] = ("", "")) -> str:
    """Return a page; *button* is an address, and what stands on it."""
    address, words = (html.escape(part) for part in button)
    link = f'</p><p><a href="{address}" rel="noreferrer">{words}</a>' if words else ""
    return _PAGE.format(title=html.escape(title), text=f"{html.escape(text)}{link}")


def failed(reason: str) -> tuple[str, str]:
    """Return what is said for *reason*, Bolt's or Slack's word for why nothing was installed."""
    word = f"Slack says “{reason}”. " if _WORD.fullmatch(reason) else ""
    return "Not installed", REASONS.get(reason) or f"{word}{ANEW}"


def installed(where: str) -> tuple[str, str]:
    """Return what is said once the bot is installed in the workspace, or the organization, called *where*."""
    called = f" in {' '.join(where.split())[:80]}" if where.strip() else ""
    return (
        "Installed",
        f"The bot is installed{called}. Invite it to a channel with /invite, and mention it there.",
    )
