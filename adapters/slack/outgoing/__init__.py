"""What `surface.py` and `native.py` write with: streams, files, notices, pages that are too long."""
