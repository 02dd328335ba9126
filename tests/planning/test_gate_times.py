"""Month ends that gates fall into, and where they are told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.model.calendar import Calendar
from engine.planning.gate_times import month_end_in

BOOKS = Calendar("books", "America/New_York", month_end_days=2)
NOTICE = "Sun 2026-11-29 is month end: one of the last 2 days of the month"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("first", "last", "notice"), [
    ("2026-11-23T18:00", "2026-11-27T18:00", ""),
    ("2026-11-23T18:00", "2026-11-29T06:00", NOTICE),
    ("2026-11-23T18:00", "2026-12-07T18:00", NOTICE),
    ("2026-11-29T18:00", "2026-11-29T18:00", NOTICE),
    ("2026-11-30T18:00", "2027-11-30T18:00", NOTICE.replace("Sun 2026-11-29", "Mon 2026-11-30")),
    ("2026-12-01T18:00", "2026-12-02T18:00", ""),
])
def test_the_first_month_end_between_two_times_is_told(first: str, last: str, notice: str) -> None:
    """Days are the calendar's own; a gate without a limit is looked at on the day it opens."""
    assert month_end_in(BOOKS, at(first), at(last)) == notice
