"""Group commit: one thread takes everything that has queued up and hands it to the store as one transaction.

A durable write costs the disk the same for one event as for a thousand. Whoever waits for durability waits for one write
at most, and the slower the disk, the more events share it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from engine.journal.chain import Pending, Row
from engine.model.errors import JournalBroken
from engine.model.event import Record

Commit = Callable[[Sequence[Pending]], Sequence[Row]]
"""Stores events for good, in order, and returns their rows. Raises ``JournalBroken`` when it cannot."""
Watcher = Callable[[Sequence[Record]], None]


class GroupWriter:
    """The queue in front of a store, and its one writing thread, which starts with the first event.

    Once the store has failed, every flush and every later event raises what it failed with. A watcher that fails is told
    nothing more and its error is raised by the next flush, or by ``close``; events go on being stored.
    """

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._watchers: list[Watcher] = []
        self._lock = threading.Lock()
        self._queued = threading.Condition(self._lock)
        self._settled = threading.Condition(self._lock)
        self._queue: list[Pending] = []
        self._ticket = 0
        self._durable = 0
        self._failure: BaseException | None = None
        self._watcher_failure: BaseException | None = None
        self._closing = False
        self._telling = threading.Lock()
        """One thread at a time; no watcher is called from two."""
        self._thread: threading.Thread | None = None

    def put(self, events: Sequence[Pending]) -> int:
        """Queues events and returns their ticket."""
        with self._lock:
            self._raise_failure()
            if self._closing:
                raise RuntimeError("an event came after the journal was closed: this is a bug in switchover")
            if not self._queue:
                self._queued.notify()
            self._queue.extend(events)
            self._ticket += 1
            if self._thread is None:
                # A daemon, so that a command which fails elsewhere can end; ``close`` is what waits for it.
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()
            return self._ticket

    def flush(self, ticket: int | None = None) -> None:
        """Waits until ``ticket``, or everything queued so far, is durable."""
        with self._lock:
            wanted = self._ticket if ticket is None else ticket
            while self._durable < wanted:
                self._raise_failure()
                self._settled.wait()
            self._raise_watcher_failure()

    def subscribe(self, watcher: Watcher) -> None:
        """Tells ``watcher`` of every event that is stored from now on."""
        with self._lock:
            self._watchers = [*self._watchers, watcher]

    def close(self) -> None:
        """Waits until everything is durable and every watcher has been told, then ends the thread. Once is enough."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            self._queued.notify()
            thread = self._thread
        if thread is not None:
            thread.join()
        with self._lock:
            self._raise_failure()
            self._raise_watcher_failure()

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            batch, ticket = taken
            try:
                rows = self._commit(batch) if batch else []
            except BaseException as error:  # noqa: BLE001  # raised in the threads that wait; else they would wait for ever
                self._fail(error)
                return
            with self._lock:
                self._durable = ticket
                self._settled.notify_all()
            self._tell(batch, rows)

    def _take(self) -> tuple[list[Pending], int] | None:
        with self._lock:
            while self._durable == self._ticket and not self._closing:
                self._queued.wait()
            if self._durable == self._ticket:
                return None
            batch, self._queue = self._queue, []
            return batch, self._ticket

    def tell(self, batch: Sequence[Pending], rows: Sequence[Row]) -> None:
        """Tells the watchers of events that were stored another way."""
        self._tell(batch, rows)

    def _tell(self, batch: Sequence[Pending], rows: Sequence[Row]) -> None:
        if not self._watchers:
            return
        with self._telling:
            self._pass_on(batch, rows)

    def _pass_on(self, batch: Sequence[Pending], rows: Sequence[Row]) -> None:
        records = [Record(p.run, row.seq, p.at, p.event, row.hash) for p, row in zip(batch, rows, strict=True)]
        try:
            for watcher in self._watchers:
                watcher(records)
        except BaseException as error:  # noqa: BLE001  # it belongs to the run, not to this thread
            with self._lock:
                self._watchers, self._watcher_failure = [], error

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failure = error
            self._settled.notify_all()

    def _raise_failure(self) -> None:
        if isinstance(self._failure, JournalBroken):
            # A new one each time: several threads raise it at once, and a traceback belongs to one of them.
            raise JournalBroken(self._failure.summary, self._failure.detail) from self._failure
        if self._failure is not None:
            raise self._failure

    def _raise_watcher_failure(self) -> None:
        failure, self._watcher_failure = self._watcher_failure, None
        if failure is not None:
            raise failure
