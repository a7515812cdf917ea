"""What a process writes to its standard output and standard error: handed on as it comes, and heard while it works.

What its own children write is there too. They may keep a pipe open for longer than the process lives: nobody waits for
them, and what they say is handed on until they end.
"""

from __future__ import annotations

import codecs
import os
import select
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from taskdeck_store.output import Hear, Stream

_PIPE = 1 << 16
"""Bytes that a pipe holds."""
_MOST = 16
"""Pipes full that are read of what was said so far: somebody may never stop."""


class Pipes:
    """Two pipes that a process gets as its standard output and standard error. POSIX only.

    What comes is handed on to the standard error of this process, unless it is to be `quiet`.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        out, err = os.pipe(), os.pipe()
        self._streams = {out[0]: Stream.STDOUT, err[0]: Stream.STDERR}
        self.ends = out[1], err[1]
        self._hear: Hear | None = None
        self._reading = threading.Lock()
        for pipe in self._streams:
            # Two read from it, and what there was may be gone when the second comes.
            os.set_blocking(pipe, False)
        self._forget()

    def begin(self) -> None:
        """Read, once the process has begun, or could not be."""
        for end in self.ends:
            os.close(end)
        threading.Thread(target=self._read, name="taskdeck-worker-pipes", daemon=True).start()

    @contextmanager
    def heard(self, hear: Hear) -> Iterator[None]:
        """Have told what is written during the body: all of it, and nothing after."""
        with self._reading:
            self._take_all()
            self._hear = hear
        try:
            yield
        finally:
            with self._reading:
                self._take_all()
                for pipe in self._streams:
                    self._tell(pipe, b"", is_last=True)
                self._hear = None
                self._forget()

    def say(self, stream: Stream, text: str) -> None:
        """Tell something else, after what was written before."""
        with self._reading:
            self._take_all()
            if self._hear is not None:
                self._hear(stream, text)

    def _read(self) -> None:
        poll, left = select.poll(), set(self._streams)
        for pipe in left:
            poll.register(pipe, select.POLLIN)
        while left:
            for pipe, _ in poll.poll():
                with self._reading:
                    if self._take(pipe) is None:
                        poll.unregister(pipe)
                        left.discard(pipe)
                        del self._streams[pipe]
                        os.close(pipe)

    def _take_all(self) -> None:
        for pipe in list(self._streams):
            for _ in range(_MOST):
                if not self._take(pipe):
                    break

    def _take(self, pipe: int) -> int | None:
        """Read what there is, and return how much; None when nobody will write there any more."""
        try:
            data = os.read(pipe, _PIPE)
        except BlockingIOError:
            return 0
        if not data:
            return None
        if not self._quiet:
            with suppress(OSError, ValueError, AttributeError):
                sys.stderr.buffer.write(data)
                sys.stderr.buffer.flush()
        self._tell(pipe, data)
        return len(data)

    def _tell(self, pipe: int, data: bytes, *, is_last: bool = False) -> None:
        text = self._decoders[pipe].decode(data, final=is_last)
        if text and self._hear is not None:
            self._hear(self._streams[pipe], text)

    def _forget(self) -> None:
        self._decoders = {pipe: codecs.getincrementaldecoder("utf-8")("replace") for pipe in self._streams}
