"""What a secret looks like, and how a value is shown to somebody who set it wrong.  Pure."""

from __future__ import annotations

import json
import re
from typing import Any

#: Names of settings that hold secrets.
SECRET = re.compile(r"\w+_(KEY|TOKEN|(?<!MAX_)TOKENS|SECRET)|RIVULET_STORE")
#: Keys of a file that say of themselves that their value is a secret.
SECRET_KEY = re.compile(
    r"(.*[_-])?(tokens?|secrets?|keys?|passwords?|passphrase|credentials?)", re.IGNORECASE
)
#: Tokens of Slack, Anthropic and others; of Discord; a signed claim; the head of a private key.
TOKEN = re.compile(
    r"\bx(?:ox[a-z]|app)-[\w-]{6,}|\bsk-[\w-]{12,}|\bgh[opsu]_\w{16,}|\bAKIA[A-Z0-9]{12,}"
    r"|\b[A-Za-z0-9_-]{23,28}\.[A-Za-z0-9_-]{6,7}\.[A-Za-z0-9_-]{27,}"
    r"|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}|-----BEGIN [A-Z ]*PRIVATE KEY"
)
#: One long word of letters and digits: a secret without a shape of its own, as likely as not.
WORD = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])[\w+/=-]{24,}")
#: Characters of a value that are shown.
SHOWN = 60


def token_in(text: str) -> bool:
    """Tell whether something in *text* has the shape of a token."""
    return TOKEN.search(text) is not None


def shown(value: Any) -> str:
    """Return *value* as TOML would have it, cut; what looks like a secret is not shown."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "[]" if not value else f"a list of {len(value)}"
    text = str(value)
    if token_in(text) or WORD.fullmatch(text.strip()):
        return "what looks like a secret"
    if isinstance(value, str | bool):
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
