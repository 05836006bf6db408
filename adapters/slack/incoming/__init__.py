"""What Slack tells the bot: sockets or HTTP, events, people, and what was missed."""
