"""What marks a SQLite file as ours, at its 68th byte (https://www.sqlite.org/fileformat.html)."""

from __future__ import annotations

APPLICATION_ID = int.from_bytes(b"Tdck", "big")
"""The mark of a store."""

BUNDLE_ID = int.from_bytes(b"Tdcb", "big")
"""The mark of a bundle: the tables of a store to be looked at, and never written to."""

MEMORIES_ID = int.from_bytes(b"Tdcm", "big")
"""The mark of a file of memories that Taskdeck has made, to be known as one while it has none yet."""
