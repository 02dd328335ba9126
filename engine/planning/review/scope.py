"""Which items a block is done for, on either side, and who enters and leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.language.templates import DependsOnLaterError, Templates
from engine.model.diagnostic import InvalidInput
from engine.model.inventory import Inventory, Item
from engine.model.review import Risk
from engine.model.runbook import Block, Runbook
from engine.model.values import dataclass
from engine.planning.review.verdict import Verdict
from engine.planning.views import Collections, calendars_of

NAMED = 200
"""Items that a finding names."""


@dataclass(frozen=True, slots=True)
class Scopes:
    """Block -> keys of its items. ``unknown``: blocks of which that cannot be told beforehand, each with why."""

    keys: Mapping[str, tuple[str, ...]]
    unknown: Mapping[str, str]


def scopes_of(runbook: Runbook, inventory: Inventory, templates: Templates) -> Scopes:
    """The items of every block that has any, by the inventory and the inputs' defaults."""
    keys: dict[str, tuple[str, ...]] = {}
    unknown: dict[str, str] = {}
    base = context_of(runbook, inventory)
    for block in runbook.every_block():
        if block.fan_out.for_each is None:
            continue
        try:
            keys[block.address] = tuple(_picked(block, runbook, inventory, templates, base))
        except DependsOnLaterError as later:
            unknown[block.address] = str(later)
        except InvalidInput as invalid:
            unknown[block.address] = invalid.diagnostics[0].detail
    return Scopes(keys, unknown)


def context_of(runbook: Runbook, inventory: Inventory) -> dict[str, Any]:
    """What templates see before anything is done: variables, inputs that have a default, people."""
    inputs = {name: spec.default for name, spec in runbook.inputs.items() if not spec.required}
    variables = {**runbook.defaults, **inventory.defaults, **{name: value for name, value in inputs.items() if value is not None}}
    return {
        **variables, "vars": variables, "inputs": inputs, "people": inventory.people, "known_gaps": runbook.known_gaps,
        "customer": {"name": inventory.customer, "title": inventory.title, "timezone": inventory.timezone},
        "collections": Collections(inventory), "calendars": calendars_of(inventory),
    }


def seen_by(base: Mapping[str, Any], item: Item | None) -> Mapping[str, Any]:
    """The same with an item, whose own variables are stronger than all but inputs."""
    if item is None:
        return base
    own = item.fields.get("vars")
    if not isinstance(own, Mapping):
        return {**base, "item": item.fields}
    variables = {**base["vars"], **own, **{n: v for n, v in base["inputs"].items() if v is not None}}
    return {**base, **variables, "vars": variables, "item": item.fields}


def _picked(
    block: Block, runbook: Runbook, inventory: Inventory, templates: Templates, base: Mapping[str, Any]
) -> Iterator[str]:
    collection = inventory.collections.get(block.fan_out.for_each or "")
    items = () if collection is None else collection.items
    if block.fan_out.where is None:
        yield from (item.key for item in items)
        return
    condition = templates.compile_condition(block.fan_out.where, runbook.document.source, (*block.path, "where"))
    yield from (item.key for item in items if condition.holds(seen_by(base, item)))


def told(entered: tuple[str, ...], left: tuple[str, ...], items: str, labels: Mapping[str, str]) -> Iterator[Verdict]:
    """Who is newly in scope, and who is not any more. ``labels``: what people call an item, by its key."""
    for risk, kind, keys, words in (
        (Risk.SCOPE_MORE, "scope-entered", entered, "newly in scope"),
        (Risk.SCOPE_LESS, "scope-left", left, "no longer in scope"),
    ):
        if keys:
            named = tuple(f"{key} {labels.get(key, '')}".strip() for key in keys[:NAMED])
            more = (f"and {len(keys) - NAMED:,} more",) if len(keys) > NAMED else ()
            yield Verdict(risk, kind, f"{counted(len(keys), items)} {words}", detail=(*named, *more))


def counted(number: int, items: str) -> str:
    """``142 phones``, ``1 phone``."""
    return f"{number:,} {items[:-1] if number == 1 and items.endswith('s') else items}"


def labels_of(inventory: Inventory | None, items: str, keys: Sequence[str]) -> Mapping[str, str]:
    """What people call these items of a collection, beside their keys."""
    wanted = set(keys)
    collection = None if inventory is None else inventory.collections.get(items)
    if collection is None:
        return {}
    return {
        item.key: " ".join(dict.fromkeys(
            word for name in ("extension", "label", "name") if (word := str(item.fields.get(name) or "")) and word != item.key
        )) for item in collection.items if item.key in wanted
    }
