"""Both sides of a comparison, ready to render their template files without a session or a secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.execution.stop import Stop
from engine.language.secret_names import is_reference
from engine.language.templates import Templates
from engine.model.inventory import Inventory
from engine.model.secret import Redactor
from engine.planning.results import NoResults
from engine.planning.review.inventories import Placed
from engine.planning.review.rendered import Rendering, compare_rendered
from engine.planning.review.runbooks import Side
from engine.planning.scene import Given, Scene
from engine.ports import Action
from engine.wiring.explaining import NoSessions, Unrevealed
from engine.wiring.loading import specs_of
from engine.wiring.surroundings import MACHINE


def rendered(
    sides: tuple[Side, Side], templates: tuple[Templates, Templates], actions: Mapping[str, Action[Any, Any]], *,
    same_templates: bool,
) -> tuple[tuple[Placed, ...], tuple[str, ...]]:
    """What either side renders, compared; and notes on what cannot be told."""
    # One mask for both sides: a secret that was written out on one of them must not show on the other.
    redactor = Redactor({value for side in sides if side.inventory is not None for value in _written_out(side.inventory)})
    old, new = (_rendering(side, found, actions, redactor) for side, found in zip(sides, templates, strict=True))
    return compare_rendered(old, new, same_templates=same_templates)


def _rendering(side: Side, templates: Templates, actions: Mapping[str, Action[Any, Any]], redactor: Redactor) -> Rendering:
    runbook, inventory = side.runbook, side.inventory
    assert inventory is not None and side.scopes is not None  # noqa: S101  # the caller looked
    inputs = {name: spec.default for name, spec in runbook.inputs.items() if not spec.required}
    scene = Scene(
        runbook, inventory, actions, templates, NoSessions(inventory.connections), Unrevealed(runbook, inventory),
        MACHINE.clock(Stop()), Given("diff", "diff", inputs), NoResults(),
    )
    return Rendering(scene, templates, specs_of(actions, runbook), side.scopes.keys, redactor)


def _written_out(inventory: Inventory) -> Iterator[str]:
    for collection in inventory.collections.values():
        for name in collection.secret_fields:
            written = (item.fields.get(name) for item in collection.items)
            yield from (value for value in written if isinstance(value, str) and value and not is_reference(value))
