"""Handing what one is asked at a gate to somebody else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from engine.execution.delegation import why_no_delegation
from engine.language.nearest import did_you_mean
from engine.model import event as ev
from engine.model.inventory import Inventory
from engine.model.run import RunState
from engine.planning.people import person_of
from engine.project import Project
from engine.wiring.gates import Account, NotAllowed, gate_at, voter_at
from engine.wiring.runs import load_pinned


def person_named(project: Project, state: RunState, wanted: str) -> Mapping[str, Any]:
    """Somebody of the run's own inventory, by role, name or mail address. Raises ``NotAllowed``."""
    return _person(load_pinned(project, state, templates=False).inventory, wanted)


def _person(inventory: Inventory, wanted: str) -> Mapping[str, Any]:
    people = [person_of(inventory, role) for role in inventory.people]
    found = next((person for person in people if wanted in (person["role"], person["name"], person["email"])), None)
    if found is not None and wanted:
        return found
    known = [name for person in people for name in (person["role"], person["name"])]
    listed = ", ".join(f"{person['name']} ({person['role']})" for person in people)
    detail = f"The inventory's people are: {listed or 'none'}."
    raise NotAllowed(f"Nobody is called {wanted}", f"{detail} {did_you_mean(wanted, known)}".strip())


def delegate(
    state: RunState, address: str, account: Account, now: datetime, to: Mapping[str, Any], reason: str
) -> list[ev.Event]:
    """Hands the voice of whoever ``account`` acts for to another person. Raises ``NotAllowed`` with the reason."""
    gate = gate_at(state, address)
    voter = voter_at(gate, account)
    refusal = why_no_delegation(gate, voter, to, reason, now)
    if refusal:
        raise NotAllowed("It cannot be handed on", f"{address}: {refusal}.")
    return [ev.GateDelegated(address, voter.name, dict(to), reason.strip(), voter.via, voter.role, voter.behalf)]
