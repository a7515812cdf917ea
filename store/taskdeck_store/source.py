"""What a place of tasks that others own must be able to do, to be shown and moved as a store: be read, be written
one move at a time, and tell when it changed. `taskdeck_store.observed` makes a store of it, with a log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from taskdeck_store.contract import Stop
from taskdeck_store.limits import Limits
from taskdeck_store.machine import Command, Refusal
from taskdeck_store.values import Event, Task


class Told(Event, frozen=True, kw_only=True):
    """An event as a source tells it; `untold` names fields that it changed, from and to what is not said.

    `is_ours` says that it was carried out through the handle that is told of it.
    """

    untold: tuple[str, ...] = ()
    is_ours: bool = False


class Sight(Struct, frozen=True, kw_only=True):
    """All tasks of a source as they were at one moment, in its order; no two have one id.

    Of a task, only the fields in the source's `Limits.fields` count, its `extra` (what else the source says of it,
    among it the source's own word for the state where that says more than the state) and its `version`, the source's
    own ('' where it has none). `flaws` tell, a line each, what is there and cannot be shown as a task.

    `mark` says how far the source's own log goes that led to this ('': it has none, or that is not known). `events` are
    those of that log since the mark that was asked for, in its order, by the ids of their tasks, where it can tell
    them. They are as the source says them, actors too, and their `seq` is the source's; nothing of them is to be
    believed that does not lead to `tasks`.
    """

    tasks: tuple[Task, ...]
    flaws: tuple[str, ...] = ()
    mark: str = ""
    events: Mapping[str, Sequence[Told]] = {}


class Move(Struct, frozen=True, kw_only=True):
    """What is to be written of one task: from how it was seen (None: it is added) to how it is to be.

    `commands` are what is asked, in order: more than one where they go together, as submit and approve do in a format
    without a review.
    """

    commands: tuple[Command, ...]
    seen: Task | None
    task: Task


class Source(Protocol):
    """Tasks in a place that others own. A handle serves one thread at a time; `wait` alone may run beside.

    Every method raises StoreError when the source as a whole cannot do it, with a message that names what, where and
    what to do. Looking makes no file.
    """

    @property
    def kind(self) -> str:
        """The format's name for people: ``Task Master``."""

    @property
    def place(self) -> str:
        """What tells this source from all others on this machine: a file's real path, a server's address."""

    @property
    def limits(self) -> Limits:
        """What the format can say. It may become another with a look."""

    @property
    def read_only(self) -> str | None:
        """Why nothing can be written: a clause, "the folder cannot be written to"; None where it can."""

    def is_stale(self) -> bool:
        """Tell, without waiting, whether the source may have changed since the last look. True before the first."""

    def look(self, since: str = "") -> Sight:
        """Read all tasks. A file half written, or a server that is gone, is a StoreError: never an empty sight.

        `since` is the mark of an earlier sight, of any handle on this source, from which on events are asked for.

        Right after `carry_out`, the tasks that were not moved may be as at the look before; what others did to them
        leaves the source stale then.
        """

    def carry_out(self, moves: Sequence[Move]) -> Mapping[int, Refusal]:
        """Write moves, durably; return, by their numbers, those that were not written, with the reason.

        A task that is not any more as the move saw it is refused as a conflict, and nothing of it is changed. Where the
        limits say `whole`, the moves that were not refused become visible to others all at once.
        """

    def wait(self, timeout: float, stop: Stop | None = None) -> bool:
        """Sleep until the source may have changed since the last look, also one that failed (True), or for `timeout`
        seconds, or until stopped (False).
        """

    def close(self) -> None:
        """Let go of files, processes and connections; ends a wait."""


class Kind(Struct, frozen=True, kw_only=True):
    """A kind of source: how its addresses are told from others, and opened.

    An address that begins with one of the `schemes` and a colon is its own. `recognises` tells, from a few bytes at
    most and without an exception, whether a path holds one; no two kinds recognise one path. `open` takes the address
    as the user gave it, and may raise StoreError. `nearby` returns the addresses of those that lie in a project's
    folder. `create` makes an empty one where nothing is, and raises StoreError; None: it is its own tool that does.
    `place` is how a path ends where there can be no other store, though nothing may be there yet; (): there is none.
    """

    name: str
    schemes: tuple[str, ...] = ()
    recognises: Callable[[Path], bool] = lambda path: False
    open: Callable[[str], Source]
    nearby: Callable[[Path], Iterable[str]] = lambda folder: ()
    create: Callable[[str], None] | None = None
    place: tuple[str, ...] = ()
