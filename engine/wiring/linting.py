"""Runbooks held to the rules: found, read, checked as ``validate`` does, and then held to what goes beyond; and put right."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
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
from engine.planning.lint.rule import Edit, Found, Profile, Rule, Subject, Traits, held_to, of_profile
from engine.planning.lint.rules import IDS, RULES, STALE
from engine.ports import Action
from engine.project import Project
from engine.wiring.loading import check_runbook_files, existing


@dataclass(frozen=True, slots=True)
class Linted:
    """What came of one runbook: what is invalid in it, else what does not keep to the rules."""

    runbook: Path
    invalid: tuple[Diagnostic, ...]
    found: tuple[Found, ...]
    fixed: int = 0
    """How many findings were put right before."""

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """All of it, to be shown."""
        return [*self.invalid, *(found.diagnostic for found in self.found)]


def lint(
    project: Project, runbooks: Sequence[Path], inventory: Path | None, profile: Profile = "shared", *, fix: bool = False
) -> list[Linted]:
    """Each runbook named, or all of the project, held to the rules of a profile. ``fix``: what can be put right without a change
    of meaning is, and the result is looked at again. Raises ``SwitchoverError`` when there is none, ``InvalidInput`` for a broken
    inventory."""
    known = None if inventory is None else load_inventory(existing(inventory, "inventory"), project.display(inventory))[0]
    named = list(runbooks) or sorted((project.root / "runbooks").glob("*.yml"))
    if not named:
        raise SwitchoverError("There is no runbook to look at", f"{project.root / 'runbooks'} holds no .yml file. Name one.")
    rules = of_profile(RULES, profile)
    return [_fixed(project, path, known, rules) if fix else _linted(project, path, known, rules) for path in named]


def _linted(project: Project, path: Path, inventory: Inventory | None, rules: tuple[Rule, ...]) -> Linted:
    invalid = [found for found in check_runbook_files(project, path, inventory) if found.is_error]
    if invalid:
        return Linted(path, tuple(invalid), ())
    try:
        runbook = load_runbook(path, project.display(path))
    except InvalidInput as error:
        return Linted(path, error.diagnostics, ())
    subject = Subject(runbook, inventory, _traits(runbook), tuple(_files(project)) if runbook.inputs else ())
    return Linted(path, (), tuple(held_to(rules, subject, STALE, IDS)))


def _traits(runbook: Runbook) -> dict[str, Traits]:
    return {name: _traits_of(action) for name, action in catalog(runbook.actions()).items()}


def _traits_of(action: Action[Any, Any]) -> Traits:
    destroys = getattr(action, "destroys", None) or (lambda _given: action.effect is Effect.DESTROYS)
    informs = getattr(action, "informs", False)
    return Traits(action.effect is not Effect.READS, destroys, hasattr(action, "undo"), informs)


def _files(project: Project) -> Iterable[str]:
    templates = Templates(project.templates, project.display)
    for path in filter(None, map(templates.find, templates.names())):
        yield path.read_text(encoding="utf-8", errors="replace")


# ---------------------------------------------------------------- put right


def _fixed(project: Project, path: Path, inventory: Inventory | None, rules: tuple[Rule, ...]) -> Linted:
    before = _linted(project, path, inventory, rules)
    edits = list(dict.fromkeys(found.edit for found in before.found if found.edit is not None))
    if not edits:
        return before
    _write(path, edits, project)
    return replace(_linted(project, path, inventory, rules), fixed=len(edits))


def _write(path: Path, edits: Sequence[Edit], project: Project) -> None:
    """Puts the edits into the file, which is replaced as a whole. Raises ``SwitchoverError``, and leaves it, when they would
    change what it means."""
    text = edited(path.read_bytes().decode("utf-8"), edits)
    draft = path.with_name(f".{path.name}.fixed")
    try:
        draft.write_bytes(text.encode("utf-8"))
        if _meaning(load_runbook(draft)) != _meaning(load_runbook(path)):
            detail = f"{project.display(path)} would mean something else afterwards, so it was left as it is. Correct it by hand."
            raise SwitchoverError("Not fixed", detail)
        shutil.copymode(path, draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def edited(text: str, edits: Sequence[Edit]) -> str:
    """The text with every edit made, line ends and comments as they were."""
    lines = text.splitlines(keepends=True)
    for edit in sorted(edits, key=lambda one: one.line, reverse=True):
        line = lines[edit.line - 1]
        body = line.rstrip("\r\n")
        end = line[len(body):] or ("\r\n" if "\r\n" in text else "\n")
        body = body.replace(edit.old, edit.new, 1).rstrip()
        below = f"{edit.below}{end}" if edit.below else ""
        lines[edit.line - 1] = body + (end if below else line[len(line.rstrip("\r\n")):]) + below
    return "".join(lines)


def _meaning(runbook: Runbook) -> Runbook:
    """All that counts when it runs: not the text it was read from."""
    return replace(runbook, document=None, digest="")  # type: ignore[arg-type]  # only to be compared
