"""A small foreign format, to see what is made of any: one JSON object of tasks by their ids, and a program that edits
it. Its words for states are its own; what it cannot say is given as limits.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from taskdeck_store import values
from taskdeck_store.contract import Fault, Stop, StoreError
from taskdeck_store.limits import Limits
from taskdeck_store.machine import Code, Refusal, plain
from taskdeck_store.source import Kind, Move, Sight
from taskdeck_store.values import State, Task
from taskdeck_store.watch import FolderWatch

WORDS = {"todo": State.PENDING, "doing": State.IN_PROGRESS, "look": State.REVIEW, "done": State.COMPLETED}
ALL_WORDS = {**WORDS, "dead": State.FAILED}
FIELDS = ("id", "title", "state", "priority", "result")
_KEPT = tuple(name for name in values.FIELDS if name not in ("id", "title", "state", "priority", *values.TIMES))
"""What a whole ledger says under Taskdeck's own names."""
NO_FAILED = Limits(words=WORDS, fields=FIELDS, lacks={State.FAILED: "a ledger has no word for it"}, observed=True)
NO_REVIEW = Limits(
    words={word: state for word, state in ALL_WORDS.items() if word != "look"},
    fields=FIELDS,
    lacks={State.REVIEW: "a ledger has no word for it"},
    observed=True,
)
WHOLE = Limits(words=ALL_WORDS, fields=FIELDS, observed=True)
EVERYTHING = Limits(words=ALL_WORDS, fields=("id", "title", "state", "priority", *_KEPT, "not_before"), observed=True)
TIMED = Limits(words=ALL_WORDS, fields=(*FIELDS, "created_at", "state_since"), observed=True)


_PLAIN = Task(id="", title="")


class Ledger:
    """The file as a `taskdeck_store.source.Source`. Tests set what goes wrong."""

    kind = "ledger"

    def __init__(self, path: Path, limits: Limits = WHOLE) -> None:
        self.path = path
        self.limits = limits
        self.read_only: str | None = None
        self.place = os.path.realpath(path)
        self.lies = False
        """It says that it wrote, and writes nothing."""
        self.dies: BaseException | None = None
        """What it raises once it has written."""
        self._mark: object = None
        self._tried: object = None
        self._watch = FolderWatch(path)

    def is_stale(self) -> bool:
        return self._stamp() != self._mark

    def look(self, since: str = "") -> Sight:
        mark = self._tried = self._stamp()
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise StoreError(Fault.MISSING, f"there is no {self.path}") from error
        except (OSError, ValueError) as error:
            raise StoreError(Fault.UNREADABLE, f"cannot read {self.path}: {error}") from error
        self._mark = mark
        return Sight(tasks=tuple(self._task(task_id, said) for task_id, said in data.items()))

    def carry_out(self, moves: Sequence[Move]) -> Mapping[int, Refusal]:
        if self.lies:
            return {}
        data = json.loads(self.path.read_text(encoding="utf-8"))
        words = {state: word for word, state in self.limits.words.items()}
        refused: dict[int, Refusal] = {}
        for number, move in enumerate(moves):
            found = data.get(move.task.id)
            if (None if found is None else self._task(move.task.id, found)) != move.seen:
                refused[number] = Refusal(code=Code.CONFLICT, message=f"{move.task.id} changed meanwhile")
                continue
            said = data.setdefault(move.task.id, {})
            said |= {"is": words[move.task.state], "what": move.task.title, "rank": move.task.priority}
            for name in self._more:
                value = plain(getattr(move.task, name))
                if value != plain(getattr(_PLAIN, name)) or name in said:
                    said[name] = value
        self.save(data)
        if self.dies is not None:
            raise self.dies
        return refused

    def wait(self, timeout: float, stop: Stop | None = None) -> bool:
        return self._stamp() != self._tried or self._watch.wait(timeout, stop)

    def close(self) -> None:
        self._watch.close()

    def save(self, data: Any) -> None:
        """Write the file as any program would that has seen better days, and whole."""
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps(data), encoding="utf-8")
        draft.replace(self.path.resolve())

    def edit(self, **tasks: Mapping[str, Any] | None) -> None:
        """Change tasks as another program: what is given of each; None takes it away."""
        data = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}
        for task_id, said in tasks.items():
            if said is None:
                del data[task_id]
            else:
                data[task_id] = {"is": "todo", "what": task_id, "rank": 5, **data.get(task_id, {}), **said}
        self.save(data)

    def _task(self, task_id: str, said: Mapping[str, Any]) -> Task:
        more = {name: said.get(name, plain(getattr(_PLAIN, name))) for name in self._more}
        for name in values.LISTS:
            if name in more:
                more[name] = tuple(more[name] or ())
        known = ("is", "what", "rank", *self._more)
        return Task(
            id=task_id,
            title=said["what"],
            state=self.limits.words[said["is"]],
            priority=said["rank"],
            extra={name: value for name, value in said.items() if name not in known},
            **more,
        )

    @property
    def _more(self) -> tuple[str, ...]:
        return tuple(name for name in self.limits.fields if name not in ("id", "title", "state", "priority"))

    def _stamp(self) -> object:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return (found.st_ino, found.st_mtime_ns, found.st_size)


def kind(limits: Limits = WHOLE) -> Kind:
    """Return ledgers as a kind of store, with limits."""
    return Kind(
        name="ledger",
        recognises=lambda path: path.suffix == ".ledger",
        open=lambda address: Ledger(Path(address), limits),
        nearby=lambda folder: sorted(map(str, folder.glob("*.ledger"))),
    )


KIND = kind()
WHOLE_KIND = kind(EVERYTHING)
