"""Tasks in a SQLite database whose own triggers hold the rules, for writers that know nothing of Taskdeck too."""
