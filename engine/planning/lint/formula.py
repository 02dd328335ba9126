"""Conditions as formulas over facts, and a search for facts under which one holds. Knows no word of the trade.

The search decides one fact at a time and simplifies (DPLL), so that what is decided by few facts costs little however many there
are. What it finds holds; what it does not find there is not; and past its budget it says so, instead of going on for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Literal

from engine.model.values import dataclass

BUDGET = 20_000
"""Facts that are tried before the search gives up."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that holds or not. ``is``: what is called ``name`` has this value; ``true``: it counts as true; ``any``:
    something that nothing else is known of. Facts of one name fit each other."""

    name: str
    test: Literal["is", "true", "any"] = "any"
    value: object = None
    words: str = field(default="", compare=False)
    """The name for people."""


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    of: Formula


@dataclass(frozen=True, slots=True)
class All:
    """Every one of them; of none, true."""

    of: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one of them; of none, false."""

    of: tuple[Formula, ...]


Formula = bool | Fact | Not | All | Any
Model = dict[Fact, bool]


class Undecided(Exception):
    """The search has used up its budget."""


def negated(formula: Formula) -> Formula:
    """Its opposite, simplified."""
    if isinstance(formula, bool):
        return not formula
    return formula.of if isinstance(formula, Not) else Not(formula)


def both(*parts: Formula) -> Formula:
    """All of them, simplified."""
    left: list[Formula] = []
    for part in parts:
        if part is False:
            return False
        if part is not True:
            left += part.of if isinstance(part, All) else [part]
    return True if not left else left[0] if len(left) == 1 else All(tuple(left))


def either(*parts: Formula) -> Formula:
    """At least one of them, simplified."""
    left: list[Formula] = []
    for part in parts:
        if part is True:
            return True
        if part is not False:
            left += part.of if isinstance(part, Any) else [part]
    return False if not left else left[0] if len(left) == 1 else Any(tuple(left))


def implies(condition: Formula, consequence: Formula) -> Formula:
    """Where the one holds, so does the other."""
    return either(negated(condition), consequence)


def facts_in(formula: Formula) -> Iterator[Fact]:
    """Every fact of a formula, in the order they stand."""
    if isinstance(formula, Fact):
        yield formula
    elif isinstance(formula, Not):
        yield from facts_in(formula.of)
    elif isinstance(formula, All | Any):
        for part in formula.of:
            yield from facts_in(part)


def under(formula: Formula, known: Mapping[Fact, bool]) -> Formula:
    """What is left of a formula once some facts are known."""
    if isinstance(formula, bool):
        return formula
    if isinstance(formula, Fact):
        return known.get(formula, formula)
    if isinstance(formula, Not):
        return negated(under(formula.of, known))
    parts = (under(part, known) for part in formula.of)
    return both(*parts) if isinstance(formula, All) else either(*parts)


def holds(formula: Formula, known: Mapping[Fact, bool]) -> bool:
    """Whether a formula holds where all that is not known is false."""
    left = under(formula, known)
    return under(left, dict.fromkeys(facts_in(left), False)) is True


def satisfied(formula: Formula, budget: int = BUDGET) -> Model | None:
    """Facts under which the formula holds; None when there are none. Raises ``Undecided``."""
    return _Search(facts_in(formula), budget).model(formula, {})


class _Search:
    def __init__(self, facts: Iterable[Fact], budget: int) -> None:
        self._of: dict[str, list[Fact]] = {}
        for fact in dict.fromkeys(facts):
            self._of.setdefault(fact.name, []).append(fact)
        self._left = budget

    def model(self, formula: Formula, known: Model) -> Model | None:
        left = under(formula, known)
        while isinstance(left, Fact | Not | All) and (sure := _sure(left)) is not None:
            found = self._with(known, *sure)
            if found is None:
                return None
            known, left = found, under(left, found)
        if isinstance(left, bool):
            return known if left else None
        fact = next(facts_in(left))
        for value in (True, False):
            self._left -= 1
            if self._left < 0:
                raise Undecided
            tried = self._with(known, fact, value)
            found = None if tried is None else self.model(left, tried)
            if found is not None:
                return found
        return None

    def _with(self, known: Model, fact: Fact, value: bool) -> Model | None:
        """What is known with one fact more, and all that follows for others of its name; None when it cannot be."""
        told = dict(known)
        ahead = [(fact, value)]
        while ahead:
            fact, value = ahead.pop()
            if fact in told:
                if told[fact] is not value:
                    return None
                continue
            told[fact] = value
            ahead += _follows(fact, value, self._of.get(fact.name, ()))
        return told


def _sure(formula: Fact | Not | All) -> tuple[Fact, bool] | None:
    """A fact that has to be so for the formula to hold."""
    for part in formula.of if isinstance(formula, All) else (formula,):
        if isinstance(part, Fact):
            return part, True
        if isinstance(part, Not) and isinstance(part.of, Fact):
            return part.of, False
    return None


def _follows(fact: Fact, value: bool, others: Iterable[Fact]) -> Iterator[tuple[Fact, bool]]:
    """A name has one value, which counts as true or not."""
    for other in others:
        if fact.test == "is" and value and other.test == "is" and other != fact:
            yield other, False
        elif fact.test == "is" and value and other.test == "true":
            yield other, bool(fact.value)
        elif fact.test == "true" and other.test == "is" and bool(other.value) is not value:
            yield other, False
