"""The loop of a run: asks the schedule what may start, hands it to workers, notes what came back, until nothing is left."""

from __future__ import annotations

import queue
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from datetime import datetime
from pathlib import Path

from engine.execution.decide import Expected
from engine.execution.gatekeeper import Desk, GateKeeper
from engine.execution.lanes import LaneWorker, UnitResult
from engine.execution.schedule import CHUNK, BlockPlan, Schedule, Unit
from engine.execution.stop import Stop
from engine.execution.windows import Pace, Windows
from engine.model import event as ev
from engine.model.plan import PlanHeader, address_of
from engine.model.run import ItemState, ItemStatus, RunState, RunStatus
from engine.model.values import dataclass
from engine.planning.scene import BlockWork, Scene
from engine.ports import Journal

_MOST_WORKERS = 256
_TICK_S = 1.0


@dataclass(frozen=True, slots=True)
class Order:
    """What to run. ``expected``: the plan by address; ``state``: what an earlier process of this run left."""

    run: str
    work: Sequence[BlockWork]
    expected: Mapping[str, Expected] | None
    state: Mapping[str, ItemState] = field(default_factory=dict)
    forgiven: bool = False
    """The guard had tripped and somebody took the run up all the same: failures so far no longer count for it."""
    requester: str = ""
    """The account the run was started by."""
    past: RunState = field(default_factory=RunState)
    """The run as journalled so far, for its gates; nobody else's."""
    header: PlanHeader | None = None
    folder: Path | None = None
    """The run's own."""
    closing: Callable[[], Sequence[ev.Event]] | None = None
    """A last look at everything, once nothing is left to do: what it finds amiss are failures."""


@dataclass(frozen=True, slots=True)
class _Ended:
    unit: Unit
    result: UnitResult | None
    took_s: float
    error: BaseException | None = None


class Runner:
    """Runs one order to its end, or to where it must wait. One use."""

    def __init__(self, scene: Scene, journal: Journal, order: Order, windows: Windows, stop: Stop) -> None:
        self._scene, self._journal, self._order, self._windows, self._stop = scene, journal, order, windows, stop
        self._work = {work.block.address: work for work in order.work}
        self._schedule = Schedule.of(_block_plan(work, order) for work in order.work)
        self._pace = {address: Pace() for address in self._work}
        self._counts = _counts(order)
        self._ended: queue.Queue[_Ended] = queue.Queue()
        self._keeper = GateKeeper(scene, journal, order.past, Desk(order.run, order.requester, order.header, order.folder))
        self._worker = LaneWorker(scene, journal, order.run, order.expected, order.state, stop, self._keeper)
        self._heard_at = 0.0

    def run(self) -> RunStatus:
        """Returns how it ended; the journal has the events. Raises what a worker met at the border, such as ``JournalBroken``."""
        workers = min(_MOST_WORKERS, sum(1 if w.local else max(1, w.block.fan_out.parallel) for w in self._order.work) or 1)
        pool = ThreadPoolExecutor(workers, thread_name_prefix="lane")
        try:
            self._loop(pool)
        except BaseException:
            # Workers still running must not go on to their next step.
            self._stop.set("internal failure")
            raise
        finally:
            pool.shutdown(wait=True)
        return self._conclude()

    # ------------------------------------------------------------ the loop

    def _loop(self, pool: ThreadPoolExecutor) -> None:
        running = 0
        while True:
            self._schedule.stopping = self._stop.is_set
            for unit in self._schedule.admit(self._scene.clock.monotonic(), self._may_start):
                pool.submit(self._run_unit, unit)
                running += 1
            if running:
                running -= self._collect()
            elif not self._wait_for_rate() and not self._hears_news():
                return

    def _collect(self) -> int:
        """Takes in the units that ended, waiting for the first; returns how many."""
        try:
            first = self._ended.get(timeout=self._tick())
        except queue.Empty:
            self._listen()
            return 0
        ended = [first]
        while not self._ended.empty():
            ended.append(self._ended.get_nowait())
        for one in ended:
            self._take_in(one)
        self._listen()
        return len(ended)

    def _take_in(self, ended: _Ended) -> None:
        if ended.error is not None or ended.result is None:
            raise ended.error or RuntimeError("a unit ended without a result")
        result = ended.result
        self._schedule.settle(ended.unit, result.failed, result.unfinished, result.parked)
        self._counts.update(result.counts)
        finished = len(ended.unit.lanes) - len(result.unfinished) - len(result.parked)
        if finished:
            self._pace[ended.unit.block].add(finished, ended.took_s)

    def _tick(self) -> float:
        """How long to wait for a unit: until a rate admits the next lane, else a while, so that a signal is seen."""
        next_start = self._schedule.next_start(self._may_start)
        if next_start is None:
            return _TICK_S
        return min(_TICK_S, max(0.0, next_start - self._scene.clock.monotonic()) + 0.001)

    def _wait_for_rate(self) -> bool:
        next_start = self._schedule.next_start(self._may_start)
        if next_start is None:
            return False
        self._scene.clock.sleep(max(0.0, next_start - self._scene.clock.monotonic()))
        return True

    def _hears_news(self) -> bool:
        """Before the run goes to wait: whether somebody acted meanwhile or something fell due, so that it may go on after all."""
        if self._stop.is_set or not self._keeper.has_news():
            return False
        self._schedule.unpark()
        return True

    def _listen(self) -> None:
        """While it runs, once a second: votes, answers and holds come from other processes."""
        now = self._scene.clock.monotonic()
        if now - self._heard_at >= _TICK_S:
            self._heard_at = now
            if self._keeper.has_news():
                self._schedule.unpark()

    def _may_start(self, address: str) -> bool:
        if self._keeper.is_held(address):
            return False
        work = self._work[address]
        if work.block.window is None:
            return True
        lanes = min(CHUNK, len(work.lanes)) if work.local else 1
        return self._windows.may_start(work.block, self._scene.clock.now(), self._pace[address], lanes)

    def _run_unit(self, unit: Unit) -> None:
        started = time.monotonic()
        result: UnitResult | None = None
        error: BaseException | None = None
        try:
            result = self._worker.work(self._work[unit.block], unit.lanes, unit.failures_left)
        except BaseException as raised:  # noqa: BLE001  # handed to the loop, which raises it
            error = raised
        self._ended.put(_Ended(unit, result, time.monotonic() - started, error))

    # ------------------------------------------------------------ the end

    def _conclude(self) -> RunStatus:
        status = self._status()
        if status in (RunStatus.SUCCEEDED, RunStatus.FAILED):
            status = self._look_once_more(status)
        if status is RunStatus.INTERRUPTED:
            self._append(ev.RunInterrupted(self._stop.why))
        else:
            due = self._note_windows() if status is RunStatus.WAITING else None
            self._append(ev.RunFinished(status.value, dict(+self._counts), due.isoformat() if due else ""))
        self._journal.flush()
        return status

    def _look_once_more(self, status: RunStatus) -> RunStatus:
        if self._order.closing is None:
            return status
        self._journal.flush()
        found = self._order.closing()
        for event in found:
            self._append(event)
        amiss = sum(isinstance(event, ev.ItemFailed) for event in found)
        self._counts.update({ItemStatus.FAILED.value: amiss, ItemStatus.CHANGED.value: -amiss})
        return RunStatus.FAILED if amiss else status

    def _status(self) -> RunStatus:
        left = self._schedule.left()
        tripped = self._schedule.tripped()
        if self._stop.is_set and left:
            return RunStatus.INTERRUPTED
        if self._counts[ItemStatus.IN_DOUBT.value]:
            return RunStatus.WAITING
        if tripped and left:
            address, failed, limit = tripped
            self._append(ev.GuardTripped(address, failed, str(limit)))
            return RunStatus.TRIPPED
        if left:
            return RunStatus.WAITING
        bad = self._counts[ItemStatus.FAILED.value] + self._counts[ItemStatus.BLOCKED.value]
        return RunStatus.FAILED if bad else RunStatus.SUCCEEDED

    def _note_windows(self) -> datetime | None:
        """Journals which windows are shut; returns when the run has something to do next, by itself."""
        now = self._scene.clock.now()
        times = [self._keeper.due()]
        for address, waiting in self._schedule.ready_blocks():
            block = self._work[address].block
            if block.window is not None:
                reopens = self._windows.reopens(block, now)
                times.append(reopens)
                self._append(
                    ev.WindowClosed(address, block.window.describe(), waiting, reopens.isoformat() if reopens else "")
                )
        return min((at for at in times if at is not None), default=None)

    def _append(self, event: ev.Event) -> None:
        self._journal.append(self._order.run, [event])


def shut_windows(work: Sequence[BlockWork], windows: Windows, scene: Scene) -> list[BlockWork]:
    """The blocks that could start first but for their windows; empty when anything at all may start now."""
    first = [w for w in work if w.lanes and not any(need in {o.block.address for o in work if o.lanes} for need in w.block.needs)]
    now = scene.clock.now()
    shut = [w for w in first if not windows.may_start(w.block, now, Pace())]
    return shut if len(shut) == len(first) else []


def _block_plan(work: BlockWork, order: Order) -> BlockPlan:
    block = work.block
    waiting, failed = _where_lanes_stand(work, order.state)
    counted = 0 if order.forgiven else failed
    return BlockPlan(block.address, block.needs, len(work.lanes), waiting, counted, block.fan_out, work.local)


def _where_lanes_stand(work: BlockWork, state: Mapping[str, ItemState]) -> tuple[tuple[int, ...], int]:
    """Indexes of lanes with something left to do, and how many lanes have failed for good."""
    if not state:
        return tuple(range(len(work.lanes))), 0
    waiting, failed = [], 0
    for index, lane in enumerate(work.lanes):
        states = [state.get(address_of(compiled.step.address, lane.key)) for compiled in lane.steps]
        first = next((s for s in states if s is None or not s.status.ended_well), _DONE)
        if first is None or not first.status.settled:
            waiting.append(index)
        elif first is not _DONE:
            failed += 1
    return tuple(waiting), failed


_DONE = ItemState(ItemStatus.UNCHANGED)


def _counts(order: Order) -> Counter[str]:
    return Counter(state.status.value for state in order.state.values() if state.status.settled)
