"""Tasks in a JSON file that other programs own too, with an audit log beside it."""
