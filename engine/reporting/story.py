"""What a run came to, item by item, as every report tells it: a fold that keeps what ``RunState`` has no use for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any

from engine.model import event as ev
from engine.model.plan import split_address
from engine.model.run import ItemStatus, RunState
from engine.model.values import dataclass
from engine.reporting.plain_view import line_of


@dataclass(slots=True)
class Outcome:
    """One address: how it stands, and how it came there."""

    address: str
    step: str
    item: str | None
    started_at: datetime
    ended_at: datetime
    status: ItemStatus = ItemStatus.INTENDED
    summary: str = ""
    why: str = ""
    fields: tuple[tuple[str, Any, Any], ...] = ()
    diff: tuple[str, ...] = ()
    attempts: int = 0
    took_s: float = 0.0
    adopted: bool = False
    reversible: bool = True
    label: str = ""
    """What people call the item."""
    cause: str = ""
    """Of a failure: temporary, permanent, moved or bug."""


@dataclass(slots=True)
class StepStory:
    """All items of one step."""

    address: str
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def counts(self) -> Counter[ItemStatus]:
        """Items by how they stand."""
        return Counter(outcome.status for outcome in self.outcomes)

    @property
    def started_at(self) -> datetime:
        return min(outcome.started_at for outcome in self.outcomes)

    @property
    def ended_at(self) -> datetime:
        return max(outcome.ended_at for outcome in self.outcomes)


@dataclass(slots=True)
class Story:
    """A whole run. ``state`` is the same fold that resuming it uses."""

    state: RunState = field(default_factory=RunState)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    steps: dict[str, StepStory] = field(default_factory=dict)
    """In the order their first item came up."""
    pauses: list[tuple[datetime, str]] = field(default_factory=list)
    """When and why the run stopped, was stopped, or went on."""
    last_hash: str = ""

    @property
    def header(self) -> Mapping[str, Any]:
        """The plan's header; empty when the run's beginning is missing."""
        return self.state.header

    def apply(self, record: ev.Record) -> None:
        """Takes one event into account."""
        self.state.apply(record)
        self.last_hash = record.hash
        event = record.event
        paused = _pause(event)
        if paused:
            self.pauses.append((record.at, paused))
        address = ev.address_of_event(event)
        if address in self.state.items and not isinstance(event, _BESIDE):
            _note(self._outcome(address, record.at), event, self.state.items[address].status, record.at)

    def _outcome(self, address: str, at: datetime) -> Outcome:
        found = self.outcomes.get(address)
        if found is None:
            step, item = split_address(address)
            found = self.outcomes[address] = Outcome(
                address, step, item, at, at, label=self.state.labels.get(item or "", "")
            )
            self.steps.setdefault(step, StepStory(step)).outcomes.append(found)
        return found


def tell(records: Iterable[ev.Record]) -> Story:
    """Story = fold(events)."""
    story = Story()
    for record in records:
        story.apply(record)
    return story


def _note(outcome: Outcome, event: ev.Event, status: ItemStatus, at: datetime) -> None:
    outcome.status, outcome.ended_at = status, at
    outcome.why = getattr(event, "why", "") or getattr(event, "by", "")
    untouched = isinstance(event, ev.ItemUnchanged | ev.ItemSkipped)
    outcome.summary = "" if untouched else getattr(event, "summary", "") or outcome.summary
    outcome.attempts = max(outcome.attempts, getattr(event, "attempt", 0))
    outcome.cause = getattr(event, "cause", "")
    outcome.took_s = getattr(event, "took_s", 0.0)
    if isinstance(event, ev.ItemChanged):
        outcome.fields, outcome.diff = event.fields, event.diff
        outcome.adopted, outcome.reversible = event.adopted, event.reversible
    elif isinstance(event, ev.ItemAnswered):
        outcome.why = f"{event.actor} answered: {event.answer}"


_OF_PEOPLE = frozenset({
    ev.GateOpened, ev.GateReopened, ev.GateVoted, ev.GateAnswered, ev.GateReported, ev.GateDelegated, ev.SignalReceived,
    ev.GateEscalated, ev.GateClosed, ev.RunHeld, ev.RunReleased, ev.GateChosen, ev.GateDeclined, ev.GateProposed, ev.GateMoved,
    ev.GateNotified,
    ev.SkipOrdered, ev.RunPaused, ev.RunCancelled, ev.OrderOverridden, ev.PolicyChecked,
})
"""What people and the outside world did, told in the run's timeline."""


_BESIDE = (ev.GateNotified, ev.GateProposed, ev.GateMoved)
"""What happens beside a gate: their why is not its own."""


def _pause(event: ev.Event) -> str:
    if isinstance(event, ev.RunResumed):
        return f"taken up again by {event.actor} on {event.host}"
    if isinstance(event, ev.RunAmended):
        return line_of(event)
    if isinstance(event, ev.RunInterrupted):
        return f"interrupted: {event.why}"
    if isinstance(event, ev.GuardTripped):
        return f"{event.address}: {event.failed} failed, more than the {event.limit} allowed: nothing new was started"
    if type(event) in _OF_PEOPLE:
        return line_of(event)
    if isinstance(event, ev.WindowClosed):
        again = f", opens again {event.reopens}" if event.reopens else ""
        noted = f"; note: {event.notice}" if event.notice else ""
        return f"{event.address}: the window {event.window} shut with {event.waiting} waiting{again}{noted}"
    return ""
