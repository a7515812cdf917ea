"""The one door to stdout and stderr: for people in colour, for pipes plain, for programs as JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TextIO

import msgspec

from taskdeck_store import jsontext
from taskdeck_store.values import Json, State
from taskdeck_tui.cli.exits import OutputError
from taskdeck_tui.glyphs import GLYPHS, WORDS
from taskdeck_tui.safe import safe, safe_json

BOLD = "1"
DIM = "2"
_COLOURS: Mapping[State, str] = {
    State.PENDING: "37",
    State.IN_PROGRESS: "36",
    State.REVIEW: "33",
    State.COMPLETED: "32",
    State.FAILED: "31",
}


class Output:
    """Writes what a command has to say.

    `json` asks for JSON in place of text for people. `columns` is the width of the terminal on stdout, None where
    there is none. A reader that has gone away is no error: the rest goes nowhere, and `gone` tells so.
    """

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self._stream = sys.stdout
        self.gone = sys.stdout is None
        terminal = not self.gone and self._stream.isatty()
        self.columns = _terminal_columns() if terminal else None
        self._coloured = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._ascii_only = not self.gone and not _writes_unicode(self._stream)

    def paint(self, text: str, style: str) -> str:
        """Return a text in a style, an SGR code; as it is where there are no colours."""
        return f"\x1b[{style}m{text}\x1b[0m" if self._coloured and text else text

    def state(self, state: State, columns: int = 0) -> str:
        """Return a state's glyph and word, in its colour, filled up to a width."""
        return self.tint(f"{GLYPHS[state]} {WORDS[state]}", state) + " " * (columns - 2 - len(WORDS[state]))

    def tint(self, text: str, state: State) -> str:
        """Return a text in the colour of a state."""
        return self.paint(text, _COLOURS[state])

    def line(self, text: str) -> None:
        """Write a line for people. What comes from a task must have gone through `safe` by now."""
        self._write(text + "\n")

    def status(self, text: str) -> None:
        """Write a text over the last line of a terminal, without ending it; the next one takes its place."""
        self._write(f"\r\x1b[2K{text}")
        self.flush()

    def document(self, value: object) -> None:
        """Write a value as one JSON document in one line."""
        self._write(self._encoded(value) + "\n")

    def array(self, values: Iterable[object]) -> None:
        """Write values as one JSON array, each in a line of its own."""
        between = "[\n"
        for value in values:
            if self.gone:
                return
            self._write(between + self._encoded(value))
            between = ",\n"
        self._write("[]\n" if between == "[\n" else "\n]\n")

    def error(self, code: str, message: str, detail: Mapping[str, Json] | None = None, *, below: str = "") -> None:
        """Write an error to stderr: its message for people, and `below` under it; all but `below` as JSON."""
        if self.json:
            found = {"code": code, "message": message, **(detail or {})}
            text = safe_json(jsontext.encode({"error": found}), ascii_only=True)
        else:
            text = f"taskdeck: {safe(message)}{below}"
        self._warn(text)

    def mended(self, sentences: Sequence[str]) -> None:
        """Tell on stderr what a store mended of itself: in a line each for people, in one object for programs."""
        if sentences and self.json:
            self._warn(safe_json(jsontext.encode({"mended": list(sentences)}), ascii_only=True))
        elif sentences:
            self._warn("\n".join(f"taskdeck: mended: {safe(sentence)}" for sentence in sentences))

    def in_doubt(self, sentence: str) -> None:
        """Tell on stderr what is not known of that which is told: as a line for people, in an object for programs."""
        if self.json:
            self._warn(safe_json(jsontext.encode({"in_doubt": sentence}), ascii_only=True))
        else:
            self._warn(f"taskdeck: {safe(sentence)}")

    def note(self, sentence: str) -> None:
        """Tell something more on stderr; programs are not told."""
        if not self.json:
            self._warn(f"taskdeck: {safe(sentence)}")

    def _warn(self, text: str) -> None:
        if sys.stderr is None:
            return
        try:
            print(text, file=sys.stderr, flush=True)
        except OSError:
            _discard(sys.stderr)

    def flush(self) -> None:
        """Hand on what was written. Raises OutputError when nobody may have it."""
        self._guarded(None)

    def heard(self) -> bool:
        """Tell whether somebody may still read what is written; a pipe says so only to who writes, or asks."""
        import select

        if not self.gone and hasattr(select, "poll"):
            with suppress(OSError):
                asking = select.poll()
                asking.register(self._stream.fileno(), 0)
                lost = select.POLLERR | select.POLLHUP
                self.gone = any(told & lost for _, told in asking.poll(0))
        return not self.gone

    def _encoded(self, value: object) -> str:
        try:
            text = msgspec.json.encode(value).decode()
        except UnicodeEncodeError:
            text = jsontext.encode(msgspec.to_builtins(value))
        return safe_json(text, ascii_only=self._ascii_only)

    def _write(self, text: str) -> None:
        if not self.gone:
            self._guarded(text)

    def _guarded(self, text: str | None) -> None:
        if self.gone:
            return
        try:
            if text is None:
                self._stream.flush()
            else:
                self._stream.write(text)
        except BrokenPipeError:
            self.gone = True
            _discard(self._stream)
        except OSError as error:
            self.gone = True
            _discard(self._stream)
            raise OutputError(f"cannot write the output: {error.strerror}") from error


def _terminal_columns() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except OSError:
        return 80


def _writes_unicode(stream: TextIO) -> bool:
    if (stream.encoding or "").lower().replace("-", "") in ("utf8", "utf16", "utf32"):
        return True
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")
    return False


def _discard(stream: TextIO) -> None:
    """Send what the stream still holds nowhere, so that the interpreter's own flush at exit cannot fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
