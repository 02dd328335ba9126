"""Ctrl-C, TERM, two operators at once: a run stops where nothing is lost, says how to go on, and never meets another one."""

from __future__ import annotations

import signal
import subprocess

import pytest

from engine.model import event as ev
from engine.model.run import RunStatus
from tests.support.cli import ended, under_way
from tests.support.project import INVENTORY, NAMED, RUNBOOK, Folder, Lab, statuses, wait_until


def slow_uploads(folder: Folder, lab: Lab, seconds: float = 1.0, parallel: int = 2) -> None:
    """A plan for the phones' files, each taking a while until the lab is healed."""
    folder.edit(RUNBOOK, "parallel: 4\n        batches: [1, 100%]", f"parallel: {parallel}")
    folder.edit(RUNBOOK, "timeout: 3s", "timeout: 30s")
    folder.edit(f"{INVENTORY}/inventory.yml", "timeout_s: 0.5", "timeout_s: 20")
    folder.plan("--limit", "phones/config")
    lab.fault("tftp", "slow", match="WRQ", value=seconds)


def writing(folder: Folder) -> bool:
    """Whether anything is intended by now."""
    return bool(folder.runs()) and any(isinstance(event, ev.ItemIntended) for event in folder.events())


def read_until(process: subprocess.Popen[str], word: str) -> None:
    """Reads the process's stderr until it says so."""
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return
    pytest.fail(f"it never said {word!r}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_finishes_what_is_running_and_resume_does_the_rest(
    folder: Folder, lab: Lab, number: signal.Signals
) -> None:
    slow_uploads(folder, lab)
    with under_way(folder.root, "apply", "c.plan") as process:
        wait_until(lambda: writing(folder), "the first upload")
        process.send_signal(number)
        stopped = ended(process).must(130)
    assert "Stopping" in stopped.err
    run = folder.runs()[0]
    assert f"switchover resume {run}" in stopped.err
    state = folder.fold()
    assert state.status is RunStatus.INTERRUPTED
    assert set(statuses(state).values()) <= {"changed", "reopened"}
    done = [address for address, status in statuses(state).items() if status == "changed"]
    assert 1 <= len(done) < 5
    assert run in folder.quick("status").must(0).out

    lab.heal()
    folder.run("resume").must(0)
    assert set(lab.files_written().values()) == {1}
    assert set(statuses(folder.fold()).values()) == {"changed"}
    assert len(statuses(folder.fold())) == 5


def test_a_second_ctrl_c_leaves_at_once_and_resume_resolves_the_doubt(folder: Folder, lab: Lab) -> None:
    slow_uploads(folder, lab, 20)
    with under_way(folder.root, "apply", "c.plan") as process:
        wait_until(lambda: writing(folder), "the first upload")
        process.send_signal(signal.SIGINT)
        read_until(process, "Stopping")
        process.send_signal(signal.SIGINT)
        left = ended(process, 5).must(130)
    assert "switchover resume" in left.err
    lab.heal()
    folder.run("resume").must(0)
    assert set(statuses(folder.fold()).values()) == {"changed"}


def test_two_runs_for_one_customer_are_one_too_many(folder: Folder, lab: Lab) -> None:
    """Told who works there, since when and in which process."""
    slow_uploads(folder, lab, 3, parallel=1)
    folder.plan("--limit", "numbers", out="other.plan")
    with under_way(folder.root, "apply", "c.plan") as process:
        wait_until(lambda: writing(folder), "the first upload")
        run = folder.runs()[0]
        refusals = [
            folder.run("apply", "other.plan"), folder.run("resume", run),
            folder.run("apply", *NAMED, "--lab", "--yes", "--limit", "numbers"),
        ]
        for refused in refusals:
            told = refused.must(4).err
            assert f"run {run}, process {process.pid}" in told
            assert "kestrel-optical@lab" in told
        assert "running" in folder.quick("status").must(0).out
        lab.heal()
        ended(process).must(0)
    assert folder.runs() == [run]
    assert not lab.patches()
    folder.run("apply", "other.plan").must(0)


def test_another_customer_is_not_kept_waiting(folder: Folder, lab: Lab) -> None:
    slow_uploads(folder, lab, 3, parallel=1)
    folder.edit("inventories/kestrel/inventory.yml", "customer: kestrel-optical", "customer: kestrel-annex")
    folder.plan("--limit", "numbers", out="other.plan")
    folder.edit("inventories/kestrel/inventory.yml", "customer: kestrel-annex", "customer: kestrel-optical")
    with under_way(folder.root, "apply", "c.plan") as process:
        wait_until(lambda: writing(folder), "the first upload")
        folder.edit("inventories/kestrel/inventory.yml", "customer: kestrel-optical", "customer: kestrel-annex")
        folder.run("apply", "other.plan").must(0)
        assert process.poll() is None
        lab.heal()
        ended(process).must(0)


def test_the_lease_of_a_killed_run_is_taken_over(folder: Folder, lab: Lab) -> None:
    """By another plan too: what the dead run left in doubt is not forgotten, and can be resumed after."""
    slow_uploads(folder, lab)
    folder.plan("--limit", "numbers", out="other.plan")
    with under_way(folder.root, "apply", "c.plan") as process:
        wait_until(lambda: writing(folder), "the first upload")
        process.kill()
        process.wait(10)
    lab.heal()
    (killed,) = folder.runs()
    assert "stopped in the middle" in folder.quick("status").must(0).out
    assert "its process is gone" in (told := folder.quick("status", killed).must(0).out)
    assert f"switchover resume {killed}" in told
    assert folder.quick("status", killed, "--output", "json").must(0).json["at_work"] is False
    folder.run("apply", "other.plan").must(0)
    folder.run("resume", killed).must(0)
    assert set(lab.files_written().values()) == {1}


def test_nobody_at_the_terminal_means_nothing_is_applied_without_yes(folder: Folder, lab: Lab) -> None:
    refused = folder.run("apply", *NAMED, "--lab").must(1)
    assert "Nobody is there to agree" in refused.err
    assert lab.writes() == 0
    assert folder.runs() == []


def test_a_reader_that_goes_away_is_no_crash(folder: Folder) -> None:
    """``switchover plan ... | head -1``"""
    folder.plan()
    with under_way(folder.root, "show", "c.plan", "-v") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.wait(20)
        assert process.stderr is not None
        assert "Traceback" not in (told := process.stderr.read())
        assert "bug" not in told
