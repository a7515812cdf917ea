"""``taskdeck demo``: a generated store, a team that keeps it moving, and the board on it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from taskdeck_store import clock
from taskdeck_store.address import path_of
from taskdeck_tui.demo import history, progress

_PATIENCE = 5.0


def run_demo(*, store: str | None, tasks: int, seed: int, actor: str) -> int:
    """Open the board on a new store that keeps moving, and return the board's exit code when it is left.

    `store` is where to make it, and it stays there; with None it lives in a temporary folder that goes when the
    board is left, or dies. The same `tasks` and `seed` make the same store. Raises StoreError when there is
    something at `store` already, or no place for it.
    """
    if store is not None:
        return _run(store, None, tasks=tasks, seed=seed, actor=actor)
    folder = Path(tempfile.mkdtemp(prefix="taskdeck-demo-"))
    try:
        return _run(str(folder / "demo.db"), folder, tasks=tasks, seed=seed, actor=actor)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(address: str, folder: Path | None, *, tasks: int, seed: int, actor: str) -> int:
    with _team(address, folder, tasks=tasks, seed=seed) as team:
        with _all_or_nothing(path_of(address)), progress.told() as tell:
            history.build(address, tasks=tasks, seed=seed, now=clock.utc_now(), tell=tell)
        _begin(team)
        from taskdeck_tui.app import run_board

        code = run_board(address, read_only=False, actor=actor)
    if team.returncode:
        print(f"taskdeck: the demo's worker had ended by itself (exit code {team.returncode})", file=sys.stderr)
    return code


@contextmanager
def _all_or_nothing(path: Path) -> Iterator[None]:
    """Remove the files of a store that was begun and not finished; what was there before stays."""
    before = set(path.parent.glob("*"))
    try:
        yield
    except BaseException:
        for file in {*path.parent.glob("*")} - before:
            if file.name.startswith((path.name, f"{path.stem}.audit.")):
                file.unlink(missing_ok=True)
        raise


@contextmanager
def _team(address: str, folder: Path | None, *, tasks: int, seed: int) -> Iterator[subprocess.Popen[bytes]]:
    arguments = [sys.executable, "-P", "-m", "taskdeck_tui.demo.worker", address]
    arguments += ["--tasks", str(tasks), "--seed", str(seed)]
    arguments += ["--remove", str(folder)] if folder else []
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _begin(team: subprocess.Popen[bytes]) -> None:
    """Let the worker start its work. One that is dead already is told of when the board is left."""
    if team.stdin is not None:
        with suppress(OSError):
            team.stdin.write(b"begin\n")
            team.stdin.flush()
