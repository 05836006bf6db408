"""Benches: `python -m tests.bench stop|overhead`; see `__main__.py`."""
