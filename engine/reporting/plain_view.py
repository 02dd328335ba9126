"""A run while it goes, as plain lines: for a pipe, a CI log, a terminal that cannot be drawn on.

Only durable events are shown: what stands here has happened even if the machine dies now. Writes to the stream it is given,
which is stderr.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Self, TextIO

from engine.model import event as ev
from engine.model.gate import acted
from engine.model.plan import split_address
from engine.model.run import ItemStatus
from engine.reporting.terminal import many, printable, spelled
from engine.reporting.wording import STATUS_WORDS, amended, look_back, paused_by, policy_line, title_of

SETTLED: dict[type[ev.Event], ItemStatus] = {
    ev.ItemChanged: ItemStatus.CHANGED, ev.ItemUnchanged: ItemStatus.UNCHANGED, ev.ItemRan: ItemStatus.RAN,
    ev.ItemProved: ItemStatus.PROVED, ev.ItemSkipped: ItemStatus.SKIPPED, ev.ItemFailed: ItemStatus.FAILED,
    ev.ItemBlocked: ItemStatus.BLOCKED, ev.ItemInDoubt: ItemStatus.IN_DOUBT,
}
"""Events that end an item, and how it then stands."""
_DULL = (ev.ItemUnchanged, ev.ItemSkipped, ev.ItemBlocked)
"""Counted per batch: a log with ten thousand lines that say nothing hides the one that says something."""
_TROUBLE = (ev.ItemFailed, ev.ItemInDoubt)
"""Always told one by one."""
_CROWD = 20
"""More items of a step that end alike at the same moment are counted too."""


class PlainView:
    """One line per item that did something, a count for those that did not and for crowds; times as journalled."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.flush()

    def on_records(self, records: Sequence[ev.Record]) -> None:
        """Prints durable events."""
        likenesses = [_likeness(record.event) for record in records]
        alike = Counter(likenesses)
        for record, likeness in zip(records, likenesses, strict=True):
            if likeness is None or not _is_counted(record.event, alike[likeness]):
                self._say(record, line_of(record.event))
            elif alike[likeness]:
                step, status = likeness
                self._say(record, f"{step}  {many(alike[likeness], 'item')} {STATUS_WORDS[status]}")
                alike[likeness] = 0
        self._stream.flush()

    def _say(self, record: ev.Record, line: str) -> None:
        if line:
            self._stream.write(f"{record.at:%H:%M:%S} {printable(line)}\n")


def _likeness(event: ev.Event) -> tuple[str, ItemStatus] | None:
    """What makes items that ended well, or were not touched, one line."""
    status = SETTLED.get(type(event))
    if status is None or isinstance(event, _TROUBLE):
        return None
    return split_address(ev.address_of_event(event))[0], status


def _is_counted(event: ev.Event, alike: int) -> bool:
    # Once a crowd has been told its count is 0, and whatever belongs to it has been told.
    return isinstance(event, _DULL) or alike > _CROWD or alike == 0


def line_of(event: ev.Event) -> str:
    """An event for people; empty for what only the journal needs."""
    words = _WORDED.get(type(event))
    return words(event) if words is not None else ""


def _item_line(word: str, event: Any) -> str:
    took = f"  {spelled(event.took_s)}" if getattr(event, "took_s", 0) >= 1 else ""
    text = getattr(event, "why", "") or getattr(event, "summary", "")
    return f"{event.address}  {word}  {text}".rstrip() + took


def _asked(event: ev.GateOpened) -> str:
    return str(event.ask.get("summary", event.gate)).removeprefix("waits for ")


_NOTIFIED = {"sent": "told", "failed": "could NOT tell", "unknown": "nobody knows whether this was told:"}


def _span(start: str, end: str) -> str:
    """A slot by its own clock, as journalled: the day, from and until."""
    return f"{start[:10]} {start[11:16]}-{end[11:16]} ({start[19:]})"


def _noted(notice: object) -> str:
    return f"; note: {notice}" if notice else ""


_WORDED: dict[type[ev.Event], Callable[[Any], str]] = {
    ev.ItemChanged: lambda e: _item_line("found in place" if e.adopted else "changed", e),
    ev.ItemRan: lambda e: _item_line("done", e),
    ev.ItemProved: lambda e: _item_line("proved", e),
    ev.ItemFailed: lambda e: _item_line("FAILED", e),
    ev.ItemInDoubt: lambda e: _item_line("IN DOUBT", e),
    ev.ItemRetried: lambda e: f"{e.address}  attempt {e.attempt} failed, next in {spelled(e.wait_s)}: {e.why}",
    ev.ItemAnswered: lambda e: f"{e.address}  {e.actor} answered: {e.answer}",
    ev.RunStarted: lambda e: f"run started by {e.actor}: {title_of(e.header)}, {e.header.get('customer', '')}",
    ev.RunResumed: lambda e: f"run taken up again by {e.actor}",
    ev.RunAmended: amended,
    ev.WindowOverridden: lambda e: f"outside the window {e.window}, let start by {e.actor}: {e.reason}",
    ev.WindowClosed: lambda e: f"{e.address}  the window {e.window} shut with {e.waiting} waiting{_noted(e.notice)}",
    ev.GuardTripped: lambda e: f"{e.address}  {e.failed} failed, more than the {e.limit} allowed: nothing new starts",
    ev.RunReadBack: look_back,
    ev.RunInterrupted: lambda e: f"interrupted: {e.why}",
    ev.RunFinished: lambda e: f"run {e.status}",
    ev.GateOpened: lambda e: (
        f"{e.address}  waits for {_asked(e)}" + (f", until {e.due}" if e.due else "") + _noted(e.ask.get("notice"))
    ),
    ev.GateReopened: lambda e: f"{e.address}  asked for once more by {e.actor}, for {', '.join(e.items)}",
    ev.GateVoted: lambda e: f"{e.address}  {acted(e)} voted {e.vote}" + (f": {e.comment}" if e.comment else ""),
    ev.GateAnswered: lambda e: f"{e.address}  {acted(e)} answered" + (f" anew, version {e.version}" if e.version > 1 else ""),
    ev.GateReported: lambda e: f"{e.address}  {acted(e)} says {e.outcome}" + (f": {e.reason}" if e.reason else ""),
    ev.GateDelegated: lambda e: f"{e.address}  {e.who} handed it to {e.to.get('name')}: {e.reason}",
    ev.GateChosen: lambda e: f"{e.address}  {acted(e)} {'chose' if e.version == 1 else 'moved it to'} {_span(e.start, e.end)}"
    + (f": {e.reason}" if e.reason else ""),
    ev.GateDeclined: lambda e: f"{e.address}  {acted(e)} declined {many(len(e.slots), 'time')}: {e.reason}",
    ev.GateProposed: lambda e: f"{e.address}  {many(len(e.proposed), 'time')} proposed anew: {e.why}",
    ev.GateNotified: lambda e: f"{e.address}  {e.why}: {_NOTIFIED[e.outcome]} {e.to}"
    + ("" if e.outcome == "sent" else f": {e.detail}"),
    ev.GateMoved: lambda e: f"{e.address}  waits until {e.due} now; {e.why}",
    ev.SignalReceived: lambda e: f"{e.name} has happened, says {e.who}",
    ev.GateLooked: lambda e: f"{e.address}  {e.saw}; the next look is at {e.next}",
    ev.GateReminded: lambda e: f"{e.address}  reminder {e.number}",
    ev.GateEscalated: lambda e: f"{e.address}  nobody acted in time: passed on to {e.to}",
    ev.GateClosed: lambda e: f"{e.address}  {e.outcome}: {e.why}",
    ev.RunHeld: lambda e: f"{e.address or 'the run'} is held by {e.owner}: {e.reason}",
    ev.RunPaused: lambda e: f"the run is {paused_by(e)}",
    ev.RunCancelled: lambda e: f"the run is cancelled by {e.who}: {e.reason}",
    ev.OrderOverridden: lambda e: f"against the order, let by {e.who}: {e.doing}: {e.reason}",
    ev.PolicyChecked: policy_line,
    ev.SkipOrdered: lambda e: f"{e.address} is to be skipped, says {e.who}: {e.reason}",
    ev.RunReleased: lambda e: f"{e.address or 'the run'} is released by {e.who}: {e.reason}",
}
