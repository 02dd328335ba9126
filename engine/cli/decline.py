"""``switchover decline``: none of the proposed times will do."""

from __future__ import annotations

import click

from engine.cli.acting import account_of, as_option, told
from engine.cli.appointing import at_desk
from engine.cli.output import data
from engine.model.run import fold
from engine.reporting.wording import slot_lines
from engine.wiring.appointments import appointment_at, decline
from engine.wiring.clock import SystemClock


@click.command("decline")
@click.argument("run")
@click.argument("address")
@as_option
@click.option("--reason", required=True, help="Why; it is on record.")
@click.option("--not", "slots", multiple=True, metavar="SLOT", help="Only this one: its number or start. May be repeated.")
def command(run: str, address: str, person: str, reason: str, slots: tuple[str, ...]) -> int:
    """Decline the times proposed for the appointment of RUN at ADDRESS: the next earliest are proposed instead."""
    account, clock = account_of(person), SystemClock()
    with at_desk(run) as (journal, state, desk):
        told(
            journal, state.run, lambda found: decline(found, address, account, clock.now(), reason, desk, slots=slots),
            desk.unchanged,
        )
        lines = slot_lines(appointment_at(fold(journal.read(state.run)), address))
        data("\n".join(["Declined. Now proposed:", *(f"  {line}" for line in lines)]) if lines else "Declined. No other fits.")
    return 0
