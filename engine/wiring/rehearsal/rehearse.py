"""Takes a run through a scenario: from its start to where nothing is left to happen, killed and taken up as the scenario says."""

from __future__ import annotations

import hashlib
import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import field, replace
from datetime import timedelta
from typing import Any

from engine.execution.decide import Expected
from engine.execution.stop import Stop
from engine.model.diagnostic import InvalidInput
from engine.model.errors import SwitchoverError
from engine.model.event import Event, Record, address_of_event
from engine.model.plan import Outlook, PlanHeader, Totals
from engine.model.run import RunState, RunStatus, fold
from engine.model.scenario import Crash, Scenario
from engine.model.values import dataclass
from engine.planning.plan_file import PlanWriter
from engine.planning.planner import Planner
from engine.wiring.journals import read_run
from engine.wiring.loading import Loaded, header_of
from engine.wiring.rehearsal.acts import login_of
from engine.wiring.rehearsal.boundaries import AFTER_COMMIT, BEFORE_APPEND, Passing, WatchedAction
from engine.wiring.rehearsal.engine import Ended, Inside, Killed, Manner, Work, in_a_process
from engine.wiring.rehearsal.place import Place
from engine.wiring.rehearsal.world import World
from engine.wiring.runs import PLAN_FILE, Begin, Stage, check_windows, load_pinned, open_stage, pinned, resume, start

NOTHING_TO_DO = "nothing to do"
_MOST_TURNS = 5000
"""More than any run is taken up in a scenario: one that goes on for ever, because something falls due again and again."""
_TO_DO = (Outlook.CHANGE, Outlook.UNPREDICTABLE, Outlook.ERROR)
"""What a second plan must not show. What only a gate can tell is not told before it is passed once more."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A run that came to its end, or to where nothing is left to happen."""

    status: str
    state: RunState
    records: tuple[Record, ...]
    span: timedelta
    kills: int
    left: tuple[str, ...] = ()
    """Addresses that a second plan would still change; empty also when none was made."""

    @property
    def hash(self) -> str:
        """The last of the journal's chain: what the whole of it comes to."""
        return self.records[-1].hash if self.records else ""


Answers = Callable[[RunState], Sequence[Event]]
"""What somebody says of items in doubt; nothing when nobody answers."""


@dataclass(slots=True)
class Rehearsal:
    """One run in one place. Use once."""

    place: Place
    scenario: Scenario
    loaded: Loaded
    deadly: Killed | None = None
    """Where the engine dies; None: where the scenario says."""
    answers: Answers = lambda _state: ()
    watched: Callable[[Passing], Passing] = lambda passing: passing
    """Put round what hears of the boundaries."""
    at_once: bool = True
    world: World = field(init=False)
    _crashes: list[Crash] = field(init=False)
    _passed: Counter[int] = field(default_factory=Counter)
    _kills: int = 0

    def __post_init__(self) -> None:
        self.world = World(self.place, self.scenario, self.loaded.runbook)
        self._crashes = list(self.scenario.crashes)

    def run(self) -> Rehearsed:
        """Raises ``SwitchoverError`` for what the command line would have refused, too."""
        ended = self._engine(self._begin)
        for _ in range(_MOST_TURNS):
            if ended.trouble is not None:
                raise ended.trouble
            if ended.killed:
                self._note_kill(ended)
                ended = self._engine(self._go_on(()) if self._find_run() else self._begin)
                continue
            if ended.result == NOTHING_TO_DO:
                return self._result(NOTHING_TO_DO)
            self._find_run()
            work = self._what_next()
            if work is None:
                return self._result(ended.result)
            ended = self._engine(work)
        raise SwitchoverError(
            "The run comes to no end", f"It was taken up {_MOST_TURNS} times until {self.world.now:%Y-%m-%d}, and is due again."
        )

    def records(self) -> tuple[Record, ...]:
        """What the journal holds of the run so far."""
        if not self._find_run():
            return ()
        with self.world.journal() as journal:
            return tuple(journal.read(self.world.run))

    # ------------------------------------------------------------ turns

    def _what_next(self) -> Work | None:
        """Lets time pass until the run has something to do; None when it never has."""
        while True:
            if self.world.first is not None:
                events, self.world.first = self.world.first, None
                return self._go_on(events)
            with self.world.journal() as journal:
                due = any(info.run == self.world.run for info in journal.due_runs(self.world.now))
                state = fold(journal.read(self.world.run))
                next_due = journal.next_due()
            answers = self.answers(state) if state.status is RunStatus.WAITING else ()
            if due or answers:
                return self._go_on(answers)
            at = min((at for at in (next_due, self.world.next()) if at is not None), default=None)
            if at is None:
                return None
            self.world.move_to(at)

    def _engine(self, work: Work) -> Ended:
        self.world.busy, self._passed = True, self._count_passed()
        try:
            return in_a_process(work, self.world, Manner(
                login_of(self.scenario.started_by, self.place.inventory), f"{self.scenario.seed}/{self._kills}", self.at_once,
                self.place.plain, self.deadly or self._crash,
            ))
        finally:
            self.world.busy = False

    def _find_run(self) -> bool:
        """Whether there is one by now."""
        if not self.world.run and self.place.project.journal.exists():
            with self.world.journal() as journal:
                runs = journal.runs()
            self.world.run = runs[0].run if runs else ""
        return bool(self.world.run)

    # ------------------------------------------------------------ in the engine's process

    def _begin(self, inside: Inside) -> str:
        """As ``switchover apply RUNBOOK -i INVENTORY --lab --yes``."""
        loaded, stop = _watched(self.loaded, self.watched(inside.passing)), Stop()
        with ExitStack() as stack:
            journal = stack.enter_context(inside.journal(loaded.project))
            run = self._run_id()
            folder = stack.enter_context(pinned(loaded, journal, run))
            stage = stack.enter_context(open_stage(loaded, journal, run, stop, around=inside.around))
            header = self._header(stage)
            with PlanWriter(folder / PLAN_FILE, header) as writer:
                totals, expected = _planned(stage, writer.add)
            if not (totals.pending or totals[Outlook.CHECK] or totals[Outlook.ERROR]):
                return NOTHING_TO_DO
            check_windows(stage, ignored=self.scenario.ignore_window is not None)
            begin = Begin(run, header, totals, expected, self.scenario.ignore_window)
            return str(start(stage, journal, begin, stop).value)

    def _go_on(self, first: Sequence[Event]) -> Work:
        """As ``switchover resume``."""

        def work(inside: Inside) -> str:
            with inside.journal(self.place.project) as journal:
                state = read_run(journal, self.world.run)
                if state.status is RunStatus.SUCCEEDED and not first:
                    return str(state.status.value)
                loaded = load_pinned(self.place.project, state, compiled=self.loaded.templates)
                loaded = _watched(loaded, self.watched(inside.passing))
                stop = Stop()
                with open_stage(loaded, journal, state.run, stop, state, around=inside.around) as stage:
                    status = resume(stage, journal, state, stop, first=first, ignore_window=self.scenario.ignore_window)
                    return str(status.value)

        return work

    def _second(self, inside: Inside) -> list[str]:
        """Plans again; returns what would change."""
        with inside.journal(self.place.project) as journal, \
                open_stage(self.loaded, journal, "again", Stop(), around=inside.around) as stage:
            left: list[str] = []
            _planned(stage, lambda item: left.append(item.address) if item.outlook in _TO_DO else None)
            return left

    def _run_id(self) -> str:
        token = hashlib.sha256(f"{self.scenario.seed}/{self._kills}".encode()).hexdigest()[:4]
        return f"{self.world.now:%Y%m%d-%H%M}-{token}"

    def _header(self, stage: Stage) -> PlanHeader:
        """Of nothing that another folder, commit or day would have otherwise."""
        plan_id = hashlib.sha256(f"{self.scenario.seed}/{self._kills} plan".encode()).hexdigest()[:32]
        header = header_of(stage.loaded, stage.scene.clock, stage.key.id)
        return replace(header, plan_id=plan_id, git_commit=None, git_dirty=None)

    # ------------------------------------------------------------ crashes

    def _crash(self, where: str, kind: str, address: str, say: Callable[[Any], None]) -> None:
        """Dies where the scenario says. Counted over the whole run, by its journal."""
        wanted = {AFTER_COMMIT: "after", BEFORE_APPEND: "before"}.get(where)
        for index, crash in enumerate(self._crashes):
            if crash.when != wanted or not _fits(crash, kind, address):
                continue
            self._passed[index] += 1
            if self._passed[index] == crash.nth:
                say(index)
                os.kill(os.getpid(), signal.SIGKILL)

    def _count_passed(self) -> Counter[int]:
        """How many events of each crash's kind there have been."""
        passed: Counter[int] = Counter()
        if self._crashes and self._find_run():
            with self.world.journal() as journal:
                for record in journal.read(self.world.run):
                    about = (record.event.kind, address_of_event(record.event))
                    passed.update(i for i, c in enumerate(self._crashes) if _fits(c, *about))
        return passed

    def _note_kill(self, ended: Ended) -> None:
        self._kills += 1
        if ended.note is None and self.deadly is None:
            raise SwitchoverError("The engine's process was killed", "Not by this scenario: is the machine out of memory?")
        if self.deadly is None:
            del self._crashes[ended.note]

    # ------------------------------------------------------------ the end

    def _result(self, status: str) -> Rehearsed:
        records = self.records()
        left: Sequence[str] = ()
        if status == RunStatus.SUCCEEDED.value and self.scenario.second_apply != "skip":
            ended = in_a_process(self._second, self.world, Manner())
            if ended.trouble is not None:
                raise ended.trouble
            left = ended.result or ()
        state = fold(records)
        span = self.world.now - self.world.start
        return Rehearsed(state.status.value if records else status, state, records, span, self._kills, tuple(left))


def _fits(crash: Crash, kind: str, address: str) -> bool:
    return crash.kind == kind and crash.address in ("", address)


def _planned(stage: Stage, take: Callable[[Any], object]) -> tuple[Totals, Mapping[str, Expected]]:
    """Plans everything. Raises ``InvalidInput`` for problems in templates."""
    planner, totals = Planner(stage.scene, detail=False), Totals()
    expected: dict[str, Expected] = {}
    for item in planner.plan(stage.work):
        totals.add(item)
        expected[item.address] = Expected(item.outlook, item.observed)
        take(item)
    if planner.diagnostics:
        raise InvalidInput(planner.diagnostics)
    return totals, expected


def _watched(loaded: Loaded, passing: Passing) -> Loaded:
    used = set(loaded.runbook.actions())  # looking at one of the others would import it
    watched: dict[str, Any] = {name: WatchedAction(loaded.catalog[name], passing) for name in used}
    return replace(loaded, catalog=watched)
