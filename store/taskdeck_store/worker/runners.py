"""Where the parts are done: in threads, on an event loop, or in processes. Each says when one has ended.

What is dropped says so no more: a process is killed, a coroutine is cancelled, and a thread, which nothing can end,
goes on beside the others.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Protocol, TypeAlias

from taskdeck_store.output import Hear, Stream
from taskdeck_store.values import Task
from taskdeck_store.worker.failure import headline
from taskdeck_store.worker.handlers import Handlers
from taskdeck_store.worker.listening import heard_by
from taskdeck_store.worker.part import Ended, Part, do, do_async, failed, needs_loop
from taskdeck_store.worker.process import Process

Tell: TypeAlias = Callable[[int, Ended], None]
"""What a runner calls, from any thread, with the number of a part and what came of it."""


class Runner(Protocol):
    """Does parts beside each other, as many as it is given. Each has a number of its own."""

    def begin(self, number: int, part: Part, task: Task, hear: Hear | None = None) -> None:
        """Begin a part, and have `hear` told what is said meanwhile.

        Raises OSError or RuntimeError when there is no thread or process to be had for it.
        """

    def drop(self, number: int) -> None:
        """End a part, and say nothing of it."""

    def close(self) -> None:
        """End everything, and wait for nothing that may take long."""


class Threads:
    """A thread for each part that is under way, used again for the next."""

    def __init__(self, handlers: Handlers, tell: Tell) -> None:
        self._handlers = handlers
        self._tell = tell
        self._idle: list[_Thread] = []
        self._busy: dict[int, _Thread] = {}
        self._taking = threading.Lock()

    def begin(self, number: int, part: Part, task: Task, hear: Hear | None = None) -> None:
        """Begin a part in a thread."""
        with self._taking:
            thread = self._idle.pop() if self._idle else _Thread(self._work)
            self._busy[number] = thread
        thread.todo.put((number, part, task, hear))

    def drop(self, number: int) -> None:
        """Leave the thread of a part to itself."""
        with self._taking:
            self._busy.pop(number, None)

    def close(self) -> None:
        """End the threads that do nothing."""
        with self._taking:
            idle, self._idle = self._idle, []
            self._busy.clear()
        for thread in idle:
            thread.todo.put(None)

    def _work(self, thread: _Thread) -> None:
        while (item := thread.todo.get()) is not None:
            number, part, task, hear = item
            with heard_by(hear):
                ended = do(self._handlers, part, task)
            with self._taking:
                if self._busy.pop(number, None) is None:
                    return
                self._idle.append(thread)
            self._tell(number, ended)


class _Thread:
    def __init__(self, work: Callable[[_Thread], None]) -> None:
        self.todo: SimpleQueue[tuple[int, Part, Task, Hear | None] | None] = SimpleQueue()
        # A daemon: a handler that never returns must not keep the process from ending.
        threading.Thread(target=work, args=(self,), name="taskdeck-worker", daemon=True).start()


class Loop:
    """An event loop in a thread of its own, for handlers that are to be awaited."""

    def __init__(self, handlers: Handlers, tell: Tell) -> None:
        self._handlers = handlers
        self._tell = tell
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="taskdeck-worker-loop", daemon=True)
        self._thread.start()

    def begin(self, number: int, part: Part, task: Task, hear: Hear | None = None) -> None:
        """Begin a part on the loop."""
        self._loop.call_soon_threadsafe(self._begin, number, part, task, hear)

    def drop(self, number: int) -> None:
        """Cancel a part."""
        self._loop.call_soon_threadsafe(self._cancel, number)

    def close(self) -> None:
        """Cancel what is under way, and end the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=_CLOSING)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        while True:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                # A task that a handler made has raised it: asyncio lets these two through. Its handler is told too.
                continue
            break
        under_way = asyncio.all_tasks(self._loop)
        for task in under_way:
            # Those that were dropped are on their way to their end, and a second time would disturb them in it.
            if not task.cancelling():
                task.cancel()
        self._loop.run_until_complete(asyncio.gather(*under_way, return_exceptions=True))
        self._loop.close()

    def _begin(self, number: int, part: Part, task: Task, hear: Hear | None) -> None:
        self._busy[number] = self._loop.create_task(self._do(number, part, task, hear))

    def _cancel(self, number: int) -> None:
        under_way = self._busy.pop(number, None)
        if under_way is not None:
            under_way.cancel()

    async def _do(self, number: int, part: Part, task: Task, hear: Hear | None) -> None:
        with heard_by(hear):
            ended = await do_async(self._handlers, part, task)
        if self._busy.pop(number, None) is not None:
            self._tell(number, ended)


class Mixed:
    """Threads, and a loop for what is to be awaited."""

    def __init__(self, handlers: Handlers, tell: Tell, hand_in: Tell) -> None:
        """`hand_in` is called instead of `tell` by a thread, which has nothing else to do then."""
        self._handlers = handlers
        self._threads = Threads(handlers, hand_in)
        self._loop = Loop(handlers, tell) if any(needs_loop(handlers, part) for part in Part) else None

    def begin(self, number: int, part: Part, task: Task, hear: Hear | None = None) -> None:
        """Begin a part where it belongs."""
        runner = self._loop if self._loop is not None and needs_loop(self._handlers, part) else self._threads
        runner.begin(number, part, task, hear)

    def drop(self, number: int) -> None:
        """Drop a part, wherever it is."""
        self._threads.drop(number)
        if self._loop is not None:
            self._loop.drop(number)

    def close(self) -> None:
        """End both."""
        self._threads.close()
        if self._loop is not None:
            self._loop.close()


class Processes:
    """A process for each part that is under way, used again for the next. One that is dropped is killed."""

    def __init__(self, reference: str, tell: Tell) -> None:
        self._reference = reference
        self._tell = tell
        self._idle: list[Process] = []
        self._busy: dict[int, Process] = {}
        self._taking = threading.Lock()

    def begin(self, number: int, part: Part, task: Task, hear: Hear | None = None) -> None:
        """Begin a part in a process."""
        process = self._taken() or Process(self._reference)
        with self._taking:
            self._busy[number] = process
        arguments = (number, process, part, task, hear)
        threading.Thread(target=self._work, args=arguments, name="taskdeck-worker", daemon=True).start()

    def drop(self, number: int) -> None:
        """Kill the process of a part."""
        with self._taking:
            process = self._busy.pop(number, None)
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End those that do nothing, and kill the others."""
        with self._taking:
            idle, self._idle = self._idle, []
            busy, self._busy = self._busy, {}
        for process in idle:
            process.end()
        for process in busy.values():
            process.kill()

    def _taken(self) -> Process | None:
        """Return a process that waits for work; one may have been killed while it did."""
        while True:
            with self._taking:
                process = self._idle.pop() if self._idle else None
            if process is None or process.is_alive:
                return process
            process.end()

    def _work(self, number: int, process: Process, part: Part, task: Task, hear: Hear | None) -> None:
        try:
            ended = process.do(part, task, hear or _unheard)
        except Exception as error:
            ended = failed(f"the process that did the work could not be asked: {headline(error)}")
            process.kill()
        with self._taking:
            if self._busy.pop(number, None) is None:
                return
            if process.is_alive:
                self._idle.append(process)
        self._tell(number, ended)


def _unheard(stream: Stream, text: str) -> None:
    """Hear what nobody keeps."""


_CLOSING = 2.0
"""Seconds that coroutines have to end once they are cancelled."""
