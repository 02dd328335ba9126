"""Real TFTP servers for tests: Debian's tftpd-hpa, and the lab's own, each as a process stopped by its pid."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.lab.board import Fault, write_faults
from tests.support.udp import free_udp_port

TFTPD = shutil.which("in.tftpd") or "/usr/sbin/in.tftpd"
_READY_S = 10.0


def require_tftpd() -> None:
    """Skips where tftpd-hpa is missing or may not be started; in CI that is a failure: the tests would prove nothing."""
    why = ""
    if not Path(TFTPD).exists():
        why = "tftpd-hpa is missing: install Debian's tftpd-hpa"
    elif os.geteuid() != 0:
        why = "tftpd-hpa changes its root and its user, which only root may start"
    if why and os.environ.get("CI") == "true":
        pytest.fail(f"{why}; in CI these tests must run")
    if why:
        pytest.skip(why)


@dataclass(slots=True)
class Tftpd:
    """A running tftpd-hpa."""

    root: Path
    port: int
    process: subprocess.Popen[bytes]

    def settings(self, **more: object) -> dict[str, object]:
        """A connection's settings that work."""
        return {"host": "127.0.0.1", "port": self.port, **more}


@contextlib.contextmanager
def tftpd(root: Path, options: Sequence[str] = ("--create", "--permissive")) -> Iterator[Tftpd]:
    """tftpd-hpa over ``root``, as the user ``nobody``, its own default."""
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o777)
    port = free_udp_port()
    command = [TFTPD, "--foreground", "--address", f"127.0.0.1:{port}", *options, "--secure", str(root)]
    # A group of its own: it forks for every request, and those children end with it.
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)
    try:
        _await_answer(process, port)
        yield Tftpd(root, port, process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=10)


def _await_answer(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _READY_S
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.1)
        while time.monotonic() < until:
            if process.poll() is not None:
                said = process.communicate()[1].decode(errors="replace")
                pytest.fail(f"tftpd-hpa ended at once ({process.returncode}): {said or 'it said why to syslog only'}")
            probe.sendto(b"\0\1is-it-there\0octet\0", ("127.0.0.1", port))
            with contextlib.suppress(OSError):
                probe.recv(1024)
                return
            time.sleep(0.02)
    pytest.fail(f"tftpd-hpa did not answer within {_READY_S:.0f} s")


@dataclass(slots=True)
class LabTftpd:
    """The lab's TFTP server, running over ``folder``."""

    folder: Path
    port: int
    process: subprocess.Popen[str]

    @property
    def root(self) -> Path:
        return self.folder / "tftp-root"

    def settings(self, **more: object) -> dict[str, object]:
        """A connection's settings that work, and that give up soon."""
        return {"host": "127.0.0.1", "port": self.port, "timeout_s": 0.2, "retries": 2, **more}

    def misbehave(self, *names: str, match: str = "", value: float | None = None, count: int | None = None) -> None:
        """Has these faults from now on; none: behaves."""
        write_faults(self.folder, [Fault(f"{time.monotonic_ns()}-{n}", "tftp", n, match, count, value) for n in names])

    def log(self) -> list[dict[str, Any]]:
        """What it was asked so far."""
        path = self.folder / "tftp.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def writes(self) -> int:
        """How many requests could have altered something."""
        return sum(entry["kind"] == "write" for entry in self.log())

    def await_log(self, count: int) -> list[dict[str, Any]]:
        """The log once it has ``count`` entries: a read is logged when its last ACK has come, after the reader has the file."""
        until = time.monotonic() + 5
        while len(self.log()) < count and time.monotonic() < until:
            time.sleep(0.01)
        return self.log()


@contextlib.contextmanager
def lab_tftpd(folder: Path) -> Iterator[LabTftpd]:
    """The lab's TFTP server as a process."""
    folder.mkdir(parents=True, exist_ok=True)
    seed = folder / "seed.json"
    seed.write_text('{"customer": "example", "phones": [], "secrets": {}, "ports": {}}')
    command = [sys.executable, "-m", "engine.lab.tftp_server", "--folder", str(folder), "--seed", str(seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        yield LabTftpd(folder, ready["ready"]["tftp"], process)
    finally:
        process.terminate()
        status = process.wait(10)
        process.stdout.close()
        assert status == 0, f"the lab's TFTP server ended with {status}"
