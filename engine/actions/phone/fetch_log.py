"""Who fetched a phone's file, and when, out of a provisioning server's log.

Three forms are read, line by line: syslog lines of tftpd-hpa and atftpd (``RRQ from 10.0.0.5 filename ...``), access logs of
web servers (common or combined form), and JSON lines with a time. Only fetches count: an upload of the same file is not
one, and neither is a read by an address the caller wants left out, such as this machine reading back what it wrote.

The log is searched from its end, because logs are long and the answer is near the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta, tzinfo

_TFTP = re.compile(r"(?P<when>^\S+(?: +\d+ \d\d:\d\d:\d\d)?) .*?\bRRQ from (?P<client>[0-9A-Fa-f.:]+) filename ")
_ATFTP = re.compile(r"(?P<when>^\S+(?: +\d+ \d\d:\d\d:\d\d)?) .*?\bServing .* to (?P<client>[0-9A-Fa-f.]+):\d+")
_WEB = re.compile(r"""^(?P<client>\S+) .*?\[(?P<when>[^\]]+)\] "(?:GET|HEAD) [^"]*" (?:200|206|304)\b""")
_SYSLOG_TIME = "%Y %b %d %H:%M:%S"
_WEB_TIME = "%d/%b/%Y:%H:%M:%S %z"
_TIME_KEYS = ("at", "time", "timestamp", "@timestamp", "ts")
_CLIENT_KEYS = ("client", "peer", "remote", "remote_addr", "from")
_NAME_EDGE = re.compile(rb"[A-Za-z0-9._-]")


def last_fetch_in(
    log: bytes, names: Collection[str], *, ignore_from: Collection[str] = (), zone: tzinfo = UTC, now: datetime,
) -> datetime | None:
    """Since when each of the files has been fetched: the last fetch of the one that was fetched longest ago.

    None when one of them never was, as far as the log goes: a phone that got its boot file and not its settings has nothing.
    ``names`` are bare file names. ``zone`` is for log lines that carry none; ``now`` for those without a year.
    """
    found = [_newest(log, name.encode(), ignore_from, zone, now) for name in names]
    return min((moment for moment in found if moment), default=None) if all(found) else None


def moment_of(text: str, zone: tzinfo = UTC) -> datetime | None:
    """A time as platforms and logs write it, ISO 8601 or with a blank, aware; None when it is none.

    Without an offset it is taken to be in ``zone``. All-zero dates, which databases use for never, are None.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _newest(log: bytes, name: bytes, ignore_from: Collection[str], zone: tzinfo, now: datetime) -> datetime | None:
    """The newest fetch of one file, if any: lines are in the order of time."""
    for line in _lines_with(log, name):
        fetch = _fetch_of(line.decode("utf-8", "replace"), zone, now)
        if fetch is not None and fetch[1] not in ignore_from:
            return fetch[0]
    return None


def _lines_with(log: bytes, name: bytes) -> Iterator[bytes]:
    """Lines that hold the whole file name, the last one first."""
    end = len(log)
    while (at := log.rfind(name, 0, end)) >= 0:
        start = log.rfind(b"\n", 0, at) + 1
        stop = log.find(b"\n", at)
        line = log[start : stop if stop >= 0 else len(log)]
        before, after = log[max(at - 1, 0) : at], log[at + len(name) : at + len(name) + 1]
        if not (_NAME_EDGE.match(before) or _NAME_EDGE.match(after)):
            yield line
        end = start


def _fetch_of(line: str, zone: tzinfo, now: datetime) -> tuple[datetime, str] | None:
    """Time and client of the fetch a line tells of."""
    if line.startswith("{"):
        return _json_fetch(line, zone)
    match = _WEB.match(line)
    if match is not None:
        moment = _parsed(match["when"], _WEB_TIME)
        return None if moment is None else (moment, match["client"])
    match = _TFTP.match(line) or _ATFTP.match(line)
    if match is None:
        return None
    moment = moment_of(match["when"], zone) or _without_year(match["when"], zone, now)
    return None if moment is None else (moment, match["client"])


def _json_fetch(line: str, zone: tzinfo) -> tuple[datetime, str] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or entry.get("kind", "read") != "read" or not entry.get("ok", True):
        return None
    when = next((str(entry[key]) for key in _TIME_KEYS if key in entry), "")
    client = next((str(entry[key]) for key in _CLIENT_KEYS if key in entry), "")
    moment = moment_of(when, zone)
    if client.count(":") == 1:
        client = client.partition(":")[0]
    return None if moment is None else (moment, client)


def _parsed(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form)  # the form has %z
    except ValueError:
        return None


def _without_year(text: str, zone: tzinfo, now: datetime) -> datetime | None:
    """Classic syslog time: the latest such day that is not in the future, give or take a clock."""
    for year in (now.year, now.year - 1):
        moment = _parsed(f"{year} {' '.join(text.split())}", _SYSLOG_TIME)
        if moment is not None and moment.replace(tzinfo=zone) <= now + timedelta(days=1):
            return moment.replace(tzinfo=zone)
    return None
