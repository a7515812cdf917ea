"""What is told of an error nobody foresaw: enough to find it, and nothing of what a task holds."""

from __future__ import annotations

from pathlib import Path


def told(error: BaseException) -> str:
    """Return one line with the type and the place of an error. Its message may quote a task, so it is left out."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else "nowhere"
    return f"an error nobody foresaw ({type(error).__name__} at {where}); please report it"
