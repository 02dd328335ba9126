"""The end of a cancelled run: what was under way is looked at once more, and nothing of it is done.

``on_cancel`` steps ask what the run has changed, so that has to be known first. A look and no write: what an attempt that was
lost had begun and not brought to its end stays on record as failed, with what undoing it needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.execution.attempt import Task, attempt
from engine.execution.lanes import past_of
from engine.model import event as ev
from engine.model.inventory import Item
from engine.model.plan import address_of
from engine.model.run import ItemState, ItemStatus
from engine.model.runbook import Block
from engine.planning.scene import BlockWork, CompiledStep, Scene


def settled(scene: Scene, work: Sequence[BlockWork], items: Mapping[str, ItemState]) -> Iterator[ev.Event]:
    """What came of everything that was under way, as far as can be read."""
    for block in work:
        for lane in block.lanes:
            for compiled in lane.steps:
                state = items.get(address_of(compiled.step.address, lane.key))
                if state is not None and isinstance(compiled, CompiledStep) and _is_open(state):
                    yield _looked_at(scene, block.block, lane.item, compiled, state)


def _is_open(state: ItemState) -> bool:
    return state.is_under_way and state.status is not ItemStatus.IN_DOUBT


def _looked_at(scene: Scene, block: Block, item: Item | None, compiled: CompiledStep, state: ItemState) -> ev.Event:
    task = Task(compiled, block, item, None, past_of(state), state.attempt)
    look = attempt(scene, task)
    try:
        next(look)
    except StopIteration as ended:
        if ended.value is not None:
            found: ev.Event = ended.value.event
            return found
    finally:
        look.close()  # it never comes to the write
    why = "it was under way when the run was cancelled, and is not in place, or not wholly"
    return ev.ItemFailed(task.address, why, "permanent", state.attempt)
