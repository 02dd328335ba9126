"""``switchover validate``: every problem at once, with file, line and column."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.options import inventory_option, output_option, parse_given, set_option
from engine.cli.output import data, data_json, say
from engine.cli.planning import print_warnings
from engine.model.diagnostic import InvalidInput
from engine.project import find_project
from engine.reporting.diagnostics import as_json
from engine.wiring.loading import check_files


@click.command("validate")
@click.argument("runbooks", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUNBOOK...")
@inventory_option(required=False)
@set_option
@output_option
def command(runbooks: tuple[Path, ...], inventory: Path | None, given: tuple[str, ...], output: str) -> int:
    """Check each RUNBOOK, and with -i an inventory too, without reaching for any system."""
    project, inputs = find_project(runbooks[0]), parse_given(given)
    found = list(dict.fromkeys(each for runbook in runbooks for each in check_files(project, runbook, inventory, inputs)))
    errors = [diagnostic for diagnostic in found if diagnostic.is_error]
    if output != "human":
        data_json({"format": "switchover.diagnostics/1", "diagnostics": [as_json(diagnostic) for diagnostic in found]})
        return 3 if errors else 0
    if errors:
        raise InvalidInput(found)
    print_warnings(found)
    for runbook in runbooks:
        data(f"{runbook}: ok" + (f", with {inventory}" if inventory else ""))
    if inventory is None:
        say("Without -i, names that an inventory defines were not checked.")
    return 0
