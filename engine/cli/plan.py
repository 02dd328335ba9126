"""``switchover plan``: what would change, read from the real systems."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from engine.cli.acting import override_of
from engine.cli.options import (
    characters_option,
    inventory_option,
    lab_option,
    limit_option,
    override_option,
    parse_given,
    plan_output_option,
    runbook_argument,
    set_option,
)
from engine.cli.output import say
from engine.cli.planning import PlanSink, make_plan, print_warnings, views_for
from engine.execution.stop import Stop
from engine.planning.plan_file import PlanWriter
from engine.project import find_project
from engine.wiring.journals import open_journal
from engine.wiring.loading import Named, header_of, load
from engine.wiring.order import Guarded
from engine.wiring.runs import open_stage


@click.command("plan")
@runbook_argument
@inventory_option()
@set_option
@limit_option
@lab_option
@click.option("--reason", default="", help="Why the order may be gone against; with --override.")
@override_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Save the plan, to apply it later.")
@plan_output_option
@characters_option
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there is anything to do.")
@click.option("-v", "--verbose", is_flag=True, help="Show unchanged items and whole files.")
def command(
    runbook: Path, inventory: Path, given: tuple[str, ...], limit: tuple[str, ...], lab: bool,
    reason: str, override: str | None, out: Path | None, output: str, characters: int, detailed_exitcode: bool, verbose: bool,
) -> int:
    """Read the real systems and show, item by item, what RUNBOOK would change. Writes nothing anywhere."""
    project = find_project(runbook)
    loaded = load(project, Named(runbook, inventory, parse_given(given), limit, lab))
    print_warnings(loaded.warnings)
    # Only looked at; whoever applies it has to be let as well, on record.
    Guarded(loaded.runbook, loaded.inventory, override_of(override, reason)).left_out(limit)
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(project, read_only=True)) if project.journal.exists() else None
        stage = stack.enter_context(open_stage(loaded, journal, "plan", Stop(), passing=out is None))
        header = header_of(loaded, stage.scene.clock, stage.key.id)
        sinks: list[PlanSink] = [views_for(output, header, verbose=verbose, characters=characters)]
        if out is not None:
            sinks.append(stack.enter_context(PlanWriter(out, header)))
        made = make_plan(stage, sinks)
    if out is not None:
        say(f"\nSaved as {out}. Apply it with: switchover apply {out}")
    if made.errors:
        return 1
    return 2 if detailed_exitcode and made.totals.pending else 0
