"""A run while it goes, drawn on a terminal: a bar per step, the last failures below. Gives way to the summary at the end.

Only durable events are shown: what stands here has happened even if the machine dies now. The only home of rich, which takes
longer to import than a small run takes to run: whoever does not draw imports ``plain_view`` alone.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from engine.model import event as ev
from engine.model.plan import split_address
from engine.model.run import ItemStatus
from engine.reporting.plain_view import SETTLED, PlainView, line_of
from engine.reporting.terminal import padded, printable
from engine.reporting.wording import STATUS_WORDS

__all__ = ["PlainView", "ProgressView"]

_LAST_FAILURES = 4


class ProgressView:
    """A bar per step that has begun, the last failures below. ``totals``: block -> its steps; ``sizes``: block -> its items."""

    def __init__(self, stream: TextIO, run: str, totals: Mapping[str, Sequence[str]], sizes: Mapping[str, int]) -> None:
        self._sizes = {step: sizes[block] for block, steps in totals.items() for step in steps}
        self._room = max((len(step) for step in self._sizes), default=0)
        self._counts: dict[str, Counter[ItemStatus]] = {}
        self._last: dict[str, ItemStatus] = {}
        self._trying: dict[str, set[str]] = {}
        self._tasks: dict[str, TaskID] = {}
        self._failures: deque[str] = deque(maxlen=_LAST_FAILURES)
        self._news = ""
        self._title = f"Run {run}"
        # Events come in on the journal's thread, drawing happens on rich's.
        self._lock = threading.RLock()
        self._console = Console(file=stream, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(bar_width=28), MofNCompleteColumn(),
            TextColumn("{task.fields[counts]}", markup=False), TimeElapsedColumn(),
            console=self._console, auto_refresh=False,
        )
        self._live = Live(get_renderable=self._drawn, console=self._console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def on_records(self, records: Sequence[ev.Record]) -> None:
        """Takes durable events into the picture; it is drawn at its own pace."""
        with self._lock:
            touched = {step for record in records if (step := self._take(record.event))}
            for step in touched:
                self._update(step)

    def _take(self, event: ev.Event) -> str:
        address = ev.address_of_event(event)
        if not address or isinstance(event, ev.GuardTripped | ev.WindowClosed):
            self._news = line_of(event) or self._news
            return ""
        step, _ = split_address(address)
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(padded(step, self._room), total=self._sizes.get(step), counts="")
            self._counts[step], self._trying[step] = Counter(), set()
        if isinstance(event, ev.ItemRetried):
            self._trying[step].add(address)
        status = SETTLED.get(type(event))
        if status is not None or isinstance(event, ev.ItemReopened | ev.ItemAnswered | ev.ItemWithdrawn):
            self._settle(step, address, status)
        if isinstance(event, ev.ItemFailed | ev.ItemInDoubt):
            self._failures.append(printable(line_of(event)))
        return step

    def _settle(self, step: str, address: str, status: ItemStatus | None) -> None:
        self._trying[step].discard(address)
        before = self._last.pop(address, None)
        if before is not None:
            self._counts[step][before] -= 1
        if status is not None:
            self._counts[step][status] += 1
            if not status.ended_well:  # it may come up again; what ended well does not, and need not be remembered
                self._last[address] = status

    def _update(self, step: str) -> None:
        counts = self._counts[step]
        words = [f"{counts[status]:,} {word}" for status, word in STATUS_WORDS.items() if counts[status]]
        if self._trying[step]:
            words.append(f"{len(self._trying[step]):,} waiting to try again")
        self._bars.update(self._tasks[step], completed=counts.total(), counts=", ".join(words))

    def _drawn(self) -> Group:
        with self._lock:
            parts: list[RenderableType] = [Text(self._title, style="bold"), self._bars.get_renderable()]
            parts += [Text(line, style="red", no_wrap=True, overflow="ellipsis") for line in self._failures]
            if self._news:
                parts.append(Text(self._news, style="yellow"))
            return Group(*parts)
