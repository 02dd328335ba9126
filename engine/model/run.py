"""A run as it stands: a fold over its events. A finished, a running and a crashed run are read the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import datetime
from enum import Enum
from typing import Any

from engine.model import event as ev
from engine.model.gate import GateState
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

    __hash__ = object.__hash__  # there is one of each; Enum's own is Python's, and counting asks for it all the time

    @property
    def ended_well(self) -> bool:
        return self in _WELL

    @property
    def settled(self) -> bool:
        return self in _WELL or self in (ItemStatus.FAILED, ItemStatus.BLOCKED, ItemStatus.IN_DOUBT)


_WELL = frozenset({
    ItemStatus.CHANGED, ItemStatus.UNCHANGED, ItemStatus.RAN, ItemStatus.PROVED, ItemStatus.SKIPPED, ItemStatus.PASSED,
})


class RunStatus(Enum):
    """``RUNNING`` also covers a run whose process died; the lease tells the two apart."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TRIPPED = "tripped"
    WAITING = "waiting"
    INTERRUPTED = "interrupted"


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
    def moved(self) -> bool:
        """It was not as the plan showed it: only a new plan helps, and trying again would fail again."""
        return self.status is ItemStatus.FAILED and self.cause == "moved"


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
    labels: dict[str, str] = field(default_factory=dict)
    """Item key -> what people call it."""
    closed: list[ev.WindowClosed] = field(default_factory=list)
    """Windows the run waits for."""
    gates: dict[str, GateState] = field(default_factory=dict)
    """By address, as last opened."""
    signals: list[ev.SignalReceived] = field(default_factory=list)
    holds: dict[str, ev.RunHeld] = field(default_factory=dict)
    """By address; empty for the whole run."""
    due: str = ""
    """When a waiting run has something to do next, ISO 8601."""
    read_back: ev.RunReadBack | None = None
    """What the last look at everything came to, at the end of a rollback."""
    last_seq: int = 0

    @property
    def rollback_of(self) -> str:
        """The run this one takes back; empty when it goes forward."""
        return str(self.started.header.get("rollback_of") or "") if self.started else ""

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
            if (item.status is ItemStatus.FAILED and address not in moved)
            or (item.status is ItemStatus.BLOCKED and item.why not in moved)
        ]

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
    state.status, state.tripped, state.due = RunStatus.RUNNING, None, ""
    state.closed.clear()


def _overridden(state: RunState, event: Any, at: datetime) -> None:
    state.overrides.append(event)


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


def _of_gate(keep: Callable[[GateState, Any], None]) -> Callable[[RunState, Any, datetime], None]:
    def handle(state: RunState, event: Any, at: datetime) -> None:
        gate = state.gates.get(event.address)
        if gate is not None:
            keep(gate, event)

    return handle


def _reminded(gate: GateState, event: ev.GateReminded) -> None:
    gate.reminded = event.number


def _escalated(gate: GateState, event: ev.GateEscalated) -> None:
    gate.escalated = event


def _gate_closed(state: RunState, event: Any, at: datetime) -> None:
    gate = state.gates.get(event.address)
    if gate is not None:
        gate.closed = event
    item = state.item(event.address)
    item.status = ItemStatus.PASSED if event.outcome == "passed" else ItemStatus.FAILED
    item.at, item.why, item.summary = at, event.why, event.why
    item.outputs = gate.outputs if gate is not None else event.outputs


def _form_answered(state: RunState, event: Any, at: datetime) -> None:
    gate = state.gates.get(event.address)
    if gate is not None:
        gate.answers.append(event)
        state.item(event.address).outputs = gate.outputs  # a correction counts for what comes after it


def _signal(state: RunState, event: Any, at: datetime) -> None:
    state.signals.append(event)


def _held(state: RunState, event: Any, at: datetime) -> None:
    state.holds[event.address] = event


def _released(state: RunState, event: Any, at: datetime) -> None:
    state.holds.pop(event.address, None)


def _tripped(state: RunState, event: Any, at: datetime) -> None:
    state.tripped = event


def _interrupted(state: RunState, event: Any, at: datetime) -> None:
    state.status = RunStatus.INTERRUPTED


def _read_back(state: RunState, event: Any, at: datetime) -> None:
    state.read_back = event


def _finished(state: RunState, event: Any, at: datetime) -> None:
    state.status, state.due = RunStatus(event.status), event.due


_HANDLERS: dict[type[ev.Event], Callable[[RunState, Any, datetime], None]] = {
    ev.RunStarted: _started, ev.ItemsNamed: _named, ev.RunResumed: _resumed, ev.WindowOverridden: _overridden,
    ev.WindowClosed: _window_closed, ev.ItemIntended: _intended,
    ev.ItemChanged: _changed, ev.ItemUnchanged: _ends(ItemStatus.UNCHANGED),
    ev.ItemRan: _ends(ItemStatus.RAN), ev.ItemProved: _ends(ItemStatus.PROVED), ev.ItemSkipped: _ends(ItemStatus.SKIPPED),
    ev.ItemBlocked: _ends(ItemStatus.BLOCKED), ev.ItemRetried: _retried, ev.ItemFailed: _failed,
    ev.ItemInDoubt: _in_doubt, ev.ItemWithdrawn: _withdrawn,
    ev.ItemAnswered: _answered, ev.ItemReopened: _reopened, ev.GuardTripped: _tripped,
    ev.RunInterrupted: _interrupted, ev.RunReadBack: _read_back, ev.RunFinished: _finished,
    ev.GateOpened: _opened, ev.GateVoted: _of_gate(lambda gate, event: gate.votes.append(event)),
    ev.GateAnswered: _form_answered,
    ev.GateReported: _of_gate(lambda gate, event: gate.reports.append(event)),
    ev.GateReminded: _of_gate(_reminded), ev.GateEscalated: _of_gate(_escalated), ev.GateClosed: _gate_closed,
    ev.SignalReceived: _signal, ev.RunHeld: _held, ev.RunReleased: _released,
}
