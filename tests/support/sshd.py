"""A real OpenSSH server on loopback: unprivileged, with keys and configuration of its own, stopped by its pid."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
_READY_S = 10.0


def require_sshd() -> None:
    """Skips where there is no sshd; in CI that is a failure, because the tests would prove nothing."""
    if Path(SSHD).exists() and shutil.which("ssh-keygen"):
        return
    if os.environ.get("CI") == "true":
        pytest.fail("sshd is missing: install Debian's openssh-server; in CI these tests must run")
    pytest.skip("sshd is missing: install Debian's openssh-server to run this test")


def generate_key(path: Path, kind: str = "ed25519", passphrase: str = "", *, pem: bool = False) -> Path:
    """A key pair made by ssh-keygen; returns the private key's path."""
    form = ["-m", "PEM"] if pem else []
    command = ["ssh-keygen", "-q", "-t", kind, *form, "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def fingerprint(path: Path) -> str:
    """As ssh-keygen prints it: ``SHA256:...``."""
    shown = subprocess.run(["ssh-keygen", "-l", "-f", str(path)], check=True, capture_output=True, text=True)
    return shown.stdout.split()[1]


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass(slots=True)
class Sshd:
    """A running server. ``settings()`` are a connection's settings that work."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    host_key: Path
    user_key: Path
    known_hosts: Path

    @property
    def log(self) -> str:
        return (self.folder / "sshd.log").read_text(encoding="utf-8", errors="replace")

    def settings(self, **changes: object) -> Mapping[str, object]:
        """With ``name=None`` a setting is left out."""
        given: dict[str, object] = {
            "host": "127.0.0.1", "port": self.port, "username": getpass.getuser(), "key_file": str(self.user_key),
            "known_hosts": str(self.known_hosts), **changes,
        }
        return {name: value for name, value in given.items() if value is not None}

    def connections(self) -> int:
        """How many connections were logged in so far."""
        return self.log.count("Accepted publickey for ")

    def freeze(self) -> None:
        """Stops the server and what it forked for its connections: it keeps its sockets and answers nothing."""
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):  # a connection that ended meanwhile
                os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def cut(self) -> None:
        """Ends every connection at once; the server goes on listening."""
        for pid in self._pids()[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        self.thaw()
        self.cut()
        self.process.terminate()
        self.process.wait(timeout=_READY_S)

    def _pids(self) -> list[int]:
        """The server, then its sshd children and theirs."""
        found = [self.process.pid]
        for pid in found:
            children = Path(f"/proc/{pid}/task/{pid}/children")
            with contextlib.suppress(OSError):
                found += [int(child) for child in children.read_text().split() if _is_sshd(int(child))]
        return found


def _is_sshd(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip().startswith("sshd")
    except OSError:
        return False


def start_sshd(
    folder: Path, *options: str, host_key: Path | None = None, port: int = 0, listen: str = "127.0.0.1",
) -> Sshd:
    """Starts a server; ``options`` are sshd_config lines, which win over the ones here. ``listen`` on 0.0.0.0 makes one server
    many hosts: 127.0.1.1, 127.0.1.2 and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # privilege separation insists on it
    host_key = host_key or generate_key(folder / "host_key")
    user_key = folder / "user_key"
    if not user_key.exists():
        generate_key(user_key)
        shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    port = port or free_port()
    config = "\n".join((
        *options, f"Port {port}", f"ListenAddress {listen}", f"HostKey {host_key}", f"PidFile {folder}/sshd.pid",
        f"AuthorizedKeysFile {folder}/authorized_keys", "StrictModes no", "UsePAM no", "PasswordAuthentication no",
        "KbdInteractiveAuthentication no", "PermitRootLogin yes", "Subsystem sftp internal-sftp", "LogLevel VERBOSE",
        "MaxStartups 300:30:400",
        # A shell started by sshd reads ~/.bashrc, whatever that may hold on this machine.
        f"SetEnv HOME={folder}", "",
    ))
    (folder / "sshd_config").write_text(config, encoding="utf-8")
    known_hosts = folder / "known_hosts"
    kind, blob = Path(f"{host_key}.pub").read_text(encoding="utf-8").split()[:2]
    known_hosts.write_text(f"[127.0.0.1]:{port} {kind} {blob}\n", encoding="utf-8")
    command = [SSHD, "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "sshd.log")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    server = Sshd(folder, port, process, host_key, user_key, known_hosts)
    try:
        _wait_until_ready(server)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return server


@contextlib.contextmanager
def sshd(
    folder: Path, *options: str, host_key: Path | None = None, port: int = 0, listen: str = "127.0.0.1",
) -> Iterator[Sshd]:
    """A server for the length of a ``with`` block."""
    server = start_sshd(folder, *options, host_key=host_key, port=port, listen=listen)
    try:
        yield server
    finally:
        server.stop()


def _wait_until_ready(server: Sshd) -> None:
    until = time.monotonic() + _READY_S
    while "Server listening" not in (server.log if (server.folder / "sshd.log").exists() else ""):
        if server.process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"sshd did not come up:\n{server.log}")
        time.sleep(0.01)
