"""Whether a run may go over to another revision of its runbook: what stays, what is new, what is asked anew.

Pure but for what rendering looks up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, fields, replace

from engine.language.gate_reader import roles_of
from engine.model.diagnostic import Diagnostic
from engine.model.gate import Approval, Gate, GateState
from engine.model.plan import PlannedItem
from engine.model.run import ItemState, ItemStatus, RunState
from engine.model.values import dataclass
from engine.planning.contradictions import Judge
from engine.planning.people import people_of
from engine.planning.planner import NOTHING_TO_DO
from engine.planning.revision import Revision, addresses
from engine.planning.scene import BlockWork, CompiledGate, Lane


def touched(item: ItemState) -> bool:
    """Whether an address is done, or may have had an effect: the new revision has to agree to it."""
    return item.status.ended_well or item.open_intent or bool(item.receipts)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What going over from one revision to another means for a run."""

    problems: tuple[Diagnostic, ...] = ()
    """Why it may not; empty when it may."""
    done: tuple[str, ...] = ()
    """Addresses that stay as they were done."""
    fresh: tuple[str, ...] = ()
    """Steps that were not there before."""
    gone: tuple[str, ...] = ()
    """Steps that are there no more; nothing was done of them."""
    altered: tuple[str, ...] = ()
    """Steps that are defined otherwise."""
    dropped: tuple[str, ...] = ()
    """Addresses that the run knew, and that are there no more."""
    put_back: tuple[str, ...] = ()
    """Addresses to be tried (again): they failed, waited for what failed, or are back after an earlier amendment."""
    asked_anew: Mapping[str, str] = field(default_factory=dict)
    """Open gate -> why its question is another one now."""
    stay_open: tuple[str, ...] = ()
    """Open gates that ask the same."""
    notes: tuple[str, ...] = ()
    """What is worth knowing and stands in nobody's way."""


def compare(old: Revision, new: Revision, state: RunState) -> Comparison:
    """Compares two revisions for a run as it stands."""
    standing = {address: item for address, item in state.items.items() if address in old.places}
    kept = {address for address, item in standing.items() if touched(item)}
    judge = Judge(old, new, state, kept)
    open_gates = [a for a, gate in state.gates.items() if gate.is_open and a in old.places]
    anew = {a: why for a in open_gates if a in new.places and (why := _asks_otherwise(old, new, a))}
    return Comparison(
        problems=tuple(judge.problems()),
        done=tuple(a for a in new.places if a in kept and standing[a].status.ended_well),
        fresh=tuple(step for step in new.steps if step not in old.steps),
        gone=tuple(step for step in old.steps if step not in new.steps),
        altered=tuple(s for s in new.steps if s in old.steps and not same_definition(old, new, s)),
        dropped=tuple(a for a in standing if a not in new.places and a not in kept),
        put_back=tuple(_put_back(old, new, state)),
        asked_anew=anew, stay_open=tuple(a for a in open_gates if a in new.places and a not in anew),
        notes=tuple(_notes(old, new, kept)),
    )


def pending(work: Sequence[BlockWork], done: Iterable[str]) -> list[BlockWork]:
    """The blocks narrowed to what is not done."""
    settled = frozenset(done)
    return [replace(block, lanes=tuple(_left(block.lanes, settled))) for block in work]


def _left(lanes: Iterable[Lane], done: frozenset[str]) -> Iterator[Lane]:
    for lane in lanes:
        steps = tuple(compiled for address, compiled in addresses(lane) if address not in done)
        if steps:
            yield Lane(lane.item, steps)


def same_definition(old: Revision, new: Revision, step: str) -> bool:
    """Whether a step means the same in both, wherever it stands in the file."""
    (then, in_then), (now, in_now) = old.steps[step], new.steps[step]
    return replace(then, path=()) == replace(now, path=()) and (
        (in_then.fan_out, in_then.needs, in_then.window) == (in_now.fan_out, in_now.needs, in_now.window)
    )


def lapses(gate: GateState, covers: Iterable[PlannedItem], altered: Iterable[str]) -> list[str]:
    """Addresses for which an approval, given or asked for, does not hold any more: they would change otherwise now, or were never
    shown. ``covers``: what it covers, as it would be shown now."""
    shown = {address: (outlook, observed) for address, outlook, observed in gate.opened.ask.get("shown", ())}
    changed = set(altered)
    found = []
    for item in covers:
        if item.outlook in NOTHING_TO_DO:
            continue
        then = shown.get(item.address)
        if then is None or item.step in changed or (then != (item.outlook.value, item.observed) and then[0] != "later"):
            found.append(item.address)
    return found


def _put_back(old: Revision, new: Revision, state: RunState) -> Iterator[str]:
    doubtful = {a for a, item in state.items.items() if item.status is ItemStatus.IN_DOUBT}
    for address, item in state.items.items():
        if address not in new.places:
            continue
        failed = item.status is ItemStatus.FAILED or (item.status is ItemStatus.BLOCKED and item.why not in doubtful)
        if failed or (address not in old.places and item.status is ItemStatus.SKIPPED):
            yield address


# ---------------------------------------------------------------- gates that are open


def _asks_otherwise(old: Revision, new: Revision, address: str) -> str:
    """Why an open gate's question is another one now; empty when it is not."""
    then, now = old.places[address], new.places[address]
    before, after = then.step.gate, now.step.gate
    if before is None or after is None or type(before) is not type(after):
        return "it is another kind of step now"
    named = {"limits": "its time limits", "roles": "who is asked", "message": "its message", "schema": "its form"}
    for entry in fields(before):
        if getattr(before, entry.name) != getattr(after, entry.name):
            return f"{named.get(entry.name, repr(entry.name))} changed"
    if then.step.title != now.step.title:
        return "its title changed"
    if old.rendered(address) != new.rendered(address):
        return "what it says changed"
    if _people(old, before) != _people(new, after):
        return "the people asked are others in the inventory"
    calendar = before.limits.calendar
    if old.scene.inventory.calendars.get(calendar) != new.scene.inventory.calendars.get(calendar):
        return "its calendar changed"
    return ""


def _people(revision: Revision, gate: Gate) -> object:
    return people_of(revision.scene.inventory, [*roles_of(gate), *filter(None, [gate.limits.escalate_to])])


# ---------------------------------------------------------------- worth knowing


def _notes(old: Revision, new: Revision, kept: set[str]) -> Iterator[str]:
    found: set[str] = set()
    for address in kept:
        then, now = old.places[address], new.places.get(address)
        if then.item is None or now is None or now.item is None:
            continue
        collection = now.block.fan_out.for_each or ""
        secret = {
            name for revision in (old, new) if collection in revision.scene.inventory.collections
            for name in revision.scene.inventory.collections[collection].secret_fields
        }
        for name in sorted({*then.item.fields, *now.item.fields}):
            if then.item.fields.get(name) != now.item.fields.get(name):
                about = "" if name in secret else f" ({then.item.fields.get(name)} -> {now.item.fields.get(name)})"
                found.add(f"{now.item.key}: {name}{about} changed; what is done for it stays as it was done")
    yield from sorted(found)
    before, after = _variables(old), _variables(new)
    for name in sorted({*before, *after}):
        if kept and before.get(name) != after.get(name):
            yield f"the variable {name} changed; what is done stays as it was done"
    grown = {place.step.address for a, place in new.places.items() if a not in old.places and place.step.address in old.steps}
    for step in sorted(step for step, ahead in new.ahead.items() if step in kept and grown & ahead):
        yield f"{step} is done, and new items come before it"


def _variables(revision: Revision) -> Mapping[str, object]:
    return {**revision.runbook.defaults, **revision.scene.inventory.defaults, **revision.scene.given.inputs}


def approvals(work: Sequence[BlockWork], state: RunState) -> Iterator[tuple[str, Approval, GateState]]:
    """Approvals that cover steps: those that are open, and those that were given."""
    for block in work:
        for address, compiled in (entry for lane in block.lanes for entry in addresses(lane)):
            gate = state.gates.get(address)
            if gate is None or not isinstance(compiled, CompiledGate) or not isinstance(compiled.gate, Approval):
                continue
            given = gate.closed is not None and gate.closed.outcome == "passed"
            if compiled.gate.covers and (gate.is_open or given):
                yield address, compiled.gate, gate
