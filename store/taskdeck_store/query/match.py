"""Whether a task matches a query: the meaning of the filter language, which every store's own search must equal."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

from taskdeck_store import clock, machine
from taskdeck_store.query.terms import BlockedTerm, DueTerm, Field, NumberTerm, Pattern, Query, Term, TextTerm
from taskdeck_store.values import State, Task, Time

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}


def matches(query: Query, task: Task, now: Time) -> bool:
    """Tell whether all terms of a query hold for a task at a moment, to which its age is counted, and what is due."""
    return all(_holds(term, task, now) for term in query.terms)


def may_match(query: Query, state: State) -> bool:
    """Tell whether a task in a state may match a query, as far as its state alone says."""
    return all(_may_hold(term, state) for term in query.terms)


def _may_hold(term: Term, state: State) -> bool:
    if isinstance(term, DueTerm | BlockedTerm):
        return term.negated or state is State.PENDING
    if isinstance(term, NumberTerm) or term.field is not Field.STATE:
        return True
    return any(_fits(pattern, (state,)) for pattern in term.choices) is not term.negated


def _holds(term: Term, task: Task, now: Time) -> bool:
    if isinstance(term, TextTerm):
        return _text_holds(term, task)
    if isinstance(term, NumberTerm):
        return _number_holds(term, task, now)
    if isinstance(term, BlockedTerm):
        return (task.state is State.PENDING and bool(task.blocked) is term.blocked) is not term.negated
    return _due_holds(term, task, now)


def _text_holds(term: TextTerm, task: Task) -> bool:
    values = _texts(term.field, task)
    return any(_fits(pattern, values) for pattern in term.choices) is not term.negated


def _texts(field: Field, task: Task) -> tuple[str, ...]:
    match field:
        case Field.STATE:
            return (task.state,)
        case Field.TAG:
            return task.tags
        case Field.OWNER:
            return () if task.owner is None else (task.owner,)
        case Field.ID:
            return (task.id,)
        case Field.DEPENDS:
            return task.depends_on
        case Field.TITLE:
            return (task.title,)
        case Field.ERROR:
            return () if task.error is None else (task.error,)
        case _:
            found = (task.id, task.title, task.description)
            return found if task.error is None else (*found, task.error)


def _fits(pattern: Pattern, values: tuple[str, ...]) -> bool:
    text = pattern.text
    match pattern.kind:
        case "none":
            return not values
        case "exact":
            return text in values
        case "prefix":
            return any(value.startswith(text) for value in values)
        case "contains":
            return any(_contains(value, text) for value in values)


def _contains(value: str, text: str) -> bool:
    if not text.isascii():
        return text.casefold() in value.casefold()
    if value.isascii():
        return text.lower() in value.lower()
    # bytes.lower() changes A–Z alone; str.lower() would turn the Kelvin sign into a k.
    return text.encode().lower() in value.encode("utf-8", "surrogatepass").lower()


def _due_holds(term: DueTerm, task: Task, now: Time) -> bool:
    holds = task.state is State.PENDING and machine.is_due(task, now) is not term.later
    return holds is not term.negated


def _number_holds(term: NumberTerm, task: Task, now: Time) -> bool:
    number = _number(term.field, task, now)
    return number is not None and _COMPARE[term.op](number, term.value) is not term.negated


def _number(field: Field, task: Task, now: Time) -> float | None:
    if field is Field.ATTEMPTS:
        return task.attempts
    if field is Field.PRIORITY:
        return task.priority
    if task.state_since is None:
        return None
    try:
        return clock.to_seconds(now) - clock.to_seconds(task.state_since)
    except ValueError:
        return None
