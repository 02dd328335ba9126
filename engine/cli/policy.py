"""``switchover policy``: what the policy in force says, and what it would decide now."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from engine.cli.options import inventory_option, parse_given, set_option
from engine.cli.output import data, data_json, say, wants_color, warn
from engine.model.event import PolicyChecked, encode
from engine.ports import Journal
from engine.project import Project, find_project
from engine.reporting.policy_text import format_checked, format_policy, policy_data
from engine.wiring.journals import open_journal
from engine.wiring.loading import Named, load
from engine.wiring.order import Override
from engine.wiring.policing import Checked, Subject, check, enforce, may_override
from engine.wiring.policy_in_force import check_draft, check_names, in_force

FORMAT = "switchover.policy/1"
REFUSED = 4


@click.command("policy")
@click.argument("runbook", required=False, type=click.Path(path_type=Path))
@inventory_option(required=False)
@set_option
@click.option("--output", type=click.Choice(["human", "json"]), default="human", show_default=True, help="What stdout gets.")
def command(runbook: Path | None, inventory: Path | None, given: tuple[str, ...], output: str) -> int:
    """Show the policy in force; with RUNBOOK and -i, what it would decide if that were applied now. Exits with 4 if refused.

    Nothing is applied, and no system is reached for. Without RUNBOOK a policy.yml that is being written is checked too.
    """
    project = find_project(runbook)
    if runbook is None:
        if inventory is not None or given:
            raise click.UsageError("-i and --set are for a RUNBOOK: name the one that would be applied.")
        return _shown(project, output)
    if inventory is None:
        raise click.UsageError(f"{runbook} is applied to an inventory: give one with -i FOLDER.")
    loaded = load(project, Named(runbook, inventory, parse_given(given)))
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(project, read_only=True)) if project.journal.exists() else None
        checked = check(project, Subject(loaded), journal)
    return _no_policy(output) if checked is None else _decided(checked, output)


def _shown(project: Project, output: str) -> int:
    found = in_force(project)
    if found is None:
        return _no_policy(output)
    check_names(project, found.policy, found, {})
    check_draft(project, found)
    if output == "json":
        data_json({"format": FORMAT, "policy": found.where, "commit": found.commit, "notes": found.notes,
                   "rules": policy_data(found.policy), "overrides": found.policy.overridden_by})
    else:
        _tell(found.notes)
        data(format_policy(found.policy, found.where, found.commit, color=wants_color()))
    return 0


def _decided(checked: Checked, output: str) -> int:
    broken = checked.verdict.broken
    event = checked.event("refused" if broken else "kept")
    if output == "json":
        data_json({"format": FORMAT, **encode(event)})
    else:
        _tell(event.notes)
        data(format_checked(event, [found.go_on for found in checked.verdict.findings], color=wants_color()))
        if broken:
            say(may_override(checked))
    return REFUSED if broken else 0


def _no_policy(output: str) -> int:
    if output == "json":
        data_json({"format": FORMAT, "policy": None})
    else:
        data("There is no policy: any commit and any change of it may be applied.")
    return 0


def _tell(notes: Sequence[str]) -> None:
    for note in notes:
        warn(note)


def held(project: Project, subject: Subject, journal: Journal, override: Override | None) -> list[PolicyChecked]:
    """What is journalled of the policy before a run begins or is amended. Raises ``PolicyBroken``."""
    checked = check(project, subject, journal)
    for note in checked.in_force.notes if checked is not None else ():
        warn(note)
    return enforce(checked, override, lab=subject.loaded.named.lab)
