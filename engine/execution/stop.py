"""The wish to stop: set once, by a signal or a guard, seen by everybody."""

from __future__ import annotations

import threading


class Stop:
    """Nothing new starts once set; sleeping workers wake. One ``within`` another is set with it, and can be set alone: a run
    that is paused stops, and whoever watches many runs does not."""

    def __init__(self, within: Stop | None = None) -> None:
        self._event = threading.Event()
        self._within = within
        self.why = ""

    @property
    def is_set(self) -> bool:
        return self._event.is_set() or (self._within is not None and self._within.is_set)

    def set(self, why: str) -> None:
        """Asks the run to stop."""
        self.why = self.why or why
        self._event.set()

    def wait(self, seconds: float) -> bool:
        """Sleeps, or until set; returns whether it is set."""
        return self._event.wait(max(0.0, seconds))
