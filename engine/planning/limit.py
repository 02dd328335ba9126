"""Address patterns: which part of a runbook to look at (``--limit``)."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase


def matches(pattern: str, step: str, item_key: str | None) -> bool:
    """Whether an address fits a pattern.

    ``*`` and ``?`` are wildcards. ``phones`` is the whole phase, ``phones/config`` the step for every item,
    ``phones/config[805e*]`` some items, ``[805e*]`` these items in every step. Brackets are literal: they are part of addresses.
    """
    step_pattern, bracket, item_pattern = pattern.partition("[")
    if step_pattern and not _step_fits(step_pattern, step):
        return False
    return not bracket or (item_key is not None and fnmatchcase(item_key, item_pattern.removesuffix("]").replace("[", "[[]")))


def _step_fits(pattern: str, step: str) -> bool:
    phase = pattern.rstrip("/")
    whole = phase if "/" in phase else f"{phase}/*"
    return fnmatchcase(step, whole)


def admits(patterns: tuple[str, ...], step: str, item_key: str | None) -> bool:
    """Whether any pattern admits the address; no patterns admit all."""
    return not patterns or any(matches(pattern, step, item_key) for pattern in patterns)


def admits_step(patterns: tuple[str, ...], step: str, over_items: bool) -> bool:
    """Whether any pattern admits a step, for some item at least."""
    parts = [pattern.partition("[") for pattern in patterns]
    return any((not named or _step_fits(named, step)) and (over_items or not bracket) for named, bracket, _ in parts)


def idle(patterns: Iterable[str], addresses: Iterable[tuple[str, str | None]]) -> list[str]:
    """The patterns that fit none of ``addresses`` (step and item): most likely mistyped."""
    known = list(addresses)
    return [pattern for pattern in patterns if not any(matches(pattern, step, key) for step, key in known)]
