"""One task's story: its events as attempts and steps, with the time it spent in each state.

What the log does not know is said to be not known. An event may have been edited by hand, lost, or written by a newer
version; then a remark says so, and no length of time is made up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store import clock, replay
from taskdeck_store.parts import Part, parts
from taskdeck_store.values import EXTERNAL, OUTSIDE, REMOVED, Action, Event, State, Task, Time
from taskdeck_store.wording import standing


class Doubt(StrEnum):
    """What kind of thing there is to remark."""

    EARLIER = "earlier"
    FOUND = "found"
    MISSING = "missing"
    RETURNED = "returned"
    UNDATED = "undated"
    BACKWARDS = "backwards"
    AHEAD = "ahead"
    UNKNOWN = "unknown"


class Remark(Struct, frozen=True):
    """Why the log cannot be read on as if nothing were the matter, for programs and in a sentence without its end.

    `earlier`: the log begins after the task did. `found`: so it does, with a task that was past the queue already.
    `missing`: what the event before left is not what the next one found. `returned`: the task had been taken out of
    the store. `undated`: the event has no moment. `backwards`: its moment lies before that of the event before.
    `ahead`: its moment has not come yet, so that it cannot be right; no length is measured by it. `unknown`: this
    version does not know its action.
    """

    kind: Doubt
    told: str


class Step(Struct, frozen=True, kw_only=True):
    """One event of a story.

    `at` is its moment, None where the log has none. `stayed` is how long the task had been in `event.from_state` by
    then, in seconds, None where that is not known. `parts` tells of the changed fields that were objects or lists
    before and after where they differ. `remarks` are about what lies before this step, and about the step.
    """

    event: Event
    at: Time | None
    stayed: float | None
    parts: dict[str, tuple[Part, ...]]
    remarks: tuple[Remark, ...]


class Chapter(Struct, frozen=True, kw_only=True):
    """One attempt: all that happened until the task went back to the queue, or was taken out of the store.

    `number` counts attempts from 1, as the log does: a log that begins late begins with a later one. `owners` are
    those who worked on it, in order. `begun` and `ended` are None where they are not known; `ended` also while the
    attempt goes on. An attempt for which the task still waits in the queue may have no steps.
    """

    number: int
    owners: tuple[str, ...]
    begun: Time | None
    ended: Time | None
    steps: tuple[Step, ...]


class Spent(Struct, frozen=True, kw_only=True):
    """The time a task spent in a state: the `seconds` that are known, in so many `stays`.

    `unknown` counts the stays of which the length is not known; `going_on` says that one lasts until now.
    """

    state: State
    seconds: float
    stays: int
    unknown: int
    going_on: bool


class Story(Struct, frozen=True, kw_only=True):
    """All that the log tells of one task, as of the moment `now`.

    `state` is None where the task is not in the store (any more), `since` is when it came to be so. `ended` is that
    moment where the task is completed, failed or gone. `attempt` is the number of the last attempt. `spent` has the
    states that the task was in, in the board's order. `remarks` are about what lies after the last step. A moment is
    None where it is not known.
    """

    task_id: str
    title: str
    state: State | None
    since: Time | None
    now: Time
    created: Time | None
    ended: Time | None
    not_before: Time | None
    depends_on: tuple[str, ...]
    blocked: int
    owner: str | None
    lease_until: Time | None
    attempt: int
    max_attempts: int | None
    spent: tuple[Spent, ...]
    chapters: tuple[Chapter, ...]
    remarks: tuple[Remark, ...]


def story(task_id: str, events: Iterable[Event], task: Task | None, now: Time) -> Story:
    """Return the story of a task from all its events, in order of `seq`.

    `task` is the task as it stands, None where it is not in the store.
    """
    telling = _Telling(now)
    for event in events:
        telling.go_on(event)
    return telling.ended(task_id, task, now)


def later(told: Story, now: Time) -> Story:
    """Return a story as of another moment after its last event: nothing more has happened, but time went on."""
    before, after = _between(told.since, told.now), _between(told.since, now)
    more = (after or 0.0) - (before or 0.0)
    known = (after is not None) - (before is not None)
    spent = (
        replace(each, seconds=round(each.seconds + more, 6), unknown=each.unknown - known) if each.going_on else each
        for each in told.spent
    )
    return replace(told, now=now, spent=tuple(spent))


class _Stays:
    """The stays in one state, as they are counted."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.stays = 0
        self.unknown = 0

    def count(self, seconds: float | None) -> None:
        self.stays += 1
        if seconds is None:
            self.unknown += 1
        else:
            self.seconds += seconds


class _Attempt:
    """A chapter, as it is written."""

    def __init__(self, number: int, begun: Time | None) -> None:
        self.number = number
        self.begun = begun
        self.ended: Time | None = None
        self.owners: dict[str, None] = {}
        self.steps: list[Step] = []

    def chapter(self) -> Chapter:
        return Chapter(
            number=self.number,
            owners=tuple(self.owners),
            begun=self.begun,
            ended=self.ended,
            steps=tuple(self.steps),
        )


class _Telling:
    """Where a story has come to, event by event."""

    def __init__(self, now: Time) -> None:
        self._until = clock.plus(now, clock.SKEW)
        self._first: Event | None = None
        self._last: Event | None = None
        self._state: State | None = None
        self._since: Time | None = None
        self._at: Time | None = None
        self._attempts: list[_Attempt] = []
        self._stays: dict[State, _Stays] = {}
        self._title = ""
        self._max_attempts: int | None = None

    def go_on(self, event: Event) -> None:
        """Take the next event."""
        at = clock.normalised(event.at)
        remarks = tuple(self._remarks(event, at))
        at = None if at is not None and at > self._until else at
        kinds = {remark.kind for remark in remarks}
        torn = not kinds.isdisjoint((Doubt.EARLIER, Doubt.MISSING))
        stayed = None if torn or self._state is None else _between(self._since, at)
        attempt = self._attempt_of(event, None if torn or Doubt.FOUND in kinds else at, torn=torn)
        differing = {name: parts(*pair) for name, pair in event.changes.items()}
        attempt.steps.append(
            Step(
                event=event,
                at=at,
                stayed=stayed,
                parts={name: found for name, found in differing.items() if found},
                remarks=remarks,
            )
        )
        self._note_fields(event, attempt)
        self._move(event, at, stayed, torn=torn)
        if _ends(event, attempt.number):
            attempt.ended = at
            if event.to_state is not None:
                self._begin(event.attempts + 1, at)
        self._first = self._first or event
        self._last = event
        self._at = at or self._at

    def ended(self, task_id: str, task: Task | None, now: Time) -> Story:
        """Return the story, with the task as it stands at a moment."""
        state = task.state if task is not None else None
        remarks: tuple[Remark, ...] = ()
        since = self._since
        if self._last is None:
            remarks = (Remark(Doubt.EARLIER, "the log knows nothing of it"),)
        elif state is not self._state:
            left, stands = standing(self._state), standing(state)
            lost = f"after the last event something is missing: it left it {left}, and now it is {stands}"
            remarks = (Remark(Doubt.MISSING, lost),)
            self._close(self._state, None)
            since = None
        if since is None and task is not None and task.state_since is not None:
            since = clock.normalised(task.state_since)
        spent = self._spent(state, _between(since, now))
        chapters = self._chapters(task)
        over = state in (None, State.COMPLETED, State.FAILED)
        return Story(
            task_id=task_id,
            title=task.title if task is not None else self._title,
            state=state,
            since=since,
            now=now,
            created=self._created(task),
            ended=since if over else None,
            not_before=task.not_before if task is not None else None,
            depends_on=task.depends_on if task is not None else (),
            blocked=task.blocked if task is not None else 0,
            owner=task.owner if task is not None else None,
            lease_until=task.lease_until if task is not None else None,
            attempt=chapters[-1].number if chapters else 0,
            max_attempts=task.max_attempts if task is not None else self._max_attempts,
            spent=spent,
            chapters=chapters,
            remarks=remarks,
        )

    def _remarks(self, event: Event, at: Time | None) -> Iterator[Remark]:
        if self._last is None:
            if event.from_state is not None or event.to_state is None:
                yield Remark(Doubt.EARLIER, "before this, the log knows nothing of it")
            elif replay.is_found(event):
                yield Remark(Doubt.FOUND, f"it was {standing(event.to_state)} when the log first knew of it")
        elif event.from_state is not self._state:
            left, found = standing(self._state), standing(event.from_state)
            told = (
                f"between these two events something is missing: the first left it {left}, the second found it {found}"
            )
            yield Remark(Doubt.MISSING, told)
        elif self._state is None:
            yield Remark(Doubt.RETURNED, "it had been taken out of the store, and came back")
        if at is None:
            yield Remark(Doubt.UNDATED, "the log does not say when this was")
        elif at > self._until:
            yield Remark(Doubt.AHEAD, f"its moment, {at[:19].replace('T', ' ')}Z, has not come yet")
        elif self._at is not None and at < self._at:
            yield Remark(Doubt.BACKWARDS, "its moment lies before that of the event before it")
        if event.action not in _KNOWN and event.undoes is None:
            yield Remark(Doubt.UNKNOWN, "this version does not know that action")

    def _attempt_of(self, event: Event, begun: Time | None, *, torn: bool) -> _Attempt:
        """Return the attempt that an event belongs to: the last one, a new one that begins with it, or again the one
        before."""
        first = event.attempts + (0 if _goes_back(event) else 1)
        if not self._attempts or self._last is None or self._last.to_state is None:
            self._begin(first, begun)
        elif event.undoes is not None and event.undoes == self._last.seq and not self._attempts[-1].steps:
            self._attempts.pop()
            self._attempts[-1].ended = None
        elif torn and first > self._attempts[-1].number:
            self._begin(first, begun)
        return self._attempts[-1]

    def _begin(self, number: int, begun: Time | None) -> None:
        self._attempts.append(_Attempt(max(number, 1), begun))

    def _note_fields(self, event: Event, attempt: _Attempt) -> None:
        for owner in event.changes.get("owner", ()):
            if isinstance(owner, str):
                attempt.owners[owner] = None
        title = event.changes.get("title", (None, None))[1]
        most = event.changes.get("max_attempts", (None, None))[1]
        self._title = title if isinstance(title, str) else self._title
        self._max_attempts = most if isinstance(most, int) else self._max_attempts

    def _move(self, event: Event, at: Time | None, stayed: float | None, *, torn: bool) -> None:
        """Close the stay that the event ends, and begin the next one."""
        moved = event.from_state is not event.to_state
        if moved or torn:
            self._close(self._state, stayed)
            self._since = at if moved else None
        if moved and torn:
            self._close(event.from_state, None)
        if self._last is None and replay.is_found(event):
            self._since = _named(event, "state_since", by=at)
        self._state = event.to_state

    def _close(self, state: State | None, seconds: float | None) -> None:
        if state is not None:
            self._stays.setdefault(state, _Stays()).count(seconds)

    def _spent(self, present: State | None, seconds: float | None) -> tuple[Spent, ...]:
        self._close(present, seconds)
        return tuple(
            Spent(
                state=state,
                seconds=round(stays.seconds, 6),
                stays=stays.stays,
                unknown=stays.unknown,
                going_on=state is present,
            )
            for state in State
            if (stays := self._stays.get(state)) is not None
        )

    def _chapters(self, task: Task | None) -> tuple[Chapter, ...]:
        if self._attempts:
            last = self._attempts[-1]
            if task is not None and task.owner is not None and not last.owners:
                last.owners[task.owner] = None
            if self._state in (State.COMPLETED, State.FAILED):
                last.ended = self._since
        return tuple(attempt.chapter() for attempt in self._attempts)

    def _created(self, task: Task | None) -> Time | None:
        """Return when the task came to be: what an outside program adds was only noticed at the event's moment."""
        if task is not None and task.created_at is not None:
            return clock.normalised(task.created_at)
        if self._first is None or self._first.from_state is not None:
            return None
        at = clock.normalised(self._first.at)
        return _named(self._first, "created_at", by=at) or (at if self._first.actor != EXTERNAL else None)


_KNOWN = frozenset((*Action, REMOVED, OUTSIDE))


def _goes_back(event: Event) -> bool:
    """Tell whether an event sends the task back to the queue."""
    return event.to_state is State.PENDING and event.from_state not in (None, State.PENDING)


def _ends(event: Event, number: int) -> bool:
    """Tell whether an event ends the attempt of a number. To undo a start is to be in the same attempt still."""
    if event.to_state is None:
        return True
    return _goes_back(event) and (event.undoes is None or event.attempts >= number)


def _between(since: Time | None, at: Time | None) -> float | None:
    """Return the seconds from one moment to another; None where one is not known, or they are the wrong way round."""
    if since is None or at is None or at < since:
        return None
    return round(clock.to_seconds(at) - clock.to_seconds(since), 6)


def _named(event: Event, name: str, *, by: Time | None) -> Time | None:
    """Return the moment that a task's first event gives for one of its fields; None where it is not past by then."""
    value = event.changes.get(name, (None, None))[1]
    found = clock.normalised(value) if isinstance(value, str) else None
    return found if found is not None and by is not None and found <= by else None
