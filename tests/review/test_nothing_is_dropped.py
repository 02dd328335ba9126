"""Whatever is changed in a runbook or an inventory: when the loaded model is another one, a difference says so."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.actions.catalog import catalog
from engine.language.inventory_reader import load_inventory
from engine.language.runbook_reader import read_runbook
from engine.language.templates import Templates
from engine.model.diagnostic import InvalidInput
from engine.model.inventory import Inventory
from engine.model.runbook import Runbook
from engine.model.source import DataPath
from engine.planning.review.runbooks import Comparison, Side, without_places
from engine.planning.review.scope import scopes_of
from engine.wiring.reviewing import trait_of
from tests.review.conftest import PROJECT
from tests.support.cli import ROOT

_RUNBOOKS = [PROJECT / "runbooks/move.yml", *sorted((ROOT / "runbooks").glob("*.yml"))]
_TODAY = date(2026, 11, 2)
_ROUNDS = 40


def leaves(value: Any, path: DataPath = ()) -> Iterator[DataPath]:
    """Every place of a document that holds no list or mapping, and every key that might be left out."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    if path:
        yield path


def mutated(data: Any, path: DataPath, chance: random.Random) -> Any:
    """The document with one place taken out or changed."""
    changed = copy.deepcopy(data)
    inside = changed
    for part in path[:-1]:
        inside = inside[part]
    key, value = path[-1], inside[path[-1]]
    if isinstance(value, dict | list) or chance.random() < 0.3:
        del inside[key]
    elif isinstance(value, bool):
        inside[key] = not value
    elif isinstance(value, int | float):
        inside[key] = value + chance.choice([1, 7, -1])
    else:
        inside[key] = f"{value}{chance.choice(['x', '9', ' and more'])}"
    return changed


def found(old: Runbook, new: Runbook, before: Inventory | None = None, after: Inventory | None = None) -> tuple[Any, ...]:
    actions = catalog()
    traits = {name: trait_of(actions[name]) for name in {*old.actions(), *new.actions()} & actions.keys()}
    sides = [
        Side(one) if stock is None else Side(one, stock, scopes_of(one, stock, Templates()))
        for one, stock in ((old, before), (new, after))
    ]
    return Comparison(sides[0], sides[1], traits, _TODAY).differences()


@pytest.mark.parametrize("path", _RUNBOOKS, ids=lambda path: path.stem)
def test_no_change_of_a_runbook_is_dropped(path: Path, tmp_path: Path) -> None:
    """A random place, again and again: a difference whenever the model is another one, and none when it is the same."""
    chance, data = random.Random(path.stem), yaml.load(path.read_text("utf-8"), yaml.BaseLoader)  # keeps texts
    old = read_runbook(path).runbook
    assert old is not None
    data = old.document.data
    places, file = list(leaves(data)), tmp_path / "runbook.yml"
    compared = 0
    for _ in range(_ROUNDS):
        place = chance.choice(places)
        file.write_text(yaml.safe_dump(mutated(data, place, chance), sort_keys=False), "utf-8")
        new = read_runbook(file).runbook
        if new is None:  # its form forbids that
            continue
        compared += 1
        same = without_places(old) == without_places(new)
        assert bool(found(old, new)) is not same, place
    assert compared > _ROUNDS // 4


def test_no_change_of_an_inventory_is_dropped(tmp_path: Path) -> None:
    """Likewise, with what was read of it as its meaning."""
    runbook, folder = read_runbook(_RUNBOOKS[0]).runbook, PROJECT / "inventories/acme"
    assert runbook is not None
    old = load_inventory(folder, today=_TODAY)[0]
    for name in ("phones.csv", "users.csv"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    chance, compared = random.Random(4), 0
    data: Any = old.document.data
    places = [place for place in leaves(data) if place[0] != "switchover"]
    for _ in range(100):
        place = chance.choice(places)
        (tmp_path / "inventory.yml").write_text(yaml.safe_dump(mutated(data, place, chance), sort_keys=False), "utf-8")
        try:
            new = load_inventory(tmp_path, today=_TODAY)[0]
        except InvalidInput:
            continue
        compared += 1
        if _meaning(old) != _meaning(new):
            assert found(runbook, runbook, old, new), place
    assert compared > 20


def _meaning(inventory: Inventory) -> object:
    collections = {name: [(item.key, item.fields) for item in one.items] for name, one in inventory.collections.items()}
    return (
        inventory.customer, inventory.title, inventory.timezone, inventory.connections, inventory.defaults, inventory.calendars,
        inventory.people, inventory.notify, collections,
    )
