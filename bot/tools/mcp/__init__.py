"""Tools of MCP servers: programs of other people, which the settings name."""
