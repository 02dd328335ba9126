"""``sops:PATH#KEY/KEY`` and ``sops:PATH``: one value of a file encrypted with SOPS, or a whole file.

The ``sops`` program decrypts, so that whatever it takes keys from (age, PGP, a cloud's key service) works as it does at a prompt,
and what was altered since it was encrypted is found by its own digest. It is run without a shell, once for each file; what it
prints stays in memory.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import ClassVar

from engine.language.nearest import did_you_mean
from engine.language.secret_stores.open_files import refuse_open_file
from engine.language.secret_stores.store import Surroundings

KEY_FILE = "SOPS_AGE_KEY_FILE"
"""Environment variable of ``sops`` that names the file with an age identity."""
_PATIENCE_S = 60.0
"""For a key service on the network."""
_ALTERED, _NO_KEY = 51, 128
"""Exit codes of ``sops``."""


class SopsStore:
    """Decrypts each file once."""

    forms: ClassVar[tuple[str, ...]] = ("sops:PATH", "sops:PATH#KEY/KEY")

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._tables: dict[str, object] = {}

    def look_up(self, rest: str) -> str:
        """The whole text without its last line end, or the value that a path of keys leads to."""
        name, marked, keys = rest.partition("#")
        if not marked:
            value = self._decrypted(name).decode("utf-8", "replace").rstrip("\r\n")
            if not value:
                raise LookupError(f"{name} is empty once decrypted.")
            return value
        if name not in self._tables:
            self._tables[name] = _table(self._decrypted(name, "--output-type", "json"), name)
        return _value(self._tables[name], keys, name)

    def _decrypted(self, name: str, *options: str) -> bytes:
        path, environ = self._around.path(name), self._around.environ
        program = shutil.which("sops", path=environ.get("PATH", os.defpath))
        if program is None:
            raise LookupError(
                "The program sops is not installed, or not on the PATH. It is one file, from github.com/getsops/sops/releases."
            )
        _check_readable(path)
        key_file = Path(environ[KEY_FILE]) if environ.get(KEY_FILE) else None
        if key_file is not None:
            refuse_open_file(key_file, environ)
        try:
            done = subprocess.run(
                [program, "--decrypt", *options, str(path.absolute())], env=dict(environ), stdin=subprocess.DEVNULL,
                capture_output=True, timeout=_PATIENCE_S, check=False,
            )
        except subprocess.TimeoutExpired:
            raise LookupError(f"sops did not decrypt {name} within {_PATIENCE_S:g} s. Does its key service answer?") from None
        except OSError as error:
            raise LookupError(f"The program {program} cannot be run: {error.strerror}.") from None
        if done.returncode == _NO_KEY and key_file is not None:
            _check_identity(key_file)
        if done.returncode:
            raise LookupError(_why(done.returncode, done.stderr.decode("utf-8", "replace"), name))
        return done.stdout


def _check_identity(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise LookupError(f"The age identity {path} cannot be read: {error.strerror}. {KEY_FILE} names it.") from None


def _check_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise LookupError(f"{path} cannot be read: {error.strerror}. Relative paths start at the inventory's folder.") from None


def _why(code: int, told: str, name: str) -> str:
    """What a failure of ``sops`` means. Of its own words only the first line, which names no value."""
    if "metadata not found" in told:
        return f"{name} is not encrypted with sops. Whoever can read it knows what is in it: change that, then sops --encrypt it."
    if code == _NO_KEY:
        return (
            f"sops finds no key that decrypts {name}. With age, have {KEY_FILE} name the file with the identity it is for. "
            f"To see what sops tried: sops --decrypt {name}"
        )
    if code == _ALTERED:
        return f"{name} was altered since it was encrypted (its MAC does not fit). Restore it, and edit it with sops alone."
    first = next((line.strip() for line in told.splitlines() if line.strip()), "it does not say why")
    return f"sops cannot decrypt {name} (exit code {code}): {first[:200]}"


def _table(text: bytes, name: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        raise LookupError(f"{name} holds no keys once decrypted: leave the # out to have all of it.") from None


def _value(found: object, keys: str, name: str) -> str:
    so_far = ""
    for key in keys.split("/"):
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            known = list(map(str, found)) if isinstance(found, dict) else []
            hint = f" {did_you_mean(key, known)}".rstrip()
            raise LookupError(f"{name} has no {key} in {so_far or 'it'}.{hint} Add it with: sops {name}")
        so_far = f"{so_far}/{key}".lstrip("/")
    if isinstance(found, int | float):
        raise LookupError(
            f"{so_far} in {name} is not text, and sops does not keep how a number was written (0101 comes out as 65). Quote it."
        )
    if not isinstance(found, str) or not found:
        raise LookupError(f"{so_far} in {name} is no secret but {'empty' if not found else 'a group of keys'}. Name a value.")
    return found
