"""What ``explain`` says is what a plan renders: for every address of all that ships, with no second way to work a value out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.execution.stop import Stop
from engine.language.secrets import SecretResolver
from engine.model.explanation import Explained, Explanation, Status
from engine.model.plan import Change, Outlook, PlannedItem
from engine.planning.explain import Explainer
from engine.planning.layers import masked
from engine.planning.planner import Planner
from engine.planning.results import Results
from engine.planning.scene import BlockWork, Given, Scene
from engine.planning.texts import plain
from engine.ports import Binding
from engine.project import find_project
from engine.wiring.explaining import explainer_of
from engine.wiring.loading import Loaded, Named, load
from engine.wiring.secrets import KnownSecrets
from engine.wiring.surroundings import MACHINE
from tests.house.test_schemas import MADE_FOR, RUNBOOKS
from tests.support.cli import ROOT
from tests.support.project import CUTOVER, KESTREL

SHIPPED = [(path, ROOT / "inventories" / MADE_FOR[path.stem][0]) for path in RUNBOOKS]
PAIRS = [*SHIPPED, (CUTOVER, KESTREL)]


@dataclass
class Recorder:
    """An action that keeps the arguments it is planned with, by address, and finds that all is done or that nothing is."""

    action: Any
    seen: dict[str, tuple[Any, Any]]
    is_done: bool

    def __getattr__(self, name: str) -> Any:
        return getattr(self.action, name)

    def observe(self, args: Any, at: Any) -> None:
        self.seen[at.address] = args, at.redact

    def diff(self, args: Any, seen: object) -> Change | None:
        return None if self.is_done else Change("something")

    def outputs(self, args: Any, seen: object) -> Mapping[str, object]:
        return {}


class RecordedSessions:
    """Opens nothing: a recorder asks for nothing."""

    def bind(self, binding: Binding) -> Any:
        return SimpleNamespace(address=binding.address, redact=binding.redact)

    def is_local(self, connection: str) -> bool:
        return False

    def close(self) -> None:
        pass


@dataclass
class Planned:
    """A plan as it is made, and the arguments that reached each action."""

    items: dict[str, PlannedItem] = field(default_factory=dict)
    args: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    work: list[BlockWork] = field(default_factory=list)


def planned(loaded: Loaded, *, is_done: bool) -> Planned:
    """A plan by the planner itself, of everything, as if all were done already, or nothing."""
    made = Planned()
    catalog = {name: Recorder(action, made.args, is_done) for name, action in loaded.catalog.items()}
    secrets = KnownSecrets(SecretResolver(loaded.named.inventory, os.environ))
    scene = Scene(
        loaded.runbook, loaded.inventory, catalog, loaded.templates, RecordedSessions(), secrets,  # type: ignore[arg-type]  # stands in for actions
        MACHINE.clock(Stop()), Given(loaded.scope, "plan", loaded.inputs), Results(),
    )
    made.work = scene.work()
    made.items = {item.address: item for item in Planner(scene).plan(made.work)}
    return made


def loaded_pair(runbook: Path, inventory: Path) -> Loaded:
    given = dict(pair.split("=") for pair in MADE_FOR.get(runbook.stem, ())[2:])
    return load(find_project(runbook), Named(runbook, inventory, given))


def every_address(explainer: Explainer) -> Iterator[Explanation]:
    """Of the way forward and of a cancellation, of items in scope and out of it."""
    for block in explainer.scene.runbook.every_block():
        collection = explainer.scene.inventory.collections.get(block.fan_out.for_each or "")
        for item in (None,) if collection is None else collection.items:
            for step in block.steps:
                yield explainer.item(block, step, item)


def fields_of(explanation: Explanation) -> dict[str, Explained]:
    return {found.name: found for found in explanation.fields}


def differences(explanation: Explanation, args: Any, redact: Any, prefix: str) -> Iterator[str]:
    """Arguments of which the plan has another value than the explanation."""
    fields = fields_of(explanation)
    for name in (field_name for field_name in args.__dataclass_fields__):
        found, value = fields[f"{prefix}.{name}"], masked(plain(getattr(args, name), redact))
        if found.later:
            if not any(variable.later for part in (found, *found.parts) for variable in part.variables):
                yield f"{explanation.address} {name}: said to be known later, by no name that is"
        elif found.value != value or found.problem:
            yield f"{explanation.address} {name}: explained {found.value!r} {found.problem}, planned {value!r}"


@pytest.mark.parametrize("is_done", [True, False], ids=["all-done", "nothing-done"])
@pytest.mark.parametrize(("runbook", "inventory"), PAIRS, ids=lambda path: path.stem)
def test_every_value_explained_is_the_value_planned(runbook: Path, inventory: Path, is_done: bool) -> None:
    """Each argument that reaches an action, and each text of a gate, whatever the other systems hold."""
    loaded = loaded_pair(runbook, inventory)
    plan = planned(loaded, is_done=is_done)
    found = {explanation.address: explanation for explanation in every_address(explainer_of(loaded))}
    wrong: list[str] = []
    for address, (args, redact) in plan.args.items():
        gate = f"{found[address].action}.observe." if plan.items[address].action in ("wait",) else ""
        wrong += differences(found[address], args, redact, f"{gate}with")
    for address, item in plan.items.items():
        if item.outlook is Outlook.GATE:
            message = fields_of(found[address]).get(f"{item.action}.message")
            if message is not None and not message.later and message.value != item.why:
                wrong.append(f"{address}: explained {message.value!r}, planned {item.why!r}")
    assert wrong == []
    assert len(plan.args) >= 4


@pytest.mark.parametrize(("runbook", "inventory"), PAIRS, ids=lambda path: path.stem)
def test_who_is_in_scope_is_who_is_planned(runbook: Path, inventory: Path) -> None:
    """What is planned is in scope, what is skipped is said to be, what is left out is out; of the rest only the run can tell."""
    loaded = loaded_pair(runbook, inventory)
    plan = planned(loaded, is_done=False)
    forward = {block.address for block in loaded.runbook.blocks()}
    explainer = explainer_of(loaded)
    wrong = []
    for found in every_address(explainer):
        item = plan.items.get(found.address)
        block = next(b for b in loaded.runbook.every_block() if found.address.partition("[")[0] in {s.address for s in b.steps})
        if block.address not in forward:
            continue
        fits = {
            Status.OUT: item is None,
            Status.SKIPPED: item is not None and item.outlook is Outlook.SKIP,
            Status.IN: item is not None and item.outlook is not Outlook.SKIP,
            Status.OPEN: item is not None,
        }
        if not fits[found.status]:
            wrong.append(f"{found.address}: {found.status.value}, planned {item}")
    assert wrong == []


@pytest.mark.parametrize(("runbook", "inventory"), PAIRS, ids=lambda path: path.stem)
def test_the_layer_that_won_has_the_value_that_counts(runbook: Path, inventory: Path) -> None:
    """Layers are read from the files, values rendered: of two ways that end alike, neither is wrong."""
    wrong = []
    for found in every_address(explainer_of(loaded_pair(runbook, inventory))):
        used = [v for f in found.fields for part in (f, *f.parts) for v in part.variables]
        for variable in (*used, *(v for file in found.files for v in file.variables)):
            won = [layer for layer in variable.layers if layer.won and layer.value is not None]
            said = variable.name.partition(".")[0] in ("collections", "calendars") or variable.later
            if won and not said and str(won[0].value) != str(variable.value):
                wrong.append(f"{found.address} {variable.name}: {won[0]} but {variable.value!r}")
    assert wrong == []
