"""Runs that wait: what it costs to see what waits for whom, to find what is due, and to fold a long run.

A journal holds 200 open runs, each of 40 items and one open gate; beside them thousands of runs that wait for a time.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.journal.sqlite import SqliteJournal
from engine.model.event import Event, GateOpened, ItemChanged, ItemIntended, RunFinished
from engine.wiring.clock import SystemClock
from tests.benchmarks import fold
from tests.benchmarks.measure import PYTHON, REPOSITORY, SWITCHOVER, Command, Figure, at_most, run, told
from tests.support.journals import started

OPEN_RUNS, WAITING_RUNS, ITEMS = 200, 10_000, 50_000
_START = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
_ASK = {
    "title": "Partner signs", "summary": "approval by partner", "people": [{"role": "partner", "name": "Pia", "logins": []}],
    "quorum": 1, "digest": "d" * 32,
}


def waiting_figures(folder: Path) -> Iterator[Figure]:
    """The commands and the fold as processes of their own, the query inside this one."""
    project = folder / "project"
    (project / "runbooks").mkdir(parents=True)
    (project / ".switchover").mkdir()
    path = project / ".switchover" / "journal.db"
    journal = SqliteJournal(path, SystemClock())
    for number in range(OPEN_RUNS):
        journal.append(f"20261123-{number:06d}", _open_run(number))
    journal.flush()
    for name in ("status", "inbox"):
        taken = min((run(Command([SWITCHOVER, name], project)) for _ in range(5)), key=lambda sample: sample.wall_s)
        yield at_most(f"{name}, {OPEN_RUNS} open runs", taken.wall_s, "s", 0.5)
    for number in range(WAITING_RUNS):
        due = _START + timedelta(minutes=number)
        journal.append(f"w-{number:06d}", [started(f"customer-{number}"), RunFinished("waiting", {}, due.isoformat())])
    journal.flush()
    at = time.perf_counter()
    count = len(journal.due_runs(_START + timedelta(minutes=9)))
    yield told(f"what is due among {WAITING_RUNS:,} waiting runs", f"{(time.perf_counter() - at) * 1000:.1f} ms, {count} due")
    journal.append("long", [started("long"), *(event for number in range(ITEMS) for event in _item(number))])
    journal.flush()
    journal.close()
    folded = [_folded(path) for _ in range(3)]
    items = f"{folded[0]['items']:,.0f}"
    yield at_most(f"fold of {items} items, processor time", min(one["cpu_s"] for one in folded), "s", 2)
    yield at_most(f"memory of that fold, {items} items", max(one["mib"] for one in folded), "MiB", 200)


def _folded(journal: Path) -> dict[str, float]:
    told: dict[str, float] = json.loads(subprocess.check_output([PYTHON, "-m", fold.__name__, journal, "long"], cwd=REPOSITORY))
    return told


def _open_run(number: int) -> list[Event]:
    items = [event for item in range(40) for event in _item(item)]
    due = (_START + timedelta(days=1)).isoformat()
    return [started(f"c{number}"), *items, GateOpened("p/sign-off", "approval", _ASK, due), RunFinished("waiting", {}, due)]


def _item(number: int) -> tuple[Event, Event]:
    address = f"phones/config[805ec{number:07d}]"
    receipt = {"files": [{"path": f"{number}.cfg", "kept": None, "wrote": "0" * 64}]}
    return ItemIntended(address, "k" * 32, "write it", 1, observable=True), ItemChanged(address, "1 file written", receipt)
