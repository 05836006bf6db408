"""The streaming core and what runs it.  Knows no platform."""

#: As in pyproject.toml; a checkout that is not installed has no other.
__version__ = "0.1.0"
