"""Spellings that are still read, and what is written instead. One that is dropped after a while stays a line here until then.

What is deprecated means what its replacement means, so that a program may replace it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.model.source import DataPath
from engine.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Spelling:
    """A key, or with ``value`` a value of that key, that is written otherwise since a version."""

    key: str
    instead: str
    since: str
    value: str = ""


SPELLINGS: tuple[Spelling, ...] = (
    # One word for it, whatever a gate is: nobody rejects a form.
    Spelling("on_timeout", "refuse", "0.1.0", value="reject"),
)


def current(key: str, value: Any) -> Any:
    """A value as it is written now."""
    return next((s.instead for s in SPELLINGS if s.key == key and s.value == value), value)


def deprecated_in(data: object, path: DataPath = ()) -> Iterator[tuple[DataPath, Spelling]]:
    """Where a document has old spellings."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from (((*path, key), s) for s in SPELLINGS if s.key == key and s.value in ("", value))
            yield from deprecated_in(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from deprecated_in(value, (*path, index))
