"""A plan for programs: one JSON document, or a line per address. ``format`` changes when a reader would have to."""

from __future__ import annotations

import dataclasses
from typing import Any, TextIO

import orjson

from engine.model.plan import PlanHeader, PlannedItem, Totals

FORMAT = "switchover.plan/1"


class PlanJson:
    """One document: ``format``, ``plan`` (the header), ``items``, ``totals``. Written as it comes, so any size will do."""

    def __init__(self, stream: TextIO, header: PlanHeader) -> None:
        self._stream = stream
        self._totals = Totals()
        self._separator = ""
        stream.write(f'{{"format":"{FORMAT}","plan":{_text(header_data(header))},"items":[')

    def add(self, item: PlannedItem) -> None:
        """Writes one address."""
        self._totals.add(item)
        self._stream.write(f"{self._separator}\n{_text(item_data(item))}")
        self._separator = ","

    def finish(self) -> None:
        """Ends the document."""
        self._stream.write(f'\n],"totals":{_text(totals_data(self._totals))}}}\n')


class PlanJsonLines:
    """A line each: the header, every address, the totals; told apart by ``type``."""

    def __init__(self, stream: TextIO, header: PlanHeader) -> None:
        self._stream = stream
        self._totals = Totals()
        self._line("plan", header_data(header))

    def add(self, item: PlannedItem) -> None:
        """Writes one address."""
        self._totals.add(item)
        self._line("item", item_data(item))

    def finish(self) -> None:
        """Writes the totals."""
        self._line("totals", totals_data(self._totals))

    def _line(self, kind: str, values: dict[str, Any]) -> None:
        self._stream.write(f"{_text({'format': FORMAT, 'type': kind, **values})}\n")


def header_data(header: PlanHeader) -> dict[str, Any]:
    """The header's fields."""
    return {field.name: getattr(header, field.name) for field in dataclasses.fields(header)}


def item_data(item: PlannedItem) -> dict[str, Any]:
    """One address; ``diff`` holds unified diff lines with secrets masked."""
    return {
        "address": item.address, "block": item.block, "step": item.step, "item": item.item, "label": item.label,
        "action": item.action, "outlook": item.outlook.value, "summary": item.summary, "why": item.why,
        "reversible": item.reversible, "observed": item.observed,
        "fields": [{"name": change.name, "before": change.before, "after": change.after} for change in item.fields],
        "diff": item.diff, "notes": item.notes,
    }


def totals_data(totals: Totals) -> dict[str, Any]:
    """Counts by outlook, those that cannot be undone, and whether applying would do anything."""
    counts = {outlook.value: count for outlook, count in totals.by_outlook.items()}
    return {"by_outlook": counts, "irreversible": totals.irreversible, "pending": totals.pending}


def _text(values: Any) -> str:
    return orjson.dumps(values, default=str).decode()
