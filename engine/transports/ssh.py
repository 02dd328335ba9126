"""Shell and files over SSH: one connection per host, port and login for a whole run, shared by all steps and threads.

A connection is made when a session first needs it, one thread per host at a time, hosts in parallel. One that died meanwhile
is made anew by the next session; an exchange that was under way is never repeated here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from datetime import datetime
from typing import TypeVar

from engine.model.errors import Permanent, Temporary, WriteRefused
from engine.model.posix_file import Script, remote_path
from engine.model.values import dataclass
from engine.ports import CommandResult
from engine.transports.ssh_auth import KeyRing
from engine.transports.ssh_connection import SshConnection, connect_tcp, open_connection
from engine.transports.ssh_exec import ExecRefused
from engine.transports.ssh_files import NoShell, SftpFiles, ShellFiles
from engine.transports.ssh_host_keys import HostKeys
from engine.transports.ssh_settings import Deadline, SshSettings, seconds_left, settings_from

T = TypeVar("T")


@dataclass(slots=True)
class _Line:
    """The way to one host: its connection, once there is one, and the lock held while it is made."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    connection: SshConnection | None = None


class SshPool:
    """All SSH connections of a run. ``connection`` gives the settings, secrets resolved, of the connection a ``jump`` names."""

    def __init__(self, connection: Callable[[str], Mapping[str, object]]) -> None:
        self._lookup = connection
        self._lines: dict[SshSettings, _Line] = {}
        self._settings: dict[int, tuple[Mapping[str, object], SshSettings]] = {}
        self._host_keys = HostKeys()
        self._keys = KeyRing()
        self._lock = threading.Lock()
        self._closed = False

    def session(self, settings: Mapping[str, object], read_only: bool, deadline: Deadline) -> SshSession:
        """A session that connects when it is first used. Raises ``Permanent`` for settings that cannot work."""
        root = settings.get("root")
        return SshSession(self, self._read(settings), None if root in (None, "") else str(root), read_only, deadline)

    def connected(self, settings: SshSettings, deadline: Deadline, via: tuple[str, ...] = ()) -> SshConnection:
        """The live connection for these settings, made now if need be. ``via``: the jumps that led here."""
        line = self._line(settings)
        alive = line.connection
        if alive is not None and alive.is_alive:
            return alive
        with _held(line.lock, settings.where, deadline):
            if line.connection is None or not line.connection.is_alive:
                self._drop(line)
                line.connection = self._open(settings, deadline, via)
                self._drop_if_closed(line)
            return line.connection

    def close(self) -> None:
        """Ends every connection. Exchanges under way fail as lost."""
        with self._lock:
            self._closed = True
            lines, self._lines = list(self._lines.values()), {}
        for line in reversed(lines):  # what goes through a jump host was asked for after it
            self._drop(line)

    def _read(self, given: Mapping[str, object]) -> SshSettings:
        """Once for each object: a session is opened for every exchange."""
        kept, settings = self._settings.get(id(given), (None, None))
        if kept is given and settings is not None:
            return settings
        settings = settings_from(given)
        self._settings[id(given)] = (given, settings)
        return settings

    def _line(self, settings: SshSettings) -> _Line:
        with self._lock:
            return self._lines.setdefault(settings, _Line())

    def _open(self, settings: SshSettings, deadline: Deadline, via: tuple[str, ...]) -> SshConnection:
        if settings.jump is None:
            return open_connection(settings, connect_tcp(settings, deadline), self._host_keys, self._keys, deadline)
        if settings.jump in via:
            raise Permanent(f"{settings.where}: the jump hosts go in a circle: {' -> '.join((*via, settings.jump))}")
        bastion = settings_from(self._lookup(settings.jump))
        through = self.connected(bastion, deadline, (*via, settings.jump))
        stream = through.tunnel(settings.host, settings.port, deadline)
        return open_connection(settings, stream, self._host_keys, self._keys, deadline)

    @staticmethod
    def _drop(line: _Line) -> None:
        connection, line.connection = line.connection, None
        if connection is not None:
            connection.close()

    def _drop_if_closed(self, line: _Line) -> None:
        """A connection that came up while the run was being ended must not outlive it."""
        with self._lock:
            closed = self._closed
        if closed and line.connection is not None:
            line.connection.close()


@contextmanager
def _held(lock: threading.Lock, where: str, deadline: Deadline) -> Iterator[None]:
    left = seconds_left(deadline, where, "before connecting")
    if not lock.acquire(timeout=left):
        seconds_left(deadline, where, "waiting for another step that is connecting to the same host")
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _one_of_several() -> Iterator[None]:
    """An action writes several files: that this one was not begun does not tell that nothing was done."""
    try:
        yield
    except Temporary as error:
        raise Temporary(error.why, error.wait_s) from error


class SshSession:
    """Shell and files of one host, bound to one attempt's deadline. Implements both session kinds of ``engine.ports``."""

    can_remove = True

    def __init__(self, pool: SshPool, settings: SshSettings, root: str | None, read_only: bool, deadline: Deadline) -> None:
        self._pool = pool
        self._settings = settings
        self._root = root
        self._read_only = read_only
        self._deadline = deadline

    def probe(self, command: str, stdin: bytes = b"") -> CommandResult:
        """Carries out a command that only reads. Raises ``Permanent`` when the login has no shell."""
        if self._settings.type == "sftp":
            raise Permanent(f"{self._settings.where}: commands need a connection of type ssh; this one is sftp")
        try:
            return self._exchange(command, stdin)
        except ExecRefused:
            raise Permanent(f"{self._settings.where}: the server carries out no commands for this login, only SFTP") from None

    def run(self, command: str, stdin: bytes = b"") -> CommandResult:
        """Carries out a command that may alter the system."""
        self._refuse_if_read_only("run a command that may alter it")
        return self.probe(command, stdin)

    def read(self, path: str) -> bytes | None:
        whole = remote_path(self._root, path)
        return self._on_files(lambda files: files.read(whole))

    def write(self, path: str, data: bytes, mode: int | None = None) -> None:
        self._refuse_if_read_only(f"write {path}")
        whole = remote_path(self._root, path)
        with _one_of_several():
            self._on_files(lambda files: files.write(whole, data, mode))

    def remove(self, path: str) -> None:
        self._refuse_if_read_only(f"remove {path}")
        whole = remote_path(self._root, path)
        with _one_of_several():
            self._on_files(lambda files: files.remove(whole))

    def modified_at(self, path: str) -> datetime | None:
        whole = remote_path(self._root, path)
        return self._on_files(lambda files: files.modified_at(whole))

    def _on_files(self, work: Callable[[ShellFiles | SftpFiles], T]) -> T:
        """By commands, or by SFTP where the login is found to carry out none; the connection remembers that."""
        connection = self._connection()
        if self._settings.type == "ssh" and not connection.has_no_shell:
            try:
                return work(ShellFiles(self._exchange, self._settings.where))
            except NoShell:
                connection.has_no_shell = True
        return work(SftpFiles(connection, self._settings.where, self._deadline))

    def _exchange(self, command: str, stdin: bytes) -> CommandResult:
        seconds_left(self._deadline, self._settings.where, "before it began")
        connection = self._connection()
        if isinstance(command, Script):
            return connection.carry_out(command, stdin, self._deadline)
        return connection.exchange(command, stdin, self._deadline)

    def _connection(self) -> SshConnection:
        return self._pool.connected(self._settings, self._deadline)

    def _refuse_if_read_only(self, doing: str) -> None:
        if self._read_only:
            where = self._settings.where
            raise WriteRefused(f"{where}: refused to {doing}: this session only reads. This is a bug in the action")
