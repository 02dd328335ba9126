"""A running mail sink and the real sessions onto it, for tests that send."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from engine.lab.control import SERVERS, LabStatus, ServerKind, add_fault, clear_faults, lab_down, lab_up
from engine.lab.seed import SECRETS, read_seed
from engine.language.secrets import SecretResolver
from engine.language.templates import Templates
from engine.model.inventory import Connection
from engine.model.secret import Secret
from engine.ports import Binding, Sessions
from engine.project import shipped
from engine.transports.keep import MemoryKeep
from engine.transports.outbox import FileOutbox
from engine.wiring.connections import Connections, Stores
from engine.wiring.secrets import KnownSecrets

MAIL: tuple[ServerKind, ...] = tuple(kind for kind in SERVERS if kind.name == "mail")
NOON = datetime(2026, 3, 2, 17, 3, tzinfo=UTC)


def lab_seed() -> dict[str, Any]:
    """A seed with credentials and no items."""
    return {
        "customer": "example-dental", "phones": [], "numbers": [], "users": [], "domain": "example.net", "connections": {},
        "rest": {},
        "secrets": {name: make() for name, make in SECRETS.items()}, "ports": {},
    }


@dataclass
class FixedClock:
    """A wall clock that stands still; waits and deadlines are real."""

    at: datetime = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing here waits, but {seconds} s were asked for")


@dataclass
class MailServer:
    """The sink as a process. ``mark`` forgets what came before; the other verbs look at what came since."""

    status: LabStatus
    seen_messages: int = 0
    seen_lines: int = 0

    @property
    def folder(self) -> Path:
        return self.status.folder

    @property
    def password(self) -> str:
        return str(read_seed(self.folder / "seed.json")["secrets"]["smtp_password"])

    def settings(self, **changed: object) -> dict[str, object]:
        """Settings of a connection to it, as the transport gets them."""
        seed = read_seed(self.folder / "seed.json")
        ports, secrets = self.status.server("mail").ports, seed["secrets"]
        security = changed.get("security", "starttls")
        return {
            "host": "127.0.0.1", "port": ports["smtps" if security == "tls" else "smtp"], "security": security,
            "username": secrets["smtp_username"], "password": Secret(secrets["smtp_password"]),
            "ca_file": str(self.folder / "ca.pem"), "from": "Cutover Desk <cutover@example.net>", **changed,
        }

    def mark(self) -> None:
        self.seen_messages, self.seen_lines = len(self._files()), len(self._lines())

    def fault(self, name: str, *, match: str = "", count: int | None = None, value: float | None = None) -> None:
        add_fault(self.folder, "mail", name, match=match, count=count, value=value)

    def behave(self) -> None:
        clear_faults(self.folder)

    def messages(self) -> list[EmailMessage]:
        files = self._files()[self.seen_messages:]
        parsed = [message_from_bytes(file.read_bytes(), policy=policy.SMTPUTF8) for file in files]
        return [message for message in parsed if isinstance(message, EmailMessage)]

    def raw(self) -> list[bytes]:
        return [file.read_bytes() for file in self._files()[self.seen_messages:]]

    def requests(self, kind: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = [json.loads(line) for line in self._lines()[self.seen_lines:]]
        return [entry for entry in entries if entry["kind"] == kind]

    def _files(self) -> list[Path]:
        return sorted((self.folder / "mail").glob("*.eml"), key=lambda file: int(file.stem))

    def _lines(self) -> list[str]:
        log = self.folder / "mail.jsonl"
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


@contextlib.contextmanager
def running_mail_server(folder: Path) -> Iterator[MailServer]:
    """The sink, up inside the block."""
    status = lab_up(folder, lab_seed(), MAIL)
    try:
        yield MailServer(status)
    finally:
        lab_down(folder, MAIL)


@dataclass
class MailScene:
    """Opens sessions as a run does: the product's own wiring, with an outbox in a folder."""

    outbox_folder: Path
    settings: Mapping[str, object]
    context: Mapping[str, object] = field(default_factory=dict)
    templates: tuple[Path, ...] = (shipped("templates"),)
    scope: str = "example-dental"
    clock: FixedClock = field(default_factory=FixedClock)

    @property
    def outbox(self) -> FileOutbox:
        return FileOutbox(self.outbox_folder, self.clock.now)

    def sessions(self, *, read_only: bool, address: str = "notify/partner", seconds: float = 10.0) -> Sessions:
        secrets = KnownSecrets(SecretResolver(Path.cwd(), {}))
        plain = {name: value.reveal() if isinstance(value, Secret) else value for name, value in self.settings.items()}
        source = Connections(
            {"mail": Connection("mail", "smtp", plain)}, Templates(self.templates), secrets, self.clock,
            Stores(MemoryKeep(), self.outbox, self.outbox.reading()), self.scope,
        )
        until = time.monotonic() + seconds
        return source.bind(Binding(address, self.context, secrets.redact, read_only, until))
