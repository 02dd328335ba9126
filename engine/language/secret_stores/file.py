"""``file:PATH`` and ``file:PATH#KEY``: a file of this machine, whole or one value of a table in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from engine.language.csv_reader import read_csv
from engine.language.secret_stores.open_files import refuse_open_file
from engine.language.secret_stores.store import Surroundings
from engine.language.secret_stores.table import mapping_as_table, place_of
from engine.language.yaml_reader import read_yaml
from engine.model.diagnostic import InvalidInput
from engine.model.source import Document


class FileStore:
    """Reads each table once: forty phones with a password each are one file."""

    forms: ClassVar[tuple[str, ...]] = ("file:PATH", "file:PATH#KEY")

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._tables: dict[str, Mapping[str, str]] = {}

    def look_up(self, rest: str) -> str:
        """The whole file without its last line end, or the value of a key in it."""
        name, marked, key = rest.partition("#")
        path = self._around.path(name)
        if not marked:
            refuse_open_file(path, self._around.environ)
            return _read_whole(path)
        table = self._tables.get(name)
        if table is None:
            refuse_open_file(path, self._around.environ)
            table = self._tables[name] = _read_table(path)
        if not table.get(key):
            raise LookupError(f"{name} has no value for {key}. Add a line `\"{key}\": ...` to it.")
        return table[key]


def _read_whole(path: Path) -> str:
    try:
        value = path.read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise LookupError(f"{path} is not UTF-8 text.") from None
    except OSError as error:
        raise LookupError(f"{path} cannot be read: {error.strerror}. Relative paths start at the inventory's folder.") from None
    if not value:
        raise LookupError(f"{path} is empty.")
    return value


def _read_table(path: Path) -> Mapping[str, str]:
    """A mapping of key to secret: a YAML mapping, or a CSV of two columns."""
    try:
        if path.suffix.lower() == ".csv":
            document, _ = read_csv(path, str(path))
            return _rows_as_table(document)
        return mapping_as_table(read_yaml(path, str(path)))
    except InvalidInput as error:
        raise LookupError(place_of(error, str(path))) from None


def _rows_as_table(document: Document) -> Mapping[str, str]:
    table: dict[str, str] = {}
    for row in document.data if isinstance(document.data, list) else ():
        if len(row) != 2:
            raise LookupError(f"{document.source.file} must have two columns: a key and its secret.")
        key, value = row.values()
        if key in table:
            raise LookupError(f"{document.source.file} has {key} twice.")
        table[key] = value
    return table
