"""A run as it stands: a fold over its events. A finished, a running and a crashed run are read the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import datetime
from enum import Enum
from typing import Any

from engine.model import event as ev
from engine.model.gate import GateState, Notified, Offers
from engine.model.plan import split_address
from engine.model.runbook import is_compensation
from engine.model.values import dataclass


class ItemStatus(Enum):
    """How one address stands. ``settled``: nothing more will happen to it in this run, unless it is reopened."""

    INTENDED = "intended"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    RAN = "ran"
    PROVED = "proved"
    SKIPPED = "skipped"
    RETRYING = "retrying"
    FAILED = "failed"
    BLOCKED = "blocked"
    IN_DOUBT = "in_doubt"
    REOPENED = "reopened"
    WAITING = "waiting"
    """A gate that is open."""
    PASSED = "passed"
    """A gate that was passed."""
    CANCELLED = "cancelled"
    """A gate that was open when the run was cancelled."""

    __hash__ = object.__hash__  # there is one of each; Enum's own is Python's, and counting asks for it all the time

    @property
    def ended_well(self) -> bool:
        return self in _WELL

    @property
    def settled(self) -> bool:
        return self in _WELL or self in _BADLY


_WELL = frozenset({
    ItemStatus.CHANGED, ItemStatus.UNCHANGED, ItemStatus.RAN, ItemStatus.PROVED, ItemStatus.SKIPPED, ItemStatus.PASSED,
})


_BADLY = frozenset({ItemStatus.FAILED, ItemStatus.BLOCKED, ItemStatus.IN_DOUBT, ItemStatus.CANCELLED})


class RunStatus(Enum):
    """``RUNNING`` also covers a run whose process died; the lease tells the two apart."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TRIPPED = "tripped"
    WAITING = "waiting"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class ItemState:
    """The last word on one address."""

    status: ItemStatus
    why: str = ""
    summary: str = ""
    at: datetime | None = None
    receipts: tuple[Mapping[str, Any], ...] = ()
    """What undoing needs: of every attempt that may have done something, the last one last."""
    reversible: bool = True
    key: str = ""
    observable: bool = True
    open_intent: bool = False
    attempt: int = 0
    answer: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """What it came to, for later steps."""
    cause: str = ""
    """Of a failure: temporary, permanent, moved or bug."""

    @property
    def is_under_way(self) -> bool:
        """An attempt of it may have had its effect, and nothing has been said about that yet."""
        if self.status in (ItemStatus.INTENDED, ItemStatus.RETRYING):
            return self.open_intent
        return self.status is ItemStatus.IN_DOUBT or (self.open_intent and not self.observable)

    @property
    def moved(self) -> bool:
        """It was not as the plan showed it: only a new plan helps, and trying again would fail again."""
        return self.status is ItemStatus.FAILED and self.cause == "moved"


@dataclass(frozen=True, slots=True)
class Agreed:
    """What people agreed to for one address: as it was shown to them. ``gate``: where; ``by``: how it was decided."""

    gate: str
    outlook: str
    observed: str
    by: str


@dataclass(slots=True)
class RunState:
    """All that is known of a run. Feed it with ``apply``; it never reads a clock or a store."""

    run: str = ""
    status: RunStatus = RunStatus.RUNNING
    started: ev.RunStarted | None = None
    started_at: datetime | None = None
    last_at: datetime | None = None
    items: dict[str, ItemState] = field(default_factory=dict)
    tripped: ev.GuardTripped | None = None
    overrides: list[ev.WindowOverridden] = field(default_factory=list)
    order_overrides: list[ev.OrderOverridden] = field(default_factory=list)
    policies: list[ev.PolicyChecked] = field(default_factory=list)
    """What the policy came to, when the run began and with each amendment."""
    labels: dict[str, str] = field(default_factory=dict)
    """Item key -> what people call it."""
    closed: list[ev.WindowClosed] = field(default_factory=list)
    """Windows the run waits for."""
    gates: dict[str, GateState] = field(default_factory=dict)
    """By address, as last opened."""
    agreed: dict[str, Agreed] = field(default_factory=dict)
    """What was approved, by the address it is about; the last word on each counts."""
    asked_again: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Approvals that are to be asked for once more, by address: for which addresses alone."""
    signals: list[ev.SignalReceived] = field(default_factory=list)
    holds: dict[str, ev.RunHeld] = field(default_factory=dict)
    """By address; empty for the whole run."""
    skips: dict[str, ev.SkipOrdered] = field(default_factory=dict)
    """By address, of an item or of a whole step."""
    paused: ev.RunPaused | None = None
    cancelled: ev.RunCancelled | None = None
    """For good. The status tells whether what is to be done then is done."""
    due: str = ""
    """When a waiting run has something to do next, ISO 8601."""
    read_back: ev.RunReadBack | None = None
    """What the last look at everything came to, at the end of a rollback."""
    amendments: list[tuple[datetime, ev.RunAmended]] = field(default_factory=list)
    """When it went over to another revision, the newest last."""
    last_seq: int = 0

    @property
    def header(self) -> Mapping[str, Any]:
        """Of the plan the run goes by now; empty when its beginning is missing."""
        if self.amendments:
            return self.amendments[-1][1].header
        return self.started.header if self.started else {}

    @property
    def revision(self) -> int:
        """Which revision of its files the run goes by; it began with 1."""
        return self.amendments[-1][1].revision if self.amendments else 1

    @property
    def rollback_of(self) -> str:
        """The run this one takes back; empty when it goes forward."""
        return str(self.header.get("rollback_of") or "")

    @property
    def called_off(self) -> bool:
        """Whether it was given up: what it has invited people to is not going to be."""
        return self.cancelled is not None

    def apply(self, record: ev.Record) -> None:
        """Takes one event into account."""
        self.run, self.last_seq, self.last_at = record.run, record.seq, record.at
        handler = _HANDLERS.get(type(record.event))
        if handler is not None:
            handler(self, record.event, record.at)

    def counts(self) -> dict[str, int]:
        """Items by status."""
        counted: dict[str, int] = {}
        for item in self.items.values():
            counted[item.status.value] = counted.get(item.status.value, 0) + 1
        return counted

    def moved(self) -> list[str]:
        """Addresses that were not as the plan showed them."""
        return [address for address, item in self.items.items() if item.moved]

    def to_try_again(self) -> list[str]:
        """Addresses that failed in a way that trying again may help, and those that wait for them in their lanes."""
        moved = set(self.moved())
        return [
            address for address, item in self.items.items()
            if not self.is_closed(address) and (
                (item.status is ItemStatus.FAILED and address not in moved)
                or (item.status is ItemStatus.BLOCKED and item.why not in moved)
            )
        ]

    def lapsed(self) -> dict[str, list[str]]:
        """Addresses that changed after they were approved, by the approval's."""
        found: dict[str, list[str]] = {}
        for address in self.moved():
            if address in self.agreed:
                found.setdefault(self.agreed[address].gate, []).append(address)
        return found

    def is_closed(self, address: str) -> bool:
        """Whether the run was cancelled, and an address is none of what is done then: nothing happens to it any more."""
        return self.cancelled is not None and not is_compensation(address)

    def skip_of(self, address: str) -> ev.SkipOrdered | None:
        """Who had an address skipped: itself, or all of its step."""
        return self.skips.get(address) or self.skips.get(split_address(address)[0])

    def item(self, address: str) -> ItemState:
        """The state of an address, made when first heard of."""
        found = self.items.get(address)
        if found is None:
            found = self.items[address] = ItemState(ItemStatus.INTENDED)
        return found


def fold(records: Iterable[ev.Record]) -> RunState:
    """RunState = fold(events)."""
    state = RunState()
    for record in records:
        state.apply(record)
    return state


def _started(state: RunState, event: Any, at: datetime) -> None:
    state.started, state.started_at, state.status = event, at, RunStatus.RUNNING


def _named(state: RunState, event: Any, at: datetime) -> None:
    state.labels.update(event.labels)


def _resumed(state: RunState, event: Any, at: datetime) -> None:
    state.status, state.tripped, state.due, state.paused = RunStatus.RUNNING, None, "", None
    state.closed.clear()


def _amended(state: RunState, event: Any, at: datetime) -> None:
    state.amendments.append((at, event))
    state.tripped = None
    if state.status in (RunStatus.FAILED, RunStatus.TRIPPED):
        # What failed is put back: the run has not ended any more, and somebody has to take it up.
        state.status = RunStatus.INTERRUPTED


def _overridden(state: RunState, event: Any, at: datetime) -> None:
    state.overrides.append(event)


def _order_overridden(state: RunState, event: Any, at: datetime) -> None:
    state.order_overrides.append(event)


def _policy_checked(state: RunState, event: Any, at: datetime) -> None:
    state.policies.append(event)


def _window_closed(state: RunState, event: Any, at: datetime) -> None:
    state.closed.append(event)


def _intended(state: RunState, event: Any, at: datetime) -> None:
    item = state.item(event.address)
    item.status, item.key, item.summary, item.at = ItemStatus.INTENDED, event.key, event.summary, at
    item.observable, item.open_intent, item.attempt, item.answer = event.observable, True, event.attempt, ""
    item.reversible = event.reversible
    _keep_receipt(item, event.receipt)


def _keep_receipt(item: ItemState, receipt: Mapping[str, Any]) -> None:
    """An intent and its outcome hold the same; of attempts that were lost each holds what it found."""
    if receipt and item.receipts[-1:] != (receipt,):
        item.receipts = (*item.receipts, receipt)


def _ends(status: ItemStatus) -> Callable[[RunState, Any, datetime], None]:
    def handle(state: RunState, event: Any, at: datetime) -> None:
        item = state.item(event.address)
        item.status, item.at, item.open_intent = status, at, False
        item.why = getattr(event, "why", "") or getattr(event, "by", "")
        item.summary = getattr(event, "summary", "") or item.summary
        item.outputs = getattr(event, "outputs", {})
        item.attempt = getattr(event, "attempt", item.attempt)

    return handle


def _changed(state: RunState, event: Any, at: datetime) -> None:
    _ENDS_CHANGED(state, event, at)
    item = state.items[event.address]
    item.reversible = event.reversible
    _keep_receipt(item, event.receipt)


_ENDS_CHANGED = _ends(ItemStatus.CHANGED)


def _retried(state: RunState, event: Any, at: datetime) -> None:
    # The intent stays open: until an attempt ends, its effect may have happened.
    item = state.item(event.address)
    item.status, item.why, item.at, item.attempt = ItemStatus.RETRYING, event.why, at, event.attempt
    _forget_if_nothing_done(item, event)


def _forget_if_nothing_done(item: ItemState, event: Any) -> None:
    if event.nothing_done:
        item.open_intent, item.receipts = False, ()


def _failed(state: RunState, event: Any, at: datetime) -> None:
    item = state.item(event.address)
    item.status, item.why, item.at, item.attempt = ItemStatus.FAILED, event.why, at, event.attempt
    item.cause = event.cause
    _forget_if_nothing_done(item, event)


def _in_doubt(state: RunState, event: Any, at: datetime) -> None:
    item = state.item(event.address)
    item.status, item.why, item.at = ItemStatus.IN_DOUBT, event.why, at


def _answered(state: RunState, event: Any, at: datetime) -> None:
    item = state.item(event.address)
    item.answer, item.at = event.answer, at
    item.open_intent = False
    item.status = ItemStatus.RAN if event.answer == "done" else ItemStatus.REOPENED


def _withdrawn(state: RunState, event: Any, at: datetime) -> None:
    item = state.item(event.address)
    item.status, item.open_intent, item.receipts = ItemStatus.REOPENED, False, ()


def _reopened(state: RunState, event: Any, at: datetime) -> None:
    state.item(event.address).status = ItemStatus.REOPENED


def _opened(state: RunState, event: Any, at: datetime) -> None:
    state.gates[event.address] = GateState(event, at)
    item = state.item(event.address)
    item.status, item.at, item.why = ItemStatus.WAITING, at, ""
    item.summary = str(event.ask.get("title", ""))


def _asked_again(state: RunState, event: Any, at: datetime) -> None:
    state.asked_again[event.address] = event.items
    state.item(event.address).status = ItemStatus.REOPENED


def _of_gate(keep: Callable[[GateState, Any], None]) -> Callable[[RunState, Any, datetime], None]:
    def handle(state: RunState, event: Any, at: datetime) -> None:
        gate = state.gates.get(event.address)
        if gate is not None:
            keep(gate, event)

    return handle


def _looked(state: RunState, event: Any, at: datetime) -> None:
    gate = state.gates.get(event.address)
    if gate is not None:
        gate.looked, gate.looked_at = event, at


def _reminded(gate: GateState, event: ev.GateReminded) -> None:
    gate.reminded = event.number
    gate.occasion = f"reminder {event.number}"


def _escalated(gate: GateState, event: ev.GateEscalated) -> None:
    gate.escalated = event
    gate.occasion_escalated = gate.occasion


_GATES_END = {
    "passed": ItemStatus.PASSED, "skipped": ItemStatus.SKIPPED, "cancelled": ItemStatus.CANCELLED,
    "withdrawn": ItemStatus.REOPENED,
}


def _gate_closed(state: RunState, event: Any, at: datetime) -> None:
    gate = state.gates.get(event.address)
    if gate is not None:
        gate.closed = event
        _note_agreed(state, gate, event)
    item = state.item(event.address)
    item.status = _GATES_END.get(event.outcome, ItemStatus.FAILED)
    item.at, item.why, item.summary = at, event.why, event.why
    item.outputs = gate.outputs if gate is not None else event.outputs


def _note_agreed(state: RunState, gate: GateState, event: ev.GateClosed) -> None:
    state.asked_again.pop(event.address, None)
    if event.outcome == "passed":
        for address, outlook, observed in gate.opened.ask.get("shown", ()):
            state.agreed[address] = Agreed(event.address, outlook, observed, event.why)


def _form_answered(state: RunState, event: Any, at: datetime) -> None:
    gate = state.gates.get(event.address)
    if gate is not None:
        gate.answers.append(event)
        state.item(event.address).outputs = gate.outputs  # a correction counts for what comes after it


def _chosen(state: RunState, event: Any, at: datetime) -> None:
    gate = state.gates.get(event.address)
    if gate is not None:
        gate.choices.append(event)
        if gate.closed is not None:
            state.item(event.address).outputs = gate.outputs  # what comes after it goes by the new time


def _declined(gate: GateState, event: ev.GateDeclined) -> None:
    gate.declined.append(event)
    _propose(gate, event.proposed)


def _proposed(gate: GateState, event: ev.GateProposed) -> None:
    _propose(gate, event.proposed)


def _propose(gate: GateState, slots: Offers) -> None:
    gate.proposed = slots
    gate.proposals += 1
    gate.occasion = f"proposal {gate.proposals}"


def _notified(state: RunState, event: ev.GateNotified, at: datetime) -> None:
    gate = state.gates.get(event.address)
    if gate is not None:
        before = gate.notified.get((event.to, event.why))
        gate.notified[event.to, event.why] = Notified(event, at, 1 if before is None else before.tries + 1)


def _moved(gate: GateState, event: ev.GateMoved) -> None:
    gate.moved = event


def _signal(state: RunState, event: Any, at: datetime) -> None:
    state.signals.append(event)


def _held(state: RunState, event: Any, at: datetime) -> None:
    state.holds[event.address] = event


def _released(state: RunState, event: Any, at: datetime) -> None:
    state.holds.pop(event.address, None)


def _skip_ordered(state: RunState, event: Any, at: datetime) -> None:
    """What failed is put back, so that its lane comes to it again and passes it by; what was blocked by it goes on with it."""
    state.skips[event.address] = event
    failed = {a for a, item in state.items.items() if item.status is ItemStatus.FAILED and _is_meant(event.address, a)}
    for address, item in state.items.items():
        if address in failed or (item.status is ItemStatus.BLOCKED and item.why in failed):
            item.status = ItemStatus.REOPENED
    for address, gate in state.gates.items():
        if gate.is_open and gate.skipped is None and _is_meant(event.address, address):
            gate.skipped = event


def _is_meant(said: str, address: str) -> bool:
    return said in (address, split_address(address)[0])


def _skipped(state: RunState, event: Any, at: datetime) -> None:
    # What a person passes by may have had its effect before it failed; a rollback has to know.
    item = state.item(event.address)
    may_have_done = item.open_intent and state.skip_of(event.address) is not None
    _ENDS_SKIPPED(state, event, at)
    item.open_intent = may_have_done


_ENDS_SKIPPED = _ends(ItemStatus.SKIPPED)


def _paused(state: RunState, event: Any, at: datetime) -> None:
    state.paused = event
    if state.status is RunStatus.WAITING:
        state.status, state.due = RunStatus.PAUSED, ""


def _cancelled(state: RunState, event: Any, at: datetime) -> None:
    state.cancelled, state.paused = event, None
    if state.status is RunStatus.PAUSED:
        state.status = RunStatus.WAITING


def _tripped(state: RunState, event: Any, at: datetime) -> None:
    state.tripped = event


def _interrupted(state: RunState, event: Any, at: datetime) -> None:
    state.status = RunStatus.INTERRUPTED


def _read_back(state: RunState, event: Any, at: datetime) -> None:
    state.read_back = event


def _finished(state: RunState, event: Any, at: datetime) -> None:
    state.status, state.due = RunStatus(event.status), event.due


_HANDLERS: dict[type[ev.Event], Callable[[RunState, Any, datetime], None]] = {
    ev.RunStarted: _started, ev.ItemsNamed: _named, ev.RunResumed: _resumed, ev.RunAmended: _amended,
    ev.WindowOverridden: _overridden,
    ev.WindowClosed: _window_closed, ev.ItemIntended: _intended,
    ev.ItemChanged: _changed, ev.ItemUnchanged: _ends(ItemStatus.UNCHANGED),
    ev.ItemRan: _ends(ItemStatus.RAN), ev.ItemProved: _ends(ItemStatus.PROVED), ev.ItemSkipped: _skipped,
    ev.ItemBlocked: _ends(ItemStatus.BLOCKED), ev.ItemRetried: _retried, ev.ItemFailed: _failed,
    ev.ItemInDoubt: _in_doubt, ev.ItemWithdrawn: _withdrawn,
    ev.ItemAnswered: _answered, ev.ItemReopened: _reopened, ev.GuardTripped: _tripped,
    ev.RunInterrupted: _interrupted, ev.RunReadBack: _read_back, ev.RunFinished: _finished,
    ev.GateOpened: _opened, ev.GateReopened: _asked_again, ev.GateVoted: _of_gate(lambda gate, event: gate.votes.append(event)),
    ev.GateAnswered: _form_answered,
    ev.GateReported: _of_gate(lambda gate, event: gate.reports.append(event)),
    ev.GateDelegated: _of_gate(lambda gate, event: gate.delegations.append(event)), ev.GateLooked: _looked,
    ev.GateReminded: _of_gate(_reminded), ev.GateEscalated: _of_gate(_escalated), ev.GateClosed: _gate_closed,
    ev.GateChosen: _chosen, ev.GateDeclined: _of_gate(_declined), ev.GateProposed: _of_gate(_proposed),
    ev.GateMoved: _of_gate(_moved), ev.GateNotified: _notified,
    ev.SignalReceived: _signal, ev.RunHeld: _held, ev.RunReleased: _released, ev.SkipOrdered: _skip_ordered,
    ev.RunPaused: _paused, ev.RunCancelled: _cancelled, ev.OrderOverridden: _order_overridden,
    ev.PolicyChecked: _policy_checked,
}
