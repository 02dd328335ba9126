"""How a step is run, for an explanation: its window and calendar as they apply now, retries, limits; and which is default."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from engine.language.yaml_reader import at_path
from engine.model.explanation import Explained, Fact
from engine.model.runbook import Step
from engine.model.source import DataPath
from engine.model.values import dataclass
from engine.model.window import Window
from engine.planning.layers import Layers

_DEFAULT = "default"


def settings_of(step: Step, at: Layers, now: datetime, settle_s: float | None) -> Iterator[Explained]:
    """All but what the action or the gate itself takes. ``settle_s``: None for a gate."""
    block, places = at.block, _Places(at)
    fan_out = block.fan_out
    if fan_out.for_each is not None:
        yield places.at("for_each", fan_out.for_each, block.path)
        yield places.at("where", fan_out.where, block.path)
        yield places.at("parallel", fan_out.parallel, block.path)
        yield places.at("rate", fan_out.rate, block.path)
        yield places.at("batches", [str(size) for size in fan_out.batches] or None, block.path)
        yield places.at("max_failures", str(fan_out.max_failures), block.path)
    yield places.at("when", step.when, step.path)
    yield _needs(at, places)
    yield _window(at, places, now)
    yield from _patience(step, places, settle_s)
    yield places.at("point_of_no_return", step.point_of_no_return, step.path)


@dataclass(frozen=True, slots=True)
class _Places:
    at_layers: Layers

    def at(self, name: str, value: object, path: DataPath, *, key: DataPath = (), origin: str = _DEFAULT) -> Explained:
        """A setting, with its place where somebody wrote it."""
        source = self.at_layers.runbook.document.source
        full = (*path, *(key or (name,)))
        # By the data: behind an alias (``retry: *mail``) no key of its own stands here.
        if written_in(self.at_layers, full) is not None:
            return Explained(name, value, source.value(full))
        return Explained(name, value, origin=origin)


def _patience(step: Step, places: _Places, settle_s: float | None) -> Iterator[Explained]:
    if step.gate is not None and step.looks is None:
        return
    retry = step.retry
    yield places.at("retry.attempts", retry.attempts, step.path, key=("retry", "attempts"))
    yield places.at("retry.backoff", f"{retry.backoff_s:g} s", step.path, key=("retry", "backoff"))
    yield places.at("retry.max_backoff", f"{retry.max_backoff_s:g} s", step.path, key=("retry", "max_backoff"))
    yield places.at("timeout", f"{step.timeout_s:g} s", step.path)
    if settle_s is not None:
        yield places.at("settle", f"{settle_s:g} s", step.path, origin=f"default of {step.action}")


def _needs(at: Layers, places: _Places) -> Explained:
    phase = at.block.path[:2]
    needs = list(at.block.needs)
    own = places.at("needs", needs, at.block.path, origin="")
    if own.span is not None:
        return own
    return places.at("needs", needs, phase, origin="default: what stands before it")


def _window(at: Layers, places: _Places, now: datetime) -> Explained:
    window, block = at.block.window, at.block
    own = places.at("window", None, block.path, origin="")
    found = own if own.span is not None else places.at("window", None, block.path[:2], origin=f"{_DEFAULT}: at any time")
    if window is None:
        return found
    value = f"{window.name}: {window.describe()}"
    return Explained("window", value, found.span, facts=tuple(_window_facts(window, at, now)))


def _window_facts(window: Window, at: Layers, now: datetime) -> Iterator[Fact]:
    source = at.runbook.document.source
    yield Fact("defined", window.describe(), source.value(("windows", window.name)))
    calendar = at.inventory.calendars.get(window.calendar or "")
    closing = window.closing(now, calendar)
    if closing is not None:
        yield Fact("now", f"open, until {closing:%a %Y-%m-%d %H:%M %Z}")
    else:
        opens = window.next_opening(now, calendar)
        yield Fact("now", f"shut; opens {opens:%a %Y-%m-%d %H:%M %Z}" if opens else "shut; does not open within a year")
    if calendar is not None:
        place: DataPath = ("calendars", calendar.name)
        today = now.astimezone(calendar.zone).date()
        closed = calendar.closed.get(today) if not calendar.admits_day(today) else None
        words = f"{calendar.name}: closed today ({closed})" if closed else calendar.name
        yield Fact("calendar", words, at.inventory.document.source.value(place))


def written_in(at: Layers, path: DataPath) -> object:
    """What the runbook has at a place, in plain data; None for nothing."""
    found: object = at_path(at.runbook.document.data, path)
    return found
