"""What stands above the phases of a runbook: inputs, defaults, who may go against the order, what has to precede what."""

from __future__ import annotations

from engine.model.review import Risk
from engine.model.runbook import Input, Precedence, Runbook
from engine.planning.review.conditions import relation
from engine.planning.review.verdict import Verdict, Verdicts, changed_fields, listed, spelled, unlike, widened


def compare_header(old: Runbook, new: Runbook) -> Verdicts:
    """Everything of a runbook but its steps."""
    if old.name != new.name:
        reason = f"the runbook is called {new.name} instead of {old.name}: earlier runs are not looked back on"
        yield Verdict(Risk.EFFECT, "runbook-renamed", reason, old.name, new.name, ("name",))
    for name in ("title", "description"):
        then, now = getattr(old, name), getattr(new, name)
        if then != now:
            reason = f"the runbook's {name} is another one"
            yield Verdict(Risk.WORDING, "text-changed", reason, spelled(then), spelled(now), (name,))
    if old.known_gaps != new.known_gaps:
        more, less = widened(old.known_gaps, new.known_gaps)
        reason = f"known gaps: {len(more)} more, {len(less)} fewer"
        detail = (*(f"+ {gap}" for gap in more), *(f"- {gap}" for gap in less))
        yield Verdict(Risk.WORDING, "known-gaps-changed", reason, key=("known_gaps",), detail=detail)
    for path, then, now in unlike(old.defaults, new.defaults):
        yield Verdict(Risk.EFFECT, "default-changed", f"the variable {'.'.join(map(str, path))} has another weakest value",
                      spelled(then, str(path[-1])), spelled(now, str(path[-1])), ("defaults", *path))
    yield from _inputs(old, new)
    yield from _order(old, new)
    yield from _phases(old, new)


def _phases(old: Runbook, new: Runbook) -> Verdicts:
    titles = {phase.name: phase.title for phase in old.phases}
    for index, phase in enumerate(new.phases):
        then = titles.get(phase.name, phase.title)
        if then != phase.title:
            reason = f"phase {phase.name} is called otherwise in plans and reports"
            yield Verdict(Risk.WORDING, "title-changed", reason, then, phase.title, ("phases", index, "title"))


def _order(old: Runbook, new: Runbook) -> Verdicts:
    if old.strict != new.strict:
        reason = "the order is strict: no step is passed by without an override" if new.strict else \
            "the order is free: steps may be skipped or done again without an override"
        before, after = ("strict" if one.strict else "free" for one in (old, new))
        yield Verdict(Risk.SAFER if new.strict else Risk.GUARD, "order-kept", reason, before, after, ("order",))
    added, gone = widened(old.overridden_by, new.overridden_by)
    if added or gone:
        reason = f"{listed(added)} may go against the order" if added else f"{listed(gone)} may not go against the order any more"
        yield Verdict(Risk.GUARD if added else Risk.SAFER, "overrides-changed", reason, spelled(old.overridden_by),
                      spelled(new.overridden_by), ("overrides", "by"))
    elif old.overridden_by != new.overridden_by:
        yield Verdict(Risk.WORDING, "overrides-reordered", "the same roles in another order", key=("overrides", "by"))
    yield from _precedences(old, new)


def _precedences(old: Runbook, new: Runbook) -> Verdicts:
    then = {(rule.first, rule.then): rule for rule in old.precedences}
    now = {(rule.first, rule.then): rule for rule in new.precedences}
    for pair, rule in then.items():
        if pair not in now:
            yield Verdict(Risk.GUARD, "precedence-removed", f"{rule.first} need not precede {rule.then} any more",
                          f"{rule.first}, {rule.then}", "", ("must_precede",))
    for pair, rule in now.items():
        if pair not in then:
            reason = f"{rule.first} must precede {rule.then}"
            yield Verdict(Risk.SAFER, "precedence-added", reason, "", f"{rule.first}, {rule.then}", rule.path)
        else:
            yield from _precedence(then[pair], rule)


def _precedence(then: Precedence, now: Precedence) -> Verdicts:
    pair = f"{now.first} must precede {now.then}"
    if then.when != now.when:
        found = relation(then.when, now.when)
        risk = {"same": Risk.WORDING, "wider": Risk.SAFER}.get(found, Risk.GUARD)
        words = {"same": "where the same holds", "wider": "more often"}.get(found, "only where something else holds")
        before, after = then.when or "always", now.when or "always"
        yield Verdict(risk, "precedence-changed", f"{pair} {words}", before, after, (*now.path, "when"))
    if then.why != now.why:
        yield Verdict(Risk.WORDING, "text-changed", f"why {pair} is said otherwise", then.why, now.why, (*now.path, "why"))


def _inputs(old: Runbook, new: Runbook) -> Verdicts:
    for name, spec in old.inputs.items():
        if name not in new.inputs:
            yield Verdict(Risk.EFFECT, "input-removed", f"the input {name} is gone", spec.type, "", ("inputs",))
    for name, spec in new.inputs.items():
        if name not in old.inputs:
            needed = ", and has to be given" if spec.required else ""
            yield Verdict(Risk.EFFECT, "input-added", f"there is a new input {name}{needed}", "", spec.type, ("inputs", name))
        else:
            yield from _input(name, old.inputs[name], spec)


def _input(name: str, old: Input, new: Input) -> Verdicts:
    for key, (then, now) in changed_fields(old, new).items():
        secret = "secret" in (old.type, new.type)
        before, after = ("***" if secret and key == "default" and one is not None else spelled(one) for one in (then, now))
        risk, reason = _input_key(name, key, then, now)
        yield Verdict(risk, f"input-{key}-changed", reason, before, after, ("inputs", name, key))


def _input_key(name: str, key: str, then: object, now: object) -> tuple[Risk, str]:
    if key == "description":
        return Risk.WORDING, f"what is asked for by the input {name} is said otherwise"
    if key == "required":
        return (Risk.SAFER, f"the input {name} has to be given") if now else (Risk.GUARD, f"the input {name} need not be given")
    if key == "choices" and isinstance(then, tuple) and isinstance(now, tuple):
        stricter = bool(now) and (not then or all(choice in then for choice in now))
        return (Risk.SAFER, f"the input {name} has fewer values to choose from") if stricter else \
            (Risk.GUARD, f"the input {name} may have other values")
    if key == "type":
        return (Risk.ACCESS if then == "secret" else Risk.EFFECT), f"the input {name} is of another type"
    return Risk.EFFECT, f"the input {name} has another {key}"
