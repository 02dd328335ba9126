"""``switchover amend``: a run goes over to a new revision of its runbook."""

from __future__ import annotations

import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

import click

from engine.cli.acting import override_of
from engine.cli.options import override_option, parse_given, set_option, yes_option
from engine.cli.output import data, say, wants_color, warn
from engine.cli.planning import MadePlan, gather, print_warnings, views_for
from engine.cli.policy import held
from engine.cli.prompt import ask
from engine.execution.stop import Stop
from engine.model.errors import SwitchoverError
from engine.model.plan import PlanHeader
from engine.planning.plan_file import PlanWriter, totals_of
from engine.planning.planner import Planner
from engine.project import find_project
from engine.reporting.amendment import format_amendment
from engine.reporting.wording import policy_line
from engine.wiring.amend import Draft, Wanted, check_amendable, digests, drafted, events_of, go_over
from engine.wiring.journals import actor, open_journal, read_run
from engine.wiring.loading import header_of
from engine.wiring.policing import subject_of
from engine.wiring.runs import PLAN_FILE, run_header


@click.command("amend")
@click.argument("run")
@click.option(
    "--runbook", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The new revision of the run's runbook."
)
@click.option(
    "-i", "--inventory", type=click.Path(path_type=Path), metavar="FOLDER",
    help="The new revision of the customer's folder; without it the run keeps the inventory it goes by.",
)
@set_option
@click.option("--reason", default="", metavar="TEXT", help="Stands in the journal and in every report.")
@override_option
@yes_option
@click.option("-v", "--verbose", is_flag=True, help="Show unchanged items and whole files in the plan.")
def command(
    run: str, runbook: Path, inventory: Path | None, given: tuple[str, ...], reason: str, override: str | None, yes: bool,
    verbose: bool,
) -> int:
    """Have RUN go on by a new revision of its runbook: show what stays, what is new and what is left to do, ask, and journal it.

    What is done stays. A revision that would have it otherwise is refused, with the place where. Templates are taken as they are
    now. Nothing is done yet: the run goes on with resume.
    """
    project, wanted, stop = find_project(runbook), Wanted(runbook, inventory, parse_given(given)), Stop()
    by = override_of(override, reason)
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(project, notice=warn))
        state = read_run(journal, run)
        check_amendable(state, journal)
        draft = stack.enter_context(drafted(project, journal, state, wanted, stop))
        then, now = run_header(state), header_of(draft.stage.loaded, draft.stage.scene.clock, draft.stage.key.id)
        if digests(then) == digests(now) and then.actions == now.actions and then.inputs == now.inputs:
            say(f"Nothing to amend: run {state.run} goes by this very revision.")
            return 0
        checked = held(project, subject_of(draft, wanted), journal, by)
        made = _shown(draft, then, now, verbose=verbose)
        if not yes and not _agreed(state.run, made):
            say("Nothing was amended.")
            return 0
        go_over(draft, journal, [*events_of(draft, now, totals_of(made.totals), actor(), reason), *checked])
    for event in checked:
        say(policy_line(event))
    say(f"Run {state.run} goes by revision {draft.number} now. It goes on with: switchover resume {state.run}")
    return 0


def _shown(draft: Draft, then: PlanHeader, now: PlanHeader, *, verbose: bool) -> MadePlan:
    print_warnings(draft.stage.loaded.warnings)
    width = shutil.get_terminal_size((100, 24)).columns
    data(format_amendment(
        draft.state.run, draft.number, (then, now), draft.comparison, draft.asked_anew, draft.lapsed, color=wants_color(),
        width=width,
    ))
    planner = Planner(draft.stage.scene)
    view = views_for("human", now, verbose=verbose)
    with PlanWriter(draft.folder / PLAN_FILE, now) as writer:
        return gather(planner, planner.plan(draft.pending), [view, writer])


def _agreed(run: str, made: MadePlan) -> bool:
    if not sys.stdin.isatty():
        raise SwitchoverError("Nobody is there to agree", "stdin is no terminal. Look at what is shown above, then give --yes.")
    doubts = f" {made.errors:,} could not be read and will fail if still so." if made.errors else ""
    say()
    return ask(f"Have run {run} go over to this?{doubts} Only 'yes' will do", default="no") == "yes"
