"""When work may start: weekly windows in a time zone, shut on the days a calendar closes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from engine.model.calendar import DAYS, Calendar, first_instant
from engine.model.values import dataclass


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
        # In UTC, because Python compares two times of one zone as if its clock had never been put back.
        instant = now.astimezone(UTC)
        day = now.astimezone(ZoneInfo(self.timezone)).date()
        for candidate in (day, day - timedelta(days=1)):
            opened = self._open_on(candidate, calendar)
            if opened is not None and opened[0] <= instant < opened[1]:
                return self._local(opened[1])
        return None

    def next_opening(self, now: datetime, calendar: Calendar | None = None) -> datetime | None:
        """The next time it opens after ``now``; None when not within a year."""
        instant = now.astimezone(UTC)
        day = now.astimezone(ZoneInfo(self.timezone)).date()
        for offset in range(367):
            opened = self._open_on(day + timedelta(days=offset), calendar)
            if opened is not None and opened[0] > instant:
                return self._local(opened[0])
        return None

    def can_open(self, calendar: Calendar) -> bool:
        """Whether any of its days is one that the calendar opens: not so for Saturdays and a calendar of Monday to Friday."""
        exceptions = (DAYS[day.weekday()] for day, hours in calendar.special.items() if hours)
        return any(calendar.admits_weekday(day) for day in self.days) or not set(self.days).isdisjoint(exceptions)

    def describe(self) -> str:
        """For people: ``mon-fri 17:00-21:00 America/New_York``."""
        return f"{_spell_days(self.days)} {self.opens:%H:%M}-{self.closes:%H:%M} {self.timezone}"

    def _open_on(self, day: date, calendar: Calendar | None) -> tuple[datetime, datetime] | None:
        """When it opens on ``day`` and closes again, in UTC; None when it stays shut."""
        if DAYS[day.weekday()] not in self.days or (calendar is not None and not calendar.admits_day(day)):
            return None
        until = day if self.closes > self.opens else day + timedelta(days=1)
        zone = ZoneInfo(self.timezone)
        opened = first_instant(datetime.combine(day, self.opens), zone)
        closed = first_instant(datetime.combine(until, self.closes), zone)
        return (opened, closed) if opened < closed else None

    def _local(self, at: datetime) -> datetime:
        return at.astimezone(ZoneInfo(self.timezone))


def _spell_days(days: tuple[str, ...]) -> str:
    indexes = sorted(DAYS.index(day) for day in days)
    if len(indexes) > 2 and indexes == list(range(indexes[0], indexes[-1] + 1)):
        return f"{DAYS[indexes[0]]}-{DAYS[indexes[-1]]}"
    return ",".join(DAYS[index] for index in indexes)
