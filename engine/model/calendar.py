"""When a customer is open: weekly hours, holidays, exceptional days, and the arithmetic of business time.

Hours are what a clock on the wall shows; everything is worked out in UTC between instants. Where the clock is put forward, an
interval loses the part that no clock shows; where it is put back, an interval begins when the clock first shows its opening
and ends when it first shows its closing. Every result is in UTC: two times of one zone are compared by Python as if the clock
had never been put back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from engine.model.duration import UNIT_S, Duration
from engine.model.errors import SwitchoverError
from engine.model.values import dataclass

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT = 24 * 60
"""Minutes of a day; as a closing time, midnight at its end."""
HORIZON = timedelta(days=731)
"""How far the next open hour is looked for: two years, a leap day included."""
_DAY = timedelta(days=1)

Stretch = tuple[datetime, datetime]
"""Open from the first instant until the second, which is no longer part of it. UTC."""


class NeverOpen(SwitchoverError):
    """A calendar that has no open hour, or none within two years, was asked for one."""


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """Open hours of one day: from ``opens`` until ``closes``, minutes since midnight by the clock on the wall."""

    opens: int
    closes: int

    def __post_init__(self) -> None:
        if not 0 <= self.opens < self.closes <= MIDNIGHT:
            raise ValueError(f"{self} is no part of a day: it must begin at 00:00 or later and end after that, by 24:00")

    def __str__(self) -> str:
        return "-".join(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in (self.opens, self.closes))


BUSINESS_HOURS: Mapping[str, tuple[Interval, ...]] = {day: (Interval(8 * 60, 17 * 60),) for day in DAYS[:5]}
"""What counts as business time where a calendar does not say: Monday to Friday, eight to five."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a customer is open. A day of ``special`` has the hours given there, whatever else is said of it; a day of
    ``closed`` has none; any other has its weekday's.

    Raises ``NeverOpen`` when neither the week nor a special day has an open hour.
    """

    name: str
    timezone: str
    hours: Mapping[str, tuple[Interval, ...]] | None = None
    """Weekday (``mon``) -> its open hours; a weekday that is not there has none. None: ``BUSINESS_HOURS``."""
    closed: Mapping[date, str] = field(default_factory=dict)
    """Day -> why it is closed: public holidays already worked out, and the customer's own days."""
    special: Mapping[date, tuple[Interval, ...]] = field(default_factory=dict)
    """Day -> its exceptional hours: half days, and days that are open although the week or a holiday says otherwise."""
    month_end_days: int = 0
    """How many last days of a month count as month end; 0: nobody is told."""

    def __post_init__(self) -> None:
        if not any(self.weekly.values()) and not any(self.special.values()):
            raise NeverOpen(
                f"Calendar '{self.name}' has no open hour",
                "No weekday and no exceptional day of it is ever open, so no business time passes. Give a weekday `hours`.",
            )

    @property
    def zone(self) -> ZoneInfo:
        """Where its clock hangs."""
        return ZoneInfo(self.timezone)

    @property
    def weekly(self) -> Mapping[str, tuple[Interval, ...]]:
        """Open hours by weekday."""
        return BUSINESS_HOURS if self.hours is None else self.hours

    def hours_on(self, day: date) -> tuple[Interval, ...]:
        """The open hours of a day, as the clock shows them; empty when it is closed."""
        if day in self.special:
            return self.special[day]
        return () if day in self.closed else self.weekly.get(DAYS[day.weekday()], ())

    def admits_weekday(self, weekday: str) -> bool:
        """Whether windows may open on this day of the week. A calendar that gives no hours leaves all seven to them:
        that business is done from Monday to Friday must not forbid a cutover on Sunday."""
        return self.hours is None or bool(self.hours.get(weekday))

    def admits_day(self, day: date) -> bool:
        """Whether windows may open on this day."""
        if day in self.special:
            return bool(self.special[day])
        return day not in self.closed and self.admits_weekday(DAYS[day.weekday()])

    def stretches_on(self, day: date) -> tuple[Stretch, ...]:
        """The open hours of a day as instants, in order, those that touch joined."""
        zone, midnight = self.zone, datetime.combine(day, time())

        def instant(minutes: int) -> datetime:
            return first_instant(midnight + timedelta(minutes=minutes), zone)

        return _joined((instant(part.opens), instant(part.closes)) for part in self.hours_on(day))

    def is_open(self, at: datetime) -> bool:
        """Whether ``at`` is business time."""
        now = _utc(at)
        return any(start <= now < end for day in self._days_around(now) for start, end in self.stretches_on(day))

    def next_open(self, at: datetime) -> datetime | None:
        """The first open instant from ``at`` on: itself when it is open, None when there is none within two years."""
        now = _utc(at)
        start = next((start for start, _ in self._ahead(now)), None)
        return None if start is None else max(start, now)

    def closes(self, at: datetime) -> datetime | None:
        """When the open time that ``at`` falls in ends. None when it is closed then, or does not close within two years."""
        now, end = _utc(at), None
        for start, until in self._ahead(now):
            if start > (end or now):
                break
            if until - now > HORIZON:
                return None
            end = until
        return end

    def add(self, at: datetime, seconds: float) -> datetime:
        """The first instant by which so many seconds of business time have passed since ``at``; ``at`` itself for none.

        Raises ``ValueError`` for a negative number and ``NeverOpen`` when two years pass without an open hour.
        """
        if seconds < 0:
            raise ValueError(f"business time only goes forward: {seconds} seconds cannot be added")
        now, left = _utc(at), timedelta(seconds=seconds)
        if not left:
            return now
        for start, end in self._ahead(now):
            begins = max(start, now)
            if end - begins >= left:
                return begins + left
            left -= end - begins
        raise self._never_open_after(now)

    def add_days(self, at: datetime, days: int) -> datetime:
        """The same time of day, ``days`` business days later; ``at`` itself for none.

        The first business day after the day of ``at`` is the first that counts, whether that day was one or not. A time
        outside the hours of the day arrived at becomes the next time it is open on it, or else its closing time.
        Raises ``ValueError`` for a negative number and ``NeverOpen`` when two years pass without an open day.
        """
        if days < 0:
            raise ValueError(f"business days only go forward: {days} cannot be added")
        now = _utc(at)
        if not days:
            return now
        local = now.astimezone(self.zone)
        day = self._open_day_after(local.date(), days)
        wanted = first_instant(datetime.combine(day, local.time()), self.zone)
        return _clipped(wanted, self.stretches_on(day))

    def between(self, first: datetime, last: datetime) -> float:
        """Seconds of business time from one instant to another; negative when the second comes before the first."""
        if _utc(last) < _utc(first):
            return -self.between(last, first)
        return sum((end - start).total_seconds() for start, end in self.intervals(first, last))

    def intervals(self, first: datetime, last: datetime) -> tuple[Stretch, ...]:
        """The open time between two instants, in order, cut off at both."""
        begin, end = _utc(first), _utc(last)
        found: list[Stretch] = []
        for start, until in self._ahead(begin):
            if start >= end:
                break
            found.append((max(start, begin), min(until, end)))
        return _joined(found)

    def month_end(self, at: datetime) -> str:
        """A notice when the day of ``at`` counts as month end, when a customer's books are closed; else empty."""
        day = _utc(at).astimezone(self.zone).date()
        next_month = (day.replace(day=1) + 31 * _DAY).replace(day=1)
        if (next_month - day).days > self.month_end_days:
            return ""
        which = "the last day" if self.month_end_days == 1 else f"one of the last {self.month_end_days} days"
        return f"{day:%a} {day} is month end: {which} of the month"

    def _ahead(self, now: datetime) -> Iterator[Stretch]:
        """Every stretch that ends after ``now``, day by day, for as long as one comes within two years of the last."""
        day = latest = _shown(now, self.zone).date() - _DAY
        while day - latest <= HORIZON:
            for start, end in self.stretches_on(day):
                if end > now:
                    latest = day
                    yield start, end
            day += _DAY

    def _days_around(self, now: datetime) -> tuple[date, ...]:
        # Where the clock is put back at midnight, the evening that comes twice belongs to two days.
        day = _shown(now, self.zone).date()
        return (day - _DAY, day, day + _DAY)

    def _open_day_after(self, day: date, count: int) -> date:
        latest, begin = day, day
        while count:
            day += _DAY
            if self.stretches_on(day):
                latest, count = day, count - 1
            elif day - latest > HORIZON:
                raise self._never_open_after(first_instant(datetime.combine(begin, time()), self.zone))
        return day

    def _never_open_after(self, now: datetime) -> NeverOpen:
        return NeverOpen(
            f"Calendar '{self.name}' has no open hour",
            f"Counting from {now.astimezone(self.zone):%Y-%m-%d %H:%M %Z}, two years pass without one. Look at the days its "
            "`closed` and `holidays` take from it.",
        )


def first_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant, in UTC, at which a clock of ``zone`` shows ``wall`` or later.

    For a time that the clock shows twice that is the first; for one it never shows, the moment the clock is put forward.
    """
    early, late = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if early == late or _shown(early, zone) >= wall:
        return early
    early = early.replace(microsecond=0)
    low, high = 0, int((late - early).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _shown(early + timedelta(seconds=middle), zone) >= wall else (middle, high)
    return early + timedelta(seconds=high)


def due_at(start: datetime, duration: Duration, calendar: Calendar | None) -> datetime:
    """When ``duration`` from ``start`` on is over, in UTC.

    Business time needs a calendar. Days that are not business days end at the same time of day by the calendar's clock;
    without a calendar they have 24 hours. Raises ``ValueError`` for business time without a calendar.
    """
    begin = _utc(start)
    if duration.business and calendar is None:
        raise ValueError(f"{duration} cannot be counted without a calendar: name one, or leave out 'business'")
    if calendar is None or (not duration.business and duration.unit != "d"):
        return begin + timedelta(seconds=duration.seconds)
    if duration.counts_business_days:
        return calendar.add_days(begin, int(duration.amount))
    if duration.business:
        return calendar.add(begin, duration.seconds)
    return _days_later(begin, duration.amount, calendar.zone)


def _days_later(begin: datetime, days: float, zone: ZoneInfo) -> datetime:
    whole = int(days)
    rest = timedelta(seconds=(days - whole) * UNIT_S["d"])
    # A time that the clock shows twice would come out as its first: on the day itself nothing is to be looked up.
    return rest + (first_instant(_shown(begin, zone) + whole * _DAY, zone) if whole else begin)


def _clipped(wanted: datetime, stretches: tuple[Stretch, ...]) -> datetime:
    for start, end in stretches:
        if wanted <= end:
            return max(wanted, start)
    return stretches[-1][1]


def _joined(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    joined: list[Stretch] = []
    for start, end in sorted(stretches):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif start < end:
            joined.append((start, end))
    return tuple(joined)


def _shown(at: datetime, zone: ZoneInfo) -> datetime:
    """What the clock on the wall shows, as a time without a zone."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at} says no time zone, so nobody can tell when that is")
    return at.astimezone(UTC)
