"""``switchover lint``: holds runbooks to rules beyond being valid."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from engine.cli.options import inventory_option
from engine.cli.output import data, data_json, say, wants_color
from engine.model.diagnostic import Diagnostic
from engine.planning.lint.rule import PROFILES, Profile, Rule, of_profile
from engine.planning.lint.rules import RULES
from engine.project import find_project
from engine.reporting.annotations import annotation
from engine.reporting.diagnostics import as_json, format_diagnostics
from engine.reporting.sarif import Result, ToolRule, sarif_log
from engine.reporting.terminal import many
from engine.wiring.linting import Linted, lint

_INVALID = "invalid"
"""Stands for a rule where a runbook does not get as far as the rules."""


@click.command("lint")
@click.argument("runbooks", nargs=-1, type=click.Path(path_type=Path), metavar="[RUNBOOK]...")
@inventory_option(required=False)
@click.option(
    "--profile", type=click.Choice(PROFILES), default="shared", show_default=True, help="Which rules; each has those before it.",
)
@click.option("--fix", is_flag=True, help="Put right what can be without a change of meaning.")
@click.option("--strict", is_flag=True, help="Exit with 3 on warnings, too.")
@click.option("--list", "listing", is_flag=True, help="Only list the rules of the profile.")
@click.option("--explain", metavar="ID", help="Only say what a rule asks for, why, and what to do.")
@click.option(
    "--output", "--format", "output", type=click.Choice(["human", "json", "sarif", "github"]), default="human", show_default=True,
    help="What stdout gets.",
)
def command(
    runbooks: tuple[Path, ...], inventory: Path | None, profile: str, fix: bool, strict: bool, listing: bool, explain: str | None,
    output: str,
) -> int:
    """Hold each RUNBOOK (default: all of the project) to the rules; with -i as one for this customer. Exits with 3 on errors.

    A line is excused from a rule by a comment that says why: # noqa: SW101 reason
    """
    rules = of_profile(RULES, cast("Profile", profile))
    if explain is not None or listing:
        data(_explained(explain) if explain is not None else _listed(rules))
        return 0
    project = find_project(runbooks[0] if runbooks else None)
    looked_at = lint(project, runbooks, inventory, cast("Profile", profile), fix=fix)
    _show(looked_at, rules, output)
    unchecked = [rule.id for rule in rules if rule.needs_inventory and inventory is None]
    fixed = sum(one.fixed for one in looked_at)
    if fixed:
        say(f"{many(fixed, 'finding')} put right.")
    if unchecked:
        say(f"Without -i, {', '.join(unchecked)} was not checked, and no other rule looked at an inventory.")
    found = [diagnostic for one in looked_at for diagnostic in one.diagnostics]
    return 3 if any(diagnostic.is_error or strict for diagnostic in found) else 0


def _show(looked_at: list[Linted], rules: tuple[Rule, ...], output: str) -> None:
    found = [diagnostic for one in looked_at for diagnostic in one.diagnostics]
    if output == "json":
        data_json(_as_data(looked_at, rules))
    elif output == "sarif":
        data_json(_as_sarif(looked_at, rules))
    elif output == "github":
        for diagnostic in found:
            data(annotation(diagnostic))
    elif found:
        click.echo(format_diagnostics(found, color=wants_color(err=True)), err=True, color=True)
        say(f"{many(len(found), 'finding')} in {many(len(looked_at), 'runbook')}.")
    else:
        data(f"{many(len(looked_at), 'runbook')}: ok, by {many(len(rules), 'rule')}")


def _listed(rules: tuple[Rule, ...]) -> str:
    return "\n".join(
        f"{rule.id}  {rule.severity.value:<7}  {rule.profile:<10}  {rule.name}{' (--fix)' if rule.fixable else ''}"
        for rule in rules
    )


def _explained(name: str) -> str:
    rule = next((rule for rule in RULES if rule.id == name.upper()), None)
    if rule is None:
        raise click.UsageError(f"There is no rule '{name}'. There are: {', '.join(rule.id for rule in RULES)}.")
    excuse = f"Excuse a line by a comment on it: # noqa: {rule.id} reason"
    head = f"{rule.id} {rule.name} ({rule.severity.value}, from profile {rule.profile})"
    return "\n\n".join((head, rule.doc, rule.fix, excuse))


def _as_data(looked_at: list[Linted], rules: tuple[Rule, ...]) -> dict[str, object]:
    findings = [_entry(one, diagnostic, None) for one in looked_at for diagnostic in one.invalid]
    findings += [_entry(one, found.diagnostic, found.rule.id) for one in looked_at for found in one.found]
    told = [
        {"id": rule.id, "name": rule.name, "severity": rule.severity.value, "profile": rule.profile, "doc": rule.doc}
        for rule in rules
    ]
    named = [str(one.runbook) for one in looked_at]
    return {"format": "switchover.lint/1", "runbooks": named, "rules": told, "findings": findings}


def _as_sarif(looked_at: list[Linted], rules: tuple[Rule, ...]) -> dict[str, object]:
    told = [ToolRule(rule.id, rule.name, rule.doc, rule.fix, rule.severity) for rule in rules]
    results = [Result(_INVALID, diagnostic) for one in looked_at for diagnostic in one.invalid]
    results += [Result(found.rule.id, found.diagnostic) for one in looked_at for found in one.found]
    return sarif_log(told, results)


def _entry(one: Linted, diagnostic: Diagnostic, rule: str | None) -> dict[str, object]:
    return {"runbook": str(one.runbook), "rule": rule, **as_json(diagnostic)}
