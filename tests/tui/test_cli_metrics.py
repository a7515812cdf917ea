"""metrics: for a scraper, for a collector of files, and for programs."""

from __future__ import annotations

import re
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_stage import add, running, taskdeck
from prometheus_client.parser import text_string_to_metric_families


@pytest.fixture(params=["tasks.db", "tasks.json"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = str(tmp_path / request.param)
    assert taskdeck("init", path).code == 0
    add(path, "a", "b")
    assert taskdeck("start", path, "a").code == 0
    return path


Samples = dict[tuple[str, tuple[str, ...]], float]


def samples(text: str) -> Samples:
    """Return what Prometheus reads: the value of each name and its labels' values."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def check(found: Samples) -> None:
    assert found["taskdeck_up", ()] == 1
    counts = {labels[0]: value for (name, labels), value in found.items() if name == "taskdeck_tasks"}
    assert counts == {"pending": 1, "in_progress": 1, "review": 0, "completed": 0, "failed": 0}
    assert found["taskdeck_transitions_total", ("add", "", "pending")] == 2
    assert found["taskdeck_transitions_total", ("start", "pending", "in_progress")] == 1
    assert found["taskdeck_stay_seconds_count", ("pending",)] == 1
    assert found["taskdeck_stay_seconds_bucket", ("+Inf", "pending")] == 1
    assert found["taskdeck_overdue_tasks", ()] == 0
    assert 0 <= found["taskdeck_oldest_task_age_seconds", ("in_progress",)] < 600
    assert ("taskdeck_oldest_task_age_seconds", ("failed",)) not in found
    assert abs(found["taskdeck_last_event_timestamp_seconds", ()] - time.time()) < 600


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def test_they_are_written_once(store: str) -> None:
    ran = taskdeck("metrics", store)
    assert (ran.code, ran.err) == (0, "")
    check(samples(ran.out))


def test_a_file_is_put_in_its_place_whole(store: str, tmp_path: Path) -> None:
    folder = tmp_path / "collected"
    folder.mkdir()
    for _ in range(2):
        ran = taskdeck("metrics", store, "--file", str(folder / "taskdeck.prom"))
        assert (ran.code, ran.out) == (0, "")
        assert [file.name for file in folder.iterdir()] == ["taskdeck.prom"]
        check(samples((folder / "taskdeck.prom").read_text()))
    ran = taskdeck("metrics", store, "--file", str(tmp_path / "none" / "x"))
    assert (ran.code, "cannot write" in ran.err) == (1, True)


def test_programs_get_a_document(store: str) -> None:
    found = taskdeck("metrics", store, "--json").value
    assert list(found) == ["at", "tasks", "overdue", "blocked", "pauses", "events", "transitions", "stays", "last_at"]
    assert found["tasks"]["in_progress"]["count"] == 1
    assert found["transitions"][0] == {"action": "add", "from_state": None, "to_state": "pending", "count": 2}
    assert len(found["stays"]["states"]["pending"]["counts"]) == len(found["stays"]["bounds"]) + 1


def test_whoever_asks_is_told_what_is_there_now(store: str) -> None:
    with running("metrics", store, "--listen", "127.0.0.1:0") as process:
        assert process.stderr is not None
        address = re.search(r"http://\S+/metrics", process.stderr.readline().decode())
        assert address is not None

        def asked() -> Samples:
            with urllib.request.urlopen(address[0], timeout=20) as answer:
                return samples(answer.read().decode())

        check(asked())
        assert taskdeck("submit", store, "a").code == 0
        until(lambda: asked()["taskdeck_tasks", ("review",)] == 1)
        path = Path(store)
        away = path.rename(path.with_name("away"))
        until(lambda: asked()["taskdeck_up", ()] == 0)
        assert asked()["taskdeck_tasks", ("review",)] == 1
        away.rename(path)
        until(lambda: asked()["taskdeck_up", ()] == 1)
        process.terminate()
        assert process.wait(30) == -15


def test_what_is_missing_or_wrong_is_said(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (["--listen", ":80"], ["--listen", "host"], ["--listen", "host:99999"]):
        ran = taskdeck("metrics", store, *words)
        assert (ran.code, "HOST:PORT is needed" in ran.err) == (2, True)
    ran = taskdeck("metrics", store, "--listen", "127.0.0.1:1", "--file", "x")
    assert (ran.code, "give one of them" in ran.err) == (2, True)
    ran = taskdeck("metrics", store, "--listen", "192.0.2.1:9464")
    assert (ran.code, "cannot listen on 192.0.2.1:9464" in ran.err) == (2, True)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    for words in ([], ["--listen", "127.0.0.1:0"]):
        ran = taskdeck("metrics", store, *words)
        assert (ran.code, "pip install 'taskdeck[metrics]'" in ran.err) == (2, True)
    assert taskdeck("metrics", store, "--json").code == 0
