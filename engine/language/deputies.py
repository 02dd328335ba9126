"""Standing deputies of an inventory's people: who they are, from when until when, and that nobody is left without one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date

from engine.language.findings import Findings
from engine.language.nearest import did_you_mean, offered
from engine.model.source import DataPath, Document

_Period = tuple[date, date]
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def check_deputies(document: Document, people: Mapping[str, Mapping[str, object]], findings: Findings) -> None:
    """Notes unknown roles, days that are none, periods that end before they begin, and deputies that go in a circle."""
    sound: dict[str, tuple[str, _Period]] = {}
    for role, person in people.items():
        deputy = person.get("deputy")
        if isinstance(deputy, Mapping) and isinstance(deputy.get("role"), str):
            period = _period(document, ("people", role, "deputy"), deputy, findings)
            if _is_known(document, people, role, str(deputy["role"]), findings) and period is not None:
                sound[role] = (str(deputy["role"]), period)
    for circle in _circles(sound):
        chain = " stands in for ".join(reversed(circle))
        detail = f"{chain}, all at one time, so that nobody would be there. Name somebody else."
        findings.add(document, ("people", circle[0], "deputy", "role"), "Deputies in a circle", detail)


def _is_known(
    document: Document, people: Mapping[str, object], role: str, deputy: str, findings: Findings
) -> bool:
    at: DataPath = ("people", role, "deputy", "role")
    if deputy not in people:
        others = sorted(name for name in people if name != role)
        detail = f"No role is called {deputy!r}. {offered(others)}"
        findings.add(document, at, "Unknown role", detail, hint=did_you_mean(deputy, others))
    elif deputy == role:
        findings.add(document, at, "Own deputy", "Nobody stands in for themselves. Name another role.")
    return deputy in people and deputy != role


def _period(document: Document, at: DataPath, deputy: Mapping[object, object], findings: Findings) -> _Period | None:
    days = {}
    for name, otherwise in (("from", date.min), ("until", date.max)):
        written = deputy.get(name)
        try:
            days[name] = otherwise if written is None else date.fromisoformat(str(written))
        except ValueError:
            if not _DAY.fullmatch(str(written)):
                continue  # the schema has said how a day is written
            detail = f"{written!r} is no day of the calendar. Write year, month and day: 2026-12-24."
            findings.add(document, (*at, name), "Invalid date", detail)
    if len(days) < 2:
        return None
    if days["from"] > days["until"]:
        detail = f"It begins on {days['from']} and would have ended on {days['until']} already."
        findings.add(document, (*at, "until"), "Ends before it begins", detail)
        return None
    return days["from"], days["until"]


def _circles(deputies: Mapping[str, tuple[str, _Period]]) -> Iterator[list[str]]:
    """Roles that stand in for each other on some day, first and last the same; each circle once."""
    told: set[frozenset[str]] = set()
    for first in deputies:
        chain, days, at = [first], deputies[first][1], deputies[first][0]
        while at in deputies and at not in chain:
            chain.append(at)
            at, (begins, ends) = deputies[at]
            days = max(days[0], begins), min(days[1], ends)
        if at == first and days[0] <= days[1] and frozenset(chain) not in told:
            told.add(frozenset(chain))
            yield [*chain, first]
