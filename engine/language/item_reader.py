"""Rows of a collection into items: checked, brought into the form they are kept in, and hashed, in one pass.

This is the hot path of loading: 50,000 rows, a few microseconds each. What to do with a row depends only on which fields it
has, so that is worked out once per set of fields. Rows are changed in place: they were read for this purpose and belong to
nobody else.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import field

import orjson

from engine.language.findings import Findings
from engine.language.item_types import ItemType
from engine.language.item_values import BadValueError, Check, is_locally_administered
from engine.language.nearest import did_you_mean, listed
from engine.language.secret_names import is_reference, is_secret_name
from engine.language.yaml_reader import written
from engine.model.inventory import Item
from engine.model.source import DataPath, Document
from engine.model.values import dataclass

_UNFIT_FOR_ADDRESS = re.compile(r"[\[\]\x00-\x1f\x7f]")
_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to do with rows that have one set of fields."""

    checks: tuple[tuple[str, Check], ...]
    texts: tuple[str, ...]
    """Fields that only have to be text."""
    required: frozenset[str]
    secrets: tuple[str, ...]
    filling: Mapping[str, str]
    """Fields of the type that the rows do not give: empty, so that a template may ask for them."""


@dataclass(slots=True)
class Identities:
    """Who has which MAC address, number or extension, over all collections of a type."""

    holders: dict[str, tuple[ItemReader, int, str]] = field(default_factory=dict)


@dataclass(slots=True)
class ItemReader:
    """Reads one collection. ``at``: where its list of rows stands in ``document``."""

    name: str
    kind: ItemType
    document: Document
    at: DataPath
    rows: list[object]
    identities: Identities
    findings: Findings
    is_csv: bool = False
    items: list[Item] = field(default_factory=list)
    secret_fields: set[str] = field(default_factory=set)
    digest: str = ""
    _literal: list[tuple[int, str]] = field(default_factory=list)
    """Secrets written out: row and field."""

    def read(self) -> None:
        """Fills ``items``, ``secret_fields`` and ``digest``; problems go to ``findings``."""
        plans: dict[tuple[object, ...], _Plan | None] = {}
        canonical = hashlib.sha256()
        key_name = self.kind.key
        for index, row in enumerate(self.rows):
            if not isinstance(row, dict):
                self._error((index,), "Not an item", "An item is a mapping of field to value, such as `mac: 00:04:f2:ab:cd:ef`.")
                continue
            shape = tuple(row)
            if shape not in plans:
                plans[shape] = self._plan(shape, index)
            plan = plans[shape]
            if plan is None:
                self._missing(shape, index)
            elif self._apply(plan, index, row):  # which makes the key text
                canonical.update(_canonical(row))
                self.items.append(Item(row[key_name], row, index))
        self.digest = canonical.hexdigest()
        self._warn_of_literal_secrets()

    def _plan(self, shape: tuple[object, ...], index: int) -> _Plan | None:
        """None when the rows lack a field they need."""
        kind = self.kind
        if any(name not in shape for name in kind.required):
            return None
        names = [str(name) for name in shape]
        secrets = tuple(name for name in names if is_secret_name(name))
        self.secret_fields.update(secrets)
        known = [name for name in names if name in kind.fields or name in secrets]
        return _Plan(
            checks=tuple((name, kind.checks[name]) for name in known if name in kind.checks),
            texts=tuple(name for name in known if name not in kind.checks),
            required=frozenset(kind.required),
            secrets=secrets,
            filling={} if kind.is_free else {name: "" for name in kind.fields if name not in shape},
        )

    def _apply(self, plan: _Plan, index: int, row: Row) -> bool:
        """Brings a row into its kept form; whether it may become an item."""
        good = True
        for name in plan.texts:
            value = row[name]
            if type(value) is not str or not value:
                good &= self._make_text(plan, index, row, name)
        for name, check in plan.checks:
            value = row[name]
            if type(value) is not str or not value:
                good &= self._make_text(plan, index, row, name)
                value = row[name]
                if type(value) is not str or not value:
                    continue
            try:
                kept = check(value)
            except BadValueError as problem:
                self._error((index, name), problem.summary, problem.detail, problem.hint)
                good = False
                continue
            if kept is not value:
                row[name] = kept
        for name in plan.secrets:
            if row[name] and not is_reference(str(row[name])):
                self._literal.append((index, name))
        if plan.filling:
            row.update(plan.filling)
        if self.kind.is_free and not self.is_csv:
            for name, value in row.items():
                row[name] = self._as_written(value, (index, name))
        return good and self._is_unique(index, row)

    def _make_text(self, plan: _Plan, index: int, row: Row, name: str) -> bool:
        """Replaces a value that is empty or was not read as text; whether that was possible."""
        try:
            text = row[name] = self._text(index, name, row[name])
        except BadValueError as problem:
            self._error((index, name), problem.summary, problem.detail, problem.hint)
            return False
        if not text and name in plan.required:
            self._error((index, name), "Empty field", f"`{name}` must not be empty.")
            return False
        return True

    def _text(self, index: int, name: str, value: object) -> str:
        """A value that YAML did not read as text, as it was written."""
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, float):
            return written(self.document, (*self.at, index, name)) or str(value)
        raise BadValueError("Not text", f"`{name}` must be text. Put quotes round it." if isinstance(value, bool) else
                            f"`{name}` must be text, not a list or mapping.")

    def _as_written(self, value: object, path: DataPath) -> object:
        """A value of a field that no type knows, with decimals that would print otherwise as text: ``1.10`` is a version."""
        if type(value) is float:
            text = written(self.document, (*self.at, *path))
            return value if text is None or text == repr(value) else text
        if isinstance(value, dict):
            return {key: self._as_written(inner, (*path, str(key))) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._as_written(inner, (*path, number)) for number, inner in enumerate(value)]
        return value

    def _is_unique(self, index: int, row: Row) -> bool:
        good = True
        holders = self.identities.holders
        for name in self.kind.identities:
            value: str = row[name]  # type: ignore[assignment]
            if value:
                holder = holders.setdefault(value, (self, index, name))
                if holder[1] != index or holder[0] is not self or holder[2] != name:
                    self._duplicate(index, name, value, holder)
                    good = False
        key: str = row[self.kind.key]  # type: ignore[assignment]
        if self.kind.is_free and _UNFIT_FOR_ADDRESS.search(key):
            detail = f"The key {key!r} holds a bracket or control character, but must fit into addresses: phase/step[item]."
            self._error((index, self.kind.key), "Key unfit for an address", detail)
            return False
        if self.kind.key == "mac" and is_locally_administered(key) and not self.kind.is_free:
            detail = f"{key} was not given by a maker of phones but set locally: an app, a virtual machine, or a typing error."
            self.findings.warn(self.document, (*self.at, index, "mac"), "Locally administered MAC address", detail)
        return good

    def _duplicate(self, index: int, name: str, value: str, holder: tuple[ItemReader, int, str]) -> None:
        other, row, field_name = holder
        first = other.document.source.value((*other.at, row, field_name))
        held = f"the {'temporary ' if field_name == 'temporary_did' else ''}{self.kind.identity_noun} of another item"
        if other is self and row == index:
            held = f"this item's own {self.kind.identity_noun}"
        detail = f"{value} is already {held}, at {first}. Each may stand only once; correct or remove one."
        self._error((index, name), f"Duplicate {self.kind.identity_noun}", detail)

    def _missing(self, shape: tuple[object, ...], index: int) -> None:
        missing = [name for name in self.kind.required if name not in shape]
        others = [str(name) for name in shape if name not in self.kind.fields]
        for name in missing:
            strangers = [alias for alias, meant in self.kind.aliases.items() if meant == name and alias in others]
            hint = f"Is {strangers[0]!r} meant to be {name!r}?" if strangers else did_you_mean(name, others)
            if self.is_csv and index > 0:
                continue  # said once: all rows have the header's columns
            what = f"The column `{name}` is missing; there are" if self.is_csv else f"`{name}` is missing; there are"
            detail = f"{what} {listed(str(field_name) for field_name in shape)}."
            self._error(() if self.is_csv else (index,), "Missing column" if self.is_csv else "Missing field", detail, hint)

    def _warn_of_literal_secrets(self) -> None:
        if not self._literal:
            return
        index, name = self._literal[0]
        names = ", ".join(f"`{name}`" for name in sorted({name for _, name in self._literal}))
        count = f"{len(self._literal):,} secrets stand" if len(self._literal) > 1 else "A secret stands"
        detail = (
            f"{count} in this file as such ({names}): whoever reads the file, or its history in git, has what they protect. "
            "Put references in their place: env:NAME, file:PATH#KEY or keyring:SERVICE/USER."
        )
        self.findings.warn(self.document, (*self.at, index, name), "Secrets written out", detail)

    def _error(self, path: DataPath, summary: str, detail: str, hint: str = "") -> None:
        self.findings.add(self.document, (*self.at, *path), summary, detail, hint=hint)


def _canonical(row: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(row, option=_SORTED) + b"\n"
    except TypeError:  # half a surrogate pair in a quoted string
        return json.dumps(row, sort_keys=True).encode() + b"\n"


def check_references(readers: Mapping[str, ItemReader], findings: Findings) -> None:
    """Notes phones and numbers whose extension nobody has, once there is a collection of users to look in.

    Extensions that are no user's (queues, ring groups, doors) may stand in free collections with ``extension`` as key.
    Nothing is said while one of these has rows with errors: the extension may stand in one of them.
    """
    holders = [reader for reader in readers.values() if reader.kind.key == "extension"]
    if not any(reader.kind.name == "users" for reader in holders) or any(len(r.items) < len(r.rows) for r in holders):
        return
    known = {item.key for reader in holders for item in reader.items}
    if not known:
        _tell_of_no_users(readers, holders[0], findings)
        return
    for reader in readers.values():
        for index, name, value in _unknown_extensions(reader, known):
            detail = (
                f"No user has the extension {value}. Add it to the users, or to a collection of your own with `key: extension` "
                "(queues, ring groups), or correct it."
            )
            findings.add(reader.document, (*reader.at, index, name), "Unknown extension", detail)


def _tell_of_no_users(readers: Mapping[str, ItemReader], users: ItemReader, findings: Findings) -> None:
    found = [value for reader in readers.values() for _, _, value in _unknown_extensions(reader, set())]
    if found:
        detail = (
            f"It has no user at all, and {len(found):,} phones and numbers name an extension, such as {found[0]}. Add the users, "
            "or take the collection out if nobody is to be looked up in it."
        )
        findings.add(users.document, users.at, "No users", detail)


def _unknown_extensions(reader: ItemReader, known: set[str]) -> Iterator[tuple[int, str, str]]:
    for name in reader.kind.refers_to_extension:
        for item in reader.items:
            value = item.fields[name]
            if value and value not in known:
                yield item.row, name, str(value)
