"""``keyring:SERVICE/USER``: the system's keyring."""

from __future__ import annotations

import importlib
from typing import ClassVar

from engine.language.secret_stores.store import KeyringLookup, Surroundings


class KeyringStore:
    """Asks through the ``keyring`` package, imported when first needed."""

    forms: ClassVar[tuple[str, ...]] = ("keyring:SERVICE/USER",)

    def __init__(self, around: Surroundings) -> None:
        self._keyring = around.keyring

    def look_up(self, rest: str) -> str:
        """What the keyring holds for service and user."""
        service, _, user = rest.rpartition("/")
        if not service or not user:
            raise LookupError("A keyring reference names service and user: keyring:SERVICE/USER.")
        if self._keyring is None:
            self._keyring = _system_keyring()
        value = self._keyring(service, user)
        if not value:
            raise LookupError(f"The keyring holds nothing for {service}/{user}. Store it with: keyring set {service} {user}")
        return value


def _system_keyring() -> KeyringLookup:
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        raise LookupError("The keyring package is not installed. Install it with: pip install 'switchover[keyring]'") from None

    def look_up(service: str, user: str) -> str | None:
        try:
            value = keyring.get_password(service, user)
        except keyring.errors.KeyringError as error:
            raise LookupError(f"The keyring cannot be asked: {error}.") from None
        return None if value is None else str(value)

    return look_up
