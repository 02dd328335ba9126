"""Calendars of an inventory: public holidays worked out for the years around a run, and the customer's own days."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from engine.language.findings import Findings
from engine.language.nearest import did_you_mean
from engine.model.calendar import Calendar
from engine.model.source import DataPath, Document

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_YEARS_BACK, _YEARS_AHEAD = 1, 2
"""A run lasts months at most; the year before is for reports."""


def read_calendar(
    name: str, written: Mapping[str, object], document: Document, findings: Findings, today: date, timezone: str
) -> Calendar:
    """The calendar ``name`` as written in ``document``. Public holidays cover last year to two years after ``today``'s."""
    at: DataPath = ("calendars", name)
    closed: dict[date, str] = {}
    country = written.get("holidays")
    if isinstance(country, str):
        closed.update(_public_holidays(country, document, (*at, "holidays"), findings, today))
    own = written.get("closed")
    if isinstance(own, Mapping):
        closed.update(_own_days(own, document, (*at, "closed"), findings))
    return Calendar(name, timezone, closed=closed)


def _own_days(days: Mapping[object, object], document: Document, at: DataPath, findings: Findings) -> dict[date, str]:
    closed = {}
    for day, why in days.items():
        try:
            closed[date.fromisoformat(str(day))] = str(why)
        except ValueError:
            if not _DATE.match(str(day)):
                continue  # the schema has said how a day is written
            detail = f"{str(day)!r} is no day of the calendar. Write year, month and day: 2026-12-24."
            findings.add(document, (*at, str(day)), "Invalid date", detail, at_key=True)
    return closed


def _public_holidays(code: str, document: Document, at: DataPath, findings: Findings, today: date) -> dict[date, str]:
    import holidays  # noqa: PLC0415  # only calendars that name a country need it

    supported = {name: regions for name, regions in holidays.list_supported_countries().items() if len(name) == 2}
    country, _, region = code.partition("-")
    if country not in supported:
        detail = f"No public holidays are known for the country {country!r}. Use its two-letter code, such as US."
        findings.add(document, at, "Unknown country", detail, hint=did_you_mean(country, supported))
        return {}
    if region and region not in supported[country]:
        detail = f"{country} has no region {region!r}. Its regions are {', '.join(supported[country]) or 'not known'}."
        findings.add(document, at, "Unknown region", detail)
        return {}
    years = range(today.year - _YEARS_BACK, today.year + _YEARS_AHEAD + 1)
    return dict(holidays.country_holidays(country, subdiv=region or None, years=years))
