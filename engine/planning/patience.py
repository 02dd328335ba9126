"""How long to look again and again at what another system does in its own time, such as a phone that fetches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from engine.ports import Clock


class Patience(Protocol):
    """For one thing that is waited for."""

    def again(self, seconds: float) -> bool:
        """Waits before the next look, to the end of the time at most; False, without waiting, once that is over."""
        ...


class Waiting:
    """Patience by a clock."""

    def __init__(self, clock: Clock, within_s: float, *, likely: bool) -> None:
        self._clock, self._ends = clock, clock.monotonic() + within_s

    def again(self, seconds: float) -> bool:
        left_s = self._ends - self._clock.monotonic()
        if left_s <= 0:
            return False
        self._clock.sleep(min(seconds, left_s))
        return True


class Patient(Protocol):
    """Makes patience. ``likely``: what is waited for was just asked for; a time that is not the real one may use that to tell how
    long to bother."""

    def __call__(self, clock: Clock, within_s: float, *, likely: bool) -> Patience: ...


Jitter = Callable[[], float]
"""Chance, from 0 to 1: what spreads those that were turned away together."""
