"""What earlier steps came to, as later templates see it: ``steps.<name>.changed_at``, ``run.counts.changed``.

While planning, the result of a step that will do something is not known yet; touching it raises ``DependsOnLaterError``, and that
is how the plan knows to say "known later".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime
from threading import Lock
from typing import Any, Literal

from engine.language.templates import DependsOnLaterError
from engine.model.plan import address_of, split_address
from engine.model.run import ItemState, ItemStatus
from engine.model.runbook import Block, Runbook, Step
from engine.model.values import dataclass


@dataclass(frozen=True, slots=True)
class StepResult:
    """How one address ended. ``at``: when this or an earlier run last changed it; None when never."""

    status: str
    changed: bool
    at: datetime | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """What it found out: what its action read, by the names it declares, or the answers to a form."""
    passed_at: str = ""
    """Of a gate: ISO 8601, when it was passed."""

    @property
    def changed_at(self) -> str:
        """When it was last changed, ISO 8601; empty when never."""
        return "" if self.at is None else self.at.isoformat()

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.status not in _NOT_OK and self is not UNREACHED


_NOT_OK = frozenset({
    ItemStatus.FAILED.value, ItemStatus.BLOCKED.value, ItemStatus.IN_DOUBT.value, ItemStatus.CANCELLED.value,
})


PENDING = StepResult("pending", changed=False)
"""Planned to do something; how it ends is not known."""

NOT_RUN = "not run"

UNREACHED = StepResult(NOT_RUN, changed=False)
"""The run was cancelled before it came to this: it did not end well, for it did not end."""

_PLAIN = {status: StepResult(status.value, changed=False) for status in ItemStatus}


@dataclass(slots=True)
class Results:
    """Results by address, over one plan or run."""

    history: Mapping[str, datetime] = field(default_factory=dict)
    """Address -> when an earlier run last changed it."""
    known: dict[str, StepResult] = field(default_factory=dict)
    _tallies: dict[str, Counter[str]] = field(default_factory=dict)
    """Step -> how many of its addresses have which status, kept as results come in: fifty thousand items may each ask."""
    _lock: Lock = field(default_factory=Lock, repr=False)

    def put(
        self, address: str, status: ItemStatus, at: datetime | None = None, outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Notes how an address ended; ``at`` when it changed or was passed; ``outputs``: what its action read for later steps."""
        if status is ItemStatus.PASSED:
            passed_at = at.isoformat(timespec="seconds") if at else ""
            self._note(address, StepResult(status.value, changed=False, outputs=outputs or {}, passed_at=passed_at))
            return
        if status in (ItemStatus.CHANGED, ItemStatus.RAN):
            self._note(address, StepResult(status.value, changed=True, at=at, outputs=outputs or {}))
            return
        earlier = self.history.get(address)
        if earlier is None and not outputs:
            self._note(address, _PLAIN[status])
        else:
            self._note(address, StepResult(status.value, changed=False, at=earlier, outputs=outputs or {}))

    def put_pending(self, address: str) -> None:
        """Notes that an address will do something."""
        self._note(address, PENDING)

    def close(self, addresses: Iterable[str]) -> None:
        """Notes that the run does not come to these any more, unless it has."""
        for address in addresses:
            if address not in self.known:
                self._note(address, UNREACHED)

    def forget(self) -> None:
        """Drops what is known of this plan or run; what earlier runs did stays."""
        with self._lock:
            self.known.clear()
            self._tallies.clear()

    def _note(self, address: str, result: StepResult) -> None:
        step = split_address(address)[0]
        with self._lock:
            before = self.known.get(address)
            self.known[address] = result
            tally = self._tallies.get(step)
            if tally is None:
                tally = self._tallies[step] = Counter()
            if before is not None:
                tally[before.status] -= 1
            tally[result.status] += 1

    def of_item(self, address: str) -> StepResult:
        """The result of one address. Raises ``DependsOnLaterError`` while it is pending."""
        found = self.known.get(address)
        if found is None:
            return StepResult(NOT_RUN, changed=False, at=self.history.get(address))
        if found is PENDING:
            raise DependsOnLaterError(address)
        return found

    def of_step(self, step: str) -> Counts:
        """Counts over all items of a step. Raises ``DependsOnLaterError`` while any is pending."""
        with self._lock:
            return counts_of(self._tallies.get(step, {}), step)

    def any_unreached(self, step: str) -> bool:
        """Whether a cancelled run left some of a step undone."""
        with self._lock:
            return bool(self._tallies.get(step, Counter())[NOT_RUN])

    def of_run(self) -> Counts:
        """Counts over everything so far. Raises ``DependsOnLaterError`` while any is pending."""
        with self._lock:
            return counts_of(sum(self._tallies.values(), Counter()), "the run so far")


class PastResults(Results):
    """The results of a run that is looked back on: what is planned or done now changes nothing about them."""

    def __init__(self, items: Mapping[str, ItemState]) -> None:
        super().__init__()
        for address, item in items.items():
            super().put(address, item.status, item.at, item.outputs)

    def put(
        self, address: str, status: ItemStatus, at: datetime | None = None, outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Nothing."""

    def put_pending(self, address: str) -> None:
        """Nothing."""

    def close(self, addresses: Iterable[str]) -> None:
        """Nothing."""

    def forget(self) -> None:
        """Nothing."""


class NoResults(Results):
    """For looking at a runbook without a plan or a run: whatever a step comes to, only these can tell."""

    def of_item(self, address: str) -> StepResult:
        """Raises ``DependsOnLaterError``."""
        raise DependsOnLaterError(address)

    def of_step(self, step: str) -> Counts:
        """Raises ``DependsOnLaterError``."""
        raise DependsOnLaterError(step)

    def of_run(self) -> Counts:
        """Raises ``DependsOnLaterError``."""
        raise DependsOnLaterError("the run so far")


@dataclass(frozen=True, slots=True)
class Counts:
    """How many items ended in which way."""

    changed: int = 0
    unchanged: int = 0
    failed: int = 0
    ran: int = 0
    proved: int = 0
    skipped: int = 0
    blocked: int = 0
    in_doubt: int = 0
    passed: int = 0
    cancelled: int = 0


def counts_of(tally: Mapping[str, int], what: str) -> Counts:
    """A tally by status, as templates see it. Raises ``DependsOnLaterError(what)`` when any is pending."""
    if tally.get(PENDING.status):
        raise DependsOnLaterError(what)
    return Counts(**{status: tally.get(status, 0) for status in Counts.__slots__})


@dataclass(frozen=True, slots=True)
class StepView:
    """A step as a template sees it: its result for the same item where both run over one collection, else over all items."""

    results: Results
    step: str
    item_key: str | None
    shares_items: bool

    @property
    def counts(self) -> Counts:
        """Over all items."""
        return self.results.of_step(self.step)

    @property
    def status(self) -> str:
        return self._own().status

    @property
    def changed(self) -> bool:
        return self._own().changed if self.shares_items else bool(self.counts.changed or self.counts.ran)

    @property
    def changed_at(self) -> str:
        return self._own().changed_at

    @property
    def passed_at(self) -> str:
        return self._own().passed_at

    @property
    def ok(self) -> bool:
        """Whether it ended well, for this item or for all."""
        if self.shares_items:
            return self._own().ok
        counts = self.counts
        bad = counts.failed or counts.in_doubt or counts.blocked or counts.cancelled
        return not bad and not self.results.any_unreached(self.step)

    @property
    def outputs(self) -> Mapping[str, Any]:
        """What the action read, or a gate was given. Raises ``DependsOnLaterError`` while nothing has: a check that is not yet
        true has read nothing."""
        own = self._own()
        if own.status == NOT_RUN:
            raise DependsOnLaterError(self.step)
        return own.outputs

    def _own(self) -> StepResult:
        return self.results.of_item(address_of(self.step, self.item_key if self.shares_items else None))


class Directory:
    """Finds steps by the name a template uses."""

    def __init__(self, runbook: Runbook) -> None:
        self._collection: dict[str, str | None] = {}
        self._by_name: dict[str, list[Step]] = {}
        for block in runbook.every_block():
            for step in block.steps:
                self._collection[step.address] = block.fan_out.for_each
                self._by_name.setdefault(_as_name(step.name), []).append(step)

    def names(self) -> list[str]:
        """Every name a template may use."""
        return list(self._by_name)

    def find(self, name: str, phase: str) -> Step | None:
        """The step called ``name``; one in the same phase is preferred."""
        found = self._by_name.get(_as_name(name), [])
        return next((step for step in found if step.phase == phase), found[0] if found else None)

    def shares(self, step: Step, block: Block) -> bool:
        """Whether a step runs over the same collection as a block."""
        return self._collection[step.address] == block.fan_out.for_each


class Steps(Mapping[str, StepView]):
    """``steps`` in a template: by attribute or key, dashes and underscores alike."""

    __slots__ = ("_block", "_directory", "_item_key", "_results")

    def __init__(self, directory: Directory, results: Results, block: Block, item_key: str | None) -> None:
        self._directory, self._results, self._block, self._item_key = directory, results, block, item_key

    def __getitem__(self, name: str) -> StepView:
        step = self._directory.find(name, self._block.phase)
        if step is None:
            raise KeyError(name)
        return StepView(self._results, step.address, self._item_key, self._directory.shares(step, self._block))

    def __iter__(self):  # type: ignore[no-untyped-def]  # a Mapping's iterator of names
        return iter(self._directory.names())

    def __len__(self) -> int:
        return len(self._directory.names())


def _as_name(name: str) -> str:
    return name.replace("-", "_")


@dataclass(frozen=True, slots=True)
class RunView:
    """``run`` in a template."""

    scope: str
    results: Results
    given_id: str
    started: datetime | None
    """None while only planning: the run has no time and no name yet."""
    cancelled: Mapping[str, str] | Literal[False] = False
    """Who ended the run, and why (``who``, ``reason``); False while it goes forward."""

    @property
    def id(self) -> str:
        """The run's id."""
        if self.started is None:
            raise DependsOnLaterError("the start of the run")
        return self.given_id

    @property
    def started_at(self) -> str:
        """When the run started, ISO 8601."""
        if self.started is None:
            raise DependsOnLaterError("the start of the run")
        return self.started.isoformat(timespec="seconds")

    @property
    def counts(self) -> Counts:
        """How the run's items ended so far."""
        return self.results.of_run()
