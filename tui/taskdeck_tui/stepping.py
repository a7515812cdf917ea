"""From the screen to the handlers: a thread that steps tasks, and what it tells on its way to the screen."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from taskdeck_store.clock import Clock
from taskdeck_store.contract import Store
from taskdeck_store.output import Stream
from taskdeck_store.worker.part import Part
from taskdeck_store.worker.stepped import News
from taskdeck_store.worker.stepping import Stepper
from taskdeck_tui.model.transcript import Transcript, Voice
from taskdeck_tui.outlet import Outlet

TASKS = 50
"""How many tasks have their output kept."""


class Stepping:
    """Steps tasks with the handlers that a reference names, in a thread of its own.

    `news` is run in the thread of the screen with what became of a task, in its order, and `heard` when something was
    said, once until one listens again.
    """

    def __init__(
        self, open_store: Callable[[], Store], handlers: str, outlet: Outlet, *, actor: str, now: Clock
    ) -> None:
        self.news: Callable[[News], None] = lambda _: None
        self.heard: Callable[[], None] = lambda: None
        self.handlers = handlers
        self.stepper = Stepper(open_store, handlers, actor=actor, tell=self._tell, hear=self._hear, now=now)
        self._outlet = outlet
        self._transcripts: dict[str, Transcript] = {}
        self._keeping = threading.Lock()
        self._waiting: deque[News] = deque()
        self._is_heard = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to do what the stepper is asked."""
        if self._thread is None:
            run = self._outlet.guarded(self.stepper.run)
            self._thread = threading.Thread(target=run, name="taskdeck-step", daemon=True)
            self._thread.start()

    def close(self, timeout: float) -> bool:
        """Kill what is under way and give back what is claimed, waiting at most `timeout` seconds; tell whether it is
        done.
        """
        if self._thread is None:
            return True
        self.stepper.stop()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def untold(self) -> Sequence[News]:
        """What came too late for a screen."""
        return tuple(self._waiting)

    def transcript(self, task_id: str) -> Transcript:
        """Return what was said while a task was stepped."""
        with self._keeping:
            found = self._transcripts.pop(task_id, None) or Transcript()
            self._transcripts[task_id] = found
            if len(self._transcripts) > TASKS:
                del self._transcripts[next(iter(self._transcripts))]
            return found

    def listen(self) -> None:
        """Be told again of what is said from now on."""
        self._is_heard = False

    def _hear(self, task_id: str, stream: Stream, text: str) -> None:
        self.transcript(task_id).add(Voice(stream), text)
        self._say_so()

    def _say_so(self) -> None:
        with self._keeping:
            if self._is_heard:
                return
            self._is_heard = True
        self._outlet.hand(lambda: self.heard())

    def _tell(self, news: News) -> None:
        transcript = self.transcript(news.task_id)
        if news.part is not None:
            transcript.add(Voice.HEAD, "execute\n" if news.part is Part.WORK else "verify\n")
        if news.error is not None:
            transcript.add(Voice.ERROR, f"{news.error}\n")
        self._waiting.append(news)
        self._outlet.hand(self._deliver)
        self._say_so()

    def _deliver(self) -> None:
        while self._waiting:
            self.news(self._waiting.popleft())
