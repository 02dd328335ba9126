"""What has become of what a run left: everything it changed is read again and compared. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import Enum

from engine.model.plan import Outlook, PlannedItem, address_of
from engine.model.run import ItemStatus, RunState
from engine.model.values import dataclass
from engine.planning.planner import Planner
from engine.planning.scene import BlockWork, Lane


class Standing(Enum):
    """How an item that a run changed stands now."""

    AS_LEFT = "as left"
    CHANGED = "changed"
    GONE = "gone"
    UNREADABLE = "cannot be read"


@dataclass(frozen=True, slots=True)
class Drift:
    """One item. ``item`` says what would bring it back to what the run left: from what is there now."""

    standing: Standing
    item: PlannedItem


def only_changed(work: Sequence[BlockWork], state: RunState) -> list[BlockWork]:
    """The blocks narrowed to what a run changed and proved. Whether a step applied was decided then."""
    return [_narrowed(block, state) for block in work]


def _narrowed(work: BlockWork, state: RunState) -> BlockWork:
    lanes = []
    for lane in work.lanes:
        items = ((step, state.items.get(address_of(step.step.address, lane.key))) for step in lane.steps)
        steps = tuple(replace(step, when=None) for step, item in items if item and item.status is ItemStatus.CHANGED)
        if steps:
            lanes.append(Lane(lane.item, steps))
    return replace(work, lanes=tuple(lanes))


def drift(planner: Planner, work: Sequence[BlockWork]) -> Iterator[Drift]:
    """Looks at every item of ``work``, in the order given."""
    for item in planner.plan(work):
        yield Drift(_standing(item), item)


def _standing(item: PlannedItem) -> Standing:
    if item.outlook in (Outlook.NOTHING, Outlook.SKIP):
        return Standing.AS_LEFT
    if item.outlook is Outlook.ERROR:
        return Standing.UNREADABLE
    shown = bool(item.fields or item.diff)
    is_gone = all(field.before is None for field in item.fields) and item.diff[:1] in ((), ("--- (absent)",))
    return Standing.GONE if shown and is_gone else Standing.CHANGED
