"""Making and showing a plan, for every command that does."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import Protocol

import click

from engine.cli.output import wants_color
from engine.execution.decide import Expected
from engine.language.nearest import did_you_mean, offered
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.plan import Outlook, PlanHeader, PlannedItem, Totals
from engine.model.values import dataclass
from engine.planning.limit import idle
from engine.planning.planner import Planner
from engine.reporting.diagnostics import format_diagnostics
from engine.reporting.markup import GITHUB_CHARACTERS
from engine.reporting.plan_json import PlanJson, PlanJsonLines
from engine.reporting.plan_markdown import PlanMarkdown
from engine.reporting.plan_text import PlanPrinter
from engine.wiring.runs import Stage


class PlanSink(Protocol):
    """Takes a plan as it is made."""

    def add(self, item: PlannedItem) -> None:
        """One address."""
        ...


class PlanView(PlanSink, Protocol):
    """Shows a plan to somebody."""

    def finish(self) -> None:
        """Everything was added."""
        ...


@dataclass(slots=True)
class MadePlan:
    """What a plan came to, without its items' details."""

    totals: Totals = field(default_factory=Totals)
    expected: dict[str, Expected] = field(default_factory=dict)
    errors: int = 0


def views_for(output: str, header: PlanHeader, *, verbose: bool = False, characters: int = GITHUB_CHARACTERS) -> PlanView:
    """What shows a plan on stdout, in the form asked for."""
    if output == "json":
        return PlanJson(sys.stdout, header)
    if output == "jsonl":
        return PlanJsonLines(sys.stdout, header)
    if output == "markdown":
        return PlanMarkdown(sys.stdout, header, characters, verbose=verbose)
    width = shutil.get_terminal_size((100, 24)).columns
    return PlanPrinter(sys.stdout, header, color=wants_color(), width=width, verbose=verbose)


def make_plan(stage: Stage, sinks: Sequence[PlanSink], *, detail: bool = True) -> MadePlan:
    """Plans everything, feeding ``sinks``; views among them are finished. Raises ``InvalidInput`` for template problems."""
    refuse_idle_limits(stage)
    planner = Planner(stage.scene, detail)
    return gather(planner, planner.plan(stage.work), sinks)


def gather(planner: Planner, items: Iterable[PlannedItem], sinks: Sequence[PlanSink]) -> MadePlan:
    """Feeds ``sinks`` with what ``planner`` makes; views among them are finished. Raises as ``make_plan`` does."""
    made = MadePlan()
    for item in items:
        made.totals.add(item)
        made.expected[item.address] = Expected(item.outlook, item.observed)
        made.errors += item.outlook is Outlook.ERROR
        for sink in sinks:
            sink.add(item)
    if planner.diagnostics:
        raise InvalidInput(planner.diagnostics)
    for sink in sinks:
        finish = getattr(sink, "finish", None)
        if finish is not None:
            finish()
    return made


def refuse_idle_limits(stage: Stage) -> None:
    """Raises ``UsageError`` for a ``--limit`` that fits nothing: a mistyped address must not look like nothing to do."""
    limits = stage.loaded.named.limit
    found = idle(limits, ((step.step.address, lane.key) for work in stage.work for lane in work.lanes for step in lane.steps))
    if found:
        steps = [step.address for step in stage.loaded.runbook.steps()]
        near = did_you_mean(found[0].partition("[")[0], steps)
        raise click.UsageError(f"--limit {found[0]} fits nothing in this runbook and inventory. {near or offered(steps)}")


def print_warnings(warnings: Iterable[Diagnostic]) -> None:
    """Warnings, to stderr."""
    found = list(warnings)
    if found:
        click.echo(format_diagnostics(found, color=wants_color(err=True)), err=True, color=True)
