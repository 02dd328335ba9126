"""50,000 items that need nothing done to the other side, through schedule, attempt and a journal that is really on disk.

``as they should be``: read, found so, one event each. ``written``: intent, write into a dictionary, read-back, two events each
and the flush between them; that is the whole engine with only the action missing, and what the goal is held against.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from pathlib import Path

from engine.journal.sqlite import SqliteJournal
from engine.model.run import RunStatus
from engine.wiring.clock import SystemClock
from tests.benchmarks.measure import Figure, at_most, told
from tests.support.shelf import Shelf, World, book

COUNT = 50_000
_STEP = """\
      - name: put
        action: {action}
        for_each: things
        parallel: {parallel}
        with: {{name: "{{{{ item.id }}}}", value: "1"}}
"""


def noop_figures(folder: Path) -> Iterator[Figure]:
    """The goal is for both ways a local block may go; one thread per item is told besides."""
    for name, action, filled, parallel in (
        ("as they should be, in chunks", "shelf.quick", True, 1), ("written, in chunks", "shelf.quick", False, 1),
        ("written, 32 at a time", "shelf.put", False, 32),
    ):
        wall_s, cpu_s, again_s = _run(folder / action.replace(".", "-") / f"{filled}", action, parallel, filled=filled)
        note = f"cpu {cpu_s * 1000 / COUNT:.3f} ms; journal read and folded again {again_s * 1000 / COUNT:.3f} ms"
        each_ms = wall_s * 1000 / COUNT
        title = f"{COUNT:,} no-op items, {name}"
        yield at_most(title, each_ms, "ms", 0.4, note) if "chunks" in name else told(title, f"{each_ms:.3g} ms", note)


def _run(folder: Path, action: str, parallel: int, *, filled: bool) -> tuple[float, float, float]:
    """Wall and processor seconds of a run, and wall seconds of reading its journal back."""
    folder.mkdir(parents=True)
    names = [f"thing-{number:05d}" for number in range(COUNT)]
    clock = SystemClock()
    journal = SqliteJournal(folder / "journal.db", clock)
    shelf = Shelf(dict.fromkeys(names, "1") if filled else {})
    world = World(folder, book(_STEP.format(action=action, parallel=parallel)), names, shelf, clock, journal)
    planned = world.plan()
    started, cpu = time.perf_counter(), _cpu_s()
    status = world.apply(planned)
    wall_s, cpu_s = time.perf_counter() - started, _cpu_s() - cpu
    if status is not RunStatus.SUCCEEDED:
        raise RuntimeError(f"the run of no-ops ended as {status.value}")
    started = time.perf_counter()
    if len(world.state().items) != COUNT:
        raise RuntimeError("the journal does not hold every item")
    again_s = time.perf_counter() - started
    journal.close()
    return wall_s, cpu_s, again_s


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
