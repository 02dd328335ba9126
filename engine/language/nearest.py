"""The word a person probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like ``word``; None when none is near enough to be worth saying."""
    names = {name.lower(): name for name in sorted(known, reverse=True)}
    found = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return names[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for a diagnostic; empty when nothing is near."""
    found = nearest(word, known)
    return f"Did you mean {found!r}?" if found else ""


def listed(names: Iterable[str], limit: int = 12) -> str:
    """Names for a sentence: ``'a', 'b' and 3 more``."""
    ordered = list(names)
    shown = ", ".join(repr(name) for name in ordered[:limit])
    rest = len(ordered) - limit
    return f"{shown} and {rest} more" if rest > 0 else shown


def offered(names: Iterable[str], limit: int = 24) -> str:
    """A sentence with what there is to choose from: ``There are 'a' and 'b'.``"""
    ordered = list(names)
    if not ordered:
        return "There are none."
    return f"There is only {ordered[0]!r}." if len(ordered) == 1 else f"There are {listed(ordered, limit)}."
