"""Sleep until the file of a store, or one beside it that belongs to it, or one of a folder of files, has changed.

The folder is watched, not the file: a file replaced by rename is another file, and its watch would see nothing. A
slow look at the files themselves runs beside the notification; it covers network mounts, which notify nobody, and a
system that has no more watches to give.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from taskdeck_store.contract import Stop

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

_STEP_MS = 5
_DEBOUNCE_MS = 10
_LOOK = 0.25
_NAP = 0.02
_SHARE = 20
"""A look that takes long is taken so many times as seldom."""
_REARM = 5.0
_BESIDE = ("", "-wal", ".taskdeck-lock")

_Mark: TypeAlias = tuple[int, ...] | None


class Watch(ABC):
    """Notices changes of some files, by the folders that they lie in.

    A change between making the watch and the first `wait` counts.
    """

    def __init__(self) -> None:
        self._notify: RustNotify | None = None
        self._folders: dict[Path, _Mark] = {}
        self._arm_after = 0.0
        self._waiting = False
        self._closed = False
        self._pause = _LOOK
        self._looked_at = 0.0
        self._seen = self._look()

    @abstractmethod
    def _places(self) -> Iterable[Path]:
        """Return the folders to watch."""

    @abstractmethod
    def _concerns(self, path: Path) -> bool:
        """Tell whether a change of what lies at a path is one of the files."""

    @abstractmethod
    def _marks(self) -> tuple[_Mark, ...]:
        """Return what the files are like."""

    def wait(self, timeout: float, stop: Stop | None = None) -> bool:
        """Sleep until something changed (True), for `timeout` seconds, or until stopped or closed (False).

        A folder that goes away, or has gone, is no error: it is looked for every 250 ms, and its return is a change.
        """
        ends = _Ends(lambda: self._closed or (stop is not None and stop.is_set()))
        deadline = time.monotonic() + timeout
        self._waiting = True
        try:
            while not ends.is_set():
                self._arm()
                if self._is_to_look():
                    seen, self._seen = self._seen, self._look()
                    if seen != self._seen:
                        return True
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                if self._told(min(left, self._pause), ends):
                    self._seen = self._look()
                    return True
            return False
        finally:
            self._waiting = False
            if self._closed:
                self._disarm()

    def close(self) -> None:
        """Let go of the watch; a wait in another thread ends."""
        self._closed = True
        if not self._waiting:
            self._disarm()

    def _arm(self) -> None:
        folders = {folder: _identity(folder) for folder in self._places()}
        if folders == self._folders and (self._notify is not None or time.monotonic() < self._arm_after):
            return
        self._disarm()
        if None in folders.values():
            return
        self._folders = folders
        try:
            from watchfiles._rust_notify import RustNotify

            self._notify = RustNotify([str(folder) for folder in folders], False, False, 0, False, True)
        except (OSError, RuntimeError, ImportError):
            # Without a descriptor left, not even the import works.
            self._arm_after = time.monotonic() + _REARM

    def _disarm(self) -> None:
        if self._notify is not None:
            self._notify.close()
            self._notify = None

    def _told(self, seconds: float, ends: _Ends) -> bool:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not ends.is_set():
            if self._notify is None:
                time.sleep(min(left, _NAP))
                continue
            try:
                told = self._notify.watch(_DEBOUNCE_MS, _STEP_MS, max(1, int(left * 1000)), ends)
            except RuntimeError:
                self._disarm()
                self._arm_after = time.monotonic() + _REARM
                return True
            if told == "signal":
                raise KeyboardInterrupt
            if not isinstance(told, str) and any(self._concerns(Path(path)) for _, path in told):
                return True
        return False

    def _is_to_look(self) -> bool:
        """Whether a look takes next to no time, or is due."""
        return self._pause <= _LOOK or time.monotonic() >= self._looked_at + self._pause

    def _look(self) -> tuple[_Mark, ...]:
        before = time.monotonic()
        marks = self._marks()
        self._looked_at = time.monotonic()
        self._pause = max(_LOOK, _SHARE * (self._looked_at - before))
        return marks


class FolderWatch(Watch):
    """Notices changes of a store's file and of all files beside it whose names start with its name.

    A symlinked file is watched where the link lies and where the real file lies.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._real = self._path
        super().__init__()

    def _places(self) -> Iterable[Path]:
        return (self._path.parent, self._real.parent)

    def _concerns(self, path: Path) -> bool:
        return path.name.startswith((self._path.name, self._real.name))

    def _marks(self) -> tuple[_Mark, ...]:
        self._real = Path(os.path.realpath(self._path))
        return tuple(_mark(self._real.with_name(self._real.name + suffix)) for suffix in _BESIDE)


class FilesWatch(Watch):
    """Notices changes of all files of some folders whose names end in a suffix and are not hidden, and new folders.

    Folders that are not there yet are looked for beside the others.
    """

    def __init__(self, folders: Sequence[Path], suffixes: tuple[str, ...]) -> None:
        self._every = [folder.absolute() for folder in folders]
        self._suffixes = suffixes
        super().__init__()

    def _places(self) -> Iterable[Path]:
        return [folder for folder in self._every if folder.is_dir()] or self._every[:1]

    def _concerns(self, path: Path) -> bool:
        return path in self._every or self._is_ours(path.name)

    def _is_ours(self, name: str) -> bool:
        return name.endswith(self._suffixes) and not name.startswith(".")

    def _marks(self) -> tuple[_Mark, ...]:
        marks: list[_Mark] = []
        for folder in self._every:
            try:
                names = sorted(filter(self._is_ours, os.listdir(folder)))  # noqa: PTH208 - a Path takes twice the time
            except OSError:
                names = []
                marks.append(None)
            marks += [_mark(os.path.join(folder, name)) for name in names]  # noqa: PTH118
        return tuple(marks)


class _Ends:
    """What `RustNotify.watch` asks whether to stop."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self.is_set = ask


def _mark(path: Path | str) -> _Mark:
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path takes twice the time
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _identity(folder: Path) -> _Mark:
    try:
        found = folder.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino)
