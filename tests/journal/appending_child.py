"""The process that is killed: appends from three threads and prints each ticket's addresses once they are flushed."""

from __future__ import annotations

import itertools
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from engine.journal.sqlite import SqliteJournal
from engine.model.event import ItemIntended
from tests.support.journals import SteppingClock, changed


def main() -> None:
    """Arguments: the journal's path."""
    journal = SqliteJournal(Path(sys.argv[1]), SteppingClock(datetime.now(UTC)))
    printing = threading.Lock()

    def work(worker: int) -> None:
        for n in itertools.count():
            address = f"p/s[{worker}-{n}]"
            ticket = journal.append("r", [ItemIntended(address, "k", "", 1, True), changed(address, diff=("+" * (n % 9 * 500),))])
            journal.flush(ticket)
            with printing:
                sys.stdout.write(f"{address}\n")
                sys.stdout.flush()

    for worker in range(3):
        threading.Thread(target=work, args=(worker,), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
