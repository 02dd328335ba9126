"""When work may start: time zones, holidays, midnight and the measured pace."""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from engine.execution.windows import Pace, Windows
from engine.model.calendar import DAYS, Calendar, Interval
from engine.model.runbook import Block, FanOut
from engine.model.window import Window

EASTERN = ZoneInfo("America/New_York")
EVENING = Window("evening", ("mon", "tue", "wed", "thu", "fri"), time(17), time(21), "America/New_York", "company")
NIGHT = Window("night", ("fri",), time(22), time(4), "America/New_York")
COMPANY = Calendar("company", "America/New_York", closed={date(2026, 11, 26): "Thanksgiving"})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=EASTERN)


@pytest.mark.parametrize(
    ("window", "now", "open_"),
    [
        (EVENING, "2026-11-23T16:59:59", False),
        (EVENING, "2026-11-23T17:00:00", True),
        (EVENING, "2026-11-23T20:59:59", True),
        (EVENING, "2026-11-23T21:00:00", False),
        (EVENING, "2026-11-22T18:00:00", False),
        (EVENING, "2026-11-26T18:00:00", False),
        (NIGHT, "2026-11-27T23:00:00", True),
        (NIGHT, "2026-11-28T03:59:00", True),
        (NIGHT, "2026-11-28T04:00:00", False),
        (NIGHT, "2026-11-27T03:00:00", False),
    ],
)
def test_a_window_opens_and_shuts_by_local_time(window: Window, now: str, open_: bool) -> None:
    """21:00 Eastern is 21:00 Eastern, and a window past midnight belongs to the day it opens on."""
    assert window.admits(at(now), COMPANY) is open_


def test_the_same_instant_in_another_zone_is_judged_alike() -> None:
    """The operator may sit anywhere."""
    now = at("2026-11-23T18:00:00").astimezone(ZoneInfo("Asia/Tokyo"))
    assert EVENING.admits(now, COMPANY)


def test_the_next_opening_skips_weekends_and_holidays() -> None:
    """After Wednesday evening before Thanksgiving comes Friday."""
    opening = EVENING.next_opening(at("2026-11-25T21:30:00"), COMPANY)
    assert opening == at("2026-11-27T17:00:00")


def test_a_lane_that_would_run_past_the_end_does_not_start() -> None:
    """Near the end, what would at the measured pace not finish waits for the next window."""
    block = Block("move", "phones", (), FanOut(), (), (), EVENING)
    windows = Windows({"company": COMPANY})
    slow = Pace()
    slow.add(lanes=10, took_s=1200.0)
    assert windows.may_start(block, at("2026-11-23T20:57:59"), slow)
    assert not windows.may_start(block, at("2026-11-23T20:58:01"), slow)
    assert Windows({"company": COMPANY}, ignored=True).may_start(block, at("2026-11-22T03:00:00"), slow)


def test_a_window_says_itself_in_words() -> None:
    """For plans and refusals."""
    assert EVENING.describe() == "mon-fri 17:00-21:00 America/New_York"


OFFICE = Calendar(
    "office", "America/New_York", {day: (Interval(480, 1020),) for day in DAYS[:5]}, {date(2026, 11, 26): "Thanksgiving"},
    {date(2026, 11, 26): (Interval(480, 720),), date(2026, 11, 28): (Interval(480, 720),)},
)
SATURDAY = Window("saturday", ("sat",), time(18), time(22), "America/New_York", "office")
SUNDAY = Window("sunday", ("sun",), time(18), time(22), "America/New_York", "office")


def test_a_window_opens_on_the_days_its_calendar_does() -> None:
    """The days, not the hours: work is done after business. An exceptional day outranks the holiday it falls on."""
    assert EVENING.admits(at("2026-11-26T18:00:00"), OFFICE)
    assert not SATURDAY.admits(at("2026-11-21T18:00:00"), OFFICE)
    assert SATURDAY.admits(at("2026-11-28T18:00:00"), OFFICE)
    assert SUNDAY.admits(at("2026-11-22T18:00:00"), COMPANY)


def test_a_window_knows_when_a_calendar_never_lets_it_open() -> None:
    """A calendar that gives no hours forbids no weekday."""
    assert not SUNDAY.can_open(OFFICE)
    assert SUNDAY.can_open(COMPANY) and SATURDAY.can_open(OFFICE) and EVENING.can_open(OFFICE)


def test_a_window_does_not_open_twice_when_the_clock_is_put_back() -> None:
    """From the first 01:15 to the first 01:45; the second time the clock shows 01:30 it is shut, whatever zone is asked in."""
    window = Window("early", ("sun",), time(1, 15), time(1, 45), "America/New_York")
    first = at("2026-11-01T01:30:00")
    assert window.admits(first)
    assert not window.admits(first.replace(fold=1))
    assert window.next_opening(first.replace(fold=1)) == at("2026-11-08T01:15:00")


def test_a_window_that_no_clock_shows_stays_shut_that_night() -> None:
    """The night the clock is put forward has no 02:30; a window that begins in the gap opens at its end."""
    gone = Window("gone", ("sun",), time(2), time(3), "America/New_York")
    cut = Window("cut", ("sun",), time(2, 30), time(4), "America/New_York")
    before = at("2026-03-08T00:00:00")
    assert gone.next_opening(before) == at("2026-03-15T02:00:00")
    assert cut.next_opening(before) == at("2026-03-08T03:00:00")


@pytest.mark.parametrize(("now", "notice"), [
    ("2026-11-25T18:00:00", ""),
    ("2026-11-26T18:00:00", ""),
    ("2026-11-27T21:30:00", "Mon 2026-11-30 is month end: one of the last 2 days of the month"),
    ("2026-11-30T18:00:00", "Mon 2026-11-30 is month end: one of the last 2 days of the month"),
    ("2026-11-30T21:30:00", ""),
])
def test_a_window_that_opens_next_in_a_month_end_is_told(now: str, notice: str) -> None:
    """By the calendar that the window keeps to; nothing is shut for it."""
    block = Block("move", "phones", (), FanOut(), (), (), EVENING)
    books = Calendar("company", "America/New_York", closed={date(2026, 11, 26): "Thanksgiving"}, month_end_days=2)
    assert Windows({"company": books}).notice_ahead(block, at(now)) == notice
    assert Windows({"company": COMPANY}).notice_ahead(block, at(now)) == ""
    assert Windows().notice_ahead(Block("move", "phones", (), FanOut(), (), ()), at(now)) == ""
