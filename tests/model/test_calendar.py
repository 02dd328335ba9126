"""Business time, held against a walk from minute to minute with a clock on the wall."""

from __future__ import annotations

from bisect import bisect_left
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from engine.model.calendar import BUSINESS_HOURS, DAYS, Calendar, Interval, NeverOpen, due_at, first_instant
from engine.model.duration import Duration

WALK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A walk takes its time, the more so on a busy machine."""
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
TURNS = (
    ("America/New_York", date(2026, 3, 8)), ("America/New_York", date(2026, 11, 1)),
    ("Europe/Berlin", date(2026, 3, 29)), ("Europe/Berlin", date(2026, 10, 25)),
    ("Australia/Lord_Howe", date(2026, 4, 5)), ("Australia/Lord_Howe", date(2026, 10, 4)),
    # At midnight: the evening that comes twice, and the day that begins at one.
    ("America/Havana", date(2026, 3, 8)), ("America/Sao_Paulo", date(2018, 2, 17)),
    # A day that never was.
    ("Pacific/Apia", date(2011, 12, 30)), ("UTC", date(2026, 2, 28)),
)
"""Zone, and a day on which its clock is put forward or back."""


@dataclass(frozen=True)
class Grid:
    """Every minute of a week around a turn of the clock, in UTC, with what the clock on the wall shows."""

    zone: str
    turn: date
    minutes: tuple[datetime, ...]
    walls: tuple[datetime, ...]
    latest: tuple[datetime, ...]
    """The latest time that the clock has shown up to each minute."""

    def first(self, wall: datetime) -> int:
        """The index of the first minute at which the clock shows ``wall`` or later: the meaning of a time, by walking."""
        return bisect_left(self.latest, wall)

    def open_minutes(self, calendar: Calendar) -> frozenset[int]:
        found: set[int] = set()
        for offset in range(-3, 4):
            day = self.turn + offset * DAY
            for part in calendar.hours_on(day):
                midnight = datetime.combine(day, time())
                begin, end = (self.first(midnight + minutes * MINUTE) for minutes in (part.opens, part.closes))
                found |= set(range(begin, end))
        return frozenset(found)


def _grid(zone: str, turn: date) -> Grid:
    start = datetime.combine(turn - 5 * DAY, time(), UTC)
    minutes = tuple(start + index * MINUTE for index in range(11 * 24 * 60))
    walls = tuple(at.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0) for at in minutes)
    return Grid(zone, turn, minutes, walls, tuple(accumulate(walls, max)))


GRIDS = [_grid(zone, turn) for zone, turn in TURNS]
ELSEWHERE = {turn: {turn + n * DAY: "elsewhere" for n in (*range(-10, -3), *range(4, 1600))} for _, turn in TURNS}
"""The days outside the week that is walked, for more than two years."""


@st.composite
def hours(draw: st.DrawFn) -> tuple[Interval, ...]:
    """Up to three intervals, also overlapping ones; many around two at night, when clocks are put forward and back."""
    edges = st.one_of(st.integers(0, 1440), st.sampled_from([0, 60, 90, 105, 120, 150, 180, 480, 1020, 1440]))
    pairs = draw(st.lists(st.tuples(edges, edges), min_size=1, max_size=3))
    return tuple(Interval(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1])


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Grid, Calendar, frozenset[int]]:
    """A turn of the clock, a calendar, and its open minutes by walking; nothing is open outside the week."""
    around = draw(st.sampled_from(GRIDS))
    zone, turn = around.zone, around.turn
    kinds = (draw(hours()), draw(hours()), ())
    week = {day: draw(st.sampled_from(kinds)) for day in DAYS}
    days = [turn + offset * DAY for offset in range(-3, 4)]
    special = {day: draw(hours()) for day in draw(st.sets(st.sampled_from(days), max_size=2))}
    closed = dict.fromkeys(draw(st.sets(st.sampled_from(days), max_size=2)), "closed")
    assume(any(week.values()) or any(special.values()))
    calendar = Calendar("drawn", zone, week, ChainMap(closed, ELSEWHERE[turn]), special)
    return around, calendar, around.open_minutes(calendar)


def instants(around: Grid) -> st.SearchStrategy[int]:
    return st.integers(24 * 60, len(around.minutes) - 24 * 60)


@WALK
@given(scenes(), st.data())
def test_open_is_what_a_walk_from_minute_to_minute_finds_open(
    scene: tuple[Grid, Calendar, frozenset[int]], data: st.DataObject
) -> None:
    """Whether it is open, when it opens next and when it closes, also in the hour that comes twice or never."""
    around, calendar, open_ = scene
    index = data.draw(instants(around))
    at = around.minutes[index]
    assert calendar.is_open(at) is (index in open_)
    following = next((i for i in range(index, len(around.minutes)) if i in open_), None)
    assert calendar.next_open(at) == (None if following is None else around.minutes[following])
    until = next(i for i in range(index, len(around.minutes)) if i not in open_)
    assert calendar.closes(at) == (around.minutes[until] if index in open_ else None)


@WALK
@given(scenes(), st.data())
def test_business_time_is_counted_minute_by_minute(scene: tuple[Grid, Calendar, frozenset[int]], data: st.DataObject) -> None:
    """Between two instants, and forward from one: to the first instant by which the time has passed."""
    around, calendar, open_ = scene
    first, last = sorted((data.draw(instants(around)), data.draw(instants(around))))
    begin, end = around.minutes[first], around.minutes[last]
    counted = [index for index in range(first, last) if index in open_]
    assert calendar.between(begin, end) == 60 * len(counted) == -calendar.between(end, begin)
    assert _minutes(around, calendar.intervals(begin, end)) == counted
    if counted:
        share = data.draw(st.integers(1, len(counted)))
        assert calendar.add(begin, 60 * share) == around.minutes[counted[share - 1]] + MINUTE


@WALK
@given(scenes(), st.data(), st.integers(1, 4))
def test_business_days_keep_the_time_of_day_within_the_hours_of_the_day(
    scene: tuple[Grid, Calendar, frozenset[int]], data: st.DataObject, count: int
) -> None:
    """The day arrived at is the n-th open one; the time is the nearest later open one of that day, or its closing."""
    around, calendar, open_ = scene
    index = data.draw(instants(around))
    local = around.walls[index]
    days = [day for offset in range(-3, 4) if calendar.stretches_on(day := around.turn + offset * DAY) and day > local.date()]
    if len(days) < count:
        with pytest.raises(NeverOpen, match="two years pass"):
            calendar.add_days(around.minutes[index], count)
        return
    wanted = around.first(datetime.combine(days[count - 1], local.time()))
    midnight = datetime.combine(days[count - 1], time())
    opens = [i for i in range(around.first(midnight), around.first(midnight + DAY)) if i in open_]
    later = [i for i in opens if i >= wanted]
    closing = wanted - 1 in opens
    expected = wanted if closing else (later[0] if later else opens[-1] + 1)
    assert calendar.add_days(around.minutes[index], count) == around.minutes[expected]


@WALK
@given(scenes(), st.data(), st.floats(1, 10**5), st.floats(1, 10**5))
def test_what_was_added_is_what_lies_between(
    scene: tuple[Grid, Calendar, frozenset[int]], data: st.DataObject, one: float, other: float
) -> None:
    """Also for parts of seconds; and adding twice is adding the sum."""
    around, calendar, open_ = scene
    index = data.draw(instants(around))
    one, other = round(one, 3), round(other, 3)
    assume(60 * sum(i in open_ for i in range(index, len(around.minutes))) >= one + other)
    begin = around.minutes[index]
    there = calendar.add(begin, one)
    assert calendar.between(begin, there) == pytest.approx(one, abs=1e-5)
    assert abs(calendar.add(there, other) - calendar.add(begin, one + other)) <= timedelta(microseconds=2)


def _minutes(around: Grid, stretches: tuple[tuple[datetime, datetime], ...]) -> list[int]:
    assert all(before[1] < after[0] for before, after in pairwise(stretches))
    return [int((start - around.minutes[0]) / MINUTE) + i for start, end in stretches for i in range(int((end - start) / MINUTE))]


@pytest.mark.parametrize("around", GRIDS, ids=lambda around: f"{around.zone}-{around.turn}")
def test_a_time_on_the_wall_is_the_first_instant_that_shows_it(around: Grid) -> None:
    """Or, where no clock ever shows it, the moment that skips it."""
    for minutes in range(-24 * 60, 48 * 60, 15):
        wall = datetime.combine(around.turn, time()) + minutes * MINUTE
        assert first_instant(wall, ZoneInfo(around.zone)) == around.minutes[around.first(wall)]


# ---------------------------------------------------------------- spelled out

CHICAGO = ZoneInfo("America/Chicago")
OFFICE = Calendar(
    "office", "America/Chicago", closed={date(2026, 11, 26): "Thanksgiving Day", date(2026, 12, 24): "Christmas Eve"},
    special={date(2026, 12, 24): (Interval(480, 720),), date(2026, 11, 28): (Interval(600, 840),)}, month_end_days=3,
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHICAGO)


def test_a_calendar_that_gives_no_hours_has_those_of_business() -> None:
    """Monday to Friday, eight to five, without its closed days and with its exceptional ones."""
    assert OFFICE.weekly == BUSINESS_HOURS
    assert OFFICE.is_open(at("2026-11-25T08:00")) and not OFFICE.is_open(at("2026-11-25T17:00"))
    assert not OFFICE.is_open(at("2026-11-26T10:00"))
    assert OFFICE.is_open(at("2026-11-28T13:59")), "a Saturday that is open for once"
    assert OFFICE.is_open(at("2026-12-24T11:59")) and not OFFICE.is_open(at("2026-12-24T12:00")), "half a day on a holiday"


@pytest.mark.parametrize(("start", "written", "due"), [
    ("2026-11-25T15:00", Duration(4, "h", business=True), "2026-11-27T10:00"),
    ("2026-11-25T15:00", Duration(4, "h"), "2026-11-25T19:00"),
    ("2026-11-25T15:00", Duration(1, "d", business=True), "2026-11-27T15:00"),
    ("2026-11-25T19:30", Duration(1, "d", business=True), "2026-11-27T17:00"),
    ("2026-11-27T16:00", Duration(1, "d", business=True), "2026-11-28T14:00"),
    ("2026-11-29T09:00", Duration(1, "d", business=True), "2026-11-30T09:00"),
    ("2026-12-23T06:00", Duration(1, "d", business=True), "2026-12-24T08:00"),
    ("2026-10-30T09:00", Duration(3, "d"), "2026-11-02T09:00"),
    ("2026-10-30T09:00", Duration(1.5, "d"), "2026-10-31T21:00"),
    ("2026-11-25T15:00", Duration(0, "d", business=True), "2026-11-25T15:00"),
    ("2026-11-26T15:00", Duration(0, "h", business=True), "2026-11-26T15:00"),
])
def test_when_something_is_due(start: str, written: Duration, due: str) -> None:
    """Business time skips Thanksgiving; three days over the end of daylight saving end at the same time of day."""
    assert due_at(at(start), written, OFFICE) == at(due)


@pytest.mark.parametrize(("start", "due"), [("11:59", "11:59"), ("12:00", "12:00"), ("12:30", "13:00"), ("18:00", "17:00")])
def test_a_time_in_the_lunch_break_moves_to_its_end(start: str, due: str) -> None:
    """Noon itself is still the end of the morning."""
    split = Calendar("split", "America/Chicago", dict.fromkeys(DAYS, (Interval(480, 720), Interval(780, 1020))))
    assert split.add_days(at(f"2026-11-25T{start}"), 1) == at(f"2026-11-26T{due}")


def test_without_a_calendar_a_day_has_24_hours_and_business_time_is_refused() -> None:
    """Nobody guesses when a customer is open."""
    assert due_at(at("2026-10-31T09:00"), Duration(1, "d"), None) == at("2026-11-01T08:00")
    with pytest.raises(ValueError, match="4 business hours cannot be counted without a calendar"):
        due_at(at("2026-10-31T09:00"), Duration(4, "h", business=True), None)


def test_a_stretch_goes_on_over_midnight() -> None:
    """24:00 is the next day's 00:00; what never closes has no closing time."""
    night = Calendar("night", "America/Chicago", {"mon": (Interval(1320, 1440),), "tue": (Interval(0, 360),)})
    assert night.closes(at("2026-11-23T23:00")) == at("2026-11-24T06:00")
    always = Calendar("always", "America/Chicago", {day: (Interval(0, 1440),) for day in DAYS})
    assert always.closes(at("2026-11-23T23:00")) is None
    assert always.intervals(at("2026-10-31T00:00"), at("2026-11-02T00:00")) == ((at("2026-10-31T00:00"), at("2026-11-02T00:00")),)
    assert always.between(at("2026-10-31T00:00"), at("2026-11-02T00:00")) == 49 * 3600


@pytest.mark.parametrize("hours", [{}, {"mon": ()}])
def test_a_calendar_without_an_open_hour_is_refused_by_name(hours: Mapping[str, tuple[Interval, ...]]) -> None:
    """No business time would ever pass in it."""
    with pytest.raises(NeverOpen, match="Calendar 'ghost' has no open hour"):
        Calendar("ghost", "UTC", hours)


def test_a_calendar_that_is_closed_for_years_says_so() -> None:
    """Its closed days can take every open hour it has."""
    start = datetime(2026, 1, 5, 9, tzinfo=UTC)
    mondays = {start.date() + n * 7 * DAY: "sabbatical" for n in range(110)}
    shut = Calendar("shut", "UTC", {"mon": (Interval(480, 1020),)}, mondays)
    assert shut.next_open(start) is None and not shut.is_open(start) and shut.between(start, start + 700 * DAY) == 0
    for late in (shut.add, shut.add_days):
        with pytest.raises(NeverOpen, match=r"Calendar 'shut' has no open hour\. Counting from 2026-01-05"):
            late(start, 1)


def test_long_spans_are_no_trouble() -> None:
    """Two years are how long nothing may come, not how far can be counted."""
    monday = datetime(2026, 1, 5, 8, tzinfo=UTC)
    weekly = Calendar("weekly", "UTC", {"mon": (Interval(480, 540),)})
    assert weekly.add(monday, 3600 * 261) == monday + 260 * 7 * DAY + timedelta(hours=1)
    assert weekly.add_days(monday, 261) == monday + 261 * 7 * DAY


@pytest.mark.parametrize(("day", "notice"), [
    ("2026-10-28T23:59", ""), ("2026-10-29T00:00", "Thu 2026-10-29 is month end: one of the last 3 days of the month"),
    ("2028-02-29T12:00", "Tue 2028-02-29 is month end: one of the last 3 days of the month"), ("2026-11-01T00:00", ""),
])
def test_month_end_is_noticed(day: str, notice: str) -> None:
    """By the calendar's own clock."""
    assert OFFICE.month_end(at(day)) == notice
    assert Calendar("plain", "America/Chicago").month_end(at(day)) == ""




@pytest.mark.parametrize("call", [
    OFFICE.is_open, lambda when: OFFICE.add(when, 1), lambda when: OFFICE.add_days(when, 1),
    OFFICE.next_open, lambda when: due_at(when, Duration(1, "h"), None),
])
def test_a_time_without_a_zone_is_refused(call: object) -> None:
    """This machine's own zone is nobody's business hours."""
    with pytest.raises(ValueError, match="says no time zone"):
        call(datetime(2026, 11, 23, 9))  # type: ignore[operator]  # a lambda of this list


@pytest.mark.parametrize(("opens", "closes"), [(-1, 60), (60, 60), (120, 60), (0, 1441)])
def test_an_interval_lies_within_a_day(opens: int, closes: int) -> None:
    """What goes past midnight is two."""
    with pytest.raises(ValueError, match="is no part of a day"):
        Interval(opens, closes)


def test_business_time_does_not_go_backward() -> None:
    """For seconds and for days."""
    for add in (OFFICE.add, OFFICE.add_days):
        with pytest.raises(ValueError, match="forward"):
            add(at("2026-11-23T09:00"), -1)
