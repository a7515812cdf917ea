"""A store of each kind, with a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from backends import BACKENDS, EVERY, SOAKED, Backend, Sqlite
from reaching import reaches

from taskdeck_store import Store, clock, open_store


class Turned:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.moment = "2026-01-31T09:00:00.000000Z"

    def __call__(self) -> clock.Time:
        return self.moment

    def turn(self, seconds: float) -> clock.Time:
        self.moment = clock.plus(self.moment, seconds)
        return self.moment


Opener = Callable[..., Store]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give the tests of the contract every backend, and others those that keep files of our own."""
    chosen = any(mark.args[0] == "backend" for mark in metafunc.definition.iter_markers("parametrize"))
    if "backend" in metafunc.fixturenames and not chosen:
        is_contract = metafunc.module.__name__.startswith("test_conformance")
        every = [
            pytest.param(kind, id=kind.name, marks=[pytest.mark.soak] if kind in SOAKED else [])
            for kind in (EVERY if is_contract else BACKENDS)
        ]
        metafunc.parametrize("backend", every, indirect=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what a test needs and the limits of its store lack.

    Last: of stores that are not in this run, nobody asks.
    """
    kept, left_out = [], []
    for item in items:
        (kept if _is_reached(item) else left_out).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def _is_reached(item: pytest.Item) -> bool:
    needs = [need for mark in item.iter_markers("needs") for need in mark.args]
    callspec = getattr(item, "callspec", None)
    return not needs or callspec is None or reaches(callspec.params["backend"], needs)


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    made: Backend = request.param()
    with made.known():
        yield made
    made.close()


@pytest.fixture
def sqlite() -> Iterator[Sqlite]:
    made = Sqlite()
    yield made
    made.close()


@pytest.fixture
def now() -> Turned:
    return Turned()


@pytest.fixture
def path(backend: Backend, tmp_path: Path) -> Path:
    return backend.make(tmp_path)


@pytest.fixture
def address(backend: Backend, path: Path, now: Turned) -> str:
    """What is opened of the store."""
    return backend.address(path, now)


@pytest.fixture
def opened(address: str, now: Turned) -> Iterator[Opener]:
    """Open further handles of the store; all are closed in the end."""
    handles: list[Store] = []

    def another(**options: object) -> Store:
        handle = open_store(address, **{"now": now, **options})  # type: ignore[arg-type]
        handles.append(handle)
        return handle

    yield another
    for handle in handles:
        handle.close()


@pytest.fixture
def store(opened: Opener) -> Store:
    return opened()
