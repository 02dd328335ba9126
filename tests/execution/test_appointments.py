"""Appointments in a run: times that fit are proposed, one is chosen, and what follows goes by it, also when it moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.journal.memory import MemoryJournal
from engine.journal.sqlite import SqliteJournal
from engine.model.calendar import Calendar, Interval
from engine.model.event import GateMoved
from engine.model.gate import GateState
from engine.model.run import RunStatus
from engine.ports import Journal
from engine.wiring import appointments
from engine.wiring.appointments import Desk, SlotRefused
from engine.wiring.gates import Account, NotAllowed, act
from tests.support.gate_case import PEOPLE, PUT, START
from tests.support.gate_case import Calendar as TurnedClock
from tests.support.shelf import World, book

OFFICE = Calendar("team", "America/Chicago", closed={date(2026, 11, 26): "Thanksgiving Day"})
"""The run begins on Monday 2026-11-23 at noon by its clock; it is open from 8 to 5."""
WAIT = """\
      - name: pause
        wait: {until: "{{ steps.downtime.outputs.end }}"}
"""


def downtime(**more: str) -> str:
    extra = "".join(f", {name}: {value}" for name, value in more.items())
    return f"      - name: downtime\n        appointment: {{by: [partner, manager], for: 4h, calendar: team{extra}}}\n"


@dataclass
class Case:
    """A run with an appointment, and people who act on it."""

    world: World
    clock: TurnedClock
    at: str = "p/downtime"
    planned: Any = field(default_factory=list)

    def start(self) -> RunStatus:
        self.planned = self.world.plan()
        return self.world.apply(self.planned)

    def go_on(self) -> RunStatus:
        return self.world.resume(self.planned)

    @property
    def desk(self) -> Desk:
        return Desk(self.world.journal, dict(self.world.calendars))

    def _act(self, verb: str, who: str, *words: str, **more: Any) -> None:
        desk = self.desk
        decide = getattr(appointments, verb)
        act(
            self.world.journal, self.world.run_id, self.clock.now(),
            lambda state: decide(state, self.at, Account(who), self.clock.now(), *words, desk, **more), desk.unchanged,
        )

    def choose(self, who: str, wanted: str) -> None:
        self._act("choose", who, wanted)

    def decline(self, who: str, *slots: str, reason: str = "no time") -> None:
        self._act("decline", who, reason, slots=slots)

    def move(self, who: str, wanted: str, reason: str = "ill") -> None:
        self._act("reschedule", who, wanted, reason)

    @property
    def gate(self) -> GateState:
        return self.world.state().gates[self.at]

    @property
    def offers(self) -> list[str]:
        return [start[:16] for start, _ in self.gate.offers]

    @property
    def outputs(self) -> Mapping[str, Any]:
        return self.world.state().items[self.at].outputs


def case(
    folder: Path, steps: str, *, calendar: Calendar = OFFICE, journal: Journal | None = None, run: str = "r1",
    clock: TurnedClock | None = None,
) -> Case:
    clock = clock or TurnedClock()
    journal = journal or MemoryJournal(clock)
    world = World(
        folder, book(steps), clock=clock, journal=journal, people=PEOPLE, calendars={"team": calendar}, run_id=run,
    )
    return Case(world, clock)


def test_the_earliest_times_that_fit_are_proposed_and_a_chosen_one_lets_the_run_go_on(tmp_path: Path) -> None:
    """Four hours inside one day; the afternoon it begins on has just enough left."""
    it = case(tmp_path, downtime(slots="4") + PUT)
    assert it.start() is RunStatus.WAITING
    assert it.offers == ["2026-11-23T12:00", "2026-11-23T12:30", "2026-11-23T13:00", "2026-11-24T08:00"]
    it.choose("pia", "4")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert it.world.state().items["p/downtime"].why == "Pia chose Tue 2026-11-24 08:00-12:00 America/Chicago"
    assert it.outputs == {
        "start": "2026-11-24T08:00:00-06:00", "end": "2026-11-24T12:00:00-06:00", "uid": it.gate.opened.ask["uid"], "sequence": 0,
    }


@pytest.mark.parametrize(("more", "first"), [
    ({"lead": "1 business day"}, "2026-11-24T12:00"),
    ({"not_before": '"2026-11-26"'}, "2026-11-27T08:00"),
    ({"not_before": '"2026-11-24T15:30"'}, "2026-11-24T09:30"),
    ({"blackout": "[2026-11-23, 2026-11-24]"}, "2026-11-25T08:00"),
])
def test_what_is_proposed_heeds_what_the_runbook_asks(tmp_path: Path, more: dict[str, str], first: str) -> None:
    """Lead time, the earliest moment (by the inventory's clock, which is UTC), days left out, holidays."""
    it = case(tmp_path, downtime(**more) + PUT)
    it.start()
    assert it.offers[0] == first


@pytest.mark.parametrize(("wanted", "said"), [
    ("2026-11-24T15:00", r"slot Tue 2026-11-24 15:00-19:00 leaves business hours \(close 17:00 America/Chicago\); next: Wed"),
    ("2026-11-26T08:00", r"slot Thu 2026-11-26 is closed \(Thanksgiving Day\); next: Fri 2026-11-27 08:00-12:00"),
    ("2026-11-23T08:00", "begins before Mon 2026-11-23 12:00, the earliest there is; next: Mon 2026-11-23 12:00-16:00"),
    ("7", "7 is not among the proposed times: they have the numbers 1 to 3"),
    ("tomorrow", "give the number of a proposed time, or a start such as 2026-11-30T08:00"),
])
def test_a_time_that_does_not_fit_is_refused_with_the_reason_and_what_does(tmp_path: Path, wanted: str, said: str) -> None:
    """And the gate stays as it was."""
    it = case(tmp_path, downtime() + PUT)
    it.start()
    with pytest.raises(NotAllowed, match=said):
        it.choose("pia", wanted)
    assert it.gate.is_open
    assert it.gate.choices == []


def test_any_time_that_fits_is_taken_also_one_that_was_not_proposed(tmp_path: Path) -> None:
    """With an offset of its own, or by the calendar's clock."""
    it = case(tmp_path, downtime() + PUT)
    it.start()
    it.choose("pia", "2026-12-01T14:10+00:00")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert it.outputs["start"] == "2026-12-01T08:10:00-06:00"


def test_strangers_late_people_and_second_choices_are_refused(tmp_path: Path) -> None:
    """One choice counts; moving it is another word."""
    it = case(tmp_path, downtime(within="2h") + PUT)
    it.start()
    with pytest.raises(NotAllowed, match="is known by the account eve"):
        it.choose("eve", "1")
    it.choose("pia", "1")
    with pytest.raises(NotAllowed, match=r"Pia chose Mon 2026-11-23 12:00-16:00 America/Chicago already; to move it: "):
        it.choose("max", "2")
    it = case(tmp_path, downtime(within="2h") + PUT)
    it.start()
    it.clock.pass_(hours=2)
    with pytest.raises(NotAllowed, match="it is too late: the time was over"):
        it.choose("pia", "3")
    assert it.go_on() is RunStatus.TRIPPED


def test_declined_times_stay_on_record_and_others_are_proposed(tmp_path: Path) -> None:
    """Nothing that overlaps them: who cannot come at noon cannot come at half past either. All of them, or only some."""
    it = case(tmp_path, downtime() + PUT)
    it.start()
    it.decline("pia")
    assert it.offers == ["2026-11-24T08:00", "2026-11-24T08:30", "2026-11-24T09:00"]
    it.decline("max", "1", reason="school")
    assert it.offers == ["2026-11-24T08:30", "2026-11-24T09:00", "2026-11-24T12:00"]
    told = it.gate.declined
    assert [(one.who, one.reason, len(one.slots)) for one in told] == [("Pia", "no time", 3), ("Max", "school", 1)]
    assert it.go_on() is RunStatus.WAITING
    with pytest.raises(NotAllowed, match="declining needs a --reason"):
        it.decline("pia", reason=" ")


def test_a_calendar_without_room_refuses_the_gate_with_the_reason(tmp_path: Path) -> None:
    """At once when nothing fits within a year; later when nobody can take what there is."""
    short = Calendar("team", "America/Chicago", {"mon": (Interval(480, 600),)})
    it = case(tmp_path, downtime() + PUT, calendar=short)
    assert it.start() is RunStatus.TRIPPED
    assert "no 4 hours in one stretch can be had within a year by the calendar 'team'" in it.world.state().items["p/downtime"].why
    once = Calendar("team", "America/Chicago", {"mon": ()}, special={date(2026, 11, 24): (Interval(480, 720),)})
    it = case(tmp_path, downtime() + PUT, calendar=once)
    it.start()
    assert it.offers == ["2026-11-24T08:00"]
    it.decline("pia")
    assert it.go_on() is RunStatus.TRIPPED
    assert it.world.state().items["p/downtime"].why.endswith("; declined were 1")


def two_runs(tmp_path: Path, journal: Journal, **more: str) -> tuple[Case, Case]:
    clock = TurnedClock()
    first = case(tmp_path, downtime(**more) + WAIT, journal=journal, run="r1", clock=clock)
    second = case(tmp_path, downtime(**more) + WAIT, journal=journal, run="r2", clock=clock)
    for it in (first, second):
        it.start()
    return first, second


def test_a_day_is_full_for_every_run_of_the_project(tmp_path: Path) -> None:
    """Who comes second is refused, and new times are proposed to them, on another day."""
    first, second = two_runs(tmp_path, MemoryJournal(TurnedClock()), capacity="1")
    assert first.offers == second.offers
    first.choose("pia", "1")
    with pytest.raises(SlotRefused, match="slot Mon 2026-11-23 is full: it takes 1, and has 1; next: Tue 2026-11-24 08:00"):
        second.choose("max", "1")
    now, desk = second.clock.now(), second.desk
    act(second.world.journal, "r2", now, lambda state: appointments.renewed(state, "p/downtime", now, desk, "it is full"))
    assert second.offers[0] == "2026-11-24T08:00"
    second.choose("max", "1")
    third = case(tmp_path, downtime(capacity="1") + WAIT, journal=first.world.journal, run="r3", clock=first.clock)
    third.start()
    assert third.offers[0] == "2026-11-25T08:00"


def test_moving_an_appointment_frees_its_day_for_others(tmp_path: Path) -> None:
    """Its own place never stands in its own way."""
    first, second = two_runs(tmp_path, MemoryJournal(TurnedClock()), capacity="1")
    first.choose("pia", "2026-11-24T08:00")
    first.move("pia", "2026-11-24T10:00")
    with pytest.raises(SlotRefused, match="Tue 2026-11-24 is full"):
        second.choose("max", "2026-11-24T08:00")
    first.move("pia", "2026-11-25T10:00")
    second.choose("max", "2026-11-24T08:00")


@pytest.mark.parametrize("stored", [False, True])
def test_of_two_runs_that_choose_the_last_place_at_once_one_gets_it(tmp_path: Path, stored: bool) -> None:
    """The second has looked before the first has written: the journal asks again while nobody else can write."""
    clock = TurnedClock()
    journal: Journal = SqliteJournal(tmp_path / "journal.db", clock) if stored else MemoryJournal(clock)
    first, second = two_runs(tmp_path, journal, capacity="1")
    real = journal.append_if
    raced: list[str] = []

    def late(run: str, *words: Any, **options: Any) -> bool:
        if run == "r2" and not raced:
            raced.append(run)
            first.choose("pia", "1")
        return real(run, *words, **options)

    journal.append_if = late  # type: ignore[method-assign]  # comes in between, as another process would
    with pytest.raises(SlotRefused, match="is full"):
        second.choose("max", "1")
    assert [len(it.gate.choices) for it in (first, second)] == [1, 0]
    journal.close()


def test_a_wait_until_its_end_follows_an_appointment_that_moves(tmp_path: Path) -> None:
    """Also when the news comes just as the old time is over."""
    it = case(tmp_path, downtime() + WAIT + PUT)
    it.start()
    it.choose("pia", "2026-11-24T08:00")
    assert it.go_on() is RunStatus.WAITING
    assert it.world.journal.next_due() == START + timedelta(days=1)
    it.move("max", "2026-11-25T09:00")
    it.clock.pass_(days=1, hours=1)
    assert it.go_on() is RunStatus.WAITING
    assert it.world.journal.next_due() == START + timedelta(days=2, hours=1)
    moved = [r.event for r in it.world.journal.read("r1") if isinstance(r.event, GateMoved)]
    assert [event.due for event in moved] == ["2026-11-25T13:00:00-06:00"]
    assert it.outputs["sequence"] == 1
    it.clock.pass_(days=1)
    assert it.go_on() is RunStatus.SUCCEEDED


def test_a_wait_follows_in_the_same_process_too(tmp_path: Path) -> None:
    """Somebody moves it while the run is busy elsewhere."""
    steps = downtime() + WAIT + PUT.replace("for_each: things", "for_each: things\n        needs: [downtime]")
    it = case(tmp_path, steps)
    it.start()
    it.choose("pia", "2026-11-24T08:00")

    def meanwhile(name: str) -> None:
        if name == "c":
            it.move("max", "2026-11-25T09:00")
            it.clock.sleep(2)

    it.world.shelf.after_write = meanwhile
    assert it.go_on() is RunStatus.WAITING
    assert it.world.state().gates["p/pause"].due == START + timedelta(days=2, hours=1)


def test_it_can_be_moved_until_it_begins_and_not_when_the_run_is_over(tmp_path: Path) -> None:
    """Each move is a version, with its reason."""
    it = case(tmp_path, downtime() + WAIT)
    it.start()
    with pytest.raises(NotAllowed, match="no time is chosen yet: switchover choose"):
        it.move("pia", "2026-11-24T08:00")
    it.choose("pia", "2026-11-24T08:00")
    it.go_on()
    with pytest.raises(NotAllowed, match="moving an appointment needs a --reason"):
        it.move("pia", "2026-11-25T08:00", reason="")
    with pytest.raises(NotAllowed, match="It is then already"):
        it.move("pia", "2026-11-24T08:00")
    it.move("pia", "2026-11-25T08:00")
    assert [(one.version, one.reason) for one in it.gate.choices] == [(1, ""), (2, "ill")]
    it.clock.pass_(days=2)
    with pytest.raises(NotAllowed, match="it has begun: Wed 2026-11-25 08:00-12:00"):
        it.move("pia", "2026-11-27T08:00")
    it.clock.pass_(hours=2)
    assert it.go_on() is RunStatus.SUCCEEDED
    over = case(tmp_path, downtime() + PUT)
    over.start()
    over.choose("pia", "2026-11-24T08:00")
    over.go_on()
    with pytest.raises(NotAllowed, match=r"the run is over \(succeeded\)"):
        over.move("pia", "2026-11-25T08:00")


def test_an_escalated_appointment_may_be_chosen_by_those_above(tmp_path: Path) -> None:
    """Time-outs and reminders are as at every gate."""
    it = case(tmp_path, downtime(within="2h", on_timeout="escalate", escalate_to="boss", remind="[1h]") + PUT)
    it.start()
    it.clock.pass_(hours=2)
    assert it.go_on() is RunStatus.WAITING
    assert it.gate.reminded == 1
    it.choose("bo", "2026-11-24T08:00")
    assert it.go_on() is RunStatus.SUCCEEDED
