"""Logs on standard error: for people on a terminal, JSON lines elsewhere.

No secret is in them, and no message's text, unless `rivulet run --debug-content` asks for it.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Collection, Iterable, MutableMapping
from typing import Any

import structlog

from bot.content import switch as switch_content

#: What tokens look like, and addresses that are as good as one, for those that no setting of ours holds.
SECRET = re.compile(
    r"xox[a-z]-[\w-]+|xapp-[\w-]+|sk-ant-[\w-]+|(?<=Bearer )\S+|(?<=ticket=)[^&\s]+"
    r"|(?<=hm=)\w{16,}|(?<=hooks\.slack\.com/)[\w/-]+"
    r"|[\w-]{24,28}\.[\w-]{6}\.[\w-]{27,}"
)
#: A line is cut here.
LONGEST = 4096
#: Our packages.
OURS = ("bot", "adapters")
#: Lines of one kind that libraries may log in so many seconds; a kind's length in characters, and how many
#: kinds are counted.
OFTEN, QUIET = 5, 60.0
KIND, KINDS = 60, 1000
#: Values that must never appear, the longest first: one may be part of another.
_hidden: list[str] = []


class Seldom(logging.Filter):
    """Lets a line of a library through only now and then: what anybody can cause must not fill the disk.

    Our own modules see to that themselves.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[object, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether *record* is logged: `OFTEN` of its kind in each `QUIET` seconds."""
        if record.name.partition(".")[0] in OURS:
            return True
        kind = (record.name, record.pathname, record.lineno, str(record.msg)[:KIND])
        began, count = self._seen.get(kind, (record.created, 0))
        if record.created - began >= QUIET:
            began, count = record.created, 0
        if len(self._seen) >= KINDS:
            self._seen.clear()
        self._seen[kind] = began, count + 1
        return count < OFTEN


def configure(level: str, secrets: Collection[str] = (), *, content: bool = False) -> None:
    """Set up structlog and the standard library's logging alike.

    Args:
        level: What is logged of ours; of libraries, warnings and worse.
        secrets: Values that must never appear.
        content: Whether questions and answers are logged.
    """
    _hidden.clear()
    hide(secrets)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact,
    ]
    tty = sys.stderr.isatty()
    renderer = (
        structlog.dev.ConsoleRenderer() if tty else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.addFilter(Seldom())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for ours in OURS:
        logging.getLogger(ours).setLevel(level.upper())
    switch_content(on=content)


def hide(secrets: Iterable[str]) -> None:
    """Let *secrets* appear in no line from now on; loggers keep what they were first configured with."""
    _hidden[:] = sorted({*_hidden, *filter(None, secrets)}, key=len, reverse=True)


def _redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: _clean(value) if isinstance(value, str) else value for key, value in event.items()}


def _clean(text: str) -> str:
    for secret in _hidden:
        text = text.replace(secret, "***")
    return SECRET.sub("***", text)[:LONGEST]
