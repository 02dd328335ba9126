"""``switchover inbox``: what waits for whom."""

from __future__ import annotations

import shutil

import click

from engine.cli.options import output_option
from engine.cli.output import data, data_json, say, wants_color
from engine.model.event import OF_GATES
from engine.model.run import fold
from engine.project import find_project
from engine.reporting.inbox import entries_of, format_inbox
from engine.wiring.clock import SystemClock
from engine.wiring.journals import open_journal


@click.command("inbox")
@click.option("--role", default="", help="Only what waits for this role, person or account.")
@output_option
def command(role: str, output: str) -> int:
    """What waits for people, over all runs: since when, until when, and what to type."""
    project = find_project()
    if not project.journal.exists():
        say(f"No runs yet in {project.root}.")
        return 0
    with open_journal(project, read_only=True) as journal:
        states = [fold(journal.pick(info.run, OF_GATES)) for info in journal.open_runs()]
    entries = [entry for state in states for entry in entries_of(state) if entry.is_for(role)]
    if output == "human":
        width = shutil.get_terminal_size((100, 24)).columns
        data(format_inbox(entries, SystemClock().now(), color=wants_color(), width=width))
    else:
        data_json({"format": "switchover.inbox/1", "entries": [entry.as_data() for entry in entries]})
    return 0
