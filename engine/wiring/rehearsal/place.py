"""A private place for a rehearsal: state, journal and keys in a folder of its own, and a lab of its own, gone afterwards."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from engine.project import Project
from engine.wiring.connections import transport_of
from engine.wiring.loading import existing
from engine.wiring.secrets import KnownSecrets
from engine.wiring.tokens import KEY_FILE


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rehearsal happens. ``project``: the real one for all that is read, with its state here."""

    project: Project
    inventory: Inventory
    kinds: tuple[ServerKind, ...]

    @property
    def lab(self) -> Path:
        return self.project.lab

    def set_time(self, at: datetime) -> None:
        """Sets the lab's clock."""
        write_time(self.lab, at)

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
        importlib.import_module(transport_of(kind))
    warm_up(kinds)
    secrets = KnownSecrets(SecretResolver(inventory_path, os.environ))
    with tempfile.TemporaryDirectory(prefix="switchover-rehearsal-", ignore_cleanup_errors=True) as name:
        state = Path(name).resolve() / "state"
        state.mkdir(mode=0o700)
        _put_keys(state, seed)
        place = Place(replace(project, kept_in=state), inventory, kinds)
        try:
            lab_up(place.lab, seed_from(inventory, secrets.resolve), kinds, forked)
            yield place
        finally:
            if place.lab.exists():
                lab_down(place.lab, kinds)


def _put_keys(state: Path, seed: int) -> None:
    """The project's keys, from the seed: what was seen is digested alike each time."""
    for name in ("plan.key", KEY_FILE):
        descriptor = os.open(state / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(f"{name} {seed}".encode()).digest())
