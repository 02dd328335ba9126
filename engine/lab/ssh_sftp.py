"""SFTP of the lab's SSH device: the files of its own root, each request on the board as a read or a write."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from paramiko import ServerInterface, SFTPAttributes, SFTPHandle, SFTPServer, SFTPServerInterface
from paramiko.sftp import SFTP_OK

from engine.lab.board import Board


class RootedFiles(SFTPServerInterface):
    """Whatever path is asked for, it lies below ``root``."""

    def __init__(self, server: ServerInterface, board: Board, root: Path, hang_up: Callable[[], None], *_: Any) -> None:
        super().__init__(server)
        self._board = board
        self._root = root
        self._hang_up = hang_up

    def open(self, path: str, flags: int, attr: SFTPAttributes) -> SFTPHandle | int:
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) != 0
        self._note("write" if writes else "read", "open", path)
        try:
            mode = attr.st_mode if attr.st_mode is not None else 0o666
            descriptor = os.open(self._place(path), flags | os.O_CLOEXEC, stat.S_IMODE(mode))
            return _Handle(os.fdopen(descriptor, _file_mode(flags)), flags)
        except OSError as error:
            return SFTPServer.convert_errno(error.errno or 0)

    def list_folder(self, path: str) -> list[SFTPAttributes] | int:
        self._note("read", "list", path)
        try:
            return [SFTPAttributes.from_stat(entry.lstat(), entry.name) for entry in self._place(path).iterdir()]
        except OSError as error:
            return SFTPServer.convert_errno(error.errno or 0)

    def stat(self, path: str) -> SFTPAttributes | int:
        return self._look("stat", path, Path.stat)

    def lstat(self, path: str) -> SFTPAttributes | int:
        return self._look("lstat", path, Path.lstat)

    def remove(self, path: str) -> int:
        return self._or_die(path, self._alter("remove", path, Path.unlink))

    def rename(self, oldpath: str, newpath: str) -> int:
        """Plain SFTP: an existing file is not replaced."""
        if self._place(newpath).exists():
            return SFTPServer.convert_errno(17)  # EEXIST
        return self.posix_rename(oldpath, newpath)

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        return self._or_die(newpath, self._alter("rename", oldpath, lambda old: old.replace(self._place(newpath))))

    def mkdir(self, path: str, attr: SFTPAttributes) -> int:
        return self._alter("mkdir", path, Path.mkdir)

    def rmdir(self, path: str) -> int:
        return self._alter("rmdir", path, Path.rmdir)

    def chattr(self, path: str, attr: SFTPAttributes) -> int:
        return self._alter("chattr", path, lambda place: SFTPServer.set_file_attr(place, attr))

    def canonicalize(self, path: str) -> str:
        return os.path.normpath("/" + path)

    def _place(self, path: str) -> Path:
        return self._root / os.path.normpath("/" + path).lstrip("/")

    def _note(self, kind: Any, what: str, path: str) -> None:
        self._board.record(kind, f"sftp {what}", path=path)
        self._board.pause(path)

    def _look(self, what: str, path: str, how: Callable[[Path], os.stat_result]) -> SFTPAttributes | int:
        self._note("read", what, path)
        try:
            return SFTPAttributes.from_stat(how(self._place(path)))
        except OSError as error:
            return SFTPServer.convert_errno(error.errno or 0)

    def _alter(self, what: str, path: str, how: Callable[[Path], object]) -> int:
        self._note("write", what, path)
        try:
            how(self._place(path))
        except OSError as error:
            return SFTPServer.convert_errno(error.errno or 0)
        return SFTP_OK

    def _or_die(self, path: str, status: int) -> int:
        """The fault ``die``: what shows at ``path`` was done, and nobody hears of it."""
        if self._board.fault("die", path) is not None:
            self._hang_up()
        return status


class _Handle(SFTPHandle):
    """An open file."""

    def __init__(self, file: BinaryIO, flags: int) -> None:
        super().__init__(flags)
        self.readfile = self.writefile = file

    def stat(self) -> SFTPAttributes | int:
        return SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))

    def chattr(self, attr: SFTPAttributes) -> int:
        if attr.st_mode is not None:
            os.fchmod(self.writefile.fileno(), stat.S_IMODE(attr.st_mode))
        return SFTP_OK


def _file_mode(flags: int) -> Any:
    if flags & os.O_RDWR:
        return "rb+"
    return "wb" if flags & os.O_WRONLY else "rb"
