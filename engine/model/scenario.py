"""A scenario: a run against the lab in virtual time, with what people do, what goes wrong, and what must come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from engine.model.duration import Duration
from engine.model.source import DataPath, Document
from engine.model.values import dataclass

When = datetime | Duration
"""A moment, by the inventory's time zone where it has none of its own; or how long after the start, or after a gate opened."""


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody does. ``verb``: the key it stands under, such as ``approve``; ``fields``: all that stands in the entry."""

    verb: str
    when: When
    path: DataPath
    gate: str = ""
    """Its address; empty for what is done to the run."""
    role: str = ""
    account: str = ""
    opening: int = 1
    """Which opening of the gate is answered."""
    optional: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_absolute(self) -> bool:
        """Whether it has a moment of its own, and does not wait for a gate."""
        return not self.gate or "at" in self.fields


@dataclass(frozen=True, slots=True)
class LabFault:
    """What goes wrong over there. ``lasts``: how long; None: to the end."""

    at: When
    server: str
    name: str
    lasts: Duration | None = None
    match: str = ""
    count: int | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody else does over there: an action, carried out against the lab."""

    at: When
    action: str
    args: Mapping[str, object]
    path: DataPath


@dataclass(frozen=True, slots=True)
class Crash:
    """The engine is killed at the ``nth`` event of ``kind`` of the run: just before it is journalled, or just after."""

    when: Literal["before", "after"]
    kind: str
    address: str = ""
    nth: int = 1


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must come of it, as written; each with the path to where it stands."""

    status: str = ""
    steps: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    before: Mapping[str, datetime] = field(default_factory=dict)
    after: Mapping[str, datetime] = field(default_factory=dict)
    mails: tuple[Mapping[str, Any], ...] = ()
    refused: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One file, read."""

    name: str
    title: str
    runbook: Path
    inventory: Path
    start: datetime
    document: Document
    folder: Path
    """Where the file is."""
    seed: int = 1
    inputs: Mapping[str, str] = field(default_factory=dict)
    started_by: str = "operator"
    calendar: str = ""
    ignore_window: str | None = None
    faults: tuple[LabFault, ...] = ()
    deeds: tuple[Deed, ...] = ()
    acts: tuple[Act, ...] = ()
    crashes: tuple[Crash, ...] = ()
    expect: Expectation = Expectation()
    second_apply: str | tuple[str, ...] = "no changes"
