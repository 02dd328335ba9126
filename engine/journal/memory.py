"""The journal in memory: for tests, and for what leaves no trace. Numbered, chained and committed in groups as on disk."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime

from engine.journal import chain
from engine.journal.chain import EMPTY, Head, Pending, Row
from engine.journal.chained import ChainedJournal
from engine.journal.holder import is_dead, is_same, process_identity, refuse_living
from engine.model.event import LETTERS, Event, ItemChanged, Record, RunFinished, RunPaused, RunResumed, RunStarted
from engine.ports import Clock, Lease, RunInfo


class MemoryJournal(ChainedJournal):
    """A ``Journal`` that is gone with the process."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._lock = threading.RLock()
        self._rows: dict[str, list[Row]] = {}
        self._runs: dict[str, RunInfo] = {}
        self._due: dict[str, datetime] = {}
        self._over: set[str] = set()
        self._met: Counter[str] = Counter()
        self._leases: dict[str, tuple[Lease, str]] = {}

    def runs(self, scope: str | None = None) -> list[RunInfo]:
        """All runs that started, newest first."""
        with self._lock:
            found = [info for info in self._runs.values() if scope in (None, info.scope)]
        return sorted(found, key=lambda info: (info.started_at, info.run), reverse=True)

    def run_of_plan(self, plan_id: str) -> str | None:
        """The run a plan was applied by."""
        return next((info.run for info in reversed(self.runs()) if info.plan_id == plan_id), None)

    def last_changes(self, scope: str, runbook: str) -> Mapping[str, datetime]:
        """Address -> when it was last changed by a runbook of this name for this scope."""
        found: dict[str, datetime] = {}
        for info in self.runs(scope):
            for row in self._rows[info.run] if info.runbook == runbook else ():
                if row.kind == ItemChanged.kind:
                    at = datetime.fromisoformat(row.at)
                    found[row.address] = max(at, found.get(row.address, at))
        return found

    def append_if(
        self, run: str, events: Sequence[Event], after: int, due: datetime | None = None, *, letters: bool = False,
        check: Callable[[], bool] | None = None,
    ) -> bool:
        """Adds events if nothing, or with ``letters`` no letter, came since number ``after``, and ``check`` says yes."""
        self._writer.flush()
        with self._lock:
            since = self._rows.get(run, [])[after:]
            if any(row.kind in LETTERS or not letters for row in since):
                return False
            if check is not None and not check():
                return False
            batch = self._packed(run, events)
            rows = self._add(batch)
            if due is not None:
                self._due[run] = due
        self._writer.tell(batch, rows)
        return True

    def pick(self, run: str, kinds: Collection[str]) -> Iterator[Record]:
        """The run's events of some kinds, in order, unchecked."""
        with self._lock:
            rows = [row for row in self._rows.get(run, ()) if row.kind in kinds]
        return (chain.record_of(run, row) for row in rows)

    def has_letters(self, run: str, after: int) -> bool:
        """Whether somebody added a letter past number ``after``."""
        with self._lock:
            return any(row.kind in LETTERS for row in self._rows.get(run, [])[after:])

    def letters_met(self, run: str) -> int:
        """How many letters there are: all come this way."""
        return self._met[run]

    def due_runs(self, now: datetime) -> list[RunInfo]:
        """Waiting runs that have something to do at ``now``, the longest due first."""
        with self._lock:
            return [self._runs[run] for run, due in sorted(self._due.items(), key=lambda e: (e[1], e[0])) if due <= now]

    def open_runs(self) -> list[RunInfo]:
        """Runs that have not succeeded, newest first."""
        with self._lock:
            found = [self._runs[run] for run in self._runs if run not in self._over]
        return sorted(found, key=lambda info: info.run, reverse=True)

    def next_due(self) -> datetime | None:
        """When the next waiting run is due; None when none is, by itself."""
        with self._lock:
            return min(self._due.values(), default=None)

    def acquire(self, lease: Lease) -> None:
        """Takes the scope's lease. Raises ``LockHeld`` unless it is free, one's own, or a dead process's."""
        with self._lock:
            present, identity = self._leases.get(lease.scope, (lease, ""))
            refuse_living(present, identity, lease)
            self._leases[lease.scope] = (lease, process_identity(lease.pid))

    def holder(self, scope: str) -> Lease | None:
        """Who is at work on the scope; None when nobody is, or when the holder is known to be dead."""
        with self._lock:
            found = self._leases.get(scope)
        return None if found is None or is_dead(*found) else found[0]

    def release(self, lease: Lease) -> None:
        """Gives back this very lease."""
        with self._lock:
            present = self._leases.get(lease.scope)
            if present is not None and is_same(present[0], lease):
                del self._leases[lease.scope]

    def _checked(self, run: str, after: int) -> Iterator[tuple[Row, bytes]]:
        with self._lock:
            rows = list(self._rows.get(run, ()))
        if after >= len(rows):
            return iter(())
        start = _head(rows[after - 1]) if after else EMPTY
        return chain.checked(run, rows[after:], start, _head(rows[-1]))

    def _commit(self, batch: Sequence[Pending]) -> Sequence[Row]:
        with self._lock:
            return self._add(batch)

    def _add(self, batch: Sequence[Pending]) -> list[Row]:
        added = []
        for pending in batch:
            rows = self._rows.setdefault(pending.run, [])
            row = chain.chained(pending, _head(rows[-1]) if rows else EMPTY)
            rows.append(row)
            added.append(row)
            event = pending.event
            self._met[pending.run] += event.is_letter
            if isinstance(event, RunStarted):
                self._runs.setdefault(pending.run, _info(pending, event))
            elif isinstance(event, RunPaused):
                self._due.pop(pending.run, None)
            elif isinstance(event, RunFinished | RunResumed):
                self._due.pop(pending.run, None)
                self._over.discard(pending.run)
                if isinstance(event, RunFinished) and event.status in ("succeeded", "cancelled"):
                    self._over.add(pending.run)
                if isinstance(event, RunFinished) and event.due:
                    self._due[pending.run] = datetime.fromisoformat(event.due)
        return added


def _head(row: Row) -> Head:
    return Head(row.seq, row.hash)


def _info(pending: Pending, event: RunStarted) -> RunInfo:
    return RunInfo(pending.run, event.scope, str(event.header.get("runbook_name", "")), event.plan_id, pending.at)
