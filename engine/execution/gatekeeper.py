"""The gates of one run: opened when a lane comes to them, and closed by what people, time and the outside world bring.

Everything is journalled before it counts. People act from other processes, so what they did is read from the journal, and a gate
is closed only if nothing they did has come in between.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.execution.appointments import Book, booked, proposals, terms
from engine.execution.decide import Expected
from engine.execution.gates import cancelled_by, closed_gates, closing, fired, looked, skipped_by, times
from engine.execution.notices import Errand, owed, retries
from engine.language.gate_reader import roles_of
from engine.language.templates import DependsOnLaterError
from engine.model import event as ev
from engine.model.calendar import Calendar, due_at
from engine.model.diagnostic import InvalidInput
from engine.model.errors import ActionFailure, Permanent, SwitchoverError
from engine.model.gate import GATE_KINDS, Appointment, Approval, Form, Gate, GateState, Invite, Limits, ManualTask, Wait
from engine.model.inventory import Inventory, Item
from engine.model.plan import Outlook, PlanHeader, PlannedItem, digest
from engine.model.run import ItemState, ItemStatus, RunState
from engine.model.runbook import Block
from engine.model.values import dataclass
from engine.planning.gate_times import due_of, moment_of, notice_of
from engine.planning.gate_words import spelled
from engine.planning.look import Finding, Sight, look
from engine.planning.people import deputies_of, people_of
from engine.planning.plan_file import write_plan
from engine.planning.planner import NOTHING_TO_DO, Planner
from engine.planning.scene import CompiledGate, Scene
from engine.ports import Journal, Notifier


@dataclass(frozen=True, slots=True)
class Desk:
    """What a gatekeeper is told of its run. ``requester``: the account that started it; ``header``: of its plan; ``folder``:
    where what an approval covers is kept to be looked at."""

    run: str
    requester: str
    header: PlanHeader | None = None
    folder: Path | None = None
    looks_now: bool = False
    """Whether what open gates wait for is looked at when they are first come to, due or not."""
    notifier: Notifier | None = None
    """Writes to people; None: nobody does."""


class GateKeeper:
    """Safe to use from several threads."""

    def __init__(self, scene: Scene, journal: Journal, state: RunState, desk: Desk) -> None:
        self._scene, self._journal, self._state, self._desk = scene, journal, state, desk
        self._lock = threading.RLock()
        self._eager = {address for address, gate in state.gates.items() if gate.is_watching} if desk.looks_now else set()
        self._met = journal.letters_met(desk.run)
        self._compensating = False
        self._asked_at = self._now()
        """When the loop was last told what has fallen due: each time counts once, or it would go round for ever."""
        self._since = self._asked_at
        self._stirred = True

    # ------------------------------------------------------------ for lanes

    def visit(self, compiled: CompiledGate, block: Block, item: Item | None, address: str) -> ItemStatus:
        """How the gate stands now, opened if need be; ``SKIPPED`` when its ``when`` is false or somebody had it skipped,
        ``UNCHANGED`` for an approval of changes when there are none. Raises as ``Scene.ready``, and ``Permanent`` for a date
        that is none."""
        # What talks to other systems does so out of the lock: others are to go on meanwhile. Nobody else comes to this gate.
        with self._lock:
            self._refresh()
            must_open, again = self._must_open(address), self._state.asked_again.get(address)
            if must_open and self._state.skip_of(address) is not None:
                return ItemStatus.SKIPPED
        if must_open:
            texts = self._scene.asked(compiled, block, item)
            if texts is None:
                return ItemStatus.SKIPPED
            shown = self._shown(compiled.gate, address, again)
            if shown == []:
                return ItemStatus.UNCHANGED
            with self._lock:
                opened = self._opening(compiled, texts, address, shown or [])
                self._journal.flush(self._journal.append(self._desk.run, [opened]))
                self._stirred = True
        with self._lock:
            if not self._must_look(address):
                return self._advance(compiled, block, item, address)
        sight = _look(self._scene, compiled, block, item)
        with self._lock:
            return self._advance(compiled, block, item, address, sight)

    def expected(self, address: str) -> Expected | None:
        """What was approved of an address; None when no approval covers it."""
        agreed = self._state.agreed.get(address)
        return None if agreed is None else Expected(Outlook(agreed.outlook), agreed.observed, agreed.by)

    def is_over(self, address: str) -> bool:
        """Whether a gate was opened here and is decided."""
        gate = self._state.gates.get(address)
        return gate is not None and not gate.is_open and not self._must_open(address)

    def catch_up(self) -> None:
        """Reads what people did, when the journal met any of it: asked once intents are durable, and before their effects."""
        if self._journal.letters_met(self._desk.run) != self._met:
            with self._lock:
                self._refresh()

    def why_skipped(self, address: str) -> str:
        """Who had an address skipped, and why; empty when it is to be worked."""
        order = self._state.skip_of(address) if self._state.skips else None
        return "" if order is None else skipped_by(order)

    def why_withdrawn(self, address: str) -> str:
        """Why an address whose intent is on record is not to be worked after all; empty when it is."""
        return self.why_halted() or self.why_skipped(address)

    def why_halted(self) -> str:
        """Why nothing new may start in all of the run; empty when it may."""
        paused, cancelled = self._state.paused, self._state.cancelled
        if cancelled is not None:
            return "" if self._compensating else cancelled_by(cancelled)
        return "" if paused is None else f"the run was paused by {paused.who}"

    @property
    def cancelled(self) -> ev.RunCancelled | None:
        """Who ended the run for good, as last read."""
        return self._state.cancelled

    def compensates(self) -> Mapping[str, ItemState]:
        """From here on what is done when a run is cancelled may start, and holds do not keep it. Returns how all stands."""
        with self._lock:
            self._compensating = True
            self._refresh()
            return self._state.items

    def closes_gates(self) -> None:
        """Closes what the cancelled run asks of people."""
        with self._lock:
            cancelled = self._state.cancelled
            while cancelled is not None and (closed := closed_gates(self._state.gates, cancelled)) and not self.adds(closed):
                pass
            self._refresh()

    @property
    def is_paused(self) -> bool:
        return self._state.paused is not None

    def adds(self, events: Sequence[ev.Event]) -> bool:
        """Journals events, durable on return, unless somebody acted meanwhile: then False, and what they did has been read."""
        with self._lock:
            self._journal.flush()
            if self._journal.append_if(self._desk.run, events, self._state.last_seq, letters=True):
                return True
            self._refresh()
            return False

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
                self._stirred = True
            return news

    def is_held(self, address: str) -> bool:
        """Whether a hold keeps a block from starting anything."""
        with self._lock:
            if self._compensating:
                return False
            return any(_covers(held, address) and not self._is_over(hold) for held, hold in self._state.holds.items())

    def due(self) -> datetime | None:
        """When something falls due next that ``has_news`` has not told yet; None when only somebody's answer can tell."""
        with self._lock:
            return min((at for at in self._times() if at > self._asked_at), default=None)

    # ------------------------------------------------------------ for the post

    def stirred(self) -> bool:
        """Whether there may be something to write to people since this was last asked."""
        with self._lock:
            stirred, self._stirred = self._stirred, False
            return stirred

    def errands(self) -> list[Errand]:
        """What is to be written to people now; as it stood, since gates go on meanwhile."""
        with self._lock:
            if self._desk.notifier is None:
                return []
            self._refresh()
            found = owed(self._state, self._now(), tells=self._desk.notifier.tells, since=self._since)
            return [replace(errand, gate=copy(errand.gate)) for errand in found]

    def note(self, event: ev.GateNotified) -> None:
        """Journals what came of an errand."""
        self._journal.flush(self._journal.append(self._desk.run, [event]))

    def is_to_try_again(self) -> bool:
        """Whether the time has come to write once more to somebody who could not be."""
        if self._desk.notifier is None:
            return False
        with self._lock:
            self._refresh()
            return any(at <= self._now() for at in self._retries())

    def tries_again(self) -> bool:
        """Whether somebody could not be written to and is to be, later."""
        if self._desk.notifier is None:
            # Asked at the end of every run: reading all of it back to find nobody takes a tenth of its time.
            return False
        with self._lock:
            self._refresh()
            return any(True for _ in self._retries())

    def _retries(self) -> Iterator[datetime]:
        if self._desk.notifier is not None:
            yield from retries(self._state, tells=self._desk.notifier.tells)

    def _times(self) -> Iterator[datetime]:
        """Every time limit of gates and holds, past ones too."""
        yield from self._retries()
        yield from (at for gate in self._state.gates.values() for at in times(gate))
        yield from (datetime.fromisoformat(hold.until) for hold in self._state.holds.values() if hold.until)

    # ------------------------------------------------------------ inside

    def _must_open(self, address: str) -> bool:
        if address not in self._state.gates:
            return True
        return self._state.items[address].status is ItemStatus.REOPENED

    def _must_look(self, address: str) -> bool:
        self._refresh()
        at = self._state.gates[address].next_look
        if at is None:
            return False
        eager = address in self._eager
        self._eager.discard(address)
        return eager or at <= self._now()

    def _advance(
        self, compiled: CompiledGate, block: Block, item: Item | None, address: str, sight: Sight | None = None
    ) -> ItemStatus:
        """Journals what there is to journal of a gate, ``sight`` first, until it stays as it is."""
        while True:
            self._refresh()
            gate = self._state.gates[address]
            if gate.closed is not None:
                return self._state.items[address].status
            now = self._now()
            events = [_after_look(gate, compiled.gate, sight, now)] if sight is not None else []
            if not events:
                # Before time is held against it: an appointment that it waits for may have moved meanwhile.
                events = self._moved(compiled, block, item, gate)
            if not events:
                closed = closing(gate, self._state.signals, now)
                events = [*fired(gate, now), *([closed] if closed else [])]
            if not events:
                return ItemStatus.WAITING
            if self._journal.append_if(self._desk.run, events, self._state.last_seq, letters=True):
                sight = None
            self._stirred = True

    def _moved(self, compiled: CompiledGate, block: Block, item: Item | None, gate: GateState) -> list[ev.Event]:
        """The new moment of a wait whose `until` has become another since; its refusal when it can no longer be told."""
        if not isinstance(compiled.gate, Wait) or not compiled.gate.until or gate.due is None:
            return []
        try:
            texts = self._scene.asked(compiled, block, item)
            due = moment_of(texts["until"], self._scene.inventory.timezone) if texts is not None else gate.due
        except (InvalidInput, DependsOnLaterError, ActionFailure, SwitchoverError) as error:
            return [ev.GateClosed(gate.opened.address, "refused", f"it can no longer be told how long to wait: {error}")]
        if due == gate.due:
            return []
        return [ev.GateMoved(gate.opened.address, due.isoformat(), f"it was {gate.due.isoformat()}")]

    def _refresh(self) -> None:
        self._met = self._journal.letters_met(self._desk.run)
        self._journal.flush()
        for record in self._journal.read(self._desk.run, self._state.last_seq):
            self._state.apply(record)
            self._tell_results(record)

    def _tell_results(self, record: ev.Record) -> None:
        """What was corrected or moved after its gate was passed counts for what comes later, in this process too."""
        if isinstance(record.event, ev.GateAnswered | ev.GateChosen):
            item = self._state.items.get(record.event.address)
            if item is not None and item.status is ItemStatus.PASSED:
                self._scene.results.put(record.event.address, item.status, item.at, item.outputs)

    def _now(self) -> datetime:
        """The time, which for a run never goes back: a clock that was set back must not undo a time-out."""
        now, last = self._scene.clock.now(), self._state.last_at
        return now if last is None or now >= last else last

    def _is_over(self, hold: ev.RunHeld) -> bool:
        if hold.until and datetime.fromisoformat(hold.until) <= self._now():
            return True
        return bool(hold.signal) and any(signal.name == hold.signal for signal in self._state.signals)

    # ------------------------------------------------------------ opening

    def _opening(
        self, compiled: CompiledGate, texts: Mapping[str, str], address: str, shown: list[list[str]]
    ) -> ev.GateOpened:
        gate, now, inventory = compiled.gate, self._now(), self._scene.inventory
        calendar = inventory.calendars.get(gate.limits.calendar)
        due = due_of(gate, texts, now, inventory)
        ask: dict[str, Any] = {
            "title": compiled.step.title or compiled.step.name, "message": texts["message"],
            "summary": spelled(gate) + (_ONCE_MORE if address in self._state.asked_again else ""),
            "requester": self._desk.requester, "on_timeout": gate.limits.on_timeout,
            **_escalation(gate.limits, inventory, due, calendar), **_particulars(gate, inventory, shown),
        }
        if isinstance(gate, Appointment):
            ask |= self._appointment(gate, texts, address, now)
        deputies = deputies_of(inventory, list(filter(None, (*roles_of(gate), gate.limits.escalate_to))), now)
        if deputies:
            ask["deputies"] = deputies
        notice = notice_of(gate, now, due, inventory)
        if notice:
            ask["notice"] = notice
        ask["digest"] = digest([address, ask])
        reminders = tuple(due_at(now, after, calendar).isoformat() for after in gate.limits.remind)
        return ev.GateOpened(address, GATE_KINDS[type(gate)], ask, due.isoformat() if due else "", reminders)

    def _appointment(self, gate: Appointment, texts: Mapping[str, str], address: str, now: datetime) -> dict[str, Any]:
        """What is asked of a time, and those that are proposed."""
        inventory, given = self._scene.inventory, self._scene.given
        calendar = inventory.calendars.get(gate.limits.calendar)
        if calendar is None:
            raise Permanent(f"the inventory has no calendar called '{gate.limits.calendar}', which its times have to fit")
        not_before = moment_of(texts["not_before"], inventory.timezone) if texts["not_before"] else None
        ask = {**terms(gate, not_before), "timezone": calendar.timezone}
        taken = booked(self._journal, calendar.name, given.scope, run=self._desk.run, address=address)
        return {
            **ask, "slots": [list(offer) for offer in proposals(ask, Book(calendar, taken), now)],
            "uid": f"{digest([self._desk.run, address, now.isoformat()])[:32]}@switchover",
            **({"invite": _invited(gate.invite, inventory, texts)} if gate.invite is not None else {}),
        }

    def _shown(self, gate: Gate, address: str, only: Collection[str] | None) -> list[list[str]] | None:
        """What the covered steps would change now, in all addresses or ``only`` some: that is what people agree to. None when
        it covers none."""
        if not isinstance(gate, Approval) or not gate.covers:
            return None
        found = covered(self._scene, gate, only)
        if self._desk.folder is not None and self._desk.header is not None and found:
            path = shown_path(self._desk.folder, address)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            write_plan(path, self._desk.header, found)
        return [[item.address, item.outlook.value, item.observed] for item in found if item.outlook not in NOTHING_TO_DO]


_ONCE_MORE = ", once more, for what changed since it was given"


def _look(scene: Scene, compiled: CompiledGate, block: Block, item: Item | None) -> Sight:
    assert compiled.looks is not None  # noqa: S101  # the gate that was opened says that it waits for a look
    try:
        return look(scene, compiled.looks, block, item)
    except InvalidInput as invalid:
        return Sight(Finding.NEVER, "; ".join(d.detail for d in invalid.diagnostics))
    except DependsOnLaterError as later:
        return Sight(Finding.NEVER, f"it needs the result of {later}, which has none")


def _after_look(gate: GateState, waited: Gate, sight: Sight, now: datetime) -> ev.Event:
    assert isinstance(waited, Wait)  # noqa: S101  # only a wait looks
    assert waited.watched is not None  # noqa: S101
    if sight.finding is Finding.SO:
        return ev.GateClosed(gate.opened.address, "passed", "it was found to be so", dict(sight.outputs))
    if sight.finding is Finding.NEVER:
        return ev.GateClosed(gate.opened.address, "refused", sight.saw)
    saw = sight.saw if sight.finding is Finding.NOT_YET else f"it could not be read: {sight.saw}"
    return looked(gate, waited.watched, saw, now, sight.wait_s)


def covered(scene: Scene, gate: Approval, only: Collection[str] | None = None) -> list[PlannedItem]:
    """Everything that an approval covers, as it would be shown now; in all addresses, or ``only`` some."""
    return list(Planner(scene, notes=False).look(scene.work(), gate.covers, only))


def _particulars(gate: Gate, inventory: Inventory, shown: list[list[str]]) -> dict[str, Any]:
    if isinstance(gate, Wait):
        watched = gate.watched
        return {"signal": gate.signal} if watched is None else {"watched": watched.action, "every": str(watched.every)}
    people = {"people": people_of(inventory, gate.roles)}
    if isinstance(gate, Appointment):
        return people
    if isinstance(gate, Form):
        return {**people, "schema": dict(gate.schema)}
    if isinstance(gate, ManualTask):
        return {**people, "checklist": list(gate.checklist), "evidence": gate.evidence}
    return {**people, "quorum": gate.quorum, "four_eyes": gate.four_eyes, "shown": shown}


def _invited(invite: Invite, inventory: Inventory, texts: Mapping[str, str]) -> dict[str, Any]:
    """An invitation as it is journalled: whoever sends it needs no runbook."""
    words = {name: texts[f"invite.{name}"] for name in ("subject", "text", "location")}
    return {"connection": invite.connection, "from": invite.sender, "people": people_of(inventory, invite.to), **words}


def shown_path(folder: Path, address: str) -> Path:
    """Where what an approval covers is kept, in a run's folder."""
    return folder / "shown" / f"{address.replace('/', '--')}.jsonl"


def _escalation(limits: Limits, inventory: Inventory, due: datetime | None, calendar: Calendar | None) -> dict[str, Any]:
    if limits.on_timeout != "escalate" or limits.within is None or due is None:
        return {}
    until = due_at(due, limits.within, calendar)
    return {
        "escalate_to": limits.escalate_to, "escalation": people_of(inventory, [limits.escalate_to]),
        "escalation_due": until.isoformat(),
    }


def _covers(held: str, address: str) -> bool:
    """Whether a hold on ``held`` (the run, a phase, a block) is one on the block at ``address``."""
    return held in ("", address) or address.startswith(f"{held}/")
