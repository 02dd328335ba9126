"""Open hours as they are written in a calendar: ``mon-fri: "08:00-17:00"``, ``2026-12-24: "08:00-12:00"``.

Each reader raises ``BadHoursError``, with words for the person who wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from engine.language.nearest import did_you_mean
from engine.model.calendar import DAYS, Interval

_INTERVAL = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9]) ?- ?([01][0-9]|2[0-4]):([0-5][0-9])\Z", re.ASCII)


class BadHoursError(ValueError):
    """Hours, or days of the week, that cannot be: ``summary`` names the kind, ``detail`` says what to do."""

    def __init__(self, summary: str, detail: str, hint: str = "") -> None:
        super().__init__(detail)
        self.summary = summary
        self.detail = detail
        self.hint = hint


def intervals_of(written: object) -> tuple[Interval, ...]:
    """The open hours of a day: one interval, or a list of them. An empty list is a day that is closed."""
    texts = written if isinstance(written, list) else [written]
    parts = sorted(_interval(str(text)) for text in texts)
    for earlier, later in pairwise(parts):
        if later.opens < earlier.closes:
            detail = f"{earlier} and {later} overlap. Write them as one, or correct one of them."
            raise BadHoursError("Overlapping hours", detail)
    return tuple(parts)


def weekdays_of(written: str) -> tuple[str, ...]:
    """The days a key stands for: ``sat``, ``mon-fri``, ``tue,thu``, ``fri-mon``."""
    return tuple(dict.fromkeys(day for part in written.split(",") for day in _span(part.strip().lower())))


def _interval(text: str) -> Interval:
    match = _INTERVAL.match(text.strip())
    if match is None:
        detail = f"{text!r} are no open hours. Write when it opens and closes, from 00:00 to 24:00: \"08:00-17:00\"."
        raise BadHoursError("Invalid hours", detail)
    opens, closes = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if closes <= opens:
        detail = f"{text} end before they begin. Past midnight, write two entries: until 24:00, and from 00:00 on the next day."
        raise BadHoursError("Invalid hours", detail)
    try:
        return Interval(opens, closes)
    except ValueError:
        raise BadHoursError("Invalid hours", f"{text} go past the end of the day, which is 24:00.") from None


def _span(part: str) -> Iterator[str]:
    first, dash, last = (piece.strip() for piece in part.partition("-"))
    begin, end = _weekday(first), _weekday(last if dash else first)
    yield from (DAYS[(begin + step) % len(DAYS)] for step in range((end - begin) % len(DAYS) + 1))


def _weekday(name: str) -> int:
    if name not in DAYS:
        detail = f"{name!r} is no day of the week. The days are {', '.join(DAYS)}; several are written mon-fri or tue,thu."
        raise BadHoursError("Unknown day", detail, did_you_mean(name, DAYS))
    return DAYS.index(name)
