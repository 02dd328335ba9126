"""A journal that cannot be written or read: told plainly, and nothing is changed on any system without a record of it."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.model.run import RunStatus
from tests.support.cli import TIMEOUT_S, Ended, command, environment, under_way
from tests.support.project import NAMED, Folder, Lab, wait_until

CAP_DAC_OVERRIDE = 1
PR_CAPBSET_DROP = 24


def run_after(folder: Folder, prepare: Callable[[], None], *arguments: str) -> Ended:
    """A command whose process first gives something up."""
    done = subprocess.run(
        command(arguments), cwd=folder.root, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=TIMEOUT_S, check=False, preexec_fn=prepare,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def obey_modes() -> None:
    """Root may write any file; without this capability the program that is started may not."""
    if os.geteuid() == 0 and ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0):
        os._exit(99)


def disk_of(size: int) -> Callable[[], None]:
    """No file can grow past ``size`` bytes: how a full disk or a quota meets the journal."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_read_only_journal_stops_the_run_before_anything_is_written(folder: Folder, lab: Lab) -> None:
    folder.plan("--limit", "announce")
    folder.run("apply", "c.plan").must(0)
    folder.plan("--limit", "numbers", out="next.plan")
    writes = lab.writes()
    for path in folder.state.glob("journal.db*"):
        path.chmod(0o444)
    folder.state.chmod(0o555)
    try:
        refused = run_after(folder, obey_modes, "apply", "next.plan")
        looked = run_after(folder, obey_modes, "status")
    finally:
        folder.state.chmod(0o755)
    assert "read-only" in refused.must(1).err
    assert "Nothing is changed on any system without a record of it" in refused.err
    assert lab.writes() == writes
    assert folder.runs()[0] in looked.must(0).out


@pytest.mark.parametrize("room", [0, 6_000, 12_000, 20_000])
def test_a_disk_that_fills_up_stops_the_run_and_resume_finishes_it(folder: Folder, lab: Lab, room: int) -> None:
    """At several fill levels. Whatever was done before it was full is done once."""
    folder.plan("--limit", "announce")
    folder.run("apply", "c.plan").must(0)
    folder.plan("--limit", "numbers", out="next.plan")
    size = max(path.stat().st_size for path in folder.state.glob("journal.db*"))
    full = run_after(folder, disk_of(size + room), "apply", "next.plan")
    if full.code == 0:
        pytest.fail("the disk never was full: give it less room")
    assert full.must(1).err.count("error: ") == 1
    assert "switchover resume" in full.err or len(folder.runs()) == 1
    if len(folder.runs()) == 1:
        assert not lab.patches()
        folder.run("apply", "next.plan").must(0)
    else:
        folder.run("resume").must(0)
    assert sorted(lab.patches().values()) == [1] * 6
    folder.verify()


def test_no_room_for_the_plan_is_told_and_nothing_starts(folder: Folder, lab: Lab) -> None:
    folder.plan()
    refused = run_after(folder, disk_of(1_000), "apply", "c.plan").must(1)
    assert "File too large" in refused.err or "cannot be" in refused.err
    assert lab.writes() == 0
    refused = run_after(folder, disk_of(1_000), "plan", *NAMED, "--lab", "--out", "b.plan")
    assert "b.plan" in refused.must(1).err
    assert not (folder.root / "b.plan").exists()


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.1, 0.6])
def test_a_journal_cut_short_is_damage_that_is_told(folder: Folder, lab: Lab, kept: float) -> None:
    """Never an empty list of runs, and never a run that starts over."""
    folder.plan("--limit", "numbers/forward")
    folder.run("apply", "c.plan").must(0)
    folder.plan("--limit", "announce", out="next.plan")
    writes = lab.writes()
    whole = folder.journal.read_bytes()
    folder.journal.write_bytes(whole[: int(len(whole) * kept)])
    for arguments in (("status",), ("resume",), ("report",), ("apply", "next.plan")):
        told = folder.run(*arguments).must(1).err
        assert "journal" in told
        assert "Restore it from a backup" in told
    assert lab.writes() == writes


def test_a_write_that_was_cut_off_in_the_middle_of_a_record_is_looked_at_again(folder: Folder, lab: Lab) -> None:
    """Power was lost while the journal's log was being written: what was not confirmed is in doubt, not lost."""
    folder.plan("--limit", "numbers/forward")
    lab.fault("carrier", "slow", match="PATCH", value=20)
    with under_way(folder.root, "apply", "c.plan") as process:
        wait_until(lambda: folder.runs() and folder.fold().items, "the first number")
        process.kill()
        process.wait(10)
    lab.heal()
    log = folder.state / "journal.db-wal"
    log.write_bytes(log.read_bytes()[:-700])
    resumed = folder.run("resume").must(0)
    assert folder.fold().status is RunStatus.SUCCEEDED
    assert "cut short" in resumed.err
    folder.verify()


def test_a_journal_of_something_else_is_refused_and_left_alone(folder: Folder) -> None:
    folder.plan("--limit", "numbers/forward")
    folder.journal.write_text("a,b\n1,2\n" * 100, encoding="utf-8")
    before = folder.journal.read_bytes()
    assert "This is not a journal" in folder.run("apply", "c.plan").must(1).err
    assert folder.journal.read_bytes() == before


def test_output_that_cannot_be_written_is_told(folder: Folder) -> None:
    """A report onto a full disk."""
    folder.plan("--limit", "announce")
    folder.run("apply", "c.plan").must(0)
    assert "Cannot write /dev/full" in folder.run("report", "--html", "/dev/full").must(1).err
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(["status"]), cwd=folder.root, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=TIMEOUT_S, check=False,
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr
