"""Every call with which a store changes its files, seen from outside the shipped code.

In a child process, the calls of `os` are wrapped, those that `ctypes` finds in the C library, and SQLite's, by a VFS of
apsw. Each that changes something in one folder becomes a `Call`, handed to one who may do it, do half of it, or die.

SQLite's `-shm` is shared memory, which no call tells of; there is no `Call` for it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import apsw
from msgspec import Struct

T = TypeVar("T")

FOLDER = 0
"""The number of the folder itself."""

EXCHANGES = ("renameat2", "renamex_np")
"""The functions of the C library that exchange two names, on Linux and on macOS."""

_FULL_SYNC = getattr(fcntl, "F_FULLFSYNC", None)
_JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL


class Call(Struct, frozen=True):
    """One change: of a file's content, of a name in the folder, or a sync of either.

    `kind` is create, write, truncate, sync, rename, exchange, link, unlink or mode. `file` is the file's number, which
    stays when its name does not; `other` is that of the second file of an exchange. `name` and `target` are names in
    the folder. `size` is that of a truncated file.
    """

    kind: str
    file: int
    name: str
    target: str = ""
    other: int = 0
    offset: int = 0
    size: int = 0
    data: bytes = b""


class Around(Protocol):
    """What stands around each call."""

    def __call__(self, call: Call, do: Callable[[], T], half: Callable[[], object] | None = None) -> T:
        """Do the call; `half` would do a part of it, where there are parts."""


class Names:
    """The files of a folder by name, and each change of them on its way to `around`."""

    def __init__(self, folder: str, around: Around) -> None:
        self._folder = os.path.realpath(folder)
        self._around = around
        self._numbers = {file.name: number for number, file in enumerate(sorted(Path(folder).iterdir()), 1)}
        self._last = len(self._numbers)

    def name(self, path: Any) -> str | None:
        """Return a path's name in the folder, "" for the folder itself; None when it lies elsewhere."""
        if isinstance(path, int):
            return None
        folder, name = os.path.split(os.fsdecode(path))
        if os.path.realpath(folder) == self._folder:
            return name
        return "" if os.path.realpath(os.fsdecode(path)) == self._folder else None

    def number(self, name: str) -> int | None:
        """Return the number of the file that has a name; None when there is none."""
        return self._numbers.get(name) if name else FOLDER

    def create(self, name: str, do: Callable[[], T]) -> T:
        self._last += 1
        made = self._around(Call("create", self._last, name), do)
        self._numbers[name] = self._last
        return made

    def write(self, file: int, name: str, offset: int, data: bytes, write: Callable[[bytes], T]) -> T:
        call = Call("write", file, name, offset=offset, data=data)
        return self._around(call, lambda: write(data), lambda: write(data[: len(data) // 2]))

    def truncate(self, file: int, name: str, size: int, do: Callable[[], T]) -> T:
        return self._around(Call("truncate", file, name, size=size), do)

    def sync(self, file: int, name: str, do: Callable[[], T]) -> T:
        return self._around(Call("sync", file, name), do)

    def mode(self, file: int, name: str, do: Callable[[], T]) -> T:
        return self._around(Call("mode", file, name), do)

    def unlink(self, name: str, do: Callable[[], T]) -> T:
        gone = self._around(Call("unlink", self._numbers.get(name, -1), name), do)
        del self._numbers[name]
        return gone

    def link(self, name: str, target: str, do: Callable[[], T]) -> T:
        made = self._around(Call("link", self._numbers.get(name, -1), name, target), do)
        self._numbers[target] = self._numbers[name]
        return made

    def rename(self, name: str, target: str, do: Callable[[], T]) -> T:
        done = self._around(Call("rename", self._numbers.get(name, -1), name, target), do)
        self._numbers[target] = self._numbers.pop(name)
        return done

    def exchange(self, name: str, target: str, do: Callable[[], int]) -> int:
        files = self._numbers[name], self._numbers[target]
        failed = self._around(Call("exchange", files[0], name, target, files[1]), do)
        if not failed:
            self._numbers[target], self._numbers[name] = files
        return failed


def install(folder: str, around: Around) -> object:
    """Hand every change in a folder to `around`, as long as this process lives and the answer is kept."""
    names = Names(folder, around)
    _wrap_os(names)
    _wrap_library(names)
    return _Vfs(names)


def _wrap_os(names: Names) -> None:
    real = {name: getattr(os, name) for name in dir(os)}
    files: dict[int, tuple[int, str]] = {}

    def opened(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        def do() -> int:
            fd: int = real["open"](path, flags, mode, **more)
            return fd

        name = names.name(path)
        if name is None:
            return do()
        if name and names.number(name) is None and flags & os.O_CREAT:
            fd = names.create(name, do)
        elif flags & os.O_TRUNC:
            fd = names.truncate(names.number(name) or -1, name, 0, do)
        else:
            fd = do()
        files[fd] = names.number(name) or 0, name
        return fd

    def closed(fd: int) -> None:
        files.pop(fd, None)
        real["close"](fd)

    def written(fd: int, data: Any) -> int:
        if fd not in files:
            return int(real["write"](fd, data))
        at_end = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND
        offset = os.fstat(fd).st_size if at_end else os.lseek(fd, 0, os.SEEK_CUR)
        return names.write(*files[fd], offset, bytes(data), lambda part: int(real["write"](fd, part)))

    def written_at(fd: int, data: Any, offset: int) -> int:
        if fd not in files:
            return int(real["pwrite"](fd, data, offset))
        return names.write(*files[fd], offset, bytes(data), lambda part: int(real["pwrite"](fd, part, offset)))

    def on_file(name: str, change: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(fd: Any, *more: Any, **options: Any) -> Any:
            def do() -> Any:
                return real[name](fd, *more, **options)

            return change(*files[fd], *more[: name == "ftruncate"], do) if fd in files else do()

        return wrapped

    def on_name(name: str, change: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*paths: Any, **options: Any) -> Any:
            def do() -> Any:
                return real[name](*paths, **options)

            inside = [names.name(path) for path in paths]
            there = inside[0] and names.number(inside[0]) is not None
            return change(*inside, do) if there and all(inside) else do()

        return wrapped

    os.open, os.close, os.write, os.pwrite = opened, closed, written, written_at
    for name in ("fsync", "fdatasync"):
        if name in real:
            setattr(os, name, on_file(name, names.sync))
    os.ftruncate = on_file("ftruncate", names.truncate)
    os.fchmod, os.fchown = on_file("fchmod", names.mode), on_file("fchown", names.mode)
    os.rename, os.replace = on_name("rename", names.rename), on_name("replace", names.rename)
    os.unlink, os.remove = on_name("unlink", names.unlink), on_name("remove", names.unlink)
    os.link = on_name("link", names.link)
    plain_fcntl = fcntl.fcntl

    def full_sync(fd: int, command: int, *more: Any) -> Any:
        if command == _FULL_SYNC and fd in files:
            return names.sync(*files[fd], lambda: plain_fcntl(fd, command, *more))
        return plain_fcntl(fd, command, *more)

    fcntl.fcntl = full_sync  # type: ignore[assignment]


def _wrap_library(names: Names) -> None:
    """Have `ctypes` find functions that exchange two names as calls like others."""
    real = ctypes.CDLL

    class Library:
        def __init__(self, *about: Any, **options: Any) -> None:
            self._library = real(*about, **options)

        def __getattr__(self, name: str) -> Any:
            found = getattr(self._library, name)
            if name not in EXCHANGES:
                return found

            def exchanged(*words: Any) -> int:
                one, other = (names.name(word) for word in words if isinstance(word, bytes))
                assert one
                assert other
                return names.exchange(one, other, lambda: int(found(*words)))

            return exchanged

    ctypes.CDLL = Library  # type: ignore[assignment,misc]


class _Vfs(apsw.VFS):
    """SQLite's own file layer, which all databases of this process go through from now on."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._base = apsw.vfs_names()[0]
        super().__init__("points", self._base, makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        inside = self._names.name(path) if path is not None else None

        def do() -> _File:
            return _File(self._base, name, flags, self._names, inside)

        if inside and self._names.number(inside) is None and flags[0] & apsw.SQLITE_OPEN_CREATE:
            opened = self._names.create(inside, do)
        else:
            opened = do()
        opened.number = self._names.number(inside) or 0 if inside else 0
        return opened

    def xDelete(self, path: str, sync: bool) -> None:
        inside = self._names.name(path)
        if not inside or self._names.number(inside) is None:
            super().xDelete(path, sync)
            return
        self._names.unlink(inside, lambda: super(_Vfs, self).xDelete(path, sync))
        if sync:
            self._names.sync(FOLDER, "", lambda: None)


class _File(apsw.VFSFile):
    number = 0

    def __init__(self, base: str, path: Any, flags: list[int], names: Names, name: str | None) -> None:
        super().__init__(base, path, flags)
        self._names = names
        self._name = name
        # SQLite syncs the folder of a new log with the log's first sync (`unixSync` in os_unix.c).
        self._folder_too = bool(flags[0] & _JOURNALS and flags[0] & apsw.SQLITE_OPEN_CREATE)

    def xWrite(self, data: bytes, offset: int) -> None:
        write = super().xWrite
        if self._name:
            self._names.write(self.number, self._name, offset, bytes(data), lambda part: write(part, offset))
        else:
            write(data, offset)

    def xTruncate(self, size: int) -> None:
        cut = super().xTruncate
        if self._name:
            self._names.truncate(self.number, self._name, size, lambda: cut(size))
        else:
            cut(size)

    def xSync(self, flags: int) -> None:
        sync = super().xSync
        if not self._name:
            sync(flags)
            return
        self._names.sync(self.number, self._name, lambda: sync(flags))
        if self._folder_too:
            self._names.sync(FOLDER, "", lambda: None)
            self._folder_too = False
