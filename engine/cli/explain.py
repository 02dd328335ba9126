"""``switchover explain``: what an address comes to, and every place that has a part in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from engine.cli.options import inventory_option, limit_option, parse_given, set_option
from engine.cli.output import data, data_json, wants_color
from engine.cli.planning import print_warnings
from engine.project import find_project
from engine.reporting.explanation import as_data, explanation_text
from engine.wiring.explaining import Asked, explain


@click.command("explain")
@click.argument("address")
@click.argument("runbook", type=click.Path(path_type=Path), required=False)
@inventory_option()
@set_option
@limit_option
@click.option("--output", type=click.Choice(["human", "json"]), default="human", show_default=True, help="What stdout gets.")
@click.option("-v", "--verbose", is_flag=True, help="Show defaults, and every name that template files use.")
def command(
    address: str, runbook: Path | None, inventory: Path, given: tuple[str, ...], limit: tuple[str, ...], output: str,
    verbose: bool,
) -> int:
    """What ADDRESS comes to, and which file and line set each value or lost. Reads no system and no secret.

    ADDRESS is phase/step[item], or phase/step for all its items; a field may follow, such as .with.server, .vars.region, .window
    or .when. RUNBOOK may be left out when only one of the project has the address.
    """
    project = find_project(runbook or inventory)
    found, warnings = explain(project, Asked(address, runbook, inventory, parse_given(given), limit))
    if output == "json":
        data_json(as_data(found))
        return 0
    print_warnings(warnings)
    width = shutil.get_terminal_size((100, 24)).columns
    data(explanation_text(found, color=wants_color(), width=width, verbose=verbose or "." in address.rpartition("]")[2]))
    return 0
