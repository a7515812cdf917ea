"""Spans around what handlers do, for who has OpenTelemetry: ``pip install 'taskdeck[tracing]'``.

A span is named after its part and is the current one while the handlers run, so that theirs lie in it. Where spans go
is for the program, or for ``opentelemetry-instrument``, to say.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache, lru_cache
from types import ModuleType
from typing import TYPE_CHECKING

from taskdeck_store.values import Task

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer, TracerProvider

_NO_SPAN: AbstractContextManager[None] = nullcontext()


def span(part: str, task: Task) -> AbstractContextManager[Span | None]:
    """Be in a span in the body of a `with`; None where there is no OpenTelemetry, or nobody has said where spans go."""
    trace = _api()
    if trace is None or isinstance(provider := trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return _NO_SPAN
    said = {f"taskdeck.task.{name}": getattr(task, name) for name in ("id", "attempts", "priority")}
    return _tracer(provider).start_as_current_span(f"taskdeck {part}", attributes=said)


def fail(current: Span | None, error: BaseException) -> None:
    """Say that a span has failed, and of what; values of variables are never in it."""
    if current is not None:
        from opentelemetry.trace import StatusCode

        current.record_exception(error)
        current.set_status(StatusCode.ERROR, type(error).__name__)


@cache
def _api() -> ModuleType | None:
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace


@lru_cache(maxsize=1)
def _tracer(provider: TracerProvider) -> Tracer:
    return provider.get_tracer("taskdeck")
