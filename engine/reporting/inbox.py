"""What waits for whom, over all runs."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from engine.model.gate import GateState
from engine.model.run import RunState
from engine.model.values import dataclass
from engine.reporting.terminal import Paint, moment, printable, spelled, wrapped


@dataclass(frozen=True, slots=True)
class Entry:
    """One open gate."""

    run: str
    customer: str
    address: str
    gate: GateState

    def is_for(self, role: str) -> bool:
        """Whether it waits for a role, a person or an account; all do for none."""
        return not role or any(
            role in (p.get("role"), p.get("name"), p.get("email"), *p.get("logins", ())) for p in self.gate.people
        )

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        ask: Mapping[str, Any] = self.gate.opened.ask
        return {
            "run": self.run, "customer": self.customer, "address": self.address, "gate": self.gate.opened.gate,
            "title": ask.get("title", ""), "message": ask.get("message", ""), "people": self.gate.people,
            "since": self.gate.opened_at.isoformat(), "due": self.gate.due.isoformat() if self.gate.due else None,
            "digest": self.gate.digest, "votes": [{"who": v.who, "vote": v.vote} for v in self.gate.votes],
            "commands": commands(self.run, self.address, self.gate),
        }


def entries_of(state: RunState) -> Iterator[Entry]:
    """A run's open gates."""
    header: Mapping[str, Any] = state.started.header if state.started else {}
    for address, gate in state.gates.items():
        if gate.is_open:
            yield Entry(state.run, str(header.get("customer", "")), address, gate)


def commands(run: str, address: str, gate: GateState) -> list[str]:
    """What can be typed at a gate."""
    at = f"{run} {shlex.quote(address)}"
    if gate.opened.gate == "approval":
        return [f"switchover show --run {at}", f"switchover approve {at}", f"switchover reject {at} --comment WHY"]
    if gate.opened.gate == "input":
        return [f"switchover answer {at}"]
    if gate.opened.gate == "task":
        evidence = " --evidence FILE" if gate.opened.ask.get("evidence") else ""
        return [f"switchover done {at}{evidence}", f"switchover done {at} --blocked --reason WHY"]
    signal = gate.opened.ask.get("signal")
    return [f"switchover signal {run} {signal}"] if signal else []


def format_inbox(entries: Sequence[Entry], now: datetime, *, color: bool = False, width: int = 100) -> str:
    """All of it, the most urgent first, without the last line end."""
    if not entries:
        return "Nothing waits for anybody."
    paint = Paint(color)
    urgent = sorted(entries, key=lambda entry: (entry.gate.due is None, entry.gate.due or entry.gate.opened_at))
    return "\n\n".join("\n".join(_lines(entry, now, paint, max(60, width))) for entry in urgent)


def _lines(entry: Entry, now: datetime, paint: Paint, width: int) -> Iterable[str]:
    gate, ask = entry.gate, entry.gate.opened.ask
    who = " or ".join(f"{p.get('name')} ({p.get('role')})" for p in gate.people)
    yield f"{paint('bold', printable(str(ask.get('title', entry.address))))}  {paint('dim', printable(entry.customer))}"
    yield f"  {gate.opened.gate} at {entry.address} of run {entry.run}" + (f", for {printable(who)}" if who else "")
    yield f"  {_since(gate, now)}{_due(gate, now, paint)}"
    if ask.get("message"):
        yield from (f"  {line}" for line in wrapped(str(ask["message"]), width - 2, 0))
    yield from (f"  [ ] {printable(str(point))}" for point in ask.get("checklist", ()))
    for told in gate.reports[-1:]:
        yield f"  {paint('yellow', told.outcome)} says {printable(told.who)}: {printable(told.reason)}"
    for vote in gate.votes:
        yield f"  {printable(vote.who)} voted {vote.vote}"
    yield from (f"  {paint('cyan', command)}" for command in commands(entry.run, entry.address, gate))


def _since(gate: GateState, now: datetime) -> str:
    reminded = f", reminded {gate.reminded} times" if gate.reminded > 1 else ", reminded once" if gate.reminded else ""
    return f"since {moment(gate.opened_at)} ({spelled((now - gate.opened_at).total_seconds())}){reminded}"


def _due(gate: GateState, now: datetime, paint: Paint) -> str:
    if gate.due is None:
        return ""
    left = (gate.due - now).total_seconds()
    text = f"due {moment(gate.due)}, in {spelled(left)}" if left > 0 else f"overdue since {moment(gate.due)}"
    return f"; {paint('alarm' if left <= 0 else 'yellow', text)}"
