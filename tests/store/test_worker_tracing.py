"""Spans around the parts, with the library that makes them and without."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from moving import put
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from taskdeck_store import Store, Task
from taskdeck_store.worker import Worker


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    found, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(found))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    return found


def told(span: ReadableSpan) -> tuple[str, str, str | None]:
    """Return what a span says: its name, the id of the task, and of what it failed."""
    return span.name, str((span.attributes or {}).get("taskdeck.task.id")), span.status.description


def test_a_part_is_a_span_in_which_those_of_its_handlers_lie(store: Store, spans: InMemorySpanExporter) -> None:
    put(store, "t-1", max_attempts=1)
    put(store, "t-2", max_attempts=1)

    def execute(task: Task) -> int:
        with trace.get_tracer("theirs").start_as_current_span("inner"):
            if task.id == "t-2":
                raise ValueError("no")
        return 1

    async def verify(task: Task) -> bool:
        await asyncio.sleep(0)
        return True

    Worker(store, {"execute": execute, "verify": verify}).run("empty")
    finished = spans.get_finished_spans()
    parts = [told(span) for span in finished if span.name != "inner"]
    assert parts == [
        ("taskdeck work", "t-1", None),
        ("taskdeck verify", "t-1", None),
        ("taskdeck work", "t-2", "ValueError"),
    ]
    inner = [span.parent.span_id for span in finished if span.name == "inner" and span.parent is not None]
    assert inner == [span.context.span_id for span in finished if span.name == "taskdeck work"]
    failed = finished[-1]
    assert told(failed) == parts[-1]
    assert failed.events[-1].name == "exception"


def test_without_the_library_the_work_is_done_all_the_same() -> None:
    program = """
import sys
sys.modules["opentelemetry"] = None
from taskdeck_store import Task
from taskdeck_store.worker.handlers import handlers_of
from taskdeck_store.worker.part import Part, do
print(do(handlers_of(lambda task: task.id), Part.WORK, Task(id="t-1", title="T")).result)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "t-1\n"
