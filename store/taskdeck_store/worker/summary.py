"""What a worker did, counted, and told as it happens."""

from __future__ import annotations

from msgspec import Struct

from taskdeck_store.values import Action, Task


class Report(Struct, frozen=True, kw_only=True):
    """One thing that a worker did: the task as its commit left it, and for how many seconds the work took.

    `action` is what was committed; None where nothing was, since the task was held no longer. `why` is the reason or
    the error, if there is one. `is_recovery` says that it was another worker's, whose lease had run out.
    """

    task: Task
    action: Action | None
    seconds: float = 0.0
    why: str | None = None
    is_recovery: bool = False


class Summary(Struct):
    """How often a worker did what.

    `released` went back to the queue since the work failed or was stopped, `rejected` since `verify` said so; `failed`
    are at an end. `lost` was held no longer when it was done: another had it by then, or a person moved it. `recovered`
    was found with a lease that had run out.
    """

    started: int = 0
    submitted: int = 0
    completed: int = 0
    rejected: int = 0
    released: int = 0
    failed: int = 0
    lost: int = 0
    recovered: int = 0

    def count(self, report: Report) -> None:
        """Add a report."""
        name = "recovered" if report.is_recovery else "lost" if report.action is None else _NAMES[report.action]
        setattr(self, name, getattr(self, name) + 1)

    def __str__(self) -> str:
        said = [f"{getattr(self, name):,} {name}" for name in self.__struct_fields__ if getattr(self, name)]
        return ", ".join(said) or "nothing to do"


_NAMES = {
    Action.START: "started",
    Action.SUBMIT: "submitted",
    Action.APPROVE: "completed",
    Action.REJECT: "rejected",
    Action.RELEASE: "released",
    Action.FAIL: "failed",
}
