"""Project folders for whole runs, and the lab they run against."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from engine.journal.sqlite import SqliteJournal
from engine.lab.control import add_fault, clear_faults, lab_down, lab_reset, lab_status
from engine.model.event import Event
from engine.model.run import RunState, fold
from engine.project import Project
from engine.wiring.clock import SystemClock
from tests.support.cli import ROOT, Ended, in_process, switchover

SCENARIO = ROOT / "tests" / "scenario"
KESTREL = SCENARIO / "kestrel"
CUTOVER = SCENARIO / "runbooks" / "cutover.yml"
RUNBOOK = "runbooks/cutover.yml"
INVENTORY = "inventories/kestrel"
NAMED = (RUNBOOK, "-i", INVENTORY)


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab that is up, made for the customer in its folder."""

    home: Path
    """The project it was started in."""

    @property
    def folder(self) -> Path:
        return self.home / ".switchover" / "lab"

    def reset(self) -> None:
        """Everything as seeded."""
        lab_reset(self.folder)

    def is_marked(self) -> bool:
        """Whether anything was written to it, or a fault was set."""
        found = lab_status(self.folder)
        return any(server.writes or server.faults for server in found.servers)

    def status(self) -> dict[str, dict[str, Any]]:
        """What ``lab status`` counts, by server."""
        found = switchover(self.home, "lab", "status", "--output", "json").must(0).json
        return {server["name"]: server for server in found["servers"]}

    def writes(self) -> int:
        """How many requests could have altered anything."""
        return sum(server["writes"] for server in self.status().values())

    def fault(self, server: str, name: str, *, match: str = "", count: int | None = None, value: float | None = None) -> None:
        """Has a server misbehave."""
        add_fault(self.folder, server, name, match=match, count=count, value=value)

    def heal(self) -> None:
        """Ends all faults."""
        clear_faults(self.folder)

    def requests(self, server: str, kind: str = "write") -> list[dict[str, Any]]:
        """What a server was asked, in order."""
        try:
            lines = (self.folder / f"{server}.jsonl").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [entry for entry in map(json.loads, lines) if entry["kind"] == kind]

    def files_written(self) -> Counter[str]:
        """Uploads that the TFTP server took, by file."""
        return Counter(entry["file"] for entry in self.requests("tftp") if entry["ok"])

    def patches(self) -> Counter[str]:
        """Writes that the carrier or the platform took, by method and path."""
        entries = [*self.requests("carrier"), *self.requests("platform")]
        return Counter(entry["what"] for entry in entries if "/" in entry["what"] and entry["status"] < 300)

    def mails(self) -> list[EmailMessage]:
        """Every message that reached the mail server."""
        files = sorted((self.folder / "mail").glob("[0-9]*.eml"), key=lambda file: int(file.stem))
        return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]

    def secrets(self) -> dict[str, str]:
        """The lab servers' own credentials."""
        return {file.name: file.read_text(encoding="utf-8") for file in (self.folder / "secrets").iterdir()}


@dataclass(frozen=True, slots=True)
class Folder:
    """An operator's project."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / ".switchover"

    @property
    def journal(self) -> Path:
        return self.state / "journal.db"

    def run(self, *arguments: object, **options: Any) -> Ended:
        """``switchover ...`` as a process of its own."""
        return switchover(self.root, *arguments, **options)

    def quick(self, *arguments: object) -> Ended:
        """``switchover ...`` in this process: for looking, where nothing is killed and nothing waits for a signal."""
        return in_process(self.root, *arguments)

    def plan(self, *more: object, out: str = "c.plan") -> Ended:
        """Saves a plan of the cutover against the lab."""
        return self.quick("plan", *NAMED, "--lab", "--out", out, *more).must(0)

    def edit(self, name: str, old: str, new: str) -> None:
        """Changes one place in a file of the project."""
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) >= 1, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def runs(self) -> list[str]:
        """Runs in the journal, newest first."""
        if not self.journal.exists():
            return []
        with self.reading() as journal:
            return [info.run for info in journal.runs()]

    def fold(self, run: str | None = None) -> RunState:
        """How a run, or the newest, stands. Reading it checks the chain of hashes."""
        with self.reading() as journal:
            return fold(journal.read(run or journal.runs()[0].run))

    def events(self, run: str | None = None) -> list[Event]:
        """All events of a run, or of the newest."""
        with self.reading() as journal:
            return [record.event for record in journal.read(run or journal.runs()[0].run)]

    def verify(self) -> None:
        """Every run's chain of hashes is whole."""
        with self.reading() as journal:
            for info in journal.runs():
                assert journal.verify(info.run).seq > 0

    @contextlib.contextmanager
    def reading(self) -> Iterator[SqliteJournal]:
        """The journal, to look at."""
        journal = SqliteJournal(self.journal, SystemClock(), read_only=True)
        try:
            yield journal
        finally:
            journal.close()


def project_at(root: Path, runbook: Path = CUTOVER, inventory: Path = KESTREL, lab: Lab | None = None) -> Folder:
    """A project with one runbook and one customer; with ``lab``, rehearsals go there."""
    for name in ("runbooks", "inventories", ".switchover"):
        (root / name).mkdir(parents=True)
    shutil.copyfile(runbook, root / "runbooks" / runbook.name)
    shutil.copytree(inventory, root / "inventories" / inventory.name)
    if lab is not None:
        (root / ".switchover" / "lab").symlink_to(lab.folder, target_is_directory=True)
    return Folder(root)


def served_here(folder: Folder, served: Path) -> None:
    """Has the phones' files go into a folder of this machine: plans and runs of them need no lab."""
    served.mkdir()
    there = "{type: tftp, host: prov.example.net, timeout_s: 0.5}"
    folder.edit(f"{INVENTORY}/inventory.yml", there, f"{{type: local, root: {served}}}")


def inodes(served: Path) -> dict[str, int]:
    """Whole files in a served folder. Every write makes a new inode, because files are replaced and not overwritten."""
    return {file.name: file.stat().st_ino for file in served.glob("[!.]*")}


@contextlib.contextmanager
def lab_for(home: Path, inventory: str = INVENTORY) -> Iterator[Lab]:
    """The lab with a customer in it, for the length of a block; taken down whatever happens."""
    try:
        switchover(home, "lab", "up", "-i", inventory).must(0)
        yield Lab(home)
    finally:
        if Project(home).lab.exists():
            lab_down(Project(home).lab)


def wait_until(holds: Callable[[], object], what: str, timeout_s: float = 20.0) -> None:
    """Polls a system of another process. Fails after ``timeout_s``."""
    until = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.02)


def statuses(state: RunState, addresses: Sequence[str] | None = None) -> dict[str, str]:
    """Item statuses by address."""
    return {a: item.status.value for a, item in state.items.items() if addresses is None or a in addresses}
