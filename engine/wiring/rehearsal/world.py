"""All that is not the engine, in virtual time: the clock, people, the lab and what goes wrong in it.

Time moves here alone, from one thing that falls due to the next. A second of it takes no time; so a month passes in the seconds
that the systems really need for what they are asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from engine.journal.sqlite import SqliteJournal
from engine.lab.board import Fault, write_faults
from engine.model.calendar import due_at
from engine.model.errors import SwitchoverError
from engine.model.event import Event, GateOpened, Record
from engine.model.plan import split_address
from engine.model.run import RunState, fold
from engine.model.runbook import Runbook
from engine.model.scenario import Act, Deed, Scenario, When
from engine.model.values import dataclass
from engine.wiring.gates import act as journalled
from engine.wiring.rehearsal.acts import ACTS, TAKES_UP, Moment, account_of
from engine.wiring.rehearsal.deeds import carry_out
from engine.wiring.rehearsal.engine import StandingClock
from engine.wiring.rehearsal.place import Place


@dataclass(frozen=True, slots=True)
class Did:
    """An act that was done, or refused."""

    act: Act
    at: datetime
    refused: str = ""


@dataclass(frozen=True, slots=True, order=True)
class _Due:
    """Something that happens at a time; ``order`` settles which of two at the same time comes first."""

    at: datetime
    order: int
    what: Act | Deed | None = field(compare=False)
    """None: a fault begins or ends."""


class World:
    """Implements ``engine.Timekeeper``."""

    def __init__(self, place: Place, scenario: Scenario, runbook: Runbook) -> None:
        self._place, self._scenario, self._runbook = place, scenario, runbook
        self._zone = ZoneInfo(place.inventory.timezone)
        self.start = self.moment(scenario.start)
        self._now, self.passed_s = self.start, 0.0
        self.did: list[Did] = []
        self.troubles: list[tuple[Deed, str]] = []
        self.first: Sequence[Event] | None = None
        """Somebody takes the run up, with these events first."""
        self._left: list[Act] = list(scenario.acts)
        self._deeds: list[Deed] = list(scenario.deeds)
        self._openings: dict[str, list[Record]] = {}
        self._read_to = 0
        self.busy = False
        """Whether the engine is at work."""
        self.run = ""
        self._set_time(self.start)

    # ------------------------------------------------------------ time

    @property
    def now(self) -> datetime:
        """By the customer's clock, with a fixed offset: two times of one zone are compared by what the clock shows."""
        local = self._now.astimezone(self._zone)
        return local.replace(tzinfo=timezone(local.utcoffset() or timedelta()))

    def moment(self, written: datetime) -> datetime:
        """A moment of the scenario, in UTC."""
        return (written if written.tzinfo else written.replace(tzinfo=self._zone)).astimezone(UTC)

    def sleep(self, seconds: float) -> None:
        """Lets time pass, with all that falls due in it."""
        until, passed = self._now + timedelta(seconds=seconds), self.passed_s + seconds
        while (at := self.next()) is not None and at <= until:
            self.move_to(at)
        self._set_time(until)
        self.passed_s = passed

    def move_to(self, at: datetime) -> None:
        """Moves on to a time, and does what is due then. Time never goes back."""
        self.passed_s += max(0.0, (at - self._now).total_seconds())
        self._set_time(max(at, self._now))
        while (first := self._first_due()) is not None and first.at <= self._now:
            self._happen(first)

    def next(self) -> datetime | None:
        """When something happens next; None: nothing more, by itself."""
        due = self._first_due()
        return None if due is None else max(due.at, self._now)

    def undone(self) -> list[Act]:
        """Acts that it never came to."""
        return [act for act in self._left if not act.optional]

    def _set_time(self, at: datetime) -> None:
        self._now = at
        self._place.set_time(at)
        write_faults(self._place.lab, list(self._faults(at)))

    # ------------------------------------------------------------ what falls due

    def _first_due(self) -> _Due | None:
        return min(self._dues(), default=None)

    def _dues(self) -> Iterator[_Due]:
        for at in self._edges():
            if at > self._now:
                yield _Due(at, -2, None)
        for deed in self._deeds:
            yield _Due(self._when(deed.at), -1, deed)
        if any(not act.is_absolute for act in self._left):
            self._note_openings()
        for order, act in enumerate(self._left):
            due = self._act_at(act)
            if due is not None:
                yield _Due(due, order, act)

    def _act_at(self, act: Act) -> datetime | None:
        if act.is_absolute:
            return self._when(act.when, act) if self.run else None
        opened = self._openings.get(act.gate, [])
        return self._when(act.when, act, opened[act.opening - 1].at) if len(opened) >= act.opening else None

    def _when(self, when: When, act: Act | None = None, since: datetime | None = None) -> datetime:
        if isinstance(when, datetime):
            return self.moment(when)
        calendars = self._place.inventory.calendars
        named = self._calendar_of(act.gate) if act is not None and act.gate else ""
        return due_at(since or self.start, when, calendars.get(named or self._scenario.calendar))

    def _calendar_of(self, gate: str) -> str:
        step = split_address(gate)[0]
        return next((s.gate.limits.calendar for s in self._runbook.every_step() if s.address == step and s.gate is not None), "")

    def _note_openings(self) -> None:
        """Gates that opened since this was last asked."""
        if not self.run:
            return
        with self.journal() as journal:
            for record in journal.read(self.run, self._read_to):
                self._read_to = record.seq
                if isinstance(record.event, GateOpened):
                    self._openings.setdefault(record.event.address, []).append(record)

    # ------------------------------------------------------------ what happens

    def _happen(self, due: _Due) -> None:
        if isinstance(due.what, Act):
            self._left.remove(due.what)
            self._do(due.what)
        elif isinstance(due.what, Deed):
            self._deeds.remove(due.what)
            try:
                trouble = carry_out(due.what, self._place, self._scenario, self._state(), self)
            except SwitchoverError as error:
                trouble = str(error)
            if trouble:
                self.troubles.append((due.what, trouble))

    def _do(self, act: Act) -> None:
        def acted(journal: SqliteJournal, state: RunState) -> Sequence[Event]:
            account = account_of(act, self._place.inventory, self._scenario.started_by)
            moment = Moment(act, account, state, self._place.project, self.now, self._scenario.folder, journal)
            return (TAKES_UP.get(act.verb) or ACTS[act.verb])(moment)

        try:
            with self.journal() as journal:
                if act.verb in TAKES_UP:
                    self._take_up(acted(journal, fold(journal.read(self.run)) if self.run else RunState()))
                else:
                    journalled(journal, self.run, self.now, lambda state: acted(journal, state))
                    if act.verb == "cancel" and not self.busy:
                        self.first = self.first or ()  # the command does at once what is done then, also of a run that failed
        except SwitchoverError as refusal:
            self.did.append(Did(act, self.now, _reason(refusal)))
        else:
            self.did.append(Did(act, self.now))

    def _take_up(self, events: Sequence[Event]) -> None:
        if self.busy:
            raise SwitchoverError("The run is being worked on", "It has to come to a stop first.")
        self.first = [*(self.first or ()), *events]

    def _state(self) -> RunState:
        with self.journal() as journal:
            return fold(journal.read(self.run)) if self.run else RunState()

    @contextmanager
    def journal(self) -> Iterator[SqliteJournal]:
        """The rehearsal's journal, for other people than the engine."""
        journal = SqliteJournal(self._place.project.journal, StandingClock(self.now))
        try:
            yield journal
        finally:
            journal.close()

    # ------------------------------------------------------------ what goes wrong

    def _edges(self) -> Iterator[datetime]:
        for fault in self._scenario.faults:
            at = self._when(fault.at)
            yield at
            if fault.lasts is not None:
                yield due_at(at, fault.lasts, self._place.inventory.calendars.get(self._scenario.calendar))

    def _faults(self, at: datetime) -> Iterator[Fault]:
        """Those there are at a time: of its faults the lab knows nothing but these."""
        for index, fault in enumerate(self._scenario.faults):
            begin = self._when(fault.at)
            calendar = self._place.inventory.calendars.get(self._scenario.calendar)
            end = due_at(begin, fault.lasts, calendar) if fault.lasts is not None else None
            if begin <= at and (end is None or at < end):
                yield Fault(f"scenario-{index}", fault.server, fault.name, fault.match, fault.count, fault.value)


def _reason(refusal: SwitchoverError) -> str:
    problems = getattr(refusal, "diagnostics", ())
    said = "; ".join(problem.detail for problem in problems) or refusal.detail
    return f"{refusal.summary}: {said}" if said else refusal.summary
