"""What an action is given, for tests of actions: real sessions by connection name, real templates, a keep in memory.

A test says how each connection is opened, usually with the product's own transport against a server on loopback:

    at = make_sessions({"provisioning": Opened("local", lambda read_only, host: LocalSession(settings, read_only, deadline))})
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from engine.language.templates import Templates
from engine.model.errors import Permanent
from engine.model.secret import Redactor
from engine.ports import Clock, FileSession, HttpSession, Keep, MailSession, Outbox, ShellSession, SipSession
from engine.transports.keep import MemoryKeep
from engine.transports.outbox import FileOutbox
from tests.support.clock import FakeClock

Open = Callable[[bool, str | None], object]
"""Takes (read_only, host) and gives a session; ``host`` is None but for ``shell(..., host=...)``."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection of a test: its type, how to open it, and its settings that are no secret."""

    type: str
    open: Open
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass
class TestSessions:
    """Implements ``ports.Sessions``. Make it with ``make_sessions``."""

    __test__ = False

    connections: Mapping[str, Opened]
    context: Mapping[str, Any]
    templates: Templates
    redactor: Redactor
    read_only: bool
    clock: Clock
    keep: Keep
    outbox: Outbox
    scope: str
    address: str
    locks: dict[str, threading.Lock] = field(default_factory=dict)

    def reading(self) -> TestSessions:
        """The same, opened read-only, as a plan gets them. Shares the keep and the clock."""
        outbox = self.outbox.reading() if isinstance(self.outbox, FileOutbox) else self.outbox
        return replace(self, read_only=True, outbox=outbox)

    def files(self, connection: str) -> FileSession:
        return cast(FileSession, self._open(connection, ("local", "tftp", "sftp", "ssh")))

    def shell(self, connection: str, host: str | None = None) -> ShellSession:
        return cast(ShellSession, self._open(connection, ("ssh",), host))

    def http(self, connection: str) -> HttpSession:
        return cast(HttpSession, self._open(connection, ("http", "telnyx", "twilio", "netsapiens", "rt", "servicenow", "jira")))

    def mail(self, connection: str) -> MailSession:
        return cast(MailSession, self._open(connection, ("smtp",)))

    def sip(self, connection: str) -> SipSession:
        return cast(SipSession, self._open(connection, ("sip",)))

    def connection_type(self, connection: str) -> str:
        return self._found(connection).type

    def setting(self, connection: str, name: str, default: object = None) -> Any:
        return self._found(connection).settings.get(name, default)

    def render(self, template: str, extra: Mapping[str, object] | None = None) -> str:
        return self.templates.render_file(template, {**self.context, **(extra or {})})

    def has_template(self, template: str) -> bool:
        return self.templates.has(template)

    def redact(self, text: str) -> str:
        return self.redactor(text)

    def locked(self, name: str) -> AbstractContextManager[Any]:
        return self.locks.setdefault(name, threading.Lock())

    def _found(self, connection: str) -> Opened:
        try:
            return self.connections[connection]
        except KeyError:
            raise Permanent(f"the inventory has no connection {connection!r}") from None

    def _open(self, connection: str, types: Sequence[str], host: str | None = None) -> object:
        found = self._found(connection)
        if found.type not in types:
            raise Permanent(f"the connection {connection!r} is of type {found.type}, not {' or '.join(types)}")
        return found.open(self.read_only, host)


def make_sessions(
    connections: Mapping[str, Opened] | None = None,
    *,
    context: Mapping[str, object] | None = None,
    template_folders: Sequence[Path] = (),
    secrets: Sequence[str] = (),
    read_only: bool = False,
    outbox_folder: Path | None = None,
    clock: Clock | None = None,
    keep: Keep | None = None,
    scope: str = "example-dental",
    address: str = "phase/step[item]",
) -> TestSessions:
    """Sessions for one item. ``secrets``: values that ``redact`` masks. ``outbox_folder``: needed by what sends mail."""
    outbox: Any = FileOutbox(outbox_folder, read_only=read_only) if outbox_folder is not None else None
    return TestSessions(
        connections or {}, context or {}, Templates(tuple(template_folders)), Redactor(secrets), read_only,
        clock or FakeClock(), keep or MemoryKeep(), outbox, scope, address,
    )
