"""A runbook as a document for people: what the runbook, the actions and an inventory know of it, brought together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.actions.catalog import catalog
from engine.language.inventory_reader import load_inventory
from engine.language.runbook_reader import load_runbook
from engine.language.secret_names import is_reference
from engine.language.templates import DependsOnLaterError, Templates
from engine.model.diagnostic import InvalidInput
from engine.model.inventory import Collection, Inventory
from engine.model.plan import Effect
from engine.model.runbook import Block, Runbook
from engine.planning.plan_file import begins_as_plan
from engine.planning.views import Collections, calendars_of
from engine.ports import Action
from engine.project import Project
from engine.reporting.checklist import Deed, Known, Table, render_checklist
from engine.wiring.loading import existing

_LOOKED_AT = 64 * 1024
_RUNBOOK = re.compile(rb"^[\xef\xbb\xbf]*[\"']?(?:switchover|phases)[\"']?[ \t]*:", re.MULTILINE)


def is_runbook(path: Path) -> bool:
    """Whether a file is a runbook, valid or not, rather than a plan: told by what stands in it, whatever it is called."""
    try:
        with path.open("rb") as file:
            start = file.read(_LOOKED_AT)
    except OSError:
        return False  # whoever reads it as a plan says why
    return not begins_as_plan(path) and _RUNBOOK.search(start) is not None


def checklist(project: Project, runbook: Path, inventory: Path | None) -> str:
    """The document. Raises ``InvalidInput`` for a runbook or an inventory that cannot be read."""
    read = load_runbook(existing(runbook, "runbook"), project.display(runbook))
    deeds = {name: _deed(action) for name, action in catalog(read.actions()).items()}
    if inventory is None:
        return render_checklist(read, Known(deeds, texts=dict(_texts(read, None, {}))))
    customer, _ = load_inventory(existing(inventory, "inventory"), project.display(inventory))
    templates = Templates(project.templates, project.display)
    names = _names(read, customer)
    known = Known(
        deeds,
        customer.title,
        {role: str(person.get("name", "")) for role, person in customer.people.items()},
        dict(_counts(read, customer, templates, names)),
        {name: _table(customer.collections[name]) for name in _used(read) if name in customer.collections},
        dict(_texts(read, templates, names)),
    )
    return render_checklist(read, known)


def _deed(action: Action[Any, Any]) -> Deed:
    looks = action.effect is Effect.READS
    return Deed(action.doc, looks, not looks and not hasattr(action, "undo"))


def _names(runbook: Runbook, inventory: Inventory) -> dict[str, Any]:
    """What templates see before there is a run. What refers to a secret is left out, and so is what only a run knows."""
    given = {**runbook.defaults, **inventory.defaults}
    variables = {name: value for name, value in given.items() if not (isinstance(value, str) and is_reference(value))}
    return {
        **variables, "vars": variables, "people": inventory.people, "collections": Collections(inventory),
        "customer": {"name": inventory.customer, "title": inventory.title, "timezone": inventory.timezone},
        "calendars": calendars_of(inventory), "known_gaps": runbook.known_gaps,
        "inputs": {name: each.default for name, each in runbook.inputs.items() if each.type != "secret" and not each.required},
    }


def _counts(
    runbook: Runbook, inventory: Inventory, templates: Templates, names: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[int, int]]]:
    for block in runbook.every_block():
        collection = inventory.collections.get(block.fan_out.for_each or "")
        if collection is not None:
            done = _how_many(runbook, block, collection, templates, names)
            if done is not None:
                yield block.address, (done, len(collection.items))


def _how_many(
    runbook: Runbook, block: Block, collection: Collection, templates: Templates, names: Mapping[str, Any]
) -> int | None:
    """For how many items a block is done; None where only a run can tell."""
    if block.fan_out.where is None:
        return len(collection.items)
    try:
        holds = templates.compile_condition(block.fan_out.where, runbook.document.source, (*block.path, "where"))
        return sum(holds.holds({**names, "item": item.fields}) for item in collection.items)
    except (InvalidInput, DependsOnLaterError):
        return None


def _used(runbook: Runbook) -> Iterator[str]:
    yield from dict.fromkeys(block.fan_out.for_each for block in runbook.blocks() if block.fan_out.for_each is not None)


def _table(collection: Collection) -> Table:
    names = dict.fromkeys(name for item in collection.items for name, value in item.fields.items() if _shown(value))
    columns = tuple(name for name in names if name not in collection.secret_fields)
    return Table(columns, tuple(tuple(_shown(item.fields.get(name)) for name in columns) for item in collection.items))


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return "" if is_reference(value) else value
    return str(value) if isinstance(value, int | float) else ""


def _texts(runbook: Runbook, templates: Templates | None, names: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The messages of gates, where all that stands in them is known already."""
    source = runbook.document.source
    for step in runbook.every_step():
        message = step.gate.message if step.gate is not None else ""
        if "{{" in message or "{%" in message:
            if templates is None:
                continue
            try:
                message = str(templates.compile_value(message, source, (*step.path, step.action, "message")).render(names))
            except (InvalidInput, DependsOnLaterError):
                continue
        if message.strip():
            yield step.address, message
