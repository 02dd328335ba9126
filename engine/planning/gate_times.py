"""When gates end, and the month ends that they fall into."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from engine.model.calendar import Calendar, due_at
from engine.model.errors import Permanent
from engine.model.gate import Gate, Wait
from engine.model.inventory import Inventory

_MONTH = timedelta(days=31)
_DAY = timedelta(days=1)


def due_of(gate: Gate, texts: Mapping[str, str], now: datetime, inventory: Inventory) -> datetime | None:
    """When the time of a gate that opens now is over; None for none. Raises ``Permanent`` for a date that is none."""
    if isinstance(gate, Wait) and gate.until:
        return moment_of(texts["until"], inventory.timezone)
    within = gate.duration if isinstance(gate, Wait) and gate.duration is not None else gate.limits.within
    return None if within is None else due_at(now, within, inventory.calendars.get(gate.limits.calendar))


def notice_of(gate: Gate, now: datetime, due: datetime | None, inventory: Inventory) -> str:
    """What to tell of month ends while a gate is open; empty where its calendar names none."""
    calendar = inventory.calendars.get(gate.limits.calendar)
    return "" if calendar is None else month_end_in(calendar, now, due or now)


def month_end_in(calendar: Calendar, first: datetime, last: datetime) -> str:
    """The notice of the first day between two times that is month end; empty when none is."""
    at, end = first, min(last, first + _MONTH)
    while at < end:
        notice = calendar.month_end(at)
        if notice:
            return notice
        at += _DAY
    return calendar.month_end(max(first, end))


def moment_of(text: str, timezone: str) -> datetime:
    """A moment as a runbook writes it. Raises ``Permanent`` for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Permanent(
            f"it waits until {text!r}, which is no date and time: write 2026-12-01T09:00, with or without an offset"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=ZoneInfo(timezone))
