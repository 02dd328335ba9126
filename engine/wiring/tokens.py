"""Signed tokens: who holds one may act once, at one gate, as one person, without an account on this machine.

A token is text: ``swt1.PAYLOAD.SIGNATURE``, both parts base64url, the signature HMAC-SHA256 over the payload with a key that
stays in the project's state folder. Whoever holds the whole of it may use it: send it to its person alone. It counts once, until
it expires, for the gate as it was opened when the token was made.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from engine.execution.gates import Voter
from engine.model.gate import GateState
from engine.model.run import RunState
from engine.model.values import dataclass
from engine.wiring.gates import Account, NotAllowed, gate_at

_PREFIX = "swt1"
_KEY = "token.key"


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


def issue(state: RunState, address: str, account: Account, role: str, expires: datetime) -> Token:
    """A token for the person of ``role`` at an open gate. Raises ``NotAllowed``."""
    gate = gate_at(state, address)
    if not gate.is_open:
        raise NotAllowed("Nothing waits there any more", f"{address} is decided: {gate.closed.why if gate.closed else ''}.")
    person = next((p for p in gate.people if role in (p.get("role"), p.get("name"), p.get("email"))), None)
    if person is None:
        asked = ", ".join(f"{p.get('name')} ({p.get('role')})" for p in gate.people)
        raise NotAllowed("Nobody of that role is asked", f"{role} is not among those who are asked at {address}: {asked}.")
    return Token(
        secrets.token_hex(8), state.run, address, str(person["role"]), str(person["name"]), _opened(gate), expires.isoformat(),
        account.name,
    )


def written(token: Token, folder: Path) -> str:
    """The token as text, signed. ``folder``: the project's state folder."""
    payload = json.dumps(asdict(token), sort_keys=True, separators=(",", ":")).encode()
    return f"{_PREFIX}.{_b64(payload)}.{_b64(_signature(payload, _key(folder)))}"


def read(text: str, folder: Path, now: datetime) -> Token:
    """What a token says. Raises ``NotAllowed`` for one that is altered, foreign or expired."""
    prefix, _, rest = text.strip().partition(".")
    payload_text, _, signature_text = rest.partition(".")
    try:
        payload, signature = _unb64(payload_text), _unb64(signature_text)
    except (ValueError, binascii.Error):
        payload, signature = b"", b""
    if prefix != _PREFIX or not payload or not hmac.compare_digest(signature, _signature(payload, _key(folder))):
        raise NotAllowed(
            "The token is not genuine", "It was altered or cut on its way, or made in another project. Ask for a new one."
        )
    token = Token(**json.loads(payload))
    if now >= datetime.fromisoformat(token.expires):
        raise NotAllowed("The token has expired", f"It was good until {token.expires}. Ask for a new one.")
    return token


def bearer(state: RunState, token: Token) -> tuple[GateState, Account]:
    """The gate a token is for, and how its bearer acts. Raises ``NotAllowed`` when it was used, or the gate opened anew."""
    gate = gate_at(state, token.address)
    used = [act.via for acts in (gate.votes, gate.answers, gate.reports) for act in acts]
    if any(token.id in via for via in used):
        raise NotAllowed("The token was used already", "A token counts once. Ask for a new one.")
    if _opened(gate) != token.opened:
        raise NotAllowed(
            "The token is about something that is no longer asked", f"{token.address} was opened anew since. Ask for a new one."
        )
    return gate, TokenAccount(f"bearer of a token for {token.name}", token.name, f"token {token.id} issued by {token.issuer}")


@dataclass(frozen=True, slots=True)
class TokenAccount(Account):
    """Somebody known by a token and by nothing else."""

    proof: str = ""

    @property
    def via(self) -> str:
        return self.proof

    def voter(self, gate: GateState) -> Voter | None:
        person = next((p for p in gate.people if p.get("name") == self.person), None)
        return None if person is None else Voter(self.person, str(person.get("role")), self.name, self.via)


def _opened(gate: GateState) -> str:
    return f"{gate.opened_at.isoformat()} {gate.digest}"


def _key(folder: Path) -> bytes:
    """The project's key, made on first use."""
    path = folder / _KEY
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
