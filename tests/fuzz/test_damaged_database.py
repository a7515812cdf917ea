"""A SQLite file with anything done to it: a store, what can be read of it, or a sentence; and always an end."""

from __future__ import annotations

import random
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.hostile import examples
from taskdeck_store import Action, StoreError, command, create_store, open_store
from taskdeck_store.readable import open_readable
from taskdeck_store.verification import verify


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "tasks.db"
    create_store(str(path))
    with closing(open_store(str(path))) as store:
        for number in range(8):
            store.apply([command(f"t-{number}", Action.ADD, actor="ann", title="T", description="d" * 900 * number)])
    return path.read_bytes()


@st.composite
def harmed(draw: st.DrawFn, whole: bytes) -> bytes:
    data = bytearray(whole)
    chance = random.Random(draw(st.integers(0, 2**32)))
    match draw(st.sampled_from(["flips", "many flips", "header", "page size", "cut", "page lost", "pages exchanged"])):
        case "flips":
            for _ in range(draw(st.integers(1, 4))):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        case "many flips":
            for _ in range(500):
                data[chance.randrange(len(data))] = chance.randrange(256)
        case "header":
            data[draw(st.integers(0, 99))] = draw(st.integers(0, 255))
        case "page size":
            data[16:18] = draw(st.sampled_from([b"\x02\x00", b"\x20\x00", b"\x00\x01", b"\x00\x00", b"\x10\x01"]))
        case "cut":
            del data[draw(st.integers(0, len(data))) :]
        case "page lost":
            begin = chance.randrange(len(data) // 4096) * 4096
            data[begin : begin + 4096] = chance.randbytes(4096) if draw(st.booleans()) else bytes(4096)
        case _:
            one, other = (chance.randrange(len(data) // 4096) * 4096 for _ in range(2))
            data[one : one + 4096], data[other : other + 4096] = whole[other : other + 4096], whole[one : one + 4096]
    return bytes(data)


WAL = st.none() | st.binary(max_size=64) | st.binary(max_size=64).map(lambda tail: b"\x37\x7f\x06\x82" + tail)


@examples(100)
@given(data=st.data(), wal=WAL)
def test_a_damaged_database_is_read_as_far_as_it_can_be_or_told(
    whole: bytes, data: st.DataObject, wal: bytes | None
) -> None:
    raw = data.draw(harmed(whole))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tasks.db"
        path.write_bytes(raw)
        if wal is not None:
            path.with_name("tasks.db-wal").write_bytes(wal)
        try:
            with closing(open_readable(str(path), patience=0.5)) as store:
                with store.reading():
                    store.counts()
                    store.tasks()
                    store.events()
                verify(store)
                assert store.damage is None or store.damage.isprintable()
        except StoreError as error:
            assert error.message.isprintable()  # noqa: PT017
