"""The small `MinnaMemory`: what is documented of the original, against a model in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from taskdeck_store import Fault, StoreError, clock
from taskdeck_store.minna import memory as minna
from taskdeck_store.minna import source
from taskdeck_store.minna.memory import MinnaMemory

DAY = 86_400


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 1_790_000_000.0

    def __call__(self) -> str:
        return clock.from_microseconds(round(self.seconds * 1_000_000))


@pytest.fixture
def time() -> Clock:
    return Clock()


@pytest.fixture
def memory(tmp_path: Path, time: Clock) -> Iterator[MinnaMemory]:
    with MinnaMemory(tmp_path / ".spine" / "minna.db", now=time) as memory:
        yield memory


def test_two_values_of_an_attribute_are_two_memories_the_newest_first(memory: MinnaMemory, time: Clock) -> None:
    first = memory.store(entity="task:a", attribute="status", value="pending", confidence=1.0)
    time.seconds += 1
    second = memory.store(entity="task:a", attribute="status", value="in_progress", source="ada", context="why")
    newest, oldest = memory.recall(entity="task:a", attribute="status")
    assert (newest["id"], newest["value"], newest["source"], newest["context"]) == (second, "in_progress", "ada", "why")
    assert (oldest["id"], oldest["value"], oldest["confidence"], oldest["verified_at"]) == (first, "pending", 1.0, None)
    assert newest["created_at"] == "2026-09-21T14:13:21.000000Z"


def test_confidence_halves_until_it_is_verified(memory: MinnaMemory, time: Clock) -> None:
    number = memory.store("user", "prefers", "tea", confidence=0.8)
    time.seconds += 90 * DAY
    assert memory.recall("user", include_decay=True)[0]["effective_confidence"] == pytest.approx(0.4)
    assert memory.recall("user", include_decay=True, half_life_days=45)[0]["effective_confidence"] == pytest.approx(0.2)
    assert memory.recall("user", min_confidence=0.41) == []
    assert len(memory.recall("user", min_confidence=0.39)) == 1
    assert "effective_confidence" not in memory.recall("user")[0]
    assert memory.verify(memory_id=number)
    assert memory.recall("user", include_decay=True)[0]["effective_confidence"] == pytest.approx(0.8)
    assert memory.recall("user")[0]["confidence"] == 0.8


def test_what_is_not_there_cannot_be_verified(memory: MinnaMemory) -> None:
    assert not memory.verify(7)


def test_a_relation_is_kept_once(memory: MinnaMemory) -> None:
    first = memory.relate(from_entity="ada", to_entity="project", rel_type="works_on")
    assert memory.relate("ada", "project", "likes") != first
    assert memory.relate("ada", "project", "works_on") == first


def test_another_handle_finds_what_was_stored(memory: MinnaMemory, tmp_path: Path) -> None:
    memory.store("a", "b", "c")
    with MinnaMemory(tmp_path / ".spine" / "minna.db") as other:
        assert [row["value"] for row in other.recall()] == ["c"]


@pytest.mark.parametrize(
    "given", [{"confidence": 1.1}, {"confidence": float("nan")}, {"value": 7}, {"entity": "\ud800"}, {"context": b"x"}]
)
def test_what_is_no_memory_is_not_stored(memory: MinnaMemory, given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"confidence|text|character"):
        memory.store(**{"entity": "a", "attribute": "b", "value": "c", **given})
    assert memory.recall() == []


def test_a_new_file_is_never_made_over_another(tmp_path: Path) -> None:
    path = tmp_path / "minna.db"
    source.create(f"minna:{path}")
    with MinnaMemory(path) as memory:
        memory.store("a", "b", "c")
    before = path.read_bytes()
    for place, fault in ((path, Fault.EXISTS), (tmp_path / "none" / "minna.db", Fault.MISSING)):
        with pytest.raises(StoreError) as caught:
            minna.create(place)
        assert caught.value.fault is fault
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError):
        minna.create(link)
    assert path.read_bytes() == before
    assert sorted(found.name for found in tmp_path.iterdir()) == ["link.db", "minna.db"]
    assert path.stat().st_mode & 0o077 == 0


words = st.text(st.characters(codec="utf-8"), max_size=8)
names = st.sampled_from(["task:a", "task:b", "user", "", "Ärger", "a\0b"])


class Model(RuleBasedStateMachine):
    """Whatever is stored and verified, recall and search find what a list in memory has."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.time = Clock()
        self.memory = MinnaMemory(Path(self.folder.name) / "minna.db", now=self.time)
        # This is not about power losses.
        self.memory._connection.pragma("synchronous", "OFF")
        self.rows: list[dict[str, Any]] = []

    def teardown(self) -> None:
        self.memory.close()
        self.folder.cleanup()

    @rule(entity=names, attribute=names, value=words, confidence=st.floats(0, 1), passes=st.integers(0, 200 * DAY))
    def store(self, entity: str, attribute: str, value: str, confidence: float, passes: int) -> None:
        self.time.seconds += passes
        number = self.memory.store(entity, attribute, value, confidence)
        told = {"entity": entity, "attribute": attribute, "value": value, "confidence": confidence}
        self.rows.append({"id": number, **told, "since": self.time.seconds})
        assert len({row["id"] for row in self.rows}) == len(self.rows)

    @rule(number=st.integers(0, 12), passes=st.integers(0, 200 * DAY))
    def verify(self, number: int, passes: int) -> None:
        self.time.seconds += passes
        known = [row for row in self.rows if row["id"] == number]
        assert self.memory.verify(number) is bool(known)
        for row in known:
            row["since"] = self.time.seconds

    @rule(
        entity=st.none() | names,
        attribute=st.none() | names,
        least=st.none() | st.floats(0, 1),
        limit=st.integers(0, 5),
    )
    def recall(self, entity: str | None, attribute: str | None, least: float | None, limit: int) -> None:
        fit = [
            row
            for row in reversed(self.rows)
            if entity in (None, row["entity"]) and attribute in (None, row["attribute"])
        ]
        if least is not None:
            fit = [row for row in fit if self._left(row) >= least]
        found = self.memory.recall(entity, attribute, include_decay=True, min_confidence=least, limit=limit)
        assert [row["id"] for row in found] == [row["id"] for row in fit[:limit]]
        for row, same in zip(found, fit, strict=False):
            assert row["value"] == same["value"]
            assert row["effective_confidence"] == pytest.approx(self._left(same))

    @rule(text=words)
    def search(self, text: str) -> None:
        low = _lower(text)
        fit = [
            row["id"]
            for row in reversed(self.rows)
            if any(low in _lower(row[name]) for name in ("entity", "attribute", "value"))
        ]
        assert [row["id"] for row in self.memory.search(text)] == fit

    def _left(self, row: dict[str, Any]) -> float:
        return float(row["confidence"] * 2 ** -((self.time.seconds - row["since"]) / DAY / 90))


def _lower(text: str) -> str:
    return "".join(character.lower() if character.isascii() else character for character in text)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
