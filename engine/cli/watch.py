"""``switchover watch``: stays, and goes on with each run when it is due."""

from __future__ import annotations

import click

from engine.cli.output import say
from engine.cli.resume import take_up_due
from engine.cli.running import Watch, stop_on_signals
from engine.execution.stop import Stop
from engine.project import find_project
from engine.wiring.clock import SystemClock
from engine.wiring.journals import open_journal

_LONGEST_S = 30.0
"""Somebody's answer, and a clock that jumped, are noticed after this long at most."""


@click.command("watch")
def command() -> int:
    """Go on with every waiting run when it is due, until stopped. For a service manager; 'resume --all-due' is for cron."""
    project, stop = find_project(), Stop()
    clock = SystemClock(stop)
    say(f"Watching the runs of {project.root}. Ctrl-C ends it; what is running finishes.")
    with stop_on_signals(stop):
        while not stop.is_set:
            take_up_due(project, stop, Watch())
            due = None
            if project.journal.exists():
                with open_journal(project, read_only=True) as journal:
                    due = journal.next_due()
            wait_s = _LONGEST_S if due is None else (due - clock.now()).total_seconds()
            stop.wait(min(max(wait_s, 1.0), _LONGEST_S))
    return 0
