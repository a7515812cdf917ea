"""A query as frozen values: terms that must all hold."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias

from msgspec import Struct


class Field(StrEnum):
    """What a term speaks of. TEXT is free text: id, title, description or error; DEPENDS the ids a task depends on."""

    STATE = "state"
    TAG = "tag"
    OWNER = "owner"
    ID = "id"
    TITLE = "title"
    ERROR = "error"
    TEXT = "text"
    ATTEMPTS = "attempts"
    PRIORITY = "priority"
    AGE = "age"
    DUE = "due"
    BLOCKED = "blocked"
    DEPENDS = "depends"


class Pattern(Struct, frozen=True):
    """A text to compare with.

    EXACT and PREFIX respect case; NONE holds where there is no value (no owner, no tag, no error). CONTAINS
    ignores case: of A–Z only while `text` is ASCII, else by Unicode case folding.
    """

    kind: Literal["exact", "prefix", "contains", "none"]
    text: str = ""


class TextTerm(Struct, frozen=True, kw_only=True):
    """One of the choices must match the field (for TAG: some tag of the task); `negated` turns that round."""

    field: Field
    choices: tuple[Pattern, ...]
    negated: bool = False


class NumberTerm(Struct, frozen=True, kw_only=True):
    """A comparison with a number; for AGE, seconds in the present state (a task without that time never matches)."""

    field: Field
    op: Literal["<", "<=", "=", ">=", ">"]
    value: float
    negated: bool = False


class DueTerm(Struct, frozen=True, kw_only=True):
    """A pending task that may be claimed now or, with `later`, only at a moment to come."""

    later: bool
    negated: bool = False


class BlockedTerm(Struct, frozen=True, kw_only=True):
    """A pending task that depends on tasks which are not completed or, where not `blocked`, on none such."""

    blocked: bool
    negated: bool = False


Term: TypeAlias = TextTerm | NumberTerm | DueTerm | BlockedTerm


class Query(Struct, frozen=True):
    """Terms that must all hold, and the text they were parsed from. No terms: every task."""

    terms: tuple[Term, ...] = ()
    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.terms)

    @property
    def is_unsteady(self) -> bool:
        """Whether a task may come to match it, or cease to, that has not changed itself: by time or by other tasks."""
        return any(
            isinstance(term, DueTerm | BlockedTerm) or (isinstance(term, NumberTerm) and term.field is Field.AGE)
            for term in self.terms
        )


EVERYTHING = Query()
