"""One part of the work on a task: it is done, or looked at; and what came of it."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable
from contextlib import suppress
from contextvars import copy_context
from enum import StrEnum
from functools import partial

import msgspec
from msgspec import Struct

from taskdeck_store import jsontext
from taskdeck_store.values import Json, Task
from taskdeck_store.worker import tracing
from taskdeck_store.worker.failure import bounded, message, told
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


def failed(error: str, *, final: bool = False) -> Ended:
    """Return what has come of a part that an error ended."""
    return Ended(verdict=False, error=error, final=final)


def needs_loop(handlers: Handlers, part: Part) -> bool:
    """Tell whether a part is to be awaited."""
    return any(map(is_async, _functions(handlers, part)))


def do(handlers: Handlers, part: Part, task: Task) -> Ended:
    """Do a part, and return what came of it, whatever that is. It raises nothing."""
    with tracing.span(part, task) as span:
        try:
            answer: object = None
            for function in _functions(handlers, part):
                answer = function(task)
                if inspect.isawaitable(answer):
                    answer = asyncio.run(_awaited(answer))
            return _ended(part, answer)
        except BaseException as error:
            tracing.fail(span, error)
            return _failed(error)


async def do_async(handlers: Handlers, part: Part, task: Task) -> Ended:
    """Do a part whose handlers are to be awaited, as `do`; one that is not is called in a thread.

    Raises CancelledError when it is cancelled itself.
    """
    with tracing.span(part, task) as span:
        try:
            answer: object = None
            for function in _functions(handlers, part):
                answer = await function(task) if is_async(function) else await _in_thread(function, task)
                if inspect.isawaitable(answer):
                    answer = await answer
            return _ended(part, answer)
        except BaseException as error:
            current = asyncio.current_task()
            # What a handler cancelled, and waits for, is an error as any other.
            if isinstance(error, asyncio.CancelledError) and current is not None and current.cancelling():
                raise
            tracing.fail(span, error)
            return _failed(error)


def _functions(handlers: Handlers, part: Part) -> list[Handler]:
    found = (handlers.start, handlers.execute) if part is Part.WORK else (handlers.verify,)
    return [function for function in found if function is not None]


async def _awaited(answer: Awaitable[object]) -> object:
    return await answer


class _Raised(Exception):
    """Carries what was raised in a thread: a StopIteration cannot be raised in a coroutine as it is."""


async def _in_thread(function: Handler, task: Task) -> object:
    # A thread of its own, and a daemon: one of asyncio's pool would keep the process from ending, and is one of few.
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[tuple[object, BaseException | None]] = loop.create_future()

    def answer(found: object, error: BaseException | None) -> None:
        if not answered.done():
            answered.set_result((found, error))

    def work() -> None:
        found: object = None
        raised: BaseException | None = None
        try:
            found = function(task)
        except BaseException as error:
            raised = error
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(answer, found, raised)

    # What it says is said in the attempt, and its spans lie in that of the attempt.
    work_here = partial(copy_context().run, work)
    threading.Thread(target=work_here, name="taskdeck-worker", daemon=True).start()
    found, error = await answered
    if error is not None:
        raise _Raised from error
    return found


def _ended(part: Part, answer: object) -> Ended:
    if part is Part.WORK:
        return Ended(result=jsontext.plain(msgspec.to_builtins(answer, str_keys=True)))
    if isinstance(answer, tuple) and len(answer) == 2:
        verdict, reason = answer
    else:
        verdict, reason = answer, None
    if not isinstance(verdict, bool) or not (reason is None or isinstance(reason, str)):
        shown = repr(answer)[:80]
        raise TypeError(f"verify returned {shown}; it must return True, False, or (False, 'why')")
    return Ended(verdict=verdict, reason=bounded(reason) if reason is not None else None)


def _failed(error: BaseException) -> Ended:
    if isinstance(error, _Raised) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, Failed):
        why = message(error) or "it failed, and its handler does not say why"
        return failed(why, final=isinstance(error, GiveUp))
    return failed(told(error))
