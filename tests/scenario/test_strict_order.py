"""A strict runbook from the command line: what would go against its order is refused, and let by the one who may, on record."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from tests.scenario.test_steering import INVENTORY, PUT, begun, project, switchover

ME = pwd.getpwuid(os.getuid()).pw_name
PEOPLE = f"""\
people:
  partner: {{name: Pia Partner, email: pia@partner.example}}
  director: {{name: Dora Director, logins: [{ME}]}}
  manager: {{name: Max Manager, logins: [nobody-has-this-account]}}
  owner: {{name: Olga Owner, logins: [{ME}]}}
"""
RUNBOOK = f"""\
switchover: 1
name: move
title: Move
order: strict
overrides: {{by: [director, manager]}}
phases:
  - name: ask
    steps:
      - {{name: form, input: {{by: partner, form: {{properties: {{route: {{enum: [local, vo]}}}}}}}}}}
      - {{name: lift, task: {{by: partner}}}}
  - name: work
    steps:
{PUT.format(name="put")}"""


MAIL = """\
phases:
  - name: first
    steps:
      - {name: script, action: mail.send, with: {connection: mail, to: a@example.net, subject: Hello, text: Hello}}
"""
NO_SERVER = "connections:\n  mail: {type: smtp, host: 127.0.0.1, port: 9, security: none, from: b@example.net}\n"


def strict(home: Path, runbook: str = RUNBOOK) -> Path:
    made = project(home, runbook)
    people = "people:\n  partner: {name: Pia Partner, email: pia@partner.example}\n"
    assert people in INVENTORY
    (home / "inventories" / "acme" / "inventory.yml").write_text(INVENTORY.replace(people, PEOPLE))
    return made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return strict(tmp_path)


LET = ("--override", "director")


def test_a_step_is_skipped_only_by_who_may(home: Path) -> None:
    """Neither without a name, nor in the name of somebody else; what was let stands in status and report."""
    run = begun(home)
    skip = ("skip", run, "ask/form", "--reason", "agreed by telephone")
    refused = " ".join(switchover(home, *skip).must(4).err.split())
    assert "ask/form would be passed by, and its runbook's order is strict" in refused
    assert "Dora Director (director) or Max Manager (manager) may: --override director --reason WHY" in refused
    other = switchover(home, *skip, "--override", "manager").must(4).err
    assert "Max Manager acts by the account nobody-has-this-account" in other
    assert "Olga" not in switchover(home, *skip, "--override", "owner").must(4).err.replace("owner is not among", "")
    switchover(home, *skip, *LET).must(0)
    resumed = switchover(home, "resume", run).must(6)
    let = "Against the order: ask/form would be passed by. Let by Dora Director (director; account"
    assert let in " ".join(resumed.out.split())
    switchover(home, "report", run, "--html", "report.html").must(0)
    assert "Let by Dora Director" in (home / "report.html").read_text()
    overrides = switchover(home, "status", run, "--output", "json").must(0).json["order_overrides"]
    assert [(o["who"], o["reason"]) for o in overrides] == [("Dora Director", "agreed by telephone")]


def test_manual_work_is_not_reported_as_skipped(home: Path) -> None:
    run = begun(home)
    switchover(home, "answer", run, "ask/form", "--as", "partner", "--set", "route=vo").must(0)
    switchover(home, "resume", run).must(6)
    done = ("done", run, "ask/lift", "--as", "partner", "--skipped", "--reason", "no lift")
    assert "Against the order" in switchover(home, *done).must(4).err
    switchover(home, *done, *LET).must(0)
    switchover(home, "resume", run).must(0)


def test_an_answer_on_which_something_hangs_is_not_corrected(home: Path) -> None:
    run = begun(home)
    switchover(home, "answer", run, "ask/form", "--as", "partner", "--set", "route=vo").must(0)
    switchover(home, "resume", run).must(6)
    correct = ("answer", run, "ask/form", "--as", "partner", "--set", "route=local", "--correct")
    assert "Against the order" in switchover(home, *correct).must(4).err
    switchover(home, *correct, *LET, "--reason", "they meant the other").must(0)


@pytest.mark.parametrize("limit", ["work", "[805ec0000001]", "ask/lift"])
def test_a_limit_leaves_out_no_step_before_a_selected_one(home: Path, limit: str) -> None:
    """Items, and what comes last, may be left out."""
    given = ("runbooks/move.yml", "-i", "inventories/acme")
    for command in (("plan", *given), ("apply", *given, "--yes")):
        refused = switchover(home, *command, "--limit", limit).must(4)
        assert "--limit leaves out ask/form" in refused.err
    switchover(home, "plan", *given, "--limit", "ask").must(0)
    switchover(home, "plan", *given, "--limit", "ask", "--limit", "work/put[805ec*]").must(0)


def test_a_plan_of_a_part_is_let_again_when_it_is_applied(home: Path) -> None:
    """By whoever applies it, on record."""
    given = ("runbooks/move.yml", "-i", "inventories/acme", "--limit", "work")
    because = (*LET, "--reason", "the first part was last week")
    assert "--reason wants words" in switchover(home, "plan", *given, *LET).must(3).err
    switchover(home, "plan", *given, "--out", "w.plan", *because).must(0)
    assert "Against the order" in switchover(home, "apply", "w.plan").must(4).err
    applied = switchover(home, "apply", "w.plan", *because).must(0)
    assert "the first part was last week" in " ".join(applied.out.split())


def test_a_failure_is_not_passed_over_by_resuming(tmp_path: Path) -> None:
    """It is tried again, or skipped, or somebody who may lets the run go on."""
    home = strict(tmp_path, RUNBOOK.replace("phases:\n", MAIL))
    inventory = home / "inventories" / "acme" / "inventory.yml"
    inventory.write_text(inventory.read_text().replace("connections:\n", NO_SERVER))
    run = begun(home, 7)
    refused = " ".join(switchover(home, "resume", run).must(4).err.split())
    assert "first/script has failed, and what comes after it would start all the same" in refused
    assert f"switchover retry {run}" in refused
    switchover(home, "retry", run).must(7)
    gone_on = switchover(home, "resume", run, *LET, "--reason", "done by hand").must(6)
    assert "done by hand" in gone_on.out


def test_where_nobody_may_override_nobody_does(tmp_path: Path) -> None:
    home = strict(tmp_path, RUNBOOK.replace("overrides: {by: [director, manager]}\n", ""))
    run = begun(home)
    refused = switchover(home, "skip", run, "ask/form", "--reason", "x", *LET).must(4)
    assert "Nobody may override that" in " ".join(refused.err.split())


def test_what_must_precede_is_guarded_where_the_order_is_free_otherwise(tmp_path: Path) -> None:
    """The first of a pair is not skipped, and no limit leaves it out before the second; all else is free."""
    free = RUNBOOK.replace("order: strict\n", "must_precede: [[ask/lift, work/put]]\n")
    home = strict(tmp_path, free)
    run = begun(home)
    switchover(home, "skip", run, "ask/form", "--reason", "x").must(0)
    assert "its runbook says what must precede what" in switchover(home, "skip", run, "ask/lift", "--reason", "x").must(4).err
    given = ("plan", "runbooks/move.yml", "-i", "inventories/acme", "--limit")
    assert "--limit leaves out ask/lift, and work/put comes after it" in switchover(home, *given, "work").must(4).err
    switchover(home, *given, "ask/lift", "--limit", "work").must(0)


def test_lint_shows_the_way_round_and_says_so_by_its_exit_code(tmp_path: Path) -> None:
    """For people with the place, for programs with the rule; and nothing for what is proved."""
    asked = "must_precede: [[ask/lift, work/put]]\n"
    home = strict(tmp_path, RUNBOOK.replace("order: strict\n", asked))
    switchover(home, "lint", "--profile", "basic").must(0)
    path = home / "runbooks" / "move.yml"
    path.write_text(path.read_text().replace("name: lift, task", "name: lift, when: steps.form.outputs.route == 'vo', task"))
    found = switchover(home, "lint", "runbooks/move.yml", "-i", "inventories/acme").must(3)
    told = " ".join(found.err.split())
    assert "error: SW101 Can run without what must precede it runbooks/move.yml:4:16" in told
    assert "It is so when steps.form.outputs.route is" in told
    assert "Then these run, in this order: ask/form, work/put." in told
    entry = switchover(home, "lint", "--output", "json").must(3).json["findings"][0]
    assert (entry["rule"], entry["line"], entry["severity"]) == ("SW101", 4, "error")
    path.write_text(path.read_text().replace(asked, asked.rstrip() + "  # noqa: SW101 the lift is somebody else's\n"))
    switchover(home, "lint").must(0)
    path.write_text(path.read_text().replace("phone.config", "phone.cnfig"))
    assert "No action is called 'phone.cnfig'" in switchover(home, "lint").must(3).err
