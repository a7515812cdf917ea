"""Rights and descriptors that run out under an open store."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from backends import Backend
from faulty import DEADLINE, apart, checked, content, look, made, two
from moving import do, done, put, quiet
from unprivileged import open_folder, unprivileged

from conftest import Turned
from taskdeck_store import Action, Fault, State, StoreError, create_store, open_store
from taskdeck_store.lock import SUFFIX
from taskdeck_store.watch import FolderWatch


def test_rights_that_are_taken_away_under_an_open_handle_are_said_and_it_works_when_they_are_back(
    backend: Backend, now: Turned
) -> None:
    with open_folder() as folder:

        def check() -> None:
            path = made(backend, folder, now, 1)
            with closing(open_store(str(path), now=now)) as store:
                before = content(store)
                files = [file for file in folder.iterdir() if file.name != path.name + SUFFIX]
                for file_mode, folder_mode in ((0o444, 0o555), (0, 0o500), (0, 0)):
                    modes = {file: file.stat().st_mode & 0o777 for file in files if file.exists()}
                    for file in modes:
                        file.chmod(file_mode)
                    folder.chmod(folder_mode)
                    try:
                        with suppress(StoreError):
                            assert content(store) == before
                        try:
                            outcome = do(store, "old-0", Action.START)
                        except StoreError as raised:
                            checked(raised, (Fault.UNREADABLE, Fault.UNWRITABLE, Fault.READ_ONLY), path)
                        else:
                            # Who has a SQLite file open already may write to it.
                            assert outcome.refusal is not None or backend.name == "sqlite"
                            if outcome.refusal is None:
                                before = content(store)
                    finally:
                        folder.chmod(0o700)
                        for file, mode in modes.items():
                            file.chmod(mode)
                    assert look(path, now) == content(store) == before
                task = store.get("old-0")
                assert task is not None
                done(store, "old-0", Action.SUBMIT if task.state is State.IN_PROGRESS else Action.START)
                assert look(path, now) == content(store)

        unprivileged(check)


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Have no file opened any more in the body of a `with`."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_a_descriptor_left_all_is_said_and_everything_works_again(
    backend: Backend, tmp_path: Path, now: Turned
) -> None:
    path = made(backend, tmp_path, now, 1)
    new = path.with_name(f"new{backend.suffix}")

    def tried(use: Callable[[], object], at: Path = path) -> None:
        try:
            use()
        except StoreError as raised:
            checked(raised, (Fault.UNREADABLE, Fault.UNWRITABLE), at)

    def check() -> None:
        with closing(open_store(str(path), now=now)) as store, closing(open_store(str(path), now=now)) as idle:
            cursor = store.changes().cursor
            assert not store.wait(0)
            for _ in range(2):
                before = look(path, now)
                with no_descriptor_left():
                    tried(lambda: open_store(str(path)))
                    tried(lambda: create_store(str(new)), new)
                    waits = (lambda: store.wait(0.05), lambda: idle.wait(0.05))
                    for use in (lambda: content(store), *waits, store.changes):
                        tried(use)
                    tried(lambda: store.apply(two()))
                found = look(path, now)
                assert found == before or len(found[0]) == 3
                assert content(store) == found
            store.apply(two())
            assert {change.task_id for change in store.changes(cursor).changes} == {"t-1", "t-2"}
            assert content(store) == look(path, now)
            for handle in (store, idle):
                quiet(handle)
            with closing(open_store(str(path), now=now)) as other:
                put(other, "new")
            assert store.wait(DEADLINE)
            assert idle.wait(DEADLINE)
            assert not new.exists()

    apart(check)


def test_a_folder_watch_that_got_no_descriptor_works_and_is_armed_later(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text("[]")

    def check() -> None:
        watch = FolderWatch(path)
        with no_descriptor_left():
            for text in ("[1]", "[1, 2]"):
                assert not watch.wait(0.05)
                os.utime(path, ns=(len(text), len(text)))
                assert watch.wait(DEADLINE)
        os.utime(path, ns=(7, 7))
        assert watch.wait(DEADLINE)
        watch.close()

    apart(check)
