"""``switchover show``: a saved plan, as it was made; or a runbook, as a document for people."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.acting import at_run
from engine.cli.options import characters_option, inventory_option, plan_output_option
from engine.cli.output import data, say
from engine.cli.planning import views_for
from engine.execution.gatekeeper import shown_path
from engine.model.errors import SwitchoverError
from engine.planning.plan_file import read_plan
from engine.project import find_project
from engine.wiring.checklists import checklist, is_runbook
from engine.wiring.gates import gate_at


@click.command("show")
@click.argument("plan", type=click.Path(path_type=Path), required=False, metavar="[PLAN|RUNBOOK]")
@click.option("--run", help="Instead of a plan: what an approval of this run is about ...")
@click.option("--at", "address", metavar="ADDRESS", help="... the one at this address.")
@inventory_option(required=False)
@plan_output_option
@characters_option
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there is anything to do.")
@click.option("-v", "--verbose", is_flag=True, help="Show unchanged items and whole files.")
def command(
    plan: Path | None, run: str | None, address: str | None, inventory: Path | None, output: str, characters: int,
    detailed_exitcode: bool, verbose: bool,
) -> int:
    """Show the saved PLAN, or what an approval covers. Reads no system: it is what was seen then.

    Of a RUNBOOK, show the checklist that people go by, in Markdown; with -i as one for this customer, with names and items.
    """
    if (plan is None) == (run is None) or (run is None) != (address is None):
        raise click.UsageError("Name a PLAN or a RUNBOOK, or --run RUN with --at ADDRESS.")
    if plan is not None and is_runbook(plan):
        data(checklist(find_project(plan), plan, inventory).rstrip("\n"))
        return 0
    if inventory is not None:
        raise click.UsageError("-i goes with a RUNBOOK.")
    saved = read_plan(plan if plan is not None else _shown_at(str(run), str(address)))
    view = views_for(output, saved.header, verbose=verbose, characters=characters)
    for item in saved.items:
        view.add(item)
    view.finish()
    return 2 if detailed_exitcode and saved.totals.pending else 0


def _shown_at(run: str, address: str) -> Path:
    with at_run(run) as (project, _, state):
        gate = gate_at(state, address)
        path = shown_path(project.run_folder(state.run), address)
        if not path.exists():
            message = str(gate.opened.ask.get("message") or gate.opened.ask.get("summary") or "")
            raise SwitchoverError("There are no changes to show", f"{address} covers no steps. It asks: {message}")
        revision = f", revision {state.revision}" if state.amendments else ""
        say(f"What {address} of run {state.run}{revision} is about; its digest: {gate.digest}")
        return path
