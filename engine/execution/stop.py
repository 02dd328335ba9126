"""The wish to stop: set once, by a signal or a guard, seen by everybody."""

from __future__ import annotations

import threading


class Stop:
    """Nothing new starts once set; sleeping workers wake."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.why = ""

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def set(self, why: str) -> None:
        """Asks the run to stop."""
        self.why = self.why or why
        self._event.set()

    def wait(self, seconds: float) -> bool:
        """Sleeps, or until set; returns whether it is set."""
        return self._event.wait(max(0.0, seconds))
