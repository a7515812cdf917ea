"""Backlog.md: a folder with a Markdown file for each task. Its ``onStatusChange`` is a shell command, and never run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.limits import Limits
from taskdeck_store.source import Kind, Sight
from taskdeck_store.sources.columns import lacking, states_of
from taskdeck_store.sources.files import FileSource
from taskdeck_store.sources.folders import Remembered, files_in, is_fresh
from taskdeck_store.sources.frontmatter import parted, yaml_of
from taskdeck_store.sources.reading import content, head, is_file, is_folder, said
from taskdeck_store.sources.translation import (
    PRIORITIES,
    Gathering,
    Record,
    id_text,
    moment_of,
    named,
    others_of,
    safe_id,
    text_of,
    texts_of,
    title_of,
)
from taskdeck_store.values import Json, Task
from taskdeck_store.watch import FilesWatch

_STATUSES = ("To Do", "In Progress", "Done")

LIMITS = Limits(
    words=states_of(_STATUSES),
    fields=(
        "id",
        "title",
        "description",
        "state",
        "priority",
        "tags",
        "depends_on",
        "owner",
        "created_at",
        "updated_at",
    ),
    notes=(
        "The states are the statuses in config.yml: by their names, else the first is pending, the last completed.",
        "Drafts and what is archived are not shown; onStatusChange is never run.",
        "The owner is the first assignee.",
    ),
)

_NAMES = ("backlog", ".backlog")
_CONFIGS = ("config.yml", "config.yaml")
_FEW = 5
_FOLDERS = ("tasks", "completed")
_DESCRIPTION = re.compile(r"^## Description[ \t]*\r?\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_MARKS = re.compile(r"<!--.*?-->", re.DOTALL)
_KNOWN = frozenset(
    ("id", "title", "labels", "priority", "dependencies", "assignee", "created_date", "updated_date", "status")
)


class _Page(Struct, frozen=True):
    """What a file says: its front matter and its text; or what is wrong with it."""

    name: str
    said: Record
    body: str = ""
    wrong: str | None = None


class Backlog(FileSource):
    """The tasks of one folder, those in it and those in its ``completed``."""

    kind = "Backlog.md"
    limits = LIMITS
    read_only = "Backlog.md runs commands of the project with each change; use backlog task edit"

    def __init__(self, address: str) -> None:
        """Raises StoreError."""
        path = Path(address)
        super().__init__(path, FilesWatch([path, *(path / name for name in _FOLDERS)], (".md", ".yml", ".yaml")))
        self._pages = Remembered(_page)

    def _paths(self) -> Iterable[str]:
        return [*(str(self._path / name) for name in _CONFIGS), *self._files()]

    def _files(self) -> list[str]:
        return [path for name in _FOLDERS for path in files_in(self._path / name, ".md")]

    def _read(self) -> Sight:
        if not is_folder(self._path):
            raise StoreError(Fault.MISSING, f"there is no folder {said(self._path)}")
        statuses, wrong = self._statuses()
        words = states_of(statuses)
        self.limits = replace(LIMITS, words=words, lacks=lacking(words, "none of the project's statuses stands for it"))
        found = Gathering(self.limits.words)
        if wrong is not None:
            found.flaw(wrong)
        pages = self._pages.of(self._files(), *self._footprint.taken)
        ids = {page.said["id"].casefold(): page.said["id"] for page in pages if isinstance(page.said.get("id"), str)}
        for page in pages:
            if page.wrong is not None:
                found.flaw(f"{page.name} cannot be read: {page.wrong}")
            else:
                _add(found, page, ids)
        return found.sight()

    def _statuses(self) -> tuple[Sequence[str], str | None]:
        path = next((path for name in _CONFIGS if is_file(path := self._path / name)), None)
        if path is None:
            return _STATUSES, None
        try:
            statuses = yaml_of(_text(path)).get("statuses")
        except ValueError as error:
            return _STATUSES, f"{path.name} cannot be read, so the statuses are taken to be the usual ones: {error}"
        told = [status for status in texts_of(statuses) if status.strip()]
        return tuple(dict.fromkeys(told)) or _STATUSES, None


def _page(path: Path) -> _Page:
    """Return what a file says. Raises StoreError for one that may be half written."""
    try:
        parts = parted(_text(path))
        if parts is None:
            raise ValueError("it does not begin with front matter, between two lines of ---")
        return _Page(path.name, yaml_of(parts[0]), parts[1].strip())
    except ValueError as error:
        if is_fresh(path):
            message = f"{said(path)} may be half written: {error}; try again"
            raise StoreError(Fault.DAMAGED, message) from error
        return _Page(path.name, {}, wrong=str(error))


def _text(path: Path) -> str:
    try:
        return content(path, follow=False).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    except StoreError as error:
        if error.fault is Fault.FOREIGN:
            raise ValueError(error.message) from error
        raise


def _add(found: Gathering, page: _Page, ids: dict[str, str]) -> None:
    says = page.said
    text = id_text(says.get("id"))
    if text is None:
        found.flaw(f"{page.name} has no id")
        return
    task_id = safe_id(text)
    needed = says.get("dependencies")
    word = says.get("priority")
    assignees = texts_of(says.get("assignee"))
    section = _DESCRIPTION.search(page.body)
    description = _MARKS.sub("", section[1] if section else page.body).strip()
    task = Task(
        id=task_id,
        title=title_of(says.get("title"), text),
        description=description,
        state=found.state(task_id, says.get("status")),
        priority=PRIORITIES.get(text_of(word).casefold(), 5),
        tags=texts_of(says.get("labels")),
        depends_on=named(_as_there(needed, ids)),
        owner=assignees[0] if assignees else None,
        created_at=moment_of(says.get("created_date")),
        updated_at=moment_of(says.get("updated_date")),
        extra={
            **others_of(says, _KNOWN),
            "status": says.get("status"),
            **({"priority": word} if word and text_of(word).casefold() not in PRIORITIES else {}),
            **({"assignee": list(assignees)} if len(assignees) > 1 else {}),
            **({"body": page.body} if section and page.body.count("\n## ") else {}),
        },
    )
    found.add(task, "dependencies", needed)


def _as_there(needed: Json, ids: dict[str, str]) -> Json:
    """Return ids as they are spelled where they are from: they count without case."""
    if not isinstance(needed, list):
        return needed
    return [ids.get(other.casefold(), other) if isinstance(other, str) else other for other in needed]


def _recognises(path: Path) -> bool:
    if not is_folder(path) or not is_folder(path / "tasks"):
        return False
    if any(b"statuses:" in head(path / name) for name in _CONFIGS):
        return True
    some = sorted((path / "tasks").glob("*.md"))[:_FEW]
    return path.name in _NAMES and any(head(page).startswith(b"---") for page in some)


def _nearby(folder: Path) -> Iterable[str]:
    return [str(path) for name in _NAMES if _recognises(path := folder / name)]


KIND = Kind(name=Backlog.kind, recognises=_recognises, open=Backlog, nearby=_nearby)
