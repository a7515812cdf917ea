"""What is to be done with a task: the functions that a worker calls, from whatever holds them."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import Struct

from taskdeck_store.values import Task

Handler: TypeAlias = Callable[[Task], Any | Awaitable[Any]]

_NAMES = ("start", "execute", "verify")


class Failed(Exception):
    """Raised by a handler: the attempt has failed with this message, and where in the code that was says nothing."""


class GiveUp(Failed):
    """Raised by a handler: the task is not to be tried again, and fails with this message."""


class WrongHandlers(Exception):
    """There are no handlers where they were said to be; the message names what, where and what to do."""


class Handlers(Struct, frozen=True, kw_only=True):
    """The functions of a worker, each called with the task as it is committed.

    `start` makes ready for the work. `execute` does it, and returns the result: what JSON can say, dataclasses and
    times too. `verify` is called with the task that has this result, and returns True, False, or False with a reason:
    ``(False, "it is empty")``. Each may be `async`. Without `verify`, the task stays in review for a person.
    """

    execute: Handler
    start: Handler | None = None
    verify: Handler | None = None


def handlers_of(source: object) -> Handlers:
    """Return the handlers that something holds: a module, an object or a class with functions of their names (a class
    is called without arguments first), a mapping of them, or `execute` alone. Raises WrongHandlers.
    """
    if isinstance(source, Handlers):
        return source
    if isinstance(source, type):
        source = source()
    if isinstance(source, Mapping):
        found = {name: source.get(name) for name in _NAMES}
        unknown = sorted(str(name) for name in source if name not in _NAMES)
        if unknown:
            raise WrongHandlers(f"handlers are called {', '.join(_NAMES)}, and not {', '.join(unknown)}")
    else:
        found = {name: getattr(source, name, None) for name in _NAMES}
        if not any(found.values()) and callable(source):
            found["execute"] = source
    for name, function in found.items():
        if function is not None and not callable(function):
            raise WrongHandlers(f"{name} of {_called(source)} is no function")
    if found["execute"] is None:
        raise WrongHandlers(f"{_called(source)} has no function execute(task)")
    return Handlers(**{name: function for name, function in found.items() if function is not None})


def load(reference: str, folder: Path) -> Handlers:
    """Return the handlers that ``module:object``, or a module alone, names; the folder is looked in first.

    Raises WrongHandlers, and whatever the module itself raises when it is imported.
    """
    module_name, _, path = reference.partition(":")
    if module_name.endswith(".py") or "/" in module_name:
        name = Path(module_name).stem
        raise WrongHandlers(f"{module_name} is a file; name the module, as Python imports it: {name}")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise
        raise WrongHandlers(f"there is no module {error.name}, neither in {folder} nor installed") from error
    except (ValueError, TypeError) as error:
        raise WrongHandlers(f"{reference!r} names no module; write MODULE or MODULE:OBJECT") from error
    for name in filter(None, path.split(".")):
        if not hasattr(found, name):
            raise WrongHandlers(f"{module_name} has no {path}")
        found = getattr(found, name)
    return handlers_of(found)


def is_async(function: Handler | None) -> bool:
    """Tell whether a handler is to be awaited."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _called(source: object) -> str:
    return str(getattr(source, "__name__", type(source).__name__))
