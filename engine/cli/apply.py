"""``switchover apply``: does what a plan shows."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import click

from engine.cli.acting import override_of
from engine.cli.options import (
    ignore_window_option,
    inventory_option,
    lab_option,
    limit_option,
    log_option,
    output_option,
    override_option,
    parse_given,
    set_option,
    yes_option,
)
from engine.cli.output import data_line, say, warn
from engine.cli.planning import MadePlan, PlanSink, make_plan, print_warnings, views_for
from engine.cli.policy import held
from engine.cli.prompt import ask
from engine.cli.running import Watch, begin_run
from engine.execution.stop import Stop
from engine.model.errors import SwitchoverError
from engine.model.plan import Outlook, PlanHeader, Totals
from engine.planning.plan_file import FORMAT, PlanWriter, read_plan
from engine.project import Project, find_project
from engine.wiring.clock import SystemClock
from engine.wiring.journals import open_journal
from engine.wiring.loading import Loaded, Named, existing, header_of, load
from engine.wiring.order import Guarded, Override
from engine.wiring.policing import Subject
from engine.wiring.runs import (
    PLAN_FILE,
    Begin,
    Stage,
    check_plan_applies,
    check_windows,
    expectations,
    new_run_id,
    open_stage,
    pinned,
)


@click.command("apply")
@click.argument("target", type=click.Path(path_type=Path), metavar="PLAN|RUNBOOK")
@inventory_option(required=False)
@set_option
@limit_option
@lab_option
@yes_option
@click.option("--reason", default="", help="Why the order or the policy may be gone against; with --override.")
@override_option
@ignore_window_option
@output_option
@log_option
@click.option("-v", "--verbose", is_flag=True, help="Show unchanged items and whole files in the plan.")
def command(
    target: Path, inventory: Path | None, given: tuple[str, ...], limit: tuple[str, ...], lab: bool, yes: bool,
    reason: str, override: str | None, ignore_window: str | None, output: str, log: Path | None, verbose: bool,
) -> int:
    """Apply a saved PLAN, exactly; or plan RUNBOOK for an inventory, show it, ask, and apply it."""
    project = find_project(target)
    watch = Watch(output, log, yes=yes, ignore_window=_reason(ignore_window), verbose=verbose)
    by = override_of(override, reason)
    if _is_plan(target):
        if inventory is not None or given or limit or lab:
            raise click.UsageError("A saved plan knows its inventory, inputs and limits: give the plan alone.")
        return _apply_plan(project, target, watch, by)
    if inventory is None:
        raise click.UsageError(f"{target} is no saved plan. A runbook is applied to an inventory: give one with -i FOLDER.")
    return _apply_runbook(project, Named(target, inventory, parse_given(given), limit, lab), watch, by)


def _is_plan(target: Path) -> bool:
    with existing(target, "plan or runbook").open("rb") as file:
        return FORMAT.encode() in file.read(64)


def _reason(ignore_window: str | None) -> str | None:
    if ignore_window is not None and not ignore_window.strip():
        raise click.UsageError("--ignore-window wants a reason, for the journal and the report.")
    return ignore_window


def _apply_plan(project: Project, path: Path, watch: Watch, by: Override | None) -> int:
    saved = read_plan(path)
    header = saved.header
    if header.rollback_of:
        from engine.cli.rollback import apply_back  # noqa: PLC0415  # a plan that goes forward needs none of it

        return apply_back(project, saved, watch)
    named = Named(project.root / header.runbook, project.root / header.inventory, {}, header.limit, header.lab)
    loaded = load(project, named, header.inputs)
    allowed = Guarded(loaded.runbook, loaded.inventory, by).left_out(header.limit)
    stop = Stop()
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(project, notice=warn))
        check_plan_applies(header, loaded, journal)
        allowed += held(project, Subject(loaded, header.git_commit or ""), journal, by)
        run = new_run_id(SystemClock())
        folder = stack.enter_context(pinned(loaded, journal, run))
        stage = stack.enter_context(open_stage(loaded, journal, run, stop))
        if not _anything_to_do(saved.totals):
            return _nothing_to_do(saved.totals, watch)
        check_windows(stage, ignored=watch.ignore_window is not None)
        with PlanWriter(folder / PLAN_FILE, header) as writer:
            for item in saved.items:
                writer.add(item)
        begin = Begin(run, header, saved.totals, expectations(saved.items), watch.ignore_window, allowed)
        return begin_run(stage, journal, begin, watch, stop)


def _apply_runbook(project: Project, named: Named, watch: Watch, by: Override | None) -> int:
    loaded = load(project, named)
    print_warnings(loaded.warnings)
    allowed = Guarded(loaded.runbook, loaded.inventory, by).left_out(named.limit)
    stop = Stop()
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(project, notice=warn))
        allowed += held(project, Subject(loaded), journal, by)
        run = new_run_id(SystemClock())
        folder = stack.enter_context(pinned(loaded, journal, run))
        stage = stack.enter_context(open_stage(loaded, journal, run, stop))
        header = header_of(loaded, stage.scene.clock, stage.key.id)
        made = _plan(stage, header, folder, watch)
        if not _anything_to_do(made.totals):
            return _nothing_to_do(made.totals, watch)
        check_windows(stage, ignored=watch.ignore_window is not None)
        if not watch.yes and not _agreed(loaded, made):
            say("Nothing was applied.")
            return 0
        begin = Begin(run, header, made.totals, made.expected, watch.ignore_window, allowed)
        return begin_run(stage, journal, begin, watch, stop)


def _plan(stage: Stage, header: PlanHeader, folder: Path, watch: Watch) -> MadePlan:
    """Plans into the run's folder, showing it when anybody is to read it."""
    shown = watch.output == "human" and not (watch.yes and not sys.stdout.isatty())
    sinks: list[PlanSink] = [views_for("human", header, verbose=watch.verbose)] if shown else []
    with PlanWriter(folder / PLAN_FILE, header) as writer:
        return make_plan(stage, [*sinks, writer], detail=shown)


def _agreed(loaded: Loaded, made: MadePlan) -> bool:
    if not sys.stdin.isatty():
        raise SwitchoverError(
            "Nobody is there to agree", "stdin is no terminal. Look at the plan first, then give --yes; or apply a saved plan."
        )
    where = "the LAB" if loaded.named.lab else loaded.inventory.title or loaded.inventory.customer
    doubts = f" {made.errors} could not be read and will fail if still so." if made.errors else ""
    say()
    # The counts once more: what stood above has run out of most windows by now.
    say(_counted(made.totals))
    return ask(f"Apply this to {where}?{doubts} Only 'yes' will do", default="no") == "yes"


def _counted(totals: Totals) -> str:
    """What a plan comes to, in less than a line of 80; what there is none of is left out."""
    words = (
        (totals[Outlook.CHANGE], "to change"), (totals[Outlook.UNPREDICTABLE], "to be done"), (totals[Outlook.LATER], "later"),
        (totals[Outlook.CHECK], "to check"), (totals.irreversible, "cannot be undone"),
    )
    return ", ".join(f"{count} {what}" for count, what in words if count)


def _anything_to_do(totals: Totals) -> bool:
    """What could not be read while planning counts: it is tried, and fails aloud."""
    return totals.pending or bool(totals[Outlook.CHECK] or totals[Outlook.ERROR])


def _nothing_to_do(totals: Totals, watch: Watch) -> int:
    if watch.output != "human":
        # A program that reads stdout is told too; there is no run to name.
        data_line({"format": "switchover.run/1", "run": None, "status": "nothing to do", "counts": {}})
    if totals[Outlook.NOTHING]:
        say("Nothing to do: everything is as the runbook wants it. 0 changes.")
    else:
        say("Nothing to do: no step applies to any item. 0 changes.")
    return 0
