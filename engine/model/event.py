"""The facts a journal holds. Each class is one kind of event; its docstring is its reference.

Events are past tense, hold JSON values only and no secret. ``encode`` and ``decode`` are the one place that knows their form.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from operator import attrgetter
from typing import Any, ClassVar

from engine.model.event_base import Event
from engine.model.event_people import (
    GateAnswered,
    GateChosen,
    GateClosed,
    GateDeclined,
    GateDelegated,
    GateEscalated,
    GateLooked,
    GateMoved,
    GateNotified,
    GateOpened,
    GateProposed,
    GateReminded,
    GateReopened,
    GateReported,
    GateVoted,
    OrderOverridden,
    PolicyChecked,
    RunCancelled,
    RunHeld,
    RunPaused,
    RunReleased,
    SignalReceived,
    SkipOrdered,
)
from engine.model.values import dataclass

__all__ = [
    "KINDS",
    "LETTERS",
    "OF_GATES",
    "SCHEMA_VERSION",
    "Event",
    "GateAnswered",
    "GateChosen",
    "GateClosed",
    "GateDeclined",
    "GateDelegated",
    "GateEscalated",
    "GateLooked",
    "GateMoved",
    "GateNotified",
    "GateOpened",
    "GateProposed",
    "GateReminded",
    "GateReopened",
    "GateReported",
    "GateVoted",
    "GuardTripped",
    "ItemAnswered",
    "ItemBlocked",
    "ItemChanged",
    "ItemFailed",
    "ItemInDoubt",
    "ItemIntended",
    "ItemProved",
    "ItemRan",
    "ItemReopened",
    "ItemRetried",
    "ItemSkipped",
    "ItemUnchanged",
    "ItemWithdrawn",
    "ItemsNamed",
    "OrderOverridden",
    "PolicyChecked",
    "Record",
    "RunAmended",
    "RunCancelled",
    "RunFinished",
    "RunHeld",
    "RunInterrupted",
    "RunPaused",
    "RunReadBack",
    "RunReleased",
    "RunResumed",
    "RunStarted",
    "SignalReceived",
    "SkipOrdered",
    "WindowClosed",
    "WindowOverridden",
    "address_of_event",
    "decode",
    "encode",
]

SCHEMA_VERSION = 1


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
class RunAmended(Event):
    """The run went over to another revision of what it is made from; what was done stays. ``revision`` counts from 2; ``before``
    and ``after``: digests of runbook, inventory and templates; ``header`` and ``totals``: of the plan of what is left."""

    kind: ClassVar[str] = "run_amended"
    revision: int
    who: str
    reason: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    git_commit: str
    header: Mapping[str, Any]
    totals: Mapping[str, int]


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


KINDS: dict[str, type[Event]] = {
    cls.kind: cls
    for cls in (
        RunStarted, ItemsNamed, RunResumed, RunAmended,
        WindowOverridden, WindowClosed, ItemIntended, ItemChanged, ItemUnchanged, ItemRan,
        ItemProved, ItemRetried, ItemFailed, ItemBlocked, ItemSkipped, ItemWithdrawn,
        ItemInDoubt, ItemAnswered, ItemReopened,
        GuardTripped, RunInterrupted, RunReadBack, RunFinished,
        GateOpened, GateReopened, GateVoted, GateAnswered, GateReported, GateDelegated, SignalReceived, GateLooked, GateReminded,
        GateEscalated, GateClosed, RunHeld, RunReleased, GateChosen, GateDeclined, GateProposed, GateMoved, GateNotified,
        SkipOrdered, RunPaused, RunCancelled, OrderOverridden, PolicyChecked,
    )
}
LETTERS = frozenset(kind for kind, cls in KINDS.items() if cls.is_letter)
"""Kinds of events that may arrive while another process works on the run."""

OF_GATES = frozenset({
    RunStarted.kind, RunResumed.kind, RunPaused.kind, RunCancelled.kind, SkipOrdered.kind,
    *(kind for kind in KINDS if kind.startswith("gate_")),
})
"""What tells which gates of a run are open, and what keeps their run from going on."""

_LISTS = frozenset({
    "fields", "diff", "reminders", "evidence", "people", "slots", "proposed", "items",
    "rules", "changed", "branches", "risks", "approvers", "notes",
})
_FIELDS: dict[str, tuple[str, ...]] = {kind: tuple(f.name for f in dataclasses.fields(cls)) for kind, cls in KINDS.items()}
_VALUES = {kind: attrgetter("kind", *names) for kind, names in _FIELDS.items()}
"""All of an event's fields at once, behind its kind: without any of them a getter of one alone would give no tuple."""
_KEYS = {kind: frozenset(names) for kind, names in _FIELDS.items()}
_TUPLES = {
    kind: tuple(
        name for name in names if name in _LISTS
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
    values: tuple[Any, ...] = _VALUES[event.kind](event)
    return dict(zip(_FIELDS[event.kind], values[1:], strict=True))


def decode(kind: str, data: Mapping[str, Any]) -> Event:
    """Rebuilds an event. Raises ``KeyError`` for an unknown kind; unknown fields of a newer version are dropped."""
    cls = KINDS[kind]
    known = _FIELDS[kind]
    values = dict(data) if data.keys() == _KEYS[kind] else {name: data[name] for name in known if name in data}
    for name in _TUPLES[kind]:
        if name in values:
            listed = values[name]
            values[name] = tuple([tuple(v) if isinstance(v, list) else v for v in listed]) if listed else ()
    return cls(**values)


def address_of_event(event: Event) -> str:
    """The address an event is about; empty for the run as a whole."""
    return getattr(event, "address", "")
