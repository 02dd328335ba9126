"""Signed tokens: who holds one may act once, at one gate, as one person, without an account on this machine.

Its form is that of ``token_text``. Whoever holds the whole of it may use it: send it to its person alone. It counts once, until
it expires, for the gate as it was opened when the token was made.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from engine.execution.gates import Voter
from engine.model import event as ev
from engine.model.gate import GateState
from engine.model.run import RunState
from engine.model.values import dataclass
from engine.wiring.gates import Account, NotAllowed, gate_at, voter_of
from engine.wiring.token_text import Token, genuine, opened_of

_Act = ev.GateVoted | ev.GateAnswered | ev.GateReported | ev.GateChosen | ev.GateDeclined


def issue(state: RunState, address: str, account: Account, role: str, expires: datetime) -> Token:
    """A token for the person of ``role`` at an open gate. Raises ``NotAllowed``."""
    gate = gate_at(state, address)
    if not gate.is_open:
        raise NotAllowed("Nothing waits there any more", f"{address} is decided: {gate.closed.why if gate.closed else ''}.")
    known = [*gate.people, *gate.deputies]
    person = next((p for p in known if role in (p.get("role"), p.get("name"), p.get("email"), p.get("own_role"))), None)
    if person is None:
        asked = ", ".join(f"{p.get('name')} ({p.get('role')})" for p in gate.people)
        raise NotAllowed("Nobody of that role is asked", f"{role} is not among those who are asked at {address}: {asked}.")
    return Token(
        secrets.token_hex(8), state.run, address, str(person["role"]), str(person["name"]), opened_of(gate), expires.isoformat(),
        account.name,
    )


def read(text: str, folder: Path, now: datetime) -> Token:
    """What a token says. Raises ``NotAllowed`` for one that is altered, foreign or expired."""
    token = genuine(text, folder)
    if token is None:
        raise NotAllowed(
            "The token is not genuine", "It was altered or cut on its way, or made in another project. Ask for a new one."
        )
    if now >= datetime.fromisoformat(token.expires):
        raise NotAllowed("The token has expired", f"It was good until {token.expires}. Ask for a new one.")
    return token


def bearer(state: RunState, token: Token) -> tuple[GateState, Account]:
    """The gate a token is for, and how its bearer acts. Raises ``NotAllowed`` when it was used, or the gate opened anew."""
    gate = gate_at(state, token.address)
    used = [act.via for acts in _acts(gate) for act in acts]
    if any(token.id in via for via in used):
        raise NotAllowed("The token was used already", "A token counts once. Ask for a new one.")
    if opened_of(gate) != token.opened:
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
        person = next((p for p in [*gate.people, *gate.deputies] if p.get("name") == self.person), None)
        return None if person is None else voter_of(person, self)


def _acts(gate: GateState) -> Iterator[Sequence[_Act]]:
    yield from (gate.votes, gate.answers, gate.reports, gate.choices, gate.declined)
