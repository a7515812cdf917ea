"""What was said in an attempt, laid out to be read."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from taskdeck_store.output import Line, Stream
from taskdeck_tui.model.saying import Saying
from taskdeck_tui.safe import printed, safe
from taskdeck_tui.screens.pretty import Row, fitted

_LONGEST = 2_000
"""Characters of a line that are laid out."""
_MARKS = {Stream.STDOUT: ("  ", ""), Stream.STDERR: ("! ", "$state-failed"), Stream.LOG: ("- ", "$muted")}
_HANG = 2


class OutputLines:
    """Lays out one attempt at a time; what was laid out is kept until more is said."""

    def __init__(self) -> None:
        self._kept: tuple[Saying, int, list[Content]] | None = None

    def lines(self, saying: Saying, place: tuple[int, int], width: int, *, is_under_way: bool) -> list[Content]:
        """Return what was said under a rule that tells in which attempt: `place` is its number, and of how many."""
        which = f"attempt {place[0]} of {place[1]}" + (", under way" if is_under_way else "")
        head = Content.assemble(("output", "bold $hint-key"), "  ", (which, "$muted"), " ")
        rule = head + Content.styled("─" * max(width - head.cell_length, 0), "$column-line")
        if not saying.lines:
            nothing = "nothing yet" if is_under_way else "nothing is kept of what was said"
            return [rule, Content.styled(nothing, "$muted")]
        kept = self._kept
        if kept is None or kept[0] is not saying or kept[1] != width:
            kept = self._kept = (saying, width, fitted(_rows(saying), width))
        return [rule, *kept[2]]


def _rows(saying: Saying) -> Iterator[Row]:
    if saying.above:
        more = f"… {saying.above:,} lines above these: not shown here; taskdeck output prints all that is kept"
        yield Row(Content.styled(more, "$mode-read-only"))
    part = "work"
    for line in saying.lines:
        if line.part != part:
            part = line.part
            yield Row(Content.styled(safe(part), "$label"))
        yield Row(_told(line), hang=_HANG)


def _told(line: Line) -> Content:
    if line.left_out:
        return Content.styled(f"… {line.left_out:,} characters are not kept", "$mode-read-only")
    text = printed(line.text)
    more = "…" if len(text) > _LONGEST else ""
    return Content.assemble(_MARKS[line.stream], text[:_LONGEST], (more, "$muted"))
