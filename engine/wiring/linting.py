"""Runbooks held to the rules: found, read, checked as ``validate`` does, and then held to what goes beyond."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from engine.actions.catalog import catalog
from engine.language.inventory_reader import load_inventory
from engine.language.runbook_reader import load_runbook
from engine.language.templates import Templates
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.errors import SwitchoverError
from engine.model.inventory import Inventory
from engine.model.plan import Effect
from engine.model.runbook import Runbook
from engine.model.values import dataclass
from engine.planning.lint.rule import ActionFacts, Found, Subject, held_to
from engine.planning.lint.rules import RULES
from engine.ports import Action
from engine.project import Project
from engine.wiring.loading import check_runbook_files, existing


@dataclass(frozen=True, slots=True)
class Linted:
    """What came of one runbook: what is invalid in it, else what does not keep to the rules."""

    runbook: Path
    invalid: tuple[Diagnostic, ...]
    found: tuple[Found, ...]

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """All of it, to be shown."""
        return [*self.invalid, *(found.diagnostic for found in self.found)]


def lint(project: Project, runbooks: Sequence[Path], inventory: Path | None) -> list[Linted]:
    """Each runbook named, or all of the project. Raises ``SwitchoverError`` when there is none, ``InvalidInput`` for a broken
    inventory."""
    known = None if inventory is None else load_inventory(existing(inventory, "inventory"), project.display(inventory))[0]
    named = list(runbooks) or sorted((project.root / "runbooks").glob("*.yml"))
    if not named:
        raise SwitchoverError("There is no runbook to look at", f"{project.root / 'runbooks'} holds no .yml file. Name one.")
    return [_linted(project, path, known) for path in named]


def _linted(project: Project, path: Path, inventory: Inventory | None) -> Linted:
    invalid = [found for found in check_runbook_files(project, path, inventory) if found.is_error]
    if invalid:
        return Linted(path, tuple(invalid), ())
    try:
        runbook = load_runbook(path, project.display(path))
    except InvalidInput as error:
        return Linted(path, error.diagnostics, ())
    subject = Subject(runbook, inventory, facts_of(runbook), lambda: _texts(project))
    return Linted(path, (), tuple(held_to(RULES, subject)))


def _texts(project: Project) -> Iterator[str]:
    templates = Templates(project.templates, project.display)
    for name in templates.names():
        path = templates.find(name)
        if path is not None:
            yield path.read_text(encoding="utf-8", errors="replace")


def facts_of(runbook: Runbook) -> dict[str, ActionFacts]:
    """What rules have to know of the actions a runbook uses."""
    actions = catalog(runbook.actions())
    return {name: _facts(actions[name]) for name in set(runbook.actions()) if name in actions}


def _facts(action: Action[Any, Any]) -> ActionFacts:
    unseen = getattr(action, "unseen", None)
    undoable = action.effect is not Effect.READS and hasattr(action, "undo")
    destroys = getattr(action, "destroys", None)
    return ActionFacts(
        action.effect, undoable, getattr(action, "informs", False), action.local,
        destroys if destroys is not None else lambda _given: action.effect is Effect.DESTROYS,
        unseen if unseen is not None else lambda _given: "",
    )
