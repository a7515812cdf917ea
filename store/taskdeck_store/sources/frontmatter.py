"""The YAML at the beginning of a Markdown file, between two lines of ``---``; read with PyYAML, and with bounds.

An alias is refused: a few lines of them stand for more than fits into memory.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.printable import one_line
from taskdeck_store.sources.translation import Record, scrubbed
from taskdeck_store.values import Json

if TYPE_CHECKING:
    from types import ModuleType

MOST = 1 << 18
"""No front matter that is longer is read, in characters."""

_PARTS = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"^(\s*(?:assignee|reporter):\s*)(@[^\s#]+)\s*$", re.MULTILINE)
_LEVELS = 20
_NESTED = re.compile(rf"\*|[-?][ \t]+[-?][ \t]| {{{_LEVELS}}}")
"""Without any of these, and with few brackets, there is no alias, and nothing is nested deeply."""


def parted(text: str) -> tuple[str, str] | None:
    """Return the YAML and the rest of a text; None where it does not begin with front matter."""
    found = _PARTS.match(text)
    return (found[1], text[found.end() :]) if found is not None else None


def yaml_of(text: str) -> Record:
    """Return what a YAML text says, as JSON values; a moment is text. Raises ValueError, and StoreError without PyYAML.

    A name with ``@`` may stand without quotes, as Backlog.md lets it.
    """
    yaml = _yaml()
    if len(text) > MOST:
        raise ValueError(f"it is longer than {MOST:,} characters")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = _NAMED.sub(r'\1"\2"', text)
    try:
        if _NESTED.search(text) or text.count("[") + text.count("{") > _LEVELS:
            _check(yaml, text, loader)
        value = yaml.load(text, loader)
        return {} if value is None else _record(value)
    except (yaml.YAMLError, RecursionError, OverflowError, AttributeError, TypeError, KeyError) as error:
        raise ValueError(one_line(str(error), 200)) from error


def _check(yaml: ModuleType, text: str, loader: type) -> None:
    level = 0
    for event in yaml.parse(text, loader):
        if isinstance(event, yaml.events.AliasEvent):
            raise ValueError("it has an alias (*), and these are not read")
        level += isinstance(event, yaml.events.CollectionStartEvent)
        level -= isinstance(event, yaml.events.CollectionEndEvent)
        if level > _LEVELS:
            raise ValueError(f"it is nested more than {_LEVELS} levels deep")


def _record(value: Json) -> Record:
    if not isinstance(value, dict):
        raise ValueError("it is no list of keys and values")
    record: Record = scrubbed(_plain(value))
    return record


def _plain(value: Json) -> Json:
    """Return a value that YAML read as JSON has it."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _yaml() -> ModuleType:
    try:
        import yaml
    except ImportError as error:
        message = "reading Backlog.md takes PyYAML; install it: pip install 'taskdeck[backlog]'"
        raise StoreError(Fault.UNREADABLE, message) from error
    return yaml
