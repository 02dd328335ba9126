"""The project's journal, for commands that look at runs or add to them: without all that it takes to carry one on."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.journal.sqlite import SqliteJournal
from engine.model.errors import SwitchoverError
from engine.model.run import RunState, fold
from engine.ports import Journal
from engine.project import Project
from engine.wiring.clock import SystemClock


@contextmanager
def open_journal(
    project: Project, *, read_only: bool = False, notice: Callable[[str], None] | None = None
) -> Iterator[Journal]:
    """The project's journal. ``notice`` hears when its last transaction was found cut short. Raises ``JournalBroken``."""
    if not read_only:
        project.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    journal = SqliteJournal(project.journal, SystemClock(), read_only=read_only)
    if journal.notice and notice is not None:
        notice(journal.notice)
    try:
        yield journal
    finally:
        journal.close()


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


def actor() -> str:
    """Who runs this, as far as the machine knows: by the process's own user, since anybody may set LOGNAME or USER."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
