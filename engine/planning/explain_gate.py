"""A gate, for an explanation: who is asked and who stands in for them, until when by which calendar, its texts as rendered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from engine.language.gate_reader import templates_of
from engine.model.calendar import NeverOpen, due_at
from engine.model.explanation import Explained, Fact
from engine.model.gate import Appointment, Approval, Gate, ManualTask, Wait
from engine.model.runbook import Step
from engine.model.source import DataPath
from engine.planning.explain_settings import written_in
from engine.planning.gate_words import spelled
from engine.planning.layers import Layers, masked
from engine.planning.people import deputies_of, person_of
from engine.planning.texts import plain

Rendered = Callable[[str, object, DataPath, Layers], Explained]
"""Explains something that may hold templates: its name, what is written, and where."""


def gate_fields(step: Step, gate: Gate, at: Layers, now: datetime, rendered: Rendered) -> Iterator[Explained]:
    """The gate in words, then each of its keys as written, then what is default."""
    kind, path = step.action, (*step.path, step.action)
    source = at.runbook.document.source
    yield Explained(kind, spelled(gate), source.value(path))
    written = written_in(at, path)
    keys: Mapping[str, object] = written if isinstance(written, dict) else {}
    for key, raw in keys.items():
        name, place = f"{kind}.{key}", (*path, key)
        if key == "observe":
            yield Explained(f"{name}.action", raw["action"] if isinstance(raw, dict) else None, source.value(place))
        elif key in templates_of(gate):
            yield rendered(name, raw, place, at)
        else:
            made = Explained(name, masked(plain(raw)), source.value(place))
            yield replace(made, facts=tuple(_facts(key, raw, gate, at, now)))
    for key, default in _defaults(gate).items():
        if key not in keys:
            yield Explained(f"{kind}.{key}", default, origin="default")


def _defaults(gate: Gate) -> Mapping[str, object]:
    timeout = {"on_timeout": gate.limits.on_timeout} if gate.limits.within is not None else {}
    if isinstance(gate, Approval):
        return {"quorum": gate.quorum, "four_eyes": gate.four_eyes, **timeout}
    if isinstance(gate, ManualTask):
        return {"evidence": gate.evidence, **timeout}
    if isinstance(gate, Appointment):
        return {"slots": gate.slots, **timeout}
    if isinstance(gate, Wait) and gate.watched is not None:
        watched = gate.watched
        return {"every": str(watched.every), "max_every": str(watched.max_every), "backoff": watched.backoff, **timeout}
    return timeout


def _facts(key: str, raw: object, gate: Gate, at: Layers, now: datetime) -> Iterator[Fact]:
    if key in ("by", "escalate_to"):
        for role in [raw] if isinstance(raw, str) else raw if isinstance(raw, list) else []:
            yield from _person(str(role), at, now)
    elif key == "calendar":
        calendar = at.inventory.calendars.get(str(raw))
        if calendar is not None:
            yield Fact("calendar", calendar.timezone, at.inventory.document.source.value(("calendars", calendar.name)))
    elif key == "within" or (key == "for" and isinstance(gate, Wait)):
        yield from _due(gate, at, now)


def _person(role: str, at: Layers, now: datetime) -> Iterator[Fact]:
    source, person = at.inventory.document.source, person_of(at.inventory, role)
    if role not in at.inventory.people:
        yield Fact(role, "nobody has this role", source.value(("people",)))
        return
    email = f" <{person['email']}>" if person["email"] else ""
    yield Fact(role, f"{person['name']}{email}", source.value(("people", role)))
    for deputy in deputies_of(at.inventory, [role], now):
        since = f" from {str(deputy['from'])[:10]}" if deputy["from"] else ""
        yield Fact(role, f"{deputy['name']}, {deputy['basis']}{since}", source.value(("people", role, "deputy")))


def _due(gate: Gate, at: Layers, now: datetime) -> Iterator[Fact]:
    span = gate.duration if isinstance(gate, Wait) and gate.duration is not None else gate.limits.within
    if span is None:
        return
    try:
        due = due_at(now, span, at.inventory.calendars.get(gate.limits.calendar))
    except NeverOpen as never:
        yield Fact("if it opened now", f"never: {never}")
        return
    calendar = at.inventory.calendars.get(gate.limits.calendar)
    local = due if calendar is None else due.astimezone(calendar.zone)
    yield Fact("if it opened now", f"until {local:%a %Y-%m-%d %H:%M %Z}")
