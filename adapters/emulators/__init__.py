"""The outside world on loopback: Slack, Discord and Claude, for the demo and the tests.

Each emulator follows its service's documented and recorded behaviour, never what our adapters
need, and imports nothing of ours but the script format, so that it can't share our
misunderstandings.  `python -m adapters.emulators` runs all three in a process of their own,
and on demand the theatre, a page that shows them.
"""
