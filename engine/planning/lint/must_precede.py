"""SW101: what ``must_precede`` says holds on every way through the runbook, whatever people answer and wherever it is cancelled.

Proved, not tried: a pair passes when no facts at all let the second step run where the first has not run and ended well. What the
search cannot decide within its budget does not pass.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.language.needs import needed_by
from engine.model.diagnostic import Severity
from engine.model.inventory import Inventory
from engine.model.runbook import Block, Precedence, Runbook, is_compensation
from engine.model.values import dataclass
from engine.planning.graph import in_order
from engine.planning.lint.conditions import Conditions, Evidence
from engine.planning.lint.formula import Fact, Formula, Model, Undecided, both, facts_in, holds, implies, negated, satisfied
from engine.planning.lint.rule import Finding, Rule, Subject

_LISTED = 14
_ENDED_WELL = "ended well"
"""Stands for: the first step has run and ended well before the run was cancelled."""


@dataclass(frozen=True, slots=True)
class _Way:
    """A way through the runbook that breaks a rule. ``model``: what is so then; ``why``: what is wrong with it."""

    model: Model
    why: str


def _check(subject: Subject) -> Iterator[Finding]:
    proof = _Proof(subject.runbook, subject.inventory)
    for rule in subject.runbook.precedences:
        try:
            way = proof.way_round(rule)
        except Undecided:
            detail = f"Whether {rule.then} can run without {rule.first} could not be decided: too much hangs on their conditions."
            yield Finding(rule.path, detail, "Give the two conditions in the same words, or fewer of them.")
            continue
        if way is not None:
            yield Finding(rule.path, proof.told(rule, way))


MUST_PRECEDE = Rule(
    "SW101", "Can run without what must precede it", Severity.ERROR,
    "A pair in must_precede holds on every way through the runbook: the second step runs only where the first has run and ended "
    "well before it. All conditions are followed, and a cancellation at any point.",
    _check,
    "Give the second step the condition of the first, or have it wait for the first through needs.",
)


class _Proof:
    def __init__(self, runbook: Runbook, inventory: Inventory | None) -> None:
        self._runbook = runbook
        self._conditions = Conditions(runbook, inventory)
        self._before = needed_by(runbook)

    def way_round(self, rule: Precedence) -> _Way | None:
        """A way on which the second step runs without the first; None when there is none. Raises ``Undecided``."""
        runs = self._conditions.runs(rule.then)
        asked = both(runs, self._conditions.of_rule(rule.when)) if rule.when is not None else runs
        if is_compensation(rule.first) and not is_compensation(rule.then):
            return self._way(asked, f"{rule.first} is done only when the run is cancelled, and nothing comes after that")
        if is_compensation(rule.then) and not is_compensation(rule.first):
            return self._cancelled(rule, asked)
        return self._forward(rule, asked)

    def _forward(self, rule: Precedence, asked: Formula) -> _Way | None:
        first, then = self._conditions.block_of(rule.first), self._conditions.block_of(rule.then)
        if not self._comes_before(rule.first, rule.then):
            return self._way(asked, f"{rule.then} does not wait for {rule.first}: nothing in its needs leads there")
        if first is not then and _may_end_badly(first):
            limit = first.fan_out.max_failures
            way = self._way(asked, f"{first.address} may end with failed items (max_failures: {limit}), and the run goes on")
            if way is not None:
                return way
        return self._way(both(asked, negated(self._ran(rule))), f"{rule.first} does not run then")

    def _cancelled(self, rule: Precedence, asked: Formula) -> _Way | None:
        """The run may be cancelled before, at or after the first step: only what the condition asks for tells."""
        ended = Fact(_ENDED_WELL)
        told: list[Formula] = []
        for evidence in (self._conditions.evidence[fact] for fact in facts_in(asked) if fact in self._conditions.evidence):
            proved = self._proves(evidence, rule)
            if proved is not None:
                told.append(implies(both(evidence.fact, proved), ended))
        why = f"when the run is cancelled before {rule.first} has ended well, nothing keeps {rule.then} from running"
        return self._way(both(asked, negated(ended), *told), why)

    def _proves(self, evidence: Evidence, rule: Precedence) -> Formula | None:
        """Under which condition evidence of a step shows that the first of a pair has run and ended well; None: under none."""
        if evidence.step == rule.first:
            if evidence.kind == "ok":
                return self._ran(rule)
            return None if evidence.of_all else True
        if is_compensation(evidence.step) or not self._comes_before(rule.first, evidence.step):
            return None
        first, later = self._conditions.block_of(rule.first), self._conditions.block_of(evidence.step)
        apart = first is not later
        if (apart and _may_end_badly(first)) or (not apart and evidence.of_all):
            return None
        return self._ran(rule)

    def _ran(self, rule: Precedence) -> Formula:
        """When the first step runs, for the item the second runs for: where they run over the same ones, it has to be picked."""
        first, then = self._conditions.block_of(rule.first), self._conditions.block_of(rule.then)
        same = first.fan_out.for_each is not None and first.fan_out.for_each == then.fan_out.for_each
        return self._conditions.runs(rule.first, picked=same)

    def _comes_before(self, first: str, then: str) -> bool:
        one, other = self._conditions.block_of(first), self._conditions.block_of(then)
        if one is other:
            names = [step.address for step in one.steps]
            return names.index(first) < names.index(then)
        return one.address in self._before.get(other.address, ())

    def _way(self, formula: Formula, why: str) -> _Way | None:
        # Before what is known is added: most formulas are settled by their own facts.
        if satisfied(formula) is None:
            return None
        model = satisfied(both(formula, self._conditions.known(facts_in(formula))))
        return None if model is None else _Way(model, why)

    # ------------------------------------------------------------ in words

    def told(self, rule: Precedence, way: _Way) -> str:
        """A way round a rule, for whoever wrote the runbook."""
        facts = [(fact, value) for fact, value in way.model.items() if fact.name != _ENDED_WELL]
        so = [_said(fact, value) for fact, value in facts if _matters(fact, value, way)]
        parts = [f"{rule.then} can run although {rule.first} has not run and ended well before: {way.why}."]
        if so:
            parts.append(f"It is so when {_joined(so[:_LISTED])}.")
        runs = [step for step in self._up_to(rule.then) if holds(self._conditions.runs(step), way.model) or step == rule.then]
        parts.append(f"Then these run, in this order: {', '.join(runs[-_LISTED:])}.")
        if rule.why:
            parts.append(f"It is asked for because: {rule.why}")
        return " ".join(parts)

    def _up_to(self, then: str) -> list[str]:
        """The steps that have ended before one, and itself. Of a cancelled run only what is done then: how far it had come is
        open."""
        block = self._conditions.block_of(then)
        blocks: dict[str, Block] = {b.address: b for b in self._runbook.every_block()}
        order = in_order(blocks, {address: [n for n in b.needs if n in blocks] for address, b in blocks.items()})
        before = {a for a in self._before.get(block.address, ()) if is_compensation(a) or not is_compensation(then)}
        steps = [step.address for address in order if address in before for step in blocks[address].steps]
        own = [step.address for step in block.steps]
        return [*steps, *own[: own.index(then) + 1]]


def _may_end_badly(block: Block) -> bool:
    return block.fan_out.for_each is not None and block.fan_out.max_failures.value > 0


def _matters(fact: Fact, value: bool, way: _Way) -> bool:
    """That a name has none of the other values goes without saying where it is said which it has."""
    if value or fact.test != "is":
        return True
    return not any(other.name == fact.name and other.test == "is" and so for other, so in way.model.items())


def _said(fact: Fact, value: bool) -> str:
    name = fact.words or fact.name
    if fact.test == "is":
        return f"{name} is {'' if value else 'not '}{fact.value!r}"
    if fact.test == "true":
        return f"{name} is {'true' if value else 'not true'}"
    return f"({name}) {'holds' if value else 'does not hold'}"


def _joined(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
