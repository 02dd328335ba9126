"""``switchover show``: a saved plan, as it was made."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.options import output_option
from engine.cli.planning import views_for
from engine.planning.plan_file import read_plan


@click.command("show")
@click.argument("plan", type=click.Path(path_type=Path))
@output_option
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there is anything to do.")
@click.option("-v", "--verbose", is_flag=True, help="Show unchanged items and whole files.")
def command(plan: Path, output: str, detailed_exitcode: bool, verbose: bool) -> int:
    """Show the saved PLAN. Reads no system: it is what was seen when the plan was made."""
    saved = read_plan(plan)
    view = views_for(output, saved.header, verbose=verbose)
    for item in saved.items:
        view.add(item)
    view.finish()
    return 2 if detailed_exitcode and saved.totals.pending else 0
