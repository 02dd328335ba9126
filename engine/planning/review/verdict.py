"""What is found about one thing that changed, before it is known where it stands; and how values are spelt in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from datetime import date
from typing import Any

from engine.language.secret_names import is_reference, is_secret_name
from engine.model.review import Risk
from engine.model.secret import MASK
from engine.model.source import DataPath
from engine.model.values import dataclass

_LONG = 160
"""Characters of a value that are shown."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that means something else. ``key``: where it is written, below the step, block or inventory it belongs to."""

    risk: Risk
    kind: str
    reason: str
    before: str = ""
    after: str = ""
    key: DataPath = ()
    detail: tuple[str, ...] = ()


Verdicts = Iterator[Verdict]


def spelled(value: object, name: str = "") -> str:
    """A value in one short line; ``name``: of its field, by which secrets are known."""
    if value is None:
        return "none"
    if is_secret_name(name) and isinstance(value, str | int) and not (isinstance(value, str) and is_reference(value)):
        return MASK
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _cut(" ".join(value.split())) or "''"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple) and not any(isinstance(one, Mapping | list | tuple) for one in value):
        return _cut(", ".join(spelled(one) for one in value)) or "none"
    if isinstance(value, Mapping | list | tuple) or is_dataclass(value):
        return _cut(json.dumps(plain(value), ensure_ascii=False, sort_keys=True, default=str))
    return _cut(str(value))


def plain(value: object, name: str = "") -> object:
    """A value in JSON's types, its secrets masked."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if isinstance(value, str | int | float | bool | date) and is_secret_name(name):
        return spelled(value, name)
    return value


def seconds(value: float | None) -> str:
    """``30 s``."""
    return "none" if value is None else f"{value:g} s"


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG - 3]}..."


def listed(names: Sequence[str], most: int = 6) -> str:
    """``a, b and 12 more``."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"


def unlike(old: object, new: object, path: DataPath = ()) -> Iterator[tuple[DataPath, Any, Any]]:
    """Where two values differ: (path, old, new), down to what is no mapping; None where a side has nothing there."""
    if old == new and type(old) is type(new):
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from unlike(old.get(key), new.get(key), (*path, key))
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        yield path, old, new


def changed_fields(old: Any, new: Any) -> dict[str, tuple[Any, Any]]:
    """Fields of two values of one dataclass that differ."""
    return {
        entry.name: (getattr(old, entry.name), getattr(new, entry.name))
        for entry in fields(old) if getattr(old, entry.name) != getattr(new, entry.name)
    }


def widened(old: Sequence[str], new: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is new in a list, and what is gone."""
    return [one for one in new if one not in old], [one for one in old if one not in new]


def dotted(path: DataPath) -> str:
    """``with.to``."""
    return ".".join(str(part) for part in path)
