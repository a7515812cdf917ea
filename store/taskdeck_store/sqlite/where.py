"""A query as SQL: the same tasks as `taskdeck_store.query.match.matches` finds, found by the database."""

from __future__ import annotations

from copy import copy
from functools import lru_cache
from typing import TYPE_CHECKING

from taskdeck_store import clock
from taskdeck_store.query.match import may_match
from taskdeck_store.query.terms import BlockedTerm, DueTerm, Field, NumberTerm, Pattern, Query
from taskdeck_store.sqlite import rows
from taskdeck_store.values import State, Time

if TYPE_CHECKING:
    from apsw import Connection, SQLiteValue

_COLUMNS = {Field.OWNER: ("owner",), Field.ID: ("id",), Field.TITLE: ("title",), Field.ERROR: ("error",)}
_LISTS = {Field.TAG: "tags", Field.DEPENDS: "depends_on"}
_FREE_TEXT = ("id", "title", "description", "error")
_EARLIEST, _LATEST = "", "~"
_ESCAPED = str.maketrans({character: "!" + character for character in "!%_"})
_LONG = 10_000
"""LIKE is thrice as fast as instr and lower, but SQLite refuses its long patterns."""


class Where:
    """A query in SQL: `states` that can hold a match, and a condition that a row of `tasks` must meet beside it.

    `condition` is empty, or begins with AND; `parameters` are those of its question marks.
    """

    def __init__(self, query: Query, now: Time) -> None:
        self.states = _states(query)
        self.parameters: list[SQLiteValue] = []
        self.condition = ""
        for term in query.terms:
            if isinstance(term, NumberTerm):
                self.condition += f" AND {self._number(term, now)}"
            elif isinstance(term, DueTerm):
                self.condition += f" AND {self._due(term, now)}"
            elif isinstance(term, BlockedTerm):
                holds = f"blocked {'>' if term.blocked is not term.negated else '='} 0"
                self.condition += f" AND {_or_elsewhere(holds, term)}"
            elif term.field is not Field.STATE:
                holds = " OR ".join(self._pattern(term.field, pattern) for pattern in term.choices) or "FALSE"
                self.condition += f" AND ({holds}) IS {'NOT TRUE' if term.negated else 'TRUE'}"

    def without(self, other: Where) -> Where:
        """Return the condition that holds where this one does, of pending tasks, and another does not."""
        if State.PENDING not in other.states:
            return self
        found = copy(self)
        found.condition += f" AND (TRUE{other.condition}) IS NOT TRUE"
        found.parameters = [*self.parameters, *other.parameters]
        return found

    def _pattern(self, field: Field, pattern: Pattern) -> str:
        if field in _LISTS:
            column = _LISTS[field]
            if pattern.kind == "none":
                return f"{column} = '[]' OR json_array_length({column}) = 0"
            fits = self._fits("CAST(value AS TEXT)", pattern)
            return f"{column} <> '[]' AND EXISTS (SELECT 1 FROM json_each({column}) WHERE {fits})"
        columns = _COLUMNS.get(field, _FREE_TEXT)
        if pattern.kind == "none":
            return " AND ".join(f"{column} IS NULL" for column in columns)
        return " OR ".join(self._fits(column, pattern) for column in columns)

    def _fits(self, column: str, pattern: Pattern) -> str:
        text = pattern.text
        if not rows.is_text(text):
            return "FALSE"
        if pattern.kind == "exact":
            self.parameters.append(text)
            return f"{column} = ?"
        if pattern.kind == "prefix":
            self.parameters += (len(text), text)
            return f"substr({column}, 1, ?) = ?"
        if not text.isascii():
            self.parameters.append(text.casefold())
            return f"instr(casefold(CAST({column} AS BLOB)), ?) > 0"
        if len(text) > _LONG:
            self.parameters.append(text.lower())
            return f"instr(lower({column}), ?) > 0"
        self.parameters.append("%" + text.translate(_ESCAPED) + "%")
        return f"{column} LIKE ? ESCAPE '!'"

    def _number(self, term: NumberTerm, now: Time) -> str:
        if term.field is Field.AGE:
            self.parameters.append(_moment(now, term.value))
            # An older task has the lesser moment: the comparison turns round.
            op = term.op.translate(str.maketrans("<>", "><"))
            return f"{'NOT ' if term.negated else ''}(state_since {op} ?) AND state_since > ''"
        self.parameters.append(term.value)
        return f"{'NOT ' if term.negated else ''}({term.field} {term.op} ?)"

    def _due(self, term: DueTerm, now: Time) -> str:
        self.parameters.append(now)
        # With a bare column SQLite may take the index of the moments, and then has to sort what it finds.
        holds = f"coalesce(not_before, '') {'>' if term.later is not term.negated else '<='} ?"
        return _or_elsewhere(holds, term)


def prepare(connection: Connection) -> None:
    """Give a connection the functions that the conditions call."""
    connection.create_scalar_function("casefold", _casefold, 1, deterministic=True)


def _casefold(*values: SQLiteValue) -> SQLiteValue:
    (value,) = values
    # Bytes, because a text that is no UTF-8 cannot be given to a function; it counts as what is shown of it.
    return value.decode("utf-8", "replace").casefold() if isinstance(value, bytes) else value


def _or_elsewhere(holds: str, term: DueTerm | BlockedTerm) -> str:
    """What a term says of pending tasks; turned round, it holds for all others as well."""
    return f"(state <> '{State.PENDING}' OR {holds})" if term.negated else holds


def _moment(now: Time, age: float) -> Time:
    try:
        return clock.plus(now, -age)
    except OverflowError:
        return _EARLIEST if age > 0 else _LATEST


@lru_cache(maxsize=64)
def _states(query: Query) -> tuple[State, ...]:
    return tuple(state for state in State if may_match(query, state))
