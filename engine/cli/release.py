"""``switchover release``: ends a hold."""

from __future__ import annotations

import click

from engine.cli.acting import at_run, told
from engine.cli.output import data
from engine.language.nearest import offered
from engine.model.event import RunReleased
from engine.model.run import RunState
from engine.wiring.gates import NotAllowed
from engine.wiring.journals import actor


@click.command("release")
@click.argument("run")
@click.argument("address", required=False, default="")
@click.option("--reason", required=True, help="Why it may go on. It stands in the journal and in every report.")
def command(run: str, address: str, reason: str) -> int:
    """Release the hold on RUN, or on one phase or step of it (ADDRESS)."""

    def released(state: RunState) -> list[RunReleased]:
        if address not in state.holds:
            held = [other or "the whole run" for other in state.holds]
            raise NotAllowed("Nothing is held there", f"Held are: {offered(held)}" if held else "Nothing of this run is held.")
        return [RunReleased(address, reason, actor())]

    with at_run(run) as (_, journal, state):
        told(journal, state.run, released)
        data(f"Released: {address or 'all'} of run {state.run}")
    return 0
