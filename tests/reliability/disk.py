"""What a disk may hold after a power loss, given the calls that came before it: the least that POSIX promises.

What was written to a file and not synced since may be there, in part (a beginning, some writes and not others, zeros
in their place) or not at all. A change of names that was not followed by a sync of the folder has happened or not,
each for itself, and whether or not the content of the files it names has reached the disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from pathlib import Path
from random import Random
from typing import TypeAlias

from reliability.points import FOLDER, Call

State: TypeAlias = dict[str, bytes]
"""The files of the folder, by name."""

_Effect: TypeAlias = dict[str, int | None]
"""Names, and the files that they name after one call; None: the name is free."""

_INDEPENDENT = 4
"""Up to so many unsynced changes of names, all combinations are looked at."""


class Disk:
    """A folder on a disk. `take` the calls one by one; after each, `states` are what a power loss may leave."""

    def __init__(self, folder: Path) -> None:
        names = sorted(file.name for file in folder.iterdir())
        self._names: dict[str, int] = {name: number for number, name in enumerate(names, 1)}
        self._content = {number: (folder / name).read_bytes() for name, number in self._names.items()}
        self._unsynced: dict[int, list[Call]] = {}
        self._moves: list[_Effect] = []

    def take(self, call: Call) -> None:
        """Take in a call."""
        match call.kind:
            case "write" | "truncate":
                self._unsynced.setdefault(call.file, []).append(call)
            case "sync" if call.file == FOLDER:
                self._names = _named(self._names, self._moves)
                self._moves = []
            case "sync":
                self._content[call.file] = self._written(call.file, self._unsynced.pop(call.file, []))
            case "create":
                self._content[call.file] = b""
                self._moves.append({call.name: call.file})
            case "link":
                self._moves.append({call.target: call.file})
            case "unlink":
                self._moves.append({call.name: None})
            case "rename":
                self._moves.append({call.name: None, call.target: call.file})
            case "exchange":
                self._moves.append({call.name: call.other, call.target: call.file})

    def kept(self) -> State:
        """Return what is there when all goes well."""
        return self._state(self._names, self._moves, {})

    def states(self, chance: Random, most: int) -> Iterator[State]:
        """Yield what may be there after a power loss: all of it, or the extremes and a sample, `most` in all."""
        files = [file for file in self._unsynced if self._is_named(file)]
        axes: list[Sequence[object]] = [self._combinations(chance)]
        axes += [self._contents(file) for file in files]
        for choice in _choices([len(axis) for axis in axes], chance, most):
            moves, *contents = (axis[at] for axis, at in zip(axes, choice, strict=True))
            yield self._state(self._names, moves, dict(zip(files, contents, strict=True)))  # type: ignore[arg-type]

    def _is_named(self, file: int) -> bool:
        return file in self._names.values() or any(file in move.values() for move in self._moves)

    def _state(self, names: Mapping[str, int], moves: Sequence[_Effect], contents: Mapping[int, bytes]) -> State:
        found: State = {}
        for name, file in _named(names, moves).items():
            content = contents.get(file)
            found[name] = self._written(file, self._unsynced.get(file, [])) if content is None else content
        return found

    def _combinations(self, chance: Random) -> list[list[_Effect]]:
        """The changes of names that have happened; the first is none of them, the last all."""
        moves = self._moves
        if len(moves) <= _INDEPENDENT:
            picks = list(product((False, True), repeat=len(moves)))
        else:
            picks = [tuple(at < cut for at in range(len(moves))) for cut in range(len(moves))]
            picks += [tuple((at == alone) for at in range(len(moves))) for alone in range(len(moves))]
            picks += [tuple((at != left) for at in range(len(moves))) for left in range(len(moves))]
            picks += [tuple(chance.random() < 0.5 for _ in moves) for _ in moves]
            picks.append((True,) * len(moves))
        return [[move for move, picked in zip(moves, pick, strict=True) if picked] for pick in picks]

    def _contents(self, file: int) -> list[bytes]:
        """What a file may hold; the first is only what was synced, the last all that was written."""
        calls = self._unsynced[file]
        found = [self._content[file]]
        for done, call in enumerate(calls):
            half = Call("write", file, "", offset=call.offset, data=call.data[: len(call.data) // 2])
            found.append(self._written(file, [*calls[:done], half] if call.kind == "write" else calls[:done]))
            found.append(self._written(file, [*calls[:done], *map(_lengthened, calls[done:])]))
            found.append(self._written(file, [*calls[:done], *calls[done + 1 :]]))
            found.append(self._written(file, calls[done:]))
        found.append(self._written(file, calls))
        return list(dict.fromkeys(reversed(found)))[::-1]

    def _written(self, file: int, calls: Sequence[Call]) -> bytes:
        content = bytearray(self._content[file])
        for call in calls:
            end = call.size if call.kind == "truncate" else call.offset + len(call.data)
            if len(content) < end:
                content.extend(bytes(end - len(content)))
            if call.kind == "truncate":
                del content[call.size :]
            else:
                content[call.offset : end] = call.data
        return bytes(content)


def _named(names: Mapping[str, int], moves: Sequence[_Effect]) -> dict[str, int]:
    after: dict[str, int | None] = dict(names)
    for move in moves:
        after.update(move)
    return {name: file for name, file in after.items() if file is not None}


def _lengthened(call: Call) -> Call:
    """What becomes of a write of which only the file's new length has reached the disk: zeros, where nothing was."""
    return Call("write", call.file, "", offset=call.offset + len(call.data)) if call.kind == "write" else call


def _choices(lengths: Sequence[int], chance: Random, most: int) -> Iterator[tuple[int, ...]]:
    if prod(lengths) <= most:
        yield from product(*map(range, lengths))
        return
    nothing, everything = tuple(0 for _ in lengths), tuple(length - 1 for length in lengths)
    near = [
        (*extreme[:axis], at, *extreme[axis + 1 :])
        for extreme in (nothing, everything)
        for axis, length in enumerate(lengths)
        for at in range(length)
    ]
    chosen = [nothing, everything, *(near if len(near) < most else chance.sample(near, most - most // 3))]
    while len(chosen) < most:
        chosen.append(tuple(chance.randrange(length) for length in lengths))
    yield from dict.fromkeys(chosen)
