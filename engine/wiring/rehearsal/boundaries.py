"""The instants of a run at which a process may die: round each event on its way into the journal, and round each effect.

What is watched here is put in the place of journal and actions by a rehearsal alone; an ordinary run knows nothing of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.journal.chain import Head, Pending, Row
from engine.journal.sqlite import SqliteJournal
from engine.model.event import Event, address_of_event
from engine.ports import Action, Clock, Lease

BEFORE_APPEND, AFTER_APPEND, INSIDE_COMMIT, AFTER_COMMIT = "before append", "after append", "inside commit", "after commit"
BEFORE_EFFECT, AFTER_EFFECT, AFTER_LEASE = "before effect", "after effect", "after lease"

Passing = Callable[[str, str, str], None]
"""Told where (see above), the event's kind, and the address, at each boundary. It may end the process, or come back."""


class WatchedJournal(SqliteJournal):
    """A journal that tells of each boundary. ``at_once``: every append is on disk when it comes back, so that what a killed
    process had written does not depend on how quick its writing thread was. ``plain``: puts names in the place of what differs
    from one lab to the next, such as ports."""

    def __init__(
        self, path: Path, clock: Clock, read_only: bool, passing: Passing, *, at_once: bool, plain: Callable[[str], str] = str
    ) -> None:
        super().__init__(path, clock, read_only)
        self._passing, self._at_once, self._plain = passing, at_once, plain

    def append(self, run: str, events: Sequence[Event]) -> int:
        self._tell(BEFORE_APPEND, events)
        ticket = super().append(run, events)
        self._tell(AFTER_APPEND, events)
        if self._at_once:
            self.flush(ticket)
        return ticket

    def acquire(self, lease: Lease) -> None:
        super().acquire(lease)
        self._passing(AFTER_LEASE, "", "")

    def append_if(
        self, run: str, events: Sequence[Event], after: int, due: datetime | None = None, *, letters: bool = False,
        check: Callable[[], bool] | None = None,
    ) -> bool:
        self._tell(BEFORE_APPEND, events)
        done = super().append_if(run, events, after, due, letters=letters, check=check)
        if done:
            self._tell(AFTER_COMMIT, events)
        return done

    def _store(self, connection: sqlite3.Connection, batch: Sequence[Pending], heads: dict[str, Head]) -> list[Row]:
        rows = super()._store(connection, batch, heads)
        self._tell(INSIDE_COMMIT, [pending.event for pending in batch])
        return rows

    def _commit(self, batch: Sequence[Pending]) -> Sequence[Row]:
        rows = super()._commit(batch)
        self._tell(AFTER_COMMIT, [pending.event for pending in batch])
        return rows

    def _packed(self, run: str, events: Sequence[Event]) -> list[Pending]:
        return [pending._replace(data=self._plain(pending.data)) for pending in super()._packed(run, events)]

    def _tell(self, where: str, events: Sequence[Event]) -> None:
        for event in events:
            self._passing(where, event.kind, address_of_event(event))


class WatchedAction:
    """An action that tells before and after its write, and its undo."""

    def __init__(self, action: Action[Any, Any], passing: Passing) -> None:
        self._action, self._passing = action, passing

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._action, name)
        return self._round(found) if name in ("apply", "undo") else found

    def _round(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            address = str(arguments[2].address)  # of the sessions, third for both
            self._passing(BEFORE_EFFECT, "", address)
            done = write(*arguments, **named)
            self._passing(AFTER_EFFECT, "", address)
            return done

        return watched

