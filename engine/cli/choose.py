"""``switchover choose``: takes a time for an appointment that a run waits for."""

from __future__ import annotations

import click

from engine.cli.acting import account_of, as_option, told
from engine.cli.appointing import at_desk, chosen
from engine.cli.output import data
from engine.model.run import fold
from engine.reporting.wording import slot_lines, standing_slot
from engine.wiring.appointments import SlotRefused, appointment_at, choose, renewed
from engine.wiring.clock import SystemClock
from engine.wiring.gates import act


@click.command("choose")
@click.argument("run")
@click.argument("address")
@click.argument("slot", required=False)
@as_option
def command(run: str, address: str, slot: str | None, person: str) -> int:
    """Choose the time of the appointment of RUN at ADDRESS. SLOT: the number of a proposed time, or any start that fits, such as
    2026-11-30T08:00; without it, asked for at a terminal."""
    account, clock = account_of(person), SystemClock()
    with at_desk(run) as (journal, state, desk):
        appointment_at(state, address)

        def take(wanted: str) -> None:
            try:
                told(
                    journal, state.run, lambda found: choose(found, address, account, clock.now(), wanted, desk), desk.unchanged
                )
            except SlotRefused as refused:
                # What is on the list has to be what can be had: whoever looks next sees other times.
                now, why = clock.now(), refused.detail
                act(journal, state.run, now, lambda found: renewed(found, address, now, desk, why), desk.unchanged)
                raise

        chosen(slot, lambda: slot_lines(appointment_at(fold(journal.read(state.run)), address)), take)
        data(f"Chosen: {standing_slot(appointment_at(fold(journal.read(state.run)), address))}, {address} of run {state.run}")
    return 0
