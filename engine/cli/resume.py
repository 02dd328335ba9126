"""``switchover resume``: goes on with a run that stopped, waited or died."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from engine.cli.options import ignore_window_option, log_option, output_option
from engine.cli.output import say, warn
from engine.cli.running import Followed, Watch, finish, stop_on_signals, watching
from engine.execution.stop import Stop
from engine.model.event import Event
from engine.model.run import RunState, RunStatus
from engine.project import find_project
from engine.wiring.rollback import open_run
from engine.wiring.runs import actor, answered, open_journal, read_run, resume


@click.command("resume")
@click.argument("run", required=False)
@click.option(
    "--done", multiple=True, metavar="ADDRESS", help="An item in doubt: it was done. Look at the other system before you say so."
)
@click.option("--again", multiple=True, metavar="ADDRESS", help="An item in doubt: it was not done; do it.")
@ignore_window_option
@output_option
@log_option
def command(
    run: str | None, done: tuple[str, ...], again: tuple[str, ...], ignore_window: str | None, output: str, log: Path | None
) -> int:
    """Go on with RUN (default: the newest). What was done is not done again: items in doubt are looked at first."""
    return take_up(
        run, Watch(output, log, ignore_window=ignore_window), lambda state: answered(state, done, again, actor())
    )


def take_up(run: str | None, watch: Watch, first: Callable[[RunState], Sequence[Event]]) -> int:
    """Goes on with a run, journalling what ``first`` makes of its state before anything starts."""
    project = find_project()
    stop = Stop()
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
