"""``age:PATH`` and ``age:PATH#KEY``: a file encrypted with age, whole or one value of the YAML mapping in it.

The engine only decrypts, in memory. Encrypting is done with ``age`` or ``rage``, to the recipient of the identity that the
operators' machine has.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from engine.language.secret_stores.open_files import refuse_open_file
from engine.language.secret_stores.store import Surroundings
from engine.language.secret_stores.table import mapping_as_table, place_of
from engine.language.yaml_reader import parse_yaml
from engine.model.diagnostic import InvalidInput

IDENTITY = "SWITCHOVER_AGE_IDENTITY"
"""Environment variable that names the file with the identity."""


class AgeStore:
    """Decrypts each file once, with the identities in the file that ``SWITCHOVER_AGE_IDENTITY`` names."""

    forms: ClassVar[tuple[str, ...]] = ("age:PATH", "age:PATH#KEY")

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._identities: list[Any] = []
        self._texts: dict[str, str] = {}
        self._tables: dict[str, Mapping[str, str]] = {}

    def look_up(self, rest: str) -> str:
        """The whole text without its last line end, or the value of a key in it."""
        name, marked, key = rest.partition("#")
        if not marked:
            value = self._text(name).rstrip("\r\n")
            if not value:
                raise LookupError(f"{name} is empty once decrypted.")
            return value
        if name not in self._tables:
            self._tables[name] = _table(self._text(name), name)
        found = self._tables[name].get(key)
        if not found:
            raise LookupError(
                f"{name} has no value for {key} once decrypted. Decrypt it, add a line `\"{key}\": ...`, encrypt it again."
            )
        return found

    def _text(self, name: str) -> str:
        if name not in self._texts:
            self._texts[name] = self._decrypted(self._around.path(name))
        return self._texts[name]

    def _decrypted(self, path: Path) -> str:
        if not self._identities:
            self._identities = identities(self._around)
        pyrage = _pyrage()
        try:
            return str(pyrage.decrypt(path.read_bytes(), self._identities), encoding="utf-8")
        except OSError as error:
            raise LookupError(
                f"{path} cannot be read: {error.strerror}. Relative paths start at the inventory's folder."
            ) from None
        except UnicodeDecodeError:
            raise LookupError(f"{path} is not UTF-8 text once decrypted.") from None
        except pyrage.DecryptError as error:
            raise LookupError(
                f"{path} cannot be decrypted with the identity that {IDENTITY} names: {error}. Is it an age file, and "
                "encrypted to that identity's recipient?"
            ) from None


def _table(text: str, name: str) -> Mapping[str, str]:
    try:
        return mapping_as_table(parse_yaml(text, name))
    except InvalidInput as error:
        raise LookupError(place_of(error, name)) from None


def identities(around: Surroundings) -> list[Any]:
    """The identities of the operator, never none. Raises ``LookupError``."""
    named = around.environ.get(IDENTITY)
    if not named:
        raise LookupError(
            f"{IDENTITY} is not set. Have it name the file with the age identity (made by age-keygen), or an SSH key without a "
            "passphrase."
        )
    path = Path(named).expanduser()
    refuse_open_file(path, around.environ)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LookupError(f"The age identity {path} cannot be read: {error.strerror}. {IDENTITY} names it.") from None
    return _parsed(content, path)


def _parsed(content: bytes, path: Path) -> list[Any]:
    pyrage = _pyrage()
    try:
        if content.startswith(b"-----BEGIN "):
            return [pyrage.ssh.Identity.from_buffer(content)]
        lines = (line.strip() for line in content.decode("utf-8", "replace").splitlines())
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError as error:
        # Nothing of the line: it is, or should be, a private key.
        raise LookupError(
            f"The age identity {path} is not understood: {error}. It needs lines AGE-SECRET-KEY-1..., or an SSH key."
        ) from None
    if not found:
        raise LookupError(
            f"The age identity {path} has no key in it. It needs a line AGE-SECRET-KEY-1..., as age-keygen makes it."
        )
    return found


def _pyrage() -> Any:
    try:
        return importlib.import_module("pyrage")
    except ImportError:
        raise LookupError("The pyrage package is not installed. Install it with: pip install 'switchover[age]'") from None
