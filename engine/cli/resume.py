"""``switchover resume``: goes on with a run that stopped, waited or died."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from engine.cli.acting import override_of
from engine.cli.options import ignore_window_option, log_option, output_option, override_option
from engine.cli.output import say, warn
from engine.cli.running import EXIT_CODES, Followed, Watch, finish, stop_on_signals, watching
from engine.execution.stop import Stop
from engine.model.errors import SwitchoverError
from engine.model.event import Event
from engine.model.run import RunState, RunStatus
from engine.project import Project, find_project
from engine.wiring.clock import SystemClock
from engine.wiring.gates import refuse_closed
from engine.wiring.journals import actor, open_journal, read_run
from engine.wiring.loading import Loaded
from engine.wiring.order import Guarded
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
@click.option("--look", is_flag=True, help="Look now at what open gates wait for, not only when it is due.")
@click.option("--reason", default="", help="Why the order may be gone against; with --override.")
@override_option
@ignore_window_option
@output_option
@log_option
def command(
    run: str | None, done: tuple[str, ...], again: tuple[str, ...], all_due: bool, look: bool, reason: str, override: str | None,
    ignore_window: str | None, output: str, log: Path | None,
) -> int:
    """Go on with RUN (default: the newest). What was done is not done again: items in doubt are looked at first."""
    if all_due:
        if run is not None or done or again or look or override or ignore_window is not None:
            given = "no run, --done, --again, --look, --override or --ignore-window"
            raise click.UsageError(f"--all-due takes up whatever is due: it goes with {given}.")
        return take_up_due(find_project(), Stop(), Watch(output, log))
    by = override_of(override, reason)

    def against_order(loaded: Loaded, state: RunState) -> Sequence[Event]:
        return Guarded(loaded.runbook, loaded.inventory, by).resumed(state, again)

    return take_up(
        run, Watch(output, log, ignore_window=ignore_window, looks_now=look), lambda state: answered(state, done, again, actor()),
        allowed=against_order,
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


class _LeftAloneError(Exception):
    """Somebody paused the run since it was found to be due."""


def _nobody(_loaded: Loaded, _state: RunState) -> Sequence[Event]:
    return ()


def nothing_first(state: RunState) -> Sequence[Event]:
    """Nothing is said beforehand. Raises ``_LeftAloneError`` for a paused run."""
    if state.paused is not None:
        raise _LeftAloneError
    return ()


def _taken_up(run: str, watch: Watch, stop: Stop) -> int:
    try:
        return take_up(run, watch, nothing_first, stop)
    except _LeftAloneError:
        return 0
    except SwitchoverError as error:
        warn(f"run {run}: {error}")
        return error.exit_code


def take_up(
    run: str | None, watch: Watch, first: Callable[[RunState], Sequence[Event]], stop: Stop | None = None,
    allowed: Callable[[Loaded, RunState], Sequence[Event]] = _nobody,
) -> int:
    """Goes on with a run, journalling what ``first`` makes of its state before anything starts, and who ``allowed`` that where it
    goes against the runbook's order."""
    project = find_project()
    stop = stop or Stop()
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(project, notice=warn))
        state = read_run(journal, run)
        if state.status is RunStatus.CANCELLED:
            refuse_closed(state, "")
        events = first(state)
        if state.status is RunStatus.SUCCEEDED and not events:
            say(f"Run {state.run} ended well: there is nothing to go on with.")
            return 0
        stage = stack.enter_context(open_run(project, journal, state, stop))
        followed = Followed(state)
        said = [*allowed(stage.loaded, state), *events]
        with watching(watch, journal, stage, state.run, followed), stop_on_signals(stop):
            status = resume(
                stage, journal, state, stop, first=said, ignore_window=watch.ignore_window, looks_now=watch.looks_now
            )
        return finish(journal, state.run, status, watch, followed)
