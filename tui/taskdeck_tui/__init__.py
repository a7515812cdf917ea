"""The terminal app and the command line of Taskdeck."""

__version__ = "0.1.0"
