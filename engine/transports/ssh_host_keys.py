"""Who a host is: its key against ``known_hosts``, in the format of OpenSSH's sshd(8).

Plain, hashed and wildcard names, ``[host]:port``, ``@revoked``. Lines of ``@cert-authority`` are passed over: host
certificates are not checked, so such a host needs its own line.

An unknown key is refused, a changed one loudly so; only the explicit setting ``host_keys: accept-new`` lets an unknown one in,
and then writes it down, so that a later change is noticed.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import fnmatch
import hashlib
import hmac
import os
import shlex
import threading
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path

from paramiko import PKey

from engine.model.errors import Permanent
from engine.model.values import dataclass
from engine.transports.ssh_settings import SshSettings, expanded

SYSTEM_FILE = Path("/etc/ssh/ssh_known_hosts")
_RSA = ("rsa-sha2-512", "rsa-sha2-256")
KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", *_RSA)
"""Ed25519 first: the cheapest to verify."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One line of a known_hosts file."""

    file: Path
    line: int
    names: tuple[str, ...]
    type: str
    blob: str
    """The public key, base64 as it stands in the file."""
    revoked: bool = False

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` prints it."""
        return _fingerprint(self.blob)

    def covers(self, name: str) -> bool:
        """Whether this line speaks of ``name``: a host name, or ``[host]:port``."""
        found = False
        for pattern in self.names:
            if pattern.startswith("!"):
                if fnmatch.fnmatchcase(name, _shell_pattern(pattern[1:])):
                    return False
            elif _is_hash_of(pattern, name) or fnmatch.fnmatchcase(name, _shell_pattern(pattern)):
                found = True
        return found


@dataclass(slots=True)
class _KnownHostsFile:
    """One file, read again when it changes. Plain names are looked up; only hashes and patterns are searched."""

    path: Path
    stamp: tuple[int, int] | None = None
    plain: dict[str, list[KnownKey]] = field(default_factory=dict)
    others: list[KnownKey] = field(default_factory=list)

    def keys_of(self, name: str) -> list[KnownKey]:
        self._refresh()
        return [*self.plain.get(name, ()), *(key for key in self.others if key.covers(name))]

    def _refresh(self) -> None:
        try:
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp == self.stamp:
                return
            text = self.path.read_text(encoding="utf-8", errors="surrogateescape")
        except FileNotFoundError:
            stamp, text = (-1, -1), ""
        except OSError as error:
            raise Permanent(
                f"the known host keys in {self.path} cannot be read: {error.strerror}. Without them no host can be trusted"
            ) from None
        self.plain, self.others, self.stamp = {}, [], stamp
        for number, line in enumerate(text.splitlines(), 1):
            key = _parse(self.path, number, line)
            if key is not None:
                self._enter(key)

    def _enter(self, key: KnownKey) -> None:
        if any(name[0] in "|!" or set("*?") & set(name) for name in key.names):
            self.others.append(key)
            return
        for name in key.names:
            self.plain.setdefault(name, []).append(key)


class HostKeys:
    """The known hosts of one run. Safe to use from several threads."""

    def __init__(self) -> None:
        self._files: dict[Path, _KnownHostsFile] = {}
        self._lock = threading.Lock()

    def preferred_types(self, settings: SshSettings) -> tuple[str, ...]:
        """Key types in the order to ask for: those already known of this host first, so that it shows a key we can check."""
        with self._lock:
            known = [key.type for key in self._known(settings) if not key.revoked]
        wanted = [name for type_ in known for name in (_RSA if type_ == "ssh-rsa" else (type_,)) if name in KEY_TYPES]
        return tuple(dict.fromkeys([*wanted, *KEY_TYPES]))

    def verify(self, settings: SshSettings, key: PKey) -> None:
        """Returns when ``key`` is the host's; raises ``Permanent`` when it is unknown, changed or revoked.

        With ``host_keys: accept-new`` an unknown key is appended to the known_hosts file first.
        """
        with self._lock:
            if self._is_known(settings, key):
                return
            if settings.host_keys != "accept-new":
                raise Permanent(_unknown(settings, key, self._paths(settings)[0]))
            _append(self._paths(settings)[0], f"{_name(settings)} {key.get_name()} {key.get_base64()}\n")

    def _is_known(self, settings: SshSettings, key: PKey) -> bool:
        known, blob = self._known(settings), key.get_base64()
        for entry in known:
            if entry.blob == blob and entry.revoked:
                raise Permanent(
                    f"{settings.endpoint}: its host key {key.get_name()} {key.fingerprint} is marked @revoked at "
                    f"{entry.file}:{entry.line}. Nothing was sent to it. Do not go on before you know why it was revoked"
                )
        if any(entry.blob == blob for entry in known):
            return True
        named = [entry for entry in known if not entry.revoked and entry.covers(_name(settings))]
        if named:
            raise Permanent(_changed(settings, key, named))
        return False

    def _known(self, settings: SshSettings) -> list[KnownKey]:
        """The lines for this host and port, and, as OpenSSH does, those for the host without a port."""
        names = dict.fromkeys((_name(settings), settings.host.lower()))
        return [key for path in self._paths(settings) for name in names for key in self._file(path).keys_of(name)]

    def _file(self, path: Path) -> _KnownHostsFile:
        return self._files.setdefault(path, _KnownHostsFile(path))

    @staticmethod
    def _paths(settings: SshSettings) -> Sequence[Path]:
        return (Path(expanded(settings.known_hosts or "~/.ssh/known_hosts")), SYSTEM_FILE)


def _name(settings: SshSettings) -> str:
    host = settings.host.lower()
    return host if settings.port == 22 else f"[{host}]:{settings.port}"


def _parse(path: Path, number: int, line: str) -> KnownKey | None:
    words = line.split()
    marker = words.pop(0) if words and words[0].startswith("@") else ""
    if len(words) < 3 or words[0].startswith("#") or marker not in ("", "@revoked"):
        return None
    names = tuple(name if name.startswith("|") else name.lower() for name in words[0].split(",") if name)
    return KnownKey(path, number, names, words[1], words[2], revoked=bool(marker)) if names else None


def _shell_pattern(pattern: str) -> str:
    """``[host]:port`` is no character class; only ``*`` and ``?`` have a meaning."""
    return pattern.replace("[", "[[]")


def _is_hash_of(pattern: str, name: str) -> bool:
    """Whether ``|1|salt|hash`` is the HMAC-SHA1 of ``name``."""
    parts = pattern.split("|")
    if len(parts) != 4 or parts[1] != "1":
        return False
    try:
        salt, expected = base64.b64decode(parts[2]), base64.b64decode(parts[3])
    except binascii.Error:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), expected)


def _fingerprint(blob: str) -> str:
    try:
        raw = base64.b64decode(blob)
    except binascii.Error:
        return "(unreadable)"
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


def _unknown(settings: SshSettings, key: PKey, file: Path) -> str:
    kind = key.get_name().removeprefix("ssh-").split("-")[0]
    scan = f"ssh-keyscan -p {settings.port} -t {kind} {shlex.quote(settings.host)} >> {shlex.quote(str(file))}"
    return (
        f"{settings.endpoint}: the host key is not known. It showed {key.get_name()} {key.fingerprint}; nothing was sent to it. "
        f"If that fingerprint is the machine's own, add the key: `{scan}`. "
        "Or set `host_keys: accept-new` on the connection, which trusts every host at first sight"
    )


def _changed(settings: SshSettings, key: PKey, known: Sequence[KnownKey]) -> str:
    before = ", ".join(f"{entry.type} {entry.fingerprint} at {entry.file}:{entry.line}" for entry in known)
    remove = f"ssh-keygen -R {shlex.quote(_name(settings))} -f {shlex.quote(str(known[0].file))}"
    return (
        f"THE HOST KEY OF {settings.endpoint} HAS CHANGED. Known: {before}. Shown now: {key.get_name()} {key.fingerprint}. "
        "Nothing was sent to it. Either the machine was installed anew or somebody stands in between: ask who runs it. "
        f"Only when the new fingerprint is confirmed, forget the old key: `{remove}`"
    )


def _append(path: Path, line: str) -> None:
    """One locked write of one line, so that neither another process's line nor half of this one is ever lost."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            size = os.fstat(handle).st_size
            unended = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            os.write(handle, (("\n" if unended else "") + line).encode())
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise Permanent(
            f"the new host key cannot be written to {path}: {error.strerror}. "
            "A key that is not written down cannot be checked next time, so the host is refused"
        ) from None
