"""Contents put aside before a change overwrites them, so that it can be undone.

Named by their SHA-256, so that the same file on forty phones is kept once and what comes back is known to be what went in.
They may hold secrets (a phone's old configuration does): mode 0600 from the first byte, in a folder of 0700.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from engine.model.errors import Permanent

_NAME = re.compile(r"[0-9a-f]{64}")


class FileKeep:
    """A ``Keep`` in a folder, made when first needed. Safe to use from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Stores ``data`` for good, on disk when this returns, and gives its name. Raises ``Permanent`` when it cannot."""
        name = hashlib.sha256(data).hexdigest()
        path = self._folder / name
        try:
            if not (path.exists() and path.stat().st_size == len(data)):
                self._write(path, data)
        except OSError as error:
            raise Permanent(
                f"what was there before could not be put aside in {self._folder}: {error.strerror or error}. "
                "Nothing was changed. Make room or give yourself write access there, then try again"
            ) from error
        return name

    def get(self, name: str) -> bytes:
        """What ``put`` stored. Raises ``Permanent`` when it is gone or no longer what it was."""
        if not _NAME.fullmatch(name):
            raise Permanent(f"{name!r} names nothing that was put aside: the receipt was edited")
        path = self._folder / name
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise Permanent(f"what was put aside before the change is gone, so it cannot be undone: {path}") from None
        except OSError as error:
            raise Permanent(f"what was put aside before the change cannot be read: {path}: {error.strerror or error}") from error
        if hashlib.sha256(data).hexdigest() != name:
            raise Permanent(f"what was put aside before the change was altered since: {path}. It is not used to undo anything")
        return data

    def _write(self, path: Path, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".", dir=self._folder)  # 0600
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        self._sync_folder()

    def _sync_folder(self) -> None:
        """The new name is durable only once its folder is."""
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class MemoryKeep:
    """A ``Keep`` that is gone with the process."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        """Stores and returns the name."""
        name = hashlib.sha256(data).hexdigest()
        self._contents[name] = data
        return name

    def get(self, name: str) -> bytes:
        """What ``put`` stored. Raises ``Permanent`` when there is no such thing."""
        try:
            return self._contents[name]
        except KeyError:
            raise Permanent(f"nothing was put aside under {name!r}, so it cannot be undone") from None
