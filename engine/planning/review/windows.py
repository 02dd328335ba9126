"""When work may start: hours and days that are new, and holidays a window now opens on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta

from engine.language.time_zones import is_time_zone
from engine.model.calendar import DAYS, Calendar
from engine.model.review import Risk
from engine.model.runbook import Runbook
from engine.model.source import DataPath
from engine.model.values import dataclass
from engine.model.window import Window
from engine.planning.review.pairing import Pairing
from engine.planning.review.verdict import Verdict, listed

Calendars = Mapping[str, Calendar]
_AHEAD = 366
"""Days that are looked ahead for holidays."""
_STEP = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Kept:
    """A window that blocks kept to, and the one they keep to now; ``blocks``: addresses on the new side."""

    old: Window | None
    new: Window | None
    blocks: tuple[str, ...]
    path: DataPath
    """Where the first of them stands."""


@dataclass(frozen=True, slots=True)
class Days:
    """Calendars of either side, when there is an inventory, and the day that is looked ahead from."""

    old: Calendars | None
    new: Calendars | None
    today: date


def windows_kept(pairing: Pairing) -> Iterator[Kept]:
    """Each change of a window once, with the blocks it holds for."""
    found: dict[tuple[Window | None, Window | None], dict[str, DataPath]] = {}
    for pair in pairing.pairs:
        then, now = pair.old.block.window, pair.new.block.window
        if then is not None or now is not None:
            found.setdefault((then, now), {}).setdefault(pair.new.block.address, pair.new.block.path)
    for (then, now), blocks in found.items():
        yield Kept(then, now, tuple(blocks), next(iter(blocks.values())))


def compare_window(kept: Kept, days: Days) -> Iterator[Verdict]:
    """What changed about it."""
    then, now = kept.old, kept.new
    before, after = _described(then), _described(now)
    if then == now:  # what its calendar opens is told of the calendar
        return
    onto = _onto_holidays(then, now, days)
    if onto:
        named = listed([f"{day:%A} {day} ({why})" for day, why in onto], 4)
        yield Verdict(Risk.WINDOW, "window-onto-holiday", f"window moved onto a holiday: it opens on {named}", before, after)
    else:
        yield _otherwise(then, now, before, after)


def _otherwise(then: Window | None, now: Window | None, before: str, after: str) -> Verdict:
    if now is None:
        return Verdict(Risk.WINDOW, "window-removed", "may start at any time: its window is gone", before, after)
    if then is None:
        return Verdict(Risk.SAFER, "window-added", f"starts only {after}", before, after)
    more, less = _opens_more(then, now), _opens_more(now, then)
    if then.calendar is not None and now.calendar is None:
        reason = f"its window opens on days that calendar {then.calendar} closes"
        return Verdict(Risk.WINDOW, "window-widened", reason, before, after)
    if then.calendar != now.calendar and then.calendar is not None:
        reason = f"its window goes by calendar {now.calendar} instead of {then.calendar}"
        return Verdict(Risk.WINDOW, "window-moved", reason, before, after)
    if more:
        verb = "moved" if less else "widened"
        return Verdict(Risk.WINDOW, f"window-{verb}", f"window {verb}: it opens at times at which it was shut", before, after)
    if less or then.calendar != now.calendar:
        return Verdict(Risk.SAFER, "window-narrowed", "window narrowed", before, after)
    return Verdict(Risk.WORDING, "window-renamed", f"its window is called {now.name} instead of {then.name}", before, after)


def _described(window: Window | None) -> str:
    if window is None:
        return "none"
    return f"{window.describe()}{f', calendar {window.calendar}' if window.calendar else ''}"


def _opens_more(then: Window, now: Window) -> bool:
    """Whether there is a time of the week, in summer or winter, at which the new one is open and the old one shut."""
    if then.timezone == now.timezone:
        return not _minutes(now) <= _minutes(then)
    if not (is_time_zone(then.timezone) and is_time_zone(now.timezone)):  # an error of that side, which is told as such
        return True
    for start in (datetime(2026, 1, 12, tzinfo=UTC), datetime(2026, 7, 13, tzinfo=UTC)):
        times = (start + n * _STEP for n in range(8 * 96))
        if any(now.admits(at) and not then.admits(at) for at in times):
            return True
    return False


def _minutes(window: Window) -> frozenset[int]:
    """Minutes of the week, from Monday on."""
    opens, closes = (at.hour * 60 + at.minute for at in (window.opens, window.closes))
    length = closes - opens if closes > opens else closes + 1440 - opens
    starts = [DAYS.index(day) * 1440 + opens for day in window.days]
    return frozenset((start + minute) % 10080 for start in starts for minute in range(length))


def _onto_holidays(then: Window | None, now: Window | None, days: Days) -> list[tuple[date, str]]:
    """Days that a calendar of the inventory closes, that the new window opens on, and the old one did not."""
    if now is None or days.new is None:
        return []
    closed = {day: why for calendar in days.new.values() for day, why in calendar.closed.items() if day not in calendar.special}
    for calendar in (days.old or {}).values():
        closed = {**calendar.closed, **closed}
    ahead = [days.today + timedelta(days=n) for n in range(_AHEAD)]
    return [
        (day, closed[day]) for day in ahead
        if day in closed and _touches(now, day, days.new) and (then is None or not _touches(then, day, days.old or {}))
        and then is not None
    ]


def _touches(window: Window, day: date, calendars: Calendars) -> bool:
    """Whether the window is open at any time of a day by its own clock, also when it opened the day before."""
    past_midnight = window.closes <= window.opens
    opens = _opens_on(window, day, calendars)
    return opens or (past_midnight and window.closes.hour + window.closes.minute > 0
                     and _opens_on(window, day - timedelta(days=1), calendars))


def _opens_on(window: Window, day: date, calendars: Calendars) -> bool:
    calendar = calendars.get(window.calendar or "")
    return DAYS[day.weekday()] in window.days and (calendar is None or calendar.admits_day(day))


def is_used(runbook: Runbook, calendar: str) -> bool:
    """Whether a window or a gate of the runbook goes by a calendar."""
    windows = any(block.window is not None and block.window.calendar == calendar for block in runbook.every_block())
    return windows or any(
        step.gate is not None and step.gate.limits.calendar == calendar for step in runbook.every_step()
    )
