"""Sessions for phone actions in tests: real transports where there are any, the shipped templates, a keep in a folder."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from engine.language.templates import Templates
from engine.model.errors import Permanent
from engine.model.secret import Redactor
from engine.ports import Clock, FileSession, HttpSession, Keep, MailSession, Outbox, ShellSession, SipSession

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = Templates((ROOT / "templates",))
"""The shipped templates, compiled once for all tests."""


class WallClock:
    """The real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass
class FolderKeep:
    """Contents by digest, in memory."""

    held: dict[str, bytes] = field(default_factory=dict)

    def put(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        self.held[name] = data
        return name

    def get(self, name: str) -> bytes:
        try:
            return self.held[name]
        except KeyError:
            raise Permanent(f"{name} is gone") from None


@dataclass
class PhoneSessions:
    """What an action gets as ``at``: each kind of session is opened by the function given for it."""

    context: Mapping[str, object] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    open_files: Callable[[str], FileSession] | None = None
    open_http: Callable[[str], HttpSession] | None = None
    open_sip: Callable[[str], SipSession] | None = None
    open_shell: Callable[[str, str | None], ShellSession] | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    clock: Clock = field(default_factory=WallClock)
    keep: Keep = field(default_factory=FolderKeep)
    outbox: Outbox = field(default=cast(Outbox, None))
    """No phone action sends mail."""
    scope: str = "example-dental"
    address: str = "phones/step[item]"
    templates: Templates = field(default_factory=lambda: TEMPLATES)

    def files(self, connection: str) -> FileSession:
        assert self.open_files is not None
        return self.open_files(connection)

    def shell(self, connection: str, host: str | None = None) -> ShellSession:
        assert self.open_shell is not None
        return self.open_shell(connection, host)

    def http(self, connection: str) -> HttpSession:
        assert self.open_http is not None
        return self.open_http(connection)

    def sip(self, connection: str) -> SipSession:
        assert self.open_sip is not None
        return self.open_sip(connection)

    def mail(self, connection: str) -> MailSession:
        raise AssertionError("no phone action sends mail")

    def connection_type(self, connection: str) -> str:
        return self.types[connection]

    def setting(self, connection: str, name: str, default: object = None) -> Any:
        return self.settings.get(connection, {}).get(name, default)

    def render(self, template: str, extra: Mapping[str, object] | None = None) -> str:
        return self.templates.render_file(template, {**self.context, **(extra or {})})

    def has_template(self, template: str) -> bool:
        return self.templates.has(template)

    def redact(self, text: str) -> str:
        return Redactor(self.secrets)(text)

    def locked(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()
