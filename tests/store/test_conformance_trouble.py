"""Every store: files that are missing, replaced, foreign, damaged, locked, or not ours to write."""

from __future__ import annotations

import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from backends import Backend
from moving import do, done, put, t
from reaching import EMPTY, HERE, MADE, OWN
from unprivileged import open_folder, unprivileged

from conftest import Opener, Turned
from taskdeck_store import Action, Code, Fault, State, Store, StoreError, command, create_store, open_store
from taskdeck_store.lock import SUFFIX, WriteLock

DEADLINE = 30.0


def files_of(path: Path) -> list[Path]:
    return sorted(file for file in path.parent.iterdir() if file.name.startswith(path.name))


def move_away(path: Path, folder: Path) -> None:
    folder.mkdir()
    for file in files_of(path):
        file.rename(folder / file.name)


def quiet_while_lost(store: Store) -> None:
    for _ in range(50):
        if not store.wait(0.05):
            return
    raise AssertionError("the store wakes its reader again and again")


@pytest.mark.needs(MADE)
def test_making_a_store_never_overwrites_a_file(backend: Backend, tmp_path: Path) -> None:
    path = tmp_path / f"tasks{backend.suffix}"
    for make in (lambda: path.write_text("precious"), lambda: path.symlink_to(tmp_path / "nowhere")):
        make()
        with pytest.raises(StoreError) as raised:
            create_store(f"{backend.scheme}{path}")
        assert raised.value.fault is Fault.EXISTS
        assert str(path) in raised.value.message
        path.unlink()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.needs(MADE)
def test_two_who_make_the_same_store_cannot_both_succeed(backend: Backend, tmp_path: Path) -> None:
    path = tmp_path / f"tasks{backend.suffix}"
    start = threading.Barrier(4)

    def make() -> Fault | None:
        start.wait()
        try:
            create_store(f"{backend.scheme}{path}")
        except StoreError as error:
            return error.fault
        return None

    with ThreadPoolExecutor(4) as pool:
        faults = list(pool.map(lambda _: make(), range(4)))
    assert sorted(map(str, faults)) == ["None", *[str(Fault.EXISTS)] * 3]
    assert files_of(path)[0] == path
    open_store(str(path)).close()


@pytest.mark.needs(MADE)
def test_a_new_store_is_its_owners_alone_and_leaves_nothing_else_behind(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir() if not file.name.startswith(path.name)] == []


@pytest.mark.needs(MADE)
def test_a_store_needs_its_folder(backend: Backend, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as raised:
        create_store(f"{backend.scheme}{tmp_path}/gone/tasks{backend.suffix}")
    assert raised.value.fault in (Fault.MISSING, Fault.UNWRITABLE)
    assert "gone" in raised.value.message


@pytest.mark.needs(HERE)
def test_opening_what_is_not_there_makes_nothing(backend: Backend, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as raised:
        open_store(str(tmp_path / f"tasks{backend.suffix}"))
    assert raised.value.fault is Fault.MISSING
    assert list(tmp_path.iterdir()) == []


@pytest.mark.needs(HERE)
def test_a_lost_file_is_said_and_its_return_is_noticed(store: Store, path: Path, tmp_path: Path) -> None:
    put(store, t(1))
    store.changes()
    with ThreadPoolExecutor(1) as pool:
        news = pool.submit(store.wait, DEADLINE)
        move_away(path, tmp_path / "away")
        assert news.result(DEADLINE)
    for use in (lambda: store.get(t(1)), store.counts, store.changes, lambda: do(store, t(1), Action.START)):
        with pytest.raises(StoreError) as raised:
            use()
        assert raised.value.fault is Fault.MISSING
        assert str(path) in raised.value.message
    assert files_of(path) in ([], [path.with_name(path.name + SUFFIX)])
    quiet_while_lost(store)
    with ThreadPoolExecutor(1) as pool:
        news = pool.submit(store.wait, DEADLINE)
        for file in (tmp_path / "away").iterdir():
            if not file.name.endswith(SUFFIX):
                file.rename(path.parent / file.name)
        assert news.result(DEADLINE)
    assert done(store, t(1), Action.START).state is State.IN_PROGRESS


@pytest.mark.needs(HERE)
def test_the_last_good_look_outlives_the_file(store: Store, path: Path, tmp_path: Path) -> None:
    task = put(store, t(1))
    assert store.counts()[State.PENDING].count == 1
    move_away(path, tmp_path / "away")
    with pytest.raises(StoreError):
        store.get(t(1))
    with store.reading(latest=False):
        assert store.get(t(1)) == task
        assert store.counts()[State.PENDING].count == 1


@pytest.mark.needs(EMPTY)
def test_another_store_in_its_place_is_read_anew(
    store: Store, opened: Opener, backend: Backend, path: Path, tmp_path: Path, now: Turned
) -> None:
    put(store, t(1))
    cursor = store.changes().cursor
    (tmp_path / "other").mkdir()
    other_path = backend.make(tmp_path / "other")
    other = open_store(backend.address(other_path, now), now=now)
    for number in range(5):
        put(other, t(number + 10))
    other.close()
    with ThreadPoolExecutor(1) as pool:
        news = pool.submit(store.wait, DEADLINE)
        move_away(path, tmp_path / "away")
        for file in files_of(other_path):
            file.replace(path.parent / file.name)
        assert news.result(DEADLINE)
    found = store.changes(cursor)
    told = {change.task_id for change in found.changes}
    assert not found.complete or told >= {t(1), *map(t, range(10, 15))}
    assert [task.id for task in store.tasks()] == list(map(t, range(10, 15)))
    assert store.changes(found.cursor).complete
    put(store, t(19))
    assert opened().get(t(19)) is not None
    assert opened().get(t(1)) is None


@pytest.mark.needs(OWN)
def test_a_commit_waits_for_the_writer_before_it_and_no_longer_than_its_patience(
    store: Store, opened: Opener, path: Path
) -> None:
    put(store, t(1))
    lock = WriteLock(path.with_name(path.name + SUFFIX), path)
    impatient = opened(patience=0.05)
    with lock.hold(DEADLINE):
        begun = time.monotonic()
        with pytest.raises(StoreError) as raised:
            do(impatient, t(1), Action.START)
        assert time.monotonic() - begun >= 0.05
        assert raised.value.fault is Fault.BUSY
        assert str(path) in raised.value.message
        assert impatient.get(t(1)) is not None
    assert done(impatient, t(1), Action.START).state is State.IN_PROGRESS


@pytest.mark.needs(OWN)
def test_a_store_without_write_permission_is_read_and_every_command_refused(backend: Backend, now: Turned) -> None:
    with open_folder() as folder:
        path = backend.make(folder)
        store = open_store(str(path), now=now)
        task = put(store, t(1))
        store.close()
        for file in folder.iterdir():
            file.chmod(0o444)
        folder.chmod(0o555)

        def check() -> None:
            looking = open_store(str(path), now=now)
            assert looking.get(t(1)) == task
            assert looking.counts()[State.PENDING].count == 1
            (outcome,) = looking.apply([command(t(1), Action.START, actor="ann")])
            assert looking.read_only
            assert outcome.refusal is not None
            assert outcome.refusal.code is Code.READ_ONLY
            assert outcome.task == task
            assert not looking.wait(0.05)
            looking.close()

        before = sorted(file.name for file in folder.iterdir())
        unprivileged(check)
        assert sorted(file.name for file in folder.iterdir()) == before


@pytest.mark.needs(HERE)
def test_a_store_that_may_not_be_read_is_said(backend: Backend) -> None:
    with open_folder() as folder:
        path = backend.make(folder)
        path.chmod(0)

        def check() -> None:
            with pytest.raises(StoreError) as raised:
                open_store(str(path))
            assert raised.value.fault is Fault.UNREADABLE
            assert str(path) in raised.value.message

        unprivileged(check)


@pytest.mark.needs(HERE)
def test_a_symlinked_store_is_the_store_it_points_to(store: Store, path: Path, tmp_path: Path, now: Turned) -> None:
    put(store, t(1))
    link = tmp_path / "elsewhere"
    link.mkdir()
    (link / path.name).symlink_to(path)
    linked = open_store(str(link / path.name), now=now)
    done(linked, t(1), Action.START)
    assert store.counts()[State.IN_PROGRESS].count == 1
    linked.close()
    assert [file.name for file in link.iterdir()] == [path.name]
    assert (link / path.name).is_symlink()


def test_a_closed_handle_says_so_and_can_be_closed_again(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreError):
        store.counts()
    with pytest.raises(StoreError):
        do(store, t(1), Action.START)


def test_messages_are_one_line_that_a_terminal_can_show(backend: Backend, tmp_path: Path) -> None:
    store = open_store(backend.address(backend.make(tmp_path)))
    put(store, t(1))
    done(store, t(1), Action.START, actor="evil\x1b[2J\n\u202e")
    outcome = do(store, t(1), Action.EDIT, title="x", expect="0")
    assert outcome.refusal is not None
    assert outcome.refusal.message.isprintable()
    store.close()
