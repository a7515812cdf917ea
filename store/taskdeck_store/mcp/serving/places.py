"""The URIs of a served store: what each one names, and which a change touches."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, unquote, urlencode

from msgspec import Struct

from taskdeck_store.contract import Change
from taskdeck_store.mcp.marks import FEED_URI
from taskdeck_store.mcp.serving.pages import LIMIT, MOST
from taskdeck_store.validity import wrong_id
from taskdeck_store.values import QUEUE, State

SCHEME = "task://"
QUEUE_URI, CURRENT_URI, STATS_URI = "task://queue", "task://current", "task://stats"

_ASKS = {"queue": ("state", "query", "limit", "after"), "log": ("after", "limit"), "changes": ("after",)}
_SHOWN = 80


class Queue(Struct, frozen=True, kw_only=True):
    """A page of the tasks of some states that match a filter, given as text."""

    states: tuple[State, ...] = tuple(State)
    query: str = ""
    limit: int = LIMIT
    after: str | None = None

    def uri_of(self, after: str) -> str:
        """Return the URI of the page that begins at a place."""
        asked = {"state": ",".join(self.states) if self.states != tuple(State) else "", "query": self.query}
        told = {**{name: value for name, value in asked.items() if value}, "limit": self.limit, "after": after}
        return f"{QUEUE_URI}?{urlencode(told)}"


class Stats(Struct, frozen=True):
    """How many tasks are where."""


class Feed(Struct, frozen=True):
    """What changed since a cursor; without one, the cursor of now."""

    after: str | None = None


class One(Struct, frozen=True):
    """A task."""

    task_id: str


class Events(Struct, frozen=True, kw_only=True):
    """A page of the events of a task."""

    task_id: str
    after: int = 0
    limit: int = LIMIT

    def uri_of(self, after: int) -> str:
        """Return the URI of the page after a seq."""
        return f"{SCHEME}{quote(self.task_id)}/log?{urlencode({'after': after, 'limit': self.limit})}"


Place = Queue | Stats | Feed | One | Events


def place(uri: str) -> Place:
    """Return what a URI names. Raises ValueError, its message a line that says what is wrong with it."""
    if not uri.startswith(SCHEME):
        raise ValueError(f"there is no resource {uri[:_SHOWN]!r}; they begin with {SCHEME}")
    path, _, asked = uri.removeprefix(SCHEME).partition("?")
    head, slash, tail = path.partition("/")
    if slash and tail != "log":
        raise ValueError(f"there is no resource {uri[:_SHOWN]!r}; a task has {SCHEME}ID and {SCHEME}ID/log")
    kind = "log" if slash else head
    given = _asked(asked, _ASKS.get(kind, ()), uri)
    if slash:
        after = _whole(given.get("after", "0"), "after", 0, None)
        return Events(task_id=_task_id(head), after=after, limit=_limit(given))
    match head:
        case "queue":
            return Queue(
                states=_states(given.get("state", "")),
                query=given.get("query", ""),
                limit=_limit(given),
                after=given.get("after"),
            )
        case "current":
            return Queue(states=(State.IN_PROGRESS,))
        case "stats":
            return Stats()
    return Feed(given.get("after")) if f"{SCHEME}{head}" == FEED_URI else One(_task_id(head))


class Touched(Struct, frozen=True):
    """What changed: the tasks and the states, before or after, of what was committed; with `all`, anything may have."""

    tasks: frozenset[str] = frozenset()
    states: frozenset[State] = frozenset()
    all: bool = False

    def has(self, named: Place) -> bool:
        """Tell whether what a URI names may be another now."""
        if self.all:
            return True
        match named:
            case Queue():
                return not self.states.isdisjoint(named.states)
            case Stats() | Feed():
                return True
            case One() | Events():
                return named.task_id in self.tasks


def touched(changes: Iterable[Change]) -> Touched:
    """Return what changes touch."""
    told = list(changes)
    states = {state for change in told for state in (change.from_state, change.to_state) if state is not None}
    return Touched(frozenset(change.task_id for change in told if change.task_id != QUEUE), frozenset(states))


def _asked(asked: str, known: tuple[str, ...], uri: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in parse_qsl(asked, keep_blank_values=True, errors="replace", max_num_fields=20):
        if name not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes nothing"
            raise ValueError(f"{uri[:_SHOWN]}: there is no {name[:_SHOWN]!r} to ask for; {takes}")
        given[name] = value
    return given


def _task_id(said: str) -> str:
    task_id = unquote(said)
    wrong = wrong_id(task_id)
    if wrong is not None:
        raise ValueError(wrong)
    return task_id


def _states(said: str) -> tuple[State, ...]:
    if not said:
        return tuple(State)
    names = said.split(",")
    unknown = next((name for name in names if name not in tuple(State)), None)
    if unknown is not None:
        raise ValueError(f"state: there is no state {unknown[:_SHOWN]!r}; the states are {', '.join(State)}")
    return tuple(state for state in State if state in names)


def _limit(given: dict[str, str]) -> int:
    return _whole(given.get("limit", str(LIMIT)), "limit", 1, MOST)


def _whole(said: str, name: str, least: int, most: int | None) -> int:
    number = int(said) if said.isascii() and said.isdigit() and len(said) <= 18 else -1
    if number < least or (most is not None and number > most):
        allowed = f"from {least} to {most:,}" if most is not None else f"from {least} up"
        raise ValueError(f"{name}: a whole number {allowed} is needed, not {said[:_SHOWN]!r}")
    return number
