"""What a store's own format can hold, as data: for `taskdeck info`, for the board, and for the tests."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from taskdeck_store.values import FIELDS, Action, Json, State


class Limits(Struct, frozen=True, kw_only=True):
    """What the format of a store can say, and what it cannot.

    `words` are the format's own words for states, in its order, and as which state each is shown. `lacks` names the
    states in which no commit may leave a task, and `refuses` the actions that cannot be done at all, each with the
    reason, which is a whole clause: "Claude Code has no state for it". `fields` are the fields of a task that the
    format keeps; of the others only the log knows. `fixed` are those of them that are shown and that no command can
    set, each with the reason, a clause as well; `only` are those that can be nothing but some values, with the format's
    words for these. `ids` is a clause that says which ids a new task can have, where not any, and `next_id` is
    the lowest of them, where they are whole numbers. `tied` says that what is taken away is taken out of what others
    depend on as well. `whole` says that several tasks are written in one atomic commit. `observed` says that the log is
    none of the store's own: it has what was seen and done from this machine, and who others are and why they did it as
    far as the store tells that by itself (such an actor begins with `values.TOLD`); it lies at `log`. `read_only` is
    why nothing can be written at all, as a clause. `notes` are sentences that one should read before one writes to the
    store.
    """

    words: Mapping[str, State]
    lacks: Mapping[State, str] = {}
    refuses: Mapping[Action, str] = {}
    fields: tuple[str, ...] = FIELDS
    fixed: Mapping[str, str] = {}
    only: Mapping[str, Mapping[str, Json]] = {}
    ids: str | None = None
    next_id: int | None = None
    tied: bool = False
    whole: bool = True
    observed: bool = False
    log: str = ""
    read_only: str | None = None
    notes: tuple[str, ...] = ()


NONE = Limits(words={str(state): state for state in State})
"""The limits of a format that was made for Taskdeck's tasks."""
