"""From what a server says to tasks: lists or objects, ``title`` or ``description``, ``state`` or ``status``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType

from taskdeck_store import clock, jsontext, validity
from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.mcp.client.offer import BESIDE, QUEUE
from taskdeck_store.printable import one_line
from taskdeck_store.source import Sight
from taskdeck_store.values import FIELDS, TIMES, Json, State, Task

WORDS: Mapping[str, State] = {
    **{str(state): state for state in State},
    **dict.fromkeys(("todo", "to_do", "open", "new", "queued", "waiting", "ready", "backlog"), State.PENDING),
    **dict.fromkeys(("doing", "active", "running", "started", "working", "claimed", "current"), State.IN_PROGRESS),
    **dict.fromkeys(("in_review", "reviewing", "needs_review", "submitted"), State.REVIEW),
    **dict.fromkeys(("complete", "done", "finished", "closed", "success", "succeeded", "approved"), State.COMPLETED),
    **dict.fromkeys(("fail", "error", "errored", "cancelled", "canceled", "abandoned"), State.FAILED),
}
"""As which state a server's word is shown, written with underscores and in lower case."""

MOST = 100_000
"""How many tasks a server may have."""

_LISTS = ("tasks", "queue", "items", "results", "data")
_TITLES = ("title", "description", "subject", "name")
_FLAWS_MOST = 20
_SHOWN = 40
_KEPT_OF_ID = 150
_LIKE_OURS = re.compile("~[0-9A-F]{2}")
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_LISTED = "\0listed"
"""Where it is noted of a task under which state it was listed; no JSON key is spelled so by accident."""
_TOLD_BY_US = frozenset(("blocked", "cut", "status", "version"))

_Data: TypeAlias = dict[str, Json]


class Reading(Struct, frozen=True, kw_only=True):
    """What a server's tasks are, under which ids of its own, and how it says it.

    `own` has the server's own id of each task whose id is another; `words` are its words for states; `fields` are
    those that any of its tasks has, or had; `title` is the key that holds the title. `known` has what texts of tasks
    were read as, for the next reading: most of them stay as they are.
    """

    sight: Sight
    own: Mapping[str, Json]
    words: Mapping[str, State]
    fields: frozenset[str]
    title: str
    known: Mapping[bytes, tuple[Json, Task]]


class _Row:
    """A task as it is listed: what it says, or what the same text was read as before."""

    __slots__ = ("data", "own", "task", "text")

    def __init__(self, data: _Data, own: Json, text: bytes | None = None, task: Task | None = None) -> None:
        self.data = data
        self.own = own
        self.text = text
        self.task = task


class _Listed(Struct):
    tasks: list[msgspec.Raw]
    id: msgspec.Raw | UnsetType = UNSET


_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(_Listed)


def reading_of(texts: Iterable[tuple[str, str]], server: str, before: Reading | None = None) -> Reading:
    """Return what the texts of resources say, each given with its URI. Raises StoreError where the queue's own is none.

    Of a task that is read more than once, what was read last counts where the queue was read in pages. What another
    resource says counts for what the queue does not say. `before` is an earlier reading, which makes it faster.
    """
    texts = tuple(texts)
    found = _Reader(server, before).read(texts)
    # Where another key is the title now, every task reads otherwise.
    return found if before is None or found.title == before.title else _Reader(server, None).read(texts)


class _Reader:
    def __init__(self, server: str, before: Reading | None) -> None:
        self._server = server
        self._before = before
        self._known: Mapping[bytes, tuple[Json, Task]] = {} if before is None else before.known
        self._found: dict[str, _Row] = {}
        self._own: dict[str, Json] = {}
        self._flaws: dict[str, tuple[int, str]] = {}
        self._words = {} if before is None else dict(before.words)
        self._fields = {"id", "title", "state"} if before is None else set(before.fields)

    def read(self, texts: Iterable[tuple[str, str]]) -> Reading:
        pages = 0
        for number, (uri, text) in enumerate(texts):
            pages += uri == QUEUE
            try:
                rows = list(self._rows(uri, text))
            except ValueError as error:
                if number == 0:
                    raise self._foreign(f"{uri} is no list of tasks: {one_line(str(error), 160)}") from error
                self._flaw("list", f"{uri} is no list of tasks: {one_line(str(error), 80)}")
                continue
            if len(rows) + len(self._found) > MOST:
                raise self._foreign(f"it has more than {MOST:,} tasks, which is more than is read")
            self._take(rows, uri, anew=uri == QUEUE and pages > 1)
        title = self._title()
        known: dict[bytes, tuple[Json, Task]] = {}
        tasks = []
        for task_id, row in self._found.items():
            flaws = sum(count for count, _ in self._flaws.values()) if row.task is None else 0
            task = row.task or self._task(task_id, row.data, title)
            tasks.append(task)
            if row.text is not None and (row.task or flaws == sum(count for count, _ in self._flaws.values())):
                known[row.text] = row.own, task
        return Reading(
            sight=Sight(tasks=tuple(tasks), flaws=tuple(self._told())),
            own=self._own,
            words=self._words,
            fields=frozenset(self._fields),
            title=title,
            known=known,
        )

    def _title(self) -> str:
        anew = [row.data for row in self._found.values() if row.task is None]
        names = [name for name in _TITLES if any(name in data for data in anew)]
        if self._before is not None and len(anew) < len(self._found):
            names.append(self._before.title)
        return min(names, key=_TITLES.index, default=_TITLES[0])

    def _rows(self, uri: str, text: str) -> Iterator[tuple[Json, str | None]]:
        """Yield what a resource lists, each with the state under which it is listed, if it is."""
        name = uri.removeprefix("task://")
        listed = name if name in BESIDE else None
        rows = self._quickly(text)
        yield from self._slowly(text, listed) if rows is None else ((row, listed) for row in rows)

    def _quickly(self, text: str) -> list[Json] | None:
        """Return the rows of a list of objects; None where the text is something else."""
        try:
            texts = _LIST.decode(text) if text.lstrip().startswith("[") else self._listed(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        rows: list[Json] = []
        for raw in map(bytes, texts):
            seen = self._known.get(raw)
            if seen is not None:
                rows.append(_Row({}, seen[0], raw, seen[1]))
                continue
            data = jsontext.decode(raw)
            if raw.count(b"[") + raw.count(b"{") > jsontext.NESTING and jsontext.depth(data) >= jsontext.NESTING:
                self._flaw("nested", f"a task is nested more than {jsontext.NESTING} levels deep; it is not shown")
            else:
                rows.append(_Row(data, data.get("id"), raw) if isinstance(data, dict) else data)
        return rows

    def _listed(self, text: str) -> list[msgspec.Raw]:
        found = _OBJECT.decode(text)
        if found.id is not UNSET:
            raise msgspec.ValidationError("it is a task itself")
        return found.tasks

    def _slowly(self, text: str, listed: str | None) -> Iterator[tuple[Json, str | None]]:
        found = jsontext.decode(text)
        if jsontext.depth(found) >= jsontext.NESTING:
            raise ValueError(f"it is nested more than {jsontext.NESTING} levels deep")
        if found is None:
            return
        if isinstance(found, dict) and "id" not in found:
            for key in _LISTS:
                if isinstance(found.get(key), list | dict) or (key in found and found[key] is None):
                    found = found[key]
                    break
            else:
                yield from self._by_state(found)
                return
        if found is None:
            return
        if isinstance(found, dict) and "id" not in found:
            for key, value in found.items():
                yield ({"id": key, **value} if isinstance(value, dict) else value), listed
        elif isinstance(found, dict):
            yield found, listed
        elif isinstance(found, list):
            for value in found:
                yield value, listed
        else:
            raise ValueError(f"it is {_shown(found)}")

    def _by_state(self, found: _Data) -> Iterator[tuple[Json, str | None]]:
        lists = {key: value for key, value in found.items() if _word(key) in WORDS and isinstance(value, list)}
        if not lists:
            raise ValueError(f"it has no tasks, but {_shown(', '.join(found) or 'nothing')}")
        for key, values in lists.items():
            for value in values:
                yield value, key

    def _take(self, rows: Iterable[tuple[Json, str | None]], uri: str, *, anew: bool) -> None:
        met: set[str] = set()
        for one, listed in rows:
            row = _Row(one, one.get("id")) if isinstance(one, dict) else one
            if not isinstance(row, _Row):
                self._flaw("object", f"{uri} lists {_shown(row)}, which is no task")
                continue
            own = row.own
            if not isinstance(own, str | int) or isinstance(own, bool) or own == "":
                self._flaw("no id", f"{uri} lists a task without an id that can be used: {_shown(row.data)}")
                continue
            task_id = row.task.id if row.task is not None else id_of(own)
            if task_id in met and not anew:
                self._flaw("twice", f"{uri} lists {_shown(own)} twice; the first is shown")
                continue
            met.add(task_id)
            if row.task is None and listed is not None and _state_of(row.data) is None:
                row = _Row({**row.data, _LISTED: listed}, own)
            before = self._found.get(task_id)
            if before is None or anew or uri == f"task://{task_id}":
                self._found[task_id] = row
            elif before.task is None and _state_of(before.data) is None:
                # What is current may be what is next.
                state = row.task.state.value if row.task is not None else _state_of(row.data)
                if state is not None:
                    self._found[task_id] = _Row({**before.data, "state": state}, before.own)
                elif listed is not None and listed != "current":
                    self._found[task_id] = _Row({**before.data, _LISTED: listed}, before.own)
            if own != task_id:
                self._own[task_id] = own

    def _task(self, task_id: str, data: _Data, title_key: str) -> Task:
        values: _Data = {"id": task_id, "state": self._state(task_id, data)}
        extra: _Data = {}
        for name, value in data.items():
            if name in ("id", "state", _LISTED):
                continue
            if name == "extra" and isinstance(value, dict):
                extra |= value
            elif name in _TOLD_BY_US:
                if name == "cut" and value:
                    self._flaw("cut", f"{task_id}: the server tells only a part of its {_shown(value)}")
            elif name == title_key:
                if type(value) is str and value.strip():
                    values["title"] = value
                elif value is not None:
                    extra[name] = value
            elif name in FIELDS:
                self._set(task_id, values, extra, name, value)
            else:
                extra[name] = value
        word = _state_of(data)
        if word is not None and word != values["state"]:
            extra["status" if "state" not in data else "state"] = word
        version = data.get("version")
        values["version"] = str(version) if type(version) in (str, int) else ""
        values.setdefault("title", values.get("description") or task_id)
        return Task(extra=extra, **values)

    def _set(self, task_id: str, values: _Data, extra: _Data, name: str, value: Json) -> None:
        self._fields.add(name)
        if value is None:
            return
        if name in TIMES:
            moment = clock.normalised(value) if type(value) is str else None
            if moment is not None:
                values[name] = moment
            else:
                extra[name] = value
            return
        if name == "depends_on":
            ids = validity.ids_of(value)
            if ids is None:
                extra[name] = value
            else:
                values[name] = ids
            return
        wrong = validity.wrong_field(name, value)
        if wrong is not None and not (name == "title" and type(value) is str):
            self._flaw(name, f"{task_id}: {one_line(wrong, 120)}")
            extra[name] = value
        else:
            values[name] = tuple(value) if name == "tags" else value

    def _state(self, task_id: str, data: _Data) -> State:
        word = _state_of(data)
        if word is None and (listed := data.get(_LISTED)) is not None:
            return WORDS[_word(listed)]
        if word is None:
            self._flaw("no state", f"{task_id} has no state; it is shown as pending")
            return State.PENDING
        state = WORDS.get(_word(word)) if type(word) is str else None
        if state is None:
            self._flaw("word", f"{task_id} has a state that is not known, {_shown(word)}; it is shown as pending")
            return State.PENDING
        if word not in self._words and len(self._words) < _FLAWS_MOST:
            self._words[word] = state
        return state

    def _flaw(self, kind: str, message: str) -> None:
        count, first = self._flaws.get(kind, (0, message))
        self._flaws[kind] = count + 1, first

    def _told(self) -> Iterator[str]:
        for count, first in self._flaws.values():
            yield first if count == 1 else f"{first} (and {count - 1:,} more like this)"

    def _foreign(self, why: str) -> StoreError:
        return StoreError(Fault.FOREIGN, f"cannot read the tasks of {self._server}: {why}")


def id_of(own: str | int) -> str:
    """Return the id of a task here, by its id on the server; the same for the same, and another for another.

    What is not safe in a URI is written as ~ and two hexadecimal digits a byte; the end of a very long id as a digest.
    """
    # Python writes no number of thousands of digits.
    text = own if isinstance(own, str) else str(own) if own.bit_length() < validity.ID_LIMIT else hex(own)
    if validity.wrong_id(text) is None and not _LIKE_OURS.search(text):
        return text
    safe = "".join(one if one in _SAFE else _escaped(one) for one in text[: 2 * validity.ID_LIMIT])
    if len(safe) <= validity.ID_LIMIT and len(text) <= 2 * validity.ID_LIMIT:
        return safe
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{safe[:_KEPT_OF_ID]}~{digest[:32]}"


def _state_of(data: _Data) -> Json:
    return data.get("state", data.get("status"))


def _escaped(character: str) -> str:
    return "".join(f"~{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _word(word: str) -> str:
    return word.strip().lower().replace("-", "_").replace(" ", "_")


def _shown(value: Json) -> str:
    """Return a value as a message may show it."""
    if isinstance(value, str):
        return one_line(repr(value[: _SHOWN + 1]), _SHOWN)
    try:
        text = jsontext.encode(value)
    except ValueError:
        text = type(value).__name__
    return one_line(text, _SHOWN)
