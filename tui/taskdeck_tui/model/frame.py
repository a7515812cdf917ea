"""A frame: all that the screen of the past shows of one position."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store.contract import Window
from taskdeck_store.past import Past
from taskdeck_store.timeline import Doubt
from taskdeck_store.values import Event, Time
from taskdeck_tui.model.density import Density
from taskdeck_tui.model.look import STATES, Jump, Look, Place, Wanted
from taskdeck_tui.model.pace import Pace
from taskdeck_tui.model.view import View


class Frame(Struct, frozen=True, kw_only=True):
    """What was, after `position` of `end` events, the last of which has the seq `last`.

    `event` has just happened, at `at`; `look` holds the columns, and jumps to the task of the event. While the log is
    still being read, `whole` is False, and no more is known than how far that has come. `unrecorded` counts the tasks
    that were there and of which nothing is on record. `notice` says why a way ended where it did. `arrived` counts the
    events since the past was opened, and `log` the logs that were in the store's place before this one. `searching` is
    how far a search has come, and `damage` what cannot be read of the store. `answered` is the number of the last wish
    that this is an answer to.
    """

    position: int
    end: int
    last: int = 0
    look: Look | None = None
    event: Event | None = None
    at: Time | None = None
    doubts: Doubt = Doubt(0)
    unrecorded: int = 0
    whole: bool = True
    arrived: int = 0
    pace: Pace | None = None
    searching: int | None = None
    damage: str | None = None
    loop: tuple[int, int] | None = None
    density: Density | None = None
    notice: str = ""
    log: int = 0
    answered: int = 0


def wanted_of(view: View, serial: int, jump: Jump | None = None) -> Wanted:
    """Return what a frame must hold for a view: by column the ranks that it shows, and half a screen on both sides.

    With `jump`, the cursor is to go there.
    """
    half = view.height // 2 + 1
    return Wanted(
        serial=serial,
        orders=tuple(column.order for column in view.columns),
        places=tuple(Place(start=max(column.top - half, 0), limit=view.height + 2 * half) for column in view.columns),
        jump=jump,
    )


def look_back(past: Past, wanted: Wanted, now: Time, follow: str | None) -> Look:
    """Read the columns at the position of a past; with `follow`, those around the task of this id, and jump to it.

    Raises StoreError.
    """
    orders = dict(zip(STATES, wanted.orders, strict=True))
    place = past.place(follow, orders) if follow is not None else None
    jump = Jump(STATES.index(place[0]), place[1]) if place is not None else wanted.jump
    windows = tuple(_window(past, wanted, column, jump) for column in range(len(STATES)))
    tallies = past.counts()
    return Look(
        wanted=replace(wanted, jump=jump),
        at=past.now or now,
        cursor="",
        tallies=tallies,
        totals=tallies,
        windows=windows,
        pauses=tuple(past.pauses()),
    )


def _window(past: Past, wanted: Wanted, column: int, jump: Jump | None) -> Window:
    state, order, place = STATES[column], wanted.orders[column], wanted.places[column]
    start = place.start
    if jump is not None and jump.column == column and isinstance(start, int):
        # As little as can be: where the card is in sight already, the column stands still.
        height = place.limit // 2
        if not start <= jump.row - height // 2 or jump.row + height > start + place.limit:
            start = max(jump.row - height, 0)
    return past.window(state, order, start=start, limit=place.limit)


def joined(waiting: Frame, frame: Frame) -> Frame:
    """Return what stands for both: a frame that was not yet taken hands its notice and its jump on to the next."""
    frame = replace(frame, notice=frame.notice or waiting.notice)
    if waiting.look is None or frame.position != waiting.position or frame.log != waiting.log:
        return frame
    if frame.look is None:
        return replace(frame, look=waiting.look)
    wanted = frame.look.wanted
    jump = wanted.jump or waiting.look.wanted.jump
    return replace(frame, look=replace(frame.look, wanted=replace(wanted, jump=jump)))
