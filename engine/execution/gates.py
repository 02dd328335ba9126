"""What happens at a gate. Pure: the gate as journalled, and the time, are passed in.

Whatever is decided here is an event first and counts from then on, so that of an approval and a time-out that race exactly one
wins: the one whose event found the run as it had seen it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from engine.execution.appointments import none_found
from engine.model import event as ev
from engine.model.gate import GateState, Watched, acted, called
from engine.model.runbook import is_compensation
from engine.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Voter:
    """Who acts. ``account``: as the machine knows them; ``via``: how it is known that they are who they say."""

    name: str
    role: str
    account: str
    via: str
    behalf: str = ""
    """Whose voice it is, when they act for somebody else; ``basis`` says why they may."""
    basis: str = ""


def closing(gate: GateState, signals: Sequence[ev.SignalReceived], now: datetime) -> ev.GateClosed | None:
    """How the gate ends; None while it stays open."""
    if not gate.is_open:
        return None
    if gate.skipped is not None:
        return ev.GateClosed(gate.opened.address, "skipped", skipped_by(gate.skipped))
    decided = _DECIDE[gate.opened.gate](gate, signals)
    if decided is None and _time_is_over(gate, now) and not _may_escalate(gate):
        decided = _timed_out(gate)
    return decided


def looked(gate: GateState, watched: Watched, saw: str, now: datetime, wait_s: float = 0.0) -> ev.GateLooked:
    """A look that did not find it so. ``wait_s``: the pause that the other side asked for. The last look comes when the time
    is over: what came about in time counts, however seldom it was looked."""
    number = 1 if gate.looked is None else gate.looked.number + 1
    again = now + timedelta(seconds=max(watched.pause_s(number), wait_s))
    if gate.due is not None and now < gate.due:
        again = min(again, gate.due)
    return ev.GateLooked(gate.opened.address, saw, number, again.isoformat())


def _time_is_over(gate: GateState, now: datetime) -> bool:
    if gate.due is None or now < gate.due:
        return False
    return not gate.is_watching or (gate.looked_at is not None and gate.looked_at >= gate.due)


def skipped_by(order: ev.SkipOrdered) -> str:
    """Who had something skipped, and why."""
    return f"skipped by {order.who}: {order.reason}"


def cancelled_by(cancelled: ev.RunCancelled) -> str:
    """Who ended a run, and why."""
    return f"the run was cancelled by {cancelled.who}: {cancelled.reason}"


def closed_gates(gates: Mapping[str, GateState], cancelled: ev.RunCancelled) -> list[ev.Event]:
    """Nobody is asked any more what the cancelled run asked."""
    why = cancelled_by(cancelled)
    return [
        ev.GateClosed(address, "cancelled", why) for address, gate in gates.items()
        if gate.is_open and not is_compensation(address)
    ]


def fired(gate: GateState, now: datetime) -> list[ev.Event]:
    """Reminders that have fallen due, each once, and the escalation when the time is over."""
    if not gate.is_open:
        return []
    due = [text for text in gate.opened.reminders if datetime.fromisoformat(text) <= now]
    events: list[ev.Event] = [
        ev.GateReminded(gate.opened.address, number, text) for number, text in enumerate(due, 1) if number > gate.reminded
    ]
    if _time_is_over(gate, now) and _may_escalate(gate):
        ask = gate.opened.ask
        events.append(ev.GateEscalated(
            gate.opened.address, str(ask["escalate_to"]), tuple(ask.get("escalation", ())), str(ask.get("escalation_due", ""))
        ))
    return events


def times(gate: GateState) -> list[datetime]:
    """When something falls due at an open gate, past times too; none when only somebody's answer can tell."""
    if not gate.is_open:
        return []
    reminders = [datetime.fromisoformat(text) for text in gate.opened.reminders[gate.reminded :]]
    return [*reminders, *(at for at in (gate.due, gate.next_look) if at is not None)]


def why_no_vote(gate: GateState, voter: Voter, vote: str, digest: str, comment: str, now: datetime) -> str:
    """Why a vote does not count; empty when it does."""
    refusal = why_not(gate, "approval", voter, now)
    if refusal:
        return refusal
    earlier = next((v for v in gate.votes if v.who == voter.name), None)
    if earlier is not None:
        return f"{voter.name} has voted already ({earlier.vote}); a vote is never changed"
    voice = voter.behalf or voter.name
    same = next((v for v in gate.votes if (v.behalf or v.who) == voice), None)
    if same is not None:
        return f"{same.who} has voted for {voice} already ({same.vote}), and one voice counts once"
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
    if gate.skipped is not None:
        return f"it is decided already: {skipped_by(gate.skipped)}"
    if gate.due is not None and now >= gate.due and not _may_escalate(gate):
        return f"it is too late: the time was over at {gate.due.isoformat(timespec='minutes')}"
    return why_not_asked(gate, voter, now)


def why_not_asked(gate: GateState, voter: Voter, now: datetime) -> str:
    """Why somebody is none of those who are asked; empty when they are."""
    if any(person.get("name") == voter.name and person.get("behalf", "") == voter.behalf for person in gate.acting(now)):
        return ""
    if any(person.get("name") == voter.name and person.get("behalf") == voter.behalf for person in gate.deputies):
        return f"{voter.name} does not stand in for {voter.behalf} today"
    return f"{voter.name} is not among those who are asked: {', '.join(map(called, gate.acting(now)))}"


def _may_escalate(gate: GateState) -> bool:
    return gate.opened.ask.get("on_timeout") == "escalate" and gate.escalated is None


def _timed_out(gate: GateState) -> ev.GateClosed:
    address = gate.opened.address
    if gate.looked is not None and gate.due is not None:
        return ev.GateClosed(address, "refused", f"it was not so in time (until {gate.due:%Y-%m-%d %H:%M %Z}): {gate.looked.saw}")
    if gate.opened.gate == "wait" and not gate.opened.ask.get("signal"):
        return ev.GateClosed(address, "passed", "the time has come")
    if gate.opened.ask.get("on_timeout") == "approve":
        return ev.GateClosed(address, "passed", "nobody objected in time, which counts as agreement here", late=True)
    return ev.GateClosed(address, "refused", f"nobody acted in time (until {gate.due:%Y-%m-%d %H:%M %Z})", late=True)


def _approval(gate: GateState, _signals: Sequence[ev.SignalReceived]) -> ev.GateClosed | None:
    refused = next((vote for vote in gate.votes if vote.vote == "reject"), None)
    if refused is not None:
        return ev.GateClosed(gate.opened.address, "refused", f"{acted(refused)} rejected it: {refused.comment}")
    agreed = [vote for vote in gate.votes if vote.vote == "approve"]
    if len(agreed) < int(gate.opened.ask.get("quorum", 1)):
        return None
    names = " and ".join(map(acted, agreed))
    return ev.GateClosed(gate.opened.address, "passed", f"{names} approved it", {"approved_by": [vote.who for vote in agreed]})


def _form(gate: GateState, _signals: Sequence[ev.SignalReceived]) -> ev.GateClosed | None:
    if not gate.answers:
        return None
    last = gate.answers[-1]
    return ev.GateClosed(gate.opened.address, "passed", f"{acted(last)} answered", dict(last.data))


def _task(gate: GateState, _signals: Sequence[ev.SignalReceived]) -> ev.GateClosed | None:
    if not gate.reports or gate.reports[-1].outcome == "blocked":
        return None
    last = gate.reports[-1]
    if last.outcome == "skipped":
        skipped = {"outcome": "skipped", "evidence": [], "by": last.who}
        return ev.GateClosed(gate.opened.address, "passed", f"{acted(last)} skipped it: {last.reason}", skipped)
    why = f"{acted(last)} did it" + (f": {last.reason}" if last.reason else "")
    done = {"outcome": "done", "evidence": [dict(e) for e in last.evidence], "by": last.who}
    return ev.GateClosed(gate.opened.address, "passed", why, done)


def _wait(gate: GateState, signals: Sequence[ev.SignalReceived]) -> ev.GateClosed | None:
    name = gate.opened.ask.get("signal")
    received = next((signal for signal in reversed(signals) if signal.name == name), None) if name else None
    if received is None:
        return None
    return ev.GateClosed(gate.opened.address, "passed", f"{name} was received", _data_of(received.data))


def _appointment(gate: GateState, _signals: Sequence[ev.SignalReceived]) -> ev.GateClosed | None:
    if gate.choices:
        last = gate.choices[-1]
        when = gate.spelled((last.start, last.end))
        return ev.GateClosed(gate.opened.address, "passed", f"{last.who} chose {when}", dict(gate.appointed))
    return None if gate.offers else ev.GateClosed(gate.opened.address, "refused", none_found(gate))


def _data_of(data: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in data.items()}


_DECIDE = {"approval": _approval, "input": _form, "task": _task, "wait": _wait, "appointment": _appointment}
_ARTICLED = {
    "approval": "an approval", "input": "a form", "task": "a task", "wait": "a wait", "appointment": "an appointment",
}
