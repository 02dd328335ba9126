"""SW102 to SW105, SW303: what keeps a cutover from doing more harm than it must."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.language.needs import needed_by
from engine.model.diagnostic import Severity
from engine.model.gate import Approval
from engine.model.runbook import Block, Step
from engine.planning.lint.conditions import Conditions
from engine.planning.lint.formula import Undecided, both, facts_in, negated, satisfied
from engine.planning.lint.rule import Edit, Finding, Rule, Subject, Traits


def _no_undo(subject: Subject) -> Iterator[Finding]:
    """A point of no return of its own is one that somebody thought of; what stands before it can be rolled back, or should."""
    runbook, before = subject.runbook, needed_by(subject.runbook)
    ahead: dict[str, str] = {}
    for block in runbook.blocks():
        for index, step in enumerate(block.steps):
            if step.point_of_no_return:
                earlier = [s.address for b in runbook.blocks() if b.address in before.get(block.address, ()) for s in b.steps]
                for address in [*earlier, *(s.address for s in block.steps[:index])]:
                    ahead.setdefault(address, step.address)
    for step in runbook.steps():
        if step.address in ahead and _changes(step, subject) and not _can_be_undone(step, subject):
            detail = (
                f"{step.address} changes something that {step.action} cannot take back, and it stands before the point of no "
                f"return {ahead[step.address]}: a rollback from there leaves it as it is."
            )
            yield Finding((*step.path, "action"), detail)


def _unlimited(subject: Subject) -> Iterator[Finding]:
    for block in subject.runbook.every_block():
        if block.fan_out.for_each is None or "max_failures" in _raw(subject, block):
            continue
        detail = (
            f"{block.address} runs over {block.fan_out.for_each} and does not say how many may fail. The first failure stops the "
            "run; where that is meant, write max_failures: 0."
        )
        path = (*block.path, "for_each")
        yield Finding(path, detail, edit=_said(subject, block))


def _said(subject: Subject, block: Block) -> Edit | None:
    """What the runbook means already, in words. Only where keys have lines of their own."""
    source = subject.runbook.document.source
    span = source.key((*block.path, "for_each"))
    line = source.line(span.line)
    head = line[: span.column - 1]
    rest = line[span.column - 1:]
    if head.strip(" ") not in ("", "-") or not rest.startswith("for_each: ") or rest.split("#")[0].split()[1:2] == []:
        return None
    return Edit(span.line, rest, rest, " " * len(head) + "max_failures: 0")


def _unapproved(subject: Subject) -> Iterator[Finding]:
    runbook, before = subject.runbook, needed_by(subject.runbook)
    approving = {b.address for b in runbook.blocks() if any(isinstance(s.gate, Approval) for s in b.steps)}
    for block in runbook.blocks():
        for index, step in enumerate(block.steps):
            if not _destroys(step, subject) or isinstance(step.gate, Approval):
                continue
            if approving & set(before.get(block.address, ())) or any(isinstance(s.gate, Approval) for s in block.steps[:index]):
                continue
            detail = f"{step.address} cannot be taken back once it is done, and nobody has to agree to it before."
            yield Finding((*step.path, "name"), detail)


def _windowless(subject: Subject) -> Iterator[Finding]:
    for block in subject.runbook.blocks():
        if block.window is not None or block.fan_out.for_each is None:
            continue
        changing = next((step for step in block.steps if _changes(step, subject)), None)
        if changing is not None:
            detail = (
                f"{block.address} changes {block.fan_out.for_each} ({changing.action}) at any hour: no window holds it back, so "
                "a run that is taken up at noon goes on at noon."
            )
            yield Finding((*block.path, "name"), detail)


def _cannot_fail(subject: Subject) -> Iterator[Finding]:
    conditions = Conditions(subject.runbook, subject.inventory)
    for block in subject.runbook.every_block():
        limit = block.fan_out.max_failures
        reads = [step for step in block.steps if step.gate is None and not subject.actions.get(step.action, Traits()).changes]
        if reads and limit.percent and limit.value >= 100 and block.fan_out.for_each is not None:
            detail = f"{block.address} proves something of each item, but all of them may fail (max_failures: {limit})."
            yield Finding((*block.path, "max_failures"), detail)
        for step in block.steps:
            if step.gate is None and "claims" in step.args:
                yield from _true_claims(conditions, step)


def _true_claims(conditions: Conditions, step: Step) -> Iterator[Finding]:
    claims = step.args.get("claims")
    for index, claim in enumerate(claims if isinstance(claims, list) else ()):
        if not isinstance(claim, Mapping):
            continue
        that, path = claim.get("that"), (*step.path, "with", "claims", index)
        if that is True or (isinstance(that, str) and _is_true(conditions, step, that)):
            yield Finding((*path, "that"), f"This claim of {step.address} is true whatever is found, so it proves nothing.")
        elif "missing" in claim and claim["missing"] == []:
            detail = f"Nothing can be missing in an empty list, so this claim of {step.address} proves nothing."
            yield Finding((*path, "missing"), detail)


def _is_true(conditions: Conditions, step: Step, text: str) -> bool:
    """Whether a claim holds on every way on which its step runs."""
    body = text.strip()
    if not (body.startswith("{{") and body.endswith("}}")) or "{{" in body[2:]:
        return False
    otherwise = both(conditions.runs(step.address), negated(conditions.at_step(body[2:-2].strip("- "), step.address)))
    try:
        return satisfied(both(otherwise, conditions.known(facts_in(otherwise)))) is None
    except Undecided:
        return False


def _changes(step: Step, subject: Subject) -> bool:
    known = subject.actions.get(step.action)
    return step.gate is None and known is not None and known.changes and not known.informs


def _can_be_undone(step: Step, subject: Subject) -> bool:
    known = subject.actions[step.action]
    return known.undoable and not known.destroys(step.args)


def _destroys(step: Step, subject: Subject) -> bool:
    known = subject.actions.get(step.action, Traits())
    return step.point_of_no_return or (step.gate is None and known.destroys(step.args))


def _raw(subject: Subject, block: Block) -> Mapping[str, object]:
    found: object = subject.runbook.document.data
    for part in block.path:
        found = found[part]  # type: ignore[index]  # where a block was read from
    return found if isinstance(found, Mapping) else {}


NO_UNDO = Rule(
    "SW102", "Cannot be undone before the point of no return", Severity.WARNING,
    "Until the point of no return a run can be rolled back. A step before it whose action knows no way back breaks that promise.",
    _no_undo, "Use an action that can be undone, or move the step behind the point of no return.", "shared",
)
UNLIMITED = Rule(
    "SW103", "Fan-out without max_failures", Severity.WARNING,
    "How many items may fail before everything stops is a decision, so it is written down; nobody should have to know a default.",
    _unlimited, "Write max_failures: 0 where the first failure is to stop the run, else a number or a share.", "shared",
    fixable=True,
)
UNAPPROVED = Rule(
    "SW104", "Destructive step without an approval", Severity.ERROR,
    "What cannot be taken back (a point of no return, an action that removes something) is agreed to by a person first.",
    _unapproved, "Put an approval before it that covers it.", "production",
)
WINDOWLESS = Rule(
    "SW105", "Cutover step without a window", Severity.WARNING,
    "A step that changes every item of a collection is felt by the customer, so it stands in a window.",
    _windowless, "Give the step, or its phase, a window.", "production",
)
CANNOT_FAIL = Rule(
    "SW303", "A proof that cannot fail", Severity.ERROR,
    "A step that proves something and cannot fail reports success whatever it finds.",
    _cannot_fail, "Claim something that depends on what was found, or allow fewer failures.", "basic",
)
