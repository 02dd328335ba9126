"""Calendars of an inventory: weekly hours, public holidays, and the customer's own closed and exceptional days."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, TypeVar

from engine.language.findings import Findings
from engine.language.open_hours import BadHoursError, intervals_of, weekdays_of
from engine.language.public_holidays import public_holidays, wanted_holidays
from engine.language.time_zones import is_time_zone, unknown_time_zone
from engine.model.calendar import Calendar, Interval, NeverOpen
from engine.model.source import DataPath, Document
from engine.model.values import dataclass

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
T = TypeVar("T")


def read_calendar(
    name: str, written: Mapping[str, object], document: Document, findings: Findings, today: date, timezone: str
) -> Calendar:
    """The calendar ``name`` as written in ``document``. Public holidays cover last year to two years after ``today``'s.

    ``timezone``: the inventory's, for a calendar that has none of its own. What is wrong is noted in ``findings``.
    """
    reader = _Reader(document, findings, ("calendars", name))
    wanted = wanted_holidays(written.get("holidays"), (*reader.at, "holidays"))
    closed = public_holidays(wanted, document, findings, today) if wanted is not None else {}
    own = reader.days("closed", written.get("closed"), str)
    special = reader.days("open", written.get("open"), intervals_of)
    reader.refuse_both(own, special)
    hours = reader.hours(written.get("hours"))
    month_end = written.get("month_end")
    zone = reader.zone(written.get("timezone")) or timezone
    days = month_end if isinstance(month_end, int) else 0
    try:
        return Calendar(name, zone, hours, closed | own, special, days)
    except NeverOpen as error:
        reader.note(("hours",), error.summary, error.detail, at_key=True)
        return Calendar(name, zone)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the parts of one calendar, each tolerating what the schema has complained about."""

    document: Document
    findings: Findings
    at: DataPath

    def zone(self, name: object) -> str:
        """Its own time zone; empty when it has none that can be used."""
        if not isinstance(name, str) or is_time_zone(name):
            return name if isinstance(name, str) else ""
        detail, hint = unknown_time_zone(name)
        self.note(("timezone",), "Unknown time zone", detail, hint)
        return ""

    def hours(self, week: object) -> Mapping[str, tuple[Interval, ...]] | None:
        """Its week; None when it gives none, or one that cannot be read."""
        if not isinstance(week, Mapping):
            return None
        read: dict[str, tuple[Interval, ...]] = {}
        taken: dict[str, str] = {}
        sound = True
        for key, value in week.items():
            path = ("hours", str(key))
            days = self._try(weekdays_of, str(key), path, at_key=True)
            parts = self._hours_at(value, path)
            sound = sound and days is not None and parts is not None
            for day in days or ():
                if day in taken:
                    detail = f"{day} stands in {taken[day]!r} already. Each day of the week gets its hours in one place."
                    self.note(path, "Duplicate day", detail, at_key=True)
                taken.setdefault(day, str(key))
                read[day] = parts or ()
        return read if sound else None

    def days(self, name: str, days: object, read: Callable[[Any], T]) -> dict[date, T]:
        """Day -> what is said of it, in a section such as ``closed``."""
        found: dict[date, T] = {}
        for written, value in days.items() if isinstance(days, Mapping) else ():
            path = (name, str(written))
            day = self._day(str(written), path)
            said = self._try(read, value, path) if _is_hours(value) or read is str else None
            if day is not None and said is not None:
                found[day] = said
        return found

    def refuse_both(self, closed: Mapping[date, object], special: Mapping[date, tuple[Interval, ...]]) -> None:
        """A day is closed or has exceptional hours, and those are some."""
        for day, parts in special.items():
            path = ("open", day.isoformat())
            if day in closed:
                detail = f"{day} stands in `closed` too. A half day stands in `open` alone, with the hours that are left."
                self.note(path, "Open and closed", detail, at_key=True)
            elif not parts:
                self.note(path, "No hours", f"{day} has no open hour here. A day off stands in `closed`, with its reason.")

    def note(self, path: DataPath, summary: str, detail: str, hint: str = "", *, at_key: bool = False) -> None:
        self.findings.add(self.document, (*self.at, *path), summary, detail, hint=hint, at_key=at_key)

    def _hours_at(self, value: object, path: DataPath) -> tuple[Interval, ...] | None:
        return self._try(intervals_of, value, path) if _is_hours(value) else None

    def _day(self, written: str, path: DataPath) -> date | None:
        try:
            return date.fromisoformat(written)
        except ValueError:
            if _DATE.match(written):  # else the schema has said how a day is written
                detail = f"{written!r} is no day of the calendar. Write year, month and day: 2026-12-24."
                self.note(path, "Invalid date", detail, at_key=True)
            return None

    def _try(self, read: Callable[[Any], T], value: object, path: DataPath, *, at_key: bool = False) -> T | None:
        try:
            return read(value)
        except BadHoursError as problem:
            self.note(path, problem.summary, problem.detail, problem.hint, at_key=at_key)
            return None


def _is_hours(value: object) -> bool:
    """Whether it has the form of hours; the schema has complained about anything else."""
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(part, str) for part in value))
