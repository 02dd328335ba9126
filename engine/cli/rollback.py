"""``switchover rollback``: takes back what a run did, as a plan that is looked at first."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import click

from engine.cli.options import log_option, output_option, yes_option
from engine.cli.output import data_line, say, warn
from engine.cli.planning import MadePlan, PlanSink, gather, views_for
from engine.cli.prompt import ask
from engine.cli.running import Watch, begin_run
from engine.execution.rollback import Reach, planned_back, stays_as_events
from engine.execution.stop import Stop
from engine.language.nearest import offered
from engine.model.errors import SwitchoverError
from engine.model.plan import Outlook, PlanHeader, Totals
from engine.planning.limit import idle
from engine.planning.plan_file import PlanFile, PlanWriter
from engine.planning.planner import Planner
from engine.project import Project, find_project
from engine.wiring.clock import SystemClock
from engine.wiring.journals import open_journal, read_run
from engine.wiring.rollback import Back, header_back, load_back, open_back, undone_before
from engine.wiring.runs import (
    PLAN_FILE,
    Begin,
    check_has_not_gone_on,
    check_not_applied,
    expectations,
    new_run_id,
    pinned,
    pinned_folder,
)


@click.command("rollback")
@click.argument("run")
@click.option("--to", default="", metavar="STEP", help="Only what came after this step or group: it and all before it stay.")
@click.option(
    "--limit", multiple=True, metavar="ADDRESS",
    help="Only these addresses: a phase, phase/step, phase/step[item], or [item]; * and ? are wildcards. May be repeated.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Only save the plan of the way back; switchover apply FILE goes it.",
)
@yes_option
@output_option
@log_option
@click.option("-v", "--verbose", is_flag=True, help="Show unchanged items and whole files in the plan.")
def command(
    run: str, to: str, limit: tuple[str, ...], out: Path | None, yes: bool, output: str, log: Path | None, verbose: bool
) -> int:
    """Take back what RUN did, in reverse order: show it item by item, ask, and do it as a run of its own.

    What somebody changed since is left alone; what cannot be undone is named. Windows do not hold a rollback up.
    """
    project, stop = find_project(), Stop()
    watch = Watch(output, log, yes=yes, verbose=verbose)
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(project, notice=warn))
        state = read_run(journal, run)
        loaded = load_back(project, state)
        reach = Reach(to, limit, undone_before(state, journal))
        new = new_run_id(SystemClock())
        folder = stack.enter_context(pinned(loaded, journal, new, pinned_folder(project, state) / "inventory"))
        back = stack.enter_context(open_back(loaded, journal, state, new, reach, stop))
        _refuse_idle_limits(back, limit)
        header = header_back(state, SystemClock(), reach)
        made = _plan(back, header, out or folder / PLAN_FILE, watch, only_plan=out is not None)
        if out is not None:
            say(f"\nSaved as {out}. Go that way with: switchover apply {out}")
            return 0
        if not _anything_to_undo(made.totals):
            return _nothing_to_undo(watch)
        if not yes and not _agreed(made, state.run, lab=header.lab):
            say("Nothing was rolled back.")
            return 0
        stays = [item for items in back.way.stays.values() for item in items]
        begin = Begin(new, header, made.totals, made.expected, first=stays_as_events(stays))
        return begin_run(back.stage, journal, begin, watch, stop)


def apply_back(project: Project, saved: PlanFile, watch: Watch) -> int:
    """Goes a way back that was saved with ``--out``. Raises ``StalePlan`` when the run has gone on since."""
    header, stop = saved.header, Stop()
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(project, notice=warn))
        check_not_applied(header, journal)
        check_has_not_gone_on(header, journal)
        state = read_run(journal, header.rollback_of)
        loaded = load_back(project, state)
        new = new_run_id(SystemClock())
        folder = stack.enter_context(pinned(loaded, journal, new, pinned_folder(project, state) / "inventory"))
        reach = Reach(header.back_to, header.limit, undone_before(state, journal))
        back = stack.enter_context(open_back(loaded, journal, state, new, reach, stop))
        if not _anything_to_undo(saved.totals):
            return _nothing_to_undo(watch)
        with PlanWriter(folder / PLAN_FILE, header) as writer:
            for item in saved.items:
                writer.add(item)
        stays = [item for item in saved.items if item.outlook is Outlook.STAYS]
        begin = Begin(new, header, saved.totals, expectations(saved.items), first=stays_as_events(stays))
        return begin_run(back.stage, journal, begin, watch, stop)


def _plan(back: Back, header: PlanHeader, path: Path, watch: Watch, *, only_plan: bool) -> MadePlan:
    """Plans into a file, showing it when anybody is to read it."""
    shown = only_plan or (watch.output == "human" and not (watch.yes and not sys.stdout.isatty()))
    sinks: list[PlanSink] = [views_for(watch.output, header, verbose=watch.verbose)] if shown else []
    planner = Planner(back.stage.scene, detail=shown)
    with PlanWriter(path, header) as writer:
        return gather(planner, planned_back(planner, back.way), [*sinks, writer])


def _refuse_idle_limits(back: Back, limit: tuple[str, ...]) -> None:
    """Raises ``UsageError`` for a ``--limit`` that fits nothing the run did."""
    done = [(step.step.address, lane.key) for work in back.way.work for lane in work.lanes for step in lane.steps]
    done += [(item.step, item.item) for items in back.way.stays.values() for item in items]
    found = idle(limit, done)
    if found:
        steps = [step.address for step in back.stage.loaded.runbook.steps()]
        raise click.UsageError(f"--limit {found[0]} fits nothing that this run did. {offered(steps)}")


def _agreed(made: MadePlan, run: str, *, lab: bool) -> bool:
    if not sys.stdin.isatty():
        raise SwitchoverError(
            "Nobody is there to agree", "stdin is no terminal. Look at the way back first, with --out FILE; then give --yes."
        )
    totals = made.totals
    doubts = f" {totals[Outlook.REFUSED]:,} that somebody changed since stay." if totals[Outlook.REFUSED] else ""
    doubts += f" {made.errors:,} could not be read and will fail if still so." if made.errors else ""
    say()
    where = " in the LAB" if lab else ""
    return ask(f"Take back run {run}{where}?{doubts} Only 'yes' will do", default="no") == "yes"


def _anything_to_undo(totals: Totals) -> bool:
    return totals.pending or bool(totals[Outlook.ERROR])


def _nothing_to_undo(watch: Watch) -> int:
    if watch.output != "human":
        data_line({"format": "switchover.run/1", "run": None, "status": "nothing to do", "counts": {}})
    say("Nothing to roll back: what can be undone is as it was before the run.")
    return 0
