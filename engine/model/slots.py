"""Appointments: the earliest times that fit a calendar and what is taken already, and why another time does not.

A slot is one stretch of business time inside one day: nobody moves half a practice before lunch and the rest after it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from engine.model.calendar import HORIZON, Calendar, Interval, Stretch
from engine.model.values import dataclass

_DAY = timedelta(days=1)
STEP_S = 1800.0
"""Seconds between two beginnings that are offered: on the hour and half past, where it opens so."""


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """From ``start`` until ``end``, in UTC."""

    start: datetime
    end: datetime

    def text(self, zone: ZoneInfo) -> str:
        """For people, by the clock of ``zone``: ``Tue 2026-10-27 08:00-12:00``."""
        return f"{self.start.astimezone(zone):%a %Y-%m-%d} {_times(self.start, self.end, zone)}"


def propose(
    calendar: Calendar, length_s: float, earliest: datetime, k: int, *, capacity_per_day: int | None = None,
    taken: Sequence[Stretch] = (), booked: Sequence[Stretch] | None = None, blackout: Collection[date] = (),
    step_s: float = STEP_S,
) -> tuple[Slot, ...]:
    """The ``k`` earliest slots of ``length_s`` seconds from ``earliest`` on; fewer when two years hold no more.

    A slot begins when the calendar opens, or a whole number of steps of ``step_s`` seconds after that. It overlaps nothing
    that is ``taken``. A day on which ``capacity_per_day`` of those begin is full, or of ``booked`` where those are told apart:
    they count, but others may work beside them. Days of ``blackout``, by the calendar's clock, are left out. The slots are
    alternatives to choose from, so they may overlap each other.
    Raises ``ValueError`` for a length or a step that is not above zero.
    """
    book = _book(calendar, length_s, earliest, capacity_per_day, taken, booked, blackout)
    if step_s <= 0:
        raise ValueError(f"a step has to be longer than {step_s} seconds")
    return tuple(islice(book.slots(timedelta(seconds=step_s)), k))


def why_not(
    calendar: Calendar, start: datetime, length_s: float, *, earliest: datetime | None = None,
    capacity_per_day: int | None = None, taken: Sequence[Stretch] = (), blackout: Collection[date] = (), step_s: float = STEP_S,
) -> str:
    """Why nobody can have the time that begins at ``start``, and the next that fits; empty when it can be had."""
    found = obstacle(
        calendar, start, length_s, earliest=earliest, capacity_per_day=capacity_per_day, taken=taken, blackout=blackout
    )
    if not found:
        return ""
    following = propose(
        calendar, length_s, max(earliest or start, start), 1, capacity_per_day=capacity_per_day, taken=taken,
        blackout=blackout, step_s=step_s,
    )
    instead = f"the next that fits is {following[0].text(calendar.zone)}" if following else "nothing fits within two years"
    return f"{found}; {instead}"


def obstacle(
    calendar: Calendar, start: datetime, length_s: float, *, earliest: datetime | None = None,
    capacity_per_day: int | None = None, taken: Sequence[Stretch] = (), booked: Sequence[Stretch] | None = None,
    blackout: Collection[date] = (),
) -> str:
    """Why nobody can have the time that begins at ``start``; empty when it can be had.

    A person may ask for any minute: the step of ``propose`` only says what is offered.
    """
    book = _book(calendar, length_s, earliest or start, capacity_per_day, taken, booked, blackout)
    return book.obstacle(Slot(start.astimezone(UTC), start.astimezone(UTC) + book.length))


def holds(calendar: Calendar, length_s: float) -> bool:
    """Whether any day the calendar knows, of its week or an exceptional one, has so much business time in one stretch."""
    days = (*calendar.weekly.values(), *calendar.special.values())
    return any(minutes * 60 >= length_s for day in days for minutes in _unbroken(day))


def _unbroken(day: Sequence[Interval]) -> Iterator[int]:
    """Minutes of the stretches of a day, those that touch joined."""
    begun, closes = 0, 0
    for part in sorted(day):
        if part.opens > closes:
            begun = part.opens
        closes = max(closes, part.closes)
        yield closes - begun


@dataclass(frozen=True, slots=True)
class _Book:
    """What is asked of a slot. All instants in UTC."""

    calendar: Calendar
    length: timedelta
    earliest: datetime
    capacity_per_day: int | None
    taken: tuple[Slot, ...]
    booked: tuple[Slot, ...]
    blackout: frozenset[date]

    def slots(self, step: timedelta) -> Iterator[Slot]:
        """Every slot that fits, earliest first, for two years."""
        first = self.day(self.earliest) - _DAY
        for offset in range(HORIZON.days + 2):
            day = first + offset * _DAY
            if not self.day_obstacle(day):
                yield from (slot for slot in self._candidates(day, step) if self.overlapped(slot) is None)

    def obstacle(self, slot: Slot) -> str:
        """What keeps the slot from being had; empty when nothing does."""
        day, zone = self.day(slot.start), self.calendar.zone
        if slot.start < self.earliest:
            return f"{slot.text(zone)} begins before {self.earliest.astimezone(zone):%a %Y-%m-%d %H:%M}, the earliest there is"
        other = self.overlapped(slot)
        return self.day_obstacle(day) or self._outside(slot, day) or (
            f"{slot.text(zone)} overlaps what is taken already, {other.text(zone)}" if other is not None else ""
        )

    def day_obstacle(self, day: date) -> str:
        """What keeps every slot of the day from being had."""
        named = f"{day:%a} {day}"
        if not self.calendar.stretches_on(day):
            why = self.calendar.closed.get(day)
            return f"{named} is closed{f' ({why})' if why else ''}"
        if day in self.blackout:
            return f"{named} is left out: no appointments are made for that day"
        begun = sum(self.day(other.start) == day for other in self.booked)
        if self.capacity_per_day is not None and begun >= self.capacity_per_day:
            return f"{named} is full: it takes {self.capacity_per_day}, and has {begun}"
        return ""

    def overlapped(self, slot: Slot) -> Slot | None:
        """The first of what is taken that the slot overlaps."""
        return next((other for other in self.taken if other.start < slot.end and slot.start < other.end), None)

    def day(self, at: datetime) -> date:
        return at.astimezone(self.calendar.zone).date()

    def _outside(self, slot: Slot, day: date) -> str:
        zone = self.calendar.zone
        stretches = self.calendar.stretches_on(day)
        around = next((stretch for stretch in stretches if stretch[0] <= slot.start < stretch[1]), None)
        if around is None:
            hours = ", ".join(_times(start, end, zone) for start, end in stretches)
            return f"{slot.text(zone)} begins outside business hours ({hours} {zone.key})"
        if slot.end > around[1]:
            return f"{slot.text(zone)} leaves business hours (close {_closing(around[1], zone)} {zone.key})"
        return ""

    def _candidates(self, day: date, step: timedelta) -> Iterator[Slot]:
        for opens, closes in self.calendar.stretches_on(day):
            skipped = max(0, -((opens - self.earliest) // step))
            start = opens + skipped * step
            while start + self.length <= closes:
                yield Slot(start, start + self.length)
                start += step


def _book(
    calendar: Calendar, length_s: float, earliest: datetime, capacity_per_day: int | None, taken: Sequence[Stretch],
    booked: Sequence[Stretch] | None, blackout: Collection[date],
) -> _Book:
    if length_s <= 0:
        raise ValueError(f"an appointment has to be longer than {length_s} seconds")
    if earliest.tzinfo is None:
        raise ValueError(f"{earliest} says no time zone, so nobody can tell when that is")
    others = _slots(taken)
    counted = others if booked is None else _slots(booked)
    return _Book(
        calendar, timedelta(seconds=length_s), earliest.astimezone(UTC), capacity_per_day, others, counted, frozenset(blackout)
    )


def _slots(stretches: Sequence[Stretch]) -> tuple[Slot, ...]:
    return tuple(sorted(Slot(start.astimezone(UTC), end.astimezone(UTC)) for start, end in stretches))


def _times(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    return f"{start.astimezone(zone):%H:%M}-{_closing(end, zone)}"


def _closing(end: datetime, zone: ZoneInfo) -> str:
    shown = f"{end.astimezone(zone):%H:%M}"
    return "24:00" if shown == "00:00" else shown
