"""The tasks that wait for one which was completed, or is no more: what is told of them is another then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from taskdeck_store.contract import Change, Store
from taskdeck_store.query.terms import Field, Pattern, Query, TextTerm
from taskdeck_store.values import State, Task

_DONE = State.COMPLETED
_MANY = 50
"""Of how many completed tasks at once it is looked up which others wait for them."""


def waiting(store: Store, changes: Iterable[Change]) -> Sequence[Task] | None:
    """Return the tasks that wait for those which changes completed or opened again; None: too many to look them up.

    Raises StoreError.
    """
    done = {one.task_id for one in changes if (one.from_state is _DONE) is not (one.to_state is _DONE)}
    if len(done) > _MANY:
        return None
    depending = TextTerm(field=Field.DEPENDS, choices=tuple(Pattern("exact", one) for one in sorted(done)))
    return store.tasks(Query((depending,))) if done else ()
