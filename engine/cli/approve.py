"""``switchover approve``: agrees to what a run shows."""

from __future__ import annotations

import click

from engine.cli.acting import account_of, as_option, at_run, told
from engine.cli.output import data
from engine.wiring.clock import SystemClock
from engine.wiring.gates import vote


@click.command("approve")
@click.argument("run")
@click.argument("address")
@as_option
@click.option("--comment", default="", help="Stands in the journal and in every report.")
@click.option("--digest", default="", help="Of what you saw, or its beginning: a vote on anything else is refused.")
def command(run: str, address: str, person: str, comment: str, digest: str) -> int:
    """Approve what RUN asks for at ADDRESS. What it would change: switchover show --run RUN --at ADDRESS"""
    account, clock = account_of(person), SystemClock()
    with at_run(run) as (_, journal, state):
        told(journal, state.run, lambda found: vote(
            found, address, account, clock.now(), choice="approve", comment=comment, digest=digest
        ))
        data(f"Approved: {address} of run {state.run}")
    return 0
