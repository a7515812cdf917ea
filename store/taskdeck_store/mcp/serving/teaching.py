"""What an agent is told of the loop, in ten lines."""

from __future__ import annotations

from taskdeck_store.limits import Limits
from taskdeck_store.values import State

_LOOP = """\
This is a queue of tasks. Each is pending, in_progress, review, completed or failed, and moves only by these tools.
1. claim takes the next task that is due, so that nobody else has it; none returned: nothing is to be done now.
2. Do what its title, description and data say. A note in its log says what an earlier attempt lacked.
3. submit hands in the result, with expect set to the version that claim returned: nothing is overwritten.
4. wait_for_review, with after set to the seq that submit returned, tells the verdict; "waiting": call it again.
5. approved: go on with 1. rejected: it is pending again; read the note, claim it with query "id:ID", do it better.
6. If you cannot do it, release gives it back to the queue, and fail gives it up; both say why in the note.
7. An error says why nothing was changed. After a conflict, show the task again and decide anew.
8. Do not approve or reject work of your own unless you were told to: review is for somebody else.
9. list, show and log look and change nothing; the resources task://queue and task://ID tell of changes.
10. You are on record as mcp: and your client's name, a claim that nobody checks."""

_UNREVIEWED = """\
This is a queue of tasks. Each is pending, in_progress, completed or failed, and moves only by these tools.
1. claim takes the next task that is due, so that nobody else has it; none returned: nothing is to be done now.
2. Do what its title, description and data say. A note in its log says what an earlier attempt lacked.
3. complete_task hands in the result, and completes the task at once: this queue knows no review.
4. Go on with 1.
5. If you cannot do it, release gives it back to the queue, and fail gives it up; both say why in the note.
6. An error says why nothing was changed: the tool that this queue stores its tasks with may have no word for it.
7. After a conflict, show the task again and decide anew.
8. list, show and log look and change nothing; the resources task://queue and task://ID tell of changes.
9. You are on record as mcp: and your client's name, a claim that nobody checks."""

_READ_ONLY = """\
This is a queue of tasks, to look at: nothing can be changed from here.
Each task is pending, in_progress, review, completed or failed. list, show and log tell of them, wait_for_review waits
for a verdict, and the resources task://queue, task://current, task://stats and task://ID tell of changes."""


def instructions(limits: Limits, *, read_only: bool) -> str:
    """Return what every client is told of a queue, whose tasks are in a format with such limits."""
    if read_only or limits.read_only is not None:
        return _READ_ONLY
    return _LOOP if State.REVIEW not in limits.lacks else _UNREVIEWED


def working(query: str, limits: Limits) -> str:
    """Return what an agent is asked that is to work on the tasks that match a filter ('': all of them)."""
    which = f' that match the filter "{query}": give it to claim as query' if query else ""
    told = instructions(limits, read_only=False)
    return f"Work on the tasks of this queue{which}, one after the other, until claim returns none.\n\n{told}"
