"""The machine's clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from engine.execution.stop import Stop


class SystemClock:
    """Wall time in the local zone; sleeps end early when the run is asked to stop."""

    def __init__(self, stop: Stop | None = None) -> None:
        self._stop = stop or Stop()

    def now(self) -> datetime:
        return datetime.now(UTC).astimezone()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        self._stop.wait(seconds)
