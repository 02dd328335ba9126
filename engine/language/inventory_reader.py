"""A customer's folder into an ``Inventory``, with everything that is wrong with it at once.

The parts are read even when others are broken, each tolerating what the schema has already complained about, so that one run
of ``validate`` tells an operator all there is to mend.
"""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, replace
from datetime import date
from pathlib import Path
from typing import Any

from engine.language.calendars import read_calendar
from engine.language.connections import literal_secrets, read_connections
from engine.language.csv_reader import read_csv
from engine.language.deputies import check_deputies
from engine.language.findings import Findings
from engine.language.item_reader import Identities, ItemReader, check_references
from engine.language.item_types import ItemType, free_type, item_types
from engine.language.item_values import BadValueError, email
from engine.language.nearest import did_you_mean, listed, offered
from engine.language.schema_check import schema_check
from engine.language.secret_names import masked_line
from engine.language.telephone_numbers import NumberReader
from engine.language.time_zones import is_time_zone, unknown_time_zone
from engine.language.yaml_reader import read_yaml
from engine.model.calendar import Calendar
from engine.model.diagnostic import Diagnostic, InvalidInput, in_order
from engine.model.inventory import Collection, Inventory, Notify
from engine.model.secret import MASK
from engine.model.source import DataPath, Document
from engine.model.values import dataclass

INVENTORY_FILE = "inventory.yml"
_MEANING = ("customer", "title", "timezone", "country", "connections", "defaults", "calendars", "people", "notify")


def load_inventory(folder: Path, display: str | None = None, *, today: date | None = None) -> tuple[Inventory, list[Diagnostic]]:
    """Reads and checks a customer's folder. Returns warnings beside the inventory.

    ``display``: how errors name the folder (default: as given). ``today``: the day public holidays are worked out around
    (default: this machine's date). Raises ``InvalidInput`` with every problem in every file, warnings too.
    """
    with _collector_paused():
        return _Loader(folder, display if display is not None else str(folder), today or date.today()).load()


@contextmanager
def _collector_paused() -> Iterator[None]:
    # Nothing made here is garbage, and walking it all again and again makes loading quadratic.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass(slots=True)
class _Loader:
    folder: Path
    display: str
    today: date
    findings: Findings = field(default_factory=Findings)
    files: list[str] = field(default_factory=list)
    identities: dict[str, Identities] = field(default_factory=dict)

    def load(self) -> tuple[Inventory, list[Diagnostic]]:
        document = self._read_document()
        data = document.data
        if not isinstance(data, dict):
            self.findings.add(document, (), "Not an inventory", "The file must be a mapping that begins with `switchover: 1`.")
            raise InvalidInput(self.findings.all())
        self._check_schema(document, data)
        inventory = self._assemble(document, data)
        diagnostics = self.findings.all()
        if self.findings.have_errors:
            raise InvalidInput(diagnostics)
        return inventory, in_order(diagnostics)

    def _read_document(self) -> Document:
        self.files.append(INVENTORY_FILE)
        try:
            return read_yaml(self.folder / INVENTORY_FILE, f"{self.display}/{INVENTORY_FILE}")
        except InvalidInput as error:
            raise InvalidInput([_masked(found) for found in error.diagnostics]) from None

    def _check_schema(self, document: Document, data: Mapping[str, Any]) -> None:
        """Items are left to the item reader, which is quicker and words its errors for their type."""
        collections = data.get("collections")
        bare = dict(data)
        if isinstance(collections, dict):
            bare["collections"] = {
                name: {**entry, "items": []} if isinstance(entry, dict) and isinstance(entry.get("items"), list) else entry
                for name, entry in collections.items()
            }
        secrets = [secret for entry in _mappings(data, "connections").values() for secret in literal_secrets(entry).values()]
        for found in schema_check("inventory").problems(bare, document.source):
            self.findings.extend([_masked(found, secrets)])

    def _assemble(self, document: Document, data: Mapping[str, Any]) -> Inventory:
        self._check_timezone(document, data.get("timezone"))
        country = data.get("country")
        numbers = NumberReader(country if isinstance(country, str) else None)
        people = self._people(document, _mappings(data, "people"), numbers)
        check_deputies(document, people, self.findings)
        readers = self._collections(document, _mappings(data, "collections"), numbers)
        check_references(readers, self.findings)
        return Inventory(
            customer=str(data.get("customer")),
            title=str(data.get("title") or data.get("customer")),
            timezone=str(data.get("timezone")),
            folder=str(self.folder),
            document=document,
            connections=read_connections(_mappings(data, "connections"), document, self.findings),
            defaults=defaults if isinstance(defaults := data.get("defaults"), dict) else {},
            calendars=self._calendars(document, _mappings(data, "calendars"), str(data.get("timezone"))),
            people=people,
            notify=self._notify(document, data),
            collections={name: _collection(reader) for name, reader in readers.items()},
            files=tuple(dict.fromkeys(self.files)),
            digest=_digest(data, people, readers),
        )

    def _check_timezone(self, document: Document, name: object) -> None:
        if isinstance(name, str) and not is_time_zone(name):
            detail, hint = unknown_time_zone(name)
            self.findings.add(document, ("timezone",), "Unknown time zone", detail, hint=hint)

    def _notify(self, document: Document, data: Mapping[str, Any]) -> Notify | None:
        """How people are written to; None when they are not, or when it cannot be told, which is noted."""
        written = data.get("notify")
        name = written.get("connection") if isinstance(written, dict) else None
        if not isinstance(written, dict) or not isinstance(name, str):
            return None
        connections = _mappings(data, "connections")
        mail = [known for known, entry in connections.items() if entry.get("type") == "smtp"]
        if name not in mail:
            summary, detail = "Unknown connection", f"No connection is called {name!r}"
            if name in connections:
                summary, detail = "Unsuitable connection", f"{name!r} is a connection of type {connections[name].get('type')}"
            detail += f"; people are written to through one of type smtp. {offered(mail)}"
            self.findings.add(document, ("notify", "connection"), summary, detail, hint=did_you_mean(name, mail))
        return Notify(name, str(written.get("from") or ""), written.get("tokens") is True)

    def _people(
        self, document: Document, people: Mapping[str, Mapping[str, object]], numbers: NumberReader
    ) -> dict[str, Mapping[str, object]]:
        checked: dict[str, Mapping[str, object]] = {}
        for role, person in people.items():
            checked[role] = dict(person)
            for name, check in (("email", email), ("phone", numbers)):
                value = person.get(name)
                if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                    try:
                        checked[role] = {**checked[role], name: check(str(value))}
                    except BadValueError as problem:
                        self.findings.add(document, ("people", role, name), problem.summary, problem.detail, hint=problem.hint)
        return checked

    def _calendars(
        self, document: Document, calendars: Mapping[str, Mapping[str, object]], timezone: str
    ) -> dict[str, Calendar]:
        return {
            name: read_calendar(name, written, document, self.findings, self.today, timezone)
            for name, written in calendars.items()
        }

    # ------------------------------------------------------------ collections

    def _collections(
        self, document: Document, collections: Mapping[str, Mapping[str, object]], numbers: NumberReader
    ) -> dict[str, ItemReader]:
        types = item_types(numbers)
        readers = {}
        for name, entry in collections.items():
            kind = self._kind(document, name, entry, types)
            reader = None if kind is None else self._reader(document, name, entry, kind)
            if reader is not None:
                reader.read()
                readers[name] = reader
        return readers

    def _kind(
        self, document: Document, name: str, entry: Mapping[str, object], types: Mapping[str, ItemType]
    ) -> ItemType | None:
        """The type of a collection's items; None when it cannot be told."""
        at: DataPath = ("collections", name)
        kind, key = types.get(str(entry.get("type", name))), entry.get("key")
        if kind is not None and name in types and kind.name != name:
            detail = f"A collection called {name!r} holds {name}; its type cannot be {kind.name}. Rename it or drop `type`."
            self.findings.add(document, (*at, "type"), "Contradicting type", detail)
            return None
        if kind is not None:
            if key is not None and key != kind.key:
                detail = f"{kind.name.capitalize()} are named by `{kind.key}`, always; remove `key`."
                self.findings.add(document, (*at, "key"), "Contradicting key", detail)
            return kind
        if "type" in entry:
            return None  # the schema has said which types there are
        if not isinstance(key, str) or not key:
            detail = (
                f"Which field names an item of {name!r}? Say `key: FIELD`. Only {listed(types)} have a type of their own; "
                "`type:` gives a collection of another name one of these."
            )
            self.findings.add(document, at, "Missing key", detail, hint=did_you_mean(name, types), at_key=True)
            return None
        return free_type(name, key)

    def _reader(self, document: Document, name: str, entry: Mapping[str, object], kind: ItemType) -> ItemReader | None:
        at: DataPath = ("collections", name)
        if ("file" in entry) == ("items" in entry):
            detail = "A collection has either `file:` (CSV or YAML in this folder) or `items:` (the items themselves)."
            self.findings.add(document, at, "File or items", detail, at_key=True)
            return None
        # Extensions are one name space whatever the collection; so is what a built-in type is named by.
        identities = self.identities.setdefault(name if kind.is_free else kind.name, Identities())
        items = entry.get("items")
        if isinstance(items, list):
            return ItemReader(name, kind, document, (*at, "items"), items, identities, self.findings)
        found = self._read_file(document, (*at, "file"), entry.get("file"), kind)
        if found is None:
            return None
        if not isinstance(found.data, list):
            self.findings.add(found, (), "Not a list of items", "The file must be a list: each item begins with `- `.")
            return None
        is_csv = found.source.file.lower().endswith(".csv")
        return ItemReader(name, kind, found, (), found.data, identities, self.findings, is_csv)

    def _read_file(self, document: Document, at: DataPath, name: object, kind: ItemType) -> Document | None:
        """A collection's file; None when it cannot be read, which is noted."""
        if not isinstance(name, str) or not name:
            return None  # the schema has said so
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            detail = f"{name} leads out of the customer's folder. Put the file into it: the folder is what a review looks at."
            self.findings.add(document, at, "File outside the folder", detail)
        elif not path.is_file():
            detail = f"There is no file {name} in {self.display}."
            others = [found.name for found in self.folder.iterdir() if found.suffix in (".csv", ".yml", ".yaml")]
            self.findings.add(document, at, "File not found", detail, hint=did_you_mean(name, others))
        elif path.suffix.lower() not in (".csv", ".yml", ".yaml"):
            detail = f"{name} is neither CSV (.csv) nor YAML (.yml, .yaml). Save a workbook as CSV UTF-8."
            self.findings.add(document, at, "Unknown kind of file", detail)
        else:
            self.files.append(path.relative_to(self.folder.resolve()).as_posix())
            return self._parse_file(path, f"{self.display}/{name}", kind)
        return None

    def _parse_file(self, path: Path, display: str, kind: ItemType) -> Document | None:
        try:
            if path.suffix.lower() != ".csv":
                return read_yaml(path, display)
            document, warnings = read_csv(path, display, kind.aliases)
        except InvalidInput as error:
            self.findings.extend(_masked(found) for found in error.diagnostics)
            return None
        self.findings.extend(warnings)
        return document


def _mappings(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The entries of a section that are mappings; the schema has complained about what is not."""
    section = data.get(name)
    return {key: entry for key, entry in section.items() if isinstance(entry, dict)} if isinstance(section, dict) else {}


def _masked(found: Diagnostic, secrets: list[str] | None = None) -> Diagnostic:
    detail, hint = found.detail, found.hint
    for secret in secrets or ():
        detail, hint = detail.replace(secret, MASK), hint.replace(secret, MASK)
    return replace(found, line=masked_line(found.line, {}), detail=detail, hint=hint)


def _collection(reader: ItemReader) -> Collection:
    return Collection(reader.name, tuple(reader.items), reader.document, reader.at, frozenset(reader.secret_fields))


def _digest(data: Mapping[str, Any], people: Mapping[str, object], readers: Mapping[str, ItemReader]) -> str:
    """Over what was meant. Calendars count as written, or every New Year would make all plans stale."""
    meaning = {name: data.get(name) for name in _MEANING}
    meaning["people"] = dict(people)
    meaning["collections"] = {name: [reader.kind.name, reader.kind.key, reader.digest] for name, reader in readers.items()}
    return hashlib.sha256(json.dumps(meaning, sort_keys=True, default=str).encode()).hexdigest()
