"""The Model Context Protocol, both ways: a store served to agents and other clients, and a server shown as a store.

All of it needs the extra ``taskdeck[mcp]``, and is loaded only when it is asked for.
"""
