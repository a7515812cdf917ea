"""Run a check as a user whom file modes bind, whoever runs the tests."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import taskdeck_store
from taskdeck_store import jsonfile, sqlite

_NOBODY = 65534


def unprivileged(check: Callable[[], None]) -> None:
    """Call `check`: from root, in a child process that is nobody; what it raises fails the test."""
    if os.geteuid() != 0:
        check()
        return
    # What is imported late: nobody may not read a Python, or a checkout, that lies in a folder of root's alone.
    packages = (taskdeck_store, jsonfile, sqlite)
    own = (f"{each.__name__}.{name}" for each in packages for _, name, _ in iter_modules(each.__path__))
    for name in ("apsw", "ctypes", "encodings.utf_8_sig", "watchfiles._rust_notify", *own):
        import_module(name)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        failure = ""
        try:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
            check()
        except BaseException:
            failure = traceback.format_exc()
        os.write(writing, failure.encode()[-60_000:])
        sys.stdout.flush()
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8", errors="replace") as pipe:
        failure = pipe.read()
    os.waitpid(child, 0)
    assert not failure, failure


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that nobody owns and can reach: pytest's own are root's alone."""
    folder = Path(tempfile.mkdtemp(prefix="taskdeck-test-"))
    if os.geteuid() == 0:
        os.chown(folder, _NOBODY, _NOBODY)
    try:
        yield folder
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)
