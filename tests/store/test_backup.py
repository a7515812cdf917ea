"""Every store: copies of it while it is in use, and the way back from one, whoever dies meanwhile."""

from __future__ import annotations

import itertools
import json
import os
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

import apsw
import pytest
from backends import Backend
from killing import killed
from moving import done, put, t
from writer import TASKS

from conftest import Opener
from taskdeck_store import (
    Action,
    Code,
    Event,
    Fault,
    State,
    Store,
    StoreError,
    Task,
    command,
    create_store,
    open_store,
    placing,
)
from taskdeck_store.backup import backup, restore
from taskdeck_store.jsonfile import copying as of_json
from taskdeck_store.jsonfile.audit import log_path
from taskdeck_store.sqlite import copying as of_sqlite
from taskdeck_store.verification import verify

WRITER = Path(__file__).with_name("writer.py")


def beside(path: Path, name: str) -> Path:
    return path.with_name(name + path.suffix)


def content(path: Path) -> tuple[list[Task], list[Event]]:
    """Return all of a store, which must be sound."""
    with closing(open_store(str(path), read_only=True)) as store:
        assert verify(store).is_sound
        return list(store.tasks()), list(store.events())


def visible(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder but for locks and what is hidden."""
    names = [file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")]
    return {file.name: file.read_bytes() for file in names if "taskdeck-lock" not in file.name}


def refused(fault: Fault, call: object, *words: object) -> str:
    with pytest.raises(StoreError) as raised:
        call(*map(str, words))  # type: ignore[operator]
    assert raised.value.fault is fault
    assert raised.value.message.isprintable()
    return raised.value.message


@pytest.fixture
def worked(store: Store, path: Path) -> Path:
    """A store with some work done, at rest."""
    for number, state in enumerate(State):
        put(store, f"t-{number}", state, data={"n": number})
    store.close()
    return path


def work_on(path: Path) -> None:
    """Do something that a copy made before does not know."""
    with closing(open_store(str(path))) as store:
        done(store, "t-0", Action.START)
        put(store, "late", State.REVIEW)


def test_a_backup_holds_all_of_the_store_and_says_what(worked: Path) -> None:
    target = beside(worked, "copy")
    made = backup(str(worked), str(target))
    assert content(target) == content(worked)
    _, events = content(worked)
    with closing(open_store(str(worked))) as store:
        assert (made.tasks, made.events, made.head, made.problem) == (5, len(events), verify(store).head, None)
    assert not [name for name in visible(worked.parent) if not name.startswith(("tasks.", "copy."))]
    assert not [file for file in worked.parent.iterdir() if file.name.startswith(".")]


def test_a_backup_is_a_store_that_can_be_worked_on(worked: Path) -> None:
    target = beside(worked, "copy")
    backup(str(worked), str(target))
    work_on(target)
    assert len(content(target)[0]) == 6
    assert len(content(worked)[0]) == 5


def test_an_empty_store_is_copied(path: Path) -> None:
    made = backup(str(path), str(beside(path, "copy")))
    assert (made.tasks, made.events, made.head, made.problem) == (0, 0, None, None)
    assert content(beside(path, "copy")) == ([], [])


def test_a_backup_of_a_store_that_writers_work_on_is_one_commit_of_it(store: Store, path: Path) -> None:
    for number in range(TASKS):
        put(store, t(number))
    program = [sys.executable, str(WRITER), str(path)]
    writers = [
        subprocess.Popen([*program, f"w-{n}", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for n in range(2)
    ]
    known = []
    for number in range(6):
        for writer in writers:
            assert writer.stdout is not None
            known.append(int(writer.stdout.readline().split()[2]))
        target = beside(path, f"copy-{number}")
        made = backup(str(path), str(target))
        assert made.problem is None
        assert made.events >= max(known)
    for writer in writers:
        writer.kill()
        writer.communicate()
    events = list(store.events())
    for number in range(6):
        _, copied = content(beside(path, f"copy-{number}"))
        assert copied == events[: len(copied)]


_COMMIT = """
import sys
from contextlib import closing
import apsw
from taskdeck_store import Action, StoreError, command, open_store
path, name = sys.argv[1:]
for way in ("edit", "add"):
    with closing(open_store(path, patience=0.2)) as store:
        edits = [command(task.id, Action.EDIT, actor="other", title=name * 300) for task in store.tasks()]
        try:
            store.apply(edits if way == "edit" else [command(name, Action.ADD, actor="other", title="x")])
        except StoreError:
            pass
    if path.endswith(".db") and way == "edit":
        with closing(apsw.Connection(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
"""


def test_a_backup_is_one_commit_whatever_is_committed_at_any_of_its_steps(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        put(store, f"t-{number}", title="long " * 100)
    made, number = placing.new_file, count(1)

    def new_file(draft: Path) -> int:
        subprocess.run([sys.executable, "-c", _COMMIT, str(path), f"n-{next(number)}"], check=True)
        return made(draft)

    monkeypatch.setattr(placing, "new_file", new_file)
    assert backup(str(path), str(beside(path, "copy"))).problem is None
    assert next(number) > 1
    _, copied = content(beside(path, "copy"))
    assert len(store.events()) > 60
    assert copied == list(store.events())[: len(copied)]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_a_copy_has_the_mode_of_the_store_whatever_the_umask(worked: Path, mode: int) -> None:
    for file in worked.parent.iterdir():
        file.chmod(mode)
    for umask in (0o000, 0o077):
        before = os.umask(umask)
        try:
            backup(str(worked), str(beside(worked, f"copy-{umask}")))
            restore(str(beside(worked, f"copy-{umask}")), str(beside(worked, f"again-{umask}")))
            restore(str(beside(worked, f"copy-{umask}")), str(worked))
        finally:
            os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in worked.parent.iterdir()}
    assert set(modes.values()) == {mode}, modes


@pytest.mark.parametrize("what", ["file", "link", "dangling link", "folder", "beside it"])
def test_a_backup_never_takes_the_place_of_anything(worked: Path, backend: Backend, tmp_path: Path, what: str) -> None:
    target, victim = beside(worked, "copy"), tmp_path / "victim"
    victim.write_text("precious")
    taken = target
    if what == "file":
        target.write_text("precious")
    elif what == "folder":
        target.mkdir()
    elif what == "beside it":
        taken = log_path(target) if backend.name == "json" else target.with_name(target.name + "-wal")
        taken.symlink_to(victim)
    else:
        target.symlink_to(victim if what == "link" else tmp_path / "nowhere")
    before = visible(tmp_path)
    assert str(taken) in refused(Fault.EXISTS, backup, worked, target)
    assert visible(tmp_path) == before
    assert not (tmp_path / "nowhere").exists()


def test_a_backup_needs_its_folder(worked: Path) -> None:
    assert "there is no folder" in refused(Fault.MISSING, backup, worked, worked.parent / "gone" / worked.name)


def test_a_json_store_is_not_copied_to_a_name_that_means_sqlite(tmp_path: Path) -> None:
    create_store(str(tmp_path / "tasks.json"))
    assert "copy.json" in refused(Fault.FOREIGN, backup, tmp_path / "tasks.json", tmp_path / "copy.db")


def test_a_backup_that_does_not_fit_leaves_nothing(worked: Path) -> None:
    most = worked.stat().st_size - 1_000

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    program = "import sys; from taskdeck_store.backup import backup; backup(sys.argv[1], sys.argv[2])"
    before = visible(worked.parent)
    words = [sys.executable, "-c", f"import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); {program}"]
    ran = subprocess.run(
        [*words, str(worked), str(beside(worked, "copy"))], preexec_fn=full, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "StoreError" in ran.stderr
    assert visible(worked.parent) == before
    assert not [file for file in worked.parent.iterdir() if file.name.startswith(".")]


def test_what_outside_programs_did_is_in_the_copy_and_on_record(worked: Path, backend: Backend) -> None:
    backend.meddle(worked, "t-0", title="by hand")
    backend.meddle(worked, "new", title="from elsewhere")
    made = backup(str(worked), str(beside(worked, "copy")))
    assert made.problem is None
    tasks, events = content(beside(worked, "copy"))
    assert {task.title for task in tasks} >= {"by hand", "from elsewhere"}
    assert [event.actor for event in events[-2:]] == ["external", "external"]


def test_a_file_that_was_only_laid_out_anew_is_copied_with_all_its_events(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    create_store(str(path))
    with closing(open_store(str(path))) as store:
        put(store, "t-1", State.REVIEW)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=7))
    path.with_name("tasks.json.taskdeck-lock").chmod(0o600)
    made = backup(str(path), str(tmp_path / "copy.json"))
    assert (made.problem, made.events) == (None, 3)
    assert (tmp_path / "copy.json").read_bytes() == path.read_bytes()
    assert content(tmp_path / "copy.json") == content(path)
    restore(str(tmp_path / "copy.json"), str(path))
    assert len(content(path)[1]) == 3


def test_a_json_file_without_a_log_is_copied_without_one(tmp_path: Path) -> None:
    (tmp_path / "tasks.json").write_text('[{"id": "a", "state": "review"}]')
    made = backup(str(tmp_path / "tasks.json"), str(tmp_path / "copy.json"))
    assert (made.tasks, made.events, made.problem) == (1, 0, None)
    assert not (tmp_path / "copy.audit.jsonl").exists()


def break_chain(path: Path) -> None:
    """Change what event 3 says, past all rules."""
    if path.suffix == ".db":
        connection = apsw.Connection(str(path))
        connection.execute("DROP TRIGGER events_update_refused; UPDATE events SET from_state = 'review' WHERE seq = 3")
        connection.close()
        return
    lines = log_path(path).read_text().splitlines(keepends=True)
    assert '"from_state":"pending"' in lines[2]
    lines[2] = lines[2].replace('"from_state":"pending"', '"from_state":"review"')
    log_path(path).write_text("".join(lines))


def garble(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[40:100] = b"\xff" * 60
    path.write_bytes(data)


def test_a_store_that_does_not_verify_is_copied_and_told(worked: Path) -> None:
    break_chain(worked)
    made = backup(str(worked), str(beside(worked, "copy")))
    assert made.problem is not None
    assert "event 3" in made.problem
    with closing(open_store(str(beside(worked, "copy")), read_only=True)) as copy:
        assert len(copy.tasks()) == 5
        assert copy.events()[2].from_state is State.REVIEW


def test_a_store_that_cannot_be_read_is_copied_as_it_is(worked: Path) -> None:
    garble(worked)
    made = backup(str(worked), str(beside(worked, "copy")))
    assert made.problem is not None
    assert str(worked) in made.problem
    assert beside(worked, "copy").read_bytes() == worked.read_bytes()
    if worked.suffix == ".json":
        assert log_path(beside(worked, "copy")).read_bytes() == log_path(worked).read_bytes()


def test_a_store_is_restored_and_what_was_there_is_kept(worked: Path) -> None:
    target = beside(worked, "copy")
    backup(str(worked), str(target))
    work_on(worked)
    before = content(worked)
    restored = restore(str(target), str(worked))
    assert content(worked) == content(target)
    assert restored.kept is not None
    assert restored.kept.name.startswith(f"{worked.name}.before-restore-")
    assert content(restored.kept) == before
    assert (restored.content.tasks, restored.content.problem) == (5, None)
    work_on(worked)
    assert content(worked)[0][0].id == before[0][0].id
    assert not [file for file in worked.parent.iterdir() if file.name.startswith(".")]


def test_a_restored_store_can_be_restored_again_from_what_was_kept(worked: Path) -> None:
    backup(str(worked), str(beside(worked, "copy")))
    work_on(worked)
    before = content(worked)
    kept = restore(str(beside(worked, "copy")), str(worked)).kept
    assert restore(str(kept), str(worked)).kept != kept
    assert content(worked) == before


def test_a_store_that_is_gone_is_restored(worked: Path) -> None:
    target = beside(worked, "copy")
    backup(str(worked), str(target))
    before = content(worked)
    for file in list(worked.parent.iterdir()):
        if file.name.startswith("tasks."):
            file.unlink()
    assert restore(str(target), str(worked)).kept is None
    assert content(worked) == before


def test_who_has_the_store_open_reads_on_and_reads_anew(worked: Path, opened: Opener) -> None:
    backup(str(worked), str(beside(worked, "copy")))
    expected = content(worked)
    reader, sleeper = opened(), opened(read_only=True)
    work_on(worked)
    cursor, old = reader.changes().cursor, sleeper.changes().cursor
    with reader.reading():
        assert len(reader.tasks()) == 6
    while sleeper.wait(0.1):
        sleeper.changes()
    restore(str(beside(worked, "copy")), str(worked))
    assert sleeper.wait(30)
    assert not sleeper.changes(old).complete
    assert (list(reader.tasks()), list(reader.events())) == expected
    assert not reader.changes(cursor).complete
    # As many events as before, and others: a cursor of then does not take them for what it has told.
    work_on(worked)
    assert not reader.changes(cursor).complete
    assert done(reader, "t-1", Action.SUBMIT).state is State.REVIEW
    assert verify(reader).is_sound


def test_a_sleeper_wakes_though_the_restored_store_has_as_many_events(worked: Path, opened: Opener) -> None:
    backup(str(worked), str(beside(worked, "copy")))
    sleeper = opened()
    cursor = sleeper.changes().cursor
    while sleeper.wait(0.1):
        sleeper.changes()
    restore(str(beside(worked, "copy")), str(worked))
    assert sleeper.wait(30)
    assert not sleeper.changes(cursor).complete


def test_no_acknowledged_commit_is_lost_while_writers_meet_a_restore(store: Store, path: Path) -> None:
    for number in range(TASKS):
        put(store, t(number))
    target = beside(path, "copy")
    backup(str(path), str(target))
    program = [sys.executable, str(WRITER), str(path)]
    writers = [
        subprocess.Popen([*program, f"w-{n}", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for n in range(2)
    ]
    told: list[str] = []
    for _ in range(3):
        for writer in writers:
            assert writer.stdout is not None
            told += [writer.stdout.readline() for _ in range(5)]
        restore(str(target), str(path))
    for writer in writers:
        assert writer.stdout is not None
        told += [writer.stdout.readline() for _ in range(5)]
    for writer in writers:
        assert writer.poll() is None, writer.communicate()
        writer.kill()
        told += writer.communicate()[0].splitlines(keepends=True)
    assert verify(store).is_sound
    kept = [file for file in path.parent.iterdir() if ".before-restore-" in file.name and "audit" not in file.name]
    assert len([file for file in kept if not file.name.endswith("-lock")]) == 3
    operations = {line.split()[1] for line in told if line.endswith("\n")}
    for file in (path, *(file for file in kept if not file.name.endswith("-lock"))):
        with closing(open_store(str(file))) as copy:
            assert verify(copy).is_sound
            # Asked again, what had been done is told as done; the rest is refused, for there is no such task.
            asked = [command("none", Action.START, actor="x", operation=one) for one in sorted(operations)]
            operations -= {outcome.command.operation for outcome in copy.apply(asked) if outcome.repeated}
    assert not operations


def test_what_slips_in_between_the_copy_and_the_replacement_is_kept_too(
    worked: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(str(worked), str(beside(worked, "copy")))
    slips = iter(("first", "second"))
    module, name = (of_sqlite, "copy") if backend.name == "sqlite" else (of_json, "put")
    really = getattr(module, name)

    def slow(source: Path, *rest: Any) -> Any:
        result = really(source, *rest)
        if backend.name == "json" or source == worked:
            for title in itertools.islice(slips, 1):
                backend.meddle(worked, "t-0", title=title)
        return result

    monkeypatch.setattr(module, name, slow)
    kept = restore(str(beside(worked, "copy")), str(worked)).kept
    assert kept is not None
    tasks, events = content(kept)
    assert next(task.title for task in tasks if task.id == "t-0") == "second"
    assert [event.actor for event in events[-2:]] == ["external", "external"]
    assert content(worked) == content(beside(worked, "copy"))
    assert len([file for file in worked.parent.iterdir() if file.name.startswith(kept.name)]) < 3


@pytest.mark.parametrize("harm", [break_chain, garble])
def test_a_backup_that_is_not_sound_is_refused(worked: Path, harm: object) -> None:
    target = beside(worked, "copy")
    backup(str(worked), str(target))
    harm(target)  # type: ignore[operator]
    before = visible(worked.parent)
    message = refused(Fault.DAMAGED, restore, target, worked)
    assert str(target) in message
    assert "nothing was changed" in message
    assert visible(worked.parent) == before
    refused(Fault.DAMAGED, restore, target, beside(worked, "new"))
    assert visible(worked.parent) == before


def test_a_store_is_not_restored_from_another_kind_or_from_itself(tmp_path: Path) -> None:
    for name in ("a.db", "a.json"):
        create_store(str(tmp_path / name))
    before = visible(tmp_path)
    assert "SQLite" in refused(Fault.FOREIGN, restore, tmp_path / "a.db", tmp_path / "a.json")
    assert "JSON" in refused(Fault.FOREIGN, restore, tmp_path / "a.json", tmp_path / "a.db")
    assert "itself" in refused(Fault.EXISTS, restore, tmp_path / "a.db", tmp_path / "a.db")
    assert visible(tmp_path) == before


def test_what_is_no_store_of_ours_is_not_replaced(tmp_path: Path) -> None:
    for name in ("a.db", "a.json"):
        create_store(str(tmp_path / name))
    foreign = apsw.Connection(str(tmp_path / "foreign.db"))
    foreign.execute("CREATE TABLE precious (x)")
    foreign.close()
    (tmp_path / "package.json").write_text('{"name": "precious"}')
    before = visible(tmp_path)
    refused(Fault.FOREIGN, restore, tmp_path / "a.db", tmp_path / "foreign.db")
    refused(Fault.FOREIGN, restore, tmp_path / "a.json", tmp_path / "package.json")
    assert visible(tmp_path) == before


@pytest.mark.parametrize("harm", ["garbled", "cut", "empty", "no magic"])
def test_a_store_that_cannot_be_read_is_replaced_and_its_files_are_kept(worked: Path, harm: str) -> None:
    target = beside(worked, "copy")
    backup(str(worked), str(target))
    expected = content(worked)
    work_on(worked)
    whole = worked.read_bytes()
    bad = {"garbled": whole[:40] + b"\xff" * 60 + whole[100:], "cut": whole[:90], "empty": b"", "no magic": b"\0" * 99}
    worked.write_bytes(bad[harm])
    if worked.suffix == ".db" and harm != "garbled":
        worked.with_name(worked.name + "-wal").write_bytes(b"stale")
    kept = restore(str(target), str(worked)).kept
    assert content(worked) == expected
    assert kept is not None
    assert kept.read_bytes() == bad[harm]
    if worked.suffix == ".db" and harm != "garbled":
        assert kept.with_name(kept.name + "-wal").read_bytes() == b"stale"
    if worked.suffix == ".json":
        assert len(log_path(kept).read_bytes().splitlines()) == len(expected[1]) + 4


def test_a_log_that_cannot_be_read_is_replaced_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    create_store(str(path))
    with closing(open_store(str(path))) as store:
        put(store, "t-1", State.REVIEW)
    backup(str(path), str(tmp_path / "copy.json"))
    expected = content(path)
    log_path(path).write_text("{}\n{}\n")
    kept = restore(str(tmp_path / "copy.json"), str(path)).kept
    assert content(path) == expected
    assert kept is not None
    assert log_path(kept).read_text() == "{}\n{}\n"


def test_a_store_of_another_page_size_is_replaced(tmp_path: Path) -> None:
    for name in ("tasks.db", "other.db"):
        create_store(str(tmp_path / name))
        with closing(open_store(str(tmp_path / name))) as store:
            put(store, name, State.REVIEW)
    other = apsw.Connection(str(tmp_path / "other.db"))
    other.pragma("journal_mode", "DELETE")
    other.pragma("page_size", 1024)
    other.execute("VACUUM")
    other.pragma("journal_mode", "WAL")
    assert other.pragma("page_size") == 1024
    other.close()
    with closing(open_store(str(tmp_path / "tasks.db"))) as reader:
        restore(str(tmp_path / "other.db"), str(tmp_path / "tasks.db"))
        assert [task.id for task in reader.tasks()] == ["other.db"]
        assert verify(reader).is_sound


def test_the_counts_of_an_open_store_are_those_of_what_was_restored(tmp_path: Path) -> None:
    for name, state, tasks in (("tasks.db", State.IN_PROGRESS, 3), ("other.db", State.PENDING, 9)):
        create_store(str(tmp_path / name))
        with closing(open_store(str(tmp_path / name))) as store:
            for number in range(tasks):
                put(store, f"{name}-{number}", state)
    with closing(open_store(str(tmp_path / "tasks.db"))) as store:
        assert store.counts()[State.IN_PROGRESS].count == 3
        restore(str(tmp_path / "other.db"), str(tmp_path / "tasks.db"))
        assert [tally.count for tally in store.counts().values()] == [9, 0, 0, 0, 0]


def test_an_older_layout_is_restored_as_the_newest(tmp_path: Path) -> None:
    old = apsw.Connection(str(tmp_path / "old.db"))
    old.execute((Path(__file__).parent / "layouts" / "layout-1.sql").read_text())
    old.close()
    create_store(str(tmp_path / "tasks.db"))
    before = (tmp_path / "old.db").read_bytes()
    with closing(open_store(str(tmp_path / "tasks.db"))) as store:
        put(store, "x")
        restore(str(tmp_path / "old.db"), str(tmp_path / "tasks.db"))
        assert len(store.events()) == 5
        put(store, "y")
        assert verify(store).is_sound
    assert (tmp_path / "old.db").read_bytes() == before


def copies(path: Path, stride: int = 1) -> Iterator[tuple[int, Path]]:
    """Yield numbers from 1 up, and with each a new copy of the folder of a store."""
    for number in itertools.count(1, stride):
        folder = path.parent.with_name(f"{path.parent.name}-{number}")
        shutil.copytree(path.parent, folder)
        yield number, folder / path.name
        shutil.rmtree(folder)


def test_a_backup_that_is_killed_at_any_step_is_whole_or_not_there(worked: Path) -> None:
    expected = content(worked)
    died = 0
    for step, path in copies(worked):
        target = beside(path, "copy")
        if not killed(lambda path=path, target=target: backup(str(path), str(target)), step):
            break
        died += 1
        if target.exists():
            assert content(target) == expected
        assert content(path) == expected
    assert content(target) == expected
    assert died > 20


@pytest.mark.soak
def test_a_restore_that_is_killed_at_any_step_leaves_one_store_or_the_other(worked: Path) -> None:
    backup(str(worked), str(beside(worked, "copy")))
    new = content(worked)
    work_on(worked)
    old = content(worked)
    seen = set()
    for step, path in copies(worked, stride=2 if worked.suffix == ".db" else 1):
        target = beside(path, "copy")
        if not killed(lambda path=path, target=target: restore(str(target), str(path)), step):
            break
        there = content(path)
        whole, states = there[1] != [], {task.id: task.state for task in there[0]}
        which = "old" if states == {task.id: task.state for task in old[0]} else "new"
        seen.add((which, whole))
        assert states == {task.id: task.state for task in (old if which == "old" else new)[0]}
        assert there == (old if which == "old" else new) or not whole
        with closing(open_store(str(path))) as store:
            store.apply([command("none", Action.START, actor="x")])
        assert content(path) == there
        kept = [file for file in path.parent.iterdir() if file.name.startswith(f"{path.name}.before-restore-")]
        full = [file for file in kept if file.name[-1] == "Z"]
        assert full or (which, whole) == ("old", True)
        assert all(content(file) == old for file in full)
        restore(str(target), str(path))
        assert content(path) == new
    assert content(path) == new
    possible = {("old", True), ("new", True)}
    assert seen == possible if path.suffix == ".db" else seen == {*possible, ("old", False), ("new", False)}


def test_a_replacement_of_a_broken_file_that_is_killed_can_be_repeated(worked: Path) -> None:
    backup(str(worked), str(beside(worked, "copy")))
    new = content(worked)
    worked.write_bytes(b"SQLite format 3\0 and nothing more" if worked.suffix == ".db" else b"[{]")
    if worked.suffix == ".db":
        worked.with_name(worked.name + "-wal").write_bytes(b"stale")
    for step, path in copies(worked, stride=5):
        target = beside(path, "copy")
        if not killed(lambda path=path, target=target: restore(str(target), str(path)), step):
            break
        restore(str(target), str(path))
        assert content(path) == new
    assert content(path) == new


PLANTED = ("taskdeck-lock", "taskdeck-lock.queue", "-wal", "-shm", "-journal", "log", "draft", "old")


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_link_is_never_followed(worked: Path, backend: Backend, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    places = {
        "log": log_path(worked),
        "draft": worked.with_name(f".{worked.name}.taskdeck-new"),
        "old": worked.with_name(f".{worked.name}.taskdeck-old"),
    }
    place = places.get(name) or worked.with_name(worked.name + (name if name[0] == "-" else f".{name}"))
    if backend.name == "sqlite" and name in places:
        place = worked.with_name(f".{worked.name}.new")
    place.unlink(missing_ok=True)
    place.symlink_to(victim)
    before = victim.stat()
    with suppress(StoreError), closing(open_store(str(worked))) as store:
        store.apply([command("t-0", Action.START, actor="ann")])
    with suppress(StoreError):
        backup(str(worked), str(beside(worked, "copy")))
    after = victim.stat()
    assert victim.read_text() == "precious"
    assert (before.st_mode, before.st_mtime_ns, before.st_nlink) == (after.st_mode, after.st_mtime_ns, after.st_nlink)


def test_what_is_restored_does_not_take_an_old_command_for_done(worked: Path) -> None:
    backup(str(worked), str(beside(worked, "copy")))
    asked = command("t-0", Action.START, actor="ann")
    with closing(open_store(str(worked))) as store:
        store.apply([asked])
        restore(str(beside(worked, "copy")), str(worked))
        (again,) = store.apply([asked])
        assert not again.repeated
        assert again.event is not None
        (illegal,) = store.apply([command("t-0", Action.START, actor="ann")])
        assert illegal.refusal is not None
        assert illegal.refusal.code is Code.ILLEGAL
