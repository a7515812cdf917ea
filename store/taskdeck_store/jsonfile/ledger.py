"""A task file and its audit log, read together and written together.

How a commit reaches the disk, under the write lock: the new file is written beside the old one and synced; the events
are appended to the log and synced; the new file takes the old one's name; a mark is left in the lock file. Whoever is
killed after the log was synced has committed: the next holder of the lock carries it on. Whoever is killed before has
not: what is in the log is cut off.

A reader holds no lock. It reads the log, then the mark, then the file, and the log once more if it grew meanwhile. The
log's last commit counts as soon as the mark is the commit's, or the file is as that commit leaves it and nobody holds
the lock: its writer might take it back. Until then it is as if it were not there. Earlier commits count in any case,
since nobody appends before the last one is carried on. Whoever is killed tells nobody: so a reader that left a commit
out looks once more when the lock is let go.

A program that takes no lock may write at any moment. When it did so before our file took the name, nothing of ours
stays (log and file are put back), and all is decided anew on what it wrote: a command for a task that it changed meets
another version. When it did so between a kill and the carrying on, each task decides for itself: as before our event,
the event is carried on; as after it, it has been; else the file stands, and an `external` event says what it says.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.jsonfile.audit import AuditLog, Batch, Commit, DamagedLog, log_path, mark
from taskdeck_store.jsonfile.document import Document, file_digest
from taskdeck_store.jsonfile.draft import Draft, carried_on
from taskdeck_store.jsonfile.leases import Lease, Leases
from taskdeck_store.jsonfile.parsing import parse
from taskdeck_store.jsonfile.picture import Moved, Picture
from taskdeck_store.jsonflaws import Flaw
from taskdeck_store.lock import SUFFIX, WriteLock
from taskdeck_store.placing import holds
from taskdeck_store.printable import one_line
from taskdeck_store.remedies import remedy, way_back
from taskdeck_store.replacement import Replacement, Signature, signature
from taskdeck_store.values import Time

_ROUNDS = 200
"""So often a look is begun anew while others commit all the time."""
_TRIES = 100
_RACY = 2_000_000_000
"""Nanoseconds within which two writes may leave the same times on a file: the coarsest file systems count by 2 s."""
_SECOND = 1_000_000_000
_STILL = 0.15
"""Seconds for which a file that is no JSON must stay as it is until it counts as damaged, not as half-written."""
_GIVEN_UP = 1.0
"""Seconds after which it counts as damaged though it changes all the time."""
_NAP = 0.003


class Ledger:
    """The files of one store. `path` is where the task file really lies, `shown` what the user calls it."""

    def __init__(self, path: Path, shown: str) -> None:
        self.path = path
        self.lock = WriteLock(path.with_name(path.name + SUFFIX), like=path)
        self.log = AuditLog(log_path(path))
        self.picture = Picture()
        self.mended: tuple[str, ...] = ()
        self._shown = shown
        self._replacement = Replacement(path)
        self._leases = Leases(path)
        self._document = self.picture.document
        self._signature: Signature | None = None
        self._racy = True
        self._void = False
        self._settled = False
        self._unmarked: Commit | None = None
        self.awaits_lock = False
        """Whether the last look left something to whoever held the lock: who dies before he is done tells nobody."""
        self._bad: tuple[bytes, StoreError] | None = None

    def look(self, *, closely: bool = False) -> list[Moved]:
        """Read what changed; return the tasks that are other than before. Raises StoreError, and the look before stays.

        `closely` reads the file even if its size and times are as before.
        """
        begun = time.monotonic()
        self.awaits_lock, self._unmarked = False, None
        left = self._fetched(closely)
        while self._may_be_taken_back(left):
            found = (self.log.pending, self._document.digest)
            is_free = not self.lock.is_held_elsewhere()
            if not is_free and self.picture.document.raw:
                self.awaits_lock = True
                return []
            if not is_free:
                time.sleep(_NAP)
            left = self._fetched(closely=True)
            # As before, and the lock was free in between: then nobody is about to take it back.
            is_as_read = is_free and (self.log.pending, self._document.digest) == found
            if is_as_read or time.monotonic() - begun > _GIVEN_UP:
                break

        def done(commit: Commit) -> bool:
            batch = commit[0].batch
            if left == mark(commit) or not isinstance(batch, Batch):
                return True
            if batch.after not in (batch.before, self._document.digest) or self._holds_theirs(batch):
                return False
            self._unmarked = commit
            return True

        void, self._void = self._void, False
        if void:
            self.picture = Picture()
        self.picture.leases = self._leases.read()
        moved = self._taken(self._document, self.log.settle(done))
        self.awaits_lock = self.log.rest > 0 and self.lock.is_held_elsewhere()
        if void:
            moved = [(task_id, None, self.picture.shown(task_id)) for task_id in self.picture.records]
        return moved

    def _fetched(self, closely: bool) -> int | None:
        """Read log, mark and file, in this order; return the mark where there is a commit that waits for it."""
        left: int | None = None
        with self.explained("read"):
            for _ in range(_ROUNDS):
                self._void |= not self.log.fetch()
                left = self.lock.serial() if self.log.pending is not None else None
                self._read(closely)
                if not self.log.grown():
                    self._check_end()
                    break
        return left

    def _check_end(self) -> None:
        """Raise DamagedLog when the log's end, which is no whole commit, was one: it was told of, or is in the file."""
        torn = self.log.torn
        in_file = torn is not None and torn.before != torn.after and torn.after == self._document.digest
        if in_file or (self.log.rest and not self.log.seq and not self.log.pending and self.lock.serial() is not None):
            raise DamagedLog(self.log.seq + 1)

    def _may_be_taken_back(self, left: int | None) -> bool:
        """Tell whether the log's last commit is all in place, and its writer has not said that he is done with it."""
        commit = self.log.pending
        batch = commit[0].batch if commit is not None else None
        if commit is None or not isinstance(batch, Batch) or left == mark(commit):
            return False
        return batch.after in (batch.before, self._document.digest)

    def is_unsettled(self) -> bool:
        """Tell whether the last look found what only `settle` finishes, if nobody else is about to.

        Leftovers beside the file harm nobody, and who commits clears them away: so they count at the opening only.
        """
        return self.log.rest > 0 or (not self._settled and self._replacement.is_left())

    def settle(self) -> list[Moved]:
        """Look, and carry on what a killed writer has left; only while holding the lock. Otherwise as `look`.

        What is done so is told in `mended`.
        """
        self._put_back()
        moved = self.look(closely=True)
        for _ in range(_TRIES):
            commit = self.log.pending
            if commit is None:
                self._cut_off()
                self._settled = True
                if self._unmarked is not None:
                    self.lock.notice(mark(self._unmarked))
                    self._unmarked = None
                return moved
            document = carried_on(self.picture, self.log, commit)
            if document is not self.picture.document and not self._replaced(document):
                moved += self.look(closely=True)
                continue
            self.lock.notice(mark(commit))
            moved += self._taken(document, self.log.settle(lambda _: True))
            events = "1 event" if len(commit) == 1 else f"{len(commit):,} events"
            self.mended += (f"carried on a commit of {events} that had been left half done",)
        raise StoreError(Fault.BUSY, one_line(f"another program rewrites {self._shown} again and again"))

    def commit(self, draft: Draft) -> list[Moved] | None:
        """Make a draft on the present picture durable; only while holding the lock.

        None, with nothing changed, when a program that takes no lock wrote meanwhile. Raises StoreError, with nothing
        changed, when the files cannot be written. Where what is in the log cannot be taken back either, it says so: who
        next holds the lock carries that on.
        """
        document = draft.document()
        commit = draft.commit(document)
        before = self.picture.document
        with self.explained("write"):
            like = self.path.stat()
            try:
                if document is not before:
                    self._replacement.write(document.raw)
                    if not holds(self.path, before.raw):
                        return None
                self.log.append(commit, like)
                if document is not before and not self._replacement.put(before.raw):
                    self.log.take_back()
                    return None
            except OSError as error:
                if self._is_undone(document):
                    raise
                raise self._trouble("write", error, undone=False) from error
            except BaseException:
                self._is_undone(document)
                raise
            finally:
                self._replacement.discard()
            self._sign()
        self.lock.notice(mark(commit))
        return self._taken(document, self.log.settle(lambda _: True))

    def renew(self, task_ids: Iterable[str], until: Time) -> None:
        """Have the leases of tasks run out at a moment; only while holding the lock. Those that count no more go."""
        tasks = {task_id: self.picture.find(task_id) for task_id in {*task_ids, *self.picture.leases}}
        leases = {
            one: lease for one, lease in self.picture.leases.items() if (task := tasks[one]) and lease.is_of(task)
        }
        for task_id in task_ids:
            task = tasks[task_id]
            if task is not None and task.owner is not None and task.state_since is not None:
                leases[task_id] = Lease(owner=task.owner, since=task.state_since, until=until)
        with self.explained("write"):
            self._leases.write(leases)
        self.picture.leases = self._leases.read()

    def close(self) -> None:
        """Let go of the files."""
        self.lock.close()
        self.log.close()

    def _taken(self, document: Document, commits: list[Commit]) -> list[Moved]:
        self._document = document
        return self.picture.take(document, commits)

    def _read(self, closely: bool) -> None:
        """Read the task file, unless it is as it was; wait a little for one that is in the middle of a write."""
        started = time.monotonic()
        last: tuple[Signature, float] | None = None
        while True:
            found = signature(self.path)
            if found == self._signature and not self._racy and not closely:
                if self._bad is not None:
                    raise self._bad[1]
                return
            if found == self._signature and self._bad is None and holds(self.path, self._document.raw):
                self._sign(found)
                return
            raw = self.path.read_bytes()
            if raw and raw == self._document.raw:
                self._bad = None
            elif self._bad is not None and raw == self._bad[0]:
                raise self._bad[1]
            else:
                try:
                    self._document = parse(raw, self._document)
                except Flaw as flaw:
                    now = time.monotonic()
                    if last is None or last[0] != found:
                        last = found, now
                    if time.time_ns() - found[3] < _SECOND and now - last[1] < _STILL and now - started < _GIVEN_UP:
                        time.sleep(_NAP)
                        continue
                    self._bad = raw, self._flawed(flaw)
                    self._sign(found)
                    raise self._bad[1] from flaw
                self._bad = None
            self._sign(found)
            return

    def _is_undone(self, document: Document) -> bool:
        """Take back what a failed commit has left in the log; tell whether that was possible."""
        try:
            if self.log.pending is not None and not self._is_there(document):
                self.log.take_back()
            return not self.log.has_rest()
        except OSError:
            return False

    def _is_there(self, document: Document) -> bool:
        try:
            return holds(self.path, document.raw)
        except OSError:
            return False

    def _sign(self, found: Signature | None = None) -> None:
        self._signature = found or signature(self.path)
        self._racy = time.time_ns() - max(self._signature[3:]) < _RACY

    def _put_back(self) -> None:
        """Deal with what a writer left that was killed while it put its file in place.

        It may have been about to find that an outside write was in that place, and to put that back.
        """
        if not self._replacement.is_left():
            return
        with self.explained("write"):
            self._fetched(closely=True)
            commit = self.log.pending
            batch = commit[0].batch if commit is not None else self.log.batch
            is_there = isinstance(batch, Batch) and self._document.digest == batch.after
            if isinstance(batch, Batch) and is_there and self._signature and self._holds_theirs(batch):
                self._replacement.restore(over=self._signature)
                self.mended += ("put the task file back that another program wrote while a commit was under way",)
            self._discard()

    def _holds_theirs(self, batch: Batch) -> bool:
        """Tell whether a killed writer put his file in the place of one that another program had just written."""
        with self.explained("read"):
            left = self._replacement.left_over()
        return left is not None and file_digest(left) not in (batch.before, batch.after)

    def _discard(self) -> None:
        self.mended += tuple(
            one_line(f"removed {name}, left over from a commit") for name in self._replacement.discard()
        )

    def _cut_off(self) -> None:
        size = self.log.rest
        if size:
            with self.explained("write"):
                self.log.take_back()
            self.mended += (f"cut off the end of the audit log, {size:,} bytes, which was no whole commit",)

    def _replaced(self, document: Document) -> bool:
        with self.explained("write"):
            try:
                self._replacement.write(document.raw)
                put = self._replacement.put(self.picture.document.raw)
            finally:
                self._replacement.discard()
            if put:
                self._sign()
            return put

    def _flawed(self, flaw: Flaw) -> StoreError:
        place = f" line {flaw.line} column {flaw.column}:" if flaw.fault is Fault.DAMAGED else ":"
        kept = "the last good look stays, and it is read again when it changes"
        advice = kept if self.picture.document.raw else "nothing was changed"
        return StoreError(flaw.fault, one_line(f"{self._shown}{place} {flaw.message}; {advice}"))

    @contextmanager
    def explained(self, doing: Literal["read", "write"]) -> Iterator[None]:
        """Turn what goes wrong with the files in the body of a `with` into a StoreError."""
        try:
            yield
        except DamagedLog as error:
            what = f"{log_path(self.path)} line {error.line} is not the event that was written there"
            message = f"{what}; {way_back(self.path)}"
            raise StoreError(Fault.DAMAGED, one_line(message)) from error
        except OSError as error:
            raise self._trouble(doing, error) from error

    def _trouble(self, doing: Literal["read", "write"], error: OSError, *, undone: bool = True) -> StoreError:
        shown = one_line(self._shown)
        left = "nothing was changed" if undone else "the change may come into effect yet: look before you try again"
        after = f"; {left}" if doing == "write" else ""
        if isinstance(error, FileNotFoundError) and not os.path.lexists(self.path):
            message = f"{shown} was deleted or moved away; put it back, or: taskdeck init {shown}"
            return StoreError(Fault.MISSING, message)
        if isinstance(error, IsADirectoryError):
            return StoreError(Fault.FOREIGN, f"{shown} is a folder; name the .json file in it")
        if error.errno == errno.EROFS:
            return StoreError(Fault.READ_ONLY, f"cannot {doing} {shown}: its file system is read-only{after}")
        fault = Fault.UNREADABLE if doing == "read" else Fault.UNWRITABLE
        what, advice = remedy(error)
        where = one_line(Path(os.fsdecode(error.filename)).name) + ": " if error.filename else ""
        why = what or where + one_line(error.strerror or str(error))
        return StoreError(fault, f"cannot {doing} {shown}: {why}{after}{advice}")
