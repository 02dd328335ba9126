"""Steps that never run, and proofs that never fail: what looks like part of a runbook and does nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from engine.model.diagnostic import Severity
from engine.model.plan import Effect
from engine.model.runbook import Step
from engine.planning.lint.conditions import Conditions
from engine.planning.lint.formula import Formula, Undecided, both, facts_in, negated, satisfied
from engine.planning.lint.rule import Finding, Profile, Rule, Subject

_WHOLE = re.compile(r"\s*\{\{(?P<inside>(?:(?!\}\}).)*)\}\}\s*", re.DOTALL)


def _unreachable(subject: Subject) -> Iterator[Finding]:
    conditions = Conditions(subject.runbook, subject.inventory)
    for block in subject.runbook.every_block():
        for step in block.steps:
            runs = conditions.runs(step.address)
            if not _possible(conditions, runs):
                told = [text for text in (block.fan_out.where, step.when) if text is not None]
                path = (*step.path, "when") if step.when is not None else (*block.path, "where")
                yield Finding(path, f"{step.address} never runs: there is no way on which {' and '.join(told)} holds.")


def _possible(conditions: Conditions, formula: Formula) -> bool:
    """Whether a formula can hold; what cannot be decided can."""
    try:
        return satisfied(both(formula, conditions.known(facts_in(formula)))) is not None
    except Undecided:
        return True


UNREACHABLE = Rule(
    "SW102", "Never runs", Severity.ERROR,
    "Every step can run: there are inputs, answers and results under which its when, and the where of its block, hold.",
    _unreachable, Profile.BASIC,
    "A condition that contradicts itself, or a form that has no such answer, leaves a step out on every run. Whoever reads the "
    "runbook counts on it.",
    "Correct the condition: usually a misspelt value, or two conditions on the way to the step that exclude each other. "
    "Remove a step that is not wanted any more.",
)


def _cannot_fail(subject: Subject) -> Iterator[Finding]:
    conditions = Conditions(subject.runbook, subject.inventory)
    for block in subject.runbook.every_block():
        for step in block.steps:
            facts = subject.actions.get(step.action)
            if facts is None or step.gate is not None or facts.effect is not Effect.READS:
                continue
            limit = block.fan_out.max_failures
            if limit.percent and limit.value >= 100:
                detail = f"{step.address} proves something for each of {block.fan_out.for_each}, and all of them may fail."
                yield Finding((*block.path, "max_failures"), detail, "Say how many may, such as 5%.")
            unseen = facts.unseen(step.args)
            if unseen:
                yield Finding((*step.path, "action"), f"{step.address} proves nothing: {unseen}.")
            yield from _claims(conditions, step)


def _claims(conditions: Conditions, step: Step) -> Iterator[Finding]:
    claims = step.args.get("claims")
    for index, claim in enumerate(claims if isinstance(claims, list | tuple) else ()):
        if not isinstance(claim, Mapping):
            continue
        path = (*step.path, "with", "claims", index)
        if claim.get("missing") in ([], ()):
            yield Finding((*path, "missing"), f"{step.address} looks for what is missing in a list that is always empty.")
        said = claim.get("that")
        if said is True or (isinstance(said, str) and _always(conditions, step, said)):
            detail = f"{step.address} cannot fail: what it claims is so whatever the run finds."
            yield Finding((*path, "that"), detail, "Ask for something that a step, a form or an item tells.")


def _always(conditions: Conditions, step: Step, text: str) -> bool:
    match = _WHOLE.fullmatch(text)
    if match is None:
        return False
    claimed = conditions.at_step(match["inside"], step.address)
    return not _possible(conditions, both(conditions.runs(step.address), negated(claimed)))


CANNOT_FAIL = Rule(
    "SW104", "Cannot fail", Severity.ERROR,
    "What proves something can find that it is not so: a check, a registration, the state of a ticket.",
    _cannot_fail, Profile.BASIC,
    "A proof that passes whatever is there is worse than none: the report says that it was proved.",
    "Let the claim rest on something the run finds out, and let fewer than all items fail.",
)
