"""``switchover retry``: tries again what failed, and only that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from engine.cli.options import ignore_window_option, log_option, output_option
from engine.cli.resume import take_up
from engine.cli.running import Watch
from engine.model.errors import SwitchoverError
from engine.model.event import Event
from engine.model.run import RunState
from engine.wiring.runs import actor, reopened


@click.command("retry")
@click.argument("run", required=False)
@ignore_window_option
@output_option
@log_option
def command(run: str | None, ignore_window: str | None, output: str, log: Path | None) -> int:
    """Try again what failed in RUN (default: the newest), and what was blocked by it."""

    def failed(state: RunState) -> Sequence[Event]:
        events = reopened(state, actor())
        if not events:
            raise SwitchoverError(f"Nothing failed in run {state.run}", f"To go on with it: switchover resume {state.run}")
        return events

    return take_up(run, Watch(output, log, ignore_window=ignore_window), failed)
