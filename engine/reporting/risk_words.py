"""What each risk class means, in words: titles and sentences for whoever reviews a change."""

from __future__ import annotations

from collections.abc import Iterable

from engine.model.review import Difference, Level, Risk
from engine.reporting.terminal import many

LEVELS: tuple[Level, ...] = (Level.HIGH, Level.MEDIUM, Level.LOW, Level.INFO)
"""The highest first."""

MEANINGS: dict[Risk, tuple[str, str]] = {
    Risk.WAY_BACK: ("A way back is lost", "What was done could be taken back before, and cannot be now."),
    Risk.GUARD: ("A guard is looser", "What stops or slows a run does so later, or no longer: a limit, a batch, a condition."),
    Risk.APPROVAL: ("An approval is weaker", "Fewer or other people are asked, or nobody, before something happens."),
    Risk.WINDOW: ("A window is wider", "Work may happen at times when it could not before."),
    Risk.SCOPE_MORE: ("More is in scope", "Items, people or systems are touched that were not before."),
    Risk.DESTRUCTIVE: ("Something destroys", "A step removes something for good."),
    Risk.ACCESS: ("Access is different", "Another system, account or secret is used, or it is trusted on less."),
    Risk.PROOF: ("A proof is weaker", "What was proved by reading it back is proved by less, or not at all."),
    Risk.ORDER: ("The order is different", "Something happens before or after what it did not."),
    Risk.RECIPIENTS: ("Other people are told", "Messages go to others than before."),
    Risk.EFFECT: ("The effect is different", "The same step does something else."),
    Risk.STEP_REMOVED: ("A step is gone", "Something that was done is not done any more."),
    Risk.SCOPE_LESS: ("Less is in scope", "Items, people or systems are left out that were not before."),
    Risk.STEP_ADDED: ("A step is new", "Something is done that was not done before."),
    Risk.SAFER: ("Safer than before", "A guard, a proof, an approval or a way back was added."),
    Risk.WORDING: ("Wording", "Nothing else happens than before."),
}


def by_level(differences: Iterable[Difference]) -> list[Difference]:
    """The highest level first; else in the order they came."""
    return sorted(differences, key=lambda difference: LEVELS.index(difference.risk.level))


def counted(differences: Iterable[Difference]) -> str:
    """``2 high, 1 medium``; empty when there is none."""
    found = [difference.risk.level for difference in differences]
    return ", ".join(f"{found.count(level):,} {level.value}" for level in LEVELS if level in found)


def side(name: str, commit: str) -> str:
    """A revision as it was named, and its commit when the name is not the commit."""
    if not commit:
        return name or "the working tree"
    return name if commit.startswith(name) and len(name) >= 7 else f"{name} ({commit[:10]})"


def affected(count: int) -> str:
    """``3 runbooks``."""
    return many(count, "runbook")
