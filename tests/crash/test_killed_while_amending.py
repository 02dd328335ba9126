"""kill -9 at every boundary of an amendment: the run goes by the old revision or by the new one, whole, and either goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.model.run import RunStatus
from engine.planning.plan_file import read_plan
from tests.support.dying import child, killed, named, passed
from tests.support.project import Folder, inodes, project_at, served_here

HERE = Path(__file__).parent
BOOK = "runbooks/amended.yml"
BEFORE = [("after lease", 1), ("before revision", 1), ("after revision", 1), ("before append run_amended", 1),
          ("inside commit run_amended", 1)]
AFTER = [("after append run_amended", 1), ("after commit run_amended", 1)]


@pytest.fixture
def waiting(tmp_path: Path) -> Folder:
    """A run that has written its files and waits for a signal, and a runbook that was edited since."""
    folder = project_at(tmp_path / "project", HERE / "runbooks" / "amended.yml")
    served_here(folder, tmp_path / "served")
    folder.quick("apply", BOOK, "-i", "inventories/kestrel", "--yes").must(6)
    folder.edit(BOOK, "title: Last", "title: Very last")
    return folder


def amend(folder: Folder) -> tuple[str, ...]:
    return ("amend", folder.runs()[0], "--runbook", BOOK, "--yes")


def led_to_its_end(folder: Folder, served: Path, title: str) -> None:
    """The signal comes; every file is there once, and the last says what its revision wants."""
    before = inodes(served)
    folder.quick("signal", folder.runs()[0], "go").must(0)
    folder.run("resume").must(0)
    folder.verify()
    assert folder.fold().status is RunStatus.SUCCEEDED
    assert f"<h1>{title}</h1>" in (served / "last.html").read_text()
    assert {name: inode for name, inode in inodes(served).items() if name in before} == before


@named(BEFORE)
def test_before_its_event_is_on_disk_the_old_revision_counts(
    tmp_path: Path, waiting: Folder, boundary: str, nth: int
) -> None:
    """Whatever copies were left behind: the run goes on as it was, and can be amended later."""
    killed(waiting, boundary, nth, *amend(waiting))
    assert waiting.fold().revision == 1
    again = shutil.copytree(waiting.root, tmp_path / "again")
    led_to_its_end(waiting, tmp_path / "served", "Last")
    (tmp_path / "served" / "last.html").unlink()
    waiting = Folder(again)
    waiting.quick(*amend(waiting)).must(0)
    assert waiting.fold().revision == 2
    led_to_its_end(waiting, tmp_path / "served", "Very last")


@named(AFTER)
def test_once_its_event_is_on_disk_the_new_revision_counts(
    tmp_path: Path, waiting: Folder, boundary: str, nth: int
) -> None:
    killed(waiting, boundary, nth, *amend(waiting))
    assert waiting.fold().revision == 2
    assert read_plan(waiting.state / "runs" / waiting.runs()[0] / "revisions" / "2" / "plan.jsonl").totals.pending
    led_to_its_end(waiting, tmp_path / "served", "Very last")


def test_a_run_killed_in_the_middle_is_amended_before_it_is_taken_up(tmp_path: Path) -> None:
    """What was written and not journalled is found in place, by the new revision too."""
    folder = project_at(tmp_path / "project", HERE / "runbooks" / "amended.yml")
    served_here(folder, tmp_path / "served")
    child(folder, "after effect", 3, "apply", BOOK, "-i", "inventories/kestrel", "--yes").must(-9)
    folder.edit(BOOK, "title: Last", "title: Very last")
    folder.quick(*amend(folder)).must(0)
    written = inodes(tmp_path / "served")
    folder.run("resume").must(6)
    assert {name: inode for name, inode in inodes(tmp_path / "served").items() if name in written} == written
    led_to_its_end(folder, tmp_path / "served", "Very last")


def test_a_step_that_may_have_had_its_effect_is_not_altered(tmp_path: Path) -> None:
    """Nobody could say any more what to look for."""
    folder = project_at(tmp_path / "project", HERE / "runbooks" / "amended.yml")
    served_here(folder, tmp_path / "served")
    child(folder, "after effect", 3, "apply", BOOK, "-i", "inventories/kestrel", "--yes").must(-9)
    folder.edit(BOOK, "paper-{{", "note-{{")
    told = " ".join(folder.quick(*amend(folder)).must(3).err.split())
    assert "may have had its effect" in told


def test_no_boundary_of_an_amendment_is_left_out(waiting: Folder) -> None:
    kinds = {boundary for boundary in passed(waiting, *amend(waiting)) if "item_" not in boundary}
    assert kinds == {boundary for boundary, _ in [*BEFORE, *AFTER]}
