"""Whether a condition lets more through than it did: decided as formulas where that can be decided."""

from __future__ import annotations

from typing import Literal

from engine.language.condition_parts import Joined, Named, Opposite, Part, parts_of
from engine.planning.lint.formula import Fact, Formula, Undecided, both, either, negated, satisfied

Relation = Literal["same", "narrower", "wider", "other"]


def relation(old: str | None, new: str | None) -> Relation:
    """How a condition compares with the one before; None: there is none, so it always holds."""
    if old == new:
        return "same"
    try:
        then, now = _formula(old), _formula(new)
        narrower, wider = _implies(now, then), _implies(then, now)
    except Exception:  # noqa: BLE001  # one that is no expression is for the check of the runbook to tell
        return "other"
    if narrower and wider:
        return "same"
    return "narrower" if narrower else "wider" if wider else "other"


def _implies(one: Formula, other: Formula) -> bool:
    """Whether the other is sure to hold where the one does."""
    try:
        return satisfied(both(one, negated(other))) is None
    except Undecided:
        return False


def _formula(expression: str | None) -> Formula:
    return True if expression is None else _truth(parts_of(expression))


def _truth(part: Part) -> Formula:
    if isinstance(part, bool):
        return part
    if isinstance(part, Joined):
        found = [_truth(one) for one in part.parts]
        return both(*found) if part.every else either(*found)
    if isinstance(part, Opposite):
        return negated(_truth(part.of))
    if isinstance(part, Named):
        name = ".".join(part.chain)
        if part.values is None:
            return Fact(name, "true")
        return either(*(Fact(name, "is", value) for value in part.values))
    return Fact(part.identity)


def told(relation: Relation) -> str:
    """``holds more often``."""
    return {
        "same": "says the same in other words", "narrower": "holds less often", "wider": "holds more often",
        "other": "is another one, and may hold where it did not",
    }[relation]
