"""What every store of chained events does the same way: the way in through the group writer, the way out past the check."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

from engine.journal import chain
from engine.journal.chain import EMPTY, Head, Pending, Row
from engine.journal.writer import GroupWriter
from engine.model.event import Event, Record
from engine.ports import Clock


class ChainedJournal(ABC):
    """The half of a ``Journal`` that deals in events. A store adds how it keeps rows, and the runs and leases."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._writer = GroupWriter(self._commit)

    def append(self, run: str, events: Sequence[Event]) -> int:
        """Queues events, stamped with the time now. Raises ``TypeError`` when one holds what is not JSON."""
        return self._writer.put(self._packed(run, events))

    def _packed(self, run: str, events: Sequence[Event]) -> list[Pending]:
        now = self._clock.now()
        stamp = now.isoformat()
        return [chain.pack(run, now, stamp, event) for event in events]

    def flush(self, ticket: int | None = None) -> None:
        """Waits until the events up to ``ticket`` are kept for good."""
        self._writer.flush(ticket)

    def subscribe(self, watcher: Callable[[Sequence[Record]], None]) -> None:
        """Calls ``watcher`` from the writing thread; ``GroupWriter`` says what happens when it fails."""
        self._writer.subscribe(watcher)

    def close(self) -> None:
        """Flushes and closes; a second time does nothing."""
        self._writer.close()

    def read(self, run: str, after: int = 0) -> Iterator[Record]:
        """The run's events past ``after``, each checked against the chain before it is passed on."""
        for row, _ in self._checked(run, after):
            yield chain.record_of(run, row)

    def export(self, run: str) -> Iterator[str]:
        """The run as JSON lines with ``prev`` and ``hash``, without line ends; ``chain`` says what a hash covers."""
        previous = chain.GENESIS
        for row, line in self._checked(run, 0):
            yield chain.exported(line, previous, row.hash)
            previous = row.hash

    def verify(self, run: str) -> Head:
        """Checks the whole chain; returns its last number and hash. Raises ``JournalBroken``."""
        head = EMPTY
        for row, _ in self._checked(run, 0):
            head = Head(row.seq, row.hash)
        return head

    @abstractmethod
    def _checked(self, run: str, after: int) -> Iterator[tuple[Row, bytes]]:
        """The rows past ``after`` with their hashed lines, through ``chain.checked``."""

    @abstractmethod
    def _commit(self, batch: Sequence[Pending]) -> Sequence[Row]:
        """Keeps events for good, in order. Called from the writing thread alone."""
