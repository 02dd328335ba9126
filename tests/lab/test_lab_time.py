"""The lab's own time and its shortest way up, for rehearsals whose days pass in seconds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.lab.board import DOWN, Board, Fault, write_faults, write_time
from engine.lab.control import SERVERS, lab_down, lab_reset, lab_status, lab_up
from engine.lab.nursery import forked, kinds_for
from tests.support.mail import lab_seed

LATER = datetime(2027, 3, 1, 9, 30, tzinfo=UTC)


def test_a_server_notes_requests_by_the_lab_s_time_once_it_has_one(tmp_path: Path) -> None:
    board = Board(tmp_path, "rest")
    board.record("read", "GET /a")
    write_time(tmp_path, LATER)
    board.record("read", "GET /b")
    first, second = (json.loads(line)["at"] for line in (tmp_path / "rest.jsonl").read_text().splitlines())
    assert datetime.now(UTC) - datetime.fromisoformat(first) < timedelta(minutes=1)
    assert datetime.fromisoformat(second) == LATER


@pytest.mark.parametrize("server", [kind.name for kind in SERVERS])
def test_down_is_a_fault_that_every_server_has(tmp_path: Path, server: str) -> None:
    """Each in the way that its own kind of server fails to answer."""
    write_faults(tmp_path, [Fault("1", server, "down", match="/b")])
    board = Board(tmp_path, server)
    assert board.fault(DOWN[server], "GET /a") is None
    found = board.fault(DOWN[server], "GET /b")
    assert found is not None
    assert found.name == "down"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "lab"
    yield folder
    if folder.exists():
        lab_down(folder)


def test_forked_servers_are_told_apart_from_others_and_keep_their_ports(lab: Path) -> None:
    """A process that took over the pid of one would have begun at another time."""
    kinds = kinds_for(["ssh"])
    assert [kind.name for kind in kinds] == ["tftp", "platform", "phones", "ssh"]
    up = lab_up(lab, lab_seed(), kinds, forked)
    assert up.up
    again = lab_reset(lab, kinds, forked)
    assert [next(iter(server.ports.values())) for server in again.servers] == [
        next(iter(server.ports.values())) for server in up.servers
    ]
    records = json.loads((lab / "servers.json").read_text())
    (lab / "servers.json").write_text(json.dumps({name: {**entry, "born": "1"} for name, entry in records.items()}))
    assert not any(server.alive for server in lab_status(lab).servers)
    (lab / "servers.json").write_text(json.dumps(records))
    assert not any(server.alive for server in lab_down(lab, kinds).servers)
