"""``switchover certify``: kills a run at every boundary, and proves that it ends as if nothing had happened."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from engine.cli.options import inventory_option, parse_given, runbook_argument, set_option
from engine.cli.output import data, data_json, say
from engine.cli.test import interrupted_by_signals
from engine.model.scenario import Scenario
from engine.project import Project, find_project
from engine.wiring.clock import SystemClock
from engine.wiring.loading import Loaded, Named, load
from engine.wiring.rehearsal.certify import Certificate, certify
from engine.wiring.rehearsal.scenarios import check_names, plain_scenario, read_checked

_FAILED = 5


@click.command("certify")
@runbook_argument
@inventory_option()
@click.option(
    "--scenario", "file", type=click.Path(path_type=Path, dir_okay=False),
    help="What people do meanwhile, and from when on: a scenario.",
)
@set_option
@click.option("--every", type=click.IntRange(min=1), default=1, show_default=True, help="Only each N-th boundary.")
@click.option("--output", type=click.Choice(["human", "json"]), default="human", show_default=True, help="What stdout gets.")
def command(
    runbook: Path, inventory: Path, file: Path | None, given: tuple[str, ...], every: int, output: str
) -> int:
    """Run RUNBOOK against a private lab, then again for each boundary: killed there (SIGKILL), taken up, and compared."""
    project = find_project(runbook)
    scenario, loaded = _named(project, runbook, inventory, file, parse_given(given))
    with interrupted_by_signals():
        found = certify(scenario, loaded, every=every, tell=_progress if sys.stderr.isatty() else lambda _done, _all: None)
    if output == "json":
        data_json(_as_json(found))
    else:
        _show(found, loaded)
    return 0 if found.holds else _FAILED


def _named(project: Project, runbook: Path, inventory: Path, file: Path | None, given: dict[str, str]) -> tuple[Scenario, Loaded]:
    """The scenario, of the runbook and inventory that were named."""
    if file is None:
        scenario = replace(plain_scenario(runbook, inventory, SystemClock().now()), inputs=given)
    else:
        scenario, _ = read_checked(project, file)
        scenario = replace(scenario, runbook=runbook, inventory=inventory, inputs={**scenario.inputs, **given})
    loaded = load(project, Named(runbook, inventory, scenario.inputs, lab=True))
    check_names(scenario, loaded)
    return scenario, loaded


def _progress(done: int, total: int) -> None:
    click.echo(f"\r{done} of {total} boundaries" + ("\n" if done == total else ""), err=True, nl=False)


def _show(found: Certificate, loaded: Loaded) -> None:
    runs = found.undisturbed
    effects = sum(count for _, count in runs.effects)
    say(f"{loaded.runbook.title}, {loaded.inventory.title}. Undisturbed: {runs.status}, {effects} effects.")
    for boundary, differences in found.differing:
        data(f"killed {boundary}:")
        for difference in differences:
            data(f"  {difference}")
    equal = found.tried - len(found.differing)
    data(
        f"{equal} of {found.tried} boundaries (the run has {found.boundaries}): killed there and taken up, it ended as if "
        f"nothing had happened. {found.took_s:.0f} s."
    )


def _as_json(found: Certificate) -> dict[str, object]:
    return {
        "format": "switchover.certificate/1", "holds": found.holds, "boundaries": found.boundaries, "tried": found.tried,
        "took_s": round(found.took_s, 3), "status": found.undisturbed.status, "effects": dict(found.undisturbed.effects),
        "differing": [{"boundary": str(boundary), "differences": list(said)} for boundary, said in found.differing],
    }
