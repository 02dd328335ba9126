"""``switchover cancel``: ends a run for good."""

from __future__ import annotations

import time
from pathlib import Path

import click

from engine.cli.acting import account_of, at_run, reason_of
from engine.cli.options import log_option, output_option
from engine.cli.output import say
from engine.cli.resume import nothing_first, take_up
from engine.cli.running import Watch
from engine.model.run import RunState, RunStatus
from engine.ports import Journal
from engine.wiring.clock import SystemClock
from engine.wiring.gates import act
from engine.wiring.runs import check_not_rolled_back
from engine.wiring.steering import Said, cancel

_ENDING_S = 10.0
"""How long a process that has journalled its end may take until it is gone."""


@click.command("cancel")
@click.argument("run")
@click.option("--reason", required=True, help="Why. It stands in the journal and in every report.")
@output_option
@log_option
def command(run: str, reason: str, output: str, log: Path | None) -> int:
    """End RUN for good: what is running finishes, nothing new starts, and the runbook's on_cancel steps are done.

    A process at work on the run does so; where there is none, this command does. What the run did stays, until a rollback.
    """
    clock = SystemClock()
    said = Said(account_of(""), reason_of(reason), clock.now())
    with at_run(run) as (_, journal, state):
        check_not_rolled_back(state, journal)
        before = act(journal, state.run, clock.now(), lambda found: cancel(found, said))
        say(f"Cancelled: run {state.run}")
        if _is_at_work(journal, before):
            say(f"The process at work on the run ends it: switchover status {state.run}")
            return 0
    return take_up(state.run, Watch(output, log), nothing_first)


def _is_at_work(journal: Journal, state: RunState) -> bool:
    """Whether a live process hears of it for certain: it journals the run's end only when nobody has acted just before. One that
    has journalled its end does not, and is waited for."""
    give_up = time.monotonic() + _ENDING_S
    while state.started is not None and time.monotonic() < give_up:
        holder = journal.holder(state.started.scope)
        if holder is None or holder.run != state.run:
            return False
        if state.status is RunStatus.RUNNING:
            return True
        time.sleep(0.1)
    return False
