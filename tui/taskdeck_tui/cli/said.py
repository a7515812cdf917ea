"""The command that shows what was printed and logged in a task's attempts, and goes on showing it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing

import msgspec

from taskdeck_store.contract import Store, StoreError
from taskdeck_store.machine import LEASED, Code
from taskdeck_store.output import Attempt, Chunk, Line, Lines, Said, Stream, attempts, read, since
from taskdeck_store.paging import every_event
from taskdeck_store.readable import open_readable
from taskdeck_store.values import Json
from taskdeck_tui.cli.exits import OF_REFUSAL, Exit, UsageError
from taskdeck_tui.cli.log import is_known
from taskdeck_tui.cli.output import DIM, Output
from taskdeck_tui.cli.reading import told_damage
from taskdeck_tui.safe import printed, safe

_LOOK = 0.2
"""Seconds between two looks at what is said, which wakes nobody."""
_SECOND = len("2026-01-31T09:05:00")
_MARKS = {Stream.STDOUT: "  ", Stream.STDERR: "! ", Stream.LOG: "- "}


def tell_output(options: Namespace, output: Output) -> Exit:
    """Write what was said in all attempts at a task or in one; with --follow, what comes too, until interrupted."""
    with closing(open_readable(options.store, read_only=True)) as store:
        if not is_known(store, options.id, output):
            return OF_REFUSAL[Code.NOT_FOUND]
        output.mended(store.mended)
        if options.follow:
            _Follower(store, options.id, options.attempt, output).run()
        else:
            chosen = _chosen(store, options.id, options.attempt)
            if output.json:
                output.array(_document(store, attempt) for _, attempt in chosen)
            for number, attempt in chosen if not output.json else ():
                _Teller(output).tell(number, attempt, read(store.output_folder, attempt).chunks, is_whole=True)
            if not chosen:
                output.note(f"nobody has worked on {options.id} yet")
    return told_damage(store, output)


def _chosen(store: Store, task_id: str, number: int | None) -> list[tuple[int, Attempt]]:
    found = list(enumerate(attempts(every_event(store, task_id)), 1))
    if number is not None and number > len(found):
        has = f"{len(found)} attempts" if len(found) != 1 else "1 attempt"
        raise UsageError(f"--attempt {number}: {task_id} has {has}")
    return found if number is None else found[number - 1 : number]


def _document(store: Store, attempt: Attempt) -> dict[str, Json]:
    chunks = read(store.output_folder, attempt).chunks
    return {**msgspec.to_builtins(attempt), "chunks": [msgspec.to_builtins(chunk) for chunk in chunks]}


class _Follower:
    """Tells each piece once: of the last attempt what is said, and of those that come."""

    def __init__(self, store: Store, task_id: str, number: int | None, output: Output) -> None:
        self._store = store
        self._task_id = task_id
        self._number = number
        self._output = output
        self._teller = _Teller(output)
        self._last: tuple[int, Attempt] | None = None
        self._said = Said()
        self._place = 0

    def run(self) -> None:
        """Follow until interrupted, or until nobody reads it."""
        coming = _chosen(self._store, self._task_id, self._number)
        is_troubled, is_over = False, self._is_over()
        while self._output.heard():
            for number, attempt in coming:
                # What came last of the one before: it was written before the next could begin.
                self._go_on()
                self._teller.end()
                self._last, self._said, self._place = (number, attempt), Said(), 0
            self._go_on()
            if is_over:
                self._teller.end()
            self._output.flush()
            coming, is_over = [], False
            try:
                if self._store.wait(_LOOK):
                    is_over = self._is_over()
                    coming = list(self._begun()) if self._number is None else []
                is_troubled = False
            except StoreError as error:
                if not is_troubled:
                    self._output.error(error.fault, f"{error.message}; still following")
                is_troubled = True

    def _is_over(self) -> bool:
        """Tell whether no attempt is under way; what was said in the last one was written before it was over."""
        task = self._store.get(self._task_id)
        return task is None or task.state not in LEASED or task.lease_until is None

    def _begun(self) -> Iterator[tuple[int, Attempt]]:
        number, seq = (self._last[0], self._last[1].seq) if self._last is not None else (0, 0)
        return enumerate(attempts(every_event(self._store, self._task_id, after=seq)), number + 1)

    def _go_on(self) -> None:
        if self._last is None:
            return
        before, self._said = self._said, read(self._store.output_folder, self._last[1], self._said)
        if self._said is not before:
            chunks, self._place = since(self._said.chunks, self._place)
            self._teller.tell(*self._last, chunks)


class _Teller:
    """Writes what is said: for people line by line, below a line that says whose it is."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._lines = Lines()
        self._seq: int | None = None
        self._part = ""

    def tell(
        self, number: int, attempt: Attempt, chunks: list[Chunk] | tuple[Chunk, ...], *, is_whole: bool = False
    ) -> None:
        """Write pieces; with `is_whole`, there are no more of the attempt."""
        if self._output.json:
            for chunk in chunks:
                self._output.document({"seq": attempt.seq, **msgspec.to_builtins(chunk)})
            return
        if attempt.seq != self._seq:
            self._seq, self._part = attempt.seq, "work"
            at = safe(attempt.at)[:_SECOND].replace("T", " ")
            nothing = "" if chunks or not is_whole else "  nothing is kept of what was said"
            self._say(f"attempt {number}  {at}  {safe(attempt.owner or '')}".rstrip() + nothing)
        for chunk in chunks:
            for line in self._lines.take(chunk):
                self._line(line)
        if is_whole:
            self.end()

    def end(self) -> None:
        """Write the lines that have not ended."""
        for line in self._lines.rest():
            self._line(line)

    def _line(self, line: Line) -> None:
        if line.part != self._part:
            self._part = line.part
            self._say(safe(line.part))
        if line.left_out:
            self._say(f"… {line.left_out:,} characters are not kept …")
        else:
            self._output.line(f"{self._output.paint(_MARKS[line.stream], DIM)}{printed(line.text)}".rstrip())

    def _say(self, text: str) -> None:
        self._output.line(self._output.paint(text, DIM))
