"""What a token is as text, and the key it is signed with.

A token is text: ``swt1.PAYLOAD.SIGNATURE``, both parts base64url, the signature HMAC-SHA256 over the payload with a key that
stays in the project's state folder.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from engine.model.gate import GateState
from engine.model.values import dataclass

_PREFIX = "swt1"
KEY_FILE = "token.key"
_GOOD_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says. ``opened``: number of what it was made for, so that it dies when the gate is opened anew."""

    id: str
    run: str
    address: str
    role: str
    name: str
    opened: str
    expires: str
    issuer: str


def own(run: str, address: str, gate: GateState, person: Mapping[str, Any], folder: Path) -> Token:
    """The token that the engine itself sends somebody at an open gate. The same for every mail about the same question, so that
    it counts once however often they were reminded; another once other times are proposed. It is good as long as the gate is,
    or thirty days where that has no end."""
    opened, expires = opened_of(gate), gate.due or gate.opened_at + _GOOD_FOR
    named = json.dumps([run, address, opened, person["role"], person["name"], gate.proposals])
    # By the key: who knows all of the above must not know a token by it.
    identifier = hmac.new(_key(folder), f"id {named}".encode(), hashlib.sha256).hexdigest()[:16]
    return Token(
        identifier, run, address, str(person["role"]), str(person["name"]), opened, expires.isoformat(), f"run {run} by mail"
    )


def written(token: Token, folder: Path) -> str:
    """The token as text, signed. ``folder``: the project's state folder."""
    payload = json.dumps(asdict(token), sort_keys=True, separators=(",", ":")).encode()
    return f"{_PREFIX}.{_b64(payload)}.{_b64(_signature(payload, _key(folder)))}"


def genuine(text: str, folder: Path) -> Token | None:
    """What a text says that is a token of this project; None for one that is altered or foreign."""
    prefix, _, rest = text.strip().partition(".")
    payload_text, _, signature_text = rest.partition(".")
    try:
        payload, signature = _unb64(payload_text), _unb64(signature_text)
    except (ValueError, binascii.Error):
        return None
    if prefix != _PREFIX or not payload or not hmac.compare_digest(signature, _signature(payload, _key(folder))):
        return None
    return Token(**json.loads(payload))


def opened_of(gate: GateState) -> str:
    """Which opening of a gate a token is for."""
    return f"{gate.opened_at.isoformat()} {gate.digest}"


def _key(folder: Path) -> bytes:
    """The project's key, made on first use."""
    path = folder / KEY_FILE
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
    return path.read_bytes()


def _signature(payload: bytes, key: bytes) -> bytes:
    return hmac.new(key, payload, hashlib.sha256).digest()


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
