"""Fetches in the logs of real servers: tftpd-hpa, atftpd, nginx, JSON lines."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from engine.actions.phone.fetch_log import last_fetch_in, moment_of

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
NAME = "001565a1b2c3.cfg"
AT = "2026-01-15T09:30:00+00:00"


@pytest.mark.parametrize(
    ("line", "fetched"),
    [
        (f"2026-01-15T09:30:00.5+00:00 p in.tftpd[8]: RRQ from 10.0.0.5 filename {NAME}", "2026-01-15T09:30:00.500000+00:00"),
        (f"Jan 15 09:30:00 prov in.tftpd[812]: RRQ from 10.0.0.5 filename /{NAME} remapped to /srv/{NAME}", AT),
        (f"Jan  5 09:30:00 prov in.tftpd[812]: RRQ from ::ffff:10.0.0.5 filename {NAME}", "2026-01-05T09:30:00+00:00"),
        (f"Dec 31 23:59:59 prov in.tftpd[812]: RRQ from 10.0.0.5 filename {NAME}", "2025-12-31T23:59:59+00:00"),
        (f"Jan 15 09:30:00 prov atftpd[99]: Serving {NAME} to 10.0.0.5:49153", AT),
        (f'10.0.0.5 - - [15/Jan/2026:04:30:00 -0500] "GET /cfg/{NAME} HTTP/1.1" 200 2511 "-" "Yealink"', AT),
        (f'10.0.0.5 - - [15/Jan/2026:04:30:00 -0500] "GET /cfg/{NAME} HTTP/1.1" 304 0', AT),
        (f'{{"at": "{AT}", "kind": "read", "file": "{NAME}", "peer": "10.0.0.5:4", "ok": true}}', AT),
    ],
)  # fmt: skip
def test_a_fetch_is_found_in_every_form(line: str, fetched: str) -> None:
    """The time comes out aware, a year is filled in, zones are respected."""
    log = f"noise\n{line}\nmore noise\n".encode()
    assert last_fetch_in(log, [NAME], now=NOW) == datetime.fromisoformat(fetched)
    assert last_fetch_in(log, [NAME], now=NOW, ignore_from=("10.0.0.5", "::ffff:10.0.0.5")) is None


@pytest.mark.parametrize(
    "line",
    [
        f"Jan 15 09:30:00 prov in.tftpd[812]: WRQ from 10.0.0.9 filename {NAME}",
        f"Jan 15 09:30:00 prov in.tftpd[812]: sending NAK (1, File not found) to 10.0.0.5 for {NAME}",
        f"Jan 15 09:30:00 prov in.tftpd[812]: RRQ from 10.0.0.5 filename x{NAME}",
        f"Jan 15 09:30:00 prov in.tftpd[812]: RRQ from 10.0.0.5 filename {NAME}.bak",
        f'10.0.0.5 - - [15/Jan/2026:04:30:00 -0500] "GET /cfg/{NAME} HTTP/1.1" 404 153',
        f'10.0.0.5 - - [15/Jan/2026:04:30:00 -0500] "PUT /cfg/{NAME} HTTP/1.1" 200 0',
        f'{{"at": "{AT}", "kind": "write", "file": "{NAME}", "ok": true}}',
        f'{{"at": "{AT}", "kind": "read", "file": "{NAME}", "ok": false}}',
        f'{{"at": "{AT}", "kind": "read", "file": "{NAME}',
    ],
)
def test_what_is_no_fetch_of_this_file_does_not_count(line: str) -> None:
    """Uploads, refusals, other files with a similar name and half a line prove nothing."""
    assert last_fetch_in(line.encode() + b"\n", [NAME], now=NOW) is None


def test_the_last_fetch_wins_and_zones_of_bare_times_are_given() -> None:
    """Logs are in order of time; a syslog line carries no zone."""
    lines = [f"Jan 15 0{hour}:00:00 prov in.tftpd[1]: RRQ from 10.0.0.5 filename {NAME}" for hour in (3, 4, 5)]
    log = "\n".join(lines).encode()
    zone = ZoneInfo("America/New_York")
    assert last_fetch_in(log, [NAME], now=NOW, zone=zone) == datetime(2026, 1, 15, 5, tzinfo=zone)


def test_every_file_of_the_phone_has_to_be_fetched() -> None:
    """A Poly that got its master and not its settings has no configuration; otherwise the older of both counts."""
    settings, master = "64167f0a0b0c-settings.cfg", "64167f0a0b0c.cfg"
    first = f"2026-01-15T09:00:00+00:00 p in.tftpd[1]: RRQ from 10.0.0.6 filename {settings}\n"
    second = f"2026-01-15T10:00:00+00:00 p in.tftpd[1]: RRQ from 10.0.0.6 filename {master}\n"
    assert last_fetch_in(second.encode(), [settings, master], now=NOW) is None
    assert last_fetch_in((first + second).encode(), [settings, master], now=NOW) == datetime(2026, 1, 15, 9, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "never", "0000-00-00 00:00:00", "12:00"])
def test_what_is_no_time_is_none(text: str) -> None:
    """Platforms write all-zero dates for never."""
    assert moment_of(text) is None


def test_a_platforms_time_without_offset_is_utc() -> None:
    """As databases give it."""
    assert moment_of("2026-01-15 09:30:00") == datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
