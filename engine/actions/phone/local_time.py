"""Time zones as desk phones want them: an offset and a rule for summer time, not an IANA name.

The rule comes from the POSIX string at the end of each compiled zone file (RFC 9636), so that no table of zones is kept here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from pathlib import Path

from engine.model.errors import Permanent
from engine.model.values import dataclass

_NAME = r"(?:<[^>]+>|[A-Za-z]+)"
_OFFSET = r"[+-]?\d{1,2}(?::\d{2}){0,2}"
_RULE = r"M(\d+)\.(\d)\.(\d)(?:/([+-]?\d+)(?::(\d+))?(?::\d+)?)?"
_POSIX = re.compile(rf"({_NAME})({_OFFSET})(?:({_NAME})({_OFFSET})?,{_RULE},{_RULE})?")
_SYSTEM_ZONES = Path("/usr/share/zoneinfo")


@dataclass(frozen=True, slots=True)
class Switch:
    """When the clock is changed: the ``week``-th ``weekday`` of ``month`` at ``hour``:``minute`` local time.

    ``week`` 1 to 4, or 5 for the last one of the month. ``weekday`` as in POSIX: 0 is Sunday.
    """

    month: int
    week: int
    weekday: int
    hour: int
    minute: int

    @property
    def iso_weekday(self) -> int:
        """1 Monday to 7 Sunday."""
        return self.weekday or 7

    @property
    def from_day(self) -> int:
        """The first day of the month it can fall on; -1 for the last week."""
        return -1 if self.week == 5 else 7 * self.week - 6  # POSIX: week 5 is always the last


@dataclass(frozen=True, slots=True)
class LocalTime:
    """One zone. ``offset_s``: seconds east of Greenwich in winter; ``saving_s``: what summer time adds, 0 when there is none."""

    posix: str
    offset_s: int
    saving_s: int
    starts: Switch | None
    ends: Switch | None

    @property
    def hours(self) -> str:
        """The offset as people write it: ``-5``, ``+5:30``."""
        return f"{_sign(self.offset_s)}{abs(self.offset_s) // 3600}" + _minutes(self.offset_s)

    @property
    def gmt(self) -> str:
        """The offset as ``GMT-05:00``."""
        return f"GMT{_sign(self.offset_s)}{abs(self.offset_s) // 3600:02}:{abs(self.offset_s) // 60 % 60:02}"


@functools.lru_cache(maxsize=512)
def local_time_of(zone: str) -> LocalTime:
    """The rule of an IANA zone such as ``America/New_York``. Raises ``Permanent`` when there is no such zone."""
    posix = _footer(zone)
    match = _POSIX.fullmatch(posix)
    if match is None:
        raise Permanent(f"the time zone {zone} has a rule that phones cannot be told: {posix}")
    offset = -_seconds(match[2])
    if match[3] is None:
        return LocalTime(posix, offset, 0, None, None)
    summer = offset + 3600 if match[4] is None else -_seconds(match[4])
    starts, ends = _switch(match.group(5, 6, 7, 8, 9)), _switch(match.group(10, 11, 12, 13, 14))
    if summer < offset:  # Dublin's law makes winter the exception; phones know it only the usual way round
        return LocalTime(posix, summer, offset - summer, ends, starts)
    return LocalTime(posix, offset, summer - offset, starts, ends)


@functools.lru_cache(maxsize=512)
def clock_of(zone: str) -> Mapping[str, object]:
    """A zone for templates: ``hours`` (``-5``), ``gmt`` (``GMT-05:00``), ``posix``, ``offset_s``, ``saving_s`` (0: no summer
    time). Raises as ``local_time_of``.

    With summer time also ``starts`` and ``ends``, each with ``month``, ``week`` (5: last), ``weekday`` (0: Sunday),
    ``iso_weekday`` (7: Sunday), ``from_day`` (-1: last week), ``hour`` and ``minute``; and both together in a vendor's
    spelling: ``cisco`` for ``Daylight_Saving_Time_Rule``, ``snom`` for ``dst``.
    """
    clock = local_time_of(zone)
    found: dict[str, object] = {
        "hours": clock.hours, "gmt": clock.gmt, "posix": clock.posix, "offset_s": clock.offset_s, "saving_s": clock.saving_s,
    }
    if clock.starts is not None and clock.ends is not None:
        save = f"{clock.saving_s // 3600}:{clock.saving_s // 60 % 60}:0"
        found |= {
            "starts": _fields(clock.starts), "ends": _fields(clock.ends),
            "cisco": f"start={_cisco(clock.starts)};end={_cisco(clock.ends)};save={save}",
            "snom": f"{clock.saving_s} {_snom(clock.starts)} {_snom(clock.ends)}",
        }
    return found


def _fields(switch: Switch) -> dict[str, int]:
    return {**asdict(switch), "iso_weekday": switch.iso_weekday, "from_day": switch.from_day}


def _cisco(switch: Switch) -> str:
    """Month, day, weekday on or after that day, time (Cisco SPA and MPP provisioning guides)."""
    return f"{switch.month}/{switch.from_day}/{switch.iso_weekday}/{switch.hour}:{switch.minute}:0"


def _snom(switch: Switch) -> str:
    """Month, week and weekday, then the time (Snom wiki, setting ``dst``)."""
    return f"{switch.month:02}.{switch.week:02}.{switch.iso_weekday:02} {switch.hour:02}:{switch.minute:02}:00"


def _footer(zone: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", zone):
        raise Permanent(f"{zone!r} is not the name of a time zone, such as America/New_York")
    for content in (_packaged(zone), _installed(zone)):
        if content is not None and content.startswith(b"TZif"):
            return content.rstrip(b"\n").rsplit(b"\n", 1)[-1].decode("ascii")
    raise Permanent(f"there is no time zone {zone!r}; use an IANA name such as America/New_York")


def _packaged(zone: str) -> bytes | None:
    try:
        return resources.files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()
    except (OSError, ModuleNotFoundError):
        return None


def _installed(zone: str) -> bytes | None:
    try:
        return _SYSTEM_ZONES.joinpath(*zone.split("/")).read_bytes()
    except OSError:
        return None


def _seconds(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    parts = [int(part) for part in text.lstrip("+-").split(":")]
    return sign * sum(part * size for part, size in zip(parts, (3600, 60, 1), strict=False))


def _switch(parts: tuple[str | None, ...]) -> Switch:
    month, week, weekday = (int(part or 0) for part in parts[:3])
    # POSIX counts from midnight, past 24 or below 0 into the next or last day (Asia/Jerusalem, America/Nuuk): phones cannot.
    days, hour = divmod(2 if parts[3] is None else int(parts[3]), 24)
    return Switch(month, week, (weekday + days) % 7, hour, int(parts[4] or 0))


def _sign(seconds: int) -> str:
    return "-" if seconds < 0 else "+"


def _minutes(seconds: int) -> str:
    minutes = abs(seconds) // 60 % 60
    return f":{minutes:02}" if minutes else ""
