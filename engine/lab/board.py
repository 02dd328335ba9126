"""What every lab server shares: a log of what it was asked, and faults it is told to have.

Both are files in the lab's folder, so that they outlive any process and need no extra port:
``<server>.jsonl`` gets one line per request; ``faults.json`` is read anew when it changes; ``time``, where there is one, holds
the lab's time, for a rehearsal whose days pass in seconds.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from engine.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to misbehave. ``match`` must stand in the request's subject; ``count``: how often, None = always."""

    id: str
    server: str
    name: str
    match: str = ""
    count: int | None = None
    value: float | None = None
    """Its size where it has one: seconds for ``slow``, a status for ``status``."""


DOWN = {
    "carrier": "drop", "platform": "drop", "desk": "drop", "rest": "drop", "mail": "drop", "tftp": "silent", "phones": "deaf",
    "ssh": "refuse",
}
"""What each server does while it has the fault ``down``."""


@dataclass(slots=True)
class Board:
    """One server's view of the lab folder. Safe to use from several threads."""

    folder: Path
    server: str
    _stamp: int = -1
    _faults: tuple[Fault, ...] = ()
    _used: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, kind: Literal["read", "write", "other"], what: str, **detail: Any) -> None:
        """Logs one request: ``kind`` says whether it could alter anything."""
        line = json.dumps({"at": self.now().isoformat(), "kind": kind, "what": what, **detail})
        with self._lock, (self.folder / f"{self.server}.jsonl").open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    def fault(self, name: str, subject: str = "") -> Fault | None:
        """The fault to have now for this request, used up by one; None to behave."""
        with self._lock:
            self._reload()
            for fault in self._faults:
                used = self._used.get(fault.id, 0)
                named = fault.name == name or (fault.name == "down" and name == DOWN.get(self.server))
                if named and fault.match in subject and (fault.count is None or used < fault.count):
                    self._used[fault.id] = used + 1
                    return fault
        return None

    def now(self) -> datetime:
        """The lab's time: the machine's, unless somebody keeps another."""
        try:
            return datetime.fromisoformat((self.folder / "time").read_text(encoding="ascii"))
        except FileNotFoundError:
            return datetime.now(UTC)

    def pause(self, subject: str = "") -> None:
        """Has the fault every server can have: ``slow``, ``value`` seconds per request."""
        fault = self.fault("slow", subject)
        if fault is not None:
            time.sleep(fault.value or 1.0)

    def _reload(self) -> None:
        path = self.folder / "faults.json"
        try:
            stamp = path.stat().st_mtime_ns
        except FileNotFoundError:
            self._faults, self._stamp = (), -1
            return
        if stamp != self._stamp:
            entries = json.loads(path.read_text(encoding="utf-8"))
            self._faults = tuple(Fault(**entry) for entry in entries if entry["server"] == self.server)
            self._stamp = stamp


def write_faults(folder: Path, faults: list[Fault]) -> None:
    """Replaces the lab's faults in one step."""
    temporary = folder / f"faults.{os.getpid()}.tmp"
    temporary.write_text(json.dumps([{s: getattr(f, s) for s in Fault.__slots__} for f in faults]), encoding="utf-8")
    temporary.replace(folder / "faults.json")


def write_time(folder: Path, at: datetime) -> None:
    """Sets the lab's time, which stands still until it is set again."""
    temporary = folder / f"time.{os.getpid()}.tmp"
    temporary.write_text(at.isoformat(), encoding="ascii")
    temporary.replace(folder / "time")


def announce(**ports: int) -> None:
    """Tells the process that started this server that it is ready, and where."""
    print(json.dumps({"ready": ports}), flush=True)
