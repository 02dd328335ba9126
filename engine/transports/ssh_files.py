"""Files over SSH: one command each where the login has a shell, SFTP where it has not.

SFTP needs about six round trips more per file. Each command is a POSIX script of fixed text; paths are its arguments, quoted,
never part of it. A script prints its mark first: without it nobody carried it out, whatever the status says (a server that
only offers SFTP answers every command with something), and what a chatty login prints before it is not taken for content.
"""

from __future__ import annotations

import errno
import posixpath
import secrets
import shlex
import stat
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import NoReturn, TypeVar

from paramiko import SFTPClient, SFTPError, SSHException

from engine.model.errors import Permanent, Temporary
from engine.ports import CommandResult
from engine.transports.ssh_connection import SshConnection
from engine.transports.ssh_exec import MAX_OUTPUT, ExecRefused, broken
from engine.transports.ssh_settings import Deadline

T = TypeVar("T")

_ONE_READ = 32768
"""What one SFTP read brings; larger files are asked for ahead."""
_MARK = b"@switchover\n"
_MISSING, _NOT_A_FILE, _FORBIDDEN, _NO_FOLDER, _CUT_OFF = 61, 62, 63, 64, 65

_START = "printf '@switchover\\n'; f=$1; d=${f%/*}; d=${d:-/}; "
_LOOK = _START + f"""
if [ ! -e "$f" ]; then
  if [ -d "$d" ] && [ ! -x "$d" ]; then exit {_FORBIDDEN}; fi
  exit {_MISSING}
fi
[ -f "$f" ] || exit {_NOT_A_FILE}
"""
_READ = _LOOK + 'exec cat "$f"'
_MODIFIED = _LOOK + 'stat -c %Y "$f" 2>/dev/null || exec stat -f %m "$f"'
_REMOVE = _START + 'exec rm -f "$f"'

_WRITE = _START + f"""
size=$2; mode=$3; owner=
if [ -L "$f" ]; then f=$(readlink -f "$f") || exit; d=${{f%/*}}; d=${{d:-/}}; fi
[ -d "$f" ] && exit {_NOT_A_FILE}
[ -d "$d" ] || exit {_NO_FOLDER}
if [ -e "$f" ]; then
  set -- $(stat -c '%a %u:%g' "$f" 2>/dev/null || stat -f '%Lp %u:%g' "$f")
  mode=${{mode:-$1}}; owner=$2
fi
if [ -z "$mode" ]; then mode=$(printf %o $((0666 & ~0$(umask)))); fi
umask 077
t=$d/.${{f##*/}}.$$.new
trap 'rm -f "$t"' EXIT
cat > "$t" || exit
[ "$(wc -c < "$t")" -eq "$size" ] || exit {_CUT_OFF}
if [ -n "$owner" ]; then chown "$owner" "$t" 2>/dev/null; fi
chmod "$mode" "$t" && mv -f "$t" "$f"
"""
"""The size is checked because a lost connection looks to ``cat`` like the end of its input: half a file must not be installed.
A link is followed, and owner and mode of what is replaced are kept."""


class NoShell(Exception):  # not an error for the caller: it goes on with SFTP
    """The login carries out no commands."""


def placed(root: str | None, path: str) -> str:
    """The path on the other side: under ``root``, or under the login's own folder, or absolute when there is no root.

    Always starts with ``/`` or ``./``, so that no name is taken for an option. Raises ``Permanent`` when it leads out of root.
    """
    if "\0" in path or not path:
        raise Permanent(f"{path!r} is no file name")
    if root is None:
        whole = posixpath.normpath(path)
    else:
        inside = posixpath.normpath(path.lstrip("/"))
        if inside == ".." or inside.startswith("../"):
            raise Permanent(f"{path!r} leads out of the connection's root {root!r}")
        whole = posixpath.join(posixpath.normpath(root), inside)
    whole = whole.removeprefix("~/")
    return whole if whole.startswith("/") else f"./{whole}"


def _no_folder(path: str) -> str:
    return f"the folder {posixpath.dirname(path)} does not exist; create it first"


def _script(text: str, *words: str) -> str:
    return f"exec sh -c {shlex.quote(text)} sh {' '.join(map(shlex.quote, words))}"


class ShellFiles:
    """Files by commands. ``exchange`` carries out one."""

    def __init__(self, exchange: Callable[[str, bytes], CommandResult], where: str) -> None:
        self._exchange = exchange
        self._where = where

    def read(self, path: str) -> bytes | None:
        return self._perform(path, "read", _READ)

    def write(self, path: str, data: bytes, mode: int | None) -> None:
        self._perform(path, "write", _WRITE, str(len(data)), "" if mode is None else f"{mode:o}", stdin=data)

    def remove(self, path: str) -> None:
        self._perform(path, "remove", _REMOVE)

    def modified_at(self, path: str) -> datetime | None:
        seconds = self._perform(path, "look at", _MODIFIED)
        return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC)

    def _perform(self, path: str, verb: str, script: str, *words: str, stdin: bytes = b"") -> bytes | None:
        """What the script printed; None when the file is not there. Raises ``NoShell`` when it was not carried out."""
        try:
            result = self._exchange(_script(script, path, *words), stdin)
        except ExecRefused:
            raise NoShell from None
        _, mark, output = result.stdout.partition(_MARK)
        if not mark:
            raise NoShell
        if result.status == _MISSING:
            return None
        if result.status != 0:
            self._raise(result, path, verb)
        return output

    def _raise(self, result: CommandResult, path: str, verb: str) -> NoReturn:
        if result.status == _CUT_OFF:
            raise Temporary(f"{self._where}: {path} arrived incomplete; the file there was left as it was")
        known = {
            _NOT_A_FILE: "it is no plain file",
            _FORBIDDEN: "the login may not look into its folder",
            _NO_FOLDER: _no_folder(path),
        }
        printed = result.stderr.decode("utf-8", "replace").strip().splitlines()
        why = known.get(result.status) or (printed[-1] if printed else f"status {result.status}")
        raise Permanent(f"{self._where}: cannot {verb} {path}: {why}")


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
            raise Permanent(f"{self._where}: cannot {verb} {path}: {_no_folder(path)}") from error
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
