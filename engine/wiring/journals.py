"""Opening the project's journal and finding runs in it: all that commands need which only look, or act on a run at rest.

Apart from ``runs`` because of what that imports: templates, planning and execution take several times as long to load as an inbox
takes to read.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.journal.sqlite import SqliteJournal
from engine.model.errors import SwitchoverError
from engine.model.run import RunState, fold
from engine.ports import Clock, Journal
from engine.project import Project
from engine.wiring.clock import SystemClock


def sqlite_journal(path: Path, clock: Clock, read_only: bool) -> SqliteJournal:
    """The journal in a file."""
    return SqliteJournal(path, clock, read_only=read_only)


@contextmanager
def open_journal(
    project: Project, *, read_only: bool = False, notice: Callable[[str], None] | None = None, clock: Clock | None = None,
    store: Callable[[Path, Clock, bool], SqliteJournal] = sqlite_journal,
) -> Iterator[Journal]:
    """The project's journal. ``notice`` hears when its last transaction was found cut short; ``clock`` and ``store``: those of a
    rehearsal in virtual time. Raises ``JournalBroken``."""
    if not read_only:
        project.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    journal = store(project.journal, clock or SystemClock(), read_only)
    if journal.notice and notice is not None:
        notice(journal.notice)
    try:
        yield journal
    finally:
        journal.close()


def actor() -> str:
    """Who runs this, as far as the machine knows: by the process's own user, since anybody may set LOGNAME or USER."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def read_run(journal: Journal, wanted: str | None) -> RunState:
    """A run by id, by the unambiguous beginning or end of one, or the newest. Raises ``SwitchoverError``."""
    runs = [info.run for info in journal.runs()]
    if not runs:
        raise SwitchoverError("There are no runs yet", "Start one with: switchover apply RUNBOOK -i INVENTORY")
    found = runs[:1] if wanted is None else [run for run in runs if run.startswith(wanted) or run.endswith(wanted)]
    if len(found) != 1:
        known = ", ".join((found or runs)[:5])
        problem = f"There is no run {wanted}" if not found else f"'{wanted}' could be {len(found)} runs"
        raise SwitchoverError(problem, f"{'They are' if found else 'The newest are'}: {known}.")
    return fold(journal.read(found[0]))


def rollbacks_of(state: RunState, journal: Journal) -> list[RunState]:
    """The runs that took a run back, or part of it, newest first."""
    scope = state.started.scope if state.started is not None else None
    heads = ((info.run, next(iter(journal.read(info.run)), None)) for info in journal.runs(scope))
    back = [run for run, head in heads if head is not None and fold([head]).rollback_of == state.run]
    return [fold(journal.read(run)) for run in back]
