"""Takes the lanes of one unit through their steps. Runs in a worker thread; knows journal and clock, never an action.

All lanes of a unit go a round at a time: every lane looks, the intents of all become durable with one flush, then every lane
writes. With one lane in the unit that is simply one step after another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime

from engine.execution.attempt import Attempt, Outcome, Task, attempt
from engine.execution.decide import NO_PAST, Expected, Past
from engine.execution.gatekeeper import GateKeeper
from engine.execution.retry import wait_before
from engine.execution.stop import Stop
from engine.language.templates import DependsOnLaterError
from engine.model import event as ev
from engine.model.diagnostic import InvalidInput
from engine.model.errors import ActionFailure, SwitchoverError
from engine.model.plan import Outlook, address_of
from engine.model.run import ItemState, ItemStatus
from engine.model.values import dataclass
from engine.planning.scene import AnyStep, BlockWork, CompiledGate, Lane, Scene
from engine.ports import Journal

_STATUS: dict[type[ev.Event], ItemStatus] = {
    ev.ItemChanged: ItemStatus.CHANGED, ev.ItemUnchanged: ItemStatus.UNCHANGED, ev.ItemRan: ItemStatus.RAN,
    ev.ItemProved: ItemStatus.PROVED, ev.ItemSkipped: ItemStatus.SKIPPED, ev.ItemFailed: ItemStatus.FAILED,
    ev.ItemInDoubt: ItemStatus.IN_DOUBT, ev.ItemBlocked: ItemStatus.BLOCKED,
}
_LONGEST_SLEEP_S = 1.0
_AT_GATES = (InvalidInput, DependsOnLaterError, ActionFailure, SwitchoverError)


@dataclass(slots=True)
class UnitResult:
    """What came of a unit."""

    failed: int = 0
    unfinished: list[int] = field(default_factory=list)
    parked: list[int] = field(default_factory=list)
    """Lanes that stand at a gate."""
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Cursor:
    """Where one lane stands."""

    index: int
    lane: Lane
    position: int
    past: Past
    number: int = 1
    not_before: float = 0.0
    ended: bool = False
    parked: bool = False
    under_way: bool = False
    """Whether an earlier attempt may have had its effect: then it is worked to its end, also when somebody has it skipped."""
    running: Attempt | None = None
    intent: ev.ItemIntended | None = None
    """Of the running attempt."""
    intended_at: datetime | None = None
    address: str = field(init=False, default="")
    """Of the step it stands at; asked for at every turn, so made once."""

    @property
    def compiled(self) -> AnyStep:
        return self.lane.steps[self.position]

    def __post_init__(self) -> None:
        self._arrive()

    def advance(self) -> None:
        self.position += 1
        self._arrive()
        self.past, self.number, self.not_before, self.under_way = NO_PAST, 1, 0.0, False
        self.ended = self.position >= len(self.lane.steps)

    def _arrive(self) -> None:
        if self.position < len(self.lane.steps):
            self.address = address_of(self.compiled.step.address, self.lane.key)


@dataclass(frozen=True, slots=True)
class LaneWorker:
    """Works units for one run."""

    scene: Scene
    journal: Journal
    run: str
    expected: Mapping[str, Expected] | None
    """From the plan, by address; None: nothing was planned beforehand."""
    state: Mapping[str, ItemState]
    """What an earlier process of this run left behind."""
    stop: Stop
    keeper: GateKeeper

    def work(self, block: BlockWork, lanes: Sequence[int], failures_left: int) -> UnitResult:
        """Works the lanes to their ends, or until the run is asked to stop."""
        result = UnitResult()
        cursors = [self._cursor(index, block.lanes[index]) for index in lanes]
        while active := [cursor for cursor in cursors if not cursor.ended and not cursor.parked]:
            if self.stop.is_set or result.failed > failures_left:
                break
            due = self._due(active)
            if due:
                self._round(block, due, result, failures_left)
        result.unfinished = [cursor.index for cursor in cursors if not cursor.ended and not cursor.parked]
        result.parked = [cursor.index for cursor in cursors if cursor.parked]
        return result

    def _cursor(self, index: int, lane: Lane) -> _Cursor:
        for position, compiled in enumerate(lane.steps):
            address = address_of(compiled.step.address, lane.key)
            state = self.keeper.item(address) or self.state.get(address)
            if state is None:
                return _Cursor(index, lane, position, NO_PAST)
            if not state.status.ended_well:
                return _Cursor(index, lane, position, past_of(state), under_way=state.is_under_way)
        return _Cursor(index, lane, len(lane.steps), NO_PAST, ended=True)

    def _go_on(self, cursor: _Cursor) -> None:
        """To the lane's next step that has something left. Of steps behind a gate that an amendment had asked anew, some may
        have been done, or begun, before that."""
        cursor.advance()
        while not cursor.ended and (state := self.state.get(cursor.address)) is not None:
            if not state.status.ended_well:
                cursor.past = past_of(state)
                return
            cursor.advance()

    def _due(self, active: list[_Cursor]) -> list[_Cursor]:
        now = self.scene.clock.monotonic()
        due = [cursor for cursor in active if cursor.not_before <= now]
        if not due:
            # In short sleeps: a pause wakes nobody.
            self.scene.clock.sleep(min(_LONGEST_SLEEP_S, min(cursor.not_before for cursor in active) - now))
            self._heed()
        return due

    def _round(self, block: BlockWork, due: list[_Cursor], result: UnitResult, failures_left: int) -> None:
        events: list[ev.Event] = []
        intended: list[tuple[_Cursor, ev.ItemIntended]] = []
        for cursor in due:
            if result.failed > failures_left or self.stop.is_set:
                break
            intent = self._begin(block, cursor, events, result)
            if intent is not None:
                intended.append((cursor, intent))
        if intended:
            self.journal.flush(self.journal.append(self.run, [intent for _, intent in intended]))
            # What somebody forbade before the intent was on record must not happen after it.
            self._heed()
        for cursor, _ in intended:
            why = "" if cursor.under_way else self.keeper.why_withdrawn(cursor.address)
            if why or result.failed > failures_left or (self.stop.is_set and len(intended) > 1):
                self._withdraw(cursor, events, why or "the run is stopping")
            else:
                self._resume(cursor, events, result)
        if events:
            self.journal.append(self.run, events)

    def _heed(self) -> None:
        self.keeper.catch_up()
        halted = self.keeper.why_halted()
        if halted:
            self.stop.set(halted)

    def _begin(
        self, block: BlockWork, cursor: _Cursor, events: list[ev.Event], result: UnitResult
    ) -> ev.ItemIntended | None:
        if isinstance(cursor.compiled, CompiledGate):
            self._gate(block, cursor, cursor.compiled, events, result)
            return None
        skipped = "" if cursor.under_way else self.keeper.why_skipped(cursor.address)
        if skipped:
            self._settle(cursor, Outcome(ev.ItemSkipped(cursor.address, skipped)), events, result)
            return None
        task = Task(
            cursor.compiled, block.block, cursor.lane.item, self._expected(cursor.address), cursor.past, cursor.number,
            lambda: self.stop.is_set,
        )
        cursor.running = attempt(self.scene, task)
        try:
            intent = next(cursor.running)
        except StopIteration as ended:
            self._settle(cursor, ended.value, events, result)
            return None
        cursor.intent, cursor.intended_at = intent, self.scene.clock.now()
        return intent

    def _gate(
        self, block: BlockWork, cursor: _Cursor, gate: CompiledGate, events: list[ev.Event], result: UnitResult
    ) -> None:
        """Stands at a gate: through it, or parked before it."""
        address = cursor.address
        if events:
            # Told before it is looked at who did what: an approval is shown what stands there now.
            self.journal.append(self.run, events)
            events.clear()
        try:
            status = self.keeper.visit(gate, block.block, cursor.lane.item, address)
        except _AT_GATES as error:
            self._settle(cursor, Outcome(ev.ItemFailed(address, _why(error), "permanent", nothing_done=True)), events, result)
            return
        if status is ItemStatus.SKIPPED and not self.keeper.is_over(address):
            why = self.keeper.why_skipped(address) or f"when: {gate.step.when}"
            self._settle(cursor, Outcome(ev.ItemSkipped(address, why)), events, result)
        elif status is ItemStatus.UNCHANGED:
            self._settle(cursor, Outcome(ev.ItemUnchanged(address)), events, result)
        elif status is ItemStatus.WAITING:
            cursor.parked = True
        else:
            result.counts[status.value] += 1
            # By the journal's time: a run that is taken up again must find the same.
            state = self.keeper.item(address)
            self.scene.results.put(address, status, state.at if state else None, self.keeper.outputs(address))
            if status.ended_well:
                self._go_on(cursor)
            else:
                self._end_badly(cursor, events, result)

    def _resume(self, cursor: _Cursor, events: list[ev.Event], result: UnitResult) -> None:
        assert cursor.running is not None  # noqa: S101  # only begun attempts are resumed
        try:
            next(cursor.running)
        except StopIteration as ended:
            self._settle(cursor, ended.value, events, result)

    def _withdraw(self, cursor: _Cursor, events: list[ev.Event], why: str) -> None:
        if cursor.running is not None:
            cursor.running.close()
        if cursor.past.lost and not cursor.past.told_again:
            # An earlier attempt may have had its effect: the intent stays open, so that resume looks before it goes on.
            return
        events.append(ev.ItemWithdrawn(cursor.address, why))

    def _expected(self, address: str) -> Expected | None:
        approved = self.keeper.expected(address)
        if approved is not None or self.expected is None:
            return approved
        return self.expected.get(address, _UNPLANNED)

    def _settle(self, cursor: _Cursor, outcome: Outcome | None, events: list[ev.Event], result: UnitResult) -> None:
        cursor.running = None
        if outcome is None:
            return
        if outcome.retryable and self._retries(cursor, outcome, events):
            return
        status = _STATUS[type(outcome.event)]
        events.append(outcome.event)
        result.counts[status.value] += 1
        self.scene.results.put(cursor.address, status, self.scene.clock.now(), getattr(outcome.event, "outputs", None))
        if status.ended_well:
            self._go_on(cursor)
        else:
            self._end_badly(cursor, events, result)

    def _retries(self, cursor: _Cursor, outcome: Outcome, events: list[ev.Event]) -> bool:
        retry = cursor.compiled.step.retry
        wait_s = wait_before(retry, cursor.number, outcome.asked_s, self.scene.given.jitter())
        if wait_s is None:
            return False
        failed = outcome.event
        if not isinstance(failed, ev.ItemFailed):
            return False
        events.append(ev.ItemRetried(cursor.address, failed.why, cursor.number, round(wait_s, 3), failed.nothing_done))
        if outcome.written and cursor.intent is not None:
            intent = cursor.intent
            cursor.under_way = True
            cursor.past = Past(True, intent.observable, False, cursor.intended_at, intent.receipt, intent.reversible)
        cursor.number += 1
        cursor.not_before = self.scene.clock.monotonic() + wait_s
        return True

    def _end_badly(self, cursor: _Cursor, events: list[ev.Event], result: UnitResult) -> None:
        result.failed += 1
        by = cursor.address
        for compiled in cursor.lane.steps[cursor.position + 1 :]:
            blocked = address_of(compiled.step.address, cursor.lane.key)
            events.append(ev.ItemBlocked(blocked, by))
            result.counts[ItemStatus.BLOCKED.value] += 1
            self.scene.results.put(blocked, ItemStatus.BLOCKED)
        cursor.ended = True


_UNPLANNED = Expected(Outlook.NOTHING, "")
"""The plan does not name the address: no change to it was shown to anybody."""


def _why(error: Exception) -> str:
    if isinstance(error, InvalidInput):
        return "; ".join(d.detail for d in error.diagnostics)
    if isinstance(error, DependsOnLaterError):
        return f"it needs the result of {error}, which has none"
    return str(error)


def past_of(state: ItemState) -> Past:
    """What an item's journalled state says of earlier attempts."""
    if state.status is ItemStatus.REOPENED and state.answer == "again":
        return Past(lost=True, readable=state.observable, told_again=True)
    receipt = state.receipts[-1] if state.receipts else {}
    return Past(state.open_intent, state.observable, False, state.at, receipt, state.reversible)
