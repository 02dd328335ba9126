"""What may start now. Pure: no clock, no threads, no store; the runner tells it the time and what ended.

A *unit* is what is handed to a worker: one lane, or up to a hundred lanes of a block that only touches this machine. Work per
call does not grow with the number of lanes that wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field

from engine.model.runbook import FanOut, Limit
from engine.model.values import dataclass

CHUNK = 100
"""Lanes of a local block per unit: enough to share a disk flush, few enough to stop soon."""


_CATCH_UP_S = 0.1
"""How much of a late start a rate makes up for: enough to keep its average, too little for a burst after a pause."""


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """A block as the schedule sees it."""

    address: str
    needs: tuple[str, ...]
    total: int
    """Lanes, ended ones of an earlier process included."""
    waiting: tuple[int, ...]
    """Indexes of lanes still to run, in order."""
    failed: int
    """Lanes that ended badly before."""
    fan_out: FanOut
    local: bool


@dataclass(frozen=True, slots=True)
class Unit:
    """Lanes of one block, to be worked together."""

    block: str
    lanes: tuple[int, ...]
    failures_left: int
    """How many of the block's lanes may still fail before the guard trips."""


@dataclass(slots=True)
class _BlockState:
    plan: BlockPlan
    waiting: deque[int]
    batch_ends: tuple[int, ...]
    started: int
    ended: int
    failed: int
    units: int = 0
    running: int = 0
    next_start: float = 0.0
    parked: list[int] = field(default_factory=list)
    """Lanes that stand at a gate."""

    @property
    def is_over(self) -> bool:
        return self.ended >= self.plan.total

    @property
    def is_tripped(self) -> bool:
        if not self.failed:
            return False
        limit = self.plan.fan_out.max_failures
        # At the end of a batch a share is one of the lanes that have ended: of a single canary, 5 % is none.
        judged = self.ended if self.ended in self.batch_ends else self.plan.total
        return self.failed > limit.of(judged)

    def batch_room(self) -> int:
        """How many more lanes the current batch admits: the next one opens when all before have ended."""
        if not self.batch_ends:
            return len(self.waiting)
        end = next((end for end in self.batch_ends if end > self.ended), self.plan.total)
        return max(0, end - self.started)


@dataclass(slots=True)
class Schedule:
    """The state of all blocks. ``stopping``: nothing new starts."""

    blocks: dict[str, _BlockState] = field(default_factory=dict)
    stopping: bool = False

    @classmethod
    def of(cls, plans: Iterable[BlockPlan]) -> Schedule:
        """A schedule over blocks, given in an order that respects their needs."""
        return cls({plan.address: _fresh(plan) for plan in plans})

    def admit(self, now: float, may_start: Callable[[str], bool]) -> Iterator[Unit]:
        """Units that may start at ``now`` (monotonic seconds). ``may_start``: whether a block's window admits a start."""
        if self.stopping or self.tripped():
            return
        for state in self.blocks.values():
            if state.waiting and self._is_ready(state) and may_start(state.plan.address):
                yield from self._units(state, now)

    def settle(self, unit: Unit, failed: int, unfinished: Sequence[int] = (), parked: Sequence[int] = ()) -> None:
        """Notes that a unit came back: ``failed`` of its lanes ended badly, ``unfinished`` ones were not ended at all, ``parked``
        ones stand at a gate and are not started again before ``unpark``."""
        state = self.blocks[unit.block]
        state.units -= 1
        state.running -= len(unit.lanes)
        state.ended += len(unit.lanes) - len(unfinished) - len(parked)
        state.parked += parked
        state.failed += failed
        state.started -= len(unfinished)
        state.waiting.extendleft(reversed(unfinished))

    def unpark(self) -> bool:
        """Lets all that stand at gates try again. False when none does."""
        found = [state for state in self.blocks.values() if state.parked]
        for state in found:
            state.started -= len(state.parked)
            state.waiting.extendleft(reversed(state.parked))
            state.parked = []
        return bool(found)

    def next_start(self, may_start: Callable[[str], bool]) -> float | None:
        """When a rate lets the next lane start; None when no block waits for its rate alone."""
        if self.stopping or self.tripped():
            return None
        times = [
            state.next_start for state in self.blocks.values()
            if state.waiting and state.plan.fan_out.rate and self._is_ready(state) and self._room(state) > 0
            and may_start(state.plan.address)
        ]
        return min(times, default=None)

    def tripped(self) -> tuple[str, int, Limit] | None:
        """The block whose failures went over its limit: address, failures, limit."""
        for state in self.blocks.values():
            if state.is_tripped:
                return state.plan.address, state.failed, state.plan.fan_out.max_failures
        return None

    def ready_blocks(self) -> list[tuple[str, int]]:
        """Blocks that could start but for their window, with how many lanes wait."""
        return [(s.plan.address, len(s.waiting)) for s in self.blocks.values() if s.waiting and self._is_ready(s)]

    def left(self) -> int:
        """Lanes that have not ended."""
        return sum(state.plan.total - state.ended for state in self.blocks.values())

    def _is_ready(self, state: _BlockState) -> bool:
        needed = (self.blocks[need] for need in state.plan.needs if need in self.blocks)
        return all(need.is_over and not need.is_tripped for need in needed)

    def _room(self, state: _BlockState) -> int:
        if state.plan.local and not state.plan.fan_out.rate:
            return 0 if state.units else min(CHUNK, state.batch_room())
        return min(state.plan.fan_out.parallel - state.running, state.batch_room())

    def _units(self, state: _BlockState, now: float) -> Iterator[Unit]:
        rate = state.plan.fan_out.rate
        while state.waiting and (room := self._room(state)) > 0:
            if rate is not None and now < state.next_start:
                return
            size = min(room, len(state.waiting)) if state.plan.local and rate is None else 1
            lanes = tuple(state.waiting.popleft() for _ in range(size))
            state.units += 1
            state.running += size
            state.started += size
            if rate is not None:
                state.next_start = max(state.next_start, now - _CATCH_UP_S) + 1.0 / rate if state.next_start else now + 1.0 / rate
            left = state.plan.fan_out.max_failures.of(state.plan.total) - state.failed
            yield Unit(state.plan.address, lanes, left)


def _fresh(plan: BlockPlan) -> _BlockState:
    ended = plan.total - len(plan.waiting)
    return _BlockState(plan, deque(plan.waiting), batch_ends(plan.fan_out.batches, plan.total), ended, ended, plan.failed)


def batch_ends(batches: Sequence[Limit], total: int) -> tuple[int, ...]:
    """After how many lanes each batch ends: ``[1, 10%, 100%]`` of 40 -> (1, 5, 40). The last size repeats."""
    if not batches:
        return ()
    ends: list[int] = []
    reached = 0
    sizes = [max(1, batch.of(total)) for batch in batches]
    for size in sizes:
        reached = min(total, reached + size)
        ends.append(reached)
    while reached < total:
        reached = min(total, reached + sizes[-1])
        ends.append(reached)
    return tuple(dict.fromkeys(ends))
