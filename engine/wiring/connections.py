"""Opens sessions. Transports are imported when a connection of their type is first used: start-up stays quick."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from engine.language.templates import Templates
from engine.model.errors import Permanent
from engine.model.inventory import Connection
from engine.model.secret import Secret
from engine.model.values import dataclass
from engine.ports import (
    Binding,
    Clock,
    FileSession,
    HttpSession,
    Keep,
    MailSession,
    Outbox,
    Sessions,
    ShellSession,
    SipSession,
)
from engine.wiring.secrets import KnownSecrets

# connection type -> (kind of session, module of its pool, class)
_TRANSPORTS: Mapping[str, tuple[str, str, str]] = {
    "local": ("files", "engine.transports.local", "LocalPool"),
    "tftp": ("files", "engine.transports.tftp", "TftpPool"),
    "ssh": ("shell", "engine.transports.ssh", "SshPool"),
    "sftp": ("shell", "engine.transports.ssh", "SshPool"),
    "http": ("http", "engine.transports.http", "HttpPool"),
    "telnyx": ("http", "engine.transports.http", "HttpPool"),
    "twilio": ("http", "engine.transports.http", "HttpPool"),
    "netsapiens": ("http", "engine.transports.http", "HttpPool"),
    "rt": ("http", "engine.transports.http", "HttpPool"),
    "servicenow": ("http", "engine.transports.http", "HttpPool"),
    "jira": ("http", "engine.transports.http", "HttpPool"),
    "smtp": ("mail", "engine.transports.mail", "MailPool"),
    "sip": ("sip", "engine.transports.sip", "SipPool"),
}


def transport_of(kind: str) -> str:
    """The module that connections of a type go by."""
    return _TRANSPORTS[kind][1]


@dataclass(frozen=True, slots=True)
class Stores:
    """What outlives a session: contents for undo, and mail."""

    keep: Keep
    outbox: Outbox
    outbox_to_read: Outbox
    """The same, refusing to be written: what planning gets."""


_Way = tuple[Any, Mapping[str, object], tuple[str, ...]]
"""A connection's pool, settings, and what else the pool is told."""


class Connections:
    """The sessions of one plan or run: one pool per transport, one connection per host."""

    def __init__(
        self,
        connections: Mapping[str, Connection],
        templates: Templates,
        secrets: KnownSecrets,
        clock: Clock,
        stores: Stores,
        scope: str,
    ) -> None:
        self.templates, self.clock, self.stores, self.scope = templates, clock, stores, scope
        self._connections, self._secrets = connections, secrets
        self._pools: dict[str, Any] = {}
        self._settings: dict[str, Mapping[str, object]] = {}
        self._ways: dict[tuple[str, str], _Way] = {}
        self._hosts: dict[tuple[str, str], Mapping[str, object]] = {}
        """Settings by connection and the host that replaces its own: the same object each time, so that a pool knows it."""
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.RLock()

    def bind(self, binding: Binding) -> Sessions:
        return _Bound(self, binding)

    def is_local(self, connection: str) -> bool:
        found = self._connections.get(connection)
        return found is not None and found.type == "local"

    def close(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()
            self._ways.clear()

    # ------------------------------------------------------------ for bound sessions

    def connection(self, name: str) -> Connection:
        """Raises ``Permanent`` when the inventory has none of that name."""
        found = self._connections.get(name)
        if found is None:
            known = ", ".join(sorted(self._connections)) or "none"
            raise Permanent(f"the inventory has no connection called '{name}' (it has: {known})")
        return found

    def settings(self, name: str) -> Mapping[str, object]:
        """A connection's settings, secrets resolved."""
        found = self._settings.get(name)
        if found is None:
            with self._lock:
                connection = self.connection(name)
                found = self._settings[name] = {**self._secrets.settings(connection.settings), "type": connection.type}
        return found

    def session(self, name: str, kind: str, binding: Binding, host: str | None = None) -> Any:
        """A session of the wanted kind. Raises ``Permanent`` when the connection's type is of another."""
        pool, settings, arguments = self._ways.get((name, kind)) or self._way(name, kind)
        if host is not None and not settings.get("fixed_host"):
            settings = self._hosts.get((name, host)) or self._hosts.setdefault((name, host), {**settings, "host": host})
        deadline = _seconds_left(self.clock, binding.deadline)
        return pool.session(*arguments, settings, binding.read_only, deadline)

    def _way(self, name: str, kind: str) -> _Way:
        """Worked out once for each connection: sessions are opened three times an item."""
        connection = self.connection(name)
        provides, module, pool = _TRANSPORTS[connection.type]
        if provides != kind and (provides, kind) != ("shell", "files"):
            raise Permanent(f"connection '{name}' is of type {connection.type}, which gives no {kind}")
        arguments = (name, connection.type) if kind == "http" else ()
        found = self._ways[name, kind] = (self._pool(module, pool), self.settings(name), arguments)
        return found

    def named_lock(self, name: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(name, threading.Lock())

    def _pool(self, module: str, name: str) -> Any:
        found = self._pools.get(module)
        if found is None:
            with self._lock:
                found = self._pools.get(module)
                if found is None:
                    cls = getattr(importlib.import_module(module), name)
                    found = self._pools[module] = cls(self.settings) if name == "SshPool" else cls()
        return found


def _seconds_left(clock: Clock, deadline: float) -> Callable[[], float]:
    return lambda: deadline - clock.monotonic()


_NOTHING = object()


class _Bound:
    """Sessions for one attempt at one item."""

    __slots__ = ("_binding", "_source", "address", "clock", "keep", "outbox", "scope")

    def __init__(self, source: Connections, binding: Binding) -> None:
        self._source, self._binding = source, binding
        stores = source.stores
        self.clock, self.keep = source.clock, stores.keep
        self.outbox = stores.outbox_to_read if binding.read_only else stores.outbox
        self.scope, self.address = source.scope, binding.address

    def files(self, connection: str) -> FileSession:
        session: FileSession = self._source.session(connection, "files", self._binding)
        return session

    def shell(self, connection: str, host: str | None = None) -> ShellSession:
        session: ShellSession = self._source.session(connection, "shell", self._binding, host)
        return session

    def http(self, connection: str) -> HttpSession:
        session: HttpSession = self._source.session(connection, "http", self._binding)
        return session

    def mail(self, connection: str) -> MailSession:
        session: MailSession = self._source.session(connection, "mail", self._binding)
        return session

    def sip(self, connection: str) -> SipSession:
        session: SipSession = self._source.session(connection, "sip", self._binding)
        return session

    def connection_type(self, connection: str) -> str:
        return self._source.connection(connection).type

    def setting(self, connection: str, name: str, default: object = None) -> Any:
        value = self._source.settings(connection).get(name, default)
        return default if isinstance(value, Secret) else value

    def render(self, template: str, extra: Mapping[str, object] | None = None) -> str:
        rendered, context = self._binding.rendered, self._binding.context
        with_what, text = rendered.get(template, (_NOTHING, ""))
        if with_what is _NOTHING or with_what != extra:
            text = self._source.templates.render_file(template, {**context, **extra} if extra else context)
            rendered[template] = (extra, text)
        return text

    def has_template(self, template: str) -> bool:
        return self._source.templates.has(template)

    def redact(self, text: str) -> str:
        return self._binding.redact(text)

    def locked(self, name: str) -> AbstractContextManager[Any]:
        return self._source.named_lock(name)
