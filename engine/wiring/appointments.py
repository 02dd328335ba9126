"""What people do about appointments, from any process: choosing a time, declining what is proposed, moving what was chosen.

Two runs may want the last place of a day at once. What is decided rests on who has what over all open runs, and the journal asks
again, inside the transaction that adds the choice, whether that is still so (``Desk.unchanged``): the file has one writer at a
time, so the first to write has the place, and the other is refused with what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from datetime import datetime

from engine.execution.appointments import Book, booked, declined, offer_at, proposals, slot_of, why_not_at
from engine.execution.gates import Voter, why_not
from engine.language.inventory_reader import load_inventory
from engine.model import event as ev
from engine.model.calendar import Calendar
from engine.model.errors import SwitchoverError
from engine.model.gate import GateState, Offers
from engine.model.run import RunState
from engine.model.values import dataclass
from engine.ports import Journal
from engine.project import Project
from engine.wiring.gates import Account, NotAllowed, gate_at, voter_at

_OVER = ("succeeded", "cancelled")


class SlotRefused(NotAllowed):
    """A time that cannot be had. ``offers``: those that can."""

    def __init__(self, summary: str, detail: str, offers: Offers = ()) -> None:
        super().__init__(summary, detail)
        self.offers = offers


@dataclass(slots=True)
class Desk:
    """Where the appointments of one run are made: its calendars, and who has what by them in other runs.

    ``calendars``: of the inventory the run is pinned to; see ``desk_of``.
    """

    journal: Journal
    calendars: dict[str, Calendar]
    _looked: dict[tuple[str, str], tuple[tuple[datetime, datetime], ...]] = field(default_factory=dict)
    """(Calendar, address) -> what others had when it was last looked."""
    _of: tuple[str, str] = ("", "")
    """Scope and run."""

    def book(self, state: RunState, gate: GateState) -> Book:
        """What a time at the gate is held against, as it stands now. Raises ``SwitchoverError`` without its calendar."""
        name, address = str(gate.opened.ask.get("calendar")), gate.opened.address
        calendar = self.calendars.get(name)
        if calendar is None:
            why = f"{address} goes by it, and the run's own inventory has none of that name."
            raise SwitchoverError(f"The calendar '{name}' is gone", why)
        self._of = (state.started.scope if state.started else "", state.run)
        found = self._looked[name, address] = self._look(name, address)
        return Book(calendar, found)

    def unchanged(self) -> bool:
        """Whether others still have what they had when ``book`` was last asked."""
        return all(self._look(name, address) == found for (name, address), found in self._looked.items())

    def _look(self, calendar: str, address: str) -> tuple[tuple[datetime, datetime], ...]:
        scope, run = self._of
        return booked(self.journal, calendar, scope, run=run, address=address)


def desk_of(project: Project, journal: Journal, state: RunState, now: datetime) -> Desk:
    """The desk of a run, from the inventory it is pinned to. Raises ``SwitchoverError`` when that is gone."""
    folder = project.run_folder(state.run) / "inventory"
    if not folder.is_dir():
        raise SwitchoverError(f"The folder of run {state.run} is gone", f"{folder} held the inventory it began with; restore it.")
    inventory, _ = load_inventory(folder, today=now.date())
    return Desk(journal, dict(inventory.calendars))


def appointment_at(state: RunState, address: str) -> GateState:
    """The appointment at an address. Raises ``NotAllowed``."""
    gate = gate_at(state, address)
    if gate.opened.gate != "appointment":
        raise NotAllowed("No appointment is made there", f"{address} is another kind of gate: {gate.opened.gate}.")
    return gate


def choose(state: RunState, address: str, account: Account, now: datetime, wanted: str, desk: Desk) -> list[ev.Event]:
    """A time for an appointment: ``wanted`` is the number of a proposed one, or when it starts. Raises ``NotAllowed`` for people
    and moments that do not count, ``SlotRefused`` for a time that cannot be had."""
    gate = appointment_at(state, address)
    voter = voter_at(gate, account)
    _refuse(gate, voter, now)
    book = desk.book(state, gate)
    return [_choice(gate, voter, _start(gate.offers, wanted, book), book, now)]


def decline(
    state: RunState, address: str, account: Account, now: datetime, reason: str, desk: Desk, *, slots: Sequence[str] = ()
) -> list[ev.Event]:
    """Proposed times, all of them or ``slots``, that somebody cannot take; the earliest others are proposed. Raises
    ``NotAllowed``."""
    gate = appointment_at(state, address)
    voter = voter_at(gate, account)
    _refuse(gate, voter, now)
    if not reason.strip():
        raise NotAllowed("This does not count", f"{address}: declining needs a --reason.")
    book = desk.book(state, gate)
    given = [offer_at(gate.opened.ask, book.calendar, _start(gate.offers, slot, book)) for slot in slots]
    refused = given or list(gate.offers)
    kept = [offer for offer in gate.offers if not any(_same(offer, other) for other in refused)]
    without = (*declined(gate), *((slot.start, slot.end) for slot in map(slot_of, refused)))
    count = max(0, int(gate.opened.ask["offered"]) - len(kept))
    known = {slot_of(offer) for offer in kept}
    others = proposals(gate.opened.ask, book, now, without=without, count=count + len(kept))
    fresh = [offer for offer in others if slot_of(offer) not in known][:count]
    proposed = tuple(sorted([*kept, *fresh], key=slot_of))
    starts = tuple(start for start, _ in refused)
    return [ev.GateDeclined(
        address, starts, proposed, reason, voter.name, voter.via, voter.role, voter.behalf, voter.basis
    )]


def reschedule(
    state: RunState, address: str, account: Account, now: datetime, wanted: str, reason: str, desk: Desk
) -> list[ev.Event]:
    """Another time for an appointment that was chosen, until it begins: a new version. ``wanted``: as of ``choose``, numbers
    being those of ``others``. Raises ``NotAllowed``, ``SlotRefused``."""
    gate = appointment_at(state, address)
    voter = voter_at(gate, account)
    _refuse_move(state, gate, voter, now)
    if not reason.strip():
        raise NotAllowed("This does not count", f"{address}: moving an appointment needs a --reason.")
    book = desk.book(state, gate)
    start = _start(_others(gate, book, now), wanted, book)
    if _same(offer_at(gate.opened.ask, book.calendar, start), _standing(gate)):
        raise NotAllowed("It is then already", f"{address} is at {gate.spelled(_standing(gate))}: give another time.")
    return [_choice(gate, voter, start, book, now, reason)]


def others(state: RunState, address: str, account: Account, now: datetime, desk: Desk) -> Offers:
    """Times that a chosen appointment could be moved to, the earliest first. Raises ``NotAllowed`` as ``reschedule`` does."""
    gate = appointment_at(state, address)
    _refuse_move(state, gate, voter_at(gate, account), now)
    return _others(gate, desk.book(state, gate), now)


def renewed(state: RunState, address: str, now: datetime, desk: Desk, why: str) -> list[ev.Event]:
    """New proposals, when one of those on offer can no longer be had; nothing while all can."""
    gate = appointment_at(state, address)
    if not gate.is_open or gate.choices:
        return []
    book = desk.book(state, gate)
    if not any(why_not_at(gate.opened.ask, book, slot_of(offer).start, now) for offer in gate.offers):
        return []
    return [ev.GateProposed(address, proposals(gate.opened.ask, book, now, without=declined(gate)), why)]


def _refuse(gate: GateState, voter: Voter, now: datetime) -> None:
    refusal = why_not(gate, "appointment", voter, now)
    if not refusal and gate.choices:
        refusal = f"{gate.choices[-1].who} chose {gate.spelled(_standing(gate))} already; to move it: switchover reschedule"
    if refusal:
        raise NotAllowed("The choice does not count", f"{gate.opened.address}: {refusal}.")


def _refuse_move(state: RunState, gate: GateState, voter: Voter, now: datetime) -> None:
    refusal = ""
    if not any(person.get("name") == voter.name for person in gate.people):
        refusal = f"{voter.name} is not among those who are asked"
    elif not gate.choices:
        refusal = "no time is chosen yet: switchover choose"
    elif gate.closed is not None and gate.closed.outcome != "passed":
        refusal = f"it is decided already: {gate.closed.why}"
    elif state.status.value in _OVER:
        refusal = f"the run is over ({state.status.value})"
    elif now >= slot_of(_standing(gate)).start:
        refusal = f"it has begun: {gate.spelled(_standing(gate))}"
    if refusal:
        raise NotAllowed("It cannot be moved", f"{gate.opened.address}: {refusal}.")


def _choice(gate: GateState, voter: Voter, start: datetime, book: Book, now: datetime, reason: str = "") -> ev.GateChosen:
    obstacle = why_not_at(gate.opened.ask, book, start, now)
    if obstacle:
        # Declined times stay out of what is proposed, though whoever wants one of them all the same may have it.
        offers = proposals(gate.opened.ask, book, now, after=start, without=declined(gate))
        following = f"next: {', '.join(gate.spelled(offer) for offer in offers)}" if offers else "nothing fits within a year"
        raise SlotRefused("That time cannot be had", f"{gate.opened.address}: slot {obstacle}; {following}.", offers)
    begins, ends = offer_at(gate.opened.ask, book.calendar, start)
    return ev.GateChosen(
        gate.opened.address, len(gate.choices) + 1, begins, ends, voter.name, voter.via, voter.role, reason,
        voter.behalf, voter.basis,
    )


def _others(gate: GateState, book: Book, now: datetime) -> Offers:
    standing = slot_of(_standing(gate))
    found = proposals(gate.opened.ask, book, now, count=int(gate.opened.ask["offered"]) + 1)
    return tuple(offer for offer in found if slot_of(offer) != standing)[: int(gate.opened.ask["offered"])]


def _start(offers: Offers, wanted: str, book: Book) -> datetime:
    """When a wanted slot starts. Raises ``NotAllowed`` for what is neither a number of the list nor a time."""
    text = wanted.strip()
    if text.isdecimal():
        if 0 < int(text) <= len(offers):
            return slot_of(offers[int(text) - 1]).start
        raise NotAllowed("No such number", f"{text} is not among the proposed times: they have the numbers 1 to {len(offers)}.")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise NotAllowed(
            "Neither a number nor a time", f"{wanted!r}: give the number of a proposed time, or a start such as 2026-11-30T08:00."
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=book.calendar.zone)


def _standing(gate: GateState) -> tuple[str, str]:
    return gate.choices[-1].start, gate.choices[-1].end


def _same(one: Sequence[str], other: Sequence[str]) -> bool:
    return slot_of(one).start == slot_of(other).start
