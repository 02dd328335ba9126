"""A run that waits for people, from the command line: each command as a person types it, each in a process of its own."""

from __future__ import annotations

import json
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
calendars:
  company: {}
people:
  partner: {name: Pia Partner, email: pia@partner.example, deputy: {role: deputy, from: 2020-01-01, until: 2999-12-31}}
  deputy: {name: Dee Deputy}
  stranger: {name: Sam Stranger, logins: [nobody-has-this-account]}
collections:
  phones:
    items: [{mac: 805ec0000001, vendor: yealink, model: T46S, extension: "101", label: Front, line_password: "env:LINE"}]
defaults: {sip_server: sip.example.net}
"""
RUNBOOK = """\
switchover: 1
name: move
title: Move
phases:
  - name: ask
    steps:
      - name: form
        title: Cancellation form
        input:
          by: partner
          within: 2 business days
          calendar: company
          form:
            required: [route]
            properties: {route: {enum: [local, vo]}, seats: {type: integer, minimum: 1}, zip: {type: string}}
      - name: sign-off
        title: Partner signs
        approval: {by: [partner, stranger], four_eyes: false, covers: [work/put]}
      - name: lift
        task: {by: partner, checklist: [Lift phone], evidence: true}
      - name: ported
        wait: {signal: port-completed}
  - name: work
    steps:
      - name: put
        action: phone.config
        for_each: phones
        with: {connection: files, mac: "{{ item.mac }}", vendor: yealink, model: T46S}
"""


def switchover(home: Path, *words: str, **environment: str) -> Ended:
    """Typed in the project's folder, where the secret is at hand."""
    return typed(home, *words, env={"LINE": "line-secret-1", **environment})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project with a run that waits for a form."""
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "move.yml").write_text(RUNBOOK)
    (tmp_path / "inventories" / "acme").mkdir(parents=True)
    (tmp_path / "inventories" / "acme" / "inventory.yml").write_text(INVENTORY)
    (tmp_path / "out").mkdir()
    started = switchover(tmp_path, "apply", "runbooks/move.yml", "-i", "inventories/acme", "--yes").must(6)
    assert "Cancellation form" in started.out
    return tmp_path


def run_of(home: Path) -> str:
    found: str = json.loads(switchover(home, "status", "--output", "json").must(0).out)[0]["run"]
    return found


def as_partner(home: Path, command: str, *words: str) -> Ended:
    return switchover(home, command, run_of(home), *words, "--as", "partner")


def test_a_run_is_led_through_all_its_gates_to_the_end(home: Path) -> None:
    """Form, approval, manual work, outside event; nothing is written before the last of them."""
    as_partner(home, "answer", "ask/form", "--set", "route=vo", "--set", "seats=3", "--set", "zip=01234").must(0)
    switchover(home, "resume").must(6)
    shown = switchover(home, "show", "--run", run_of(home), "--at", "ask/sign-off").must(0)
    assert "805ec0000001.cfg" in shown.out
    assert "line-secret-1" not in shown.out
    as_partner(home, "approve", "ask/sign-off", "--comment", "as agreed").must(0)
    switchover(home, "resume").must(6)
    (home / "photo.jpg").write_bytes(b"a photo of the lift phone")
    as_partner(home, "done", "ask/lift", "--evidence", "photo.jpg").must(0)
    assert list((home / "out").iterdir()) == []
    switchover(home, "signal", run_of(home), "port-completed", "--data", "order=P-7").must(0)
    switchover(home, "resume", "--all-due").must(0)
    assert [path.name for path in (home / "out").iterdir()] == ["805ec0000001.cfg"]
    report = switchover(home, "report", run_of(home), "--html", "report.html").must(0)
    page = (home / "report.html").read_text()
    assert "succeeded" in report.out
    assert "Pia Partner voted approve: as agreed" in page
    assert "line-secret-1" not in page
    kept = list((home / ".switchover" / "runs" / run_of(home) / "evidence").iterdir())
    assert [path.read_bytes() for path in kept] == [b"a photo of the lift phone"]


def test_the_inbox_says_what_waits_for_whom_and_what_to_type(home: Path) -> None:
    """For everybody, for one role, and for programs."""
    shown = switchover(home, "inbox").must(0).out
    assert "Cancellation form  Acme Dental" in shown
    assert f"switchover answer {run_of(home)} ask/form" in shown
    assert switchover(home, "inbox", "--role", "stranger").must(0).out.strip() == "Nothing waits for anybody."
    entry = switchover(home, "inbox", "--role", "partner", "--output", "json").must(0).json["entries"][0]
    assert (entry["gate"], entry["address"], entry["customer"]) == ("input", "ask/form", "Acme Dental")


@pytest.mark.parametrize(("words", "code", "said"), [
    (("answer", "ask/form", "--as", "partner", "--set", "route=moon"), 3, "'moon' is not one of local, vo"),
    (("answer", "ask/form", "--as", "partner", "--set", "route=vo", "--set", "seets=2"), 3, "'seets' means nothing"),
    (("answer", "ask/form", "--as", "partner"), 1, "Nobody is there to answer"),
    (("answer", "ask/from", "--as", "partner", "--set", "route=vo"), 4, "Did you mean 'ask/form'?"),
    (("answer", "ask/form", "--set", "route=vo"), 4, "Say for whom you act with --as ROLE"),
    (("approve", "ask/form", "--as", "partner"), 4, "it is no approval but a form"),
    (("done", "ask/form", "--as", "partner", "--evidence", "nothing.jpg"), 4, "it is no task but a form"),
    (("release", "--reason", "why not"), 4, "Nothing of this run is held"),
    (("hold", "wrok", "--reason", "month end"), 4, "Did you mean 'work'?"),
    (("reject", "ask/form"), 3, "--comment"),
])
def test_what_does_not_count_is_refused_with_the_reason(
    home: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    """And nothing is journalled of it."""
    before = switchover(home, "inbox").out
    command, *rest = words
    ended = switchover(home, command, run_of(home), *rest)
    assert ended.code == code, ended.err
    assert said in " ".join(ended.err.split())
    assert "Traceback" not in ended.err
    assert switchover(home, "inbox").out.splitlines()[0] == before.splitlines()[0]


def test_an_answer_from_a_file_is_judged_where_it_stands(home: Path) -> None:
    """File, line and column of each mistake; a good one is taken."""
    (home / "answer.yml").write_text("route: vo\nseats: many\n")
    refused = as_partner(home, "answer", "ask/form", "--file", "answer.yml").must(3)
    assert "answer.yml:2:8" in refused.err
    (home / "answer.yml").write_text("route: vo\nseats: 2\n")
    as_partner(home, "answer", "ask/form", "--file", "answer.yml").must(0)


def test_a_hold_keeps_the_run_and_all_due_goes_on_after_it(home: Path) -> None:
    """The reason stands in the status."""
    run = run_of(home)
    switchover(home, "hold", run, "ask", "--reason", "month end", "--owner", "Max").must(0)
    switchover(home, "hold", run, "ask", "--reason", "again").must(4)
    as_partner(home, "answer", "ask/form", "--set", "route=vo").must(0)
    held = switchover(home, "resume").must(6)
    assert "ask is held by Max: month end" in " ".join(held.out.split())
    switchover(home, "release", run, "ask", "--reason", "they are ready").must(0)
    switchover(home, "resume", "--all-due").must(0)
    assert "Partner signs" in switchover(home, "inbox").out


def test_who_acts_is_told_by_the_process_and_not_by_its_environment(home: Path) -> None:
    """Anybody may set LOGNAME."""
    as_partner(home, "answer", "ask/form", "--set", "route=vo").must(0)
    switchover(home, "resume").must(6)
    forged = dict.fromkeys(("LOGNAME", "USER", "USERNAME"), "nobody-has-this-account")
    refused = switchover(home, "approve", run_of(home), "ask/sign-off", **forged).must(4)
    assert "Not yours to decide" in refused.err


def token_for(home: Path, address: str, role: str = "partner", *more: str) -> str:
    switchover(home, "token", run_of(home), address, "--for", role, "--out", "p.token", *more).must(0)
    return "p.token"


def test_a_token_acts_once_for_its_person(home: Path) -> None:
    """The journal tells which token it was; a second time is refused."""
    held = token_for(home, "ask/form")
    switchover(home, "redeem", held, "answer", "--set", "route=vo").must(0)
    again = switchover(home, "redeem", held, "answer", "--set", "route=local").must(4)
    assert "The token was used already" in again.err
    switchover(home, "resume").must(6)
    told = switchover(home, "report", run_of(home), "--jsonl", "events.jsonl").must(0)
    assert told.code == 0
    answered = [json.loads(line) for line in (home / "events.jsonl").read_text().splitlines() if "gate_answered" in line]
    assert answered[0]["data"]["who"] == "Pia Partner"
    assert answered[0]["data"]["via"].startswith("token ")
    assert (home / "p.token").stat().st_mode & 0o077 == 0
    assert (home / ".switchover" / "token.key").stat().st_mode & 0o077 == 0


def test_a_token_that_was_altered_or_expired_or_is_for_another_gate_is_refused(home: Path) -> None:
    """With the reason, and nothing is journalled."""
    held = home / token_for(home, "ask/form")
    text = held.read_text().strip()
    head, payload, signature = text.split(".")
    for wrong in (f"{head}.{payload[:-2]}AA.{signature}", f"{head}.{payload}.{signature[:-4]}AAAA", "nonsense", "", f"x{text}"):
        held.write_text(wrong)
        assert "The token is not genuine" in switchover(home, "redeem", held.name, "answer", "--set", "route=vo").must(4).err
    held.write_text(text)
    assert "it is no approval but a form" in switchover(home, "redeem", held.name, "approve").must(4).err
    held.unlink()
    late = token_for(home, "ask/form", "partner", "--good-for", "0s")
    assert "The token has expired" in switchover(home, "redeem", late, "answer", "--set", "route=vo").must(4).err
    stranger = switchover(home, "token", run_of(home), "ask/form", "--for", "stranger").must(4)
    assert "Nobody of that role is asked" in stranger.err


def test_what_one_is_asked_is_handed_to_somebody_else(home: Path) -> None:
    """Inbox and report say for whom they act and why; who handed it on is sent away, and so is a token of theirs."""
    held = token_for(home, "ask/form")
    to = (run_of(home), "ask/form", "--as", "partner", "--reason", "on leave")
    unknown = switchover(home, "delegate", *to, "--to", "strangr").must(4)
    assert "Nobody is called strangr" in unknown.err
    assert "Did you mean 'stranger'?" in unknown.err
    switchover(home, "delegate", *to, "--to", "deputy").must(0)
    assert "Dee Deputy (partner, delegated by Pia Partner: on leave)" in " ".join(switchover(home, "inbox").out.split())
    gone = as_partner(home, "answer", "ask/form", "--set", "route=vo").must(4)
    assert "Pia Partner handed it to Dee Deputy: on leave" in " ".join(gone.err.split())
    assert "Pia Partner handed it to Dee Deputy" in switchover(home, "redeem", held, "answer", "--set", "route=vo").must(4).err
    switchover(home, "answer", run_of(home), "ask/form", "--as", "Dee Deputy", "--set", "route=vo").must(0)
    switchover(home, "resume").must(6)
    switchover(home, "report", run_of(home), "--html", "report.html").must(0)
    page = (home / "report.html").read_text()
    assert "Pia Partner handed it to Dee Deputy: on leave" in page
    assert "Dee Deputy for partner (delegated by Pia Partner: on leave) answered" in page


def test_a_standing_deputy_finds_it_in_their_inbox(home: Path) -> None:
    """From the inventory, without anybody handing on anything."""
    mine = switchover(home, "inbox", "--role", "deputy").must(0).out
    assert "Pia Partner (partner) or Dee Deputy (partner, deputy of Pia Partner until 2999-12-31)" in " ".join(mine.split())
    switchover(home, "answer", run_of(home), "ask/form", "--as", "deputy", "--set", "route=vo").must(0)


def test_what_changed_after_it_was_approved_is_approved_once_more(home: Path) -> None:
    """The status says how; what is asked about is shown as it is now; nothing is written before."""
    as_partner(home, "answer", "ask/form", "--set", "route=vo").must(0)
    switchover(home, "resume").must(6)
    as_partner(home, "approve", "ask/sign-off").must(0)
    switchover(home, "resume").must(6)
    (home / "photo.jpg").write_bytes(b"a photo")
    as_partner(home, "done", "ask/lift", "--evidence", "photo.jpg").must(0)
    switchover(home, "event", run_of(home), "port-completed").must(0)
    file = home / "out" / "805ec0000001.cfg"
    file.write_text("somebody was here\n")
    lapsed = switchover(home, "resume").must(5)
    assert f"switchover retry {run_of(home)} --ask-again" in lapsed.out
    switchover(home, "retry", "--ask-again").must(6)
    shown = switchover(home, "show", "--run", run_of(home), "--at", "ask/sign-off").must(0)
    assert "-somebody was here" in shown.out
    assert file.read_text() == "somebody was here\n"
    as_partner(home, "approve", "ask/sign-off", "--comment", "their line may go").must(0)
    switchover(home, "resume").must(0)
    assert "somebody was here" not in file.read_text()
    assert "No approval has lapsed" in switchover(home, "retry", "--ask-again").err
