"""May somebody who is asked hand that to another? Pure. One voice stays one voice, whoever acts in the end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from engine.execution.gates import Voter, why_not
from engine.model.gate import GateState


def why_no_delegation(gate: GateState, voter: Voter, to: Mapping[str, Any], reason: str, now: datetime) -> str:
    """Why it may not; empty when it may. ``to``: role, name and ``logins`` of whoever is to act."""
    if not gate.people:
        return "nobody is asked there, so there is nothing to hand on"
    if not reason.strip():
        return "handing it on needs a --reason"
    return why_not(gate, gate.opened.gate, voter, now) or _why_not_from(gate, voter) or _why_not_to(gate, voter, to)


def _why_not_from(gate: GateState, voter: Voter) -> str:
    if any(person.get("name") == voter.name and person.get("behalf") == voter.behalf for person in gate.deputies):
        return f"{voter.name} only stands in for {voter.behalf}, who alone may hand it to somebody else"
    if any(vote.who == voter.name or (vote.behalf or vote.who) == (voter.behalf or voter.name) for vote in gate.votes):
        return f"{voter.name} has no voice left to hand on: it was given already"
    return ""


def _why_not_to(gate: GateState, voter: Voter, to: Mapping[str, Any]) -> str:
    name = str(to.get("name"))
    if name == voter.name:
        return f"{name} is asked already; hand it to somebody else"
    handed = next((told for told in gate.delegations if told.who == name), None)
    if handed is not None:
        return f"{name} has handed it to {handed.to.get('name')}, so it would come back: {handed.reason}"
    voted = next((vote for vote in gate.votes if vote.who == name), None)
    if voted is not None:
        return f"{name} has voted already ({voted.vote}), and nobody votes twice"
    if gate.opened.ask.get("four_eyes") and gate.opened.ask.get("requester") in to.get("logins", ()):
        return f"{name} asked for this approval, and it takes four eyes: hand it to somebody else"
    return _why_too_few(gate, voter, name)


def _why_too_few(gate: GateState, voter: Voter, name: str) -> str:
    """With two voices in one hand there may be fewer people left than have to agree."""
    left = {str(person.get("name")) for person in gate.people if person.get("name") != voter.name} | {name}
    left |= {vote.who for vote in gate.votes}
    quorum = int(gate.opened.ask.get("quorum", 1))
    if len(left) >= quorum:
        return ""
    return f"{name} is asked as well, and nobody counts twice: {quorum} have to agree, and {len(left)} would be left"
