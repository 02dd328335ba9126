"""What a secret reference points to.

A reference stands in the inventory (``env:NAME``, ``file:PATH``, ``file:PATH#KEY``, ``keyring:SERVICE/USER``); its value is
looked up when a session opens or a phone's file is rendered, and from then on exists only as a ``Secret``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path

from engine.language.csv_reader import read_csv
from engine.language.secret_names import is_reference, is_secret_name
from engine.language.yaml_reader import read_yaml, written
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.secret import Secret
from engine.model.source import DataPath, Document, Span

KeyringLookup = Callable[[str, str], str | None]
"""Takes service and user; None when the keyring holds nothing for them."""


class SecretResolver:
    """Looks references up, each once.

    ``base``: the inventory's folder, which relative paths start from. ``environ``: the process environment. ``overrides``:
    reference -> value to use instead, for a lab that hands out its own credentials. ``keyring``: how to ask the keyring;
    by default the ``keyring`` package, imported when first needed.
    """

    def __init__(
        self,
        base: Path,
        environ: Mapping[str, str],
        overrides: Mapping[str, str] | None = None,
        keyring: KeyringLookup | None = None,
    ) -> None:
        self._base = base
        self._environ = environ
        self._keyring = keyring
        self._known = {reference: Secret(value) for reference, value in (overrides or {}).items()}
        self._tables: dict[str, Mapping[str, str]] = {}

    def resolve(self, reference: str, span: Span | None = None) -> Secret:
        """The secret a reference points to. Raises ``InvalidInput`` that says what is missing and how to supply it.

        ``span``: where the reference stands, for the error.
        """
        known = self._known.get(reference)
        if known is None:
            known = self._known[reference] = Secret(self._look_up(reference, span))
        return known

    def secret(self, value: str, span: Span | None = None) -> Secret:
        """A value of a secret field: what it refers to, or the value itself where it was written out."""
        return self.resolve(value, span) if is_reference(value) else Secret(value)

    def settings(self, settings: Mapping[str, object]) -> dict[str, object]:
        """A connection's settings for its transport: secret ones as ``Secret``, also those inside ``headers``."""
        found = dict(settings)
        for name, value in settings.items():
            if isinstance(value, str) and is_secret_name(name):
                found[name] = self.secret(value)
            elif name == "headers" and isinstance(value, Mapping):
                found[name] = {key: self.resolve(v) if isinstance(v, str) and is_reference(v) else v for key, v in value.items()}
        return found

    def _look_up(self, reference: str, span: Span | None) -> str:
        kind, _, rest = reference.partition(":")
        look_up = {"env": self._from_environment, "file": self._from_file, "keyring": self._from_keyring}.get(kind)
        if look_up is None or not rest:
            raise _missing(reference, "A reference is env:NAME, file:PATH, file:PATH#KEY or keyring:SERVICE/USER.", span)
        try:
            return look_up(rest)
        except LookupError as error:
            raise _missing(reference, str(error.args[0]), span) from None

    def _from_environment(self, name: str) -> str:
        value = self._environ.get(name)
        if not value:
            state = "is empty" if value == "" else "is not set"
            raise LookupError(f"The environment variable {name} {state}. Set it in the shell that runs the command.")
        return value

    def _from_file(self, rest: str) -> str:
        name, marked, key = rest.partition("#")
        if marked:
            table = self._tables.get(name)
            if table is None:
                table = self._tables[name] = _read_table(self._path(name))
            if not table.get(key):
                raise LookupError(f"{name} has no value for {key}. Add a line `\"{key}\": ...` to it.")
            return table[key]
        return _read_whole(self._path(name))

    def _path(self, name: str) -> Path:
        return self._base / Path(name).expanduser()

    def _from_keyring(self, rest: str) -> str:
        service, _, user = rest.rpartition("/")
        if not service or not user:
            raise LookupError("A keyring reference names service and user: keyring:SERVICE/USER.")
        if self._keyring is None:
            self._keyring = _system_keyring()
        value = self._keyring(service, user)
        if not value:
            raise LookupError(f"The keyring holds nothing for {service}/{user}. Store it with: keyring set {service} {user}")
        return value


def _missing(reference: str, detail: str, span: Span | None) -> InvalidInput:
    return InvalidInput([Diagnostic("Secret not found", f"`{reference}` cannot be resolved. {detail}", span)])


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
        return _mapping_as_table(read_yaml(path, str(path)))
    except InvalidInput as error:
        # Only the place: the line itself may hold a secret.
        first = error.diagnostics[0]
        raise LookupError(f"{first.span or path}: {first.summary}.") from None


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


def _mapping_as_table(document: Document) -> Mapping[str, str]:
    if not isinstance(document.data, dict):
        raise LookupError(f"{document.source.file} must be a mapping of key to secret.")
    return {str(key): _text(document, (key,), value) for key, value in document.data.items()}


def _text(document: Document, path: DataPath, value: object) -> str:
    if isinstance(value, str):
        return value
    return (written(document, path) or "") if isinstance(value, int | float) else ""


def _system_keyring() -> KeyringLookup:
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        raise LookupError("The keyring package is not installed. Install it with: pip install 'switchover[keyring]'") from None

    def look_up(service: str, user: str) -> str | None:
        try:
            value = keyring.get_password(service, user)
        except keyring.errors.KeyringError as error:
            raise LookupError(f"The keyring cannot be asked: {error}.") from None
        return None if value is None else str(value)

    return look_up
