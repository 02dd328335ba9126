"""How long, as a person says it: ``30s``, ``4 hours``, ``2 business days``.

The words are kept, because two business days are no number of seconds until a calendar and a start are known: see
``calendar.due_at``.
"""

from __future__ import annotations

import math
from typing import Literal

from engine.model.values import dataclass

Unit = Literal["s", "m", "h", "d"]
UNIT_S: dict[Unit, float] = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
"""Seconds of each unit, by a clock without daylight saving."""
UNIT_WORDS: dict[Unit, str] = {"s": "second", "m": "minute", "h": "hour", "d": "day"}


@dataclass(frozen=True, slots=True)
class Duration:
    """``amount`` units of time. ``business``: only open hours of a calendar count.

    Raises ``ValueError`` for an amount that is negative or not finite, and for a broken number of business days: how long
    half of one is depends on the day.
    """

    amount: float
    unit: Unit
    business: bool = False

    def __post_init__(self) -> None:
        if not math.isfinite(self.amount) or self.amount < 0:
            raise ValueError(f"{self.amount} is no length of time: it must be a number, zero or more")
        if self.counts_business_days and not float(self.amount).is_integer():
            raise ValueError(f"{self} is not a whole number of business days: say it in business hours")

    def __str__(self) -> str:
        """For people: ``4 hours``, ``1 business day``."""
        amount = int(self.amount) if float(self.amount).is_integer() else self.amount
        plural = "" if amount == 1 else "s"
        return f"{amount} {'business ' if self.business else ''}{UNIT_WORDS[self.unit]}{plural}"

    @property
    def counts_business_days(self) -> bool:
        """Whether it goes from one open day to another, however many hours those have."""
        return self.business and self.unit == "d"

    @property
    def seconds(self) -> float:
        """Its length in seconds; of business time where only that counts. Raises ``ValueError`` for business days, whose
        length only a calendar knows."""
        if self.counts_business_days:
            raise ValueError(f"{self} are no number of seconds: only a calendar knows how long its days are")
        return self.amount * UNIT_S[self.unit]
