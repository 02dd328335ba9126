"""A run that waits for a ticket, from the command line: the lab's desk is a real server, each command a process of its own."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.lab.board import Board, Fault, write_faults
from engine.lab.desk import build
from engine.lab.web_server import LabServer
from tests.support.cli import Ended, switchover
from tests.support.desk_bench import SECRETS

INVENTORY = """\
switchover: 1
customer: acme
title: Acme Dental
timezone: America/New_York
connections:
  desk: {{type: rt, url: "{url}", token: "env:RT"}}
  files: {{type: local, root: out}}
calendars:
  company: {{}}
people:
  project_manager: {{name: Pia Partner, email: pia@partner.example}}
"""
RUNBOOK = """\
switchover: 1
name: line
title: Line
phases:
  - name: close
    steps:
      - name: open-ticket
        action: ticket.ensure
        with: {connection: desk, subject: Close a line, queue: General}
      - name: closed
        title: The line is closed
        wait:
          observe:
            action: ticket.state
            with: {connection: desk, ticket: "{{ steps.open_ticket.outputs.id }}", states: [resolved]}
          every: 0.2s
          backoff: 2
          max_every: 1h
          within: 5 business days
          calendar: company
          message: "Carrier closes the line of {{ customer.title }}"
      - name: told
        action: ticket.comment
        with: {connection: desk, ticket: "{{ steps.closed.outputs.id }}", text: "Seen as {{ steps.closed.outputs.status }}"}
"""


@dataclass(frozen=True)
class Home:
    """A project, and the desk it leads to."""

    folder: Path
    url: str

    def __call__(self, *words: str) -> Ended:
        return switchover(self.folder, *words, env={"RT": SECRETS["rt_token"]})

    def move(self, ticket: int, status: str) -> None:
        """As somebody does who works at the desk."""
        request = urllib.request.Request(  # loopback
            f"{self.url}/REST/2.0/ticket/{ticket}", json.dumps({"Status": status}).encode(), method="PUT",
            headers={"Authorization": f"token {SECRETS['rt_token']}", "Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A run that has opened its ticket and waits for it."""
    (tmp_path / "desk").mkdir()
    board = Board(tmp_path / "desk", "desk")
    with LabServer(board, build(board, {"secrets": SECRETS})) as server:
        (tmp_path / "runbooks").mkdir()
        (tmp_path / "runbooks" / "line.yml").write_text(RUNBOOK)
        (tmp_path / "inventories" / "acme").mkdir(parents=True)
        (tmp_path / "inventories" / "acme" / "inventory.yml").write_text(INVENTORY.format(url=server.url))
        home = Home(tmp_path, server.url)
        home("apply", "runbooks/line.yml", "-i", "inventories/acme", "--yes").must(6)
        yield home


def test_a_run_waits_for_a_ticket_and_goes_on_when_it_is_resolved(home: Home) -> None:
    """Status and inbox say what was seen last and when it is looked again; a timer takes it up, or somebody who knows more."""
    shown = " ".join(home("status", home("status", "--output", "json").json[0]["run"]).must(0).out.split())
    assert "close/closed: The line is closed - waits for ticket.state to find it so" in shown
    assert "ticket 1 is 'new', not 'resolved'; the next look is at" in shown
    entry = home("inbox", "--output", "json").must(0).json["entries"][0]
    assert entry["seen"] == "ticket 1 is 'new', not 'resolved'"
    assert entry["next_look"] > entry["since"]
    assert "ticket 1 is 'new', not 'resolved'; the next look is at" in home("inbox").must(0).out
    home.move(1, "open")
    time.sleep(0.2)
    home("resume", "--all-due").must(0)
    assert "ticket 1 is 'open', not 'resolved'" in home("inbox").out
    home.move(1, "resolved")
    home("resume", "--look").must(0)
    assert home("status", "--output", "json").json[0]["status"] == "succeeded"
    report = home("report", "--html", "report.html").must(0)
    assert "succeeded" in report.out
    assert "it was found to be so" in (home.folder / "report.html").read_text()


def test_a_ticket_that_ends_in_another_way_refuses_the_gate(home: Home) -> None:
    """With the reason of the desk, and what comes after it is not done."""
    home.move(1, "rejected")
    ended = home("resume", "--look").must(7)
    assert "ticket 1 was closed as 'rejected'; this step waits for 'resolved'" in " ".join(ended.text.split())


def test_a_desk_that_is_away_is_looked_at_again(home: Home) -> None:
    """Nothing fails because it was down for a while."""
    write_faults(home.folder / "desk", [Fault("f", "desk", "status", "", None, 503)])
    home("resume", "--look").must(6)
    assert "it could not be read:" in home("inbox").must(0).out
    write_faults(home.folder / "desk", [])
    home.move(1, "resolved")
    home("resume", "--look").must(0)


@pytest.mark.parametrize(("action", "said"), [
    ("mail.send", "a mail that was sent leaves nothing that could be looked at"),
    ("ssh.command, with: {connection: desk, command: reboot}", "without 'creates' or 'unless' nothing tells whether the command"),
    ("phone.resync", "without 'proof' nobody can tell whether the phone has fetched its file"),
])
def test_what_cannot_be_looked_at_is_refused_before_anything_is_done(tmp_path: Path, action: str, said: str) -> None:
    """By validate, with the place where it stands."""
    (tmp_path / "b.yml").write_text(
        "switchover: 1\nname: b\nphases:\n  - name: p\n    steps:\n      - name: w\n"
        f"        wait: {{observe: {{action: {action}}}}}\n"
    )
    refused = switchover(tmp_path, "validate", "b.yml").must(3)
    assert "b.yml:7:34" in refused.text
    assert said in " ".join(refused.text.split())
