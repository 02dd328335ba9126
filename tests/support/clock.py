"""A clock that tests own: it stands still until somebody sleeps or a test turns it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass(slots=True)
class FakeClock:
    """Implements ``ports.Clock``. ``slept``: the waits asked for, in order."""

    start: datetime = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
    passed_s: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.passed_s)

    def monotonic(self) -> float:
        return self.passed_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Lets time pass without anybody having waited."""
        self.passed_s += max(0.0, seconds)
