"""What keeps a cutover from going further than it should: limits, windows, ways back, people who agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.language.needs import needed_by
from engine.language.yaml_reader import at_path
from engine.model.diagnostic import Severity
from engine.model.gate import Approval
from engine.model.plan import Effect
from engine.model.runbook import Block, Step, is_compensation
from engine.planning.lint.rule import ActionFacts, Finding, Profile, Rule, Subject


def _steps(subject: Subject) -> Iterator[tuple[Block, Step, ActionFacts]]:
    """Steps with an action that is known."""
    for block in subject.runbook.every_block():
        for step in block.steps:
            facts = subject.actions.get(step.action)
            if step.gate is None and facts is not None:
                yield block, step, facts


def _changes(facts: ActionFacts) -> bool:
    return facts.effect is not Effect.READS and not facts.informs


def _before(subject: Subject) -> Mapping[str, frozenset[str]]:
    """Step -> the steps that have ended before it on every way: of blocks it needs, and of its own lane."""
    needed = needed_by(subject.runbook)
    steps = {block.address: [step.address for step in block.steps] for block in subject.runbook.every_block()}
    found: dict[str, frozenset[str]] = {}
    for block in subject.runbook.every_block():
        ahead = {address for need in needed.get(block.address, ()) for address in steps.get(need, ())}
        for step in block.steps:
            found[step.address] = frozenset(ahead)
            ahead.add(step.address)
    return found


def _unlimited(subject: Subject) -> Iterator[Finding]:
    data = subject.runbook.document.data
    told: set[str] = set()
    for block, _, facts in _steps(subject):
        if block.fan_out.for_each is None or not _changes(facts) or block.address in told:
            continue
        written = at_path(data, block.path)
        if isinstance(written, Mapping) and "max_failures" not in written:
            told.add(block.address)
            detail = f"{block.address} goes over {block.fan_out.for_each} and does not say how many may fail before it stops."
            yield Finding((*block.path, "for_each"), detail, "Say so: max_failures: 5%, or 0 to stop at the first.", at_key=True)


UNLIMITED = Rule(
    "SW202", "No limit of failures", Severity.WARNING,
    "What changes many items says how many of them may fail before nothing more is started: max_failures.",
    _unlimited, Profile.SHARED,
    "Without it the first failure stops the run, a single phone that is unplugged on a desk of six hundred. Whoever reads the "
    "runbook cannot tell whether that was meant.",
    "Give the block max_failures: a number, a share, or 0 where the first failure is to stop it.",
)


def _no_way_back(subject: Subject) -> Iterator[Finding]:
    before = _before(subject)
    fences = {step.address for step in subject.runbook.every_step() if step.point_of_no_return}
    for _, step, facts in _steps(subject):
        if not _changes(facts) or facts.undoable or step.point_of_no_return or is_compensation(step.address):
            continue
        if not fences & before[step.address]:
            where = f"and {sorted(fences)[0]} is the point of no return" if fences else "and there is no point of no return"
            detail = f"{step.address} ({step.action}) cannot be undone, {where}: until then a rollback takes everything back."
            hint = "Put it behind the point of no return, or make it one: point_of_no_return: true."
            yield Finding((*step.path, "action"), detail, hint)


NO_WAY_BACK = Rule(
    "SW301", "No way back", Severity.WARNING,
    "What changes something and cannot be undone stands at or behind a point of no return. Mails and comments do not count.",
    _no_way_back, Profile.PRODUCTION,
    "A rollback on the evening leaves what it cannot undo. Where that is in the middle, half of the customer is on the old side "
    "and half on the new one.",
    "Use an action that can be undone (ssh.file instead of a command), move the step behind the point of no return, or declare "
    "it one.",
)


def _unasked(subject: Subject) -> Iterator[Finding]:
    before = _before(subject)
    gates = {step.address for step in subject.runbook.every_step() if isinstance(step.gate, Approval)}
    for _, step, facts in _steps(subject):
        if facts.destroys(step.args) and not gates & before[step.address]:
            detail = f"{step.address} ({step.action}) removes something for good, and nobody is asked before."
            yield Finding((*step.path, "action"), detail, f"Put an approval before it that covers it: covers: [{step.address}].")


UNASKED = Rule(
    "SW303", "Destroys without an approval", Severity.ERROR,
    "Before a step that removes something for good, people agree to what it would remove.",
    _unasked, Profile.PRODUCTION,
    "What is deleted at the other side cannot be brought back by anybody here.",
    "Put an approval before the step, in a block that it needs, and let it cover the step.",
)


def _windowless(subject: Subject) -> Iterator[Finding]:
    told: set[str] = set()
    for block, _, facts in _steps(subject):
        if block.window is not None or block.fan_out.for_each is None or not _changes(facts) or facts.local:
            continue
        if block.address not in told and not is_compensation(block.address):
            told.add(block.address)
            detail = f"{block.address} changes {block.fan_out.for_each} at any hour: it has no window."
            yield Finding((*block.path, "name"), detail, "Give it, or its phase, the window that was agreed with the customer.")


WINDOWLESS = Rule(
    "SW304", "No window", Severity.WARNING,
    "What changes many of a customer's items keeps to a window.",
    _windowless, Profile.PRODUCTION,
    "A run that is taken up in the morning, by hand or by a timer, goes on where it stopped: in office hours.",
    "Declare the window under windows and name it at the phase, the block or the group.",
)
