"""The loop of a run: asks the schedule what may start, hands it to workers, notes what came back, until nothing is left."""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.execution.cancelling import settled
from engine.execution.decide import Expected
from engine.execution.gatekeeper import Desk, GateKeeper
from engine.execution.lanes import LaneWorker, UnitResult
from engine.execution.post import Post
from engine.execution.schedule import CHUNK, BlockPlan, Schedule, Unit
from engine.execution.stop import Stop
from engine.execution.windows import Pace, Windows
from engine.model import event as ev
from engine.model.plan import PlanHeader, address_of
from engine.model.run import ItemState, ItemStatus, RunState, RunStatus
from engine.model.runbook import is_compensation
from engine.model.values import dataclass
from engine.planning.scene import BlockWork, Scene
from engine.ports import Journal, Notifier

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
    looks_now: bool = False
    """Whether to look at once at what gates wait for, due or not."""
    notifier: Notifier | None = None
    """Writes to people who are asked at gates."""
    in_turn: bool = False
    """One lane after another and never two at once, in an order that depends on nothing but the run."""
    closing: Callable[[], Sequence[ev.Event]] | None = None
    """A last look at everything, once nothing is left to do: what it finds amiss are failures."""
    unforgiven: frozenset[str] = frozenset()
    """Blocks whose failures count all the same when the others' are forgiven."""


@dataclass(frozen=True, slots=True)
class _Ended:
    unit: Unit
    result: UnitResult | None
    took_s: float
    error: BaseException | None = None


class _InTurn(Executor):
    """Works at once, where it is asked to."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class Runner:
    """Runs one order to its end, or to where it must wait. One use."""

    def __init__(self, scene: Scene, journal: Journal, order: Order, windows: Windows, stop: Stop) -> None:
        self._scene, self._journal, self._order, self._windows, self._stop = scene, journal, order, windows, stop
        self._halt = Stop(within=stop)
        self._work = {work.block.address: work for work in order.work}
        self._schedule = Schedule.of(self._block_plan(work, order.state) for work in order.work)
        self._pace = {address: Pace() for address in self._work}
        self._counts = _counts(order.state)
        self._judged = self._counts
        """What the run is judged by: once it is cancelled, what is done then."""
        self._compensation = scene.compensation()
        self._ended: queue.Queue[_Ended] = queue.Queue()
        desk = Desk(order.run, order.requester, order.header, order.folder, order.looks_now, order.notifier)
        self._keeper = GateKeeper(scene, journal, order.past, desk)
        self._post = Post(self._keeper, order.notifier, stop)
        self._worker = LaneWorker(scene, journal, order.run, order.expected, order.state, self._halt, self._keeper)
        self._heard_at = 0.0
        self._looked = False
        self._is_compensating = False

    def run(self) -> RunStatus:
        """Returns how it ended; the journal has the events. Raises what a worker met at the border, such as ``JournalBroken``."""
        workers = max(_workers(self._order.work), _workers(self._compensation))
        pool: Executor = _InTurn() if self._order.in_turn else ThreadPoolExecutor(workers, thread_name_prefix="lane")
        try:
            while True:
                self._heed()
                self._loop(pool)
                if self._turns_to_compensation():
                    continue
                self._post.finish()
                status = self._conclude()
                if status is not None:
                    return status
                self._schedule.unpark()
        except BaseException:
            # Workers still running must not go on to their next step.
            self._halt.set("internal failure")
            raise
        finally:
            pool.shutdown(wait=True)
            self._post.close()

    # ------------------------------------------------------------ the loop

    def _loop(self, pool: Executor) -> None:
        running = 0
        while True:
            self._schedule.stopping = self._halt.is_set
            for unit in self._schedule.admit(self._scene.clock.monotonic(), self._may_start):
                pool.submit(self._run_unit, unit)
                running += 1
            self._post.nudge()
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
        if self._judged is not self._counts:
            self._judged.update(result.counts)
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
        self._scene.clock.sleep(min(_TICK_S, max(0.0, next_start - self._scene.clock.monotonic())))
        self._listen()
        return True

    def _hears_news(self) -> bool:
        """Before the run goes to wait: whether somebody acted meanwhile or something fell due, so that it may go on after all."""
        if self._halt.is_set or not self._keeper.has_news():
            return False
        self._heed()
        self._schedule.unpark()
        return True

    def _listen(self) -> None:
        """While it runs, once a second: votes, answers and holds come from other processes."""
        now = self._scene.clock.monotonic()
        if now - self._heard_at >= _TICK_S:
            self._heard_at = now
            if self._keeper.has_news():
                self._heed()
                self._schedule.unpark()

    def _heed(self) -> None:
        """Stops when somebody said so."""
        halted = self._keeper.why_halted()
        if halted:
            self._halt.set(halted)

    def _may_start(self, address: str) -> bool:
        if self._keeper.is_held(address):
            return False
        work = self._work[address]
        if work.block.window is None:
            return True
        lanes = min(CHUNK, len(work.lanes)) if work.local else 1
        return self._windows.may_start(work.block, self._scene.clock.now(), self._pace[address], lanes)

    def _run_unit(self, unit: Unit) -> None:
        started = self._scene.clock.monotonic()
        result: UnitResult | None = None
        error: BaseException | None = None
        try:
            result = self._worker.work(self._work[unit.block], unit.lanes, unit.failures_left)
        except BaseException as raised:  # noqa: BLE001  # handed to the loop, which raises it
            error = raised
        self._ended.put(_Ended(unit, result, self._scene.clock.monotonic() - started, error))

    # ------------------------------------------------------------ cancelled

    def _turns_to_compensation(self) -> bool:
        """Once the run is cancelled and nothing runs any more: winds up what was, and puts what is done then in its place."""
        cancelled = self._keeper.cancelled
        if cancelled is None or self._is_compensating or self._stop.is_set:
            return False
        items = self._keeper.compensates()
        for event in settled(self._scene, self._order.work, items):
            self._append(event)
        self._keeper.closes_gates()
        for address, item in items.items():
            self._scene.results.put(address, item.status, item.at, item.outputs)
        self._scene.cancel(cancelled.who, cancelled.reason)
        self._take_up_compensation(items)
        return True

    def _take_up_compensation(self, items: Mapping[str, ItemState]) -> None:
        own = {address: item for address, item in items.items() if is_compensation(address)}
        self._work = {work.block.address: work for work in self._compensation}
        self._pace = {address: Pace() for address in self._work}
        self._schedule = Schedule.of(self._block_plan(work, own) for work in self._compensation)
        self._counts, self._judged = _counts(items), _counts(own)
        self._halt = Stop(within=self._stop)
        # Nobody was shown beforehand what it would change: it asks what the run has come to.
        self._worker = LaneWorker(self._scene, self._journal, self._order.run, None, own, self._halt, self._keeper)
        self._is_compensating = True

    # ------------------------------------------------------------ the end

    def _conclude(self) -> RunStatus | None:
        """Journals how the run ended; None when somebody acted just before, so that it goes on after all."""
        status = self._status()
        if status in (RunStatus.SUCCEEDED, RunStatus.FAILED):
            status = self._look_once_more(status)
        if status is RunStatus.INTERRUPTED:
            self._append(ev.RunInterrupted(self._stop.why))
            self._journal.flush()
            return status
        return status if self._keeper.adds(self._last_words(status)) else None

    def _last_words(self, status: RunStatus) -> list[ev.Event]:
        words: list[ev.Event] = []
        due = None
        tripped = self._schedule.tripped()
        if status is RunStatus.TRIPPED and tripped is not None:
            address, failed, limit = tripped
            words.append(ev.GuardTripped(address, failed, str(limit)))
        if status is RunStatus.WAITING:
            due, shut = self._shut_windows()
            words += shut
        return [*words, ev.RunFinished(status.value, dict(+self._counts), due.isoformat() if due else "")]

    def _look_once_more(self, status: RunStatus) -> RunStatus:
        if self._order.closing is None or self._looked:
            return status
        self._looked = True
        self._journal.flush()
        found = self._order.closing()
        for event in found:
            self._append(event)
        amiss = sum(isinstance(event, ev.ItemFailed) for event in found)
        self._counts.update({ItemStatus.FAILED.value: amiss, ItemStatus.CHANGED.value: -amiss})
        return RunStatus.FAILED if amiss else status

    def _status(self) -> RunStatus:
        left = self._schedule.left()
        if self._stop.is_set and (left or self._is_yet_to_compensate()):
            return RunStatus.INTERRUPTED
        if self._keeper.is_paused and left:
            return RunStatus.PAUSED
        if self._judged[ItemStatus.IN_DOUBT.value]:
            return RunStatus.WAITING
        if self._schedule.tripped() and left:
            return RunStatus.TRIPPED
        if left:
            return RunStatus.WAITING
        if self._judged[ItemStatus.FAILED.value] + self._judged[ItemStatus.BLOCKED.value]:
            return RunStatus.FAILED
        if self._keeper.tries_again():
            # Nothing is left but to tell somebody, who has to be told.
            return RunStatus.WAITING
        return RunStatus.CANCELLED if self._is_compensating else RunStatus.SUCCEEDED

    def _block_plan(self, work: BlockWork, state: Mapping[str, ItemState]) -> BlockPlan:
        block = work.block
        waiting, failed = _where_lanes_stand(work, state)
        counted = 0 if self._order.forgiven and block.address not in self._order.unforgiven else failed
        return BlockPlan(block.address, block.needs, len(work.lanes), waiting, counted, block.fan_out, work.local)

    def _is_yet_to_compensate(self) -> bool:
        return self._keeper.cancelled is not None and not self._is_compensating

    def _shut_windows(self) -> tuple[datetime | None, list[ev.Event]]:
        """When the run has something to do next, by itself; and which windows are shut."""
        now = self._scene.clock.now()
        times = [self._keeper.due()]
        shut: list[ev.Event] = []
        for address, waiting in self._schedule.ready_blocks():
            block = self._work[address].block
            if block.window is not None:
                reopens = self._windows.reopens(block, now)
                times.append(reopens)
                notice = self._windows.notice(block, reopens)
                shut.append(ev.WindowClosed(
                    address, block.window.describe(), waiting, reopens.isoformat() if reopens else "", notice
                ))
        return min((at for at in times if at is not None), default=None), shut

    def _append(self, event: ev.Event) -> None:
        self._journal.append(self._order.run, [event])


def shut_windows(work: Sequence[BlockWork], windows: Windows, scene: Scene) -> list[BlockWork]:
    """The blocks that could start first but for their windows; empty when anything at all may start now."""
    first = [w for w in work if w.lanes and not any(need in {o.block.address for o in work if o.lanes} for need in w.block.needs)]
    now = scene.clock.now()
    shut = [w for w in first if not windows.may_start(w.block, now, Pace())]
    return shut if len(shut) == len(first) else []


def _workers(work: Sequence[BlockWork]) -> int:
    return min(_MOST_WORKERS, sum(1 if w.local else max(1, w.block.fan_out.parallel) for w in work) or 1)


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


def _counts(items: Mapping[str, ItemState]) -> Counter[str]:
    return Counter(state.status.value for state in items.values() if state.status.settled)
