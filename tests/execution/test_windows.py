"""When work may start: time zones, holidays, midnight and the measured pace."""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from engine.execution.windows import Pace, Windows
from engine.model.runbook import Block, FanOut
from engine.model.window import Calendar, Window

EASTERN = ZoneInfo("America/New_York")
EVENING = Window("evening", ("mon", "tue", "wed", "thu", "fri"), time(17), time(21), "America/New_York", "company")
NIGHT = Window("night", ("fri",), time(22), time(4), "America/New_York")
COMPANY = Calendar("company", {date(2026, 11, 26): "Thanksgiving"})


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
