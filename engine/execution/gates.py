"""What happens at a gate. Pure: the gate as journalled, and the time, are passed in.

Whatever is decided here is an event first and counts from then on, so that of an approval and a time-out that race exactly one
wins: the one whose event found the run as it had seen it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from engine.model import event as ev
from engine.model.gate import GateState
from engine.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Voter:
    """Who acts. ``account``: as the machine knows them; ``via``: how it is known that they are who they say."""

    name: str
    role: str
    account: str
    via: str


def closing(gate: GateState, signals: Sequence[ev.SignalReceived], now: datetime) -> ev.GateClosed | None:
    """How the gate ends; None while it stays open."""
    if not gate.is_open:
        return None
    decided = _DECIDE[gate.opened.gate](gate, signals)
    if decided is None and gate.due is not None and now >= gate.due and not _may_escalate(gate):
        decided = _timed_out(gate)
    return decided


def fired(gate: GateState, now: datetime) -> list[ev.Event]:
    """Reminders that have fallen due, each once, and the escalation when the time is over."""
    if not gate.is_open:
        return []
    due = [text for text in gate.opened.reminders if datetime.fromisoformat(text) <= now]
    events: list[ev.Event] = [
        ev.GateReminded(gate.opened.address, number, text) for number, text in enumerate(due, 1) if number > gate.reminded
    ]
    if gate.due is not None and now >= gate.due and _may_escalate(gate):
        ask = gate.opened.ask
        events.append(ev.GateEscalated(
            gate.opened.address, str(ask["escalate_to"]), tuple(ask.get("escalation", ())), str(ask.get("escalation_due", ""))
        ))
    return events


def next_due(gate: GateState) -> datetime | None:
    """When something falls due at the gate next; None when only somebody's answer can tell."""
    if not gate.is_open:
        return None
    times = [datetime.fromisoformat(text) for text in gate.opened.reminders[gate.reminded :]]
    return min([*times, *([gate.due] if gate.due else [])], default=None)


def why_no_vote(gate: GateState, voter: Voter, vote: str, digest: str, comment: str, now: datetime) -> str:
    """Why a vote does not count; empty when it does."""
    refusal = why_not(gate, "approval", voter, now)
    if refusal:
        return refusal
    earlier = next((v for v in gate.votes if v.who == voter.name), None)
    if earlier is not None:
        return f"{voter.name} has voted already ({earlier.vote}); a vote is never changed"
    if digest and not gate.digest.startswith(digest):
        return "what was shown to you is not what this approval is about now: look at it again"
    if gate.opened.ask.get("four_eyes") and voter.account == gate.opened.ask.get("requester"):
        return f"{voter.account} asked for this approval, and it takes four eyes: somebody else has to decide"
    if vote == "reject" and not comment.strip():
        return "a rejection needs a comment that says why"
    return ""


def why_not(gate: GateState, kind: str, voter: Voter, now: datetime) -> str:
    """Why somebody may not act at a gate; empty when they may."""
    if gate.opened.gate != kind:
        return f"it is no {kind} but {_ARTICLED[gate.opened.gate]}"
    if gate.closed is not None:
        return f"it is decided already: {gate.closed.why}"
    if gate.due is not None and now >= gate.due and not _may_escalate(gate):
        return f"it is too late: the time was over at {gate.due.isoformat(timespec='minutes')}"
    if not any(person.get("name") == voter.name for person in gate.people):
        asked = ", ".join(f"{person.get('name')} ({person.get('role')})" for person in gate.people)
        return f"{voter.name} is not among those who are asked: {asked}"
    return ""


def _may_escalate(gate: GateState) -> bool:
    return gate.opened.ask.get("on_timeout") == "escalate" and gate.escalated is None


def _timed_out(gate: GateState) -> ev.GateClosed:
    address = gate.opened.address
    if gate.opened.gate == "wait" and not gate.opened.ask.get("signal"):
        return ev.GateClosed(address, "passed", "the time has come")
    if gate.opened.ask.get("on_timeout") == "approve":
        return ev.GateClosed(address, "passed", "nobody objected in time, which counts as agreement here")
    return ev.GateClosed(address, "refused", f"nobody acted in time (until {gate.due:%Y-%m-%d %H:%M %Z})")


def _approval(gate: GateState, _signals: Sequence[ev.SignalReceived]) -> ev.GateClosed | None:
    refused = next((vote for vote in gate.votes if vote.vote == "reject"), None)
    if refused is not None:
        return ev.GateClosed(gate.opened.address, "refused", f"{refused.who} rejected it: {refused.comment}")
    agreed = [vote for vote in gate.votes if vote.vote == "approve"]
    if len(agreed) < int(gate.opened.ask.get("quorum", 1)):
        return None
    names = " and ".join(vote.who for vote in agreed)
    return ev.GateClosed(gate.opened.address, "passed", f"{names} approved it", {"approved_by": [vote.who for vote in agreed]})


def _form(gate: GateState, _signals: Sequence[ev.SignalReceived]) -> ev.GateClosed | None:
    if not gate.answers:
        return None
    last = gate.answers[-1]
    return ev.GateClosed(gate.opened.address, "passed", f"{last.who} answered", dict(last.data))


def _task(gate: GateState, _signals: Sequence[ev.SignalReceived]) -> ev.GateClosed | None:
    if not gate.reports or gate.reports[-1].outcome == "blocked":
        return None
    last = gate.reports[-1]
    if last.outcome == "skipped":
        return ev.GateClosed(gate.opened.address, "passed", f"{last.who} skipped it: {last.reason}", {"outcome": "skipped"})
    why = f"{last.who} did it" + (f": {last.reason}" if last.reason else "")
    return ev.GateClosed(gate.opened.address, "passed", why, {"outcome": "done", "evidence": [dict(e) for e in last.evidence]})


def _wait(gate: GateState, signals: Sequence[ev.SignalReceived]) -> ev.GateClosed | None:
    name = gate.opened.ask.get("signal")
    received = next((signal for signal in reversed(signals) if signal.name == name), None) if name else None
    if received is None:
        return None
    return ev.GateClosed(gate.opened.address, "passed", f"{name} was received", _data_of(received.data))


def _data_of(data: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in data.items()}


_DECIDE = {"approval": _approval, "input": _form, "task": _task, "wait": _wait}
_ARTICLED = {"approval": "an approval", "input": "a form", "task": "a task", "wait": "a wait"}
