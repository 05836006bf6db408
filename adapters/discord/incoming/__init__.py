"""What Discord tells the bot: the gateway, its events, history, and what was missed."""
