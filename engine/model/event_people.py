"""Facts about gates, and what people and the outside world do to a run. Told on by ``event``, where all kinds stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, ClassVar

from engine.model.event_base import Event
from engine.model.values import dataclass


@dataclass(frozen=True, slots=True)
class GateOpened(Event):
    """A step asks people, waits for a time or for an outside event. ``gate``: approval, input, task or wait; ``ask``: what is
    asked, of whom, and what an approval covers; ``due`` and ``reminders``: ISO 8601, empty when there is no limit."""

    kind: ClassVar[str] = "gate_opened"
    address: str
    gate: str
    ask: Mapping[str, Any]
    due: str = ""
    reminders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GateReopened(Event):
    """An approval that was given is asked for once more, for ``items`` alone: they changed after it was given."""

    kind: ClassVar[str] = "gate_reopened"
    address: str
    items: tuple[str, ...]
    actor: str


@dataclass(frozen=True, slots=True)
class GateVoted(Event):
    """Somebody approved or rejected. ``vote``: approve or reject; ``via``: how it is known who that was; ``digest``: of what
    was shown to them."""

    kind: ClassVar[str] = "gate_voted"
    is_letter: ClassVar[bool] = True
    address: str
    vote: str
    who: str
    via: str
    digest: str
    comment: str = ""
    role: str = ""
    behalf: str = ""
    """Whose voice it is, when another acts for them; ``basis`` says why."""
    basis: str = ""


@dataclass(frozen=True, slots=True)
class GateAnswered(Event):
    """Somebody filled in a form. A later answer is a new ``version``; the earlier ones stay on record."""

    kind: ClassVar[str] = "gate_answered"
    is_letter: ClassVar[bool] = True
    address: str
    version: int
    data: Mapping[str, Any]
    who: str
    via: str
    role: str = ""
    behalf: str = ""
    """Whose voice it is, when another acts for them; ``basis`` says why."""
    basis: str = ""


@dataclass(frozen=True, slots=True)
class GateReported(Event):
    """Somebody said how manual work stands. ``outcome``: done, blocked or skipped; ``evidence``: files kept in the run's folder,
    each with name, sha256 and size in bytes."""

    kind: ClassVar[str] = "gate_reported"
    is_letter: ClassVar[bool] = True
    address: str
    outcome: str
    who: str
    via: str
    reason: str = ""
    evidence: tuple[Mapping[str, Any], ...] = ()
    role: str = ""
    behalf: str = ""
    """Whose voice it is, when another acts for them; ``basis`` says why."""
    basis: str = ""


@dataclass(frozen=True, slots=True)
class GateDelegated(Event):
    """Somebody who was asked handed that to another: ``to`` has role, name and accounts. ``role`` is the one that is asked;
    ``behalf``: whose voice it was first, when it was handed on before."""

    kind: ClassVar[str] = "gate_delegated"
    is_letter: ClassVar[bool] = True
    address: str
    who: str
    to: Mapping[str, Any]
    reason: str
    via: str
    role: str = ""
    behalf: str = ""


@dataclass(frozen=True, slots=True)
class GateChosen(Event):
    """Somebody chose the time of an appointment, ISO 8601 with offset. Moving it is a new ``version``, with its ``reason``; the
    earlier ones stay on record."""

    kind: ClassVar[str] = "gate_chosen"
    is_letter: ClassVar[bool] = True
    address: str
    version: int
    start: str
    end: str
    who: str
    via: str
    role: str = ""
    reason: str = ""
    behalf: str = ""
    basis: str = ""


@dataclass(frozen=True, slots=True)
class GateDeclined(Event):
    """Somebody cannot take proposed times of an appointment. ``slots``: their starts; ``proposed``: start and end of those that
    are proposed from then on."""

    kind: ClassVar[str] = "gate_declined"
    is_letter: ClassVar[bool] = True
    address: str
    slots: tuple[str, ...]
    proposed: tuple[tuple[str, str], ...]
    reason: str
    who: str
    via: str
    role: str = ""
    behalf: str = ""
    basis: str = ""


@dataclass(frozen=True, slots=True)
class GateProposed(Event):
    """Other times are proposed for an appointment, because one of those before can no longer be had."""

    kind: ClassVar[str] = "gate_proposed"
    is_letter: ClassVar[bool] = True
    address: str
    proposed: tuple[tuple[str, str], ...]
    why: str


@dataclass(frozen=True, slots=True)
class SignalReceived(Event):
    """Something happened outside that the run may wait for, such as a port that completed."""

    kind: ClassVar[str] = "signal_received"
    is_letter: ClassVar[bool] = True
    name: str
    data: Mapping[str, Any]
    who: str


@dataclass(frozen=True, slots=True)
class GateLooked(Event):
    """It was looked at what a gate waits for, and it is not so yet. ``saw``: how it is, or why that could not be read;
    ``number``: of the look, from 1; ``next``: when the next one comes, ISO 8601."""

    kind: ClassVar[str] = "gate_looked"
    address: str
    saw: str
    number: int
    next: str


@dataclass(frozen=True, slots=True)
class GateReminded(Event):
    """A reminder fell due; ``number`` counts from 1."""

    kind: ClassVar[str] = "gate_reminded"
    address: str
    number: int
    due: str


@dataclass(frozen=True, slots=True)
class GateEscalated(Event):
    """Nobody acted in time, so those of role ``to`` may now. ``due``: their own limit."""

    kind: ClassVar[str] = "gate_escalated"
    address: str
    to: str
    people: tuple[Mapping[str, Any], ...]
    due: str = ""


@dataclass(frozen=True, slots=True)
class GateMoved(Event):
    """The moment that an open gate waits for is another now, because what it follows from has changed. ``due``: the new one."""

    kind: ClassVar[str] = "gate_moved"
    address: str
    due: str
    why: str


@dataclass(frozen=True, slots=True)
class GateNotified(Event):
    """The engine itself wrote to somebody about a gate. ``why``: opened, proposal 1, reminder 1, escalated, timed out; of an
    appointment's invitation: invitation or cancellation and its sequence number. ``outcome``: sent, failed, or unknown when the
    answer to it was lost; ``again``: it failed in a way that may pass, and is tried again."""

    kind: ClassVar[str] = "gate_notified"
    address: str
    to: str
    why: str
    outcome: str
    message_id: str
    detail: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class GateClosed(Event):
    """A gate is decided. ``outcome``: passed, refused, skipped, cancelled, or withdrawn when the run was amended and it is to be
    asked anew; ``outputs``: what later steps may use of it; ``late``: because nobody acted in time."""

    kind: ClassVar[str] = "gate_closed"
    address: str
    outcome: str
    why: str
    outputs: Mapping[str, Any] = field(default_factory=dict)
    late: bool = False


@dataclass(frozen=True, slots=True)
class RunHeld(Event):
    """Nothing new starts, in the whole run or (``address``) in one phase or step. ``until``: ISO 8601; it is released then by
    itself. ``signal``: likewise, once this outside event was received."""

    kind: ClassVar[str] = "run_held"
    is_letter: ClassVar[bool] = True
    address: str
    reason: str
    owner: str
    until: str = ""
    signal: str = ""


@dataclass(frozen=True, slots=True)
class RunReleased(Event):
    """A hold ended."""

    kind: ClassVar[str] = "run_released"
    is_letter: ClassVar[bool] = True
    address: str
    reason: str
    who: str


@dataclass(frozen=True, slots=True)
class SkipOrdered(Event):
    """Somebody decided that an item, all of a step that is not done yet, or an open gate is left out. It counts as ended well,
    without outputs."""

    kind: ClassVar[str] = "skip_ordered"
    is_letter: ClassVar[bool] = True
    address: str
    reason: str
    who: str
    via: str


@dataclass(frozen=True, slots=True)
class RunPaused(Event):
    """The run starts nothing new, and nothing by itself, until somebody takes it up again."""

    kind: ClassVar[str] = "run_paused"
    is_letter: ClassVar[bool] = True
    reason: str
    who: str


@dataclass(frozen=True, slots=True)
class RunCancelled(Event):
    """Somebody ended the run for good: nothing new of its runbook starts, and its ``on_cancel`` steps are done."""

    kind: ClassVar[str] = "run_cancelled"
    is_letter: ClassVar[bool] = True
    reason: str
    who: str
    via: str


@dataclass(frozen=True, slots=True)
class OrderOverridden(Event):
    """Somebody who may let the order be gone against that the runbook insists on. ``doing``: what was let happen at ``address``;
    ``via``: how it is known who that was."""

    kind: ClassVar[str] = "order_overridden"
    is_letter: ClassVar[bool] = True
    address: str
    doing: str
    who: str
    role: str
    via: str
    reason: str


@dataclass(frozen=True, slots=True)
class PolicyChecked(Event):
    """What was found when the project's policy was held against what the run is made from, before it began or was amended.
    ``outcome``: kept, overridden, or not enforced, as against the lab; ``policy``: where it stands, with ``policy_commit``."""

    kind: ClassVar[str] = "policy_checked"
    outcome: str
    policy: str
    policy_commit: str
    rules: tuple[Mapping[str, Any], ...]
    """Each thing that a rule asks: the ``rule``, its place (``at``), whether it was ``kept``, what was found (``says``)."""
    commit: str
    """What is applied; empty when it is none."""
    changed: tuple[str, ...] = ()
    """Files that were not as the commit has them."""
    branches: tuple[str, ...] = ()
    """Those of the policy's branches that the commit was in."""
    signature: Mapping[str, Any] = field(default_factory=dict)
    """``good``, ``signer``, and ``why`` it is not good; empty when no rule asks for one."""
    base: Mapping[str, Any] = field(default_factory=dict)
    """The ``commit`` it was compared with, and ``why`` with that; empty when no rule asks who reviewed."""
    risks: tuple[Mapping[str, Any], ...] = ()
    """What the change means: each ``risk`` with its ``reasons``."""
    approvers: tuple[Mapping[str, Any], ...] = ()
    """Whose review counted: ``name``, ``role``, ``mail``, and the ``commits``."""
    notes: tuple[str, ...] = ()
    who: str = ""
    """Who overrode it; ``via``: how it is known who that was."""
    role: str = ""
    via: str = ""
    reason: str = ""
