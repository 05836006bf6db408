"""What only the operator can mend.  In a module of its own: whoever reads settings needs nothing else."""

from __future__ import annotations


class Unavailable(Exception):
    """A platform cannot be served as it is set up; the message says what to do about it."""
