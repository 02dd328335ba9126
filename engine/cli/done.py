"""``switchover done``: says how manual work stands."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.acting import account_of, as_option, at_run, override_of, told
from engine.cli.options import override_option
from engine.cli.output import data
from engine.model.event import Event
from engine.wiring.clock import SystemClock
from engine.wiring.gates import keep_evidence, report
from engine.wiring.order import Guarded
from engine.wiring.runs import load_pinned


@click.command("done")
@click.argument("run")
@click.argument("address")
@as_option
@click.option(
    "--evidence", multiple=True, type=click.Path(path_type=Path), help="A file that proves it; a copy is kept. May be repeated."
)
@click.option("--blocked", is_flag=True, help="It cannot be done now; --reason says why. The run goes on waiting.")
@click.option("--skipped", is_flag=True, help="It is not done at all; --reason says why. The run goes on.")
@click.option("--reason", default="", help="Stands in the journal and in every report.")
@override_option
def command(
    run: str, address: str, person: str, evidence: tuple[Path, ...], blocked: bool, skipped: bool, reason: str,
    override: str | None,
) -> int:
    """Report the manual work of RUN at ADDRESS as done."""
    if blocked and skipped:
        raise click.UsageError("--blocked and --skipped cannot both be so.")
    outcome = "blocked" if blocked else "skipped" if skipped else "done"
    account, clock = account_of(person), SystemClock()
    with at_run(run) as (project, journal, state):
        allowed: list[Event] = []
        if skipped:
            loaded = load_pinned(project, state, templates=False)
            allowed = Guarded(loaded.runbook, loaded.inventory, override_of(override, reason)).skipped(address)
        # Judged first: a file is kept only of somebody who may give it.
        report(state, address, account, clock.now(), outcome=outcome, reason=reason, evidence=[{}] if evidence else [])
        kept = keep_evidence(project.run_folder(state.run), evidence) if evidence else []
        told(journal, state.run, lambda found: [
            *allowed, *report(found, address, account, clock.now(), outcome=outcome, reason=reason, evidence=kept)
        ])
        data(f"{outcome.capitalize()}: {address} of run {state.run}")
    return 0
