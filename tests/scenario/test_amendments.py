"""A run that goes over to a new revision of its runbook midway: what is done stays, what contradicts it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.model.event import GateClosed, RunAmended
from engine.model.run import RunStatus
from tests.support.cli import Ended
from tests.support.project import Folder, inodes, statuses

INVENTORY = """\
switchover: 1
customer: acme
title: Acme Dental
timezone: America/New_York
connections:
  files: {type: local, root: out}
people:
  partner: {name: Pia Partner, email: pia@partner.example}
  boss: {name: Bo Boss}
collections:
  papers:
    key: name
    items: [{name: one, price: "10"}, {name: two, price: "20"}]
defaults: {kind: Paper}
"""
RUNBOOK = """\
switchover: 1
name: move
title: Move
inputs:
  product: {type: string, default: VoIP}
phases:
  - name: first
    steps:
      - name: paper
        action: document.render
        for_each: papers
        where: item.price != '99'
        with: {connection: files, path: "{{ item.name }}.html", template: document/proposal.html.j2, title: "T {{ item.price }}"}
      - name: never
        action: document.render
        when: "false"
        with: {connection: files, path: never.html, template: document/proposal.html.j2, title: Never}
  - name: ask
    steps:
      - name: form
        title: Which way
        input: {by: partner, within: 3 days, form: {required: [route], properties: {route: {enum: [local, vo]}}}}
      - name: sign-off
        approval: {by: [partner], four_eyes: false, covers: [work/put]}
  - name: work
    steps:
      - name: put
        action: document.render
        with: {connection: files, path: put.html, template: document/proposal.html.j2, title: "Put {{ inputs.product }}"}
      - name: last
        action: document.render
        with: {connection: files, path: last.html, template: document/proposal.html.j2, title: Last}
"""
EXTRA = """\
        action: document.render
        with: {connection: files, path: extra.html, template: document/proposal.html.j2, title: Extra}
"""
BOOK, HOUSE = "runbooks/move.yml", "inventories/acme"
TABLE = f"{HOUSE}/inventory.yml"


@pytest.fixture
def home(tmp_path: Path) -> Folder:
    """A project with a run that has written two papers and waits for a form."""
    for name in ("runbooks", HOUSE, "out"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / BOOK).write_text(RUNBOOK)
    (tmp_path / TABLE).write_text(INVENTORY)
    folder = Folder(tmp_path)
    folder.quick("apply", BOOK, "-i", HOUSE, "--yes", "--set", "product=X").must(6)
    return folder


def amend(home: Folder, *more: str) -> Ended:
    return home.quick("amend", home.runs()[0], "--runbook", BOOK, *more)


def told(ended: Ended) -> str:
    """What it showed, however wide the terminal."""
    return " ".join(ended.out.split())


def answered(home: Folder) -> None:
    """The form is filled in, and the run goes on to its approval."""
    home.quick("answer", home.runs()[0], "ask/form", "--as", "partner", "--set", "route=vo").must(0)
    home.quick("resume").must(6)


def approved(home: Folder) -> None:
    """What is to be put is approved, and held so that it is not done yet."""
    run = home.runs()[0]
    home.quick("hold", run, "work", "--reason", "not yet", "--owner", "Max").must(0)
    home.quick("approve", run, "ask/sign-off", "--as", "partner").must(0)
    home.quick("resume").must(6)


def finished(home: Folder) -> None:
    """Everything that is still asked is given; the run ends well."""
    run = home.runs()[0]
    if "work" in home.fold().holds:
        home.quick("release", run, "work", "--reason", "now").must(0)
    home.quick("resume")
    for command, address in (("answer", "ask/form"), ("approve", "ask/sign-off")):
        if home.fold().gates[address].is_open:
            more = ["--set", "route=vo"] if command == "answer" else []
            home.quick(command, run, address, "--as", "partner", *more).must(0)
            home.quick("resume")
    assert home.fold().status is RunStatus.SUCCEEDED
    home.verify()


# ---------------------------------------------------------------- what is accepted


def test_what_is_left_is_done_as_the_new_revision_has_it_and_what_is_done_is_not_done_again(home: Folder) -> None:
    """A step is altered, one is new, an item is new; the two papers stay, and nothing is written by the amendment itself."""
    before = inodes(home.root / "out")
    home.edit(BOOK, "title: Last}", 'title: "Last of {{ kind }}"}')
    home.edit(BOOK, "      - name: last\n", f"      - name: extra\n{EXTRA}      - name: last\n")
    home.edit(TABLE, '{name: two, price: "20"}', '{name: two, price: "20"}, {name: three, price: "30"}')
    shown = amend(home, "-i", HOUSE, "--yes", "--reason", "three papers").must(0)
    for said in (
        "from revision 1 to 2", "first/paper (2 items)", "new work/extra", "still asks the same ask/form",
        "last.html: Last of Paper", "three.html",
    ):
        assert said in told(shown), shown.out
    assert inodes(home.root / "out") == before
    assert "(three papers): revision 2" in home.quick("status", home.runs()[0]).out
    finished(home)
    after = inodes(home.root / "out")
    assert {name: after[name] for name in before} == before, "a paper was written again"
    assert set(after) == {"one.html", "two.html", "three.html", "put.html", "extra.html", "last.html"}
    assert "Last of Paper" in (home.root / "out" / "last.html").read_text()


def test_the_amendment_stands_in_the_journal_the_status_and_the_reports(home: Folder) -> None:
    """Who, why, the digests before and after; and every later command goes by the newest revision."""
    home.edit(BOOK, "title: Last}", "title: Later}")
    amend(home, "--yes", "--reason", "typo").must(0)
    (event,) = [event for event in home.events() if isinstance(event, RunAmended)]
    assert (event.revision, event.reason) == (2, "typo")
    assert event.before["runbook"] != event.after["runbook"]
    assert event.before["inventory"] == event.after["inventory"]
    stands = home.quick("status", home.runs()[0], "--output", "json").json
    assert (stands["revision"], stands["amended"][0]["reason"]) == (2, "typo")
    home.quick("report", home.runs()[0], "--html", "r.html").must(0)
    assert "to revision 2: typo" in (home.root / "r.html").read_text()


def test_layout_alone_is_nothing_to_amend(home: Folder) -> None:
    """What counts is what the runbook means."""
    home.edit(BOOK, "phases:\n", "\n# a word to the reviewer\nphases:\n")
    assert "goes by this very revision" in amend(home, "--yes").must(0).err
    assert home.fold().revision == 1


def test_nobody_at_the_terminal_agrees_to_nothing(home: Folder) -> None:
    home.edit(BOOK, "title: Last}", "title: Later}")
    refused = amend(home)
    assert "Nobody is there to agree" in refused.must(1).err
    assert home.fold().revision == 1
    assert not list((home.state / "runs" / home.runs()[0] / "revisions").iterdir())


def test_a_run_that_stopped_over_changed_templates_goes_on_by_those_of_now(home: Folder) -> None:
    """The error says so itself."""
    own = home.root / "templates" / "document" / "proposal.html.j2"
    own.parent.mkdir(parents=True)
    own.write_text("<h1>{{ document.title }}</h1>\n")
    stopped = home.quick("resume").must(4).err
    assert f"switchover amend {home.runs()[0]} --runbook {BOOK}" in " ".join(stopped.split())
    shown = amend(home, "--yes").must(0)
    assert "templates " in told(shown)
    assert "runbook as before" in told(shown)
    finished(home)
    assert (home.root / "out" / "last.html").read_text() == "<h1>Last</h1>\n"


def test_a_failed_run_is_put_right_and_goes_on(home: Folder) -> None:
    """What failed and what waited for it is tried as the new revision has it; nobody has to call retry."""
    home.edit(BOOK, "title: Last}", 'title: "{{ 1 // 0 }}"}')
    amend(home, "--yes").must(3)
    home.edit(BOOK, 'title: "{{ 1 // 0 }}"}', "title: Last, expected_total: 5}")
    amend(home, "--yes").must(0)
    answered(home)
    home.quick("approve", home.runs()[0], "ask/sign-off", "--as", "partner").must(0)
    home.quick("resume").must(5)
    home.edit(BOOK, "title: Last, expected_total: 5}", "title: Last}")
    shown = amend(home, "--yes").must(0)
    assert "to be tried again work/last" in told(shown)
    assert home.fold().revision == 3
    home.quick("resume").must(0)
    assert statuses(home.fold())["work/last"] == "changed"


def test_what_is_dropped_and_not_done_leaves_the_run(home: Folder) -> None:
    """A failed step that is gone does not keep the run from succeeding; brought back later it is done after all."""
    text = (home.root / BOOK).read_text()
    home.edit(BOOK, "title: Last}", "title: Last, expected_total: 5}")
    amend(home, "--yes").must(0)
    answered(home)
    home.quick("approve", home.runs()[0], "ask/sign-off", "--as", "partner").must(0)
    home.quick("resume").must(5)
    (home.root / BOOK).write_text(text[: text.index("      - name: last")])
    assert "gone work/last" in told(amend(home, "--yes").must(0))
    assert statuses(home.fold())["work/last"] == "skipped"
    (home.root / BOOK).write_text(text)
    assert "to be tried again work/last" in told(amend(home, "--yes").must(0))
    home.quick("resume").must(0)
    assert statuses(home.fold())["work/last"] == "changed"


# ---------------------------------------------------------------- gates


def test_an_open_gate_that_asks_the_same_keeps_its_time_limit(home: Folder) -> None:
    due = home.fold().gates["ask/form"].due
    home.edit(BOOK, "title: Last}", "title: Later}")
    amend(home, "--yes").must(0)
    home.quick("resume").must(6)
    assert home.fold().gates["ask/form"].due == due
    assert sum(event.kind == "gate_opened" for event in home.events()) == 1


@pytest.mark.parametrize(("old", "new", "why"), [
    ("enum: [local, vo]", "enum: [local, vo, none]", "its form changed"),
    ("within: 3 days", "within: 4 days", "its time limits changed"),
    ("title: Which way", "title: Which route", "its title changed"),
    ("input: {by: partner", "input: {by: boss", "who is asked changed"),
])
def test_an_open_gate_whose_question_changed_is_asked_anew(home: Folder, old: str, new: str, why: str) -> None:
    """The old question stays on record, closed."""
    home.edit(BOOK, old, new)
    assert f"ask/form: {why}" in told(amend(home, "--yes").must(0))
    (closed,) = [event for event in home.events() if isinstance(event, GateClosed)]
    assert (closed.outcome, closed.why) == ("withdrawn", f"{why}, with revision 2")
    assert "Nothing waits" in home.quick("inbox").out
    home.quick("resume").must(6)
    assert home.fold().gates["ask/form"].is_open


def test_an_open_gate_is_asked_anew_when_others_are_to_be_asked(home: Folder) -> None:
    home.edit(TABLE, "name: Pia Partner", "name: Paul Partner")
    assert "the people asked are others" in told(amend(home, "-i", HOUSE, "--yes").must(0))


def test_an_approval_lapses_for_what_would_change_otherwise_now(home: Folder) -> None:
    """It was given for one paper; the new revision has another. It is asked again before anything is written."""
    answered(home)
    approved(home)
    home.edit(BOOK, 'title: "Put {{', 'title: "Put all {{')
    assert "ask/sign-off: what it covers would change otherwise now (work/put)" in told(amend(home, "--yes").must(0))
    home.quick("release", home.runs()[0], "work", "--reason", "now").must(0)
    home.quick("resume").must(6)
    assert not (home.root / "out" / "put.html").exists()
    finished(home)
    assert "Put all X" in (home.root / "out" / "put.html").read_text()


def test_an_approval_holds_when_what_it_covers_stays(home: Folder) -> None:
    answered(home)
    approved(home)
    home.edit(BOOK, "title: Last}", "title: Later}")
    assert "asked anew" not in told(amend(home, "--yes").must(0))
    home.quick("release", home.runs()[0], "work", "--reason", "now").must(0)
    home.quick("resume").must(0)


def test_an_open_approval_is_asked_anew_when_what_it_covers_changed(home: Folder) -> None:
    answered(home)
    home.edit(BOOK, 'title: "Put {{', 'title: "Put all {{')
    assert "ask/sign-off: what it covers" in told(amend(home, "--yes").must(0))


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(("edits", "where", "said"), [
    ([(BOOK, "name: paper", "name: papers")], "move.yml:7:", "'first/papers' looks like it"),
    ([(BOOK, "T {{ item", "The {{ item")], "move.yml:13:", "its 'title' would be another one"),
    ([(BOOK, "item.price != '99'", "item.price != '10'")], "move.yml:12:", "'where' no longer admits"),
    ([(BOOK, "        for_each: papers\n        where: item.price != '99'\n", ""), (BOOK, "{{ item.name }}.html", "a.html"),
      (BOOK, "T {{ item.price }}", "T")], "move.yml:9:", "it ran over papers then, and over nothing now"),
    ([(TABLE, '{name: one, price: "10"}, ', "")], "move.yml:11:", "the inventory no longer has them among its papers"),
    ([(TABLE, 'price: "10"', 'price: "11"')], "move.yml:13:", "its 'title' would be another one"),
    ([(BOOK, 'when: "false"', 'when: "true"')], "move.yml:16:", "first/never was skipped, and its condition would decide"),
    ([(BOOK, "  - name: first\n    steps:\n", "  - name: zero\n    steps:\n      - name: early\n        wait: {signal: go}\n"
      "  - name: first\n    steps:\n")], "move.yml:9:", "zero/early is not done and would have to come before first/"),
    ([(BOOK, "inputs:\n  product: {type: string, default: VoIP}\n", ""), (BOOK, "Put {{ inputs.product }}", "Put")],
     "move.yml:", "The run was given 'product'"),
    ([(TABLE, "customer: acme", "customer: other")], "", "This is another customer"),
    ([(BOOK, "name: move\n", "name: other\n")], "", "This is another runbook"),
])
def test_what_contradicts_what_is_done_is_refused_where_it_stands(
    home: Folder, edits: list[tuple[str, str, str]], where: str, said: str
) -> None:
    """And the run stays as it was, to the last event."""
    before = home.fold().last_seq
    for file, old, new in edits:
        home.edit(file, old, new)
    refused = amend(home, "-i", HOUSE, "--yes")
    assert refused.code in (1, 3), refused.text
    why = " ".join(refused.err.split())
    assert where in why, refused.err
    assert said in why, refused.err
    assert (home.fold().last_seq, home.fold().revision) == (before, 1)
    home.quick("resume").must(6)


@pytest.mark.parametrize(("old", "new", "said"), [
    ("enum: [local, vo]", "enum: [local, vo, none]", "its 'form' was another one"),
    ("input: {by: partner", "input: {by: boss", "its 'by' was another one"),
    ("input: {by: partner, within: 3 days, form: {required: [route], properties: {route: {enum: [local, vo]}}}}",
     "task: {by: partner}", "was passed as input, and is task now"),
])
def test_a_gate_that_was_passed_stays_as_it_was_asked(home: Folder, old: str, new: str, said: str) -> None:
    answered(home)
    home.edit(BOOK, old, new)
    assert said in " ".join(amend(home, "--yes").must(3).err.split())


def test_words_and_time_limits_of_a_passed_gate_may_change(home: Folder) -> None:
    """What people agreed to is the same."""
    answered(home)
    home.edit(BOOK, "within: 3 days", "within: 4 days, message: Please")
    amend(home, "--yes").must(0)


def test_a_done_step_moved_behind_one_that_is_not_is_refused(home: Folder) -> None:
    text = (home.root / BOOK).read_text()
    begin, end = text.index("      - name: paper"), text.index("      - name: never")
    paper = text[begin:end]
    rest = text[end:].replace("  - name: ask\n", paper + "  - name: ask\n")
    (home.root / BOOK).write_text(text[:begin] + "      - {name: hold, wait: {signal: go}}\n" + rest)
    why = " ".join(amend(home, "--yes").must(3).err.split())
    assert "first/hold is not done and would have to come before first/paper" in why


def test_a_run_that_is_over_or_taken_back_or_at_work_is_not_amended(home: Folder) -> None:
    home.edit(BOOK, "title: Last}", "title: Later}")
    finished(home)
    assert "ended well" in amend(home, "--yes").must(1).err
    home.quick("rollback", home.runs()[0], "--yes").must(0)
    assert "is a rollback" in amend(home, "--yes").must(1).err


def test_a_new_input_is_given_with_the_amendment(home: Folder) -> None:
    home.edit(BOOK, "default: VoIP}\n", "default: VoIP}\n  extra: {type: integer, required: true}\n")
    assert "--set extra=VALUE" in amend(home, "--yes").must(3).err
    amend(home, "--yes", "--set", "extra=4").must(0)
    assert home.fold().header["inputs"] == {"product": "X", "extra": 4}


# ---------------------------------------------------------------- afterwards


def test_an_amended_run_is_taken_back_to_the_last_file(home: Folder) -> None:
    """By receipts of both revisions."""
    home.edit(BOOK, "title: Last}", "title: Later}")
    amend(home, "--yes").must(0)
    finished(home)
    run = home.runs()[0]
    assert "as left" in home.quick("drift", run).must(0).out
    home.quick("rollback", run, "--yes").must(0)
    assert list((home.root / "out").iterdir()) == []


def test_a_failed_run_that_was_taken_back_is_not_offered_to_be_tried_again(home: Folder) -> None:
    """It does not go on: its rollback, and a new plan, are what is left."""
    home.edit(BOOK, "title: Last}", "title: Last, expected_total: 5}")
    amend(home, "--yes").must(0)
    answered(home)
    home.quick("approve", home.runs()[0], "ask/sign-off", "--as", "partner").must(0)
    home.quick("resume").must(5)
    run = home.runs()[0]
    assert f"switchover retry {run}" in home.quick("status", run).out
    home.quick("rollback", run, "--yes").must(0)
    shown = told(home.quick("status", run).must(0))
    assert "switchover retry" not in shown
    assert f"switchover status {home.runs()[0]}" in shown


def test_the_page_names_steps_by_their_titles_too(home: Folder) -> None:
    home.edit(BOOK, "      - name: last\n", "      - name: last\n        title: The last page\n")
    amend(home, "--yes").must(0)
    finished(home)
    home.quick("report", home.runs()[0], "--html", "r.html").must(0)
    assert "The last page <code>work/last</code>" in (home.root / "r.html").read_text()


def test_what_somebody_did_while_it_was_looked_at_is_not_passed_over(home: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that comes between preview and agreement: nothing is amended, and the answer counts."""
    run = home.runs()[0]
    home.edit(BOOK, "title: Last}", "title: Later}")

    def meanwhile(*_: object) -> str:
        home.run("answer", run, "ask/form", "--as", "partner", "--set", "route=vo").must(0)
        return "yes"

    monkeypatch.setattr("engine.cli.amend._agreed", meanwhile)
    assert "has just gone on elsewhere" in amend(home).must(4).err
    assert home.fold().revision == 1
    assert len(home.fold().gates["ask/form"].answers) == 1


def test_the_plan_of_an_amendment_is_kept_with_its_revision(home: Folder) -> None:
    home.edit(BOOK, "title: Last}", "title: Later}")
    amend(home, "--yes").must(0)
    folder = home.state / "runs" / home.runs()[0]
    lines = [json.loads(line) for line in (folder / "revisions" / "2" / "plan.jsonl").read_text().splitlines()]
    assert [line["address"] for line in lines[1:-1]] == ["ask/form", "ask/sign-off", "work/put", "work/last"]
    assert (folder / "runbook.yml").read_text() == RUNBOOK
