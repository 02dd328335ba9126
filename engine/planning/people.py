"""Who stands behind the roles of a gate, as the inventory has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.model.inventory import Inventory


def people_of(inventory: Inventory, roles: Sequence[str]) -> list[dict[str, Any]]:
    """Who stands behind roles: role, name, mail address, and the accounts each is known by."""
    return list(_people(inventory, roles))


def _people(inventory: Inventory, roles: Sequence[str]) -> Iterator[dict[str, Any]]:
    for role in roles:
        person = inventory.people.get(role, {})
        logins = person.get("logins", ())
        yield {
            "role": role, "name": str(person.get("name", role)), "email": str(person.get("email", "")),
            "logins": [logins] if isinstance(logins, str) else [str(login) for login in logins or ()],  # type: ignore[attr-defined]
        }
