"""Names of time zones: whether there is one, and which was probably meant."""

from __future__ import annotations

import zoneinfo

from engine.language.nearest import did_you_mean, nearest


def is_time_zone(name: str) -> bool:
    """Whether the system, or the tzdata package, knows this IANA time zone."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def unknown_time_zone(name: str) -> tuple[str, str]:
    """What is wrong with a name that is no time zone's, and a hint."""
    known = zoneinfo.available_timezones()  # walks the whole database: only to suggest one
    detail = f"{name!r} is no time zone. Use an IANA name such as America/New_York; abbreviations are ambiguous."
    return detail, _hint(name, known)


def _hint(name: str, known: set[str]) -> str:
    hint = did_you_mean(name, known)
    if hint:
        return hint
    city = name.rpartition("/")[2].replace(" ", "_")
    ends = {zone.rpartition("/")[2]: zone for zone in sorted(known, reverse=True)}
    found = nearest(city, ends)
    return f"Did you mean {ends[found]!r}?" if found else ""
