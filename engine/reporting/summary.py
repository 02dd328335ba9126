"""A run on one screen: how it stands, what went wrong and why, what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from engine.model.event import RunStarted, encode
from engine.model.gate import GateState
from engine.model.plan import split_address
from engine.model.run import ItemState, ItemStatus, RunState, RunStatus
from engine.ports import Lease
from engine.reporting.terminal import Paint, columns, many, moment, padded, printable, spelled, wrapped
from engine.reporting.wording import (
    DIED,
    PROBLEMS,
    RUN_WORDS,
    UNFINISHED,
    decisions,
    look_back,
    next_steps,
    paused_by,
    policy_line,
    title_of,
    untold,
    words_of,
)

FORMAT = "switchover.run/1"
_LISTED = 10
"""Problems of each kind that are listed."""
_STYLES = {
    RunStatus.SUCCEEDED: "good", RunStatus.FAILED: "alarm", RunStatus.TRIPPED: "alarm", RunStatus.WAITING: "yellow",
    RunStatus.PAUSED: "yellow", RunStatus.CANCELLED: "yellow",
    RunStatus.INTERRUPTED: "yellow", RunStatus.RUNNING: "cyan",
}
_ITEM_STYLES = {
    ItemStatus.CHANGED: "green", ItemStatus.FAILED: "alarm", ItemStatus.IN_DOUBT: "magenta", ItemStatus.BLOCKED: "yellow",
    ItemStatus.RETRYING: "yellow",
}
_TITLES = {ItemStatus.FAILED: "Failed", ItemStatus.IN_DOUBT: "In doubt: a person must look", ItemStatus.BLOCKED: "Not tried"}


def format_summary(
    state: RunState, *, color: bool = False, width: int = 100, holder: Lease | None = None, now: datetime | None = None,
    taken_back: str = "",
) -> str:
    """Several lines without the last line end. ``holder``: the live process that works on the run, when there is one; ``now``
    tells what is overdue; ``taken_back``: the run that took it back."""
    paint = Paint(color)
    width = max(60, width)
    lines = [*_head(state, paint, holder), "", *_table(state, paint)]
    if any(item.status in UNFINISHED for item in state.items.values()) and holder is None:
        lines.append(f"  {_unfinished(state)}")
    for status in PROBLEMS:
        lines += _problems(state, status, paint, width)
    lines += [*_waiting(state, width, paint, now), *_overrides(state, width)]
    lines += ["", paint("bold", "Next")]
    lines += _next(next_steps(state, alive=holder is not None, taken_back=taken_back), paint, width)
    return "\n".join(lines)


def _next(steps: Sequence[tuple[str, str]], paint: Paint, width: int) -> Iterator[str]:
    """Commands beside what they are for; below each other where a line has no room for both."""
    room = max(len(command) for command, _ in steps)
    beside = 4 + room + max(columns(text) for _, text in steps) <= width
    for command, text in steps:
        if beside:
            yield f"  {paint('cyan', padded(command, room))}  {text}"
        else:
            yield f"  {paint('cyan', command)}"
            yield f"      {text}"


def _head(state: RunState, paint: Paint, holder: Lease | None) -> Iterator[str]:
    header: Mapping[str, Any] = state.header
    running = state.status is RunStatus.RUNNING
    words = RUN_WORDS[state.status] if not running or holder else f"{DIED}: its process is gone"
    style = _STYLES[state.status] if not running or holder else "alarm"
    yield f"Run {paint('bold', state.run)} {paint(style, words)}"
    title = " · ".join(filter(None, (title_of(header), str(header.get("customer") or ""))))
    if title:
        yield f"  {printable(title)}"
    if state.started_at and state.last_at and state.started:
        took = spelled((state.last_at - state.started_at).total_seconds())
        lab = ", against the lab" if header.get("lab") else ""
        yield paint("dim", f"  started {moment(state.started_at)} by {state.started.actor}, {took}{lab}")
    for at, event in state.amendments:
        reason = f" ({event.reason})" if event.reason else ""
        yield paint("dim", f"  amended {moment(at)} by {event.who}{reason}: revision {event.revision}")
    for checked in state.policies:
        if checked.outcome != "overridden":  # that stands below, at length
            yield paint("dim", f"  {printable(policy_line(checked))}")
    if state.read_back is not None:
        yield f"  {look_back(state.read_back)}"
    if holder is not None:
        yield paint("dim", f"  process {holder.pid} on {holder.host} is working on it")
    if state.tripped is not None:
        tripped = state.tripped
        yield paint("alarm", f"  {tripped.address}: {tripped.failed} failed, more than the {tripped.limit} allowed")


def _table(state: RunState, paint: Paint) -> Iterator[str]:
    by_step = counts_by_step(state)
    if not by_step:
        yield "  Nothing was started yet."
        return
    words = words_of(state.header)
    used = [status for status in words if any(counts[status] for counts in by_step.values())]
    room = max(12, *(columns(step) for step in by_step))
    widths = {status: max(7, len(words[status])) for status in used}
    heads = "  ".join(f"{words[status]:>{widths[status]}}" for status in used)
    yield paint("dim", f"  {' ' * room}  {heads}")
    rows = list(by_step.items())
    if len(rows) > 1:
        rows.append(("in all", sum(by_step.values(), Counter())))
    for step, counts in rows:
        cells = (_cell(counts[status], widths[status], status, paint) for status in used)
        yield f"  {padded(step, room)}  {'  '.join(cells)}".rstrip()


def _cell(count: int, width: int, status: ItemStatus, paint: Paint) -> str:
    text = f"{count or '·':>{width}}" if not count else f"{count:>{width},}"
    return paint(_ITEM_STYLES[status], text) if count and status in _ITEM_STYLES else text


def _unfinished(state: RunState) -> str:
    count = sum(item.status in UNFINISHED for item in state.items.values())
    return f"{many(count, 'item')} not finished: 'resume' looks at each before it goes on"


def _problems(state: RunState, status: ItemStatus, paint: Paint, width: int) -> Iterator[str]:
    found = [(address, item) for address, item in state.items.items() if item.status is status]
    if not found:
        return
    yield ""
    yield f"{paint(_ITEM_STYLES[status], _TITLES[status])} ({len(found):,})"
    entries = _by_reason([(_called(address, state), item) for address, item in found])
    for addresses, why in entries[:_LISTED]:
        more = f" and {len(addresses) - 3:,} more" if len(addresses) > 3 else ""
        yield f"  {printable(', '.join(addresses[:3]))}{more}"
        yield from (f"      {line}" for line in wrapped(why, width - 6, 0))
    if len(entries) > _LISTED:
        yield paint("dim", f"  ... and {len(entries) - _LISTED:,} more kinds: 'switchover report' lists them all")


def _called(address: str, state: RunState) -> str:
    label = state.labels.get(split_address(address)[1] or "", "")
    return f"{address} {label}" if label else address


def _by_reason(found: Sequence[tuple[str, ItemState]]) -> list[tuple[list[str], str]]:
    """Forty phones behind one dead switch are one problem."""
    grouped: dict[str, list[str]] = {}
    for address, item in found:
        why = f"because {split_address(item.why)[0]} did not succeed" if item.status is ItemStatus.BLOCKED else item.why
        grouped.setdefault(why, []).append(address)
    return [(addresses, why) for why, addresses in grouped.items()]


def _waiting(state: RunState, width: int, paint: Paint, now: datetime | None) -> Iterator[str]:
    """What holds the run: open gates and holds."""
    lines = []
    for address, gate in state.gates.items():
        if gate.is_open:
            ask = gate.opened.ask
            since = f"since {moment(gate.opened_at)}{_until(gate.due, now)}{_noted(ask)}"
            lines.append((_is_late(gate.due, now), f"{address}: {ask.get('title', '')} - {ask.get('summary', '')}, {since}"))
            lines += [(False, f"    {last_look(gate)}")] if gate.looked is not None else []
    for address, gate in state.gates.items():
        lines += [(True, f"{address}: {line}") for line in untold(gate)]
    for address, hold in state.holds.items():
        due = datetime.fromisoformat(hold.until) if hold.until else None
        until = _until(due, now) + (f", until {hold.signal} has happened" if hold.signal else "")
        lines.append((_is_late(due, now), f"{address or 'the whole run'} is held by {hold.owner}: {hold.reason}{until}"))
    if state.paused is not None:
        lines.append((False, f"somebody to take it up: {paused_by(state.paused)}"))
    if not lines:
        return
    yield ""
    yield paint("yellow", "Waiting for")
    for late, line in lines:
        indent = " " * (2 + len(line) - len(line.lstrip()))
        parts = wrapped(line.lstrip(), width - len(indent), 0)
        yield from (indent + (paint("alarm", part) if late else part) for part in parts)


def _noted(ask: Mapping[str, Any]) -> str:
    return f" ({ask['notice']})" if ask.get("notice") else ""


def _until(due: datetime | None, now: datetime | None) -> str:
    if due is None:
        return ""
    return f", overdue since {moment(due)}" if _is_late(due, now) else f", until {moment(due)}"


def _is_late(due: datetime | None, now: datetime | None) -> bool:
    return due is not None and now is not None and due <= now


def overdue(state: RunState, now: datetime) -> int:
    """How many open gates and holds of a run are past their time."""
    gates = [gate.due for gate in state.gates.values() if gate.is_open]
    holds = [datetime.fromisoformat(hold.until) for hold in state.holds.values() if hold.until]
    return sum(_is_late(due, now) for due in (*gates, *holds))


def _overrides(state: RunState, width: int) -> Iterator[str]:
    for shut in state.closed:
        again = f" It opens again {moment(datetime.fromisoformat(shut.reopens))}." if shut.reopens else ""
        again += f" Note: {shut.notice}." if shut.notice else ""
        yield ""
        yield from wrapped(f"{shut.address}: {many(shut.waiting, 'item')} wait for the window {shut.window}.{again}", width, 0)
    for line in decisions(state):
        yield ""
        yield from wrapped(line, width, 0)
    for override in state.overrides:
        yield ""
        yield from wrapped(f"Outside its window ({override.window}), let start by {override.actor}: {override.reason}", width, 0)


def counts_by_step(state: RunState) -> dict[str, Counter[ItemStatus]]:
    """Items by step and by how they stand, steps in the order they came up."""
    counted: dict[str, Counter[ItemStatus]] = {}
    for address, item in state.items.items():
        counted.setdefault(split_address(address)[0], Counter())[item.status] += 1
    return counted


def summary_data(state: RunState) -> dict[str, Any]:
    """The same for programs; ``format`` changes when a reader would have to."""
    return {
        "format": FORMAT, **run_line(state), "header": dict(state.header),
        "steps": {
            step: {status.value: count for status, count in counts.items()} for step, counts in counts_by_step(state).items()
        },
        "problems": [
            {"address": address, "status": item.status.value, "why": item.why}
            for address, item in state.items.items() if item.status in PROBLEMS
        ],
        "overrides": [{"window": o.window, "reason": o.reason, "actor": o.actor} for o in state.overrides],
        "order_overrides": [
            {"address": o.address, "doing": o.doing, "who": o.who, "role": o.role, "via": o.via, "reason": o.reason}
            for o in state.order_overrides
        ],
        "policy": [encode(event) for event in state.policies],
        "skips": [{"address": address, "reason": s.reason, "who": s.who, "via": s.via} for address, s in state.skips.items()],
        "cancelled": {"reason": state.cancelled.reason, "who": state.cancelled.who, "via": state.cancelled.via}
        if state.cancelled else None,
        "paused": {"reason": state.paused.reason, "who": state.paused.who} if state.paused else None,
        "revision": state.revision,
        "amended": [
            {"revision": e.revision, "at": at.isoformat(), "who": e.who, "reason": e.reason} for at, e in state.amendments
        ],
        "tripped": {"address": state.tripped.address, "failed": state.tripped.failed, "limit": state.tripped.limit}
        if state.tripped else None,
    }


def last_look(gate: GateState) -> str:
    """What was seen last of what a gate waits for, and when it is looked again."""
    if gate.looked is None or gate.looked_at is None:
        return ""
    again = f"; the next look is at {moment(at)}" if (at := gate.next_look) else ""
    return f"seen {moment(gate.looked_at)}, look {gate.looked.number:,}: {gate.looked.saw}{again}"


def run_line(state: RunState) -> dict[str, Any]:
    """A run as an entry of a list."""
    started = state.started or RunStarted("", "", "", "", 0, {}, {})
    return {
        "run": state.run, "status": state.status.value, "scope": started.scope,
        "runbook": started.header.get("runbook_name", ""), "customer": started.header.get("customer", ""),
        "plan_id": started.plan_id, "rollback_of": state.rollback_of, "actor": started.actor,
        "started_at": state.started_at.isoformat() if state.started_at else None,
        "last_at": state.last_at.isoformat() if state.last_at else None, "counts": state.counts(),
    }


def format_runs(
    states: Iterable[RunState], *, color: bool = False, at_work: Container[str] = (), now: datetime | None = None
) -> str:
    """A table of runs, one line each, without the last line end. ``at_work``: the runs that a live process works on; ``now``
    tells what is overdue."""
    paint = Paint(color)
    rows = [_run_cells(state, at_work, now) for state in states]
    if not rows:
        return "No runs yet. Start one with: switchover apply RUNBOOK -i INVENTORY"
    widths = [max(columns(row[0][n]) for row in rows) for n in range(5)]
    lines = []
    for cells, status in rows:
        parts = [padded(cell, width) for cell, width in zip(cells, widths, strict=True)]
        parts[1] = paint("alarm" if cells[1] == DIED else _STYLES[status], parts[1])
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def _run_cells(state: RunState, at_work: Container[str], now: datetime | None) -> tuple[list[str], RunStatus]:
    line = run_line(state)
    words, counted = words_of(state.header), state.counts()
    counts = ", ".join(f"{counted[status.value]:,} {word}" for status, word in words.items() if counted.get(status.value))
    started = moment(state.started_at) if state.started_at else ""
    stands = DIED if state.status is RunStatus.RUNNING and state.run not in at_work else RUN_WORDS[state.status]
    late = overdue(state, now) if now is not None and state.status is not RunStatus.SUCCEEDED else 0
    if late:
        counts = ", ".join(filter(None, (counts, f"{late:,} overdue")))
    back = f" rollback of {state.rollback_of}" if state.rollback_of else ""
    return [state.run, stands, started, f"{line['scope']} {line['runbook']}{back}".strip(), counts], state.status
