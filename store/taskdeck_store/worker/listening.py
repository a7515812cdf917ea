"""Hears what handlers print and log in this process, beside where it goes anyway.

While a worker runs, there are stand-ins for `sys.stdout` and `sys.stderr`. Who is told follows from the context: that
of a handler's thread, of its coroutine, and of what that awaits. A thread that a handler starts itself has another one,
unless it is started with ``contextvars.copy_context().run``; nobody is told what is said there.
"""

from __future__ import annotations

import codecs
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import BinaryIO, TextIO

from taskdeck_store.output import Hear, Stream
from taskdeck_store.worker import logs

_INSTALLING = threading.Lock()
_INSTALLED = ExitStack()
_NAMES = {"stdout": Stream.STDOUT, "stderr": Stream.STDERR}
_running = 0


class _Ear:
    """Tells one who listens; bytes as text."""

    def __init__(self, hear: Hear) -> None:
        self.hear = hear
        self._decoders: dict[Stream, codecs.IncrementalDecoder] = {}

    def hear_bytes(self, stream: Stream, data: bytes) -> None:
        if stream not in self._decoders:
            self._decoders[stream] = codecs.getincrementaldecoder("utf-8")("replace")
        text = self._decoders[stream].decode(data)
        if text:
            self.hear(stream, text)

    def hear_log(self, text: str) -> None:
        self.hear(Stream.LOG, text)


_EAR: ContextVar[_Ear | None] = ContextVar("taskdeck_ear", default=None)


@contextmanager
def heard_by(hear: Hear | None) -> Iterator[None]:
    """Have somebody told what is said in the body; None, nobody."""
    before = _EAR.set(_Ear(hear) if hear is not None else None)
    try:
        yield
    finally:
        _EAR.reset(before)


@contextmanager
def listening() -> Iterator[None]:
    """Listen in the body. Several may at once, in any threads."""
    global _running
    with _INSTALLING:
        _running += 1
        for name, stream in _NAMES.items():
            found = getattr(sys, name)
            # There may be none, and somebody may have put another there meanwhile.
            if found is not None and not isinstance(found, _StandIn):
                setattr(sys, name, _StandIn(found, stream))
        if _running == 1:
            _INSTALLED.enter_context(logs.heard(_logger_ear, lambda stream: isinstance(stream, _StandIn)))
    try:
        yield
    finally:
        with _INSTALLING:
            _running -= 1
            if not _running:
                _INSTALLED.close()
                for name in _NAMES:
                    found = getattr(sys, name)
                    if isinstance(found, _StandIn):
                        setattr(sys, name, found.original)


def _logger_ear() -> Callable[[str], object] | None:
    ear = _EAR.get()
    return ear.hear_log if ear is not None else None


class _StandIn:
    """Stands in for a text stream: what is asked of it, that one does."""

    original: TextIO
    stream: Stream

    def __init__(self, original: TextIO, stream: Stream) -> None:
        self.__dict__.update(original=original, stream=stream)

    def write(self, text: str) -> int:
        ear = _EAR.get()
        if ear is not None and isinstance(text, str):
            ear.hear(self.stream, text)
        return self.original.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    @property
    def buffer(self) -> _Bytes:
        return _Bytes(self.original.buffer, self.stream)

    def __getattr__(self, name: str) -> object:
        return getattr(self.original, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.original, name, value)


class _Bytes:
    """Stands in for the binary stream below a text stream."""

    original: BinaryIO
    stream: Stream

    def __init__(self, original: BinaryIO, stream: Stream) -> None:
        self.__dict__.update(original=original, stream=stream)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        ear = _EAR.get()
        if ear is not None:
            ear.hear_bytes(self.stream, bytes(data))
        return self.original.write(data)

    def writelines(self, lines: Iterable[bytes | bytearray | memoryview]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self.original, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.original, name, value)
