"""``switchover delegate``: hands what one is asked at a gate to somebody else."""

from __future__ import annotations

import click

from engine.cli.acting import account_of, as_option, at_run, told
from engine.cli.output import data
from engine.wiring.clock import SystemClock
from engine.wiring.delegation import delegate, person_named


@click.command("delegate")
@click.argument("run")
@click.argument("address")
@click.option("--to", "other", required=True, metavar="PERSON", help="Who is to act: role or name of the inventory's people.")
@click.option("--reason", required=True, help="Why. It stands in the journal and in every report.")
@as_option
def command(run: str, address: str, other: str, reason: str, person: str) -> int:
    """Hand what RUN asks of you at ADDRESS to somebody else, who then acts in your place; you no longer may."""
    account, clock = account_of(person), SystemClock()
    with at_run(run) as (project, journal, state):
        to = person_named(project, state, other)
        told(journal, state.run, lambda found: delegate(found, address, account, clock.now(), to, reason))
        data(f"Handed on: {address} of run {state.run} to {to['name']} ({to['role']})")
    return 0
