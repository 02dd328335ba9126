"""A private place for a rehearsal: state, journal and keys in a folder of its own, and a lab of its own, gone afterwards."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from engine.lab.board import write_time
from engine.lab.control import ServerKind, lab_down, lab_reset, lab_up
from engine.lab.nursery import forked, kinds_for, warm_up
from engine.lab.overlay import SERVERS_OF
from engine.lab.seed import seed_from
from engine.language.inventory_reader import load_inventory
from engine.language.secrets import SecretResolver
from engine.model.inventory import Inventory
from engine.model.values import dataclass
from engine.project import Project
from engine.wiring.connections import transport_of
from engine.wiring.loading import existing
from engine.wiring.secrets import KnownSecrets
from engine.wiring.token_text import KEY_FILE

_MEMORY = "/dev/shm"  # noqa: S108  # a folder of our own is made in it, 0700
_PORT = re.compile(r"127\.0\.0\.1:(\d+)")
_ROOM = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rehearsal happens. ``project``: the real one for all that is read, with its state here."""

    project: Project
    inventory: Inventory
    kinds: tuple[ServerKind, ...]
    ports: Mapping[str, str]
    """Port -> the lab's server that listens there."""

    @property
    def lab(self) -> Path:
        return self.project.lab

    def set_time(self, at: datetime) -> None:
        """Sets the lab's clock."""
        write_time(self.lab, at)

    def plain(self, text: str) -> str:
        """A text without what differs from one place to the next: its folder, and ports."""
        named = _PORT.sub(lambda found: f"127.0.0.1:{self.ports.get(found[1], 'port')}", text)
        return named.replace(str(self.lab), "lab")

    def mails(self) -> list[EmailMessage]:
        """Every message that reached the lab's mail server, in order."""
        files = sorted((self.lab / "mail").glob("[0-9]*.eml"), key=lambda file: int(file.stem))
        return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]

    def start_over(self) -> None:
        """The lab as seeded, with the same credentials, and no run so far."""
        lab_reset(self.lab, self.kinds, forked)
        for entry in self.project.state.iterdir():
            if entry.is_dir() and entry != self.lab:
                shutil.rmtree(entry)
            elif entry.name.startswith(self.project.journal.name):
                entry.unlink()


@contextmanager
def private_place(project: Project, inventory_path: Path, seed: int) -> Iterator[Place]:
    """Raises the lab with the inventory in it, and takes it down whatever happens. Raises ``InvalidInput``."""
    inventory, _ = load_inventory(existing(inventory_path, "inventory"), project.display(inventory_path))
    types = {connection.type for connection in inventory.connections.values()}
    kinds = kinds_for([name for kind in types for name in SERVERS_OF.get(kind, ())])
    for kind in types:
        warm = getattr(importlib.import_module(transport_of(kind)), "warm_up", None)
        if warm is not None:
            warm()
    warm_up(kinds)
    secrets = KnownSecrets(SecretResolver(inventory_path, os.environ))
    with tempfile.TemporaryDirectory(prefix="switchover-rehearsal-", dir=_quick_folder(), ignore_cleanup_errors=True) as name:
        state = Path(name).resolve() / "state"
        state.mkdir(mode=0o700)
        _put_keys(state, seed)
        private = replace(project, kept_in=state)
        try:
            up = lab_up(private.lab, seed_from(inventory, secrets.resolve), kinds, forked)
            ports = {str(port): server.name for server in up.servers for port in server.ports.values()}
            yield Place(private, inventory, kinds, ports)
        finally:
            if private.lab.exists():
                lab_down(private.lab, kinds)


def _quick_folder() -> str | None:
    """Memory that looks like a disk, where there is enough of it: a process that is killed loses nothing there either, and much
    of a rehearsal's time would go into waiting for a disk. None: where temporary files go."""
    try:
        free = os.statvfs(_MEMORY)
    except OSError:
        return None
    roomy = free.f_bavail * free.f_frsize >= _ROOM and os.access(_MEMORY, os.W_OK)
    return _MEMORY if roomy and "TMPDIR" not in os.environ else None


def _put_keys(state: Path, seed: int) -> None:
    """The project's keys, from the seed: what was seen is digested alike each time."""
    for name in ("plan.key", KEY_FILE):
        descriptor = os.open(state / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(f"{name} {seed}".encode()).digest())
