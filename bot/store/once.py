"""What is said once although it goes on: a line of the log that nothing new is in must not fill it.  Pure."""

from __future__ import annotations


class Once:
    """What was said last, of each thing that may go on."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def new(self, what: str, why: str) -> bool:
        """Tell whether *what* was not said with the same *why* before; it counts as said then."""
        known = self._said.get(what)
        self._said[what] = why
        return known != why

    def over(self, what: str) -> None:
        """Let *what* be said again when it begins anew."""
        self._said.pop(what, None)
