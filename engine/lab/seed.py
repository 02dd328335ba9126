"""The seed of a lab: what its servers know when they start, made from one customer's inventory.

Secret fields are resolved, because a lab phone has to register with the very password its configuration carries. The
credentials of the lab's own servers are random and live as long as the lab is up: nothing that opens a real system, and
nothing anybody could get used to.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.lab.rest_login import login_of
from engine.lab.rest_store import RestStore, StoreError
from engine.model.errors import SwitchoverError
from engine.model.inventory import Collection, Connection, Inventory, Item
from engine.model.secret import Secret

SECRETS: Mapping[str, Callable[[], str]] = {
    "ssh_username": lambda: "lab",
    "ssh_password": lambda: secrets.token_urlsafe(18),
    "telnyx_api_key": lambda: f"KEY{secrets.token_hex(16).upper()}_{secrets.token_urlsafe(16)}",
    # Twilio: "AC" and 32 hex digits; the token 32 hex digits.
    "twilio_account_sid": lambda: f"AC{secrets.token_hex(16)}",
    "twilio_auth_token": lambda: secrets.token_hex(16),
    "platform_token": lambda: secrets.token_urlsafe(24),
    "rest_username": lambda: "lab",
    "rest_password": lambda: secrets.token_urlsafe(18),
    "rest_key": lambda: secrets.token_urlsafe(24),
    # Request Tracker: "1", the user's id, and 32 hex digits.
    "rt_token": lambda: f"1-14-{secrets.token_hex(16)}",
    "servicenow_token": lambda: secrets.token_urlsafe(48),
    "jira_username": lambda: "lab@example.net",
    "jira_token": lambda: f"ATATT3xFfGF0{secrets.token_urlsafe(48)}",
    "smtp_username": lambda: "switchover-lab",
    "smtp_password": lambda: secrets.token_urlsafe(18),
}
"""The credentials of the lab's servers: name in ``seed["secrets"]`` -> how one is made, in the form the real system uses."""

_COLLECTIONS = ("phones", "numbers", "users")


def seed_from(inventory: Inventory, resolve: Callable[[str], Secret]) -> dict[str, Any]:
    """Everything the lab's servers need to play this customer's systems.

    ``resolve`` turns what a secret field holds, a reference or a literal, into the secret; it may raise ``SwitchoverError``, as
    objects for the lab's APIs do that cannot be.
    The result holds secrets in the clear: it goes into a file only by ``write_seed``. Missing ``phones``, ``numbers`` or
    ``users`` are empty lists.
    """
    return {
        "customer": inventory.customer,
        **{name: _items_of(inventory.collections.get(name), resolve) for name in _COLLECTIONS},
        "connections": {c.name: {"type": c.type, "domain": _domain_of(c)} for c in inventory.connections.values()},
        "rest": {c.name: _rest_of(c) for c in inventory.connections.values() if c.type == "http"},
        "domain": _domain(inventory),
        "secrets": {name: make() for name, make in SECRETS.items()},
        "ports": {},
    }


def write_seed(path: Path, seed: Mapping[str, Any]) -> None:
    """Replaces the seed file in one step; readable by its owner alone from the first byte on."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(seed, file, ensure_ascii=False, indent=1, default=str)
    temporary.replace(path)


def read_seed(path: Path) -> dict[str, Any]:
    """What ``write_seed`` wrote."""
    seed: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return seed


def _items_of(collection: Collection | None, resolve: Callable[[str], Secret]) -> list[dict[str, object]]:
    if collection is None:
        return []
    return [_fields_of(item, collection.secret_fields, resolve) for item in collection.items]


def _fields_of(item: Item, secret_fields: frozenset[str], resolve: Callable[[str], Secret]) -> dict[str, object]:
    return {
        name: _revealed(value, resolve) if name in secret_fields else value
        for name, value in item.fields.items()
    }


def _revealed(value: object, resolve: Callable[[str], Secret]) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    return resolve(value).reveal() if isinstance(value, str) and value else value


def _rest_of(connection: Connection) -> dict[str, Any]:
    """What the twin of an ``http`` connection is at first; see ``rest``. Raises ``SwitchoverError``."""
    lab = connection.settings.get("lab")
    given: Mapping[str, Any] = lab if isinstance(lab, Mapping) else {}
    id_field, objects = given.get("id", "id"), given.get("objects", {})
    try:
        RestStore(objects, id_field, lambda: 0.0)
    except StoreError as error:
        raise SwitchoverError(
            "The lab cannot hold these objects",
            f"{error}. Correct 'objects' in 'lab' of connection '{connection.name}' in the inventory.",
        ) from None
    return {"login": login_of(connection.settings), "id": id_field, "objects": objects}


def _domain(inventory: Inventory) -> str:
    found = (_domain_of(connection) for connection in inventory.connections.values())
    return next((domain for domain in found if domain), f"{inventory.customer}.example")


def _domain_of(connection: Connection) -> str:
    domain = connection.settings.get("domain", "")
    return domain if isinstance(domain, str) else ""
