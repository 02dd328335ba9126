"""A step on both sides, or on one only: what it does, when, how it is taken back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from engine.model.gate import Approval, Form, ManualTask
from engine.model.review import Risk
from engine.model.runbook import Runbook, Step, is_compensation
from engine.model.values import dataclass
from engine.planning.review.arguments import compare_arguments, is_destructive
from engine.planning.review.conditions import relation, told
from engine.planning.review.gates import compare_gates
from engine.planning.review.limits import compare_patience
from engine.planning.review.pairing import Place
from engine.planning.review.verdict import Verdict, Verdicts, listed, seconds, spelled

_ASKED = re.compile(r"\bsteps\.([A-Za-z0-9_]+)")


@dataclass(frozen=True, slots=True)
class Trait:
    """What is known of an action. ``tells``: it only writes to people."""

    reads: bool
    undoes: bool
    tells: bool = False


Traits = Mapping[str, Trait]
Nature = Literal["compensation", "approval", "gate", "proof", "change"]


def nature_of(step: Step, traits: Traits) -> Nature:
    """What a step is for: by that a condition on it loosens or tightens."""
    if is_compensation(step.address):
        return "compensation"
    if step.gate is not None:
        return "approval" if isinstance(step.gate, Approval) else "gate"
    trait = traits.get(step.action)
    return "proof" if trait is not None and trait.reads else "change"


def compare_step(old: Step, new: Step, traits: Traits) -> Verdicts:
    """Everything of a step but where it stands and what it runs over."""
    if old.title != new.title:
        yield Verdict(Risk.WORDING, "title-changed", "is called otherwise in plans and reports", old.title, new.title, ("title",))
    if old.when != new.when:
        yield _condition(old.when, new.when, nature_of(new, traits))
    yield from compare_patience(old.retry, new.retry)
    if old.timeout_s != new.timeout_s:
        then, now = seconds(old.timeout_s), seconds(new.timeout_s)
        yield Verdict(Risk.EFFECT, "timeout-changed", f"each exchange has {now} instead of {then}", then, now, ("timeout",))
    if old.settle_s != new.settle_s:
        then, now = (seconds(one) if one is not None else "the action's own" for one in (old.settle_s, new.settle_s))
        reason = f"a change may take {now} to show instead of {then}"
        yield Verdict(Risk.EFFECT, "settle-changed", reason, then, now, ("settle",))
    if old.point_of_no_return != new.point_of_no_return:
        yield _no_return(new)
    yield from _done(old, new, traits)


def _done(old: Step, new: Step, traits: Traits) -> Verdicts:
    if old.action != new.action:
        yield _other_action(old, new, traits)
    elif old.gate is not None and new.gate is not None:
        for verdict in compare_gates(old.gate, new.gate):
            yield replace(verdict, key=(new.action, *verdict.key))
    else:
        yield from compare_arguments(new.action, old.args, new.args)


def _no_return(new: Step) -> Verdict:
    if new.point_of_no_return:
        reason = "rollback ends here: once it is done, neither it nor anything before it is taken back"
        return Verdict(Risk.WAY_BACK, "point-of-no-return-added", reason, "false", "true", ("point_of_no_return",))
    reason = "is no point of no return any more: a rollback takes back what stands before it, too"
    return Verdict(Risk.GUARD, "point-of-no-return-removed", reason, "true", "false", ("point_of_no_return",))


_LOOSER: Mapping[Nature, tuple[Risk, Risk]] = {
    # nature -> what a condition that holds less often is, and one that holds more often
    "compensation": (Risk.WAY_BACK, Risk.EFFECT),
    "approval": (Risk.APPROVAL, Risk.SAFER),
    "gate": (Risk.GUARD, Risk.SAFER),
    "proof": (Risk.PROOF, Risk.SAFER),
    "change": (Risk.SAFER, Risk.GUARD),
}
_LESS = {
    "compensation": "it is taken back less often when a run is cancelled", "approval": "it is asked for less often",
    "gate": "it is waited for less often", "proof": "it is proved less often", "change": "it is done less often",
}


def _condition(old: str | None, new: str | None, nature: Nature) -> Verdict:
    found = relation(old, new)
    before, after = old or "none", new or "none"
    less, more = _LOOSER[nature]
    if found == "same":
        return Verdict(Risk.WORDING, "condition-reworded", "its condition says the same in other words", before, after, ("when",))
    if new is None:
        return Verdict(more, "condition-removed", "its condition is gone: it holds always", before, after, ("when",))
    if found == "narrower":
        kind = "condition-added" if old is None else "condition-narrowed"
        return Verdict(less, kind, f"its condition {told(found)}: {_LESS[nature]}", before, after, ("when",))
    risk = more if found == "wider" or nature == "change" else less
    return Verdict(risk, "condition-changed", f"its condition {told(found)}", before, after, ("when",))


def _other_action(old: Step, new: Step, traits: Traits) -> Verdict:
    then, now = traits.get(old.action), traits.get(new.action)
    place = (new.action,) if new.gate is not None else ("action",)
    if isinstance(old.gate, Approval):
        reason = f"is {new.action} now, and nobody has to agree"
        return Verdict(Risk.APPROVAL, "approval-replaced", reason, old.action, new.action, place)
    if old.gate is None and new.gate is None and then is not None and now is not None:
        if then.reads and not now.reads:
            reason = f"was proved by {old.action}, and does {new.action} now"
            return Verdict(Risk.PROOF, "action-changed", reason, old.action, new.action, place)
        if then.undoes and not now.undoes and not now.reads:
            reason = f"rollback removed: {new.action} cannot be taken back, {old.action} could"
            return Verdict(Risk.WAY_BACK, "rollback-removed", reason, old.action, new.action, place)
        if _is_destructive(new, traits) and not _is_destructive(old, traits):
            reason = f"does {new.action} now, which takes away or cannot be taken back"
            return Verdict(Risk.DESTRUCTIVE, "action-changed", reason, old.action, new.action, place)
    return Verdict(Risk.EFFECT, "action-changed", f"does {new.action} instead of {old.action}", old.action, new.action, place)


def _is_destructive(step: Step, traits: Traits) -> bool:
    trait = traits.get(step.action)
    hard = trait is not None and not (trait.reads or trait.undoes or trait.tells)
    return step.gate is None and (hard or is_destructive(step.args))


# ---------------------------------------------------------------- steps on one side only


def added(place: Place, traits: Traits, count: int | None) -> Verdict:
    """A new step. ``count``: over how many items, when that is known."""
    step, over = place.step, _over(place, count)
    after = step.action
    if step.gate is not None:
        kind = "approval" if isinstance(step.gate, Approval) else step.action
        return Verdict(Risk.SAFER, "step-added", f"new: it is waited for ({kind})", "", after)
    trait = traits.get(step.action)
    if trait is not None and trait.reads:
        return Verdict(Risk.SAFER, "step-added", f"new: proves by {step.action}{over}", "", after)
    if _is_destructive(step, traits):
        reason = f"new: {step.action}{over} takes away, or cannot be taken back"
        return Verdict(Risk.DESTRUCTIVE, "step-added", reason, "", after)
    back = "; it cannot be taken back" if trait is not None and not trait.undoes else ""
    when = " when a run is cancelled" if is_compensation(step.address) else ""
    return Verdict(Risk.STEP_ADDED, "step-added", f"new: does {step.action}{over}{when}{back}", "", after)


def removed(place: Place, old: Runbook, traits: Traits) -> Verdict:
    """A step that is there no more."""
    step, nature = place.step, nature_of(place.step, traits)
    if nature == "compensation":
        back = _compensated(step, old)
        of = f"rollback removed from {'step ' if len(back) == 1 else 'steps '}{listed(back)}" if back else "rollback removed"
        reason = f"{of}: {step.address} is not done when a run is cancelled"
        return Verdict(Risk.WAY_BACK, "rollback-removed", reason, step.action)
    if nature == "approval":
        return Verdict(Risk.APPROVAL, "step-removed", "nobody has to agree any more: the approval is gone", step.action)
    if nature == "proof":
        return Verdict(Risk.PROOF, "step-removed", f"nothing is proved by {step.action} any more", step.action)
    if nature == "gate":
        soft = isinstance(step.gate, Form | ManualTask)
        reason = f"the {step.action} is gone: {'nobody is asked for it' if soft else 'it is waited for no more'}"
        return Verdict(Risk.GUARD, "step-removed", reason, step.action)
    return Verdict(Risk.STEP_REMOVED, "step-removed", f"{step.action} is not done any more", step.action)


def _compensated(step: Step, runbook: Runbook) -> list[str]:
    """Steps of the way forward whose results a step of the cancellation asks for: it takes these back."""
    text = f"{step.when or ''} {step.args!r}"
    asked = {name.replace("_", "-") for name in _ASKED.findall(text)}
    return [other.address for other in runbook.steps() if other.name in asked]


def _over(place: Place, count: int | None) -> str:
    items = place.block.fan_out.for_each
    if items is None:
        return ""
    return f" for each of {items}" if count is None else f" for {count:,} {items}"


def where_changed(old: str | None, new: str | None) -> Verdict:
    """Which items are picked, by the condition alone."""
    found, before, after = relation(old, new), old or "none", new or "none"
    if found == "same":
        return Verdict(Risk.WORDING, "where-reworded", "picks the same items in other words", before, after, ("where",))
    if found == "narrower":
        return Verdict(Risk.SCOPE_LESS, "where-narrowed", "picks fewer items", before, after, ("where",))
    reason = "picks more items" if found == "wider" else "picks other items, and perhaps more"
    return Verdict(Risk.SCOPE_MORE, "where-widened", reason, before, spelled(new), ("where",))
