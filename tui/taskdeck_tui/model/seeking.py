"""What is looked for in the past: events of a task, an actor or an action, and when a query becomes true."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from taskdeck_store.query.match import matches, may_match
from taskdeck_store.query.named import asks_age, examples, parse_named
from taskdeck_store.query.parse import QueryError
from taskdeck_store.query.terms import EVERYTHING, BlockedTerm, Query
from taskdeck_store.timeline import NOWHERE, STATES, Timeline
from taskdeck_store.values import Event, Task

_NAMES = ("task", "actor", "action")


class Seek(Struct, frozen=True):
    """Events of one of these tasks, by one of these actors, of one of these actions, after which their task matches a
    query as it did not before. What is left out does not matter; with no query, each such event is meant.
    """

    text: str
    tasks: frozenset[str] = frozenset()
    actors: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    query: Query = EVERYTHING

    def skip(self, timeline: Timeline) -> Callable[[int], bool]:
        """Return what tells, by the position after an event, that it is surely no such event, at little cost."""
        tasks = {timeline.numbers[name] for name in self.tasks if name in timeline.numbers}
        actors = {number for number, name in enumerate(timeline.actors) if not self.actors or name in self.actors}
        actions = {number for number, name in enumerate(timeline.actions) if not self.actions or name in self.actions}
        states = {code for code, state in enumerate(STATES) if may_match(self.query, state)}
        if not self.query:
            states.add(NOWHERE)

        def skip(position: int) -> bool:
            return not (
                timeline.state[position] in states
                and (not self.tasks or timeline.task[position] in tasks)
                and timeline.actor[position] in actors
                and timeline.action[position] in actions
            )

        return skip

    def meets(self, event: Event, before: Task | None, after: Task | None) -> bool:
        """Tell whether this is such an event."""
        for wanted, has in ((self.tasks, event.task_id), (self.actors, event.actor), (self.actions, event.action)):
            if wanted and has not in wanted:
                return False
        if not self.query:
            return True
        is_true = after is not None and matches(self.query, after, event.at)
        return is_true and not (before is not None and matches(self.query, before, event.at))


def parse_seek(text: str, *, me: str) -> Seek:
    """Return what a text looks for: a filter, with ``task:``, ``actor:`` and ``action:`` beside its fields.

    ``task:`` takes whole ids, and means each event of that task; the filter's ``id:`` means when it came to be there.

    Raises QueryError, and nothing else, for a text that means nothing.
    """
    found, query = parse_named(text, _NAMES, me=me)
    if asks_age(query):
        told = "age: no event makes a task older; look for its state, and go on by minutes or hours"
        raise QueryError(told, text.casefold().index("age"))
    if any(isinstance(term, BlockedTerm) for term in query.terms):
        told = "blocked: a task is freed by what happens to others; look for these, as in task:t-1 action:approve"
        raise QueryError(told, text.casefold().index("blocked"))
    if not (query or any(found.values())):
        raise QueryError(f"type what to look for: {examples(_NAMES)} state:failed tag:x …", 0)
    return Seek(text.strip(), found["task"], found["actor"], found["action"], query)
