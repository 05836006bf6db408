"""What should be visible of an answer, and when it may be written."""
