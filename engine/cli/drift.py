"""``switchover drift``: what has changed since a run, in the real systems."""

from __future__ import annotations

import shutil

import click

from engine.cli.options import output_option
from engine.cli.output import data, data_json, data_line, say, wants_color
from engine.execution.stop import Stop
from engine.model.diagnostic import InvalidInput
from engine.model.run import ItemStatus
from engine.planning.drift import Drift, Standing, drift
from engine.planning.planner import Planner
from engine.project import find_project
from engine.reporting.drift import FORMAT, counts_data, drift_data, format_drift
from engine.wiring.journals import open_journal, read_run, rollbacks_of
from engine.wiring.rollback import open_left


@click.command("drift")
@click.argument("run", required=False)
@output_option
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when anything is not as the run left it.")
def command(run: str | None, output: str, detailed_exitcode: bool) -> int:
    """Read back everything that RUN (default: the newest) changed, and say what is not as it left it. Writes nothing anywhere."""
    project = find_project()
    with open_journal(project, read_only=True) as journal:
        state = read_run(journal, run)
        for back in rollbacks_of(state, journal):
            say(f"Run {state.run} was rolled back, by run {back.run}: switchover drift {back.run} tells how that stands.")
        with open_left(project, journal, state, Stop()) as stage:
            planner = Planner(stage.scene)
            found = list(drift(planner, stage.work))
    if planner.diagnostics:
        raise InvalidInput(planner.diagnostics)
    unread = sum(item.status is ItemStatus.RAN for item in state.items.values())
    _show(state.run, found, unread, output)
    standings = {one.standing for one in found}
    if Standing.UNREADABLE in standings:
        return 1
    return 2 if detailed_exitcode and standings - {Standing.AS_LEFT} else 0


def _show(run: str, found: list[Drift], unread: int, output: str) -> None:
    counts = counts_data(found, unread)
    if output == "human":
        width = shutil.get_terminal_size((100, 24)).columns
        data(format_drift(run, found, unread, color=wants_color(), width=width))
    elif output == "json":
        data_json({"format": FORMAT, "run": run, "items": [drift_data(one) for one in found], "counts": counts})
    else:
        for one in found:
            data_line({"format": FORMAT, "type": "item", **drift_data(one)})
        data_line({"format": FORMAT, "type": "counts", "run": run, **counts})
