"""A store as an MCP server: resources to read and to follow, and tools that move tasks by the transition table."""
