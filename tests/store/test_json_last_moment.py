"""What others do to a task file and its log in the very moments of a commit, each chosen by the call it comes before.

The calls are those of the operating system; an outside program acts right before one of them.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from unprivileged import open_folder, unprivileged

from taskdeck_store import Action, Fault, State, StoreError, command, create_store, open_store, replacement
from taskdeck_store.jsonfile.audit import log_path
from taskdeck_store.verification import verify

Meddle = Callable[[], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.json"
    create_store(str(path))
    with closing(open_store(str(path))) as store:
        for number in (1, 2):
            store.apply([command(f"t-{number}", Action.ADD, actor="ann", title=f"T {number}")])
    return path


def before(monkeypatch: pytest.MonkeyPatch, call: str, concerns: Callable[..., bool], meddle: Meddle) -> list[str]:
    """Have something done once, before the first call of `os` that concerns it; return what is filled when it was."""
    real, done = getattr(os, call), list[str]()

    def called(*arguments: Any, **named: Any) -> Any:
        if not done and concerns(*arguments):
            done.append(call)
            meddle()
        return real(*arguments, **named)

    monkeypatch.setattr(os, call, called)
    return done


def is_named(name: str) -> Callable[..., bool]:
    """Tell whether a call has a path, or the file that lies there, among what it is about."""

    def concerns(*arguments: Any) -> bool:
        paths = [os.fsdecode(one) for one in arguments if isinstance(one, str | bytes | os.PathLike)]
        open_files = [one for one in arguments[:1] if isinstance(one, int)]
        paths += [str(Path(f"/proc/self/fd/{file}").readlink()) for file in open_files]
        return any(Path(one).name == name for one in paths)

    return concerns


def is_folder(file: int) -> bool:
    return stat.S_ISDIR(os.fstat(file).st_mode)


def rewritten(path: Path, *, by_rename: bool = True, **fields: str) -> None:
    """Change the second task as another program would."""
    tasks = json.loads(path.read_bytes())
    tasks[1].update(fields)
    draft = path.with_name("theirs") if by_rename else path
    draft.write_text(json.dumps(tasks, indent=2))
    if by_rename:
        draft.rename(path)


def started(path: Path, task_id: str = "t-1") -> Any:
    with closing(open_store(str(path))) as store:
        (outcome,) = store.apply([command(task_id, Action.START, actor="me")])
        return outcome


def check_merged(path: Path) -> None:
    """Fail unless both the commit and what the other program wrote are there and on record."""
    tasks = {task["id"]: task for task in json.loads(path.read_bytes())}
    assert (tasks["t-1"]["state"], tasks["t-2"]["title"]) == ("in_progress", "theirs")
    with closing(open_store(str(path))) as store:
        assert [event.actor for event in store.events()][2:] == ["external", "me"]
        assert verify(store).is_sound
    assert {file.name for file in path.parent.iterdir()} == {
        path.name,
        log_path(path).name,
        f"{path.name}.taskdeck-lock",
    }


MOMENTS = pytest.mark.parametrize(
    ("call", "name"),
    [
        ("fsync", ".tasks.json.taskdeck-new"),
        ("fsync", "tasks.audit.jsonl"),
        ("replace", ".tasks.json.taskdeck-old"),
    ],
    ids=["before the log", "after the log", "before the rename"],
)
LINUX = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="files are told by /proc")


@LINUX
@MOMENTS
@pytest.mark.parametrize("exchanges", [True, False], ids=["exchanged", "renamed"])
def test_what_another_program_writes_during_a_commit_is_merged(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, name: str, exchanges: bool
) -> None:
    if not exchanges:
        monkeypatch.setattr(replacement, "_exchange", lambda: None)
    done = before(monkeypatch, call, is_named(name), lambda: rewritten(path, title="theirs"))
    assert started(path).refusal is None
    assert done
    check_merged(path)


def test_what_is_written_into_the_file_that_was_just_replaced_is_not_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a program that had opened the file before, and writes in place."""
    if replacement._exchange() is None:
        pytest.skip("this system cannot exchange two names: a write into the replaced file is lost")
    tasks = json.loads(path.read_bytes())
    tasks[1]["title"] = "theirs"
    with path.open("r+") as theirs:

        def write() -> None:
            theirs.truncate()
            theirs.write(json.dumps(tasks, indent=2))
            theirs.flush()

        done = before(monkeypatch, "fsync", is_folder, write)
        assert started(path).refusal is None
    assert done
    check_merged(path)


def test_where_what_slipped_in_cannot_be_put_back_at_once_the_next_puts_it_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = replacement._exchange()
    if exchange is None:
        pytest.skip("this system cannot exchange two names")
    calls: list[bytes] = []

    def failing(one: bytes, other: bytes) -> int:
        calls.append(one)
        if len(calls) == 1:
            rewritten(path, title="theirs")
        return exchange(one, other) if len(calls) == 1 else errno.EIO

    with monkeypatch.context() as patched:
        patched.setattr(replacement, "_exchange", lambda: failing)
        with pytest.raises(StoreError):
            started(path)
    assert len(calls) == 2
    with closing(open_store(str(path))) as store:
        assert {task.title for task in store.tasks()} == {"T 1", "theirs"}
        assert "put the task file back that another program wrote while a commit was under way" in store.mended
    assert started(path, "t-2").refusal is None


@pytest.mark.parametrize("in_place", [True, False])
def test_what_is_written_before_the_next_puts_back_what_slipped_in_is_not_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch, in_place: bool
) -> None:
    exchange = replacement._exchange()
    if exchange is None:
        pytest.skip("this system cannot exchange two names")
    tasks, calls = json.loads(path.read_bytes()), 0

    def swapping(one: bytes, other: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls in (1, 3):
            tasks[1]["title"] = f"theirs {calls}"
            place = path if in_place and calls > 1 else path.with_name("theirs")
            place.write_text(json.dumps(tasks, indent=2))
            if place != path:
                place.rename(path)
        return errno.EIO if calls == 2 else exchange(one, other)

    with monkeypatch.context() as patched:
        patched.setattr(replacement, "_exchange", lambda: swapping)
        with pytest.raises(StoreError):
            started(path)
        with closing(open_store(str(path))) as store:
            shown = {(task.title, task.state) for task in store.tasks()}
            assert shown == {("T 1", State.IN_PROGRESS), ("theirs 3", State.PENDING)}
            assert verify(store).is_sound


@pytest.mark.parametrize("in_place", [True, False])
def test_what_is_written_while_what_slipped_in_is_put_back_is_not_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch, in_place: bool
) -> None:
    """By a program that goes on from what it wrote itself, again and again."""
    exchange = replacement._exchange()
    if exchange is None:
        pytest.skip("this system cannot exchange two names")
    tasks, calls = json.loads(path.read_bytes()), 0

    def swapping(one: bytes, other: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls <= 2:
            tasks[1]["title"] = f"theirs {calls}"
            place = path if in_place and calls > 1 else path.with_name("theirs")
            place.write_text(json.dumps(tasks, indent=2))
            if place != path:
                place.rename(path)
        return exchange(one, other)

    with monkeypatch.context() as patched:
        patched.setattr(replacement, "_exchange", lambda: swapping)
        assert started(path).refusal is None
    found = {task["id"]: task for task in json.loads(path.read_bytes())}
    assert (found["t-1"]["state"], found["t-2"]["title"]) == ("in_progress", "theirs 2")
    with closing(open_store(str(path))) as store:
        assert verify(store).is_sound


def test_what_is_written_again_and_again_is_kept_though_it_cannot_be_given_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = replacement._exchange()
    if exchange is None:
        pytest.skip("this system cannot exchange two names")

    def swapping(one: bytes, other: bytes) -> int:
        rewritten(path, title="theirs")
        return exchange(one, other)

    with monkeypatch.context() as patched:
        patched.setattr(replacement, "_exchange", lambda: swapping)
        patched.setattr(replacement, "_TRIES", 5)
        with pytest.raises(StoreError, match="rewrites it again and again"):
            started(path)
    assert path.with_name(".tasks.json.taskdeck-old").exists()
    with closing(open_store(str(path))) as store:
        assert {task.title for task in store.tasks()} == {"T 1", "theirs"}
        assert verify(store).is_sound


@LINUX
def test_a_refused_commit_is_out_of_the_log_for_good_before_it_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power loss must not bring back what nobody was told of."""
    log, calls = log_path(path), list[tuple[str, int]]()

    def noted(call: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(file: int, *more: Any) -> Any:
            if is_named(log.name)(file):
                calls.append((call, os.fstat(file).st_size))
            return real(file, *more)

        return called

    for call in ("ftruncate", "fsync"):
        monkeypatch.setattr(os, call, noted(call, getattr(os, call)))
    size = log.stat().st_size
    before(monkeypatch, "replace", is_named(".tasks.json.taskdeck-old"), lambda: rewritten(path, state="failed"))
    with closing(open_store(str(path))) as store:
        (outcome,) = store.apply([command("t-2", Action.START, actor="me")])
    assert outcome.refusal is not None
    cut = max(number for number, (call, there) in enumerate(calls) if call == "ftruncate" and there > size)
    assert calls[cut + 1] == ("fsync", size)


@LINUX
@pytest.mark.parametrize("name", [".tasks.json.taskdeck-new", ".tasks.json.taskdeck-old"])
def test_a_commit_that_is_interrupted_leaves_all_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    kept = path.read_bytes(), log_path(path).read_bytes()
    with monkeypatch.context() as patched:
        done = before(patched, "replace", is_named(name), interrupt)
        with pytest.raises(KeyboardInterrupt):
            started(path)
    assert done
    assert (path.read_bytes(), log_path(path).read_bytes()) == kept
    with closing(open_store(str(path), read_only=True)) as store:
        assert store.defects() == ()
    assert started(path).refusal is None


@LINUX
def test_a_log_that_is_cut_off_during_a_commit_is_not_written_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, kept = log_path(path), path.read_bytes()
    whole = log.read_bytes()
    with monkeypatch.context() as patched:
        done = before(patched, "fsync", is_named(".tasks.json.taskdeck-new"), lambda: os.truncate(log, 100))
        with pytest.raises(StoreError, match="replaced by another one a moment ago; nothing was changed"):
            started(path)
    assert done
    assert (path.read_bytes(), log.read_bytes()) == (kept, whole[:100])


def test_another_log_in_the_same_file_is_noticed_however_long_it_is(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "tasks.json"
    other.parent.mkdir()
    create_store(str(other))
    with closing(open_store(str(other))) as store:
        for number in range(9):
            store.apply([command(f"o-{number}", Action.ADD, actor="bob", title="other")])
    with closing(open_store(str(path))) as store:
        cursor = store.changes().cursor
        assert len(store.events()) == 2
        for one, there in ((log_path(other), log_path(path)), (other, path)):
            there.write_bytes(one.read_bytes())
        assert not store.changes(cursor).complete
        assert [event.actor for event in store.events()] == ["bob"] * 9
        assert [task.id for task in store.tasks()] == [f"o-{number}" for number in range(9)]
        assert verify(store).is_sound


@pytest.mark.parametrize("in_place", [True, False])
def test_a_copy_that_went_its_own_way_and_comes_back_does_not_continue_the_feed(
    path: Path, tmp_path: Path, in_place: bool
) -> None:
    copy = tmp_path / "copy" / path.name
    shutil.copytree(tmp_path, copy.parent)
    with closing(open_store(str(copy))) as other:
        for number in range(5):
            other.apply([command(f"o-{number}", Action.ADD, actor="bob", title="other")])
    with closing(open_store(str(path))) as store:
        store.apply([command("t-1", Action.START, actor="me")])
        cursor = store.changes().cursor
        for one in (log_path(copy), copy, copy.with_name(f"{copy.name}.taskdeck-lock")):
            (shutil.copyfile if in_place else os.replace)(one, path.with_name(one.name))
        assert not store.changes(cursor).complete
        assert [event.actor for event in store.events()] == ["ann", "ann", *["bob"] * 5]


def test_what_was_carried_on_is_seen_though_another_program_wrote_the_file_after_that(path: Path) -> None:
    lock = path.with_name(f"{path.name}.taskdeck-lock")
    kept = path.read_bytes(), lock.read_bytes()
    started(path)
    for file, content in zip((path, lock), kept, strict=True):
        file.write_bytes(content)
    with closing(open_store(str(path))) as store:
        assert len(store.events()) == 3
        assert "carried on" in store.mended[0]
    rewritten(path, title="theirs")
    with closing(open_store(str(path), read_only=True)) as onlooker:
        assert [event.actor for event in onlooker.events()] == ["ann", "ann", "me"]
        assert onlooker.get("t-1").state is State.IN_PROGRESS  # type: ignore[union-attr]


@LINUX
@pytest.mark.parametrize("name", [".tasks.json.taskdeck-new", "tasks.audit.jsonl"])
@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to], ids=["a symbolic link", "a hard link"])
def test_a_file_that_is_planted_in_the_last_moment_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, plant: Callable[[Path, Path], None]
) -> None:
    path, victim = tmp_path / "tasks.json", tmp_path / "victim"
    path.write_text('[{"id": "t-1", "title": "x", "state": "pending"}]')
    victim.write_text("precious")
    planted = tmp_path / name

    def makes(place: Any, flags: int, *_: Any) -> bool:
        return bool(flags & os.O_CREAT) and Path(os.fsdecode(place)) == planted

    with closing(open_store(str(path))) as store:
        with monkeypatch.context() as patched:
            done = before(patched, "open", makes, lambda: plant(planted, victim))
            with pytest.raises(StoreError):
                store.apply([command("t-1", Action.START, actor="me")])
        assert done
        assert victim.read_text() == "precious"
        assert json.loads(path.read_bytes())[0]["state"] == "pending"


def test_a_log_that_is_a_link_is_neither_read_nor_written(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    log_path(path).rename(elsewhere)
    log_path(path).symlink_to(elsewhere)
    kept = elsewhere.read_bytes()
    with pytest.raises(StoreError) as error:
        started(path)
    assert error.value.fault is Fault.UNREADABLE
    assert "tasks.audit.jsonl" in error.value.message
    assert elsewhere.read_bytes() == kept


def test_what_a_file_system_notes_beside_a_file_is_kept(path: Path) -> None:
    if not hasattr(os, "setxattr"):
        pytest.skip("this system has no extended attributes that Python knows")
    try:
        os.setxattr(path, "user.label", b"precious")
    except OSError as error:
        pytest.skip(f"this file system keeps no extended attributes: {error}")
    started(path)
    assert os.getxattr(path, "user.label") == b"precious"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_keeps_its_owner_or_is_left_alone() -> None:
    with open_folder() as folder:
        path = folder / "tasks.json"
        path.write_text('[{"id": "t-1", "title": "x", "state": "pending"}]')
        path.chmod(0o666)
        kept = path.read_bytes()

        def check() -> None:
            with pytest.raises(StoreError, match="belongs to another user or group"):
                started(path)

        unprivileged(check)
        assert (path.read_bytes(), path.stat().st_uid) == (kept, 0)


def test_a_handle_that_has_been_open_writes_what_a_fresh_one_writes(tmp_path: Path) -> None:
    """A new task gets its keys in the order of the file, and outside events come in it, whatever was seen before."""
    one = {"id": "a", "title": "t", "state": "pending", "priority": 1}
    two = {"id": "b", "title": "t", "state": "pending", "description": "q"}
    three = {"id": "c", "title": "t", "state": "pending"}
    path, copy = tmp_path / "tasks.json", tmp_path / "copy.json"
    path.write_text(json.dumps([one, three]))
    with closing(open_store(str(path))) as store:
        store.counts()
        path.write_text(json.dumps([two, one, three]))
        store.counts()
        shutil.copy(path, copy)
        with closing(open_store(str(copy))) as fresh:
            for handle in (store, fresh):
                handle.apply([command("n", Action.ADD, actor="me", title="n", priority=2, description="d")])
            assert path.read_bytes() == copy.read_bytes()
            assert [event.task_id for event in store.events()] == ["b", "a", "c", "n"]
            assert [event.task_id for event in fresh.events()] == ["b", "a", "c", "n"]


def test_a_file_whose_tasks_say_their_state_under_two_keys_takes_another(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text('[{"id": "a", "title": "t", "state": "review"}, {"id": "b", "title": "t", "status": "pending"}]')
    with closing(open_store(str(path))) as store:
        (outcome,) = store.apply([command("n", Action.ADD, actor="me", title="n")])
        assert outcome.refusal is None
        assert verify(store).is_sound
    assert json.loads(path.read_bytes())[2]["status"] == "pending"


@pytest.mark.parametrize("name", ["state_since", "updated_at", "created_at", "lease_until"])
def test_a_moment_that_an_outside_program_made_none_is_on_record(tmp_path: Path, name: str) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(f'[{{"id": "a", "title": "t", "state": "pending", "{name}": "2026-01-31T09:05:00Z"}}]')
    with closing(open_store(str(path))) as store:
        store.apply([command("b", Action.ADD, actor="me", title="b")])
        path.write_text(path.read_text().replace("2026-01-31T09:05:00Z", "soon"))
        store.apply([command("b", Action.START, actor="me")])
        assert verify(store).is_sound
        store.apply([command("a", Action.START, actor="me")])
        assert verify(store).is_sound


def test_an_own_key_that_was_changed_and_put_into_the_log_unseen_is_told(path: Path) -> None:
    """The digest of the task in the file is no part of an event's hash."""
    tasks = json.loads(path.read_bytes())
    tasks[0]["colour"] = "red"
    path.write_text(json.dumps(tasks))
    started(path)
    log, digest = log_path(path), json.loads(log_path(path).read_bytes().splitlines()[-1])["record"]
    tasks = json.loads(path.read_bytes())
    tasks[0]["colour"] = "blue"
    path.write_text(json.dumps(tasks))
    with closing(open_store(str(path), read_only=True)) as store:
        drifted = store.get("t-1")
        assert drifted is not None
    forged = drifted.version.partition("+")[2]
    log.write_text(log.read_text().replace(digest, forged))
    with closing(open_store(str(path), read_only=True)) as store:
        found = verify(store)
    assert found.differing["t-1"].fields == {"colour": ("blue", "red")}
