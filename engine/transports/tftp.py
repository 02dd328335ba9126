"""Files on a TFTP server: reads and write requests, worded for the operator.

TFTP has no login, no folders to list, no delete and no commit. So a created file cannot be undone, the time of a change
cannot be told, and a write that was acknowledged is believed only once it was read back, which is the engine's doing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from engine.model.errors import Permanent, Temporary, WriteRefused
from engine.model.values import dataclass
from engine.transports import tftp_packet as tftp
from engine.transports.tftp_loop import Patience, Silence, TransferLoop
from engine.transports.tftp_transfer import (
    AnsweredTwice,
    Broken,
    CutShort,
    OptionsRefused,
    Reading,
    ServerRefused,
    Transfer,
    Writing,
)
from engine.transports.udp import Endpoint, resolve

Deadline = Callable[[], float]
T = TypeVar("T", Reading, Writing)

DEFAULT_BLKSIZE = 1428
"""Bytes a block: fits an Ethernet frame with every header, even through a tunnel. The value RFC 2348 uses too."""
_LONGEST_PATH = 400
"""A request has to fit the 512 bytes every server takes, options included."""


@dataclass(slots=True)
class _Server:
    """What is known of one server."""

    endpoint: Endpoint
    plain: bool = False
    """It refused options once: they are not offered again, which saves a round trip per file."""


class TftpPool:
    """Sessions that share one thread and what was learned about each server. One per process; safe to use from any thread."""

    def __init__(self) -> None:
        self.loop = TransferLoop()
        self._servers: dict[tuple[str, int], _Server] = {}
        self._lock = threading.Lock()

    def session(self, settings: Mapping[str, object], read_only: bool, deadline: Deadline) -> TftpSession:
        """A session for a connection of type ``tftp``."""
        return TftpSession(settings, read_only, deadline, self)

    def server(self, host: str, port: int) -> _Server:
        """Resolves a host once per process. Raises what ``udp.resolve`` raises."""
        with self._lock:
            known = self._servers.get((host, port))
        if known is not None:
            return known
        found = _Server(resolve(host, port))
        with self._lock:
            return self._servers.setdefault((host, port), found)

    def close(self) -> None:
        """Ends the thread; transfers under way fail with ``Temporary``."""
        self.loop.close()


class TftpSession:
    """Files on one TFTP server. Implements ``ports.FileSession``. Safe to use from several threads.

    Settings: ``host``; ``port`` (69); ``root`` (a folder on the server, put before every path); ``blksize`` (1428; 512 asks for
    no options at all, for servers that stay silent when asked); ``timeout_s`` (1: until a packet is sent again, doubling
    up to 4 s); ``retries`` (4: how often it is sent again before the server counts as gone).
    """

    can_remove = False

    def __init__(self, settings: Mapping[str, object], read_only: bool, deadline: Deadline, pool: TftpPool) -> None:
        """Raises ``Permanent`` for a setting that makes no sense. Sends nothing."""
        self._host = str(settings.get("host") or "")
        if not self._host:
            raise Permanent("a connection of type tftp needs 'host', the server's name or address")
        self._port = _whole(settings, "port", 69, 1, 65535)
        self._name = f"{self._host}:{self._port}"
        self._root = str(settings.get("root") or "")
        self._blksize = _whole(settings, "blksize", DEFAULT_BLKSIZE, tftp.SMALLEST_BLOCK, tftp.LARGEST_BLOCK)
        self._patience = Patience(first_s=_seconds(settings, "timeout_s", 1.0), retries=_whole(settings, "retries", 4, 0, 100))
        self._read_only = read_only
        self._deadline = deadline
        self._pool = pool

    def read(self, path: str) -> bytes | None:
        """The whole content; None when the server says there is no such file, in whichever of the ways servers have."""
        remote = self._remote(path)
        try:
            transfer = self._carry_out(path, lambda options: Reading(remote, options))
        except ServerRefused as refused:
            if refused.meaning == tftp.NOT_FOUND:
                return None
            raise self._refused("read", path, refused) from None
        return transfer.content

    def write(self, path: str, data: bytes, mode: int | None = None) -> None:
        """Replaces the file. TFTP knows no permission bits: ``mode`` is ignored, the server decides.

        Done means that the server acknowledged every block.
        """
        if self._read_only:
            raise WriteRefused(f"writing {path} on TFTP server {self._name} was refused: nothing may be changed here now")
        remote = self._remote(path)
        try:
            self._carry_out(path, lambda options: Writing(remote, data, options))
        except ServerRefused as refused:
            raise self._refused("write", path, refused) from None

    def remove(self, path: str) -> None:
        """Always raises: TFTP has no way to delete."""
        if self._read_only:
            raise WriteRefused(f"removing {path} on TFTP server {self._name} was refused: nothing may be changed here now")
        raise Permanent(f"cannot remove {path}: TFTP has no way to delete; delete it on the server {self._host} itself")

    def modified_at(self, path: str) -> datetime | None:
        """None: TFTP does not tell."""
        return None

    def _remote(self, path: str) -> str:
        parts = path.split("/")
        if not parts[-1] or "\0" in path:
            raise Permanent(f"{path!r} is not the name of a file")
        if not parts[0] or ".." in parts:
            raise Permanent(f"{path!r} leaves the server's folder; paths are relative to 'root' of the connection")
        remote = f"{self._root.rstrip('/')}/{path}" if self._root else path
        try:
            length = len(remote.encode())
        except UnicodeEncodeError:
            raise Permanent(f"{path!r} cannot be written in UTF-8") from None
        if length > _LONGEST_PATH:
            raise Permanent(f"{remote[:60]}... is too long a name for TFTP: {length} bytes, {_LONGEST_PATH} at most")
        return remote

    def _carry_out(self, path: str, make: Callable[[Mapping[str, int]], T]) -> T:
        """With options first, then without, when the server takes offence at them."""
        server = self._pool.server(self._host, self._port)
        if not server.plain and self._blksize != tftp.DEFAULT_BLOCK:
            try:
                return self._run(server, path, make({"blksize": self._blksize}))
            except OptionsRefused:
                transfer = self._run(server, path, make({}))
                server.plain = True
                return transfer
        return self._run(server, path, make({}))

    def _run(self, server: _Server, path: str, transfer: T) -> T:
        left_s = self._deadline()
        what = f"{transfer.verb} {path} on TFTP server {self._name}"
        if left_s <= 0:
            raise Temporary(f"timed out before it was tried to {what}")
        try:
            self._pool.loop.run(transfer, server.endpoint, self._patience, left_s)
        except Silence as silence:
            raise Temporary(_describe(what, transfer, silence)) from None
        except AnsweredTwice:
            why = "it was slow and answered the repeated request too, which may have emptied the file; it has to be written again"
            raise Temporary(f"cannot {what} for certain: {why}") from None
        except CutShort as short:
            raise Temporary(f"cannot {what}: {short}") from None
        except Broken as broken:
            raise Permanent(f"cannot {what}: {broken}; is that a TFTP server?") from None
        return transfer

    def _refused(self, verb: str, path: str, refused: ServerRefused) -> Temporary | Permanent:
        said = f'"{refused.text}" (error {refused.code})' if refused.text else f"error {refused.code}"
        why = f"cannot {verb} {path} on TFTP server {self._name}: the server says {said}"
        advice = (_WRITE_ADVICE if verb == "write" else _READ_ADVICE).get(refused.meaning)
        if refused.meaning in _PASSING:
            return Temporary(why)
        return Permanent(f"{why}. {advice}" if advice else why)


_PASSING = frozenset({tftp.NOT_DEFINED, tftp.UNKNOWN_TID})
"""Not defined: anything, often a server short of something. Unknown transfer: it lost track of this one."""

_WRITE_ADVICE: Mapping[int, str] = {
    tftp.NOT_FOUND: (
        "The server takes no new files, or the folder is missing. tftpd-hpa: add --create --permissive to TFTP_OPTIONS in"
        " /etc/default/tftpd-hpa, let its user (TFTP_USERNAME) write to the folder, and restart it"
    ),
    tftp.ACCESS_VIOLATION: (
        "The server does not take writes to it. Let the server's user (tftpd-hpa: TFTP_USERNAME) write to folder and file;"
        " tftpd-hpa without --permissive takes only files that everybody may write, and new ones only with --create"
    ),
    tftp.DISK_FULL: "The server's disk is full; free some space there, then retry",
    tftp.ILLEGAL: "The server does not take files at all; allow write requests on it, or deliver the file another way",
    tftp.EXISTS: "The server does not replace files; allow it to, or delete the file there first",
    tftp.NO_USER: "The server wants a user TFTP cannot name; allow anonymous writes, or deliver the file another way",
}
_READ_ADVICE: Mapping[int, str] = {
    tftp.ACCESS_VIOLATION: (
        "The server may not read it or does not serve that folder. Let the server's user read the file;"
        " tftpd-hpa without --permissive serves only files that everybody may read"
    ),
    tftp.ILLEGAL: "Is that a TFTP server that serves files?",
}


def _describe(what: str, transfer: Transfer, silence: Silence) -> str:
    waited = f"{silence.waited_s:.0f} s" if silence.waited_s >= 1 else f"{silence.waited_s * 1000:.0f} ms"
    if silence.refused and not transfer.began:
        return f"cannot {what}: {silence.refused}; is the server running, and are host and port right?"
    if transfer.began:
        why = f"({silence.refused})" if silence.refused else f"for {waited}"
        blocks = "1 block" if transfer.blocks == 1 else f"{transfer.blocks} blocks"
        ending = "; the file there may be incomplete" if transfer.verb == "write" else ""
        return f"timed out: could not {what}: the server stopped answering {why} after {blocks}{ending}"
    if silence.strangers:
        others = ", ".join(sorted(silence.strangers))
        return f"timed out: could not {what}: answers came from {others} and were not trusted; if right, make that the 'host'"
    return (
        f"timed out: could not {what}: no answer within {waited}. Is the server running, and do firewalls let UDP to that port"
        " and its answers from other ports through?"
    )


def _whole(settings: Mapping[str, object], name: str, default: int, least: int, most: int) -> int:
    value = settings.get(name, default)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Permanent(f"the setting {name} of a tftp connection is a whole number from {least} to {most}, not {value!r}")
    return value


def _seconds(settings: Mapping[str, object], name: str, default: float) -> float:
    value = settings.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 60:
        raise Permanent(f"the setting {name} of a tftp connection is a number of seconds above 0, at most 60, not {value!r}")
    return float(value)
