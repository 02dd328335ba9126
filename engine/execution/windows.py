"""Whether a block may start a lane now. Pure: time, calendars and the measured pace are passed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta

from engine.model.calendar import Calendar
from engine.model.runbook import Block
from engine.model.values import dataclass


@dataclass(slots=True)
class Pace:
    """How long a lane of a block takes, measured over those that ended."""

    lanes: int = 0
    total_s: float = 0.0

    def add(self, lanes: int, took_s: float) -> None:
        """Takes a unit into account: ``lanes`` lanes ended after ``took_s`` seconds."""
        self.lanes += lanes
        self.total_s += took_s

    @property
    def lane_s(self) -> float:
        return self.total_s / self.lanes if self.lanes else 0.0


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of a run. ``ignored``: an operator overrode them, and said why in the journal."""

    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    ignored: bool = False

    def may_start(self, block: Block, now: datetime, pace: Pace, lanes: int = 1) -> bool:
        """False outside the block's window, and near its end when ``lanes`` one after another would, at the measured pace,
        run past it."""
        if block.window is None or self.ignored:
            return True
        closing = block.window.closing(now, self._calendar(block))
        return closing is not None and now + timedelta(seconds=pace.lane_s * lanes) <= closing

    def reopens(self, block: Block, now: datetime) -> datetime | None:
        """When the block's window opens next."""
        return None if block.window is None else block.window.next_opening(now, self._calendar(block))

    def notice(self, block: Block, at: datetime | None) -> str:
        """What to tell of a month end, when the block's window is open then; empty for none."""
        calendar = self._calendar(block)
        return "" if calendar is None or at is None else calendar.month_end(at)

    def notice_ahead(self, block: Block, now: datetime) -> str:
        """The same of the window as it is open now or opens next."""
        if block.window is None:
            return ""
        is_open = block.window.closing(now, self._calendar(block)) is not None
        return self.notice(block, now if is_open else self.reopens(block, now))

    def _calendar(self, block: Block) -> Calendar | None:
        if block.window is None or block.window.calendar is None:
            return None
        return self.calendars.get(block.window.calendar)
