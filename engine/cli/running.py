"""Watching a run, stopping it, and saying how it ended, for every command that runs."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from engine.cli.output import data, data_json, say, wants_color
from engine.execution.stop import Stop
from engine.model.event import Record
from engine.model.run import RunStatus, fold
from engine.ports import Journal
from engine.reporting.events_jsonl import record_line
from engine.reporting.plain_view import PlainView
from engine.reporting.summary import format_summary, summary_data
from engine.wiring.runs import Stage

EXIT_CODES = {
    RunStatus.SUCCEEDED: 0, RunStatus.FAILED: 5, RunStatus.WAITING: 6, RunStatus.TRIPPED: 7, RunStatus.INTERRUPTED: 130,
    RunStatus.RUNNING: 1,
}


@dataclass(frozen=True, slots=True)
class Watch:
    """How an operator wants to follow a run."""

    output: str = "human"
    log: Path | None = None
    yes: bool = False
    ignore_window: str | None = None
    verbose: bool = False


@contextmanager
def watching(watch: Watch, journal: Journal, stage: Stage, run: str) -> Iterator[None]:
    """Shows the run while it goes: live on a terminal, plain lines elsewhere, events as JSON lines when asked."""
    with ExitStack() as stack:
        if watch.output == "jsonl":
            journal.subscribe(_jsonl)
        elif watch.output == "human":
            journal.subscribe(_progress(stack, stage, run))
        if watch.log is not None:
            log = importlib.import_module("engine.reporting.log").LogObserver(watch.log, stage.secrets.redact)
            stack.callback(log.close)
            journal.subscribe(log.on_records)
        yield


def _jsonl(records: Sequence[Record]) -> None:
    for record in records:
        data(record_line(record))


def _progress(stack: ExitStack, stage: Stage, run: str) -> Callable[[Sequence[Record]], None]:
    totals = {work.block.address: [s.step.address for s in (work.lanes[0].steps if work.lanes else ())] for work in stage.work}
    sizes = {work.block.address: len(work.lanes) for work in stage.work}
    view = PlainView(sys.stderr)
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        # rich is imported for a terminal only.
        view = importlib.import_module("engine.reporting.progress").ProgressView(sys.stderr, run, totals, sizes)
    stack.enter_context(view)
    on_records: Callable[[Sequence[Record]], None] = view.on_records
    return on_records


@contextmanager
def stop_on_signals(stop: Stop) -> Iterator[None]:
    """Ctrl-C or TERM: nothing new starts, what runs may finish. A second Ctrl-C leaves at once; resume resolves the doubt."""

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set:
            os.write(2, b"\nLeft at once. What was under way is in doubt until: switchover resume\n")
            os._exit(130)
        stop.set(signal.Signals(number).name)
        os.write(2, b"\nStopping: nothing new starts, what is running may finish. Again to leave at once.\n")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def finish(journal: Journal, run: str, status: RunStatus, watch: Watch) -> int:
    """Prints how the run ended; returns the exit code."""
    state = fold(journal.read(run))
    if watch.output == "human":
        width = shutil.get_terminal_size((100, 24)).columns
        data(format_summary(state, color=wants_color(), width=width))
    elif watch.output == "json":
        data_json(summary_data(state))
    if status is RunStatus.INTERRUPTED:
        say(f"Stopped. What was running has finished; go on with: switchover resume {run}")
    return EXIT_CODES[status]
