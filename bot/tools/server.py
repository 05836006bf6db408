"""Tools that the API runs itself: they are named in the settings like others, and run nothing here."""

from __future__ import annotations

from bot.tools import Offered

#: How often each may be used in one request.
USES = 5

SEARCH = {"type": "web_search_20260318", "name": "web_search", "max_uses": USES}
FETCH = {
    "type": "web_fetch_20260318",
    "name": "web_fetch",
    "max_uses": USES,
    "citations": {"enabled": True},
    "max_content_tokens": 25_000,
}
CODE = {"type": "code_execution_20260521", "name": "code_execution"}

#: By anthropic 2.12, types/*_tool_2026*_param.py.
SERVER = (
    Offered(SEARCH, None, "searching the web"),
    Offered(FETCH, None, "reading a page"),
    Offered(CODE, None, "running code"),
)
