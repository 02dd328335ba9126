"""``switchover`` in a process that ends itself with SIGKILL at a boundary that a test names.

Arguments: BOUNDARY N TRACE -- the command line. It dies when it comes to the boundary for the N-th time; with N = 0 it lives.
Every boundary it comes to is a line in the file TRACE. The product knows nothing of this: what is wrapped here is wrapped
from outside, and in between runs what an operator runs.

Boundaries, WHAT being an event's kind: ``before append WHAT``, ``after append WHAT`` (queued, perhaps not yet on disk),
``inside commit WHAT`` (written, the transaction still open), ``after commit WHAT`` (on disk, nobody has been told);
``before effect`` and ``after effect`` (round an action's write, or its undo); ``after mark STATUS`` (of the outbox);
``after lease``; ``before revision`` and ``after revision`` (an amendment's copies put in place).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from engine.actions.catalog import BUILT_IN
from engine.cli.main import main
from engine.journal import sqlite
from engine.journal.chained import ChainedJournal
from engine.transports.outbox import FileOutbox
from engine.wiring import amend


class Boundaries:
    """Counts what is passed, and ends the process at the one it waits for."""

    def __init__(self, deadly: str, nth: int, trace: Path) -> None:
        self._deadly, self._nth = deadly, nth
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._passed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def come_to(self, where: str, whats: Iterable[str] = ("",)) -> None:
        with self._lock:  # held while dying: no other thread gets any further
            for what in dict.fromkeys(whats):
                name = f"{where} {what}".strip()
                self._passed[name] += 1
                os.write(self._trace, f"{name}\n".encode())
                if name == self._deadly and self._passed[name] == self._nth:
                    os.kill(os.getpid(), signal.SIGKILL)


def wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Puts ``around(original, *arguments)`` in the place of ``owner.name``."""
    original = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        return around(original, *arguments, **named)

    setattr(owner, name, wrapped)


def put_up(boundaries: Boundaries) -> None:
    """Wraps journal, outbox and actions."""
    come_to = boundaries.come_to

    def append(original: Callable[..., int], journal: Any, run: str, events: Sequence[Any]) -> int:
        kinds = [event.kind for event in events]
        come_to("before append", kinds)
        ticket = original(journal, run, events)
        come_to("after append", kinds)
        return ticket

    def append_if(original: Callable[..., bool], journal: Any, run: str, events: Sequence[Any], *rest: Any, **named: Any) -> bool:
        kinds = [event.kind for event in events]
        come_to("before append", kinds)
        added = original(journal, run, events, *rest, **named)
        if added:
            come_to("after append", kinds)
            come_to("after commit", kinds)
        return added

    def insert(original: Callable[..., None], connection: Any, rows: Sequence[Any]) -> None:
        original(connection, rows)
        come_to("inside commit", [row[4] for row in rows])

    def commit(original: Callable[..., Any], journal: Any, batch: Sequence[Any]) -> Any:
        stored = original(journal, batch)
        come_to("after commit", [pending.event.kind for pending in batch])
        return stored

    def acquire(original: Callable[..., None], journal: Any, lease: Any) -> None:
        original(journal, lease)
        come_to("after lease")

    def mark(original: Callable[..., None], outbox: Any, message_id: str, status: str, *rest: Any) -> None:
        original(outbox, message_id, status, *rest)
        come_to("after mark", [status])

    def effect(original: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        come_to("before effect")
        receipt = original(*arguments, **named)
        come_to("after effect")
        return receipt

    def place(original: Callable[..., None], *arguments: Any) -> None:
        come_to("before revision")
        original(*arguments)
        come_to("after revision")

    wrap(amend, "put_in_place", place)
    wrap(ChainedJournal, "append", append)
    wrap(sqlite.SqliteJournal, "append_if", append_if)
    wrap(sqlite, "_insert", insert)
    wrap(sqlite.SqliteJournal, "_commit", commit)
    wrap(sqlite.SqliteJournal, "acquire", acquire)
    wrap(FileOutbox, "mark", mark)
    for action in BUILT_IN.values():
        wrap(type(action), "apply", effect)
        if hasattr(action, "undo"):
            wrap(type(action), "undo", effect)


if __name__ == "__main__":
    put_up(Boundaries(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
    main(sys.argv[sys.argv.index("--") + 1 :])
