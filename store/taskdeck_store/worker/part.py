"""One part of the work on a task: it is done, or looked at; and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from taskdeck_store.values import Json, Task
from taskdeck_store.worker import tracing
from taskdeck_store.worker.failure import bounded, told
from taskdeck_store.worker.handlers import Failed, GiveUp, Handler, Handlers, is_async


class Part(StrEnum):
    """What is to be done with a task: the handlers `start` and `execute`, or `verify`."""

    WORK = "work"
    VERIFY = "verify"


class Ended(Struct, frozen=True, kw_only=True):
    """What came of a part: a result, or a verdict with its reason, or the error that ended it.

    `final` says that the task is not to be tried again.
    """

    result: Json = None
    verdict: bool = True
    reason: str | None = None
    error: str | None = None
    final: bool = False


def needs_loop(handlers: Handlers, part: Part) -> bool:
    """Tell whether a part is to be awaited."""
    return any(map(is_async, _functions(handlers, part)))


def do(handlers: Handlers, part: Part, task: Task) -> Ended:
    """Do a part, and return what came of it, whatever that is."""
    with tracing.span(part, task) as span:
        try:
            answer: object = None
            for function in _functions(handlers, part):
                answer = function(task)
            return _ended(part, answer)
        except BaseException as error:
            tracing.fail(span, error)
            return _failed(error)


async def do_async(handlers: Handlers, part: Part, task: Task) -> Ended:
    """Do a part whose handlers are to be awaited, as `do`; one that is not is called in a thread."""
    with tracing.span(part, task) as span:
        try:
            answer: object = None
            for function in _functions(handlers, part):
                answer = await _awaitable(function, task)
            return _ended(part, answer)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            tracing.fail(span, error)
            return _failed(error)


def _functions(handlers: Handlers, part: Part) -> list[Handler]:
    found = (handlers.start, handlers.execute) if part is Part.WORK else (handlers.verify,)
    return [function for function in found if function is not None]


def _awaitable(function: Callable[[Task], Any], task: Task) -> Awaitable[Any]:
    return function(task) if is_async(function) else asyncio.to_thread(function, task)


def _ended(part: Part, answer: object) -> Ended:
    if part is Part.WORK:
        return Ended(result=msgspec.to_builtins(answer, str_keys=True))
    if isinstance(answer, tuple) and len(answer) == 2:
        verdict, reason = answer
    else:
        verdict, reason = answer, None
    if not isinstance(verdict, bool) or not (reason is None or isinstance(reason, str)):
        shown = repr(answer)[:80]
        raise TypeError(f"verify returned {shown}; it must return True, False, or (False, 'why')")
    return Ended(verdict=verdict, reason=bounded(reason) if reason is not None else None)


def _failed(error: BaseException) -> Ended:
    if isinstance(error, Failed):
        message = bounded(str(error) or "it failed, and its handler does not say why")
        return Ended(verdict=False, error=message, final=isinstance(error, GiveUp))
    return Ended(verdict=False, error=told(error))
