"""Steps that are not carried out but waited for: people who decide, answer or do something, a time, an outside event.

What stands here is what a runbook says of them. How one stands in a run is ``GateState``, a fold over its events.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from engine.model import event as ev
from engine.model.duration import Duration
from engine.model.slots import Slot
from engine.model.values import dataclass

OnTimeout = Literal["refuse", "approve", "escalate"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a gate may stay open, and who is told meanwhile. ``calendar``: of the inventory, for business time."""

    within: Duration | None = None
    on_timeout: OnTimeout = "refuse"
    escalate_to: str = ""
    remind: tuple[Duration, ...] = ()
    """Time after opening, one reminder each."""
    calendar: str = ""


@dataclass(frozen=True, slots=True)
class Approval:
    """``quorum`` people of ``roles`` have to agree to what ``covers`` would do; one who refuses ends it."""

    roles: tuple[str, ...]
    quorum: int = 1
    four_eyes: bool = True
    """Whoever asked may not agree."""
    covers: tuple[str, ...] = ()
    """Addresses of steps; what they would change is shown, and binding."""
    message: str = ""
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class Form:
    """Somebody of ``roles`` fills in what ``schema`` (JSON Schema) asks for."""

    roles: tuple[str, ...]
    schema: Mapping[str, Any]
    message: str = ""
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class ManualTask:
    """Somebody of ``roles`` does something and says so, with evidence where it is asked for."""

    roles: tuple[str, ...]
    checklist: tuple[str, ...] = ()
    evidence: bool = False
    message: str = ""
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class Watched:
    """What an action's look has to find: nothing left to change. ``args`` holds templates, as a step's own do."""

    action: str
    args: Mapping[str, object]
    every: Duration
    max_every: Duration
    backoff: float = 1.0
    """Each time between two looks is so many times the one before, up to ``max_every``."""

    def pause_s(self, looks: int) -> float:
        """Seconds from one look to the next, after so many of them."""
        first, most = self.every.seconds, max(self.every.seconds, self.max_every.seconds)
        if self.backoff <= 1:
            return first
        # Looking goes on for months: a power of so many looks is no number any more.
        doublings = min(looks - 1, math.ceil(math.log(max(most / first, 1), self.backoff)))
        return min(most, first * self.backoff**doublings)


@dataclass(frozen=True, slots=True)
class Wait:
    """Until a time has passed (``duration``), a moment has come (``until``, a template), a signal was received, or a look
    finds things as they should be (``watched``)."""

    duration: Duration | None = None
    until: str = ""
    signal: str = ""
    message: str = ""
    limits: Limits = Limits()
    watched: Watched | None = None


@dataclass(frozen=True, slots=True)
class Invite:
    """Whose calendars are to know of an appointment: those of roles ``to``, by mail. Texts may hold templates."""

    connection: str
    to: tuple[str, ...]
    subject: str
    text: str = ""
    location: str = ""
    sender: str = ""
    """Who it is from, when not the connection's own sender."""


@dataclass(frozen=True, slots=True)
class Appointment:
    """Somebody of ``roles`` chooses when something that takes ``length`` is done, inside one business day of the calendar."""

    roles: tuple[str, ...]
    length: Duration
    slots: int = 3
    """How many are proposed, the earliest that fit."""
    not_before: str = ""
    """Date, or date and time; a template."""
    lead: Duration | None = None
    """How long before its start it has to be chosen."""
    blackout: tuple[date, ...] = ()
    capacity: int | None = None
    """How many may begin on one day, counted over all runs by calendars of this name; None: nobody counts."""
    invite: Invite | None = None
    message: str = ""
    limits: Limits = Limits()

    @property
    def texts(self) -> dict[str, Any]:
        """What may hold templates, as written."""
        invite = self.invite
        about = {} if invite is None else {"subject": invite.subject, "text": invite.text, "location": invite.location}
        return {"not_before": self.not_before, **({"invite": about} if about else {})}


Gate = Approval | Form | ManualTask | Wait | Appointment
GATE_KINDS: Mapping[type[Gate], str] = {
    Approval: "approval", Form: "input", ManualTask: "task", Wait: "wait", Appointment: "appointment",
}
APPOINTED: tuple[str, ...] = ("start", "end", "uid", "sequence")
"""Outputs of an appointment: ISO 8601 with offset, what names it in calendars, and how often it was moved."""

Offers = tuple[tuple[str, str], ...]
"""Slots that are proposed: start and end of each, ISO 8601 with offset."""


@dataclass(frozen=True, slots=True)
class Notified:
    """How the last attempt to write to somebody went, and how many there were."""

    event: ev.GateNotified
    at: datetime
    tries: int = 1


@dataclass(slots=True)
class GateState:
    """One gate as it stands in a run."""

    opened: ev.GateOpened
    opened_at: datetime
    votes: list[ev.GateVoted] = field(default_factory=list)
    answers: list[ev.GateAnswered] = field(default_factory=list)
    reports: list[ev.GateReported] = field(default_factory=list)
    delegations: list[ev.GateDelegated] = field(default_factory=list)
    looked: ev.GateLooked | None = None
    """The last look at what it waits for."""
    looked_at: datetime | None = None
    declined: list[ev.GateDeclined] = field(default_factory=list)
    proposed: Offers | None = None
    """Slots on offer, when they are not those it was opened with."""
    proposals: int = 0
    """How often others were proposed since it was opened."""
    choices: list[ev.GateChosen] = field(default_factory=list)
    moved: ev.GateMoved | None = None
    occasion: str = "opened"
    """What people were to be told of last: opened, proposal 1, reminder 1."""
    occasion_escalated: str = ""
    """What that was when it was escalated."""
    notified: dict[tuple[str, str], Notified] = field(default_factory=dict)
    """(To whom, why) -> how it went."""
    reminded: int = 0
    escalated: ev.GateEscalated | None = None
    skipped: ev.SkipOrdered | None = None
    closed: ev.GateClosed | None = None

    @property
    def is_open(self) -> bool:
        return self.closed is None

    @property
    def due(self) -> datetime | None:
        """When its time is over."""
        latest = self.escalated or self.moved or self.opened
        text = latest.due
        return datetime.fromisoformat(text) if text else None

    @property
    def is_watching(self) -> bool:
        """Whether it waits for what a look finds."""
        return bool(self.opened.ask.get("watched"))

    @property
    def next_look(self) -> datetime | None:
        """When to look next; None for a gate that does not wait for what is seen."""
        if not self.is_watching or not self.is_open:
            return None
        return self.opened_at if self.looked is None else datetime.fromisoformat(self.looked.next)

    @property
    def asked(self) -> list[Mapping[str, Any]]:
        """Who was asked first, before anybody handed it on."""
        return [*self.opened.ask.get("people", ()), *(self.escalated.people if self.escalated else ())]

    @property
    def people(self) -> list[Mapping[str, Any]]:
        """Who is asked: role, name, and the accounts (``logins``) each is known by. For whoever handed it on stands who acts
        instead, with whose voice it is (``behalf``) and why (``basis``)."""
        return [self._in_whose_hands(person) for person in self.asked] if self.delegations else self.asked

    def _in_whose_hands(self, person: Mapping[str, Any]) -> Mapping[str, Any]:
        for told in self.delegations:
            if told.who == person.get("name"):
                behalf = person.get("behalf") or told.who
                basis = f"delegated by {told.who}: {told.reason}"
                role = person.get("role")
                person = {**told.to, "role": role, "own_role": told.to.get("role"), "behalf": behalf, "basis": basis}
        return person

    @property
    def deputies(self) -> list[Mapping[str, Any]]:
        """Who stands in for those who are asked and have not handed it on, each ``from`` and ``until`` a time (empty: always)."""
        asked = {(person.get("role"), person.get("name")) for person in self.people}
        return [d for d in self.opened.ask.get("deputies", ()) if (d.get("role"), d.get("behalf")) in asked]

    def acting(self, now: datetime) -> list[Mapping[str, Any]]:
        """Who may act at a time."""
        return [*self.people, *(deputy for deputy in self.deputies if _stands_in(deputy, now))]

    @property
    def outputs(self) -> Mapping[str, Any]:
        """What later steps may use of it; of a form its last answer, of an appointment its last time, corrections included."""
        if self.closed is None or self.closed.outcome != "passed":
            return {}
        if self.choices:
            return self.appointed
        return self.answers[-1].data if self.answers else self.closed.outputs

    @property
    def offers(self) -> Offers:
        """Slots that are proposed now, in the order they are numbered."""
        return tuple((start, end) for start, end in self.opened.ask.get("slots", ())) if self.proposed is None else self.proposed

    def spelled(self, offer: Sequence[str]) -> str:
        """A slot for people, by the clock it was asked for: ``Tue 2026-10-27 08:00-12:00 America/Chicago``."""
        timezone = str(self.opened.ask.get("timezone", "UTC"))
        start, end = map(datetime.fromisoformat, offer)
        return f"{Slot(start, end).text(ZoneInfo(timezone))} {timezone}"

    @property
    def appointed(self) -> Mapping[str, Any]:
        """The time that was chosen last, as outputs; empty while none is."""
        if not self.choices:
            return {}
        last = self.choices[-1]
        return {"start": last.start, "end": last.end, "uid": self.opened.ask.get("uid", ""), "sequence": last.version - 1}

    @property
    def digest(self) -> str:
        """Of what is shown to whoever decides."""
        return str(self.opened.ask.get("digest", ""))


def _stands_in(deputy: Mapping[str, Any], now: datetime) -> bool:
    start, end = str(deputy.get("from", "")), str(deputy.get("until", ""))
    return (not start or datetime.fromisoformat(start) <= now) and (not end or now < datetime.fromisoformat(end))


def called(person: Mapping[str, Any]) -> str:
    """Somebody who is asked, by name, role and what they act by: ``Ana (project_manager, delegated by Bo: on leave)``."""
    return f"{person.get('name')} ({', '.join(str(person[key]) for key in ('role', 'basis') if person.get(key))})"


def acted(event: ev.GateVoted | ev.GateAnswered | ev.GateReported | ev.GateChosen | ev.GateDeclined) -> str:
    """Who acted, and for whom: ``Ana for project_manager (delegated by Bo: on leave)``."""
    return f"{event.who} for {event.role} ({event.basis})" if event.behalf else event.who
