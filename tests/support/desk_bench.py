"""Ticket systems for tests: the lab's desk on a socket, and connections to each system it plays."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.lab.board import Board, Fault, write_faults
from engine.lab.desk import build
from engine.lab.web_server import LabServer
from engine.model.secret import Secret
from engine.transports.http import HttpPool
from tests.support.rest_bench import Bench, opened, requests_of
from tests.support.sessions import make_sessions

SECRETS: Mapping[str, str] = {
    "rt_token": "1-14-lab", "servicenow_token": "now-token-lab", "jira_username": "lab@example.net",
    "jira_token": "jira-token-lab",
}
SYSTEMS = ("rt", "servicenow", "jira")
DONE: Mapping[str, str] = {"rt": "resolved", "servicenow": "closed", "jira": "done"}
"""The status in which work ends well, by system."""
REJECTED: Mapping[str, str] = {"rt": "rejected", "servicenow": "canceled", "jira": "won't do"}
"""The status that the fault ``rejects`` brings a ticket to."""
UNDER_WAY: Mapping[str, str] = {"rt": "open", "servicenow": "in progress", "jira": "in progress"}


@dataclass
class DeskBench:
    """One system of the lab's desk, as an action reaches it."""

    folder: Path
    system: str
    bench: Bench

    @property
    def words(self) -> dict[str, Any]:
        """Arguments of ``ticket.ensure`` that work."""
        return {"connection": self.system, "subject": "Close a line", "queue": "OPS", "body": "Please.", "priority": "high"}

    def at(self, address: str) -> Bench:
        """The same system from another address."""
        return Bench(replace(self.bench.at, address=address))

    def fault(self, name: str, value: float | None = None, count: int | None = None, match: str = "") -> None:
        write_faults(self.folder, [Fault("f", "desk", name, match, count, value)])

    def behave(self) -> None:
        write_faults(self.folder, [])

    def writes(self) -> int:
        return len(requests_of(self.folder, "desk", "write"))


@contextlib.contextmanager
def desk_bench(folder: Path, system: str) -> Iterator[DeskBench]:
    """The desk, up inside the block."""
    board, pool = Board(folder, "desk"), HttpPool()
    try:
        with LabServer(board, build(board, {"secrets": SECRETS})) as server:
            connections = {
                "rt": opened(pool, "rt", "rt", url=server.url, token=Secret(SECRETS["rt_token"])),
                "servicenow": opened(pool, "now", "servicenow", url=server.url, token=Secret(SECRETS["servicenow_token"])),
                "jira": opened(
                    pool, "jira", "jira", url=server.url, username=SECRETS["jira_username"], token=Secret(SECRETS["jira_token"]),
                    withdraw_as="Won't Do",
                ),
            }
            yield DeskBench(folder, system, Bench(make_sessions(connections)))
    finally:
        pool.close()
