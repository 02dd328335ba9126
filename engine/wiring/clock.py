"""The machine's clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from engine.execution.stop import Stop


class SystemClock:
    """Wall time in the local zone; a sleep ends at the moment the run is asked to stop."""

    def __init__(self, stop: Stop | None = None) -> None:
        self._stop = stop or Stop()

    def now(self) -> datetime:
        return datetime.now(UTC).astimezone()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        if self._stop.is_set:
            # Whoever still waits is finishing what it began, such as a read-back: not waiting at all would hammer the
            # other side. A second at most, because a sleeper may also just have missed the wish.
            time.sleep(min(max(seconds, 0.0), 1.0))
        else:
            self._stop.wait(seconds)
