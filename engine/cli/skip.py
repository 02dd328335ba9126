"""``switchover skip``: leaves out an item, a step or an open gate."""

from __future__ import annotations

import click

from engine.cli.acting import account_of, at_run, override_of, reason_of, told
from engine.cli.options import override_option
from engine.cli.output import data
from engine.wiring.clock import SystemClock
from engine.wiring.order import Guarded
from engine.wiring.runs import load_pinned
from engine.wiring.steering import Said, skip


@click.command("skip")
@click.argument("run")
@click.argument("address")
@click.option("--reason", required=True, help="Why. It stands in the journal and in every report.")
@override_option
def command(run: str, address: str, reason: str, override: str | None) -> int:
    """Leave out ADDRESS of RUN: an item, what is not done of a step, or an open gate. It counts as ended well, without outputs.

    What was done is not skipped but rolled back, and what is in doubt is answered first.
    """
    said = Said(account_of(""), reason_of(reason), SystemClock().now())
    with at_run(run) as (project, journal, state):
        loaded = load_pinned(project, state, templates=False)
        guarded = Guarded(loaded.runbook, loaded.inventory, override_of(override, reason))
        told(journal, state.run, lambda found: [
            *skip(loaded.runbook, loaded.inventory, found, address, said), *guarded.skipped(address)
        ])
        data(f"Skipped: {address} of run {state.run}")
    return 0
