"""When work may start: weekly windows in a time zone, and days a calendar closes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days on which no work starts: public holidays already worked out, and the customer's own days."""

    name: str
    closed: Mapping[date, str]
    """Day -> why it is closed."""


@dataclass(frozen=True, slots=True)
class Window:
    """Work may start on ``days`` from ``opens`` until ``closes``, local time of ``timezone``.

    A window that closes at or before it opens runs past midnight and belongs to the day it opens on.
    """

    name: str
    days: tuple[str, ...]
    opens: time
    closes: time
    timezone: str
    calendar: str | None = None

    def admits(self, now: datetime, calendar: Calendar | None = None) -> bool:
        """Whether work may start at ``now`` (an aware datetime)."""
        return self.closing(now, calendar) is not None

    def closing(self, now: datetime, calendar: Calendar | None = None) -> datetime | None:
        """When the window that ``now`` falls in closes; None when it is shut."""
        local = now.astimezone(ZoneInfo(self.timezone))
        for day in (local.date(), local.date() - timedelta(days=1)):
            opened = self._opening_on(day, calendar)
            if opened is not None and opened <= now < self._closing_of(opened):
                return self._closing_of(opened)
        return None

    def next_opening(self, now: datetime, calendar: Calendar | None = None) -> datetime | None:
        """The next time it opens after ``now``; None when not within a year."""
        day = now.astimezone(ZoneInfo(self.timezone)).date()
        for offset in range(367):
            opened = self._opening_on(day + timedelta(days=offset), calendar)
            if opened is not None and opened > now:
                return opened
        return None

    def describe(self) -> str:
        """For people: ``mon-fri 17:00-21:00 America/New_York``."""
        return f"{_spell_days(self.days)} {self.opens:%H:%M}-{self.closes:%H:%M} {self.timezone}"

    def _opening_on(self, day: date, calendar: Calendar | None) -> datetime | None:
        if DAYS[day.weekday()] not in self.days or (calendar is not None and day in calendar.closed):
            return None
        return datetime.combine(day, self.opens, ZoneInfo(self.timezone))

    def _closing_of(self, opened: datetime) -> datetime:
        day = opened.date() if self.closes > self.opens else opened.date() + timedelta(days=1)
        return datetime.combine(day, self.closes, ZoneInfo(self.timezone))


def _spell_days(days: tuple[str, ...]) -> str:
    indexes = sorted(DAYS.index(day) for day in days)
    if len(indexes) > 2 and indexes == list(range(indexes[0], indexes[-1] + 1)):
        return f"{DAYS[indexes[0]]}-{DAYS[indexes[-1]]}"
    return ",".join(DAYS[index] for index in indexes)
