"""The machine's clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, tzinfo

from engine.execution.stop import Stop

_QUARTER_S = 900
"""Clocks are put forward and back at quarters of an hour, everywhere."""


class SystemClock:
    """Wall time in the local zone; a sleep ends at the moment the run is asked to stop."""

    def __init__(self, stop: Stop | None = None) -> None:
        self._stop = stop or Stop()
        self._quarter: float = -1
        self._zone: tzinfo = UTC

    def now(self) -> datetime:
        moment = time.time()
        quarter = moment // _QUARTER_S
        if quarter != self._quarter:
            # Asking the system for its zone costs as much as all the rest, and every event wants to know the time.
            self._zone = datetime.fromtimestamp(moment, UTC).astimezone().tzinfo or UTC
            self._quarter = quarter
        return datetime.fromtimestamp(moment, self._zone)

    monotonic = staticmethod(time.monotonic)  # asked for six times an item

    def sleep(self, seconds: float) -> None:
        if self._stop.is_set:
            # Whoever still waits is finishing what it began, such as a read-back: not waiting at all would hammer the
            # other side. A second at most, because a sleeper may also just have missed the wish.
            time.sleep(min(max(seconds, 0.0), 1.0))
        else:
            self._stop.wait(seconds)
