"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

runbook_argument = click.argument("runbook", type=click.Path(path_type=Path))


def inventory_option(*, required: bool = True) -> Callable[[F], F]:
    """``-i FOLDER``."""
    return click.option(
        "-i", "--inventory", type=click.Path(path_type=Path), required=required, metavar="FOLDER",
        help="The customer's folder, with inventory.yml in it.",
    )


set_option = click.option(
    "--set", "given", multiple=True, metavar="NAME=VALUE", help="Give one of the runbook's inputs. May be repeated."
)
limit_option = click.option(
    "--limit", multiple=True, metavar="ADDRESS",
    help="Only these addresses: a phase, phase/step, phase/step[item], or [item]; * and ? are wildcards. May be repeated.",
)
lab_option = click.option("--lab", is_flag=True, help="Against the lab: every connection is replaced by its simulated twin.")
output_option = click.option(
    "--output", type=click.Choice(["human", "json", "jsonl"]), default="human", show_default=True, help="What stdout gets."
)
plan_output_option = click.option(
    "--output", "--format", type=click.Choice(["human", "json", "jsonl", "markdown"]), default="human", show_default=True,
    help="What stdout gets; markdown is a comment for a pull request.",
)
characters_option = click.option(
    "--characters", type=click.IntRange(min=4_000), default=65_536, show_default=True, metavar="N",
    help="Of markdown: the most a comment holds. The default is GitHub's; GitLab takes 1000000.",
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
ignore_window_option = click.option(
    "--ignore-window", metavar="REASON", help="Start outside the window. The reason is journalled and stands in the report."
)
override_option = click.option(
    "--override", metavar="PERSON",
    help="Go against the order that the runbook insists on, or against the policy where that is checked: who lets it, by role or "
    "name. It has to be you. Needs --reason.",
)
log_option = click.option("--log", type=click.Path(path_type=Path), metavar="FILE", help="Write the engine's log, JSON lines.")


def parse_given(given: tuple[str, ...]) -> dict[str, str]:
    """``("a=1",)`` -> ``{"a": "1"}``. Raises ``UsageError``."""
    parsed = {}
    for entry in given:
        name, equals, value = entry.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--set takes NAME=VALUE, not '{entry}'.")
        parsed[name] = value
    return parsed
