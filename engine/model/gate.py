"""Steps that are not carried out but waited for: people who decide, answer or do something, a time, an outside event.

What stands here is what a runbook says of them. How one stands in a run is ``GateState``, a fold over its events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, Literal

from engine.model import event as ev
from engine.model.duration import Duration
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
class Wait:
    """Until a time has passed (``duration``), a moment has come (``until``, a template), or a signal was received."""

    duration: Duration | None = None
    until: str = ""
    signal: str = ""
    message: str = ""
    limits: Limits = Limits()


Gate = Approval | Form | ManualTask | Wait
GATE_KINDS: Mapping[type[Gate], str] = {Approval: "approval", Form: "input", ManualTask: "task", Wait: "wait"}


@dataclass(slots=True)
class GateState:
    """One gate as it stands in a run."""

    opened: ev.GateOpened
    opened_at: datetime
    votes: list[ev.GateVoted] = field(default_factory=list)
    answers: list[ev.GateAnswered] = field(default_factory=list)
    reports: list[ev.GateReported] = field(default_factory=list)
    reminded: int = 0
    escalated: ev.GateEscalated | None = None
    closed: ev.GateClosed | None = None

    @property
    def is_open(self) -> bool:
        return self.closed is None

    @property
    def due(self) -> datetime | None:
        """When its time is over."""
        text = self.escalated.due if self.escalated else self.opened.due
        return datetime.fromisoformat(text) if text else None

    @property
    def people(self) -> list[Mapping[str, Any]]:
        """Who may act: role, name, and the accounts (``logins``) each is known by."""
        return [*self.opened.ask.get("people", ()), *(self.escalated.people if self.escalated else ())]

    @property
    def outputs(self) -> Mapping[str, Any]:
        """What later steps may use of it; of a form its last answer, corrections included."""
        if self.closed is None or self.closed.outcome != "passed":
            return {}
        return self.answers[-1].data if self.answers else self.closed.outputs

    @property
    def digest(self) -> str:
        """Of what is shown to whoever decides."""
        return str(self.opened.ask.get("digest", ""))
