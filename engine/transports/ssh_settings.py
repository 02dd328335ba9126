"""What an ``ssh`` or ``sftp`` connection of the inventory says, read once and checked.

Everything a connection depends on is in one frozen value, so that it can be the key of the pool: two steps that would
connect alike share a connection, two that would not never do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Literal

from engine.model.errors import Permanent, Temporary
from engine.model.secret import Secret
from engine.model.values import dataclass

Deadline = Callable[[], float]
"""Seconds left for the exchange at hand; 0 or less: none."""

CONNECT_LIMIT_S = 20.0
"""The longest that any one stage of connecting may take, however much time a step was given."""


@dataclass(frozen=True, slots=True)
class SshSettings:
    """One way to log in to one host."""

    host: str
    username: str
    port: int = 22
    password: Secret | None = None
    key_file: str | None = None
    key_passphrase: Secret | None = None
    agent: bool = False
    """Offers the keys of the agent at ``SSH_AUTH_SOCK``."""
    known_hosts: str | None = None
    """Replaces ``~/.ssh/known_hosts``."""
    host_keys: Literal["strict", "accept-new"] = "strict"
    jump: str | None = None
    """Name of the connection to go through."""
    keepalive_s: float = 15.0
    """Seconds of silence after which something is sent; 0 = never."""
    type: Literal["ssh", "sftp"] = field(default="ssh", compare=False)
    """``sftp`` asks for files only; both share a connection."""

    @property
    def where(self) -> str:
        """For people: ``admin@pbx.example.net:2222``; the port only when it is not 22."""
        return f"{self.username}@{self.endpoint}"

    @property
    def endpoint(self) -> str:
        """For people: host, and port when it is not 22."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 22 else f"{host}:{self.port}"


def settings_from(given: Mapping[str, object]) -> SshSettings:
    """Reads a connection's settings. Raises ``Permanent`` naming the setting that is missing or wrong."""
    password = _secret(given, "password")
    key_file = _text(given, "key_file")
    return SshSettings(
        host=_needed(given, "host"),
        username=_needed(given, "username"),
        port=_number(given, "port", 22, int, 1, 65535),
        password=password,
        key_file=key_file,
        key_passphrase=_secret(given, "key_passphrase"),
        agent=_flag(given, "agent", default=password is None and key_file is None),
        known_hosts=_text(given, "known_hosts"),
        host_keys=_choice(given, "host_keys", ("strict", "accept-new")),
        jump=_text(given, "jump"),
        keepalive_s=_number(given, "keepalive_s", 15.0, float, 0, 86400),
        type=_choice(given, "type", ("ssh", "sftp")),
    )


def seconds_left(deadline: Deadline, where: str, doing: str, *, begun: bool = False) -> float:
    """Seconds left, more than 0. Raises ``Temporary`` when there are none. ``begun``: a command was sent already."""
    left = deadline()
    if left <= 0:
        raise Temporary(f"{where}: timed out {doing}", nothing_done=not begun)
    return left


def connect_left(deadline: Deadline, where: str, doing: str) -> float:
    """The same for a stage of connecting, which never gets more than ``CONNECT_LIMIT_S``."""
    return min(seconds_left(deadline, where, doing), CONNECT_LIMIT_S)


def expanded(path: str) -> str:
    """A local path with ``~`` resolved."""
    return os.path.expanduser(path)  # noqa: PTH111  # Path would drop a trailing slash and "./", which belong in messages


def _wrong(name: str, why: str) -> Permanent:
    return Permanent(f"the ssh connection's setting `{name}` {why}; correct it in inventory.yml")


def _text(given: Mapping[str, object], name: str) -> str | None:
    value = given.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, Secret):
        return value.reveal()
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise _wrong(name, "must be text")
    return str(value)


def _needed(given: Mapping[str, object], name: str) -> str:
    value = _text(given, name)
    if value is None:
        raise _wrong(name, "is missing")
    return value


def _secret(given: Mapping[str, object], name: str) -> Secret | None:
    value = given.get(name)
    if value is None or isinstance(value, Secret):
        return value
    return Secret(str(value))


def _flag(given: Mapping[str, object], name: str, default: bool) -> bool:
    value = given.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise _wrong(name, "must be true or false")
    return value


def _choice(given: Mapping[str, object], name: str, choices: tuple[str, str]) -> Any:
    value = given.get(name, choices[0])
    if value not in choices:
        raise _wrong(name, f"must be one of {', '.join(choices)}")
    return value


def _number(given: Mapping[str, object], name: str, default: float, kind: type, low: float, high: float) -> Any:
    value = given.get(name, default)
    try:
        number = kind(value)
    except (TypeError, ValueError):
        raise _wrong(name, "must be a number") from None
    if not low <= number <= high:
        raise _wrong(name, f"must lie between {low} and {high}")
    return number
