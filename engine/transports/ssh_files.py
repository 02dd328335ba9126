"""Files over SSH: one command each where the login has a shell, SFTP where it has not, which needs some six round trips more."""

from __future__ import annotations

import errno
import posixpath
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeVar

from paramiko import SFTPClient, SFTPError, SSHException

from engine.model import posix_file
from engine.model.errors import Permanent, Temporary
from engine.model.posix_file import Script
from engine.ports import CommandResult
from engine.transports.ssh_connection import SshConnection
from engine.transports.ssh_exec import MAX_OUTPUT, ExecRefused, broken
from engine.transports.ssh_settings import Deadline

T = TypeVar("T")

_ONE_READ = 32768
"""What one SFTP read brings; larger files are asked for ahead."""


class NoShell(Exception):  # not an error for the caller: it goes on with SFTP
    """The login carries out no commands."""


class ShellFiles:
    """Files by commands. ``exchange`` carries out one."""

    def __init__(self, exchange: Callable[[Script, bytes], CommandResult], where: str) -> None:
        self._exchange = exchange
        self._where = where

    def read(self, path: str) -> bytes | None:
        return self._perform(path, "read", posix_file.read_command(path))

    def write(self, path: str, data: bytes, mode: int | None) -> None:
        command = posix_file.write_command(path, len(data), "" if mode is None else f"{mode:o}")
        self._perform(path, "write", command, data)

    def remove(self, path: str) -> None:
        self._perform(path, "remove", posix_file.remove_command(path))

    def modified_at(self, path: str) -> datetime | None:
        seconds = self._perform(path, "look at", posix_file.modified_command(path))
        return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC)

    def _perform(self, path: str, verb: str, command: Script, stdin: bytes = b"") -> bytes | None:
        """What the script printed; None when the file is not there. Raises ``NoShell`` when it was not carried out."""
        try:
            result = self._exchange(command, stdin)
        except ExecRefused:
            raise NoShell from None
        _, mark, output = result.stdout.partition(posix_file.MARK)
        if not mark:
            raise NoShell
        if result.status == posix_file.MISSING or (result.status == posix_file.NO_FOLDER and verb != "write"):
            return None
        if result.status != 0:
            printed = result.stderr.decode("utf-8", "replace").strip().splitlines()
            failure = posix_file.failure_of(result.status, printed[-1] if printed else "", verb, path)
            raise type(failure)(f"{self._where}: {failure.why}")
        return output


class SftpFiles:
    """Files by SFTP. One channel per call: a client shared between threads would mix up their answers."""

    def __init__(self, connection: SshConnection, where: str, deadline: Deadline) -> None:
        self._connection = connection
        self._where = where
        self._deadline = deadline

    def read(self, path: str) -> bytes | None:
        return self._perform(path, "read", lambda client: _download(client, path), gone_is_none=True)

    def write(self, path: str, data: bytes, mode: int | None) -> None:
        def work(client: SFTPClient) -> None:
            target = _followed(client, path)
            temporary = f"{posixpath.dirname(target) or '.'}/.{posixpath.basename(target)}.{secrets.token_hex(4)}.new"
            try:
                _upload(client, temporary, data, mode if mode is not None else _mode_of(client, target))
                _move(client, temporary, target)
            except BaseException:
                with suppress(OSError, SSHException, EOFError):
                    client.remove(temporary)
                raise

        self._perform(path, "write", work)

    def remove(self, path: str) -> None:
        self._perform(path, "remove", lambda client: client.remove(path), gone_is_none=True)

    def modified_at(self, path: str) -> datetime | None:
        seconds = self._perform(path, "look at", lambda client: client.stat(path).st_mtime, gone_is_none=True)
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

    def _perform(self, path: str, verb: str, work: Callable[[SFTPClient], T], *, gone_is_none: bool = False) -> T | None:
        try:
            with self._connection.sftp(self._deadline) as client:
                return work(client)
        except TimeoutError as error:
            raise Temporary(f"{self._where}: timed out trying to {verb} {path}") from error
        except FileNotFoundError as error:
            if gone_is_none:
                return None
            raise Permanent(f"{self._where}: cannot {verb} {path}: {posix_file.no_folder(path)}") from error
        except (EOFError, SSHException, SFTPError) as error:
            raise broken(self._where, error) from error
        except OSError as error:
            if not self._connection.is_alive:
                raise broken(self._where, error) from error
            raise Permanent(f"{self._where}: cannot {verb} {path}: {error.strerror or error}") from error


def _download(client: SFTPClient, path: str) -> bytes:
    with client.open(path, "rb") as file:
        status = file.stat()
        if stat.S_ISDIR(status.st_mode or 0):
            raise OSError(errno.EISDIR, "it is no plain file")
        if (status.st_size or 0) > MAX_OUTPUT:
            raise OSError(errno.EFBIG, f"it is larger than {MAX_OUTPUT >> 20} MiB")
        if (status.st_size or 0) > _ONE_READ:
            file.prefetch(status.st_size)
        return file.read()


def _upload(client: SFTPClient, temporary: str, data: bytes, mode: int | None) -> None:
    with client.open(temporary, "wb") as file:
        file.chmod(0o600 if mode is None else mode & 0o700 | 0o600)
        file.set_pipelined(True)
        file.write(data)
        file.set_pipelined(False)
        file.flush()
    size = client.stat(temporary).st_size
    if size != len(data):
        raise OSError(errno.EIO, f"only {size} of {len(data)} bytes arrived")
    client.chmod(temporary, 0o644 if mode is None else mode)


def _move(client: SFTPClient, temporary: str, target: str) -> None:
    try:
        client.posix_rename(temporary, target)
    except FileNotFoundError:
        raise
    except OSError:
        # A server without OpenSSH's extension: its rename does not replace, so there is an instant without the file.
        with suppress(FileNotFoundError):
            client.remove(target)
        client.rename(temporary, target)


def _followed(client: SFTPClient, path: str) -> str:
    """Where a symbolic link points; the path itself when it is none."""
    with suppress(FileNotFoundError):
        if stat.S_ISLNK(client.lstat(path).st_mode or 0):
            return client.normalize(path)
    return path


def _mode_of(client: SFTPClient, path: str) -> int | None:
    try:
        return stat.S_IMODE(client.stat(path).st_mode or 0o644)
    except FileNotFoundError:
        return None
