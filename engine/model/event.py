"""The facts a journal holds. Each class is one kind of event; its docstring is its reference.

Events are past tense, hold JSON values only and no secret. ``encode`` and ``decode`` are the one place that knows their form.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Event:
    """What all events share. ``address`` is that of an item (``phase/step[item]``) or of a block, or empty for the run."""

    kind: ClassVar[str] = ""
    is_letter: ClassVar[bool] = False
    """Whether a person or an outside system may add it to a run that another process is working on."""


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """A run began. ``header`` is the plan's header as JSON; ``totals`` what the plan promised, by outlook."""

    kind: ClassVar[str] = "run_started"
    scope: str
    plan_id: str
    actor: str
    host: str
    pid: int
    header: Mapping[str, Any]
    totals: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ItemsNamed(Event):
    """What people call the run's items: item key -> name, such as ``101 Front desk``. Several events when there are many."""

    kind: ClassVar[str] = "items_named"
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RunResumed(Event):
    """Somebody took the run up again after it stopped or died."""

    kind: ClassVar[str] = "run_resumed"
    actor: str
    host: str
    pid: int


@dataclass(frozen=True, slots=True)
class WindowOverridden(Event):
    """Work was let start outside its window; ``reason`` is what the operator gave."""

    kind: ClassVar[str] = "window_overridden"
    window: str
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class WindowClosed(Event):
    """A window shut with items still waiting; they keep until ``reopens`` (ISO 8601, empty when unknown). ``notice``: what to
    know of that day, such as a month end."""

    kind: ClassVar[str] = "window_closed"
    address: str
    window: str
    waiting: int
    reopens: str
    notice: str = ""


@dataclass(frozen=True, slots=True)
class ItemIntended(Event):
    """A write is about to happen. Durable before the effect; without an outcome after it, the item is in doubt. ``receipt``: what
    undoing it will need, where the action can tell beforehand."""

    kind: ClassVar[str] = "item_intended"
    address: str
    key: str
    summary: str
    attempt: int
    observable: bool
    """False when the effect cannot be read back: such an item in doubt is a question to a person."""
    receipt: Mapping[str, Any] = field(default_factory=dict)
    reversible: bool = True


@dataclass(frozen=True, slots=True)
class ItemChanged(Event):
    """The change was made and its read-back converged. ``adopted``: the effect of an earlier, lost attempt was found in place."""

    kind: ClassVar[str] = "item_changed"
    address: str
    summary: str
    receipt: Mapping[str, Any]
    fields: tuple[tuple[str, Any, Any], ...] = ()
    diff: tuple[str, ...] = ()
    adopted: bool = False
    reversible: bool = True
    attempt: int = 1
    took_s: float = 0.0
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """What later steps may use, as read when it was proved."""


@dataclass(frozen=True, slots=True)
class ItemUnchanged(Event):
    """It already was as it should be."""

    kind: ClassVar[str] = "item_unchanged"
    address: str
    outputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ItemRan(Event):
    """An effect that cannot be read back was carried out, once."""

    kind: ClassVar[str] = "item_ran"
    address: str
    summary: str
    receipt: Mapping[str, Any]
    attempt: int = 1
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ItemProved(Event):
    """A check was read to be true."""

    kind: ClassVar[str] = "item_proved"
    address: str
    summary: str
    took_s: float = 0.0
    outputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ItemRetried(Event):
    """An attempt failed in a way that may pass; the next one comes in ``wait_s`` seconds."""

    kind: ClassVar[str] = "item_retried"
    address: str
    why: str
    attempt: int
    wait_s: float
    nothing_done: bool = False
    """True when it failed before anything could have happened over there: its intent is taken back."""


@dataclass(frozen=True, slots=True)
class ItemFailed(Event):
    """It ended without success. ``cause``: temporary (retries used up), permanent, moved (since the plan), bug.
    ``nothing_done``: certainly without effect on the other side, by this attempt and those before; its intent is taken back."""

    kind: ClassVar[str] = "item_failed"
    address: str
    why: str
    cause: str
    attempt: int = 1
    took_s: float = 0.0
    nothing_done: bool = False


@dataclass(frozen=True, slots=True)
class ItemBlocked(Event):
    """Not tried, because ``by`` did not succeed for it."""

    kind: ClassVar[str] = "item_blocked"
    address: str
    by: str


@dataclass(frozen=True, slots=True)
class ItemSkipped(Event):
    """Its ``when`` was false, or somebody had it skipped."""

    kind: ClassVar[str] = "item_skipped"
    address: str
    why: str


@dataclass(frozen=True, slots=True)
class ItemWithdrawn(Event):
    """An intent was taken back before anything was done, because the run was stopping."""

    kind: ClassVar[str] = "item_withdrawn"
    address: str
    why: str


@dataclass(frozen=True, slots=True)
class ItemInDoubt(Event):
    """An effect may or may not have happened and cannot be read; a person must say."""

    kind: ClassVar[str] = "item_in_doubt"
    address: str
    why: str


@dataclass(frozen=True, slots=True)
class ItemAnswered(Event):
    """A person settled an item in doubt: ``answer`` is ``done`` or ``again``."""

    kind: ClassVar[str] = "item_answered"
    address: str
    answer: str
    actor: str


@dataclass(frozen=True, slots=True)
class ItemReopened(Event):
    """A failed or blocked item was put back to be tried again (``retry``)."""

    kind: ClassVar[str] = "item_reopened"
    address: str
    actor: str


@dataclass(frozen=True, slots=True)
class GuardTripped(Event):
    """Failures in a block went over its limit: nothing new starts."""

    kind: ClassVar[str] = "guard_tripped"
    address: str
    failed: int
    limit: str


@dataclass(frozen=True, slots=True)
class RunInterrupted(Event):
    """The operator or the system asked the run to stop; what was running was let finish."""

    kind: ClassVar[str] = "run_interrupted"
    why: str


@dataclass(frozen=True, slots=True)
class RunReadBack(Event):
    """At the end of a rollback everything it undid was read once more: ``checked`` items, ``differing`` of which are not as they
    were before the run, or could not be read."""

    kind: ClassVar[str] = "run_read_back"
    checked: int
    differing: int


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """The run came to a stop by itself. ``status``: succeeded, failed, tripped, waiting, paused or cancelled. ``due``: when
    a waiting run has something to do next (ISO 8601, empty when only somebody's answer or an outside event can tell)."""

    kind: ClassVar[str] = "run_finished"
    status: str
    counts: Mapping[str, int] = field(default_factory=dict)
    due: str = ""


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
    """A gate is decided. ``outcome``: passed, refused, skipped or cancelled; ``outputs``: what later steps may use of it;
    ``late``: because nobody acted in time."""

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


KINDS: dict[str, type[Event]] = {
    cls.kind: cls
    for cls in (
        RunStarted, ItemsNamed, RunResumed, WindowOverridden, WindowClosed, ItemIntended, ItemChanged, ItemUnchanged, ItemRan,
        ItemProved, ItemRetried, ItemFailed, ItemBlocked, ItemSkipped, ItemWithdrawn,
        ItemInDoubt, ItemAnswered, ItemReopened,
        GuardTripped, RunInterrupted, RunReadBack, RunFinished,
        GateOpened, GateReopened, GateVoted, GateAnswered, GateReported, GateDelegated, SignalReceived, GateLooked, GateReminded,
        GateEscalated, GateClosed, RunHeld, RunReleased, GateChosen, GateDeclined, GateProposed, GateMoved, GateNotified,
        SkipOrdered, RunPaused, RunCancelled, OrderOverridden,
    )
}
LETTERS = frozenset(kind for kind, cls in KINDS.items() if cls.is_letter)
"""Kinds of events that may arrive while another process works on the run."""

OF_GATES = frozenset({
    RunStarted.kind, RunResumed.kind, RunPaused.kind, RunCancelled.kind, SkipOrdered.kind,
    *(kind for kind in KINDS if kind.startswith("gate_")),
})
"""What tells which gates of a run are open, and what keeps their run from going on."""

_FIELDS: dict[str, tuple[str, ...]] = {kind: tuple(f.name for f in dataclasses.fields(cls)) for kind, cls in KINDS.items()}
_KEYS = {kind: frozenset(names) for kind, names in _FIELDS.items()}
_TUPLES = {
    kind: tuple(
        name for name in names if name in ("fields", "diff", "reminders", "evidence", "people", "slots", "proposed", "items")
    )
    for kind, names in _FIELDS.items()
}
"""Fields that JSON has lists for, by kind."""


@dataclass(frozen=True, slots=True)
class Record:
    """An event as journalled: numbered from 1 within its run, timed, and chained by hash to the one before."""

    run: str
    seq: int
    at: datetime
    event: Event
    hash: str = ""


def encode(event: Event) -> dict[str, Any]:
    """The event's fields, without its kind."""
    return {name: getattr(event, name) for name in _FIELDS[event.kind]}


def decode(kind: str, data: Mapping[str, Any]) -> Event:
    """Rebuilds an event. Raises ``KeyError`` for an unknown kind; unknown fields of a newer version are dropped."""
    cls = KINDS[kind]
    known = _FIELDS[kind]
    values = dict(data) if data.keys() == _KEYS[kind] else {name: data[name] for name in known if name in data}
    for name in _TUPLES[kind]:
        if name in values:
            values[name] = tuple(tuple(v) if isinstance(v, list) else v for v in values[name])
    return cls(**values)


def address_of_event(event: Event) -> str:
    """The address an event is about; empty for the run as a whole."""
    return getattr(event, "address", "")
