"""Lengths of time as they are written in runbooks and inventories."""

from __future__ import annotations

import re

from engine.model.duration import UNIT_WORDS, Duration, Unit

_AMOUNT = r"([0-9]+(?:\.[0-9]+)?)"
_SHORT = re.compile(rf"{_AMOUNT}(ms|s|m|h|d)\Z", re.ASCII)
_WORDS = re.compile(rf"{_AMOUNT} (business )?(second|minute|hour|day)s?\Z", re.ASCII)
_UNITS: dict[str, Unit] = {word: unit for unit, word in UNIT_WORDS.items()} | {unit: unit for unit in UNIT_WORDS}


def duration_of(written: str | float) -> Duration:
    """``30s``, ``15m``, ``4h``, ``2d``, ``500ms``, ``4 hours``, ``2 business days``, or a number of seconds.

    Raises ``ValueError``, with a sentence for the person who wrote it, for anything else.
    """
    if isinstance(written, int | float):
        return Duration(float(written), "s")
    short, words = _SHORT.match(written), _WORDS.match(written)
    if short is not None and short[2] == "ms":
        return Duration(float(short[1]) / 1000, "s")
    if short is not None:
        return Duration(float(short[1]), _UNITS[short[2]])
    if words is not None:
        return Duration(float(words[1]), _UNITS[words[3]], business=words[2] is not None)
    raise ValueError(
        f"{written!r} is not a duration: write 500ms, 30s, 15m, 4h, 2d, 4 hours, 2 business days, or a number of seconds"
    )


def seconds_of(written: str | float) -> float:
    """The seconds of a duration that a machine waits. Raises ``ValueError`` for what is none, and for business time."""
    duration = duration_of(written)
    if duration.business:
        raise ValueError(f"{written!r} is business time, which no machine waits for: write 30s, 4h or 2d")
    return duration.seconds
