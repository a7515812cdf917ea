"""All fields of a task, laid out to be read."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

from textual.content import Content

from taskdeck_store.clock import to_seconds
from taskdeck_store.values import Json, State, Task, Time
from taskdeck_tui.glyphs import GLYPHS
from taskdeck_tui.safe import safe
from taskdeck_tui.screens.history import ink
from taskdeck_tui.screens.pretty import Row, fitted, kind_of, text_rows, value_rows
from taskdeck_tui.span import ahead
from taskdeck_tui.telling import NOTHING, ago, moment

_GAP = 2
_MOST = 12
"""So many of the tasks that one depends on are named."""
_NARROW = 48


class Fields:
    """Lays out one task at a time, for a store that keeps some fields; what is costly is kept until it changes."""

    def __init__(self, kept: Container[str]) -> None:
        self._has = kept
        self._kept: dict[str, tuple[Json, int, list[Content]]] = {}

    def lines(self, task: Task, now: Time, width: int, stands: Mapping[str, State | None]) -> list[Content]:
        """Return a task's title, short fields, and every long one under a rule of its own.

        `stands` tells where tasks are that it depends on: in a state, or not there.
        """
        lines = fitted([Row(Content.styled(safe(task.title), "bold $page-title"))], width)
        lines.append(Content())
        short = list(_short(task, now, width, stands, self._has))
        room = max(len(label) for label, _ in short) + _GAP
        for label, value in short:
            name = Content.styled(label.ljust(room), "$label")
            first, *rest = fitted([Row(value)], width - room) or [Content()]
            lines.append(name + first)
            lines.extend(" " * room + line for line in rest)
        for label, value in _long(task):
            lines.append(Content())
            lines.append(rule(label, kind_of(value), width))
            lines.extend(self._body(label, value, width))
        return lines

    def _body(self, label: str, value: Json, width: int) -> list[Content]:
        kept = self._kept.get(label)
        # A task that was read again has equal values in other objects; comparing beats laying out.
        if kept is None or kept[1] != width or kept[0] != value:
            rows = text_rows(value, bar=True) if label == "error" else value_rows(value)
            kept = self._kept[label] = (value, width, fitted(rows, width))
        return kept[2]


def rule(label: str, kind: str, width: int) -> Content:
    """Return the line above a long field."""
    what = ("  ", (kind, "$muted")) if kind else ()
    head = Content.assemble((label, "bold $hint-key"), *what, " ")
    return head + Content.styled("─" * max(width - head.cell_length, 0), "$column-line")


def _short(
    task: Task, now: Time, width: int, stands: Mapping[str, State | None], has: Container[str]
) -> Iterator[tuple[str, Content]]:
    yield "id", Content(safe(task.id))
    roomy = width >= _NARROW
    if "priority" in has:
        yield "priority", Content.assemble(str(task.priority), ("  lower runs first" if roomy else "", "$muted"))
    if "attempts" in has or task.attempts:
        spent = task.attempts >= task.max_attempts
        style = "$state-failed" if spent and task.attempts else ""
        count = f"{task.attempts} of {task.max_attempts}"
        yield "attempts", Content.assemble((count, style), ("  times back in the queue" if roomy else "", "$muted"))
    if task.not_before is not None:
        yield "not before", _moment(task.not_before, now, width)
    if task.depends_on:
        yield "depends on", _depends_on(task, stands)
    yield "owner", Content(safe(task.owner) if task.owner else NOTHING)
    if task.lease_until is not None:
        yield "lease", _moment(task.lease_until, now, width)
    if task.tags:
        yield "tags", Content.styled("  ".join(f"#{safe(tag)}" for tag in task.tags), "$card-tag")
    yield "in state", _moment(task.state_since, now, width)
    yield "updated", _moment(task.updated_at, now, width)
    yield "created", _moment(task.created_at, now, width)


def _depends_on(task: Task, stands: Mapping[str, State | None]) -> Content:
    """Return the tasks that a task depends on, those ahead that are not completed."""
    others = sorted(task.depends_on[:_MOST], key=lambda other: stands.get(other) is State.COMPLETED)
    left = len(task.depends_on) - len(others)
    more = [Content.styled(f"and {left:,} more", "$muted")] if left else []
    return Content("   ").join([*(_standing(other, stands) for other in others), *more])


def _standing(task_id: str, stands: Mapping[str, State | None]) -> Content:
    state = stands.get(task_id)
    if state is not None:
        return Content.assemble((f"{GLYPHS[state]} ", ink(state)), safe(task_id))
    told = " is not in the store" if task_id in stands else ""
    return Content.assemble(safe(task_id), (told, "$muted"))


def _moment(at: Time | None, now: Time, width: int) -> Content:
    if at is None:
        return Content(NOTHING)
    left = ahead(at, to_seconds(now))
    relative = f"in {left}" if left else ago(at, now)
    if relative == NOTHING:
        return Content(safe(at))
    absolute = moment(at) if width >= _NARROW else f"{moment(at)[:16]}Z"
    return Content.assemble(f"{relative:<9}", (absolute, "$muted"))


def _long(task: Task) -> Iterator[tuple[str, Json]]:
    if task.error:
        yield "error", task.error
    if task.result is not None:
        yield "result", task.result
    if task.description:
        yield "description", task.description
    if task.data is not None:
        yield "data", task.data
    if task.extra:
        yield "other fields", task.extra
