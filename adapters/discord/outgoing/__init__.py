"""What `surface.py` writes with, beside plain edits: threads and notices."""
