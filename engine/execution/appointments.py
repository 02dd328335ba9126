"""Times for an appointment: which are proposed, and why another cannot be had. Pure, but for asking the journal who has what.

What is asked of a slot stands in the gate as it was opened (``ask``), so that a process that knows no runbook can tell as well.
The capacity of a day is counted over every open run whose appointments go by a calendar of the same name; a rehearsal counts
rehearsals alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from engine.model import event as ev
from engine.model.calendar import Calendar, Stretch, due_at
from engine.model.duration import Duration
from engine.model.gate import Appointment, GateState, Offers
from engine.model.run import RunState, fold
from engine.model.slots import Slot, obstacle, propose
from engine.model.values import dataclass
from engine.ports import Journal

SEARCHED = timedelta(days=366)
"""A time later than this is none: nobody waits a year for an appointment."""
_LAB = "@lab"


@dataclass(frozen=True, slots=True)
class Book:
    """What a time is held against: the calendar, and when others have theirs by it."""

    calendar: Calendar
    booked: tuple[Stretch, ...] = ()


def terms(gate: Appointment, not_before: datetime | None) -> dict[str, Any]:
    """What is asked of a slot, as it is journalled."""
    lead = gate.lead
    return {
        "calendar": gate.limits.calendar, "length_s": gate.length.seconds, "length": str(gate.length), "offered": gate.slots,
        "not_before": not_before.isoformat() if not_before else "",
        "lead": [lead.amount, lead.unit, lead.business] if lead else [],
        "blackout": [day.isoformat() for day in gate.blackout], "capacity": gate.capacity,
    }


def proposals(
    ask: Mapping[str, Any], book: Book, now: datetime, *, after: datetime | None = None, without: Sequence[Stretch] = (),
    count: int | None = None,
) -> Offers:
    """The earliest slots that can be had now, begin at ``after`` or later, and overlap none of ``without``; empty when a year
    holds none. ``count``: how many, when not as many as the runbook says."""
    earliest = _earliest(ask, book.calendar, now)
    earliest = earliest if after is None else max(earliest, after)
    found = propose(
        book.calendar, ask["length_s"], earliest, ask["offered"] if count is None else count, capacity_per_day=ask["capacity"],
        taken=without, booked=book.booked, blackout=_blackout(ask),
    )
    return tuple(offer_of(slot, book.calendar) for slot in found if slot.start <= earliest + SEARCHED)


def why_not_at(ask: Mapping[str, Any], book: Book, start: datetime, now: datetime) -> str:
    """Why nobody can have the time that begins at ``start``; empty when it can be had."""
    return obstacle(
        book.calendar, start, ask["length_s"], earliest=_earliest(ask, book.calendar, now), capacity_per_day=ask["capacity"],
        booked=book.booked, blackout=_blackout(ask),
    )


def offer_at(ask: Mapping[str, Any], calendar: Calendar, start: datetime) -> tuple[str, str]:
    """Start and end of the slot that begins at ``start``, as they are journalled."""
    begins = start.astimezone(UTC)
    return offer_of(Slot(begins, begins + timedelta(seconds=ask["length_s"])), calendar)


def offer_of(slot: Slot, calendar: Calendar) -> tuple[str, str]:
    """A slot as it is journalled, by the calendar's clock."""
    return slot.start.astimezone(calendar.zone).isoformat(), slot.end.astimezone(calendar.zone).isoformat()


def slot_of(offer: Sequence[str]) -> Slot:
    """A slot as it was journalled."""
    start, end = (datetime.fromisoformat(text).astimezone(UTC) for text in offer)
    return Slot(start, end)


def declined(gate: GateState) -> tuple[Stretch, ...]:
    """What somebody could not take. It is not proposed again, nor what overlaps it."""
    starts = [datetime.fromisoformat(start) for told in gate.declined for start in told.slots]
    length = timedelta(seconds=gate.opened.ask["length_s"])
    return tuple((start.astimezone(UTC), start.astimezone(UTC) + length) for start in starts)


def none_found(gate: GateState) -> str:
    """Why a gate has nothing to offer, in words."""
    ask = gate.opened.ask
    said = f"; declined were {len(declined(gate))}" if gate.declined else ""
    return f"no {ask['length']} in one stretch can be had within a year by the calendar '{ask['calendar']}'{said}"


def booked(journal: Journal, calendar: str, scope: str, *, run: str, address: str) -> tuple[Stretch, ...]:
    """When other appointments by calendars of this name are, over all open runs; not the one at ``address`` of ``run``."""
    found: list[Stretch] = []
    for info in journal.open_runs():
        if info.scope.endswith(_LAB) == scope.endswith(_LAB):
            apart_from = address if info.run == run else ""
            found += _booked_in(fold(journal.pick(info.run, ev.OF_GATES)), calendar, apart_from)
    return tuple(sorted(found))


def _booked_in(state: RunState, calendar: str, apart_from: str) -> Iterator[Stretch]:
    for address, gate in state.gates.items():
        stands = gate.closed is None or gate.closed.outcome == "passed"
        if address != apart_from and gate.choices and stands and gate.opened.ask.get("calendar") == calendar:
            last = gate.choices[-1]
            slot = slot_of((last.start, last.end))
            yield slot.start, slot.end


def _earliest(ask: Mapping[str, Any], calendar: Calendar, now: datetime) -> datetime:
    amount_unit_business = ask.get("lead") or ()
    ready = due_at(now, Duration(*amount_unit_business), calendar) if amount_unit_business else now.astimezone(UTC)
    return max(ready, datetime.fromisoformat(ask["not_before"]).astimezone(UTC)) if ask.get("not_before") else ready


def _blackout(ask: Mapping[str, Any]) -> frozenset[date]:
    return frozenset(map(date.fromisoformat, ask.get("blackout", ())))
