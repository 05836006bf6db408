"""Pictures of one rich answer as people see it: `python -m tests.looks docs`, or `make looks`.

The bot answers through its real adapters; what the emulators then hold is drawn by `slack` and `discord`,
which read it by the rules of the platforms' own clients.  Colours, fonts and spaces only resemble theirs.
"""
