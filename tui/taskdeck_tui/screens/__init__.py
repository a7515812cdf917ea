"""The pages and prompts over the board. Each is imported when it is first shown."""
