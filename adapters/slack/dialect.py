"""What Slack's `markdown` blocks and `markdown_text` show: CommonMark, with entities of Slack's own.  Pure.

Images, footnotes, formulas and HTML, which Slack does not draw, come out as `bot.markdown` writes them.
"""

from __future__ import annotations

from bot.markdown import Dialect


class SlackDialect(Dialect):
    """Slack reads <...> before it reads markdown, in code too: only its three entities keep text as it is."""

    def entities(self, text: str) -> str:
        """See `Dialect.entities`."""
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
