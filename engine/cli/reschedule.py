"""``switchover reschedule``: moves an appointment that was chosen."""

from __future__ import annotations

import click

from engine.cli.acting import account_of, as_option, told
from engine.cli.appointing import at_desk, chosen
from engine.cli.output import data
from engine.model.run import fold
from engine.reporting.wording import listed_slots, standing_slot
from engine.wiring.appointments import appointment_at, others, reschedule
from engine.wiring.clock import SystemClock


@click.command("reschedule")
@click.argument("run")
@click.argument("address")
@click.argument("slot", required=False)
@as_option
@click.option("--reason", required=True, help="Why; it is on record.")
def command(run: str, address: str, slot: str | None, person: str, reason: str) -> int:
    """Move the appointment of RUN at ADDRESS, until it begins. SLOT: a start that fits, such as 2026-11-30T08:00; without it,
    asked for at a terminal. What waits for it goes by the new time, and who was invited is told."""
    account, clock = account_of(person), SystemClock()
    with at_desk(run) as (journal, state, desk):
        gate = appointment_at(state, address)
        offers = others(state, address, account, clock.now(), desk)

        def take(wanted: str) -> None:
            told(
                journal, state.run,
                lambda found: reschedule(found, address, account, clock.now(), wanted, reason, desk), desk.unchanged,
            )

        chosen(slot, lambda: listed_slots(gate, offers), take)
        data(f"Moved: {standing_slot(appointment_at(fold(journal.read(state.run)), address))}, {address} of run {state.run}")
    return 0
