"""What a change of a runbook or its inventory means: differences in risk classes, for whoever reviews it."""

from __future__ import annotations

from enum import Enum

from engine.model.diagnostic import Diagnostic
from engine.model.source import Span
from engine.model.values import dataclass


class Level(Enum):
    """How much a reviewer has to look. HIGH: a safety went away or more is touched; INFO: nothing else happens than before."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


class Risk(Enum):
    """Risk classes: what kind of thing a difference is. Policies name them by value, so a value never changes its meaning."""

    WAY_BACK = "way-back-lost"
    GUARD = "guard-loosened"
    APPROVAL = "approval-weakened"
    WINDOW = "window-widened"
    SCOPE_MORE = "scope-widened"
    DESTRUCTIVE = "destructive-added"
    ORDER = "order-changed"
    ACCESS = "access-changed"
    RECIPIENTS = "recipients-changed"
    EFFECT = "effect-changed"
    PROOF = "proof-weakened"
    SCOPE_LESS = "scope-narrowed"
    STEP_ADDED = "step-added"
    STEP_REMOVED = "step-removed"
    SAFER = "safer"
    WORDING = "wording"

    @property
    def level(self) -> Level:
        return _LEVELS[self]


_LEVELS = {
    Risk.WAY_BACK: Level.HIGH, Risk.GUARD: Level.HIGH, Risk.APPROVAL: Level.HIGH, Risk.WINDOW: Level.HIGH,
    Risk.SCOPE_MORE: Level.HIGH, Risk.DESTRUCTIVE: Level.HIGH, Risk.ACCESS: Level.HIGH, Risk.PROOF: Level.HIGH,
    Risk.ORDER: Level.MEDIUM, Risk.RECIPIENTS: Level.MEDIUM, Risk.EFFECT: Level.MEDIUM, Risk.STEP_REMOVED: Level.MEDIUM,
    Risk.SCOPE_LESS: Level.MEDIUM, Risk.STEP_ADDED: Level.MEDIUM, Risk.SAFER: Level.LOW, Risk.WORDING: Level.INFO,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that means something else now.

    ``kind`` names it for programs (``rollback-removed``); ``address`` is the step, block, collection or connection it is about,
    or empty for the whole; ``reason`` says it in a sentence for people; ``before`` and ``after`` are short values, or empty;
    ``detail`` holds lines to be folded away: names of items, a unified diff. ``span`` is its place on the new side, on the old
    one where it is gone.
    """

    risk: Risk
    kind: str
    address: str
    reason: str
    before: str = ""
    after: str = ""
    detail: tuple[str, ...] = ()
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that is not over and goes by the old side. ``obstacles``: why it could not be amended; none when it could."""

    run: str
    status: str
    waits_for: str
    obstacles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunbookReview:
    """What changed for one runbook. ``path`` on the new side, or the old one's where it is gone; ``invalid``: what is wrong with
    a side that cannot be read, by ``old`` or ``new``; then differences are those that could still be told."""

    path: str
    differences: tuple[Difference, ...]
    invalid: tuple[tuple[str, tuple[Diagnostic, ...]], ...] = ()
    open_runs: tuple[OpenRun, ...] = ()
    notes: tuple[str, ...] = ()
    """What has to be known to read it: another name before, what was not there, what could not be compared."""
    is_whole: bool = True
    """Whether all of it was compared; the notes say what was not."""


@dataclass(frozen=True, slots=True)
class Review:
    """Two revisions compared. ``old`` and ``new`` as they were named; the commits in full, empty for a working tree."""

    old: str
    new: str
    old_commit: str
    new_commit: str
    inventory: str
    runbooks: tuple[RunbookReview, ...]

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Of all runbooks."""
        return tuple(difference for runbook in self.runbooks for difference in runbook.differences)

    @property
    def risks(self) -> frozenset[Risk]:
        """The classes that occur."""
        return frozenset(difference.risk for difference in self.differences)
