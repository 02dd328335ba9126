"""The gates of one run: opened when a lane comes to them, and closed by what people, time and the outside world bring.

Everything is journalled before it counts. People act from other processes, so what they did is read from the journal, and a gate
is closed only if nothing they did has come in between.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from engine.execution.decide import Expected
from engine.execution.gates import closing, fired, next_due
from engine.model import event as ev
from engine.model.calendar import Calendar, due_at
from engine.model.errors import Permanent
from engine.model.gate import GATE_KINDS, Approval, Form, Gate, GateState, Limits, ManualTask, Wait
from engine.model.inventory import Inventory, Item
from engine.model.plan import Outlook, PlanHeader, digest
from engine.model.run import ItemState, ItemStatus, RunState
from engine.model.runbook import Block
from engine.model.values import dataclass
from engine.planning.gate_words import spelled
from engine.planning.plan_file import write_plan
from engine.planning.planner import NOTHING_TO_DO, Planner
from engine.planning.scene import CompiledGate, Scene
from engine.ports import Journal


@dataclass(frozen=True, slots=True)
class Desk:
    """What a gatekeeper is told of its run. ``requester``: the account that started it; ``header``: of its plan; ``folder``:
    where what an approval covers is kept to be looked at."""

    run: str
    requester: str
    header: PlanHeader | None = None
    folder: Path | None = None


class GateKeeper:
    """Safe to use from several threads."""

    def __init__(self, scene: Scene, journal: Journal, state: RunState, desk: Desk) -> None:
        self._scene, self._journal, self._state, self._desk = scene, journal, state, desk
        self._lock = threading.RLock()
        self._approved: dict[str, Expected] = {}
        self._asked_at = self._now()
        """When the loop was last told what has fallen due: each time counts once, or it would go round for ever."""
        for gate in state.gates.values():
            self._note_approved(gate)

    # ------------------------------------------------------------ for lanes

    def visit(self, compiled: CompiledGate, block: Block, item: Item | None, address: str) -> ItemStatus:
        """How the gate stands now, opened if need be; ``SKIPPED`` when its ``when`` is false, ``UNCHANGED`` for an approval of
        changes when there are none. Raises as ``Scene.ready``, and ``Permanent`` for a date that is none."""
        with self._lock:
            self._refresh()
            if self._must_open(address):
                texts = self._scene.asked(compiled, block, item)
                if texts is None:
                    return ItemStatus.SKIPPED
                shown = self._shown(compiled.gate, address)
                if shown == []:
                    return ItemStatus.UNCHANGED
                opened = self._opening(compiled, texts, address, shown or [])
                self._journal.flush(self._journal.append(self._desk.run, [opened]))
            return self._advance(address)

    def expected(self, address: str) -> Expected | None:
        """What was approved of an address; None when no approval covers it."""
        return self._approved.get(address)

    def item(self, address: str) -> ItemState | None:
        """How an address stands, as last read from the journal: for a lane that comes back from a gate."""
        return self._state.items.get(address)

    def outputs(self, address: str) -> Mapping[str, Any]:
        """What later steps may use of a gate that was passed."""
        gate = self._state.gates.get(address)
        return {} if gate is None else gate.outputs

    # ------------------------------------------------------------ for the loop

    def has_news(self) -> bool:
        """Whether somebody acted, or something fell due, since this was last asked or a gate was visited."""
        with self._lock:
            now, asked_at = self._now(), self._asked_at
            fell_due = any(asked_at < at <= now for at in self._times())
            self._asked_at = max(now, asked_at)
            news = self._journal.has_letters(self._desk.run, self._state.last_seq) or fell_due
            if news:
                self._refresh()
            return news

    def is_held(self, address: str) -> bool:
        """Whether a hold keeps a block from starting anything."""
        with self._lock:
            return any(_covers(held, address) and not self._is_over(hold) for held, hold in self._state.holds.items())

    def due(self) -> datetime | None:
        """When something falls due next that ``has_news`` has not told yet; None when only somebody's answer can tell."""
        with self._lock:
            return min((at for at in self._times() if at > self._asked_at), default=None)

    def _times(self) -> Iterator[datetime]:
        """Every time limit of gates and holds, past ones too."""
        yield from (at for gate in self._state.gates.values() if (at := next_due(gate)) is not None)
        yield from (datetime.fromisoformat(hold.until) for hold in self._state.holds.values() if hold.until)

    # ------------------------------------------------------------ inside

    def _must_open(self, address: str) -> bool:
        if address not in self._state.gates:
            return True
        return self._state.items[address].status is ItemStatus.REOPENED

    def _advance(self, address: str) -> ItemStatus:
        while True:
            self._refresh()
            gate = self._state.gates[address]
            if gate.closed is not None:
                self._note_approved(gate)
                return self._state.items[address].status
            now = self._now()
            events: list[ev.Event] = fired(gate, now)
            closed = closing(gate, self._state.signals, now)
            if not events and closed is None:
                return ItemStatus.WAITING
            self._journal.append_if(
                self._desk.run, [*events, *([closed] if closed else [])], self._state.last_seq, letters=True
            )

    def _refresh(self) -> None:
        self._journal.flush()
        for record in self._journal.read(self._desk.run, self._state.last_seq):
            self._state.apply(record)

    def _now(self) -> datetime:
        """The time, which for a run never goes back: a clock that was set back must not undo a time-out."""
        now, last = self._scene.clock.now(), self._state.last_at
        return now if last is None or now >= last else last

    def _is_over(self, hold: ev.RunHeld) -> bool:
        if hold.until and datetime.fromisoformat(hold.until) <= self._now():
            return True
        return bool(hold.signal) and any(signal.name == hold.signal for signal in self._state.signals)

    def _note_approved(self, gate: GateState) -> None:
        if gate.closed is None or gate.closed.outcome != "passed":
            return
        by = gate.closed.why
        for address, outlook, observed in gate.opened.ask.get("shown", ()):
            self._approved[address] = Expected(Outlook(outlook), observed, by)

    # ------------------------------------------------------------ opening

    def _opening(
        self, compiled: CompiledGate, texts: Mapping[str, str], address: str, shown: list[list[str]]
    ) -> ev.GateOpened:
        gate, now, inventory = compiled.gate, self._now(), self._scene.inventory
        calendar = inventory.calendars.get(gate.limits.calendar)
        due = _due(gate, texts, now, calendar, inventory.timezone)
        ask: dict[str, Any] = {
            "title": compiled.step.title or compiled.step.name, "message": texts["message"], "summary": spelled(gate),
            "requester": self._desk.requester, "on_timeout": gate.limits.on_timeout,
            **_escalation(gate.limits, inventory, due, calendar), **_particulars(gate, inventory, shown),
        }
        ask["digest"] = digest([address, ask])
        reminders = tuple(due_at(now, after, calendar).isoformat() for after in gate.limits.remind)
        return ev.GateOpened(address, GATE_KINDS[type(gate)], ask, due.isoformat() if due else "", reminders)

    def _shown(self, gate: Gate, address: str) -> list[list[str]] | None:
        """What the covered steps would change now: that is what people agree to. None when it covers none."""
        if not isinstance(gate, Approval) or not gate.covers:
            return None
        found = list(Planner(self._scene, notes=False).look(self._scene.work(), gate.covers))
        if self._desk.folder is not None and self._desk.header is not None and found:
            path = shown_path(self._desk.folder, address)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            write_plan(path, self._desk.header, found)
        return [[item.address, item.outlook.value, item.observed] for item in found if item.outlook not in NOTHING_TO_DO]


def _particulars(gate: Gate, inventory: Inventory, shown: list[list[str]]) -> dict[str, Any]:
    if isinstance(gate, Wait):
        return {"signal": gate.signal}
    people = {"people": people_of(inventory, gate.roles)}
    if isinstance(gate, Form):
        return {**people, "schema": dict(gate.schema)}
    if isinstance(gate, ManualTask):
        return {**people, "checklist": list(gate.checklist), "evidence": gate.evidence}
    return {**people, "quorum": gate.quorum, "four_eyes": gate.four_eyes, "shown": shown}


def shown_path(folder: Path, address: str) -> Path:
    """Where what an approval covers is kept, in a run's folder."""
    return folder / "shown" / f"{address.replace('/', '--')}.jsonl"


def people_of(inventory: Inventory, roles: Sequence[str]) -> list[dict[str, Any]]:
    """Who stands behind roles: role, name, mail address, and the accounts each is known by."""
    return list(_people(inventory, roles))


def _people(inventory: Inventory, roles: Sequence[str]) -> Iterator[dict[str, Any]]:
    for role in roles:
        person = inventory.people.get(role, {})
        logins = person.get("logins", ())
        yield {
            "role": role, "name": str(person.get("name", role)), "email": str(person.get("email", "")),
            "logins": [logins] if isinstance(logins, str) else [str(login) for login in logins or ()],  # type: ignore[attr-defined]
        }


def _escalation(limits: Limits, inventory: Inventory, due: datetime | None, calendar: Calendar | None) -> dict[str, Any]:
    if limits.on_timeout != "escalate" or limits.within is None or due is None:
        return {}
    until = due_at(due, limits.within, calendar)
    return {
        "escalate_to": limits.escalate_to, "escalation": people_of(inventory, [limits.escalate_to]),
        "escalation_due": until.isoformat(),
    }


def _due(gate: Gate, texts: Mapping[str, str], now: datetime, calendar: Calendar | None, timezone: str) -> datetime | None:
    if isinstance(gate, Wait) and gate.until:
        return _moment(texts["until"], timezone)
    within = gate.duration if isinstance(gate, Wait) and gate.duration is not None else gate.limits.within
    return None if within is None else due_at(now, within, calendar)


def _moment(text: str, timezone: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Permanent(
            f"it waits until {text!r}, which is no date and time: write 2026-12-01T09:00, with or without an offset"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=ZoneInfo(timezone))


def _covers(held: str, address: str) -> bool:
    """Whether a hold on ``held`` (the run, a phase, a block) is one on the block at ``address``."""
    return held in ("", address) or address.startswith(f"{held}/")
