"""A scenario file from reading to verdict."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from engine.actions.catalog import catalog
from engine.lab.control import SERVERS
from engine.language.scenario_reader import read_scenario, scenario_problems
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.errors import SwitchoverError
from engine.model.event import Record
from engine.model.scenario import Scenario
from engine.model.source import Document, SourceMap
from engine.model.values import dataclass
from engine.project import Project
from engine.reporting.plain_view import line_of
from engine.reporting.terminal import printable
from engine.wiring.loading import Loaded, Named, load
from engine.wiring.rehearsal.judge import Judge
from engine.wiring.rehearsal.place import private_place
from engine.wiring.rehearsal.rehearse import Rehearsal


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one scenario. ``span``: virtual; ``took_s``: real seconds."""

    file: str
    name: str
    title: str
    status: str
    failures: tuple[Diagnostic, ...]
    span: timedelta = timedelta()
    took_s: float = 0.0
    kills: int = 0
    hash: str = ""
    story: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failures


def scenario_files(named: Sequence[Path]) -> list[Path]:
    """The files named, and those in the folders named. Raises ``SwitchoverError`` for what is not there."""
    found: list[Path] = []
    for path in named:
        if path.is_dir():
            found += sorted(file for file in path.rglob("*.yml") if _is_scenario(file))
        elif path.is_file():
            found.append(path)
        else:
            raise SwitchoverError(f"There is no scenario at {path}", "Name files, or folders with such files in them.")
    return list(dict.fromkeys(found))


def _is_scenario(path: Path) -> bool:
    """Other YAML, such as a runbook made for one, may lie beside them."""
    return "\nswitchover_scenario:" in "\n" + path.read_text(encoding="utf-8", errors="replace")


def read_checked(project: Project, path: Path) -> tuple[Scenario, Loaded]:
    """A scenario with its runbook and inventory. Raises ``InvalidInput`` with everything that is wrong with the three."""
    scenario = read_scenario(path, project.display(path))
    loaded = load(project, Named(scenario.runbook, scenario.inventory, scenario.inputs, lab=True))
    check_names(scenario, loaded)
    return scenario, loaded


def plain_scenario(runbook: Path, inventory: Path, start: datetime) -> Scenario:
    """A run that nobody does anything about."""
    nowhere = Document({}, SourceMap("", "", dict))
    whole = start.replace(second=0, microsecond=0)
    return Scenario(
        "run", "run", runbook, inventory, whole, nowhere, runbook.parent, ignore_window="a rehearsal against a private lab"
    )


def check_names(scenario: Scenario, loaded: Loaded) -> None:
    """Raises ``InvalidInput`` for names that lead nowhere."""
    servers = {kind.name: kind for kind in SERVERS}
    found = list(scenario_problems(scenario, loaded.runbook, loaded.inventory, servers, catalog()))
    if found:
        raise InvalidInput(found)


def run_scenario(project: Project, path: Path) -> Verdict:
    """Runs one in a place of its own. Raises ``InvalidInput`` for what a person wrote wrongly."""
    scenario, loaded = read_checked(project, path)
    began = time.monotonic()
    with private_place(project, scenario.inventory, scenario.seed) as place:
        rehearsal = Rehearsal(place, scenario, replace(loaded, project=place.project))
        try:
            rehearsed = rehearsal.run()
        except InvalidInput:
            raise
        except SwitchoverError as refused:
            at = scenario.document.source.key(("name",))
            failure = Diagnostic(refused.summary, refused.detail, at)
            return Verdict(
                project.display(path), scenario.name, scenario.title, "refused", (failure,), took_s=time.monotonic() - began,
                story=tuple(story_of(rehearsal.records())),
            )
        failures = Judge(scenario, rehearsed, rehearsal.world, place.mails()).failures()
    return Verdict(
        project.display(path), scenario.name, scenario.title, rehearsed.status, tuple(failures), rehearsed.span,
        time.monotonic() - began, rehearsed.kills, rehearsed.hash, tuple(story_of(rehearsed.records)),
    )


def story_of(records: Sequence[Record]) -> Iterator[str]:
    """What happened, a line each, with days, for a run may last weeks."""
    for record in records:
        line = line_of(record.event)
        if line:
            yield f"{record.at:%Y-%m-%d %H:%M:%S}  {printable(line)}"
