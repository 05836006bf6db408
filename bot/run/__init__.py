"""What runs the bot: the command line, supervision, health, the doctor and the demo."""
