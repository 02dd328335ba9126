"""``switchover hold``: keeps a run, a phase or a step from starting anything."""

from __future__ import annotations

from datetime import datetime

import click

from engine.cli.acting import at_run, told
from engine.cli.output import data
from engine.model.event import RunHeld
from engine.model.run import RunState
from engine.wiring.gates import NotAllowed, holdable
from engine.wiring.journals import actor


@click.command("hold")
@click.argument("run")
@click.argument("address", required=False, default="")
@click.option("--reason", required=True, help="Why. It stands in the journal and in every report.")
@click.option("--owner", default="", help="Who answers for it; default: you.")
@click.option("--until", type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%d"]), help="Released by itself then, local time.")
@click.option("--until-signal", default="", metavar="NAME", help="Released by itself once this has happened.")
def command(run: str, address: str, reason: str, owner: str, until: datetime | None, until_signal: str) -> int:
    """Hold RUN, or one phase or step of it (ADDRESS). What is running finishes; nothing new starts there."""
    end = until.astimezone().isoformat() if until is not None else ""

    def held(state: RunState) -> list[RunHeld]:
        if address in state.holds:
            hold = state.holds[address]
            first = f"switchover release {run} {address}".strip()
            raise NotAllowed("It is held already", f"By {hold.owner}: {hold.reason}. Release it first: {first}")
        return [RunHeld(address, reason, owner or actor(), end, until_signal)]

    with at_run(run) as (project, journal, state):
        holdable(project, state, address)
        told(journal, state.run, held)
        data(f"Held: {address or 'all'} of run {state.run}")
    return 0
