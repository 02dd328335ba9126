"""Skip and pause from the command line, on a run that waits: each command in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Ended
from tests.support.cli import switchover as typed

INVENTORY = """\
switchover: 1
customer: acme
title: Acme Dental
timezone: America/New_York
connections:
  files: {type: local, root: out}
people:
  partner: {name: Pia Partner, email: pia@partner.example}
collections:
  phones:
    items: [{mac: 805ec0000001, vendor: yealink, model: T46S, extension: "101", label: Front, line_password: "env:LINE"}]
defaults: {sip_server: sip.example.net}
"""
PUT = """\
      - name: {name}
        action: phone.config
        for_each: phones
        with: {{connection: files, mac: "{{{{ item.mac }}}}", vendor: yealink, model: T46S}}
"""
RUNBOOK = f"""\
switchover: 1
name: move
title: Move
phases:
  - name: ask
    steps:
      - {{name: sign-off, title: Partner signs, approval: {{by: partner, within: 2 days}}}}
  - name: work
    steps:
{PUT.format(name="put")}"""


def project(home: Path, runbook: str) -> Path:
    """A project with a run that waits for the partner."""
    (home / "runbooks").mkdir()
    (home / "runbooks" / "move.yml").write_text(runbook)
    (home / "inventories" / "acme").mkdir(parents=True)
    (home / "inventories" / "acme" / "inventory.yml").write_text(INVENTORY)
    (home / "out").mkdir()
    return home


def switchover(home: Path, *words: str) -> Ended:
    return typed(home, *words, env={"LINE": "line-secret-1"})


def begun(home: Path, code: int = 6) -> str:
    switchover(home, "apply", "runbooks/move.yml", "-i", "inventories/acme", "--yes").must(code)
    return run_of(home)


def run_of(home: Path) -> str:
    return str(switchover(home, "status", "--output", "json").must(0).json[0]["run"])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return project(tmp_path, RUNBOOK)


def test_a_paused_run_is_left_alone_until_it_is_named(home: Path) -> None:
    """The vote counts all the same, and status and inbox say why nothing goes on."""
    run = begun(home)
    switchover(home, "pause", run, "--reason", "the customer rang").must(0)
    assert "paused by" in switchover(home, "inbox").must(0).out
    switchover(home, "approve", run, "ask/sign-off", "--as", "partner").must(4)  # whoever started the run may not
    switchover(home, "skip", run, "ask/sign-off", "--reason", "agreed by telephone").must(0)
    switchover(home, "resume", "--all-due").must(0)
    status = switchover(home, "status", run).must(0).out
    assert "paused" in status
    assert "the customer rang" in status
    assert list((home / "out").iterdir()) == []
    ended = switchover(home, "resume", run).must(0)
    assert "ask/sign-off was skipped by" in " ".join(ended.out.split())
    assert [path.name for path in (home / "out").iterdir()] == ["805ec0000001.cfg"]
    switchover(home, "report", run, "--html", "report.html").must(0)
    assert "agreed by telephone" in (home / "report.html").read_text()


@pytest.mark.parametrize(("words", "code", "said"), [
    (("skip", "work/pat", "--reason", "x"), 4, "Did you mean 'work/put'?"),
    (("skip", "work/put", "--reason", " "), 3, "--reason wants words"),
    (("skip", "work/put"), 3, "--reason"),
    (("skip", "work/put[nobody]", "--reason", "x"), 4, "phones has no item nobody"),
])
def test_what_does_not_count_is_refused_with_the_reason(
    home: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    run = begun(home)
    ended = switchover(home, words[0], run, *words[1:])
    assert ended.code == code, ended.err
    assert said in " ".join(ended.err.split())
    assert "Traceback" not in ended.err
