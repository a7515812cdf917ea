"""Whether the files of a JSON store are what their writers leave: nothing half done, and nothing smuggled in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from taskdeck_store.contract import Defect
from taskdeck_store.jsonfile.audit import log_path, mark
from taskdeck_store.jsonfile.ledger import Ledger
from taskdeck_store.printable import one_line

_MOST = 20


def defects(ledger: Ledger) -> Iterator[Defect]:
    """Yield what is wrong, as of the last look; of many defects of one kind, the first."""
    name, log = log_path(ledger.path).name, ledger.log
    if not _is_at_work(ledger):
        heals = "; whoever next opens the store to write to it "
        if log.pending is not None:
            count = len(log.pending)
            what = "1 event is" if count == 1 else f"{count:,} events are"
            yield Defect(one_line(f"{name}: {what} decided, and not in the task file yet{heals}carries on"), heals=True)
        elif log.rest:
            what = f"{name} ends in {log.rest:,} bytes that are no whole commit, and were never told of"
            yield Defect(one_line(f"{what}{heals}cuts them off"), heals=True)
        elif ledger.is_unsettled():
            yield Defect(f"files of a commit that was never finished lie beside it{heals}removes them", heals=True)
    for number in islice(log.altered(), _MOST):
        why = "it has what no hash covers, or was written anew"
        yield Defect(one_line(f"{name} line {number} is not as Taskdeck writes it: {why}"))


def _is_at_work(ledger: Ledger) -> bool:
    """Tell whether a writer is at work, or was at the time of the last look."""
    pending = ledger.log.pending
    was = pending is not None and (ledger.log.grown() or ledger.lock.serial() == mark(pending))
    return was or ledger.lock.is_held_elsewhere()
