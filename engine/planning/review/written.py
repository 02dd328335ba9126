"""What is written, where a side is no runbook by its form: keys that differ, and no more is said of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.model.review import Difference, Risk
from engine.model.source import DataPath, Document
from engine.planning.review.verdict import dotted, spelled, unlike


def compare_written(old: Document, new: Document) -> Iterator[Difference]:
    """Each key of two documents that differs; entries of lists are told by their names."""
    for path, then, now in unlike(_by_name(old.data), _by_name(new.data)):
        name = str(path[-1]) if path else ""
        before, after = ("" if one is None else spelled(one, name) for one in (then, now))
        span = new.source.value(_place(new.data, path))
        yield Difference(Risk.EFFECT, "written-otherwise", "", f"{dotted(path)}: {before or 'nothing'} -> {after or 'nothing'}",
                         span=span)


def _by_name(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _by_name(inner) for key, inner in value.items()}
    if isinstance(value, list) and value and all(isinstance(one, Mapping) and "name" in one for one in value):
        return {str(one["name"]): _by_name(one) for one in value}
    return value


def _place(data: Any, path: DataPath) -> DataPath:
    """The path as it is written, with numbers for the entries of lists."""
    place: list[str | int] = []
    for part in path:
        if isinstance(data, list):
            index = next((n for n, one in enumerate(data) if isinstance(one, Mapping) and str(one.get("name")) == part), None)
            if index is None:
                break
            place.append(index)
            data = data[index]
        else:
            place.append(part)
            data = data.get(part) if isinstance(data, Mapping) else None
    return tuple(place)
