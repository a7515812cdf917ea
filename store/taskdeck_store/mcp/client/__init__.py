"""The tasks of an MCP server, ours or not, as a source: read as resources, moved by tools.

`mcp` is loaded when the first address is opened, and not before: it takes a second.
"""
