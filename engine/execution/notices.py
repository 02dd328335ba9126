"""Whom the engine itself writes to, and about what. Pure: the run as journalled, and the time, are passed in.

Each person is told once of each occasion, and of the last one only: who could not be reached for a day gets the reminder, and not
what came before it as well. An invitation stands until it is called off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from engine.model.gate import GateState, Notified
from engine.model.run import RunState
from engine.ports import Invitation, Notice

FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=1)
"""Between two attempts to write to somebody: five minutes, doubled up to an hour."""
MOST_TRIES = 24
"""After a day without success only somebody who takes the run up has it tried again."""
Errand = Notice | Invitation


def owed(state: RunState, now: datetime, *, tells: bool, since: datetime) -> list[Errand]:
    """What is to be written now. ``tells``: whether people are told of gates; ``since``: when this process took the run up, and
    what failed before that is tried again at once."""
    return [errand for errand, past in _open(state, tells) if _is_due(past, now, since)]


def retries(state: RunState, *, tells: bool) -> Iterator[datetime]:
    """When what failed is tried again, by itself."""
    for _, past in _open(state, tells):
        if past is not None and _may_pass(past):
            yield _next_try(past)


def standing_invitations(state: RunState) -> list[Invitation]:
    """What calendars were told of and not told to forget: as they would be called off now."""
    return [found for address, gate in state.gates.items() for found in _called_off(state.run, address, gate)]


def _open(state: RunState, tells: bool) -> Iterator[tuple[Errand, Notified | None]]:
    """Everything that has not been said for good, each with how it went so far."""
    for address, gate in state.gates.items():
        found: list[Errand] = list(_notices(state.run, address, gate)) if tells and not state.called_off else []
        found += _invitations(state, address, gate)
        for errand in found:
            past = gate.notified.get((errand.to, errand.why))
            if past is None or past.event.outcome == "failed":
                yield errand, past


def _notices(run: str, address: str, gate: GateState) -> Iterator[Notice]:
    for person in _people(gate):
        why = _occasion(gate, person)
        if why:
            yield Notice(run, address, why, person, gate)


def _people(gate: GateState) -> list[Mapping[str, Any]]:
    """Who can be written to, each once though they have several roles."""
    return list({str(person["email"]): person for person in reversed(gate.people) if person.get("email")}.values())[::-1]


def _occasion(gate: GateState, person: Mapping[str, Any]) -> str:
    """What somebody has to be told of last; empty for nothing."""
    if gate.closed is not None:
        return "timed out" if gate.closed.late else ""
    if gate.choices or any(vote.who == person.get("name") for vote in gate.votes):
        return ""
    asked_first = any(other.get("email") == person["email"] for other in gate.opened.ask.get("people", ()))
    called_in = gate.escalated is not None and not asked_first
    return "escalated" if called_in and gate.occasion == gate.occasion_escalated else gate.occasion


def _invitations(state: RunState, address: str, gate: GateState) -> Iterator[Invitation]:
    if not gate.opened.ask.get("invite") or gate.closed is None:
        return
    if gate.closed.outcome == "passed" and not state.called_off:
        if gate.choices:
            sequence = gate.choices[-1].version - 1
            yield Invitation(state.run, address, f"invitation {sequence}", gate, "request", sequence)
        return
    yield from _called_off(state.run, address, gate)


def _called_off(run: str, address: str, gate: GateState) -> Iterator[Invitation]:
    sent = _told_last(gate, "invitation")
    if sent is not None and _told_last(gate, "cancellation") is None:
        yield Invitation(run, address, f"cancellation {sent + 1}", gate, "cancel", sent + 1)


def _told_last(gate: GateState, what: str) -> int | None:
    """The highest sequence number that was, or may have been, sent."""
    told = (past.event for past in gate.notified.values() if past.event.outcome in ("sent", "unknown"))
    numbers = [int(event.why.split()[1]) for event in told if event.why.startswith(f"{what} ")]
    return max(numbers, default=None)


def _is_due(past: Notified | None, now: datetime, since: datetime) -> bool:
    return past is None or past.at < since or (_may_pass(past) and _next_try(past) <= now)


def _may_pass(past: Notified) -> bool:
    return past.event.again and past.tries < MOST_TRIES


def _next_try(past: Notified) -> datetime:
    doubled: int = 2 ** min(past.tries - 1, 10)
    return past.at + min(FIRST_WAIT * doubled, LONGEST_WAIT)
