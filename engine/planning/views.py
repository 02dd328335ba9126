"""What templates see of an inventory beside its items: whole collections, and what its calendars reckon.

Nothing here reads a clock: a calendar reckons from a time it is given, so the same run has the same dates however often it is
taken up again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from engine.language.durations import duration_of
from engine.model.calendar import Calendar, due_at
from engine.model.inventory import Collection, Inventory
from engine.model.values import dataclass


class Collections(Mapping[str, list[Mapping[str, object]]]):
    """``collections.NAME`` in a template: the fields of each of its items, in order. Secret fields are left out, as a list has no
    item whose secrets would be masked in what is shown."""

    def __init__(self, inventory: Inventory) -> None:
        self._collections = inventory.collections

    def __getitem__(self, name: str) -> list[Mapping[str, object]]:
        return _rows(self._collections[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._collections)

    def __len__(self) -> int:
        return len(self._collections)


def _rows(collection: Collection) -> list[Mapping[str, object]]:
    secret = collection.secret_fields
    if not secret:
        return [item.fields for item in collection.items]
    return [{name: value for name, value in item.fields.items() if name not in secret} for item in collection.items]


@dataclass(frozen=True, slots=True)
class CalendarView:
    """``calendars.NAME`` in a template. Times are given and come out as ISO 8601 text with an offset."""

    calendar: Calendar

    def after(self, moment: object, span: object) -> str:
        """When so much time is over, counted from ``moment``: ``calendars.company.after(run.started_at, '2 business days')``.
        Raises ``ValueError`` for what is no time or no duration."""
        due = due_at(_moment(moment), duration_of(str(span)), self.calendar)
        return due.astimezone(self.calendar.zone).isoformat(timespec="minutes")

    def local(self, moment: object) -> str:
        """The same instant by this calendar's clock. Raises ``ValueError`` for what is no time."""
        return _moment(moment).astimezone(self.calendar.zone).isoformat(timespec="minutes")

    def month_end(self, moment: object, span: object = "0s") -> str:
        """A notice when that day, or an open day until ``span`` is over, is month end by this calendar; else empty. Raises
        ``ValueError`` as ``after`` does."""
        first, last = _moment(moment), _moment(self.after(moment, span))
        days = [first + timedelta(days=count) for count in range((last - first).days + 1)]
        between = [day for day in days[1:] if self.calendar.hours_on(day.astimezone(self.calendar.zone).date())]
        return next((notice for day in (first, *between, last) if (notice := self.calendar.month_end(day))), "")


def calendars_of(inventory: Inventory) -> Mapping[str, CalendarView]:
    """Every calendar by name, and likewise with underscores where its name has hyphens, as templates need."""
    views = {name: CalendarView(calendar) for name, calendar in inventory.calendars.items()}
    return {**{name.replace("-", "_"): view for name, view in views.items()}, **views}


def _moment(written: object) -> datetime:
    try:
        found = datetime.fromisoformat(str(written))
    except ValueError:
        raise ValueError(f"{written!r} is no time: give one such as 2026-11-02T09:00-06:00, or run.started_at") from None
    if found.tzinfo is None:
        raise ValueError(f"{written!r} says no time zone, so nobody can tell when that is: add its offset")
    return found
