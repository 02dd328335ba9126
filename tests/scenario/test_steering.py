"""Skip and pause from the command line, on a run that waits: each command in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Ended, under_way
from tests.support.cli import ended as ended_of
from tests.support.cli import switchover as typed
from tests.support.project import wait_until

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


ON_CANCEL = """\
on_cancel:
  - {name: agree, title: Put a file all the same, approval: {by: partner, four_eyes: false}}
  - name: put-then
    action: phone.config
    for_each: phones
    when: run.cancelled.reason == 'withdrew' and not steps.put.changed
    with: {connection: files, mac: "{{ item.mac }}", vendor: yealink, model: T46S}
"""


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


def test_a_cancelled_run_does_what_is_done_then_and_is_over(tmp_path: Path) -> None:
    """The plan named it apart, its gates are acted at as usual, and nothing else can be said of the run but a rollback."""
    home = project(tmp_path, RUNBOOK + ON_CANCEL)
    planned = switchover(home, "plan", "runbooks/move.yml", "-i", "inventories/acme").must(0).out
    assert "Only if the run is cancelled" in planned
    assert "on-cancel/put-then: phone.config, when run.cancelled.reason == 'withdrew'" in " ".join(planned.split())
    run = begun(home)
    waits = switchover(home, "cancel", run, "--reason", "withdrew").must(6)
    assert "Put a file all the same" in waits.out
    assert "was cancelled" in switchover(home, "approve", run, "ask/sign-off", "--as", "partner").must(4).err
    assert "was cancelled" in switchover(home, "skip", run, "work/put", "--reason", "x").must(4).err
    assert "Partner signs" not in switchover(home, "inbox").must(0).out
    switchover(home, "approve", run, "on-cancel/agree", "--as", "partner").must(0)
    ended = switchover(home, "resume", "--all-due").must(0)
    assert f"Run {run} cancelled" in ended.out
    assert [path.name for path in (home / "out").iterdir()] == ["805ec0000001.cfg"]
    for words in (("resume", run), ("retry", run), ("pause", run), ("cancel", run, "--reason", "again"),
                  ("skip", run, "on-cancel/agree", "--reason", "x")):
        refused = switchover(home, *words).must(4)
        assert f"Run {run} was cancelled" in refused.err
        assert "withdrew" in refused.err
    assert switchover(home, "resume", "--all-due").must(0).out == ""
    switchover(home, "rollback", run, "--yes").must(0)
    assert list((home / "out").iterdir()) == []


def test_where_no_process_is_at_work_the_command_itself_ends_the_run(tmp_path: Path) -> None:
    """With 0, once what is done then is done."""
    slow = RUNBOOK.replace("approval: {by: partner, within: 2 days}", "wait: {signal: never}")
    home = project(tmp_path, slow + ON_CANCEL.replace("  - {name: agree, title: Put a file all the same, "
                                                      "approval: {by: partner, four_eyes: false}}\n", ""))
    run = begun(home)
    ended = switchover(home, "cancel", run, "--reason", "withdrew").must(0)
    assert f"Run {run} cancelled" in ended.out
    assert [path.name for path in (home / "out").iterdir()] == ["805ec0000001.cfg"]


def test_a_process_at_work_hears_that_its_run_is_cancelled_and_ends_it(tmp_path: Path) -> None:
    """The command that said so does not wait for it."""
    busy = """\
      - {name: mail, action: mail.send, retry: {attempts: 500, backoff: 200ms, max_backoff: 200ms}, with: MAIL}
""".replace("MAIL", "{connection: mail, to: a@example.net, subject: Hello, text: Hello}")
    then = ON_CANCEL[: ON_CANCEL.index("  - {name: agree")] + ON_CANCEL[ON_CANCEL.index("  - name: put-then") :]
    home = project(tmp_path, RUNBOOK.replace("      - {name: sign-off, title: Partner signs, approval: "
                                             "{by: partner, within: 2 days}}\n", busy) + then)
    inventory = home / "inventories" / "acme" / "inventory.yml"
    no_server = "connections:\n  mail: {type: smtp, host: 127.0.0.1, port: 9, security: none, from: b@example.net}\n"
    inventory.write_text(inventory.read_text().replace("connections:\n", no_server))
    apply = ("apply", "runbooks/move.yml", "-i", "inventories/acme", "--yes")
    with under_way(home, *apply, env={"LINE": "line-secret-1"}) as process:
        wait_until(lambda: "trying again" in switchover(home, "status").out, "the run tries again")
        said = switchover(home, "cancel", run_of(home), "--reason", "withdrew").must(0)
        assert "The process at work on the run ends it" in said.err
        ended = ended_of(process).must(0)
    assert "cancelled" in ended.out
    assert [path.name for path in (home / "out").iterdir()] == ["805ec0000001.cfg"]
