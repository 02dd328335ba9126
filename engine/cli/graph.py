"""``switchover graph``: a runbook as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.options import runbook_argument
from engine.cli.output import data, say
from engine.language.runbook_reader import load_runbook
from engine.planning.outline import outline_of
from engine.project import find_project
from engine.reporting.mermaid import render_mermaid
from engine.reporting.svg import render_svg
from engine.wiring.loading import existing

_FORMATS = {"mermaid": render_mermaid, "svg": render_svg}


@click.command("graph")
@runbook_argument
@click.option(
    "--format", "kind", type=click.Choice(list(_FORMATS)), help="What to draw. Default: as FILE is called, else mermaid."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write it there instead of to stdout.")
def command(runbook: Path, kind: str | None, out: Path | None) -> int:
    """Draw RUNBOOK: its phases, steps, gates and lanes, what comes after what, and from where there is no way back."""
    read = load_runbook(existing(runbook, "runbook"), find_project(runbook).display(runbook))
    kind = kind or ("svg" if out is not None and out.suffix.lower() == ".svg" else "mermaid")
    drawn = _FORMATS[kind](outline_of(read))
    if out is None:
        data(drawn.rstrip("\n"))
    else:
        out.write_text(drawn, encoding="utf-8")
        say(f"Drawn to {out}.")
    return 0
