"""``switchover init``: a project folder of one's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from engine.cli.output import data, say
from engine.model.errors import SwitchoverError
from engine.project import shipped

_IGNORE = ".switchover/\n"
_README = """\
# Our migrations

Runbooks are in runbooks/, one per type of migration; customers in inventories/, a folder each.

    switchover validate runbooks/hosted-pbx-cutover.yml -i inventories/example-dental
    switchover lab up -i inventories/example-dental
    switchover plan runbooks/hosted-pbx-cutover.yml -i inventories/example-dental --lab
    switchover apply runbooks/hosted-pbx-cutover.yml -i inventories/example-dental --lab
    switchover report --html report.html

A file in templates/ replaces the shipped template of the same name.
"""


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def command(folder: Path) -> int:
    """Start a project in FOLDER: the runbooks, example customers, the schemas for your editor. Overwrites nothing."""
    if folder.exists() and any(entry.name != ".git" for entry in folder.iterdir()):
        raise SwitchoverError(f"{folder} is not empty", "init writes only into a new or empty folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("runbooks", "inventories", "schemas"):
        shutil.copytree(shipped(name), folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    close_secrets(folder)
    (folder / "templates").mkdir()
    (folder / ".gitignore").write_text(_IGNORE, encoding="utf-8")
    (folder / "README.md").write_text(_README, encoding="utf-8")
    data(str(folder))
    say(f"Started. Next:\n  cd {folder}\n  switchover validate runbooks/hosted-pbx-cutover.yml -i inventories/example-dental")
    return 0


def close_secrets(folder: Path) -> None:
    """Files of secrets are for their owner alone, as they have to be before they are used; a package knows no modes."""
    for file in folder.glob("inventories/*/secrets/*"):
        file.chmod(0o600)
