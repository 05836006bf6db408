"""Several workspaces: who may install the bot, the tokens that it is given, and which is whose."""
