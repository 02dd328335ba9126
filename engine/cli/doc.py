"""``switchover doc``: what an action does and takes, with an example that works."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from engine.actions.catalog import catalog
from engine.actions.examples import example_of
from engine.cli.output import data, say, wants_color
from engine.model.errors import SwitchoverError
from engine.ports import Action
from engine.reporting.action_reference import as_markdown, as_text, index, page_of
from engine.reporting.terminal import Paint

_WIDTH = 100
"""Columns at most, and where no terminal says how many there are: longer lines are hard to read."""


@click.command("doc")
@click.argument("action", required=False)
@click.option("--all", "every", is_flag=True, help="Every action, as Markdown.")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
    help="With --all: write actions.md and a page per action below it, instead of printing them.",
)
def command(action: str | None, every: bool, output: Path | None) -> int:
    """Show the page on ACTION: what it looks at, does and takes back, its arguments, an example. Without ACTION, list them."""
    if every and action is not None:
        raise click.UsageError("Name an ACTION or give --all, not both.")
    if output is not None and not every:
        raise click.UsageError("--output takes the pages of --all; the page on one action is printed.")
    actions = catalog(None if action is None else [action])
    if output is not None:
        _write(action_pages(actions), output)
    elif every:
        data("\n".join(action_pages(actions).values()).rstrip())
    elif action is None:
        data("\n".join(f"{name:<20} {actions[name].doc}" for name in sorted(actions)))
    else:
        width = min(shutil.get_terminal_size((_WIDTH, 24)).columns, _WIDTH) if sys.stdout.isatty() else _WIDTH
        data(as_text(page_of(*_documented(actions, action)), width, Paint(wants_color())))
    return 0


def action_pages(actions: Mapping[str, Action[Any, Any]], note: str = "") -> dict[str, str]:
    """File name -> Markdown: the list of the actions, and a page for each. ``note`` stands at the top of each."""
    pages = {"actions.md": index(actions, note)}
    for name in sorted(actions):
        pages[f"actions/{name}.md"] = as_markdown(page_of(*_documented(actions, name)), note)
    return pages


def _documented(actions: Mapping[str, Action[Any, Any]], name: str) -> tuple[Action[Any, Any], str]:
    """The action and the text of its example, which is empty when it brings none."""
    action = actions.get(name)
    if action is None:
        raise click.UsageError(f"There is no action '{name}'.{_nearest(name, actions)}")
    try:
        example = example_of(action)
    except (OSError, ValueError) as error:
        raise SwitchoverError(f"The example of {name} cannot be shown", f"{error}. Correct that file.") from error
    return action, "" if example is None else f"{example.runbook.rstrip()}\n---\n{example.inventory}"


def _nearest(name: str, actions: Mapping[str, Action[Any, Any]]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  # only for a mistyped name

    near = get_close_matches(name, actions, 1)
    return f" Did you mean '{near[0]}'?" if near else " To list them: switchover doc"


def _write(pages: Mapping[str, str], folder: Path) -> None:
    try:
        (folder / "actions").mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise SwitchoverError("The pages could not be written", f"{error.filename}: {error.strerror}") from error
    say(f"Wrote {len(pages)} pages to {folder}.")
