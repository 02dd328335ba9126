"""``switchover pause``: lets a run stand still until somebody takes it up."""

from __future__ import annotations

import click

from engine.cli.acting import account_of, at_run
from engine.cli.output import data, say
from engine.wiring.clock import SystemClock
from engine.wiring.gates import act
from engine.wiring.steering import Said, pause


@click.command("pause")
@click.argument("run")
@click.option("--reason", default="", help="Why. It stands in the journal and in every report.")
def command(run: str, reason: str) -> int:
    """Pause RUN: what is running finishes, nothing new starts. 'resume --all-due' and 'watch' leave it alone."""
    clock = SystemClock()
    said = Said(account_of(""), reason, clock.now())
    with at_run(run) as (_, journal, state):
        act(journal, state.run, clock.now(), lambda found: pause(found, said))
        data(f"Paused: run {state.run}")
        say(f"It goes on with: switchover resume {state.run}")
    return 0
