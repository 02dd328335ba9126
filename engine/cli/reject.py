"""``switchover reject``: refuses what a run asks for."""

from __future__ import annotations

import click

from engine.cli.acting import account_of, as_option, at_run, told
from engine.cli.output import data
from engine.wiring.clock import SystemClock
from engine.wiring.gates import vote


@click.command("reject")
@click.argument("run")
@click.argument("address")
@as_option
@click.option("--comment", required=True, help="Why. It stands in the journal and in every report.")
def command(run: str, address: str, person: str, comment: str) -> int:
    """Reject what RUN asks for at ADDRESS: what waits behind it is not done."""
    account, clock = account_of(person), SystemClock()
    with at_run(run) as (_, journal, state):
        told(journal, state.run, lambda found: vote(found, address, account, clock.now(), choice="reject", comment=comment))
        data(f"Rejected: {address} of run {state.run}")
    return 0
