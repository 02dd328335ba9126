"""Reads what an operator named: runbook, inventory, templates, actions; checks it all, and says what it was made from."""

from __future__ import annotations

import gc
import uuid
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from engine import __version__
from engine.actions.catalog import catalog
from engine.execution.windows import Windows
from engine.language.inventory_reader import load_inventory
from engine.language.runbook_reader import read_runbook
from engine.language.semantics import ActionSpec, check_runbook, resolve_inputs
from engine.language.templates import Templates
from engine.model.args import arguments_of
from engine.model.diagnostic import Diagnostic, InvalidInput, in_order
from engine.model.errors import SwitchoverError
from engine.model.inventory import Inventory
from engine.model.plan import PlanHeader
from engine.model.runbook import Block, Runbook
from engine.model.values import dataclass
from engine.ports import Action, Clock
from engine.project import Project
from engine.transports.git import Repository

_YOUNG = 50_000
"""Objects made, less those freed, before the collector looks for cycles among them."""


@dataclass(frozen=True, slots=True)
class Named:
    """What the command line named."""

    runbook: Path
    inventory: Path
    given: Mapping[str, str]
    limit: tuple[str, ...] = ()
    lab: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """All of it, read and without an error."""

    project: Project
    named: Named
    runbook: Runbook
    inventory: Inventory
    templates: Templates
    catalog: Mapping[str, Action[Any, Any]]
    inputs: Mapping[str, object]
    warnings: tuple[Diagnostic, ...]

    @property
    def scope(self) -> str:
        """One run at a time per scope; a rehearsal never mixes with the real thing."""
        return f"{self.inventory.customer}@lab" if self.named.lab else self.inventory.customer


def load(
    project: Project, named: Named, inputs: Mapping[str, object] | None = None, kept: Mapping[str, object] | None = None,
    compiled: Templates | None = None,
) -> Loaded:
    """Raises ``InvalidInput`` with every problem of runbook, inventory and inputs together. ``inputs``: as a plan keeps
    them, values and not text, instead of what ``named`` gives. ``kept``: likewise, but of another revision of the runbook, and
    beside what ``named`` gives. ``compiled``: the project's templates, when they have been loaded before."""
    runbook, inventory, found = _read(project, named)
    templates = compiled or Templates(project.templates, project.display)
    if runbook is not None:
        actions = catalog(runbook.actions())
        found += check_runbook(runbook, specs_of(actions, runbook), inventory, templates)
    if runbook is not None and inputs is None:
        try:
            inputs = resolve_inputs(runbook, named.given, kept)
        except InvalidInput as invalid:
            found += invalid.diagnostics
    if runbook is None or inventory is None or any(diagnostic.is_error for diagnostic in found):
        raise InvalidInput(found)
    _resume_collector()
    return Loaded(project, named, runbook, inventory, templates, actions, inputs or {}, tuple(found))


def _resume_collector() -> None:
    """Where the command line had paused the garbage collector: what was loaded lives to the end, so it is set aside; what
    comes is looked at rarely, because a run makes little that is not freed at once. Saves a sixth of a run's time."""
    if not gc.isenabled():
        gc.freeze()
        gc.set_threshold(_YOUNG, 20, 50)
        gc.enable()


def check_files(project: Project, runbook: Path, inventory: Path | None, given: Mapping[str, str]) -> list[Diagnostic]:
    """Every problem and warning of a runbook, and of an inventory when given. Inputs need not be given: the files are right
    without."""
    if inventory is None:
        return check_runbook_files(project, runbook, None)
    read, customer, found = _read(project, Named(runbook, inventory, given))
    if read is not None:
        templates = Templates(project.templates, project.display)
        found += check_runbook(read, specs_of(catalog(read.actions()), read), customer, templates)
        try:
            resolve_inputs(read, given, all_given=False)
        except InvalidInput as invalid:
            found += invalid.diagnostics
    return in_order(found)


def check_runbook_files(project: Project, runbook: Path, inventory: Inventory | None) -> list[Diagnostic]:
    """Every problem of a runbook and the templates it uses, held against an inventory that has been read, when there is one."""
    try:
        draft = read_runbook(existing(runbook, "runbook"), project.display(runbook))
    except InvalidInput as invalid:
        return list(invalid.diagnostics)
    if draft.runbook is None:
        return list(draft.problems)
    specs = specs_of(catalog(draft.runbook.actions()), draft.runbook)
    templates = Templates(project.templates, project.display)
    return in_order([*draft.problems, *check_runbook(draft.runbook, specs, inventory, templates)])


def _read(project: Project, named: Named) -> tuple[Runbook | None, Inventory | None, list[Diagnostic]]:
    found: list[Diagnostic] = []
    runbook: Runbook | None = None
    inventory: Inventory | None = None
    try:
        draft = read_runbook(existing(named.runbook, "runbook"), project.display(named.runbook))
        runbook, found = draft.runbook, [*draft.problems]
    except InvalidInput as invalid:
        found += invalid.diagnostics
    try:
        inventory, warnings = load_inventory(existing(named.inventory, "inventory"), project.display(named.inventory))
        found += warnings
    except InvalidInput as invalid:
        found += invalid.diagnostics
    return runbook, inventory, found


def existing(path: Path, what: str) -> Path:
    """The path itself. Raises ``SwitchoverError`` when nothing is there."""
    if path.exists():
        return path
    near = sorted(entry.name for entry in path.parent.glob("*") if not entry.name.startswith(".")) if path.parent.is_dir() else []
    beside = f" {path.parent}/ has: {', '.join(near[:8])}." if near else ""
    raise SwitchoverError(f"There is no {what} at {path}", f"Check the path; it is relative to the current folder.{beside}")


def specs_of(actions: Mapping[str, Action[Any, Any]], runbook: Runbook) -> dict[str, ActionSpec]:
    """Actions as the semantic check sees them: those that the runbook uses; all of them, to suggest one, when it uses one that
    does not exist."""
    used = set(runbook.actions())
    names = used if used <= actions.keys() else actions.keys()
    return {name: _spec_of(name, actions[name]) for name in names}


def _spec_of(name: str, action: Action[Any, Any]) -> ActionSpec:
    return ActionSpec(
        name, arguments_of(action.Args), frozenset(getattr(action, "Outputs", ())), getattr(action, "unseen", None),
        frozenset(getattr(action, "TemplateNames", ())), getattr(action, "TemplatesBy", ()), getattr(action, "templates", None),
    )


def header_of(loaded: Loaded, clock: Clock, key_id: str) -> PlanHeader:
    """What a plan made now would be made from. ``key_id``: of the key that its digests are made with."""
    runbook, inventory = loaded.runbook, loaded.inventory
    commit, dirty = git_state(loaded.named.runbook.parent)
    used = sorted(set(runbook.actions()))
    return PlanHeader(
        plan_id=uuid.uuid4().hex,
        created_at=clock.now().isoformat(timespec="seconds"),
        version=__version__,
        scope=loaded.scope,
        runbook=loaded.project.portable(loaded.named.runbook),
        runbook_name=runbook.name,
        runbook_title=runbook.title,
        inventory=loaded.project.portable(loaded.named.inventory),
        customer=inventory.title or inventory.customer,
        runbook_digest=runbook.digest,
        inventory_digest=inventory.digest,
        templates_digest=loaded.templates.digest(),
        actions={name: loaded.catalog[name].version for name in used},
        inputs=dict(loaded.inputs),
        limit=loaded.named.limit,
        lab=loaded.named.lab,
        git_commit=commit,
        git_dirty=dirty,
        key_id=key_id,
        windows=_spell_windows(runbook, inventory, clock.now()),
        known_gaps=runbook.known_gaps,
        points_of_no_return=tuple(step.address for step in runbook.every_step() if step.point_of_no_return),
        on_cancel=tuple(map(_spell_compensation, runbook.compensation())),
        titles={step.address: step.title for step in runbook.every_step() if step.title},
    )


def differences(header: PlanHeader, loaded: Loaded, *, templates: bool = True) -> list[str]:
    """What is no longer as it was when the plan was made, in words; empty when the plan still holds."""
    now = {
        "the runbook": (header.runbook_digest, loaded.runbook.digest),
        "the inventory": (header.inventory_digest, loaded.inventory.digest),
        "the templates": (header.templates_digest, loaded.templates.digest()),
    }
    changed = [name for name, (then, today) in now.items() if then != today and (templates or name != "the templates")]
    changed += [
        f"the action {name} (version {version} then)" for name, version in header.actions.items()
        if name not in loaded.catalog or loaded.catalog[name].version != version
    ]
    return changed


def git_state(folder: Path) -> tuple[str | None, bool | None]:
    """The commit a folder is at and whether anything in the tree differs from it; None outside git."""
    try:
        repository = Repository.open(folder)
        commit = repository.head().commit
        return (None, None) if commit is None else (commit, bool(repository.changed()))
    except SwitchoverError:
        return None, None


def _spell_windows(runbook: Runbook, inventory: Inventory, now: datetime) -> tuple[str, ...]:
    phases: dict[str, list[str]] = {}
    notices: dict[str, str] = {}
    for block in runbook.every_block():
        if block.window is not None:
            spelled = f"{block.window.name}: {block.window.describe()}"
            phases.setdefault(spelled, []).append(block.phase)
            notice = Windows(inventory.calendars).notice_ahead(block, now)
            notices[spelled] = f"; the next time: {notice}" if notice else ""
    return tuple(f"{window} ({', '.join(dict.fromkeys(names))}){notices[window]}" for window, names in phases.items())


def _spell_compensation(block: Block) -> str:
    """``on-cancel/tell-team: mail.send, when steps.route.changed``."""
    steps = (f"{step.action}{f', when {step.when}' if step.when else ''}" for step in block.steps)
    return f"{block.address}: {'; '.join(steps)}"
