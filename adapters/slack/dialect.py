"""What Slack's `markdown` blocks and `markdown_text` show: CommonMark, with entities of Slack's own.  Pure.

Images, footnotes, formulas and HTML, which Slack does not draw, come out as `bot.text.writing` writes them.
"""

from __future__ import annotations

import re

from bot.text.dialect import Dialect
from bot.text.safe import JOINER

#: What would be a mention, a command or a channel where code is not taken as it is.
_TOKEN = re.compile(r"<(?=[@!#])")
_QUOTED = re.compile(r"^([ \t]*)\\(?=>)", re.MULTILINE)


class SlackDialect(Dialect):
    """Slack reads <...> before it reads markdown: its three entities keep text as it is.

    Attributes:
        code_entities: Whether entities are decoded in code too.  Slack does not say; others have seen that
            code is taken as it is written.
    """

    columns = 20
    code_entities = False

    def entities(self, text: str) -> str:
        """See `Dialect.entities`; one begins no quote, and takes no backslash."""
        text = _QUOTED.sub(r"\1", text)
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    def coded(self, text: str) -> str:
        """See `Dialect.coded`."""
        return self.entities(text) if self.code_entities else _TOKEN.sub(f"<{JOINER}", text)

    def address(self, url: str) -> str:
        """See `Dialect.address`: entities are not decoded there."""
        return super().address(url).replace("|", "%7C")
