"""Files in a folder of this machine: a TFTP root, a staging folder, a report.

Why not ``pathlib`` and ``tempfile``: a plan over ten thousand phones reads ten thousand files, and an open and a read
together take less time than building two ``Path`` objects. So paths stay strings and the system calls are made directly.

Why no ``fsync`` per file: it would cost ten times the write. What must survive a power cut is the journal, and that is
synced; a file that was lost is found by the read-back of ``resume`` and written again. ``fsync: true`` on the connection
syncs each file and its folder all the same, for roots that another machine serves from (NFS, a failover pair).
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from engine.model.errors import Permanent, Temporary, WriteRefused

Deadline = Callable[[], float]

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # NONBLOCK: a FIFO in the root must not hang the run
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_FIRST = 1 << 14
"""Most files fit. A larger buffer is mapped afresh for every file, which costs more than the reading."""
_CHUNK = 1 << 20
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.EINTR, errno.EAGAIN, errno.ESTALE, errno.ETIMEDOUT, errno.ENOMEM})
_REASONS: Mapping[int, str] = {
    errno.ENOSPC: "disk full; free some space there, then retry",
    errno.EDQUOT: "disk quota used up; free some space there, then retry",
    errno.EROFS: "the file system is mounted read-only",
    errno.EACCES: "permission denied; the user who runs this needs access to the file and its folder",
    errno.EPERM: "operation not permitted; the file may be marked immutable (lsattr)",
    errno.EISDIR: "it is a folder, not a file",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EIO: "input/output error: check the disk (dmesg)",
    errno.EXDEV: "the folder changed to another file system while writing",
}


class LocalRoot:
    """The folder of one connection. Its sessions share it, so that each subfolder is checked once per run, not per file."""

    __slots__ = ("_folders", "_real", "path")

    def __init__(self, path: str) -> None:
        """Raises ``Permanent`` when ``path`` is no folder: a mistyped root must not look like one with no files in it."""
        self.path = path
        self._real = os.path.realpath(path)
        self._folders: dict[str, str] = {}
        if not os.path.isdir(self._real):  # noqa: PTH112  # see the module docstring
            raise Permanent(f"the folder {path} does not exist; create it, or correct 'root' of the connection")

    def locate(self, path: str) -> str:
        """The absolute path of a file below the root, links in its folders followed. Raises ``Permanent`` when it escapes.

        The file itself is not looked at: callers open it without following links and come back with ``follow``.
        """
        folder, slash, name = path.rpartition("/")
        if not name or name in {".", ".."} or "\0" in path or not (path.isascii() or _encodes(path)):
            raise Permanent(f"{path!r} is not the name of a file")
        if slash and path[0] == "/":
            raise Permanent(f"{path!r} starts with '/'; paths are relative to the folder {self.path}")
        return f"{self._folder(folder, path)}/{name}"

    def follow(self, path: str) -> str:
        """Where the link at ``path`` (absolute) leads, if that is below the root. Raises ``Permanent`` otherwise."""
        real = os.path.realpath(path)
        self._require_inside(real, path)
        return real

    def _folder(self, folder: str, path: str) -> str:
        known = self._folders.get(folder)
        if known is not None:
            return known
        if ".." in folder.split("/"):
            raise Permanent(f"{path!r} leaves the folder {self.path}")
        real = os.path.realpath(f"{self._real}/{folder}") if folder else self._real
        self._require_inside(real, path)
        if os.path.isdir(real):  # noqa: PTH112
            self._folders[folder] = real
        return real

    def _require_inside(self, real: str, path: str) -> None:
        if real != self._real and not real.startswith(self._real.rstrip("/") + "/"):
            raise Permanent(f"{path!r} is a link that leads out of the folder {self.path}, to {real}")


class LocalSession:
    """Files below one folder. Implements ``ports.FileSession``. Safe to use from several threads."""

    __slots__ = ("_deadline", "_fsync", "_read_only", "_root", "can_remove")

    def __init__(
        self, settings: Mapping[str, object], read_only: bool, deadline: Deadline, root: LocalRoot | None = None
    ) -> None:
        """Settings: ``root`` (folder), ``fsync`` (default false). ``root`` as an argument shares what was checked before."""
        self.can_remove = True
        self._root = root or LocalRoot(_root_setting(settings))
        self._fsync = settings.get("fsync") is True
        self._read_only = read_only
        self._deadline = deadline

    def read(self, path: str) -> bytes | None:
        """The whole content; None when it does not exist."""
        self._require_time(path)
        place = self._root.locate(path)
        try:
            return _read_whole(place)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise _failure("read", path, self._root, error) from None
        try:
            return _read_whole(self._root.follow(place))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failure("read", path, self._root, error) from None

    def write(self, path: str, data: bytes, mode: int | None = None) -> None:
        """Replaces the whole file in one step: readers see the old content or the new one, never a part.

        ``mode`` holds from the first byte on. Without it a new file gets what the umask leaves, a replaced one keeps its
        mode and, when run as root, its owner. Missing folders are created.
        """
        self._require_write(path)
        place = self._root.locate(path)
        try:
            self._replace(place, data, mode)
        except OSError as error:
            raise _failure("write", path, self._root, error) from None

    def remove(self, path: str) -> None:
        """Deletes it (a link: the link); no error when it is not there."""
        self._require_write(path)
        place = self._root.locate(path)
        try:
            os.unlink(place)  # noqa: PTH108
        except FileNotFoundError:
            return
        except OSError as error:
            raise _failure("remove", path, self._root, error) from None

    def modified_at(self, path: str) -> datetime | None:
        """When the content last changed, by this machine's clock."""
        self._require_time(path)
        place = self._root.locate(path)
        try:
            return datetime.fromtimestamp(os.stat(self._root.follow(place)).st_mtime, UTC)  # noqa: PTH116
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failure("read", path, self._root, error) from None

    def _replace(self, place: str, data: bytes, mode: int | None) -> None:
        before = _status(place)
        if before is not None and stat.S_ISLNK(before.st_mode):
            place = self._root.follow(place)
            before = _status(place)
        if before is not None and stat.S_ISDIR(before.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        temporary = _temporary_name(place)
        try:
            descriptor = os.open(temporary, _CREATE, 0o666 if mode is None else mode)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120
            descriptor = os.open(temporary, _CREATE, 0o666 if mode is None else mode)
        try:
            try:
                _dress(descriptor, before, mode)
                _write_whole(descriptor, data)
                if self._fsync:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temporary, place)  # noqa: PTH104
        except BaseException:
            _unlink_quietly(temporary)
            raise
        if self._fsync:
            _sync_folder(os.path.dirname(place))  # noqa: PTH120

    def _require_write(self, path: str) -> None:
        if self._read_only:
            raise WriteRefused(f"writing {path} below {self._root.path} was refused: nothing may be changed here now")
        self._require_time(path)

    def _require_time(self, path: str) -> None:
        if self._deadline() <= 0:
            raise Temporary(f"timed out before {path} below {self._root.path} was reached")


class LocalPool:
    """Sessions that share what was learned about their folders. One per process; safe to use from several threads."""

    def __init__(self) -> None:
        self._roots: dict[object, LocalRoot] = {}
        self._lock = threading.Lock()

    def session(self, settings: Mapping[str, object], read_only: bool, deadline: Deadline) -> LocalSession:
        """A session for a connection of type ``local``."""
        root = self._roots.get(settings.get("root"))
        if root is None:
            path = _root_setting(settings)
            with self._lock:
                root = self._roots.setdefault(path, LocalRoot(path))
        return LocalSession(settings, read_only, deadline, root)

    def close(self) -> None:
        """Forgets the folders; no file stays open between calls."""
        self._roots.clear()


_serial = itertools.count()


def _temporary_name(place: str) -> str:
    """A hidden name in the same folder: rename is atomic only within a file system. The file's own name is not part of
    it, so that a name of the greatest length can be written."""
    folder, _, _ = place.rpartition("/")
    return f"{folder}/.switchover-{os.getpid()}-{next(_serial)}.tmp"


def _encodes(path: str) -> bool:
    try:
        return bool(path.encode())
    except UnicodeEncodeError:
        return False


def _root_setting(settings: Mapping[str, object]) -> str:
    root = settings.get("root")
    if not root:
        raise Permanent("a connection of type local needs 'root', the folder its files are in")
    return os.fspath(str(root))


def _read_whole(place: str) -> bytes:
    descriptor = os.open(place, _READ)
    try:
        data = os.read(descriptor, _FIRST)
        if len(data) < _FIRST:
            return data
        parts = [data]
        while part := os.read(descriptor, _CHUNK):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def _write_whole(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    if written == len(data):
        return
    rest = memoryview(data)[written:]
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _status(place: str) -> os.stat_result | None:
    try:
        return os.lstat(place)
    except FileNotFoundError:
        return None


def _dress(descriptor: int, before: os.stat_result | None, mode: int | None) -> None:
    """Gives the new file the mode asked for, or else mode and owner of the file it replaces."""
    if mode is not None:
        os.fchmod(descriptor, mode)  # the umask may have taken bits away
    if before is None:
        return
    if os.geteuid() == 0 and (before.st_uid != 0 or before.st_gid != os.getegid()):
        os.fchown(descriptor, before.st_uid, before.st_gid)
    if mode is None:
        os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unlink_quietly(path: str) -> None:
    """After a failure: what is raised is that failure, not a second one about the leftover."""
    try:
        os.unlink(path)  # noqa: PTH108
    except OSError:
        return


def _failure(verb: str, path: str, root: LocalRoot, error: OSError) -> Temporary | Permanent:
    reason = _REASONS.get(error.errno or 0) or (error.strerror or str(error)).lower()
    why = f"cannot {verb} {path} below {root.path}: {reason}"
    return Temporary(why) if error.errno in _PASSING else Permanent(why)
