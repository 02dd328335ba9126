"""``switchover certify``: a run killed at every boundary ends as one that nobody killed; one that does not is found out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.ports import OutboxEntry
from engine.project import Project
from engine.transports.outbox import FileOutbox
from engine.wiring.loading import Named, load
from engine.wiring.rehearsal.certify import certify
from engine.wiring.rehearsal.scenarios import plain_scenario
from tests.support.cli import switchover

LONG_S = 400.0
GIVEN = ("-i", "inventories/acme", "--output", "json")


def test_a_run_killed_at_every_boundary_ends_alike(project: Path) -> None:
    """Two writes to an API and a mail, over all its boundaries: same end, each effect once, counted on the other side."""
    found = switchover(project, "certify", "runbooks/orders.yml", *GIVEN, timeout_s=LONG_S).must(0).json
    assert found["differing"] == []
    assert found["effects"] == {"work/put[1]": 1, "work/put[2]": 1, "work/tell": 1}
    assert found["tried"] == found["boundaries"] > 35


def test_a_run_with_gates_killed_anywhere_ends_alike(project: Path) -> None:
    """A form, an approval, a task and a wait, with the people of a scenario."""
    ended = switchover(
        project, "certify", "runbooks/gates.yml", *GIVEN, "--scenario", "tests/scenarios/good.yml", "--every", 3, timeout_s=LONG_S
    )
    found = ended.must(0).json
    assert (found["differing"], found["status"]) == ([], "succeeded")
    assert found["boundaries"] > 85
    assert found["tried"] == -(-found["boundaries"] // 3)


def test_a_store_that_forgets_what_it_sent_is_found_out(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail that goes out twice, when the engine dies between sending it and saying so."""
    known, put = FileOutbox.status, FileOutbox.put
    put_here: set[str] = set()  # by this process, and each that is forked begins with none

    def remembered(outbox: FileOutbox, message_id: str, message: bytes, **about: str) -> None:
        put(outbox, message_id, message, **about)
        put_here.add(message_id)

    def forgetful(outbox: FileOutbox, message_id: str) -> OutboxEntry | None:
        return known(outbox, message_id) if message_id in put_here else None

    monkeypatch.setattr(FileOutbox, "put", remembered)
    monkeypatch.setattr(FileOutbox, "status", forgetful)
    runbook = project / "runbooks" / "mail.yml"
    runbook.write_text(
        "switchover: 1\nname: mail\nphases:\n  - name: tell\n    steps:\n      - name: all\n        action: mail.send\n"
        "        with: {connection: mail, to: pia@partner.example, subject: Moved, text: Moved}\n"
    )
    inventory = project / "inventories" / "acme"
    loaded = load(Project(project), Named(runbook, inventory, {}, lab=True))
    scenario = plain_scenario(runbook, inventory, datetime(2026, 10, 22, 9, tzinfo=UTC))
    found = certify(replace(scenario, seed=3), loaded)
    assert not found.holds
    twice = [said for boundary, said in found.differing if boundary.where == "after effect"]
    assert twice
    assert all("written, by the lab's count: mail DATA pia@partner.example: 2, and not 1" in said for said in twice)
