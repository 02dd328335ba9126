"""``switchover retry``: tries again what failed, and only that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from engine.cli.options import ignore_window_option, log_option, output_option
from engine.cli.output import say
from engine.cli.resume import take_up
from engine.cli.running import Watch
from engine.model.errors import SwitchoverError
from engine.model.event import Event, GateReopened
from engine.model.run import RunState
from engine.reporting.terminal import many
from engine.reporting.wording import plan_again
from engine.wiring.journals import actor
from engine.wiring.runs import asked_again, reopened


@click.command("retry")
@click.argument("run", required=False)
@click.option(
    "--ask-again", is_flag=True,
    help="Also what changed after it was approved: the approval is asked for once more, for that alone.",
)
@ignore_window_option
@output_option
@log_option
def command(run: str | None, ask_again: bool, ignore_window: str | None, output: str, log: Path | None) -> int:
    """Try again what failed in RUN (default: the newest), and what was blocked by it. What moved since the plan is left."""

    def failed(state: RunState) -> Sequence[Event]:
        again = asked_again(state, actor()) if ask_again else []
        if ask_again and not again:
            raise SwitchoverError(
                f"No approval has lapsed in run {state.run}",
                "What was approved is as it was shown, or it failed for another reason: switchover status shows which.",
            )
        events = [*reopened(state, actor()), *again]
        moved = len(state.moved()) - sum(len(event.items) for event in again if isinstance(event, GateReopened))
        left = f"{many(moved, 'item')} not as the plan showed them: only a new plan helps. Look again: {plan_again(state)}"
        if moved and not events:
            raise SwitchoverError(f"Trying again would not help in run {state.run}", left)
        if moved:
            say(f"Left alone: {left}")
        if not events:
            raise SwitchoverError(f"Nothing failed in run {state.run}", f"To go on with it: switchover resume {state.run}")
        return events

    return take_up(run, Watch(output, log, ignore_window=ignore_window), failed)
