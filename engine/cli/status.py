"""``switchover status``: how runs stand."""

from __future__ import annotations

import shutil

import click

from engine.cli.options import output_option
from engine.cli.output import data, data_json, say, wants_color
from engine.model.run import RunState, RunStatus, fold
from engine.ports import Journal, Lease
from engine.project import find_project
from engine.reporting.summary import format_runs, format_summary, run_line, summary_data
from engine.wiring.journals import open_journal, read_run


@click.command("status")
@click.argument("run", required=False)
@click.option("--all", "everything", is_flag=True, help="All runs, not only the newest ten.")
@output_option
def command(run: str | None, everything: bool, output: str) -> int:
    """How RUN stands; without RUN, a list of the newest runs."""
    project = find_project()
    if not project.journal.exists():
        say(f"No runs yet in {project.root}.")
        return 0
    with open_journal(project, read_only=True) as journal:
        if run is not None:
            return _one(journal, run, output)
        return _many(journal, output, None if everything else 10)


def _one(journal: Journal, run: str, output: str) -> int:
    state = read_run(journal, run)
    if output == "human":
        width = shutil.get_terminal_size((100, 24)).columns
        data(format_summary(state, color=wants_color(), width=width, holder=_at_work(journal, state)))
    else:
        data_json({**summary_data(state), "at_work": _at_work(journal, state) is not None})
    return 0


def _many(journal: Journal, output: str, limit: int | None) -> int:
    states = [fold(journal.read(info.run)) for info in journal.runs()[:limit]]
    at_work = {state.run for state in states if _at_work(journal, state) is not None}
    if output == "human":
        data(format_runs(states, color=wants_color(), at_work=at_work))
    else:
        data_json([{**run_line(state), "at_work": state.run in at_work} for state in states])
    return 0


def _at_work(journal: Journal, state: RunState) -> Lease | None:
    """The live process that works on the run, if there is one."""
    if state.started is None or state.status is not RunStatus.RUNNING:
        return None
    holder = journal.holder(state.started.scope)
    return holder if holder is not None and holder.run == state.run else None
