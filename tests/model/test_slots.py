"""Proposed appointments, held against trying every quarter of an hour."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.model.calendar import DAYS, Calendar, Interval
from engine.model.slots import Slot, holds, obstacle, propose, why_not

QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)
WALKED = timedelta(days=6)
TURNS = (
    ("America/New_York", date(2026, 3, 8)), ("America/New_York", date(2026, 11, 1)), ("Europe/Berlin", date(2026, 10, 25)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
)
CHICAGO = ZoneInfo("America/Chicago")
OFFICE = Calendar("office", "America/Chicago", closed={date(2026, 11, 26): "Thanksgiving Day"})


def by_trying(calendar: Calendar, length_s: float, earliest: datetime, given: dict[str, Any]) -> Iterator[Slot]:
    """Every quarter of an hour of some days, by what a slot is."""
    opened = at = earliest - 2 * DAY
    was_open, day = False, None
    while at < earliest + WALKED:
        is_open, today = calendar.is_open(at), _day(calendar, at)
        if not (is_open and was_open) or today != day:
            opened = at
        was_open, day = is_open, today
        slot = Slot(at, at + timedelta(seconds=length_s))
        on_step = (at - opened) % timedelta(seconds=given["step_s"]) == timedelta(0)
        if is_open and on_step and at >= earliest and _can_be_had(calendar, slot, given):
            yield slot
        at += QUARTER


def _can_be_had(calendar: Calendar, slot: Slot, given: dict[str, Any]) -> bool:
    quarters = list(_quarters(slot))
    day = _day(calendar, slot.start)
    begun = sum(_day(calendar, start) == day for start, _ in given["taken"])
    return (
        all(calendar.is_open(at) and _day(calendar, at) == day for at in quarters)
        and not any(start <= at < end for at in quarters for start, end in given["taken"])
        and day not in given["blackout"]
        and (given["capacity_per_day"] is None or begun < given["capacity_per_day"])
    )


def _quarters(slot: Slot) -> Iterator[datetime]:
    at = slot.start
    while at < slot.end:
        yield at
        at += QUARTER


def _day(calendar: Calendar, at: datetime) -> date:
    return at.astimezone(calendar.zone).date()


@st.composite
def wishes(draw: st.DrawFn) -> tuple[Calendar, float, datetime, dict[str, Any]]:
    """A calendar around a turn of the clock, a length, the earliest time, and what else is asked."""
    zone, turn = draw(st.sampled_from(TURNS))
    edges = st.lists(st.integers(0, 96).map(lambda n: n * 15), min_size=2, max_size=4, unique=True)
    pairs = [sorted(draw(edges)) for _ in range(2)]
    kinds = [tuple(Interval(a, b) for a, b in zip(pair[::2], pair[1::2], strict=False)) for pair in pairs]
    week = {day: draw(st.sampled_from([*kinds, ()])) for day in DAYS}
    week[draw(st.sampled_from(DAYS))] = kinds[0]
    start = datetime.combine(turn - 3 * DAY, time(), UTC)
    quarter = st.integers(0, 6 * 96).map(lambda n: start + n * QUARTER)
    lengths = st.integers(1, 24).map(lambda n: n * QUARTER)
    taken = [(begin, begin + draw(lengths)) for begin in draw(st.lists(quarter, max_size=6))]
    rest = {
        "taken": taken, "capacity_per_day": draw(st.sampled_from([None, 1, 2])),
        "step_s": draw(st.sampled_from([900, 1800, 3600])),
        "blackout": {turn + n * DAY for n in draw(st.sets(st.integers(-3, 3), max_size=2))},
    }
    return Calendar("drawn", zone, week), draw(lengths).total_seconds(), draw(quarter), rest


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wishes(), st.integers(0, 12))
def test_the_earliest_slots_are_those_that_trying_finds(
    wish: tuple[Calendar, float, datetime, dict[str, Any]], k: int
) -> None:
    """In order, none left out, none that does not fit; and nothing speaks against any of them."""
    calendar, length_s, earliest, rest = wish
    proposed = propose(calendar, length_s, earliest, k, **rest)
    tried = list(islice(by_trying(calendar, length_s, earliest, rest), k))
    assert [slot for slot in proposed if slot.start < earliest + WALKED] == tried
    assert all(why_not(calendar, slot.start, length_s, earliest=earliest, **rest) == "" for slot in proposed)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wishes(), st.integers(0, 6 * 96))
def test_a_time_that_cannot_be_had_is_refused_with_a_reason_and_another_can(
    wish: tuple[Calendar, float, datetime, dict[str, Any]], quarters: int
) -> None:
    """For every quarter of an hour, on a step or not."""
    calendar, length_s, earliest, rest = wish
    asked = Slot(earliest + quarters * QUARTER, earliest + quarters * QUARTER + timedelta(seconds=length_s))
    why = why_not(calendar, asked.start, length_s, **rest)
    assert (why == "") is _can_be_had(calendar, asked, rest)
    assert why == "" or "; the next that fits is " in why or why.endswith("; nothing fits within two years")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHICAGO)


@pytest.mark.parametrize(("start", "hours", "given_", "words"), [
    ("2026-10-27T15:00", 4, {}, "Tue 2026-10-27 15:00-19:00 leaves business hours (close 17:00 America/Chicago); "
     "the next that fits is Wed 2026-10-28 08:00-12:00"),
    ("2026-10-27T07:00", 2, {}, "Tue 2026-10-27 07:00-09:00 begins outside business hours (08:00-17:00 America/Chicago); "
     "the next that fits is Tue 2026-10-27 08:00-10:00"),
    ("2026-11-26T09:00", 2, {}, "Thu 2026-11-26 is closed (Thanksgiving Day); the next that fits is Fri 2026-11-27 08:00-10:00"),
    ("2026-10-31T09:00", 2, {}, "Sat 2026-10-31 is closed; the next that fits is Mon 2026-11-02 08:00-10:00"),
    ("2026-10-27T09:00", 2, {"blackout": [date(2026, 10, 27)]}, "Tue 2026-10-27 is left out: no appointments are made for that "
     "day; the next that fits is Wed 2026-10-28 08:00-10:00"),
    ("2026-10-27T09:00", 2, {"taken": [(at("2026-10-27T10:00"), at("2026-10-27T12:10"))]}, "Tue 2026-10-27 09:00-11:00 overlaps "
     "what is taken already, Tue 2026-10-27 10:00-12:10; the next that fits is Tue 2026-10-27 12:30-14:30"),
    ("2026-10-27T09:00", 2, {"taken": [(at("2026-10-27T14:00"), at("2026-10-27T15:00"))], "capacity_per_day": 1},
     "Tue 2026-10-27 is full: it takes 1, and has 1; the next that fits is Wed 2026-10-28 08:00-10:00"),
    ("2026-10-27T09:00", 2, {"earliest": at("2026-10-29T12:10")}, "Tue 2026-10-27 09:00-11:00 begins before Thu 2026-10-29 "
     "12:10, the earliest there is; the next that fits is Thu 2026-10-29 12:30-14:30"),
    ("2026-10-27T09:00", 10, {}, "Tue 2026-10-27 09:00-19:00 leaves business hours (close 17:00 America/Chicago); "
     "nothing fits within two years"),
    ("2026-10-27T09:10", 2, {}, ""),
])
def test_a_person_is_told_why_and_what_else(start: str, hours: int, given_: dict[str, Any], words: str) -> None:
    """By the calendar's clock."""
    assert why_not(OFFICE, at(start), 3600 * hours, **given_) == words


def test_slots_that_end_at_midnight_are_said_to_end_at_24() -> None:
    """00:00 of the same day would be its beginning."""
    night = Calendar("night", "America/Chicago", {"mon": (Interval(1320, 1440),), "tue": (Interval(0, 120),)})
    found = propose(night, 7200, at("2026-10-26T00:00"), 2)
    assert [slot.text(CHICAGO) for slot in found] == ["Mon 2026-10-26 22:00-24:00", "Tue 2026-10-27 00:00-02:00"]


@pytest.mark.parametrize(("length_s", "step_s"), [(0, 1800), (-1, 1800), (3600, 0)])
def test_a_slot_and_a_step_have_a_length(length_s: float, step_s: float) -> None:
    """Or there would be no end of them."""
    with pytest.raises(ValueError, match="has to be longer than"):
        propose(OFFICE, length_s, at("2026-10-27T09:00"), 1, step_s=step_s)


def test_a_day_counts_those_that_are_booked_but_they_may_run_side_by_side() -> None:
    """Several teams: the day takes so many, and they need not come one after the other."""
    booked = [(at("2026-10-27T08:00"), at("2026-10-27T12:00"))]
    beside: dict[str, Any] = {"capacity_per_day": 2, "booked": booked}
    assert obstacle(OFFICE, at("2026-10-27T08:00"), 4 * 3600, **beside) == ""
    assert obstacle(OFFICE, at("2026-10-27T08:00"), 4 * 3600, **{**beside, "booked": booked * 2}) == (
        "Tue 2026-10-27 is full: it takes 2, and has 2"
    )


@pytest.mark.parametrize(("hours", "length_h", "fits"), [
    ((Interval(480, 720), Interval(780, 1020)), 4, True),
    ((Interval(480, 720), Interval(780, 1020)), 4.5, False),
    ((Interval(480, 720), Interval(720, 1020)), 9, True),
])
def test_whether_any_day_has_room_is_told_by_its_longest_stretch(
    hours: tuple[Interval, ...], length_h: float, fits: bool
) -> None:
    """A lunch break parts a morning from an afternoon; hours that touch are one stretch."""
    assert holds(Calendar("office", "America/Chicago", {"mon": hours}), length_h * 3600) is fits
    assert holds(Calendar("office", "America/Chicago", {"mon": ()}, special={date(2026, 10, 27): hours}), length_h * 3600) is fits
