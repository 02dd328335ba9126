"""Who stands behind the roles that a gate asks, as it is written down when the gate opens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from engine.model.inventory import Inventory


def people_of(inventory: Inventory, roles: Sequence[str]) -> list[dict[str, Any]]:
    """Role, name, mail address, and the accounts each is known by."""
    return [person_of(inventory, role) for role in roles]


def person_of(inventory: Inventory, role: str) -> dict[str, Any]:
    """One of them."""
    person = inventory.people.get(role, {})
    logins = person.get("logins", ())
    return {
        "role": role, "name": str(person.get("name", role)), "email": str(person.get("email", "")),
        "logins": [logins] if isinstance(logins, str) else [str(login) for login in logins or ()],  # type: ignore[attr-defined]
    }


def deputies_of(inventory: Inventory, roles: Sequence[str], now: datetime) -> list[dict[str, Any]]:
    """Who stands in for them, now or later: the role stood in for, the deputy's name and accounts, and from when until when."""
    return list(_deputies(inventory, roles, now))


def _deputies(inventory: Inventory, roles: Sequence[str], now: datetime) -> Iterator[dict[str, Any]]:
    zone = ZoneInfo(inventory.timezone)
    for role in roles:
        deputy = inventory.people.get(role, {}).get("deputy")
        if not isinstance(deputy, Mapping):
            continue
        start, end = _midnight(deputy.get("from"), zone), _midnight(deputy.get("until"), zone, days=1)
        if end is not None and end <= now:
            continue
        behalf = person_of(inventory, role)["name"]
        until = f" until {deputy['until']}" if end is not None else ""
        yield {
            **person_of(inventory, str(deputy["role"])), "role": role, "own_role": str(deputy["role"]), "behalf": behalf,
            "basis": f"deputy of {behalf}{until}",
            "from": start.isoformat() if start else "", "until": end.isoformat() if end else "",
        }


def _midnight(day: object, zone: ZoneInfo, days: int = 0) -> datetime | None:
    """When a day begins, or the one so many days after it; None for no day."""
    return datetime.combine(date.fromisoformat(str(day)) + timedelta(days=days), time(), zone) if day else None
