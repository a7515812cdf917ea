"""What became of commands, told one by one; the first failure gives the exit code."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from taskdeck_store.machine import Refusal
from taskdeck_store.values import Event, Task
from taskdeck_tui.cli.exits import OF_REFUSAL, Exit
from taskdeck_tui.cli.output import Output
from taskdeck_tui.safe import safe


class Told(Struct, frozen=True, kw_only=True):
    """One outcome as scripts read it.

    Applied: `event` is the record, `task` the task after it. Refused: `refusal` says why, `task` is the task as it
    stands (None: there is none). `repeated` says that the command had been applied before.
    """

    task_id: str
    action: str
    applied: bool
    task: Task | None = None
    event: Event | None = None
    refusal: Refusal | None = None
    repeated: bool = False


def tell(outcomes: Sequence[Told], output: Output) -> Exit:
    """Write outcomes, in the order they were asked for, and return the exit code they make.

    With JSON all of them are one array on stdout, and the first refusal is the error on stderr.
    """
    refused = [outcome for outcome in outcomes if outcome.refusal is not None]
    if output.json:
        output.array(outcomes)
        _tell_refusals(refused[:1], output)
    else:
        for outcome in outcomes:
            if outcome.event is not None:
                output.line(_line(outcome.event, output))
        _tell_refusals(refused, output)
    return OF_REFUSAL[refused[0].refusal.code] if refused and refused[0].refusal else Exit.DONE


def _tell_refusals(refused: Sequence[Told], output: Output) -> None:
    for outcome in refused:
        assert outcome.refusal is not None
        output.error(outcome.refusal.code, outcome.refusal.message, {"task_id": outcome.task_id})


def _line(event: Event, output: Output) -> str:
    after = output.state(event.to_state) if event.to_state else "removed"
    before = f"{output.state(event.from_state)} → " if event.from_state else ""
    return f"{safe(event.task_id)}  {before}{after}"
