"""``switchover report``: what a run did, for people and for machines."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from engine.cli.output import data, data_json, say, wants_color
from engine.model.errors import SwitchoverError
from engine.model.event import Record
from engine.model.run import fold
from engine.project import find_project
from engine.reporting.summary import format_summary, summary_data
from engine.wiring.journals import open_journal, read_run

_FILES = {
    "html": ("engine.reporting.html", "render_html"),
    "csv": ("engine.reporting.csv_items", "render_csv"),
    "junit": ("engine.reporting.junit", "render_junit"),
    "jsonl": ("engine.reporting.events_jsonl", "render_jsonl"),
}


@click.command("report")
@click.argument("run", required=False)
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="A page that needs no network.")
@click.option("--csv", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="One line per item.")
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="JUnit XML.")
@click.option("--jsonl", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Every event, with its hash.")
@click.option("--output", type=click.Choice(["human", "json"]), default="human", show_default=True, help="What stdout gets.")
def command(run: str | None, output: str, **files: Path | None) -> int:
    """Report on RUN (default: the newest): a summary on stdout, and files when asked for."""
    project = find_project()
    if not project.journal.exists():
        raise SwitchoverError(f"There are no runs in {project.root}", "Start one with: switchover apply RUNBOOK -i INVENTORY")
    with open_journal(project, read_only=True) as journal:
        state = read_run(journal, run)
        records = list(journal.read(state.run))
    for kind, path in files.items():
        if path is not None:
            write_report(kind, path, records)
            say(f"{kind}: {path}")
    if output == "human":
        data(format_summary(fold(records), color=wants_color(), width=shutil.get_terminal_size((100, 24)).columns))
    else:
        data_json(summary_data(fold(records)))
    return 0


def write_report(kind: str, path: Path, records: Sequence[Record]) -> None:
    """Writes one report file. Raises ``SwitchoverError`` when it cannot."""
    module, name = _FILES[kind]
    render: Callable[[Sequence[Record]], str] = getattr(importlib.import_module(module), name)
    try:
        path.write_text(render(records), encoding="utf-8", newline="")
    except OSError as error:
        raise SwitchoverError(f"Cannot write {path}", f"{error.strerror}.") from error
