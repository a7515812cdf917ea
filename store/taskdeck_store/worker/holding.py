"""What a worker holds: parts that are ahead, under way, and done but not yet committed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterator
from itertools import count

from msgspec import Struct

from taskdeck_store.machine import Command
from taskdeck_store.values import Claim, Task
from taskdeck_store.worker.failure import headline
from taskdeck_store.worker.keeping import Heard, Kept
from taskdeck_store.worker.news import Item
from taskdeck_store.worker.part import Part, failed
from taskdeck_store.worker.runners import Runner


class Held(Struct, kw_only=True):
    """A part of the work on a task, from the claim to the commit. `claimed` is when its task was, `begun` when it was
    itself, in seconds of this process's clock; `heard` hears what is said in it.
    """

    part: Part
    task: Task
    claim: Claim
    claimed: float
    kept: Kept | None
    begun: float = 0.0
    heard: Heard | None = None

    def end(self) -> None:
        """Hear no more of it: what it says from now on is not part of the attempt."""
        if self.heard is not None:
            self.heard.end()


class Holding:
    """The parts that a worker of so many jobs holds: those `ahead`, the next first; those `under_way`, by numbers; and
    those that are `done`, each with the commands that commit it.
    """

    def __init__(self, jobs: int) -> None:
        self.ahead: deque[Held] = deque()
        self.under_way: dict[int, Held] = {}
        self.done: list[tuple[tuple[Command, ...], Held]] = []
        self.waits_since = 0.0
        """When the first of what is done was done."""
        self._jobs = jobs
        self._numbers = count(1)

    def __iter__(self) -> Iterator[Held]:
        yield from self.under_way.values()
        yield from self.ahead
        yield from (held for _, held in self.done)

    def add(self, held: Held) -> None:
        """Take a part on. A result is looked at before other work is begun."""
        if held.part is Part.VERIFY:
            self.ahead.appendleft(held)
        else:
            self.ahead.append(held)

    def finish(self, commands: tuple[Command, ...], held: Held) -> None:
        """Keep a part that has ended until it is committed."""
        if not self.done:
            self.waits_since = time.monotonic()
        self.done.append((commands, held))

    def is_late(self, seconds: float) -> bool:
        """Tell whether something that is done has waited for so long."""
        return bool(self.done) and time.monotonic() >= self.waits_since + seconds

    def begin(self, runner: Runner) -> list[Item]:
        """Begin what is ahead, while there are jobs for it; return what could not be begun."""
        in_vain: list[Item] = []
        while self.ahead and len(self.under_way) < self._jobs:
            held, number = self.ahead.popleft(), next(self._numbers)
            held.begun = time.monotonic()
            held.heard = held.kept.part(held.part) if held.kept is not None else None
            self.under_way[number] = held
            try:
                runner.begin(number, held.part, held.task, held.heard)
            except (OSError, RuntimeError) as error:
                in_vain.append((number, failed(f"the work could not be begun: {headline(error)}")))
        return in_vain

    def drop(self, runner: Runner, number: int) -> Held:
        """End a part that is under way, and return it."""
        held = self.under_way.pop(number)
        runner.drop(number)
        held.end()
        return held

    def drop_of(self, runner: Runner, task_ids: Collection[str]) -> list[Held]:
        """End the parts of tasks that are held no more, and return them; what is done is left to its commit."""
        numbers = [number for number, held in self.under_way.items() if held.task.id in task_ids]
        gone = [held for held in self.ahead if held.task.id in task_ids]
        for held in gone:
            self.ahead.remove(held)
        return [self.drop(runner, number) for number in numbers] + gone
