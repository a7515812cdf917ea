"""The command line: every command for scripts and people. It loads Textual only to open a screen."""
