"""The streaming core and what runs it.  Knows no platform."""
