"""What the commands of people who act at a run's gates have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

from engine.cli.output import say, warn
from engine.model.event import Event
from engine.model.run import RunState
from engine.ports import Journal
from engine.project import Project, find_project
from engine.wiring.clock import SystemClock
from engine.wiring.gates import Account, act
from engine.wiring.journals import actor, open_journal, read_run
from engine.wiring.order import Override

as_option = click.option(
    "--as", "person", default="", metavar="ROLE", help="For whom you act, when that is not told by your account: role or name."
)


def account_of(person: str) -> Account:
    """Who runs this, and for whom."""
    return Account(actor(), person)


def reason_of(reason: str) -> str:
    """A reason that says something. Raises ``UsageError``."""
    if not reason.strip():
        raise click.UsageError("--reason wants words: they stand in the journal and in every report.")
    return reason.strip()


def override_of(person: str | None, reason: str) -> Override | None:
    """Whose word it is that the order may be gone against; None when nobody gave it. Raises ``UsageError`` without a reason."""
    return None if person is None else Override(account_of(person), reason_of(reason))


@contextmanager
def at_run(run: str) -> Iterator[tuple[Project, Journal, RunState]]:
    """The project, its journal, and a run found by id or by the beginning or end of one."""
    project = find_project()
    with open_journal(project, notice=warn) as journal:
        yield project, journal, read_run(journal, run)


def told(
    journal: Journal, run: str, decide: Callable[[RunState], Sequence[Event]], check: Callable[[], bool] | None = None
) -> None:
    """Journals what was decided, and says how the run goes on. ``check``: as of ``act``."""
    state = act(journal, run, SystemClock().now(), decide, check)
    holder = journal.holder(state.started.scope) if state.started is not None else None
    if holder is not None and holder.run == run:
        say("The process at work on the run goes on with it.")
    else:
        say(f"The run goes on with: switchover resume {run} (or by itself, where 'switchover watch' or a timer runs)")
