"""A run from its plan to its end through the command line: what it holds to, what it refuses, what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from engine.cli.running import stop_on_signals
from engine.execution.stop import Stop
from engine.journal.sqlite import SqliteJournal
from engine.model import event as ev
from engine.model.errors import LockHeld, StalePlan
from engine.model.run import RunState, RunStatus, fold
from engine.project import Project
from engine.wiring.clock import SystemClock
from engine.wiring.journals import read_run
from engine.wiring.runs import answered, check_not_applied, load_pinned, open_stage, resume, run_header
from tests.support.cli import command, environment, in_process, switchover

RUNBOOK = """\
switchover: 1
name: files
title: Files
inputs:
  loud: {type: boolean, default: true}
  count: {type: integer, default: 3}
  share: {type: number, default: 5}
  note: {type: string}
phases:
  - name: files
    steps:
      - name: config
        for_each: phones
        when: inputs.loud == true and inputs.note is none
        action: phone.config
        with: {connection: store, mac: "{{ item.mac }}", vendor: yealink, model: T46S, template: one.j2}
"""
INVENTORY = """\
switchover: 1
customer: acme
title: Acme
timezone: UTC
connections:
  store: {type: local, root: ROOT}
collections:
  phones:
    items:
      - {mac: 805ec0a10001, vendor: yealink, model: T46S, extension: "101"}
      - {mac: 805ec0a10002, vendor: yealink, model: T46S, extension: "102"}
"""
NAMED = ("runbooks/files.yml", "-i", "inventories/acme")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project of two phones whose files go into a folder."""
    for name in ("runbooks", "inventories/acme", "templates", "out", "below"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "runbooks/files.yml").write_text(RUNBOOK, encoding="utf-8")
    (tmp_path / "inventories/acme/inventory.yml").write_text(INVENTORY.replace("ROOT", f"{tmp_path}/out"), encoding="utf-8")
    (tmp_path / "templates/one.j2").write_text(
        "{{ inputs.loud }} {{ inputs.count }} {{ inputs.share }} {{ inputs.note }} {{ item.extension }}\n", encoding="utf-8"
    )
    return tmp_path


def written(home: Path) -> list[str]:
    return sorted(path.read_text(encoding="utf-8").strip() for path in (home / "out").iterdir() if path.suffix == ".cfg")


def test_a_saved_plan_keeps_the_values_of_its_inputs_and_not_their_spelling(home: Path) -> None:
    """An input nobody gave stays none, 5 does not become 5.0; and a plan may be applied from a folder below."""
    in_process(home, "plan", *NAMED, "--out", "c.plan").must(0)
    in_process(home / "below", "apply", "../c.plan").must(0)
    assert written(home) == ["True 3 5 None 101", "True 3 5 None 102"]


def test_a_plan_made_in_a_folder_below_names_its_files_from_the_root(home: Path) -> None:
    """So that it holds wherever it is applied."""
    in_process(home / "below", "plan", "../runbooks/files.yml", "-i", "../inventories/acme", "--out", "../c.plan").must(0)
    in_process(home, "apply", "c.plan").must(0)
    assert len(written(home)) == 2


def test_a_plan_whose_items_could_not_be_read_is_not_called_nothing_to_do(home: Path) -> None:
    """What was not seen is refused, aloud, and nothing is written."""
    (home / "out").rename(home / "gone")
    in_process(home, "plan", *NAMED, "--out", "c.plan").must(1)
    (home / "gone").rename(home / "out")
    refused = in_process(home, "apply", "c.plan").must(7)
    assert "could not be read" in refused.text
    assert written(home) == []


def test_a_runbook_that_comes_to_no_item_is_not_called_as_wanted(home: Path) -> None:
    """Nothing was looked at."""
    ended = in_process(home, "apply", *NAMED, "--set", "loud=no", "--yes").must(0)
    assert "no step applies to any item" in ended.err
    assert "as the runbook wants" not in ended.err


def test_what_no_run_came_of_leaves_no_folder(home: Path) -> None:
    """Nobody agreed; nothing to do."""
    assert "Nobody is there to agree" in switchover(home, "apply", *NAMED).must(1).err
    assert list((home / ".switchover/runs").iterdir()) == []
    in_process(home, "apply", *NAMED, "--yes").must(0)
    in_process(home, "apply", *NAMED, "--yes").must(0)
    assert len(list((home / ".switchover/runs").iterdir())) == 1


def test_a_runs_copies_are_for_its_owner_only(home: Path) -> None:
    """An inventory may hold what nobody else should read, and a copy is no excuse."""
    (home / "inventories/acme/inventory.yml").chmod(0o644)
    in_process(home, "apply", *NAMED, "--yes").must(0)
    (run,) = (home / ".switchover/runs").iterdir()
    modes = {path.stat().st_mode & 0o077 for path in (run, *run.rglob("*"))}
    assert modes == {0}


def test_where_cannot_ask_for_what_a_run_finds_out(home: Path) -> None:
    """Said as a problem of the runbook, with its place."""
    text = RUNBOOK.replace("for_each: phones", "for_each: phones\n        where: run.id != 'x'")
    (home / "runbooks/files.yml").write_text(text, encoding="utf-8")
    refused = in_process(home, "plan", *NAMED).must(3)
    assert "files.yml:14" in refused.err


def test_who_stops_listening_does_not_stop_the_run(home: Path) -> None:
    """``apply --output jsonl | head -1``: the rest is done and journalled, and the exit code is the run's."""
    with subprocess.Popen(
        command(["apply", *NAMED, "--yes", "--output", "jsonl"]), cwd=home, env=environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read().decode()
        assert process.wait(60) == 0, said
    assert len(written(home)) == 2
    assert "Traceback" not in said
    assert in_process(home, "status").must(0).out.count("succeeded") == 1


def test_a_folder_where_a_file_was_meant_is_no_bug_of_ours(home: Path) -> None:
    """Exit 1 and the folder's name."""
    assert "runbooks" in in_process(home, "apply", "runbooks").must(1).err


def _state(home: Path) -> tuple[SqliteJournal, RunState]:
    journal = SqliteJournal(Project(home).journal, SystemClock())
    return journal, read_run(journal, None)


def test_a_plan_is_checked_once_more_when_its_scope_is_ours(home: Path) -> None:
    """Two were asked to apply it; the second finds it done."""
    in_process(home, "apply", *NAMED, "--yes").must(0)
    journal, state = _state(home)
    with pytest.raises(StalePlan, match="applied already"):
        check_not_applied(run_header(state), journal)
    journal.close()


def test_a_run_that_went_on_elsewhere_meanwhile_is_not_taken_up_on_old_news(home: Path) -> None:
    """What was answered to, or reopened, may be settled by now: doing it again could be a second time."""
    in_process(home, "apply", *NAMED, "--yes").must(0)
    journal, state = _state(home)
    with open_stage(load_pinned(Project(home), state), journal, state.run, Stop(), state) as stage:
        journal.flush(journal.append(state.run, [ev.RunResumed("ben", "h", 1)]))
        with pytest.raises(LockHeld, match="just gone on elsewhere"):
            resume(stage, journal, state, Stop(), first=[ev.ItemReopened("files/config[805ec0a10001]", "ana")])
        assert journal.holder("acme") is None
    assert fold(journal.read(state.run)).items["files/config[805ec0a10001]"].status.value == "changed"
    journal.close()


def test_resume_after_the_guard_goes_on_with_the_rest(home: Path) -> None:
    """Whoever takes the run up after it tripped knows what failed; that item stays failed, the others are done."""
    in_process(home, "plan", *NAMED, "--out", "c.plan").must(0)
    (home / "out/805ec0a10001.cfg").write_text("somebody else's\n", encoding="utf-8")
    in_process(home, "apply", "c.plan").must(7)
    in_process(home, "resume").must(5)
    assert written(home) == ["True 3 5 None 102", "somebody else's"]


def test_an_answer_reopens_what_waited_for_it(home: Path) -> None:
    """The lane goes on behind a step that a person settled."""
    state = RunState("r1", RunStatus.WAITING)
    for number, event in enumerate((
        ev.ItemIntended("p/shout[a]", "k", "shout", 1, observable=False), ev.ItemInDoubt("p/shout[a]", "who knows"),
        ev.ItemBlocked("p/put[a]", "p/shout[a]"), ev.ItemBlocked("p/put[b]", "p/shout[b]"),
    )):
        state.apply(ev.Record("r1", number + 1, SystemClock().now(), event))
    events = answered(state, ["p/shout[a]"], [], "ana")
    assert [(type(event).__name__, ev.address_of_event(event)) for event in events] == [
        ("ItemAnswered", "p/shout[a]"), ("ItemReopened", "p/put[a]"),
    ]


def test_a_lost_terminal_stops_a_run_in_order(home: Path) -> None:
    """HUP is heeded as Ctrl-C is, unless the process was started to ignore it."""


    stop = Stop()
    with stop_on_signals(stop):
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop.is_set
        os.kill(os.getpid(), signal.SIGHUP)
    assert stop.why == "SIGHUP"
