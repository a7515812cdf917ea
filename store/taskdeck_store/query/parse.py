r"""From the text of a filter to a query.

Terms stand apart by white space and must all hold: ``state:review tag:x attempts>1 age>1h "some text" -tag:y``.

- ``field:value`` (or ``=``); ``a,b`` is either; ``a*`` begins with a; ``owner:me``; ``none`` is no owner, tag, error,
  or task it depends on.
- ``attempts`` and ``priority`` compare with a whole number, ``age`` with a time such as ``90s``, ``15m``, ``1h30m``,
  ``2d``, ``1w``, by ``=`` (not age) ``<`` ``<=`` ``>`` ``>=``.
- ``blocked:yes`` is a pending task that depends on others which are not completed, ``blocked:no`` one that does not;
  ``depends:ID`` depends on that task, completed or not.
- ``due:now`` is a pending task that may be claimed, ``due:later`` one whose time is still to come.
- Any other word is free text: id, title, description or error contains it. ``-`` before a term turns it round.
- ``"…"`` takes a value as it stands, spaces, commas and stars included; ``\`` takes the next character as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NoReturn

from taskdeck_store.query.terms import BlockedTerm, DueTerm, Field, NumberTerm, Pattern, Query, Term, TextTerm
from taskdeck_store.validity import WHOLE_LIMIT
from taskdeck_store.values import State

NUMBERS: Final = (Field.ATTEMPTS, Field.PRIORITY, Field.AGE)
"""The fields that are compared; all others hold text."""

OPTIONAL: Final = (Field.TAG, Field.OWNER, Field.ERROR, Field.DEPENDS)
"""The fields a task may be without, so that ``none`` has a meaning."""

DUE: Final = ("now", "later")
"""What a pending task can be due."""

BLOCKED: Final = ("yes", "no")
"""Whether a pending task is blocked."""

ME = "me"
NONE = "none"
LONGEST_AGE = 100 * 365 * 86_400
MOST_VALUES = 200
"""Databases refuse conditions that are nested deeper than some hundreds."""

_CONTAINING = (Field.TITLE, Field.ERROR, Field.TEXT)
_EXAMPLES = {Field.ATTEMPTS: "attempts>1", Field.PRIORITY: "priority<3", Field.AGE: "age>1h30m"}
_TOO_OLD = "an age is at most 100y"
_DIGITS = 10
_SHOWN = 30
_OPS: Mapping[str, Literal["<", "<=", "=", ">=", ">"]] = {
    ":": "=",
    "=": "=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
}
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}

_HEAD = re.compile(r"([A-Za-z_]+)(!=|:|<=|>=|<|>|=)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_WORD = re.compile(r"\S+")
_VALUE = re.compile(r"[^\s,]*")
_NUMBER = re.compile(r"-?[0-9]+")
_AGE = re.compile(r"(?:[0-9]+[smhdwy])+")
_AGE_PART = re.compile(r"([0-9]+)([smhdwy])")
_PLAIN = re.compile(r'[^\s,"*][^\s,]*')


class QueryError(ValueError):
    """A filter that cannot be understood: what is wrong and how to right it, and the 0-based place in its text."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


def parse(text: str, *, me: str) -> Query:
    """Return the query that a text means; `me` is the actor that ``owner:me`` stands for.

    Raises QueryError, and nothing else, for a text that is no filter.
    """
    terms: list[Term] = []
    at = values = 0
    while word := _WORD.search(text, at):
        at = word.start()
        negated = text[at] == "-" and word.end() > at + 1
        term, end = _term(text, at + negated, negated, me)
        values += len(term.choices) if isinstance(term, TextTerm) else 1
        if values > MOST_VALUES:
            raise QueryError(f"a filter takes at most {MOST_VALUES} values; this term is beyond", at)
        terms.append(term)
        at = end
    return Query(tuple(terms), text)


def quoted(value: str) -> str:
    """Return a value as it is written in a filter to mean itself, in quotes if it needs them."""
    if _PLAIN.fullmatch(value) and not value.endswith("*") and value not in (ME, NONE):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def state_named(word: str) -> State | None:
    """Return the state that a word means: its name, in any case, with ``-`` or space for ``_``, or the start of it."""
    name = re.sub(r"[ -]", "_", word.lower())
    return next((state for state in State if name and state.startswith(name)), None)


def _term(text: str, at: int, negated: bool, me: str) -> tuple[Term, int]:
    head = _HEAD.match(text, at)
    if head is None:
        return _free_text(text, at, negated)
    field = _field(head[1], at)
    if head[2] == "!=":
        raise QueryError(f"for not, put - before the term: -{field}:VALUE", head.start(2))
    if field in NUMBERS:
        return _number_term(text, field, head, negated)
    if head[2] not in ":=":
        raise QueryError(f"{field} is text and cannot be compared with {head[2]}; write {field}:VALUE", head.start(2))
    if field is Field.DUE:
        later, end = _choice(text, head.end(), DUE, "a task is due:now or due:later")
        return DueTerm(later=later == "later", negated=negated), end
    if field is Field.BLOCKED:
        blocked, end = _choice(text, head.end(), BLOCKED, "write blocked:yes or blocked:no")
        return BlockedTerm(blocked=blocked == "yes", negated=negated), end
    return _text_term(text, field, head.end(), negated, me)


def _free_text(text: str, at: int, negated: bool) -> tuple[Term, int]:
    if text[at] == '"':
        value, end = _quotation(text, at)
        _expect_end(text, end, " ")
    else:
        word = _WORD.match(text, at)
        assert word is not None
        value, end = word[0], word.end()
    return TextTerm(field=Field.TEXT, choices=(Pattern("contains", value),), negated=negated), end


def _field(name: str, at: int) -> Field:
    try:
        return Field(name.lower())
    except ValueError:
        pass
    from difflib import get_close_matches

    nearest = get_close_matches(name.lower()[:_SHOWN], list(Field), n=1)
    fields = f"the fields are {', '.join(Field)}; put text that looks like a field in quotes"
    raise QueryError(f"unknown field {_cut(name)}; {f'did you mean {nearest[0]}?' if nearest else fields}", at)


def _text_term(text: str, field: Field, at: int, negated: bool, me: str) -> tuple[Term, int]:
    choices: list[Pattern] = []
    while True:
        if text[at : at + 1] == '"':
            value, end = _quotation(text, at)
            starred = text[end : end + 1] == "*"
            end += starred
            _expect_end(text, end, " ,")
            plain = False
        else:
            found = _VALUE.match(text, at)
            assert found is not None
            value, end = found[0], found.end()
            if not value:
                raise QueryError(f"{field} needs a value here, as in {_example(field)}", at)
            starred = value.endswith("*")
            value = value.removesuffix("*")
            plain = True
        choices.append(_pattern(field, value, at, starred=starred, plain=plain, me=me))
        if text[end : end + 1] != ",":
            return TextTerm(field=field, choices=tuple(choices), negated=negated), end
        at = end + 1


def _pattern(field: Field, value: str, at: int, *, starred: bool, plain: bool, me: str) -> Pattern:
    if field is Field.STATE:
        return _state(value, at)
    if starred:
        return Pattern("prefix", value)
    if plain and value == NONE and field in OPTIONAL:
        return Pattern("none")
    if plain and value == ME and field is Field.OWNER:
        return Pattern("exact", me)
    return Pattern("contains" if field in _CONTAINING else "exact", value)


def _state(value: str, at: int) -> Pattern:
    state = state_named(value)
    if state is None:
        raise QueryError(f"unknown state {_cut(value)}; the states are {', '.join(State)}", at)
    return Pattern("exact", state.value)


def _number_term(text: str, field: Field, head: re.Match[str], negated: bool) -> tuple[Term, int]:
    op = _OPS[head[2]]
    if field is Field.AGE and op == "=":
        raise QueryError("no age is exact to the microsecond; write age> or age<", head.start(2))
    at = head.end()
    found = _WORD.match(text, at)
    written = found[0] if found else ""
    value = _seconds(written, at) if field is Field.AGE else _whole(written, at, field)
    return NumberTerm(field=field, op=op, value=value, negated=negated), at + len(written)


def _choice(text: str, at: int, choices: Sequence[str], message: str) -> tuple[str, int]:
    """Return which of some words stands at a place, and where it ends."""
    found = _WORD.match(text, at)
    written = found[0] if found else ""
    if written.lower() not in choices:
        raise QueryError(message, at)
    return written.lower(), at + len(written)


def _whole(written: str, at: int, field: Field) -> float:
    if not _NUMBER.fullmatch(written):
        _refuse_number(f"{field} needs a whole number here, as in {_EXAMPLES[field]}", written, _NUMBER, at)
    if len(written) > _DIGITS + 1 or abs(int(written)) > WHOLE_LIMIT:
        raise QueryError(f"{field} lies between {-WHOLE_LIMIT:,} and {WHOLE_LIMIT:,}", at)
    return float(written)


def _seconds(written: str, at: int) -> float:
    if not _AGE.fullmatch(written):
        message = f"age needs a time here, in s, m, h, d, w or y, as in {_EXAMPLES[Field.AGE]}"
        _refuse_number(message, written, _AGE, at)
    parts = _AGE_PART.findall(written)
    if any(len(digits) > _DIGITS for digits, _ in parts):
        raise QueryError(_TOO_OLD, at)
    seconds = sum(int(digits) * _SECONDS[unit] for digits, unit in parts)
    if seconds > LONGEST_AGE:
        raise QueryError(_TOO_OLD, at)
    return float(seconds)


def _refuse_number(message: str, written: str, form: re.Pattern[str], at: int) -> NoReturn:
    good = form.match(written)
    raise QueryError(message, at + (good.end() if good else 0))


def _quotation(text: str, at: int) -> tuple[str, int]:
    found = _QUOTED.match(text, at)
    if found is None:
        raise QueryError('this quote is not closed; add a " at its end', at)
    return _ESCAPE.sub(r"\1", found[1]), found.end()


def _expect_end(text: str, at: int, allowed: str) -> None:
    following = text[at : at + 1]
    if following and not following.isspace() and following not in allowed:
        wanted = "a space or a comma" if "," in allowed else "a space"
        raise QueryError(f"{wanted} must come after the closing quote", at)


def _cut(word: str) -> str:
    return repr(word if len(word) <= _SHOWN else word[: _SHOWN - 1] + "…")


def _example(field: Field) -> str:
    return "state:review" if field is Field.STATE else f"{field}:VALUE"
