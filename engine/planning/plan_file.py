"""A plan on disk: JSON lines, so that fifty thousand items stream, closed by a digest over every byte before it.

The first line is the header, then one line per address, then the seal. It holds no secret: what is shown was masked, and what
is compared is a digest made with the project's key. The seal finds a plan that was edited or cut short; it is no signature.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import orjson

from engine.model.errors import StalePlan, SwitchoverError
from engine.model.plan import FieldChange, Outlook, PlanHeader, PlannedItem, Totals
from engine.model.values import dataclass

FORMAT = "switchover.plan/1"
_ITEM_FIELDS = tuple(field.name for field in fields(PlannedItem))
_BLANK = tuple(field.default for field in fields(PlannedItem))
_item_values = attrgetter(*_ITEM_FIELDS)


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan read back."""

    header: PlanHeader
    items: tuple[PlannedItem, ...]
    totals: Totals


class PlanWriter:
    """Writes a plan item by item; the file appears under its name only when it is complete. Use as a context manager."""

    def __init__(self, path: Path, header: PlanHeader) -> None:
        self._path, self._header = path, header
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        self._hash = hashlib.sha256()
        self._totals = Totals()
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        try:
            descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            raise self._unwritable(error) from error
        self._file = os.fdopen(descriptor, "wb")
        self._line({"format": FORMAT, "header": {f.name: getattr(self._header, f.name) for f in fields(PlanHeader)}})
        return self

    def add(self, item: PlannedItem) -> None:
        """Writes one address."""
        self._totals.add(item)
        self._line(encode_item(item))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is None:
            return
        if kind is not None:
            self._discard(self._file)
            return
        try:
            self._close(self._file)
        except OSError as full:
            self._discard(self._file)
            raise self._unwritable(full) from full

    def _close(self, file: BinaryIO) -> None:
        seal = {"totals": totals_of(self._totals), "digest": self._hash.hexdigest()}
        file.write(orjson.dumps(seal) + b"\n")
        file.flush()
        os.fsync(file.fileno())
        file.close()
        self._temporary.replace(self._path)

    def _discard(self, file: BinaryIO) -> None:
        with suppress(OSError):  # closing writes what is left, which fails again on a full disk
            file.close()
        self._temporary.unlink(missing_ok=True)

    def _line(self, value: Mapping[str, Any]) -> None:
        line = orjson.dumps(value, default=str) + b"\n"
        self._hash.update(line)
        if self._file is None:
            return
        try:
            self._file.write(line)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> SwitchoverError:
        return SwitchoverError(f"Cannot write the plan to {self._path}", f"{error.strerror}.")


def read_plan(path: Path) -> PlanFile:
    """Reads a whole plan. Raises ``StalePlan`` when it was edited or cut short, ``SwitchoverError`` when it is no plan."""
    header: PlanHeader | None = None
    items = []
    totals = Totals()
    for value in _lines(path):
        if header is None:
            header = _header(path, value)
        else:
            item = decode_item(value)
            totals.add(item)
            items.append(item)
    if header is None:
        raise SwitchoverError(f"{path} is not a plan", "Make one with: switchover plan RUNBOOK -i INVENTORY --out FILE")
    return PlanFile(header, tuple(items), totals)


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """Every line but the seal, which must fit."""
    digest = hashlib.sha256()
    held: bytes | None = None
    try:
        with path.open("rb") as file:
            for line in file:
                if held is not None:
                    digest.update(held)
                    yield _parsed(path, held)
                held = line
    except OSError as error:
        raise SwitchoverError(f"Cannot read the plan {path}", f"{error.strerror}.") from error
    seal = _parsed(path, held or b"")
    if seal.get("digest") != digest.hexdigest():
        raise _altered(path)


def _parsed(path: Path, line: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        if begins_as_plan(path):
            raise _altered(path)
        raise SwitchoverError(f"{path} is not a plan", "It is some other file. Make a plan with: switchover plan --out FILE")
    return value


def begins_as_plan(path: Path) -> bool:
    """Whether a file is a plan, whole or not. Raises ``OSError``."""
    with path.open("rb") as file:
        return file.read(64).startswith(b'{"format":"' + FORMAT.encode())


def _altered(path: Path) -> StalePlan:
    return StalePlan(
        f"The plan {path} is not as it was written",
        "It was edited by hand or cut short, so nobody has seen what it would do. Make a new one with: switchover plan",
    )


def _header(path: Path, value: Mapping[str, Any]) -> PlanHeader:
    if value.get("format") != FORMAT:
        raise SwitchoverError(
            f"{path} is not a plan this version reads", f"It says {value.get('format')!r}; this version reads {FORMAT!r}."
        )
    return header_of(value["header"])


def header_of(data: Mapping[str, Any]) -> PlanHeader:
    """Rebuilds a header from its JSON form."""
    values = {field.name: data[field.name] for field in fields(PlanHeader) if field.name in data}
    for name in ("limit", "windows", "known_gaps", "points_of_no_return", "on_cancel"):
        values[name] = tuple(values.get(name, ()))
    return PlanHeader(**values)


def encode_item(item: PlannedItem) -> dict[str, Any]:
    """The item's JSON form; what is at its default is left out."""
    named = zip(_ITEM_FIELDS, _item_values(item), _BLANK, strict=True)
    data: dict[str, Any] = {name: value for name, value, blank in named if value != blank}
    data["outlook"] = item.outlook.value
    if item.fields:
        data["fields"] = [[f.name, f.before, f.after] for f in item.fields]
    return data


def decode_item(data: Mapping[str, Any]) -> PlannedItem:
    """Rebuilds an item from its JSON form."""
    values = dict(data)
    values["outlook"] = Outlook(values["outlook"])
    values["fields"] = tuple(FieldChange(*field) for field in values.get("fields", ()))
    for name in ("diff", "notes"):
        values[name] = tuple(values.get(name, ()))
    values.setdefault("item", None)
    return PlannedItem(**values)


def totals_of(totals: Totals) -> dict[str, int]:
    """Counts by outlook, and ``irreversible``."""
    return {**{outlook.value: totals[outlook] for outlook in Outlook}, "irreversible": totals.irreversible}


def write_plan(path: Path, header: PlanHeader, items: Iterable[PlannedItem]) -> None:
    """Writes a whole plan at once."""
    with PlanWriter(path, header) as writer:
        for item in items:
            writer.add(item)
