"""The lab's SSH device as a process of its own, for tests of transports, actions and the device itself."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.lab.board import Fault, write_faults
from engine.lab.seed import write_seed

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"


@dataclass(slots=True)
class SshDevice:
    """A running device. ``settings()`` are a connection's settings that work."""

    folder: Path
    port: int
    pid: int

    @property
    def root(self) -> Path:
        return self.folder / "ssh-root"

    def settings(self, **changes: object) -> Mapping[str, object]:
        """With ``name=None`` a setting is left out."""
        given: dict[str, object] = {
            "host": "127.0.0.1", "port": self.port, "username": "lab", "password": PASSWORD,
            "known_hosts": str(self.folder / "known_hosts"), **changes,
        }
        return {name: value for name, value in given.items() if value is not None}

    def have(self, *faults: Fault) -> None:
        """Misbehaves so from now on, and in no other way."""
        write_faults(self.folder, list(faults))

    def requests(self, kind: str | None = None) -> list[dict[str, Any]]:
        """What it recorded, of one kind or all."""
        try:
            lines = (self.folder / "ssh.jsonl").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [entry for entry in map(json.loads, lines) if kind in (None, entry["kind"])]


@contextlib.contextmanager
def ssh_device(folder: Path, seed: Mapping[str, Any] | None = None) -> Iterator[SshDevice]:
    """A device for the length of a ``with`` block; ``seed`` adds to what it knows."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {
        "customer": "example", "phones": [], "numbers": [], "users": [], "ports": {},
        "secrets": {"ssh_username": "lab", "ssh_password": PASSWORD}, **(seed or {}),
    }
    write_seed(folder / "seed.json", whole)
    command = [
        sys.executable, "-m", "engine.lab.ssh_device",
        "--folder", str(folder), "--seed", str(folder / "seed.json"), "--port", "0",
    ]
    with (folder / "ssh.err").open("wb") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "ssh.err").read_text()
        yield SshDevice(folder, json.loads(line)["ready"]["ssh"], process.pid)
    finally:
        process.terminate()
        process.wait(timeout=10)
        if process.stdout is not None:
            process.stdout.close()
