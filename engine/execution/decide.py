"""What to do about an address, given what was seen. Pure: the whole of it can be read as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from enum import Enum
from typing import Any

from engine.model.plan import Change, Effect, Outlook, Unpredictable
from engine.model.values import dataclass


class Verdict(Enum):
    """The next move."""

    UNCHANGED = "unchanged"
    """Already so, and not by us in this run."""
    ADOPT = "adopt"
    """Already so, by an earlier attempt of this run whose outcome was lost."""
    PROVED = "proved"
    AWAIT = "await"
    """A check that is not true yet: read again until it settles."""
    APPLY = "apply"
    MOVED = "moved"
    """Differs from what the plan showed: refused."""
    ASK = "ask"
    """May have been done already, and nobody but a person can tell."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the plan said of the address."""

    outlook: Outlook
    observed: str
    approval: str = ""
    """How it was approved since, when it was: what people agreed to then binds instead of the plan."""


@dataclass(frozen=True, slots=True)
class Past:
    """What this run tried here before. ``lost``: an intent without an outcome is on record, or an attempt failed midway."""

    lost: bool = False
    readable: bool = True
    """Whether that intent's effect can be read back."""
    told_again: bool = False
    """A person said: it was not done, do it."""
    at: datetime | None = None
    """When that was, as far as is known: what was done then may show late."""
    receipt: Mapping[str, Any] = field(default_factory=dict)
    """What undoing it needs, as its intent has it; empty when that is not known."""
    reversible: bool = True


NO_PAST = Past()


def decide(
    change: Change | Unpredictable | None, effect: Effect, expected: Expected | None, past: Past,
    seal: Callable[[str], str] = str,
) -> Verdict:
    """The next move for an address that was just observed. ``seal``: how the plan made digests its own."""
    if change is None:
        if effect is Effect.READS:
            return Verdict.PROVED
        return Verdict.ADOPT if past.lost else Verdict.UNCHANGED
    if effect is Effect.READS:
        return Verdict.AWAIT
    if past.lost:
        return _after_loss(change, past)
    return Verdict.APPLY if _as_planned(change, expected, seal) else Verdict.MOVED


def _after_loss(change: Change | Unpredictable, past: Past) -> Verdict:
    # What the plan showed no longer binds: our own attempt may have done half of it. The key stays the same.
    if isinstance(change, Change) or past.told_again or change.not_yet_done:
        return Verdict.APPLY
    return Verdict.ASK


def _as_planned(change: Change | Unpredictable, expected: Expected | None, seal: Callable[[str], str]) -> bool:
    if expected is None or expected.outlook is Outlook.LATER:
        return True
    return expected.outlook in (Outlook.CHANGE, Outlook.UNPREDICTABLE) and expected.observed == seal(change.digest())
