"""The outbox: a mail cannot be read back or taken back, so what is known of each is on disk before and after it leaves.

A message is ``unsent``, then ``sending`` from before the first byte leaves until the server's answer is here, then ``sent``; a
clear refusal makes it ``unsent`` again. Whoever finds ``sending`` later knows that a process or a connection died in between,
and that only a person, with the mail server's log, can tell.

In the folder: ``<digest>.json`` (what is known), ``<digest>.eml`` (the message) and ``attempts/<digest>`` (which message an
attempt's key put down), by SHA-256 of Message-ID or key. Files are 0600, replaced in one step and flushed to the disk.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from engine.model.errors import Permanent, WriteRefused
from engine.ports import OutboxEntry, OutboxStatus


def _utc_now() -> datetime:
    return datetime.now(UTC)


class FileOutbox:
    """An outbox in a folder, made when first written to. Safe to use from several threads of one process; that only one
    process works for a customer is the lease's business. ``read_only``: every verb that writes raises ``WriteRefused``."""

    def __init__(self, folder: Path, now: Callable[[], datetime] = _utc_now, *, read_only: bool = False) -> None:
        self._folder = folder
        self._now = now
        self._read_only = read_only
        self._lock = threading.Lock()

    def reading(self) -> FileOutbox:
        """The same outbox for those who may only look."""
        return FileOutbox(self._folder, self._now, read_only=True)

    def status(self, message_id: str) -> OutboxEntry | None:
        return self._read(self._entry(message_id))

    def of_attempt(self, key: str) -> OutboxEntry | None:
        path = self._attempt(key)
        try:
            message_id = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(path, "read", error) from error
        return self.status(message_id)

    def put(self, message_id: str, message: bytes, *, scope: str, address: str, key: str) -> None:
        with self._writing():
            found = self.status(message_id)
            if found is not None and found.status != "unsent":
                raise Permanent(f"the outbox holds {message_id} as {found.status} since {found.at}; it is not replaced")
            _replace(self._entry(message_id).with_suffix(".eml"), message)
            self._write(OutboxEntry(message_id, scope, address, "unsent", self._now()))
            _replace(self._attempt(key), message_id.encode())

    def mark(self, message_id: str, status: OutboxStatus, detail: str = "") -> None:
        with self._writing():
            found = self.status(message_id)
            if found is None:
                raise Permanent(f"the outbox in {self._folder} does not hold {message_id}: its files were removed")
            self._write(dataclasses.replace(found, status=status, at=self._now(), detail=detail))

    def settle(self, scope: str, address: str, *, done: bool) -> tuple[OutboxEntry, ...]:
        status: OutboxStatus = "sent" if done else "unsent"
        detail = "a person said that it was sent" if done else "a person said that it was not sent"
        with self._writing():
            stuck = [e for e in self._entries() if (e.scope, e.address, e.status) == (scope, address, "sending")]
            settled = tuple(dataclasses.replace(e, status=status, at=self._now(), detail=detail) for e in stuck)
            for entry in settled:
                self._write(entry)
        return settled

    def message(self, message_id: str) -> bytes:
        """The message itself. Raises ``Permanent`` when it is gone."""
        path = self._entry(message_id).with_suffix(".eml")
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise Permanent(f"the outbox in {self._folder} does not hold the text of {message_id}") from None
        except OSError as error:
            raise _unusable(path, "read", error) from error

    def _writing(self) -> threading.Lock:
        if self._read_only:
            raise WriteRefused(f"the outbox in {self._folder} was opened read-only: nothing may be put down or marked")
        return self._lock

    def _entry(self, message_id: str) -> Path:
        return self._folder / f"{_digest(message_id)}.json"

    def _attempt(self, key: str) -> Path:
        return self._folder / "attempts" / _digest(key)

    def _entries(self) -> Iterator[OutboxEntry]:
        for path in sorted(self._folder.glob("*.json")):
            entry = self._read(path)
            if entry is not None:
                yield entry

    def _read(self, path: Path) -> OutboxEntry | None:
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return OutboxEntry(**{**data, "at": datetime.fromisoformat(data["at"])})
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(path, "read", error) from error
        except (ValueError, TypeError, KeyError) as error:
            raise Permanent(
                f"{path} is no entry of an outbox ({error}). Without it nobody can tell whether a mail was sent: "
                "restore the file, or look into the mail server's log and then remove it"
            ) from None

    def _write(self, entry: OutboxEntry) -> None:
        data = {**dataclasses.asdict(entry), "at": entry.at.isoformat()}
        _replace(self._entry(entry.message_id), json.dumps(data, ensure_ascii=False, indent=1).encode())


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def _replace(path: Path, data: bytes) -> None:
    """Writes a file in one step, on disk when it returns: a mark that a power cut takes back would send a mail twice.
    Raises ``Permanent`` when it cannot."""
    try:
        _replace_on_disk(path, data)
    except OSError as error:
        raise _unusable(path, "written", error) from error


def _unusable(path: Path, verb: str, error: OSError) -> Permanent:
    return Permanent(
        f"the outbox cannot be {verb}: {path}: {error.strerror or error}. Without it nobody could tell whether a mail was sent:"
        " make room or give yourself access there, then try again"
    )


def _replace_on_disk(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
