"""What Slack's `markdown` blocks and `markdown_text` show: CommonMark, with entities of Slack's own.  Pure.

Images, footnotes, formulas and HTML, which Slack does not draw, come out as `bot.text.markdown` writes them.
"""

from __future__ import annotations

import re

from bot.text.dialect import Dialect
from bot.text.safe import JOINER

#: What would begin a tag, an address or an entity where it is read a second time.
_READ_AGAIN = re.compile(r"<(?=[A-Za-z/!?])|&(?=#?\w{1,31};)")


class SlackDialect(Dialect):
    """Slack reads <...> before it reads markdown, in code too: only its three entities keep text as it is."""

    def literal(self, text: str, *, fresh: bool = True) -> str:
        """See `Dialect.literal`; once Slack has decoded its entities, no tag and no other entity is left."""
        return super().literal(_READ_AGAIN.sub(f"\\g<0>{JOINER}", text), fresh=fresh)

    def entities(self, text: str) -> str:
        """See `Dialect.entities`."""
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
