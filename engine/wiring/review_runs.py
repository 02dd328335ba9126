"""Runs that are not over and go by the old side of a change: whether each could go over to the new one.

Nothing is written, and no lease is taken: whoever then amends looks again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.execution.stop import Stop
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.errors import SwitchoverError
from engine.model.review import OpenRun
from engine.model.run import RunState, fold
from engine.model.values import dataclass
from engine.ports import Journal
from engine.project import Project
from engine.wiring.amend import Wanted, check_amendable, compared, load_wanted
from engine.wiring.journals import open_journal
from engine.wiring.runs import load_copies, run_header


@dataclass(frozen=True, slots=True)
class Amending:
    """What open runs would go over to. ``digest``: of the old side's runbook, by which its runs are known; ``old`` and ``new``:
    the sides as projects, with the journal of the real one; ``inventory``: the name plans keep of it, and its new revision."""

    digest: str
    old: Project
    new: Project
    runbook: Path
    inventory: tuple[str, Path] | None = None


def open_runs(project: Project, amending: Amending) -> tuple[OpenRun, ...]:
    """Every run that is pinned to the old side, newest first. Raises ``JournalBroken``."""
    if not project.journal.exists():
        return ()
    with open_journal(project, read_only=True) as journal:
        return tuple(_told(journal, state, amending) for state in _pinned(journal, amending.digest))


def _pinned(journal: Journal, digest: str) -> Iterator[RunState]:
    for info in journal.open_runs():
        state = fold(journal.read(info.run))
        if state.started is not None and not state.rollback_of and run_header(state).runbook_digest == digest:
            yield state


def _told(journal: Journal, state: RunState, amending: Amending) -> OpenRun:
    waits = ", ".join(address for address, gate in state.gates.items() if gate.is_open)
    return OpenRun(state.run, state.status.value, waits, tuple(_obstacles(journal, state, amending)))


def _obstacles(journal: Journal, state: RunState, amending: Amending) -> Iterator[str]:
    """Why ``amend`` would be refused, in its own words."""
    named = amending.inventory
    inventory = named[1] if named is not None and named[0] == run_header(state).inventory else None
    try:
        check_amendable(state, journal)
        old = load_copies(amending.old, state)
        new = load_wanted(amending.new, state, Wanted(amending.runbook, inventory, {}))
        problems = compared(old, new, journal, state, Stop(), passing=True).problems
    except InvalidInput as invalid:
        problems = invalid.diagnostics
    except SwitchoverError as error:
        yield str(error)
        return
    yield from (_spelled(problem) for problem in problems if problem.is_error)


def _spelled(problem: Diagnostic) -> str:
    return f"{problem.summary}: {problem.detail}"
