"""``switchover resume``: goes on with a run that stopped, waited or died."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from engine.cli.options import ignore_window_option, log_option, output_option
from engine.cli.output import say, warn
from engine.cli.running import EXIT_CODES, Followed, Watch, finish, stop_on_signals, watching
from engine.execution.stop import Stop
from engine.model.errors import SwitchoverError
from engine.model.event import Event
from engine.model.run import RunState, RunStatus
from engine.project import Project, find_project
from engine.wiring.clock import SystemClock
from engine.wiring.journals import actor, open_journal, read_run
from engine.wiring.rollback import open_run
from engine.wiring.runs import answered, resume

RUN_WAITS = EXIT_CODES[RunStatus.WAITING]


@click.command("resume")
@click.argument("run", required=False)
@click.option(
    "--done", multiple=True, metavar="ADDRESS", help="An item in doubt: it was done. Look at the other system before you say so."
)
@click.option("--again", multiple=True, metavar="ADDRESS", help="An item in doubt: it was not done; do it.")
@click.option("--all-due", is_flag=True, help="Instead of one run: every waiting run that has something to do now. For cron.")
@ignore_window_option
@output_option
@log_option
def command(
    run: str | None, done: tuple[str, ...], again: tuple[str, ...], all_due: bool, ignore_window: str | None, output: str,
    log: Path | None,
) -> int:
    """Go on with RUN (default: the newest). What was done is not done again: items in doubt are looked at first."""
    if all_due:
        if run is not None or done or again or ignore_window is not None:
            raise click.UsageError("--all-due takes up whatever is due: it goes with no run, --done, --again or --ignore-window.")
        return take_up_due(find_project(), Stop(), Watch(output, log))
    return take_up(
        run, Watch(output, log, ignore_window=ignore_window), lambda state: answered(state, done, again, actor())
    )


def take_up_due(project: Project, stop: Stop, watch: Watch) -> int:
    """Goes on with every run that is due. One that cannot go on now does not keep the others: it is said why. Returns 0 when
    each ended well or waits again, else the gravest exit code."""
    if not project.journal.exists():
        return 0
    with open_journal(project, notice=warn) as journal:
        due = [info.run for info in journal.due_runs(SystemClock().now())]
    worst = 0
    for run in due:
        if stop.is_set:
            break
        code = _taken_up(run, watch, stop)
        worst = max(worst, 0 if code == RUN_WAITS else code)
    return worst


def _nothing_first(_state: RunState) -> Sequence[Event]:
    return ()


def _taken_up(run: str, watch: Watch, stop: Stop) -> int:
    try:
        return take_up(run, watch, _nothing_first, stop)
    except SwitchoverError as error:
        warn(f"run {run}: {error}")
        return error.exit_code


def take_up(
    run: str | None, watch: Watch, first: Callable[[RunState], Sequence[Event]], stop: Stop | None = None
) -> int:
    """Goes on with a run, journalling what ``first`` makes of its state before anything starts."""
    project = find_project()
    stop = stop or Stop()
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(project, notice=warn))
        state = read_run(journal, run)
        events = first(state)
        if state.status is RunStatus.SUCCEEDED and not events:
            say(f"Run {state.run} ended well: there is nothing to go on with.")
            return 0
        stage = stack.enter_context(open_run(project, journal, state, stop))
        followed = Followed(state)
        with watching(watch, journal, stage, state.run, followed), stop_on_signals(stop):
            status = resume(stage, journal, state, stop, first=events, ignore_window=watch.ignore_window)
        return finish(journal, state.run, status, watch, followed)
