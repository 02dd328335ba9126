"""``switchover signal``: tells a run that something has happened outside."""

from __future__ import annotations

import click

from engine.cli.acting import at_run, told
from engine.cli.options import parse_given
from engine.cli.output import data
from engine.model.event import SignalReceived
from engine.wiring.journals import actor


@click.command("signal")
@click.argument("run")
@click.argument("name")
@click.option("--data", "given", multiple=True, metavar="NAME=VALUE", help="What later steps may use of it. May be repeated.")
def command(run: str, name: str, given: tuple[str, ...]) -> int:
    """Tell RUN that NAME has happened, such as port-completed. It may come before anything waits for it.

    Also called `switchover event`.
    """
    with at_run(run) as (_, journal, state):
        event = SignalReceived(name, parse_given(given), actor())
        told(journal, state.run, lambda _: [event])
        data(f"Told run {state.run}: {name}")
    return 0
