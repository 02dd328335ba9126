"""``python -m tests.benchmarks.fold JOURNAL RUN``: folds one run as a command does, and prints what that took.

A process of its own, because a command is one: with its garbage collector paused, and no heap of other measurements beside it.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from pathlib import Path

from engine.journal.sqlite import SqliteJournal
from engine.model.run import fold
from engine.wiring.clock import SystemClock


def main(path: Path, run: str) -> None:
    gc.disable()
    journal = SqliteJournal(path, SystemClock())
    before, at = _rss_mib(), time.process_time()
    state = fold(journal.read(run))
    print(json.dumps({"cpu_s": time.process_time() - at, "mib": _rss_mib() - before, "items": len(state.items)}))
    journal.close()


def _rss_mib() -> float:
    """What is in memory now: the greatest that was, as the system keeps it, begins with what the parent had."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
