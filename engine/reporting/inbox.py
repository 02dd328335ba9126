"""What waits for whom, over all runs."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from engine.model.event import RunPaused
from engine.model.gate import GateState, acted, called
from engine.model.run import RunState
from engine.model.values import dataclass
from engine.reporting.summary import last_look
from engine.reporting.terminal import Paint, moment, printable, spelled, wrapped
from engine.reporting.wording import paused_by, slot_lines, untold


@dataclass(frozen=True, slots=True)
class Entry:
    """One open gate."""

    run: str
    customer: str
    address: str
    gate: GateState
    people: Sequence[Mapping[str, Any]]
    """Who may act."""
    paused: RunPaused | None = None
    """Of the run: what is decided here counts, and the run goes on when somebody takes it up."""

    def is_for(self, role: str) -> bool:
        """Whether it waits for a role, a person or an account; all do for none."""
        return not role or any(
            role in (p.get("role"), p.get("own_role"), p.get("name"), p.get("email"), *p.get("logins", ())) for p in self.people
        )

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        ask: Mapping[str, Any] = self.gate.opened.ask
        return {
            "run": self.run, "customer": self.customer, "address": self.address, "gate": self.gate.opened.gate,
            "title": ask.get("title", ""), "message": ask.get("message", ""), "people": list(self.people),
            "since": self.gate.opened_at.isoformat(), "due": self.gate.due.isoformat() if self.gate.due else None,
            "seen": looked.saw if (looked := self.gate.looked) else None, "looks": looked.number if looked else 0,
            "next_look": at.isoformat() if (at := self.gate.next_look) else None,
            "digest": self.gate.digest, "votes": [{"who": v.who, "vote": v.vote} for v in self.gate.votes],
            "slots": [{"start": start, "end": end} for start, end in self.gate.offers],
            "paused": paused_by(self.paused) if self.paused else None,
            "commands": commands(self.run, self.address, self.gate),
        }


def entries_of(state: RunState, now: datetime) -> Iterator[Entry]:
    """A run's open gates, and who may act at them now."""
    header: Mapping[str, Any] = state.header
    for address, gate in state.gates.items():
        if gate.is_open and gate.skipped is None and not state.is_closed(address):
            yield Entry(state.run, str(header.get("customer", "")), address, gate, gate.acting(now), state.paused)


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
    if gate.is_watching:
        return [f"switchover resume {run} --look"]
    if gate.opened.gate == "appointment":
        return [f"switchover choose {at} NUMBER", f"switchover decline {at} --reason WHY"]
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
    who = " or ".join(map(called, entry.people))
    yield f"{paint('bold', printable(str(ask.get('title', entry.address))))}  {paint('dim', printable(entry.customer))}"
    yield f"  {gate.opened.gate} at {entry.address} of run {entry.run}" + (f", for {printable(who)}" if who else "")
    yield f"  {_since(gate, now)}{_due(gate, now, paint)}"
    if ask.get("notice"):
        note = printable(str(ask["notice"]))
        yield f"  {paint('yellow', f'note: {note}')}"
    if entry.paused is not None:
        yield f"  {paint('yellow', f'the run is {paused_by(entry.paused)}')}"
    if ask.get("message"):
        for written in str(ask["message"]).splitlines():  # a list that somebody wrote stays one
            indent = len(written) - len(written.lstrip())
            yield from (f"  {' ' * indent}{line}" for line in wrapped(written.strip(), width - 2 - indent, 0))
    yield from (f"  [ ] {printable(str(point))}" for point in ask.get("checklist", ()))
    if gate.looked is not None and gate.looked_at is not None:
        yield f"  {last_look(gate)}"
    yield from (f"  {line}" for line in slot_lines(gate))
    for told in gate.reports[-1:]:
        yield f"  {paint('yellow', told.outcome)} says {printable(acted(told))}: {printable(told.reason)}"
    for vote in gate.votes:
        yield f"  {printable(acted(vote))} voted {vote.vote}"
    yield from (f"  {paint('yellow', printable(line))}" for line in untold(gate))
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
