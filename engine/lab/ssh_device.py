"""The lab's SSH device: a PBX, router or provisioning server to log in to, with a shell and SFTP.

Commands are carried out for real, by ``/bin/sh``, in ``ssh-root`` below the lab's folder. Absolute paths in a command mean that
root too, but for ``/bin``, ``/usr``, ``/dev`` and ``/proc``: a rehearsal writes nothing outside the lab. Folders of files that
a command names are there. ``/srv/tftp`` is what the lab's TFTP server serves, and ``asterisk`` is on the path.

Every command is recorded: as ``write`` when it changed a file of the root, else as ``other``. SFTP requests are recorded as
``read`` and ``write``.

Faults, their subject the command, the path, or nothing for a connection: ``slow``; ``refuse`` (hangs up at once), ``auth``
(refuses the login), ``keyboard`` (takes no plain password, only an answer to its question), ``die`` (carries out the
command, or over SFTP the rename or removal, then hangs up without an answer).
"""

from __future__ import annotations

import argparse
import contextlib
import hmac
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from paramiko import Channel, Ed25519Key, ServerInterface, SFTPServer, SSHException, Transport
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED, OPEN_SUCCEEDED
from paramiko.server import InteractiveQuery

from engine.lab import asterisk_cli
from engine.lab.board import Board, announce
from engine.lab.seed import read_seed
from engine.lab.ssh_sftp import RootedFiles

SERVER = "ssh"
_TFTP_FOLDERS = ("srv/tftp", "tftpboot", "var/lib/tftpboot")
_ABSOLUTE = re.compile(r"(?<![\w./~$}%*\\-])/(?!(?:bin|sbin|usr|lib|lib64|dev|proc)\b)(?=\w)[\w./-]*")
_RECORDED = 2000
_CHUNK = 65536


def indoors(command: str) -> str:
    """The command with its absolute paths below the folder it is carried out in."""
    return _ABSOLUTE.sub(lambda found: f".{found.group()}", command)


class Device:
    """What a login gets: the root, the programs, the board."""

    def __init__(self, folder: Path, seed: Mapping[str, Any]) -> None:
        self.folder = folder
        self.board = Board(folder, SERVER)
        self.username = str(seed["secrets"]["ssh_username"])
        self.password = str(seed["secrets"]["ssh_password"])
        self.root = folder / "ssh-root"
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._prepare()

    def is_login(self, username: str, password: str) -> bool:
        """Whether these open it."""
        if self.board.fault("auth", username) is not None:
            return False
        same = hmac.compare_digest(username.encode(), self.username.encode())
        return hmac.compare_digest(password.encode(), self.password.encode()) and same

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """Starts a command in the root."""
        local = indoors(command)
        for path in _ABSOLUTE.findall(command):
            with contextlib.suppress(OSError):
                (self.root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": f"{self.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin", "HOME": str(self.root), "USER": self.username,
            "LOGNAME": self.username, "SHELL": "/bin/sh", "LANG": "C.UTF-8",
        }
        process = subprocess.Popen(
            ["/bin/sh", "-c", local], cwd=self.root, env=environment, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        with self._lock:
            self._running.add(process)
        return process

    def ended(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._running.discard(process)

    def kill_all(self) -> None:
        """Ends what is still running."""
        with self._lock:
            for process in self._running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def state(self, command: str) -> frozenset[tuple[str, int, int, int]]:
        """Name, time, size and mode of every file: what a command changed shows as a difference."""
        roots = [self.root, *([self.folder / "tftp-root"] if "tftp" in command else [])]
        return frozenset(entry for root in roots for entry in _entries(root))

    def _prepare(self) -> None:
        programs = self.folder / "bin"
        for folder in (programs, self.root, self.folder / "tftp-root"):
            folder.mkdir(parents=True, exist_ok=True)
        source = Path(asterisk_cli.__file__).read_text(encoding="utf-8")
        program = programs / "asterisk"
        program.write_text(f"#!{sys.executable} -IS\n{source}", encoding="utf-8")
        program.chmod(0o755)
        for name in _TFTP_FOLDERS:
            link = self.root / name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(self.folder / "tftp-root")


def _entries(root: Path) -> Iterator[tuple[str, int, int, int]]:
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)  # noqa: PTH118  # a Path per file would triple the cost
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(path)
                yield path, status.st_mtime_ns, status.st_size, status.st_mode


class _Desk(ServerInterface):
    """Admits one connection and hands its commands out."""

    def __init__(self, device: Device, transport: Transport) -> None:
        self._device = device
        self._transport = transport
        self._asked = ""

    def get_allowed_auths(self, username: str) -> str:
        return "keyboard-interactive" if self._takes_answers_only() else "password,keyboard-interactive"

    def check_auth_password(self, username: str, password: str) -> int:
        if self._takes_answers_only():
            return AUTH_FAILED
        return self._verdict(username, password)

    def check_auth_interactive(self, username: str, submethods: str) -> int | InteractiveQuery:
        self._asked = username
        return InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        return self._verdict(self._asked, responses[0] if responses else "")

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: Channel, command: bytes) -> bool:
        text = command.decode("utf-8", "surrogateescape")
        errand = _Errand(self._device, self._transport, channel, text)
        threading.Thread(target=errand.carry_out, name="exec", daemon=True).start()
        return True

    def _verdict(self, username: str, password: str) -> int:
        accepted = self._device.is_login(username, password)
        self._device.board.record("other", "login", username=username, accepted=accepted)
        return AUTH_SUCCESSFUL if accepted else AUTH_FAILED

    def _takes_answers_only(self) -> bool:
        return self._device.board.fault("keyboard") is not None


class _Errand:
    """One command: carried out, its pipes joined to the channel, recorded."""

    def __init__(self, device: Device, transport: Transport, channel: Channel, command: str) -> None:
        self._device = device
        self._transport = transport
        self._channel = channel
        self._command = command

    def carry_out(self) -> None:
        device = self._device
        device.board.pause(self._command)
        before = device.state(self._command)
        process = device.start(self._command)
        try:
            status = self._attend(process)
        finally:
            device.ended(process)
        kind: Literal["write", "other"] = "other" if device.state(self._command) == before else "write"
        device.board.record(kind, "exec", command=self._command[:_RECORDED], status=status)
        if device.board.fault("die", self._command) is not None:
            self._transport.close()
            return
        with contextlib.suppress(OSError, SSHException, EOFError):
            self._channel.send_exit_status(status)
            self._channel.close()

    def _attend(self, process: subprocess.Popen[bytes]) -> int:
        """Joins input and outputs; returns the status as a shell reports it."""
        threading.Thread(target=self._feed, args=(process,), name="stdin", daemon=True).start()
        stderr = threading.Thread(target=self._pour, args=(process.stderr, self._channel.sendall_stderr), name="stderr")
        stderr.start()
        self._pour(process.stdout, self._channel.sendall)
        stderr.join()
        status = process.wait()
        return status if status >= 0 else 128 - status

    def _feed(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None  # noqa: S101  # it was asked for
        with contextlib.suppress(OSError), process.stdin as stdin:
            while piece := self._channel.recv(_CHUNK):
                stdin.write(piece)
                stdin.flush()

    def _pour(self, output: Any, send: Any) -> None:
        with output:
            while piece := output.read1(_CHUNK):
                with contextlib.suppress(OSError):  # nobody listens any more: the command is carried out all the same
                    send(piece)


def host_key(folder: Path) -> Ed25519Key:
    """The device's host key, made on first use."""
    path = folder / "ssh_host_key"
    if not path.exists():
        private = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(private)
    return Ed25519Key.from_private_key_file(str(path))


def serve(folder: Path, seed: Mapping[str, Any], port: int) -> None:
    """Runs until SIGTERM."""
    device, key = Device(folder, seed), host_key(folder)
    listener = socket.create_server(("127.0.0.1", port), backlog=256)
    port = listener.getsockname()[1]
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n", encoding="utf-8")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: listener.shutdown(socket.SHUT_RDWR))
    announce(ssh=port)
    transports: list[Transport] = []
    while (stream := _accepted(listener)) is not None:
        transports = [transport for transport in transports if transport.is_active()]
        with contextlib.suppress(OSError, SSHException):  # one visitor who left again must not end the visits
            transports += _receive(stream, device, key)
    listener.close()
    for transport in transports:
        transport.close()
    device.kill_all()


def _accepted(listener: socket.socket) -> socket.socket | None:
    """The next connection; None once the listener was shut down."""
    try:
        return listener.accept()[0]
    except OSError:
        return None


def _receive(stream: socket.socket, device: Device, key: Ed25519Key) -> list[Transport]:
    if device.board.fault("refuse") is not None:
        stream.close()
        return []
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = Transport(stream)
    transport.add_server_key(key)
    transport.set_subsystem_handler("sftp", SFTPServer, RootedFiles, device.board, device.root, transport.close)
    transport.start_server(event=threading.Event(), server=_Desk(device, transport))
    return [transport]


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser(prog="ssh_device")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    if shutil.which("sh") is None:
        parser.error("there is no /bin/sh here to carry out commands")
    serve(options.folder.resolve(), read_seed(options.seed), options.port)


if __name__ == "__main__":
    main()
