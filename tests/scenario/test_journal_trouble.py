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
from tests.support.project import NAMED, Folder, Lab, inodes, project_at, served_here, wait_until

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


@pytest.fixture
def served(tmp_path: Path) -> Path:
    return tmp_path / "served"


@pytest.fixture
def here(tmp_path: Path, served: Path) -> Folder:
    """A project whose phones' files go into ``served``; two of them have been there since the first run."""
    folder = project_at(tmp_path / "here")
    served_here(folder, served)
    some = ("--limit", "phones/config[64167fc55902]")
    folder.quick("plan", *NAMED, *some, "--out", "first.plan").must(0)
    folder.quick("apply", "first.plan").must(0)
    folder.quick("plan", *NAMED, "--limit", "phones/config", "--out", "next.plan").must(0)
    return folder


def test_a_read_only_journal_stops_the_run_before_anything_is_written(here: Folder, served: Path) -> None:
    before = inodes(served)
    for path in here.state.glob("journal.db*"):
        path.chmod(0o444)
    here.state.chmod(0o555)
    try:
        refused = run_after(here, obey_modes, "apply", "next.plan")
        looked = run_after(here, obey_modes, "status")
    finally:
        here.state.chmod(0o755)
    assert "read-only" in refused.must(1).err
    assert "Nothing is changed on any system without a record of it" in refused.err
    assert inodes(served) == before
    assert here.runs()[0] in looked.must(0).out


@pytest.mark.parametrize("room", [0, 6_000, 12_000, 20_000])
def test_a_disk_that_fills_up_stops_the_run_and_resume_finishes_it(here: Folder, served: Path, room: int) -> None:
    """At several fill levels. Whatever was done before it was full is not done again."""
    size = max(path.stat().st_size for path in here.state.glob("journal.db*"))
    full = run_after(here, disk_of(size + room), "apply", "next.plan").must(1)
    assert full.err.count("error: ") == 1
    written = inodes(served)
    if len(here.runs()) == 1:
        assert len(written) == 2
        here.run("apply", "next.plan").must(0)
    else:
        assert "switchover resume" in full.err
        here.run("resume").must(0)
    finished = inodes(served)
    assert len(finished) == 6
    assert {name: finished[name] for name in written} == written
    here.verify()


def test_no_room_for_the_plan_is_told_and_nothing_starts(here: Folder, served: Path) -> None:
    before = inodes(served)
    run_after(here, disk_of(1_000), "apply", "next.plan").must(1)
    assert inodes(served) == before
    refused = run_after(here, disk_of(1_000), "plan", *NAMED, "--limit", "phones/config", "--out", "b.plan")
    assert "Cannot write the plan to b.plan" in refused.must(1).err
    assert not list(here.root.glob("*b.plan*"))


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.1, 0.6])
def test_a_journal_cut_short_is_damage_that_is_told(here: Folder, served: Path, kept: float) -> None:
    """Never an empty list of runs, and never a run that starts over."""
    before = inodes(served)
    whole = here.journal.read_bytes()
    here.journal.write_bytes(whole[: int(len(whole) * kept)])
    for arguments in (("status",), ("resume",), ("report",), ("apply", "next.plan")):
        told = here.quick(*arguments).must(1).err
        assert "journal" in told
        assert "Restore it from a backup" in told
    assert inodes(served) == before


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


def test_a_journal_of_something_else_is_refused_and_left_alone(here: Folder) -> None:
    here.journal.write_text("a,b\n1,2\n" * 100, encoding="utf-8")
    before = here.journal.read_bytes()
    assert "This is not a journal" in here.quick("apply", "next.plan").must(1).err
    assert here.journal.read_bytes() == before


def test_output_that_cannot_be_written_is_told(here: Folder) -> None:
    """A report, and what is printed, onto a full disk."""
    assert "Cannot write /dev/full" in here.quick("report", "--html", "/dev/full").must(1).err
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(["status"]), cwd=here.root, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=TIMEOUT_S, check=False,
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
