"""``switchover lint``: holds runbooks to rules beyond being valid."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.options import inventory_option
from engine.cli.output import data, data_json, say, wants_color
from engine.cli.validate import as_json
from engine.model.diagnostic import Diagnostic
from engine.planning.lint.rules import RULES
from engine.project import find_project
from engine.reporting.diagnostics import format_diagnostics
from engine.reporting.terminal import many
from engine.wiring.linting import Linted, lint


@click.command("lint")
@click.argument("runbooks", nargs=-1, type=click.Path(path_type=Path), metavar="[RUNBOOK]...")
@inventory_option(required=False)
@click.option("--output", type=click.Choice(["human", "json"]), default="human", show_default=True, help="What stdout gets.")
def command(runbooks: tuple[Path, ...], inventory: Path | None, output: str) -> int:
    """Hold each RUNBOOK (default: all of the project) to the rules; with -i as one for this customer. Exits with 3 on findings.

    A line is excused from a rule by a comment that says why: # noqa: SW101 reason
    """
    project = find_project(runbooks[0] if runbooks else None)
    looked_at = lint(project, runbooks, inventory)
    found = [diagnostic for one in looked_at for diagnostic in one.diagnostics]
    if output == "json":
        data_json(_as_data(looked_at))
    elif found:
        click.echo(format_diagnostics(found, color=wants_color(err=True)), err=True, color=True)
        say(f"{many(len(found), 'finding')} in {many(len(looked_at), 'runbook')}.")
    else:
        data(f"{many(len(looked_at), 'runbook')}: ok, by {many(len(RULES), 'rule')}")
    return 3 if any(diagnostic.is_error for diagnostic in found) else 0


def _as_data(looked_at: list[Linted]) -> dict[str, object]:
    findings = [_entry(one, diagnostic, None) for one in looked_at for diagnostic in one.invalid]
    findings += [_entry(one, found.diagnostic, found.rule.id) for one in looked_at for found in one.found]
    rules = [{"id": rule.id, "name": rule.name, "severity": rule.severity.value, "doc": rule.doc} for rule in RULES]
    named = [str(one.runbook) for one in looked_at]
    return {"format": "switchover.lint/1", "runbooks": named, "rules": rules, "findings": findings}


def _entry(one: Linted, diagnostic: Diagnostic, rule: str | None) -> dict[str, object]:
    return {"runbook": str(one.runbook), "rule": rule, **as_json(diagnostic)}
