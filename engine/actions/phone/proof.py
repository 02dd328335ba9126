"""Proof that a phone fetched its configuration: from the platform's record of the phone, or from a server's log.

A 200 to a NOTIFY only says that the phone heard. The fetch says that it acted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

from engine.actions.phone.fetch_log import last_fetch_in, moment_of
from engine.actions.phone.vendors import model_of
from engine.model.errors import Permanent
from engine.model.values import dataclass
from engine.ports import HttpReply, Sessions

LAST_RETRIEVED = "device-provisioning-last-retrieved-datetime"
"""NetSapiens API v2, phone resource, read-only."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """What is known of a phone's last fetch. ``remark``: why nothing is known, for the operator."""

    last: datetime | None
    remark: str = ""

    def shown(self) -> str:
        """For people: the time, or why there is none."""
        return self.last.astimezone(UTC).isoformat(timespec="seconds") if self.last else self.remark or "never"


@dataclass(frozen=True, slots=True)
class FetchQuestion:
    """Which phone, and where to look. ``log``: path of the log when ``connection`` is one of files."""

    connection: str
    vendor: str
    model: str
    mac: str
    log: str = ""
    log_timezone: str = "UTC"
    ignore_from: tuple[str, ...] = ()


def last_fetch(question: FetchQuestion, at: Sessions) -> Fetch:
    """When the phone last fetched one of its files. Only reads."""
    if at.connection_type(question.connection) == "netsapiens":
        return _from_platform(question, at)
    return _from_log(question, at)


def moment_given(since: str | None, argument: str = "since") -> datetime | None:
    """A time given as an argument; None when it is empty. Raises ``Permanent`` when it is no time."""
    if not since:
        return None
    moment = moment_of(since)
    if moment is None:
        raise Permanent(f"{argument} is {since!r}, which is not a time; use ISO 8601 such as 2026-03-02T17:30:00-05:00")
    return moment


def complaint(reply: HttpReply) -> str:
    """What a NetSapiens error answer says: ``{code, message}``."""
    message = reply.data.get("message") if isinstance(reply.data, Mapping) else None
    return f"{reply.status}{f', {message}' if message else ''}"


def _from_platform(question: FetchQuestion, at: Sessions) -> Fetch:
    path = f"/domains/{{domain}}/phones/{quote(question.mac.lower(), safe='')}"
    reply = at.http(question.connection).request("GET", path)
    if reply.status == 404:
        return Fetch(None, "the platform has no phone with this MAC")
    if reply.status != 200 or not isinstance(reply.data, Mapping | list):
        raise Permanent(f"the platform could not be asked about phone {question.mac}: {complaint(reply)}")
    record = reply.data[0] if isinstance(reply.data, list) and reply.data else reply.data
    text = record.get(LAST_RETRIEVED) if isinstance(record, Mapping) else None
    return Fetch(moment_of(str(text)) if text else None)


def _from_log(question: FetchQuestion, at: Sessions) -> Fetch:
    if not question.log:
        raise Permanent(f"fetch_log is needed: where on {question.connection!r} does the provisioning server write its log?")
    content = at.files(question.connection).read(question.log)
    if content is None:
        return Fetch(None, f"there is no {question.log} on {question.connection}")
    names = {name.rpartition("/")[2] for name in model_of(question.vendor, question.model).file_names(question.mac)}
    return Fetch(last_fetch_in(
        content, names, ignore_from=question.ignore_from, zone=ZoneInfo(question.log_timezone), now=at.clock.now(),
    ))
