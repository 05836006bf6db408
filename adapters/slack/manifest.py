"""The manifest of the Slack app, and the link that opens Slack's page with it.

Made from the table in `rights`.  The fields are those of docs.slack.dev/reference/app-manifest.
"""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from adapters.slack.rights import EVENTS, PARTS, SCOPES, chosen
from bot.setup import Manifest, Option
from bot.unavailable import Unavailable

#: Where Slack can post to: a host, perhaps a port, perhaps a path.
ADDRESS = re.compile(r"https://([\w-]+\.)+[\w-]+(:[0-9]{1,5})?(/[\w./~%-]*)?")
PAGE = "https://api.slack.com/apps?new_app=1&manifest_json="
#: Where the bot takes what Slack posts; see `incoming.http`.
PATH = "/slack/events"
#: Where it sends browsers back to; see `several.oauth`.
REDIRECT = "/slack/oauth_redirect"
#: The slash command; the id that Slack sends with the message shortcut, and that its modal has too.
COMMAND, SHORTCUT = "/rivulet", "ask_about"
OPTIONS = (
    Option("--http", "HTTP mode: Slack posts to this https:// address instead of Socket Mode.", "URL"),
    Option(
        "--install",
        "Several workspaces install the app, from the bot's page at this https:// address.",
        "URL",
    ),
    Option("--org", "With --install: organizations of Enterprise Grid may install it as a whole, too."),
    Option("--agent", "Declare the app an agent: Slack's own stop button; guests can't use the app then."),
    Option("--no-follow-ups", "Leave out the events by which threads need no mention."),
    Option("--no-files", "Leave out the scopes for files."),
    Option("--no-commands", "Leave out /rivulet and the shortcut."),
    Option("--json", "Print JSON instead of YAML."),
)
ABOUT = "Claude's answers, streamed into the thread"
HEADER = """\
# Made by `rivulet manifest slack`, which takes options: HTTP mode, Slack's own stop button, fewer rights.
# Paste it at https://api.slack.com/apps, Create New App, From a manifest.
"""
PLAIN = re.compile(r"[A-Za-z/][\w /.,'()-]*(:\w[\w.]*)?|https://\S+")

#: What YAML takes for something else than words.
WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def manifest(options: Namespace) -> Manifest:
    """Return the manifest for parsed `OPTIONS`.

    Raises:
        Unavailable: The address is none that Slack can post to, or an option lacks another.
    """
    parts: set[str] = {part for part in PARTS if not getattr(options, f"no_{part.replace('-', '_')}")}
    posts, pages = (
        _address(options.http or "", "--http", PATH),
        _address(options.install or "", "--install", ""),
    )
    if options.org and not options.install:
        raise Unavailable("--org is for an app that several workspaces install: say --install URL as well.")
    parts |= {part for part in ("agent", "org") if getattr(options, part)}
    said = document(parts, posts, pages)
    link = PAGE + quote(json.dumps(said, separators=(",", ":"), ensure_ascii=False))
    if options.json:
        return Manifest(json.dumps(said, indent=2, ensure_ascii=False) + "\n", link)
    notes = {right.name: right.why for right in (*SCOPES, *EVENTS)}
    return Manifest(HEADER + "".join(f"{line}\n" for line in _lines(said, notes)), link)


def usual() -> Manifest:
    """Return the manifest without any options."""
    names = [option.flag.removeprefix("--").replace("-", "_") for option in OPTIONS]
    return manifest(Namespace(**dict.fromkeys(names)))


def _address(url: str, flag: str, path: str) -> str:
    """Return the address that an option names, which ends with *path*; "" where it is not given."""
    if not url:
        return ""
    whole = url if "://" in url else f"https://{url}"
    if not ADDRESS.fullmatch(whole):
        raise Unavailable(
            f"{flag} got {url[:80]!r}; it takes the public address of the bot, as in https://bot.example.com."
        )
    return f"{whole.rstrip('/').removesuffix(path)}{path}"


def document(parts: set[str], address: str, install: str = "") -> dict[str, Any]:
    """Return the manifest, as data.

    Args:
        parts: What is in it; with "org", organizations may install it.
        address: Where Slack posts to, "" for Socket Mode.
        install: Where the bot has its page for several workspaces, "" for one workspace.
    """
    back = {"redirect_urls": [f"{install}{REDIRECT}"]} if install else {}
    posted = {"request_url": address} if address else {}
    return {
        "display_information": {"name": "Rivulet", "description": ABOUT},
        "features": _features(parts, {"url": address} if address else {}),
        "oauth_config": {**back, "scopes": {"bot": [right.name for right in chosen(SCOPES, parts)]}},
        "settings": {
            "event_subscriptions": {**posted, "bot_events": [right.name for right in chosen(EVENTS, parts)]},
            "interactivity": {"is_enabled": True, **posted},
            "org_deploy_enabled": "org" in parts,
            "socket_mode_enabled": not address,
            "token_rotation_enabled": False,
        },
    }


def _features(parts: set[str], posted: Mapping[str, str]) -> dict[str, Any]:
    features: dict[str, Any] = {
        "app_home": {
            "home_tab_enabled": False,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": False,
        },
        "bot_user": {"display_name": "rivulet", "always_online": True},
    }
    if "commands" in parts:
        said = "Ask, stop, choose a model, see what was spent"
        features["slash_commands"] = [
            {"command": COMMAND, **posted, "description": said, "usage_hint": "help", "should_escape": True}
        ]
        features["shortcuts"] = [
            {
                "name": "Ask about this",
                "type": "message",
                "callback_id": SHORTCUT,
                "description": "Ask Rivulet about this message",
            }
        ]
    if "agent" in parts:
        features["agent_view"] = {"agent_description": ABOUT}
    return features


def _lines(value: Mapping[str, Any], notes: Mapping[str, str], indent: str = "") -> Iterator[str]:
    """Write *value* as YAML, with a note behind each name of a list that has one."""
    for key, each in value.items():
        if isinstance(each, Mapping):
            yield f"{indent}{key}:"
            yield from _lines(each, notes, indent + "  ")
        elif isinstance(each, Sequence) and not isinstance(each, str):
            yield f"{indent}{key}:"
            yield from _listed(each, notes, indent + "  ")
        else:
            yield f"{indent}{key}: {_scalar(each)}"


def _listed(values: Sequence[Any], notes: Mapping[str, str], indent: str) -> Iterator[str]:
    for each in values:
        if isinstance(each, Mapping):
            first, *rest = _lines(each, notes)
            yield f"{indent}- {first}"
            yield from (f"{indent}  {line}" for line in rest)
        else:
            yield f"{indent}- {_scalar(each)}" + (f" # {notes[each]}" if each in notes else "")


def _scalar(value: Any) -> str:
    """Return *value* as YAML: plain where it can't be misread, else as JSON, which YAML takes."""
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
