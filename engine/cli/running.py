"""Watching a run, stopping it, and saying how it ended, for every command that runs."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

from engine.cli.output import data, data_json, say, wants_color, warn
from engine.execution.stop import Stop
from engine.model.event import Record
from engine.model.run import RunState, RunStatus
from engine.model.values import dataclass
from engine.ports import Journal
from engine.reporting.events_jsonl import record_line
from engine.reporting.plain_view import PlainView
from engine.reporting.summary import format_summary, summary_data
from engine.wiring.runs import Begin, Stage, start

EXIT_CODES = {
    RunStatus.SUCCEEDED: 0, RunStatus.FAILED: 5, RunStatus.WAITING: 6, RunStatus.PAUSED: 6, RunStatus.TRIPPED: 7,
    RunStatus.INTERRUPTED: 130, RunStatus.RUNNING: 1, RunStatus.CANCELLED: 0,
}


@dataclass(frozen=True, slots=True)
class Watch:
    """How an operator wants to follow a run."""

    output: str = "human"
    log: Path | None = None
    yes: bool = False
    ignore_window: str | None = None
    verbose: bool = False
    looks_now: bool = False
    """Whether to look at once at what gates wait for, due or not."""


class Followed:
    """The state of a run, kept up with its events as they become durable: reading ten thousand of them back at the end, only to
    say how it went, would take a tenth of the run's time."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._missed = False
        """Whether something was journalled that was not told here: what people did from other processes."""
        self._lock = threading.Lock()

    def on_records(self, records: Iterable[Record]) -> None:
        with self._lock:
            for record in records:
                self._missed = self._missed or record.seq != self._state.last_seq + 1
                if not self._missed:
                    self._state.apply(record)

    def caught_up(self, journal: Journal, run: str) -> RunState:
        """The state with whatever has not been told yet, which may be the last few events."""
        for record in journal.read(run, after=self._state.last_seq):
            self._state.apply(record)
        return self._state


@contextmanager
def watching(watch: Watch, journal: Journal, stage: Stage, run: str, followed: Followed) -> Iterator[None]:
    """Shows the run while it goes: live on a terminal, plain lines elsewhere, events as JSON lines when asked."""
    with ExitStack() as stack:
        journal.subscribe(followed.on_records)
        if watch.output == "jsonl":
            journal.subscribe(_while_heard(_jsonl, sys.stdout))
        elif watch.output == "human":
            journal.subscribe(_while_heard(_progress(stack, stage, run), sys.stderr))
        if watch.log is not None:
            log = importlib.import_module("engine.reporting.log").LogObserver(watch.log, stage.secrets.redact)
            stack.callback(log.close)
            journal.subscribe(_while_heard(log.on_records))
        yield


def _while_heard(
    watcher: Callable[[Sequence[Record]], None], stream: TextIO | None = None
) -> Callable[[Sequence[Record]], None]:
    """The watcher, until nobody takes what it writes (a pipe closed by ``head``, a terminal that is gone, a full disk): the
    run is journalled all the same, and goes on without it."""
    heard = True

    def tell(records: Sequence[Record]) -> None:
        nonlocal heard
        if not heard:
            return
        try:
            watcher(records)
        except OSError as error:
            heard = False
            if stream is not None:
                # What is left in its buffer would fail once more at exit, and spoil the exit code.
                with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
                    os.dup2(nowhere.fileno(), stream.fileno())
            with suppress(OSError):
                warn(f"the run can no longer be followed here ({error.strerror}); it goes on: switchover status")

    return tell


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
    """Ctrl-C, TERM or a lost terminal: nothing new starts, what runs may finish. A second Ctrl-C leaves at once; resume
    resolves the doubt."""

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set and number != signal.SIGHUP:
            _tell(_CURSOR + b"\nLeft at once. What was under way is in doubt until: switchover resume\n")
            os._exit(130)
        stop.set(signal.Signals(number).name)
        _tell(b"\nStopping: nothing new starts, what is running may finish. Again to leave at once.\n")

    # Whoever was started with HUP ignored (nohup) means to outlive the terminal.
    heeded = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        heeded.append(signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_CURSOR = b"\x1b[?25h" if sys.stderr.isatty() else b""
"""Shows the cursor again, which the live view hides."""


def _tell(text: bytes) -> None:
    """From inside a signal handler, where the terminal may be gone."""
    with suppress(OSError):
        os.write(2, text)


def begin_run(stage: Stage, journal: Journal, begin: Begin, watch: Watch, stop: Stop) -> int:
    """Starts a run, follows it and says how it ended; returns the exit code."""
    followed = Followed(RunState())
    with watching(watch, journal, stage, begin.run, followed), stop_on_signals(stop):
        status = start(stage, journal, begin, stop)
    return finish(journal, begin.run, status, watch, followed)


def finish(journal: Journal, run: str, status: RunStatus, watch: Watch, followed: Followed) -> int:
    """Prints how the run ended; returns the exit code."""
    state = followed.caught_up(journal, run)
    if watch.output == "human":
        width = shutil.get_terminal_size((100, 24)).columns
        data(format_summary(state, color=wants_color(), width=width))
    elif watch.output == "json":
        data_json(summary_data(state))
    if status is RunStatus.PAUSED:
        say(f"Paused. What was running has finished; go on with: switchover resume {run}")
    if status is RunStatus.INTERRUPTED:
        say(f"Stopped. What was running has finished; go on with: switchover resume {run}")
    return EXIT_CODES[status]
