"""Spans around what handlers do, for who has OpenTelemetry: ``pip install 'taskdeck[tracing]'``.

A span is named after its part and is the current one while the handlers run, so that theirs lie in it. Where spans go
is for the program, or for ``opentelemetry-instrument``, to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from taskdeck_store.values import Task

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer


@contextmanager
def span(part: str, task: Task) -> Iterator[Span | None]:
    """Be in a span in the body of a `with`; None where there is no OpenTelemetry."""
    tracer = _tracer()
    if tracer is None:
        yield None
        return
    said = {f"taskdeck.task.{name}": getattr(task, name) for name in ("id", "attempts", "priority")}
    with tracer.start_as_current_span(f"taskdeck {part}", attributes=said) as current:
        yield current


def fail(current: Span | None, error: BaseException) -> None:
    """Say that a span has failed, and of what; values of variables are never in it."""
    if current is not None:
        from opentelemetry.trace import StatusCode

        current.record_exception(error)
        current.set_status(StatusCode.ERROR, type(error).__name__)


@cache
def _tracer() -> Tracer | None:
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace.get_tracer("taskdeck")
