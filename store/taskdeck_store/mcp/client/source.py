"""An MCP server's tasks as a source."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store import machine
from taskdeck_store.contract import Fault, Stop, StoreError
from taskdeck_store.limits import Limits
from taskdeck_store.machine import Code, Command, Refusal
from taskdeck_store.mcp.client.amending import amended
from taskdeck_store.mcp.client.reading import Reading, reading_of
from taskdeck_store.mcp.client.server import SCHEMES, Server, server_of
from taskdeck_store.mcp.client.telling import by_task
from taskdeck_store.mcp.client.tools import CannotTell, Way, Ways, arguments, calls_of, ways_of
from taskdeck_store.source import Kind, Move, Sight, Told
from taskdeck_store.values import FIELDS, TOLD, Action, State, Task

if TYPE_CHECKING:
    from taskdeck_store.mcp.client.link import Link
    from taskdeck_store.mcp.client.offer import Offer

_NO_EVENTS = "the server's change feed tells events that are none; on record is only what was seen"

_AGAIN_FIRST, _AGAIN_LAST = 1.0, 5.0
"""Seconds until a source that could not be read is to be looked at again, doubled from time to time."""
_NAP = 0.05
_REST_MOST = 2.0
"""Seconds for which changes of a large source may wait after a look, so that looking is not all that is done."""


class _Read(Struct, frozen=True, kw_only=True):
    """What was read, the cursor of the feed since when more may have changed ('': none), and the mark of what it says.

    `is_at_cursor` says that it is what the server had at that cursor, no more and no less. `events` are those since
    `since`, another cursor.
    """

    reading: Reading
    cursor: str
    mark: str
    is_at_cursor: bool = False
    since: str = ""
    events: tuple[Told, ...] | None = ()


class McpSource:
    """The tasks of a server; all sources on one address in this process share one connection to it."""

    kind = "MCP"

    def __init__(self, server: Server, link: Link) -> None:
        self._server = server
        self._link = link
        self._reading: Reading | None = None
        self._fields: frozenset[str] = frozenset(("id", "title", "state"))
        self._ways: tuple[Offer, Ways] | None = None
        self._cursor = ""
        self._moved: frozenset[str] = frozenset()
        self._ours: frozenset[int] = frozenset()
        self._doubt: tuple[str, ...] = ()
        self._trust: object = None
        self._seen = -1
        self._rests_until = 0.0
        self._failures = 0
        self._closed = False

    @property
    def place(self) -> str:
        """The server's address, with the folder in which a command is run."""
        return self._server.place

    @property
    def limits(self) -> Limits:
        """What the server's tools can do, and which fields its tasks have had by now."""
        ways = self._now()
        words = dict(self._reading.words) if self._reading is not None else {}
        # What a queue without tasks keeps of one, only its tools tell.
        is_empty = self._reading is not None and not self._reading.sight.tasks
        return Limits(
            words=words or {str(state): state for state in State},
            lacks=ways.lacks,
            refuses=ways.refuses,
            fields=tuple(name for name in FIELDS if name in self._fields or (is_empty and name in ways.settable)),
            whole=False,
            observed=True,
            notes=tuple(self._notes()),
        )

    @property
    def read_only(self) -> str | None:
        """Why nothing can be done there; None where something can."""
        if self._now().by:
            return None
        count = len(self._link.offer.tools)
        if not count:
            return "the server has no tools"
        return f"none of the server's tools ({count:,}) does what an action does with what is known here"

    def is_stale(self) -> bool:
        """Tell whether the server told of a change since the last look, or could not be read then."""
        return self._failures > 0 or self._seen != self._link.generation

    def look(self, since: str = "") -> Sight:
        """Read all tasks, and the events since a mark where the server has a feed that tells them.

        Raises StoreError while the server is gone, with what happened and when it is tried again.
        """
        generation, began = self._link.generation, time.monotonic()
        trust = self._link.trust
        try:
            moved = self._moved_alone(trust)
            if moved is not None:
                # Others may have changed as well: what was told of that stays to be looked at.
                self._reading = moved
                return moved.sight
            read = self._and_events(self._later(trust, since) or self._anew(), since)
        except StoreError:
            # One that is gone tells when it is back; one that errs may do so once.
            self._seen = generation if self._link.is_lost else -1
            self._failures += 1
            rest = 0.0 if self._link.is_lost else min(_AGAIN_FIRST * 2 ** (self._failures - 1), _AGAIN_LAST)
            self._rests_until = time.monotonic() + rest
            raise
        self._failures = 0
        self._trust = trust
        reading, self._cursor = read.reading, read.cursor
        self._seen = self._link.looked(read.mark, generation)
        ended = time.monotonic()
        self._rests_until = ended + min(ended - began, _REST_MOST)
        self._reading = reading
        self._link.latest = (trust, reading, self._cursor) if self._cursor else None
        self._fields |= reading.fields
        return self._told(read, since)

    def carry_out(self, moves: Sequence[Move]) -> Mapping[int, Refusal]:
        """Call the server's tools, one move after the other; what it refuses is returned.

        A tool that compares versions is told the one that was seen. For the others, the tasks are read right before.
        Raises StoreError where the connection breaks or an answer is overdue; it says how many moves were done before,
        and that it is not known whether the one under way was.
        """
        ways = self._now()
        refused: dict[int, Refusal] = {}
        known: set[str] = set()
        stands: Mapping[str, Task] | None = None
        for number, move in enumerate(moves):
            try:
                calls = list(calls_of(ways, move.commands))
            except CannotTell as error:
                refused[number] = Refusal(code=Code.ILLEGAL, message=f"{_said(move)}: {error}")
                continue
            if self._is_as_seen(move):
                known.add(move.task.id)
            elif not (calls[0][0].can_compare and move.seen is not None and move.seen.version):
                if stands is None:
                    stands = {task.id: task for task in self.look().tasks}
                conflict = self._conflict(move, stands.get(move.task.id))
                if conflict is not None:
                    refused[number] = conflict
                    continue
            try:
                refusal = self._call(move, calls)
            except StoreError as error:
                before = f"; {number - len(refused)} of {len(moves)} were done before" if number else ""
                raise StoreError(error.fault, f"{error.message}{before}") from error
            if refusal is not None:
                refused[number] = refusal
        if known == {move.task.id for move in moves}:
            self._moved = frozenset(known)
        return refused

    def wait(self, timeout: float, stop: Stop | None = None) -> bool:
        """Sleep until the server told of a change, was lost or came back, or is to be asked anew after an error."""
        ends = time.monotonic() + timeout

        def is_over() -> bool:
            return self._closed or (stop is not None and stop.is_set())

        # After a look, and more so after one that failed, a while is left to others.
        while not is_over() and time.monotonic() < min(ends, self._rests_until):
            time.sleep(min(_NAP, max(0.0, min(ends, self._rests_until) - time.monotonic())))
        return self._link.wait(self._seen, ends, is_over) and not is_over()

    def close(self) -> None:
        """Let go of the connection; the last handle on a server ends it, and the child that it runs in."""
        if not self._closed:
            from taskdeck_store.mcp.client.link import let_go

            self._closed = True
            self._link.wake()
            let_go(self._link)

    def _anew(self) -> _Read:
        """Read all tasks. What the feed, if there is one, tells of meanwhile is read after them."""
        gathered = self._link.gather()
        reading = reading_of(gathered.texts, self._link.name, self._reading)
        return self._since(reading, gathered.cursor) or _Read(
            reading=reading, cursor=gathered.cursor, mark=gathered.mark
        )

    def _later(self, trust: object, since: str) -> _Read | None:
        """Read what was changed since the last look; None where all is to be read."""
        latest = self._link.latest
        if latest is not None and latest[0] == trust and (self._reading is None or latest[2] == since):
            # What is on record is what another handle read: from there on, the feed tells both tasks and events.
            _, reading, cursor = latest
            return self._since(reading, cursor)
        if self._reading is None or self._trust != trust:
            return None
        return self._since(self._reading, self._cursor)

    def _and_events(self, read: _Read, since: str) -> _Read:
        """Return what was read with the events since a mark, and with what was changed until they were read."""
        if not since or not read.cursor or read.since == since:
            return read
        return self._since(read.reading, since) or read

    def _since(self, reading: Reading, cursor: str) -> _Read | None:
        news = self._link.news(cursor) if cursor else None
        if news is None:
            return None
        later = amended(reading, news.texts, news.gone, self._link.name)
        if later is None or len(later.sight.tasks) != news.total:
            return None
        return _Read(
            reading=later, cursor=news.next, mark=news.next, is_at_cursor=True, since=cursor, events=news.events
        )

    def _told(self, read: _Read, since: str) -> Sight:
        """Return what was read as a sight: with the events since a mark."""
        if read.events is None:
            self._doubt = (_NO_EVENTS,)
        told = read.events or () if read.since == since else ()
        if told:
            self._ours = frozenset(seq for seq in self._ours if seq >= told[0].seq)
        return replace(
            read.reading.sight,
            flaws=(*read.reading.sight.flaws, *self._doubt),
            mark=read.cursor if read.is_at_cursor else "",
            events=by_task(replace(one, is_ours=one.seq in self._ours) for one in told),
        )

    def _is_as_seen(self, move: Move) -> bool:
        """Tell whether a task that is read by itself reads exactly as it was listed and seen."""
        if self._reading is None or move.seen is None or self._cursor or not self._link.offer.has_each:
            return False
        alone = self._alone(self._reading, (move.task.id,))
        if alone is None:
            return False
        was, now = _by_id(self._reading, move.task.id), _by_id(alone, move.task.id)
        return was is not now and was == now == move.seen

    def _moved_alone(self, trust: object) -> Reading | None:
        """Read the tasks that were moved, and nothing else; None where all is to be read."""
        moved, self._moved = self._moved, frozenset()
        before = self._reading
        if not moved or before is None or self._trust != trust:
            return None
        later = self._alone(before, moved)
        if later is None or later.fields != before.fields:
            return None
        for task_id in moved:
            was, now = _by_id(before, task_id), _by_id(later, task_id)
            # What a list of tasks does not tell would be gone again with the next one, and one that seems not to have
            # moved may be told late.
            if was is None or now is None or was == now or was.extra.keys() != now.extra.keys():
                return None
        return later

    def _alone(self, reading: Reading, ids: Collection[str]) -> Reading | None:
        texts = self._link.alone([str(reading.own.get(task_id, task_id)) for task_id in ids])
        if len(texts) != len(ids):
            return None
        alone = amended(reading, texts, (), self._link.name)
        return alone if alone is not None and len(alone.sight.tasks) == len(reading.sight.tasks) else None

    def _now(self) -> Ways:
        offer = self._link.offer
        if self._ways is None or self._ways[0] is not offer:
            self._ways = offer, ways_of(offer)
        return self._ways[1]

    def _notes(self) -> Iterator[str]:
        if self._link.way == "poll":
            yield "The server does not tell of changes; it is asked every few seconds."
        if not all(way.can_compare for actions, way in self._now().by.items() if actions != (Action.ADD,)):
            yield "The server's tools take no version: whoever changes a task in the same moment may be overruled."
        if self._link.offer.has_feed:
            yield f"Who others are, and why they did it, is on record as the server tells it: {TOLD}alice is a claim."
        if self._server.is_overheard:
            yield "Others can read what is said to the server, the token included: it is http, not https."

    def _conflict(self, move: Move, stands: Task | None) -> Refusal | None:
        if move.seen is None:
            if stands is None:
                return None
            message = f"{move.task.id} already exists ({machine.said(stands.state)}); choose another id"
            return Refusal(code=Code.INVALID, message=message)
        if stands is None:
            return machine.missing(move.task.id)
        names = (*(name for name in FIELDS if name in self._fields), "version")
        if all(machine.same(getattr(move.seen, name), getattr(stands, name)) for name in names):
            return None
        return machine.changed_meanwhile(stands, None)

    def _call(self, move: Move, calls: Sequence[tuple[Way, Command]]) -> Refusal | None:
        from taskdeck_store.mcp.client.asking import Refused

        task_id = move.task.id
        own = self._reading.own.get(task_id, task_id) if self._reading is not None else task_id
        version = move.seen.version if move.seen is not None else ""
        for way, command in calls:
            what = f"{command.action} {task_id}"
            try:
                answer = self._link.call(way.tool, arguments(way, move, command, own, version), command.actor, what)
            except CannotTell as error:
                return Refusal(code=Code.ILLEGAL, message=f"cannot {what}: {error}")
            except Refused as error:
                code = Code(error.code) if error.code in set(Code) else Code.ILLEGAL
                said = str(error) if error.code in set(Code) else f"cannot {what}: the server answers: {error}"
                return Refusal(code=code, message=said)
            if self._cursor and isinstance(answer, dict) and type(answer.get("seq")) is int:
                self._ours |= {answer["seq"]}
            # A second call finds the version that the first one made.
            version = ""
        return None


def _by_id(reading: Reading, task_id: str) -> Task | None:
    return next((task for task in reading.sight.tasks if task.id == task_id), None)


def _said(move: Move) -> str:
    return f"cannot {' and '.join(command.action for command in move.commands)} {move.task.id}"


def _open(address: str) -> McpSource:
    server = server_of(address)
    try:
        from taskdeck_store.mcp.client.link import hold, let_go
    except ImportError as error:
        message = f"cannot open {server.name}: it needs the package mcp; install it with: pip install 'taskdeck[mcp]'"
        raise StoreError(Fault.UNREADABLE, message) from error
    link = hold(server)
    try:
        link.ready()
    except BaseException:
        let_go(link)
        raise
    return McpSource(server, link)


KIND = Kind(name="MCP", schemes=SCHEMES, open=_open)
