"""Scenarios from the command line: every one of the repository, and what is said of one that does not hold."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.rehearsal.conftest import Written
from tests.support.cli import ROOT, Ended, switchover, under_way
from tests.support.project import wait_until


def tried(path: Path, *options: str) -> Ended:
    """``switchover test`` of one file, from its project's folder."""
    return switchover(path.parents[1] if path.parent.name == "tests" else path.parents[2], "test", path, *options)


def test_three_weeks_are_three_weeks() -> None:
    """The one of the documentation is not a day long: it passes two days off and the end of daylight saving."""
    found = switchover(ROOT, "test", "-k", "three-weeks", "--output", "json").must(0).json["scenarios"][0]
    assert found["span_s"] > 21 * 24 * 3600
    assert found["kills"] == 3


def test_the_same_seed_gives_the_same_journal_and_another_gives_another(written: Written) -> None:
    """To the last byte: the hash of its chain."""
    crashes = ("expect:\n", "crash: [{after: gate_opened}, {before: item_changed}]\nexpect:\n")
    first, again = (tried(written(crashes), "--hash").must(0).out.split()[-1] for _ in range(2))
    other = tried(written(crashes, ("seed: 7", "seed: 8")), "--hash").must(0).out.split()[-1]
    assert len(first) == 64
    assert first == again != other


def test_what_does_not_hold_is_shown_where_it_stands_with_what_was_found_and_all_that_happened(written: Written) -> None:
    path = written(
        ("work/put: changed", "work/put: unchanged"), ("status: succeeded", "status: failed"),
        ("subject: Moved, count: 1", "subject: Left"),
    )
    said = tried(path).must(5).out
    assert "tests/one.yml:13:11" in said
    assert "Expected: failed. Found: succeeded." in said
    assert "tests/one.yml:14:11" in said
    assert "Expected: unchanged. Found: changed." in said
    assert "Found: none among what was sent: Moved to pia@partner.example." in said
    assert "2026-10-23 12:00:00  ask/sign  passed: Dora Director approved it" in said


def test_time_limits_and_order_are_held_too(written: Written) -> None:
    path = written(
        ('before: {work/put: "2026-10-27T13:01"}', 'before: {work/put: "2026-10-27T13:00"}'),
        ("order: [ask/form, ask/sign,", "order: [ask/sign, ask/form,"),
    )
    said = tried(path).must(5).out
    assert "work/put to end before 2026-10-27 13:00. Found: it ended 2026-10-27 13:00" in said
    assert "Expected: ask/form to end after ask/sign." in said


def test_an_act_that_is_refused_fails_the_scenario_unless_that_is_expected(written: Written) -> None:
    """Judged as the command would: here whoever started the run may not be the second pair of eyes."""
    said = tried(written(("seed: 7\n", "seed: 7\nstarted_by: director\n"))).must(5).out
    assert "An act was refused" in said
    assert "it takes four eyes" in said


def test_an_expected_refusal_is_none_to_complain_of_and_a_missing_one_is(written: Written) -> None:
    wrong = "  - {gate: ask/form, as: partner, after: 1h, answer: {route: by air}}\n  - {gate: ask/sign"
    refused = "  refused: [{gate: ask/form, as: partner, reason: by air}]\n  mails:"
    tried(written(("  - {gate: ask/sign", wrong), ("  mails:", refused))).must(0)
    said = tried(written(("  mails:", refused))).must(5).out
    assert "Expected: an act to be refused (by air). Found: none was, for that reason." in said


def test_an_act_that_it_never_comes_to_fails_the_scenario_unless_it_is_optional(written: Written) -> None:
    again = "  - {gate: ask/sign, as: director, opening: 2, approve: true}\n  - {gate: ask/lift"
    said = tried(written(("  - {gate: ask/lift", again))).must(5).out
    assert "the gate ask/sign was not opened for the 2. time" in said
    tried(written(("  - {gate: ask/lift", again.replace("opening: 2", "opening: 2, optional: true")))).must(0)


def test_a_run_that_is_rejected_can_be_tried_again(written: Written) -> None:
    """A gate that is opened anew is answered anew."""
    rejected = (
        "  - {gate: ask/sign, as: director, after: 1h, reject: too dear}\n  - {retry: true, at: \"2026-10-22T15:00\"}\n"
        "  - {gate: ask/sign, opening: 2, as: director, after: 21h"
    )
    tried(written(
        ("  - {gate: ask/sign, as: director, after: 1 business day", rejected), ('13:00"}', '13:00"}'.replace("13", "12")),
        ('before: {work/put: "2026-10-27T13:01"}', 'before: {work/put: "2026-10-28"}'),
    )).must(0)


def test_a_scenario_with_mistakes_fails_and_the_others_run(project: Path, written: Written) -> None:
    """Names are looked up in the runbook and the inventory, and the one that was probably meant is offered."""
    bad = written(("gate: ask/sign", "gate: ask/sing"), ("as: partner, after: 1h", "as: patner, after: 1h"))
    ended = switchover(project, "test", bad, "tests/scenarios", "--junit", "results.xml").must(5)
    assert "tests/one.yml:10:12" in ended.out
    assert "Did you mean 'ask/sign'?" in ended.out
    assert "Did you mean 'partner'?" in ended.out
    assert "2 scenarios, 1 failed." in ended.err
    suite = ElementTree.parse(project / "results.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [len(case.findall("failure")) for case in suite] == [1, 0]


def test_a_rehearsal_leaves_no_trace_in_the_project(project: Path) -> None:
    before = sorted(project.rglob("*"))
    switchover(project, "test").must(0)
    assert sorted(project.rglob("*")) == before


def lab_processes(parent: int) -> list[int]:
    """Live children of a process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] not in ("Z", "X"):
            found.append(int(stat.parent.name))
    return found


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_lab_ends_with_the_command_however_that_ends(project: Path, number: signal.Signals) -> None:
    """Ctrl-C and TERM take it down; SIGKILL leaves nobody to do so, and it goes all the same."""
    with under_way(project, "test", env={"TMPDIR": str(project)}) as process:  # what SIGKILL leaves behind goes with the test
        wait_until(lambda: len(lab_processes(process.pid)) >= 2, "the lab comes up")
        servers = lab_processes(process.pid)
        os.kill(process.pid, number)
        process.communicate(timeout=30)
        assert process.returncode == (130 if number != signal.SIGKILL else -9)
    until = time.monotonic() + 10
    while alive(servers) and time.monotonic() < until:
        time.sleep(0.02)
    assert alive(servers) == []
