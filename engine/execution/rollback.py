"""The way back: what a run did, undone in reverse order. A rollback is a run like any other, over actions seen from behind.

Pure but for ``planned_back`` and ``read_back``, which look through read-only sessions. What may be taken back is what the
journal holds a receipt of; what cannot be stays, and is named.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast

from engine.model import event as ev
from engine.model.errors import ChangedSince
from engine.model.plan import Change, Effect, Outlook, PlannedItem, Receipt, Unpredictable, address_of
from engine.model.run import ItemState, ItemStatus, RunState
from engine.model.runbook import Limit
from engine.model.values import dataclass
from engine.planning.drift import only_changed
from engine.planning.limit import admits
from engine.planning.planner import Planner
from engine.planning.scene import BlockWork, CompiledGate, CompiledStep, Lane, Scene
from engine.ports import Action, Sessions

_NO_LIMIT = Limit(100, percent=True)
_DONE = frozenset({ItemStatus.CHANGED, ItemStatus.RAN})


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back: everything after the step or group ``to`` (empty: all), where ``limit`` admits it. ``undone``: addresses
    that earlier rollbacks took back without a way to prove it by reading."""

    to: str = ""
    limit: tuple[str, ...] = ()
    undone: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class WayBack:
    """What is to be undone, block by block in the order of undoing, and by block what stays as the run left it."""

    work: tuple[BlockWork, ...]
    stays: Mapping[str, tuple[PlannedItem, ...]]


def way_back(work: Sequence[BlockWork], state: RunState, reach: Reach) -> WayBack:
    """``work``: all blocks of the run with their lanes, in an order that respects their needs. Each block comes after those
    that needed it, each lane's steps are reversed, and what was begun last is undone first.

    Neither windows nor limits of failures hold a rollback up: what can be undone is, and the rest is named.
    """
    needed_by: dict[str, list[str]] = {}
    for block in work:
        for need in block.block.needs:
            needed_by.setdefault(need, []).append(block.block.address)
    turn = _Turn(state, reach, fences(work, state), _up_to(work, reach.to))
    back = tuple(turn.block(block, tuple(needed_by.get(block.block.address, ()))) for block in reversed(work))
    return WayBack(back, {address: tuple(items) for address, items in turn.stays.items()})


class _Turn:
    """Turns blocks and lanes round, and notes what stays."""

    def __init__(self, state: RunState, reach: Reach, fenced: Mapping[str, str], kept: frozenset[str]) -> None:
        self._state, self._reach, self._fenced, self._kept = state, reach, fenced, kept
        self._begun = {address: number for number, address in enumerate(state.items)}
        self._last: dict[tuple[str, str | None], str] = {}
        """Action and item -> the address of theirs that is undone last."""
        self.stays: dict[str, list[PlannedItem]] = {}

    def block(self, work: BlockWork, needs: tuple[str, ...]) -> BlockWork:
        lanes = sorted(work.lanes, key=self._last_begun, reverse=True)
        turned = (Lane(lane.item, tuple(self._steps(work, lane))) for lane in lanes)
        fan_out = replace(work.block.fan_out, batches=(), max_failures=_NO_LIMIT)
        block = replace(work.block, needs=needs, window=None, fan_out=fan_out)
        return BlockWork(block, tuple(lane for lane in turned if lane.steps), work.local)

    def _last_begun(self, lane: Lane) -> int:
        return max((self._begun.get(address, -1) for address in _addresses(lane)), default=-1)

    def _steps(self, work: BlockWork, lane: Lane) -> Iterator[CompiledStep]:
        for compiled in reversed(lane.steps):
            if isinstance(compiled, CompiledGate):
                continue  # what people said stays said
            address = address_of(compiled.step.address, lane.key)
            item = self._state.items.get(address)
            if item is None or not self._concerns(compiled, lane, address, item):
                continue
            why = _why_it_stays(compiled, item, self._fenced.get(address, ""))
            if why:
                self._stay(work, lane, compiled, item, why)
            else:
                yield self._from_behind(compiled, lane, address, item)

    def _from_behind(self, compiled: CompiledStep, lane: Lane, address: str, item: ItemState) -> CompiledStep:
        receipts = tuple(Receipt(data, item.summary) for data in reversed(item.receipts))
        of = (compiled.step.action, lane.key)
        self._last[of] = address
        behind = TakenBack(compiled.action, receipts, lambda: self._last[of] != address)
        return replace(compiled, action=cast(Action[Any, Any], behind), when=None)  # its name is not its class's

    def _concerns(self, compiled: CompiledStep, lane: Lane, address: str, item: ItemState) -> bool:
        if address in self._kept or address in self._reach.undone:
            return False
        return _may_have_done(compiled, item) and admits(self._reach.limit, compiled.step.address, lane.key)

    def _stay(self, work: BlockWork, lane: Lane, compiled: CompiledStep, item: ItemState, why: str) -> None:
        step = compiled.step
        self.stays.setdefault(work.block.address, []).append(PlannedItem(
            address_of(step.address, lane.key), work.block.address, step.address, lane.key, step.action, Outlook.STAYS,
            item.summary, why, reversible=False, label=self._state.labels.get(lane.key or "", ""),
        ))


def _may_have_done(compiled: CompiledStep, item: ItemState) -> bool:
    return compiled.action.effect is not Effect.READS and (item.status in _DONE or item.open_intent)


def _why_it_stays(compiled: CompiledStep, item: ItemState, fence: str) -> str:
    """Why an effect is not taken back; empty when it can be."""
    if fence:
        return f"behind the point of no return {fence}"
    if item.status is ItemStatus.RAN:
        return f"{compiled.action.name} cannot be read back, so it cannot be taken back"
    if not hasattr(compiled.action, "undo"):
        return f"{compiled.action.name} has no undo"
    if not item.reversible:
        return "irreversible, as its plan said"
    if not item.receipts:
        return "what was there before is not on record"
    return ""


# ---------------------------------------------------------------- where it ends


def fences(work: Sequence[BlockWork], state: RunState) -> dict[str, str]:
    """Address -> the point of no return it stands behind, or is. Of the last point that any item has passed: all blocks before
    its own, and in its own block, of every item that has passed it, the steps up to it."""
    for index in range(len(work) - 1, -1, -1):
        passed = [(lane, place) for lane in work[index].lanes if (place := _passed(lane, state)) is not None]
        if passed:
            lane, place = passed[0]
            point = lane.steps[place].step.address
            before = {address: point for earlier in work[:index] for lane in earlier.lanes for address in _addresses(lane)}
            return before | {a: point for lane, place in passed for a in _addresses(lane)[: place + 1]}
    return {}


def _passed(lane: Lane, state: RunState) -> int | None:
    """The place of the last point of no return that a lane has passed, or may have."""
    for place in range(len(lane.steps) - 1, -1, -1):
        if lane.steps[place].step.point_of_no_return:
            item = state.items.get(address_of(lane.steps[place].step.address, lane.key))
            if item is not None and (item.open_intent or (item.status.ended_well and item.status is not ItemStatus.SKIPPED)):
                return place
    return None


def _up_to(work: Sequence[BlockWork], to: str) -> frozenset[str]:
    """Every address up to the step or group ``to``, that included."""
    if not to:
        return frozenset()
    kept: list[str] = []
    for block in work:
        for lane in block.lanes:
            names = [step.step.address for step in lane.steps]
            kept += _addresses(lane)[: names.index(to) + 1 if to in names else None]
        if to == block.block.address or any(step.step.address == to for lane in block.lanes for step in lane.steps):
            break
    return frozenset(kept)


def _addresses(lane: Lane) -> list[str]:
    return [address_of(step.step.address, lane.key) for step in lane.steps]


# ---------------------------------------------------------------- an action from behind


class TakenBack:
    """An action seen from behind: it looks at what undoing would change, and its write is the undo.

    ``covered``: an earlier step of the run did the same kind of thing to the same item, and is undone after this one. What is
    there then is for that step to judge, and not somebody else's change because it is older than this step.
    """

    effect: ClassVar[Effect] = Effect.CHANGES

    def __init__(self, action: Action[Any, Any], receipts: tuple[Receipt, ...], covered: Callable[[], bool]) -> None:
        self._action, self._receipts, self._covered = action, receipts, covered
        self.name, self.version, self.doc, self.settle_s = action.name, action.version, action.doc, action.settle_s
        self.local, self.Args = action.local, action.Args

    def observe(self, args: Any, at: Sessions) -> Change | Unpredictable | None:
        """What undoing would change; what an action cannot say beforehand is done again when an attempt was lost, because its
        undo looks first."""
        undoing = getattr(self._action, "undoing", None)
        if undoing is None:
            why = f"{self.name} cannot tell beforehand what undoing changes"
            return Unpredictable(f"undo: {self._receipts[0].summary}", why, reversible=True, not_yet_done=True)
        try:
            changes = [undoing(receipt, args, at) for receipt in self._receipts]
        except ChangedSince:
            if self._covered():
                return None
            raise
        return next((change for change in changes if change is not None), None)

    def diff(self, args: Any, seen: Change | Unpredictable | None) -> Change | Unpredictable | None:
        """Just that."""
        return seen

    def apply(self, change: Change | Unpredictable, args: Any, at: Sessions, *, key: str) -> Receipt:
        """Undoes what each attempt did, the last one first."""
        for receipt in self._receipts:
            self._action.undo(receipt, args, at, key=key)  # type: ignore[attr-defined]  # Undoable
        return Receipt()


# ---------------------------------------------------------------- looking


def planned_back(planner: Planner, way: WayBack) -> Iterator[PlannedItem]:
    """The rollback item by item, in its order, and block by block what stays.

    What the run itself changed again in a later step is not somebody else's change: it is decided once that step is undone.
    """
    again: dict[tuple[str, str | None], str] = {}
    for work in way.work:
        for planned in planner.plan([work]):
            key = (planned.action, planned.item)
            if planned.outlook is Outlook.REFUSED and key in again:
                yield replace(planned, outlook=Outlook.LATER, why=again[key])
                continue
            if planned.outlook in (Outlook.CHANGE, Outlook.LATER):
                again[key] = planned.address
            yield planned
        yield from way.stays.get(work.block.address, ())


def stays_as_events(items: Collection[PlannedItem]) -> list[ev.Event]:
    """What is not undone, for the record of the run that leaves it."""
    return [ev.ItemSkipped(item.address, f"not undone: {item.why}") for item in items]


def read_back(scene: Scene, work: Sequence[BlockWork], state: RunState) -> list[ev.Event]:
    """Looks at everything that was undone once more; what is not as it was before the run counts as failed."""
    events: list[ev.Event] = []
    checked = only_changed(work, state)
    count = sum(len(lane.steps) for block in checked for lane in block.lanes)
    for item in Planner(scene, detail=False).plan(checked):
        if item.outlook is not Outlook.NOTHING:
            what = "could not be read" if item.outlook is Outlook.ERROR else "is not as it was before the run"
            why = f"undone, but read once more at the end it {what}: {item.why or item.summary}"
            events.append(ev.ItemFailed(item.address, why, "moved"))
    return [*events, ev.RunReadBack(count, len(events))]
