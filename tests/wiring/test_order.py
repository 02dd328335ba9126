"""What goes against a runbook's order, told without a process: doing again what may have been done, and the way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.event import GuardTripped, RunStarted
from engine.model.run import RunState
from engine.wiring.gates import Account, NotAllowed
from engine.wiring.order import Guarded, Override
from tests.support.shelf import book
from tests.support.steering import steered

STEPS = "      - {name: one, action: shelf.put, with: {name: a, value: '1'}}\n"
STRICT = "order: strict\noverrides: {by: [director]}\n"


def guarded(folder: Path, more: str = STRICT, by: Override | None = None) -> Guarded:
    scene = steered(folder, more + book(STEPS)).world.scene()
    return Guarded(scene.runbook, scene.inventory, by)


def test_doing_again_what_may_have_been_done_takes_an_override_where_the_order_is_strict(tmp_path: Path) -> None:
    """The word of who looked is enough where it is free, and where it is said to be done."""
    with pytest.raises(NotAllowed, match="p/one may have been done, and would run a second time"):
        guarded(tmp_path).resumed(RunState(), ["p/one"])
    let = guarded(tmp_path, by=Override(Account("dora", "director"), "I rang them")).resumed(RunState(), ["p/one"])
    assert [(event.address, event.who, event.reason) for event in let] == [  # type: ignore[attr-defined]
        ("p/one", "Dora", "I rang them"),
    ]
    assert guarded(tmp_path, "").resumed(RunState(), ["p/one"]) == []
    assert guarded(tmp_path).resumed(RunState(), []) == []


def test_a_way_back_has_an_order_of_its_own(tmp_path: Path) -> None:
    state = RunState(tripped=GuardTripped("p/one", 1, "0"))
    with pytest.raises(NotAllowed, match="p/one has failed"):
        guarded(tmp_path).resumed(state, [])
    state.started = RunStarted("acme", "p1", "ana", "host", 1, {"rollback_of": "r0"}, {})
    assert guarded(tmp_path).resumed(state, []) == []


def test_an_override_is_only_for_whom_it_names(tmp_path: Path) -> None:
    """By account, as for votes."""
    with pytest.raises(NotAllowed, match="Dora acts by the account dora, and this is ana"):
        guarded(tmp_path, by=Override(Account("ana", "director"), "x")).skipped("p/one")
    with pytest.raises(NotAllowed, match="partner is not among those who may override the order: Dora"):
        guarded(tmp_path, by=Override(Account("pia", "partner"), "x")).skipped("p/one")
