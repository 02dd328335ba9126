"""Where folders are. The one place that knows.

A project is a folder with ``runbooks/``, ``inventories/`` and, when it has its own, ``templates/``. What the engine keeps
(journal, run folders, lab) is in ``.switchover/`` beside them.
"""

from __future__ import annotations

import os
from pathlib import Path

from engine.model.values import dataclass

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """A folder that comes with the engine: ``schemas``, ``templates``, ``runbooks`` or ``inventories``.

    In a checkout these stand at the top of the repository; an installed copy carries them inside the package.
    """
    installed = _PACKAGE / "data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


@dataclass(frozen=True, slots=True)
class Project:
    """An operator's folder."""

    root: Path
    kept_in: Path | None = None
    """Where the engine keeps its things, when not in the project: a rehearsal must leave no trace in it."""

    @property
    def state(self) -> Path:
        """What the engine keeps; not for git."""
        return self.kept_in or self.root / ".switchover"

    @property
    def journal(self) -> Path:
        return self.state / "journal.db"

    @property
    def keep(self) -> Path:
        """Contents put aside for undo."""
        return self.state / "keep"

    @property
    def plan_key(self) -> Path:
        """With what plans digest what they saw."""
        return self.state / "plan.key"

    @property
    def outbox(self) -> Path:
        return self.state / "outbox"

    @property
    def lab(self) -> Path:
        return self.state / "lab"

    @property
    def templates(self) -> tuple[Path, ...]:
        """Template folders, the project's own first: a file there replaces the shipped one of the same name."""
        own = self.root / "templates"
        return (own, shipped("templates")) if own.is_dir() and own.resolve() != shipped("templates") else (shipped("templates"),)

    def run_folder(self, run: str) -> Path:
        """What belongs to one run: the pinned runbook and inventory."""
        return self.state / "runs" / run

    def portable(self, path: Path) -> str:
        """The path as a plan keeps it: from the project's root when it is below, so that it holds wherever one stands."""
        absolute = path.absolute()  # not resolved: a link keeps the name it was called by
        return str(absolute.relative_to(self.root)) if absolute.is_relative_to(self.root) else str(absolute)

    def display(self, path: Path) -> str:
        """The path as a person would type it: relative to where they are, when it is below."""
        try:
            return str(path.resolve().relative_to(Path.cwd()))
        except ValueError:
            return str(path)


def find_project(named: Path | None = None) -> Project:
    """The project of the current folder: the nearest folder upwards with ``.switchover`` or ``runbooks``.

    Where there is none, that of ``named``, a runbook or plan the command was given, so that whoever stands elsewhere still
    shares the project's journal and lease; else the current folder. ``SWITCHOVER_PROJECT`` overrides.
    """
    override = os.environ.get("SWITCHOVER_PROJECT")
    if override:
        return Project(Path(override).resolve())
    here = Path.cwd().resolve()
    beside = () if named is None else named.resolve().parents
    for folder in (here, *here.parents, *beside):
        if (folder / ".switchover").is_dir() or (folder / "runbooks").is_dir():
            return Project(folder)
    return Project(here)
