"""kill -9 at every boundary of a run that is being cancelled; then the operator says it again, or resumes.

Whatever the instant: the run ends cancelled, what is done then is done once, and nothing else of the runbook is.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.run import RunStatus
from tests.support import dying
from tests.support.dying import AROUND_A_COMMIT, FINISH, ITEM, named
from tests.support.project import Folder, inodes, project_at, served_here

HERE = Path(__file__).parent
GIVEN = ("-i", "inventories/kestrel")
CANCEL = [(f"{where} run_cancelled", 1) for where in AROUND_A_COMMIT]
TAKEN_UP = [("after lease", 1), *((f"{where} run_resumed", 1) for where in AROUND_A_COMMIT)]
GATES = [(f"{where} gate_closed", 1) for where in AROUND_A_COMMIT]


@pytest.fixture
def waiting(tmp_path: Path) -> Folder:
    """Some files are written, and the run waits."""
    folder = project_at(tmp_path / "project", HERE / "runbooks" / "cancelled.yml")
    served_here(folder, tmp_path / "served")
    folder.quick("apply", "runbooks/cancelled.yml", *GIVEN, "--yes").must(6)
    return folder


def said(folder: Folder) -> tuple[str, ...]:
    return ("cancel", folder.runs()[0], "--reason", "withdrawn")


def ended(folder: Folder) -> None:
    """Goes on as the operator would: says it again where it is not on record, else resumes."""
    state = folder.fold()
    if state.cancelled is None:
        folder.run(*said(folder)).must(0)
    elif state.status is not RunStatus.CANCELLED:
        folder.run("resume", folder.runs()[0]).must(0)
    folder.verify()


def all_is_well(folder: Folder, served: Path, written: dict[str, int]) -> None:
    state = folder.fold()
    assert state.status is RunStatus.CANCELLED
    finished = inodes(served)
    assert len(finished) == 6
    assert {name: finished[name] for name in written} == written, "a file was written a second time"
    assert [item.status.value for address, item in state.items.items() if address.startswith("on-cancel/")] == ["changed"] * 4
    assert state.items["files/go"].status.value == "cancelled"
    kinds = [event.kind for event in folder.events()]
    assert kinds.count("gate_closed") == 1
    assert "was cancelled" in folder.quick("resume", state.run).must(4).err


@named([*CANCEL, *TAKEN_UP, *GATES, *ITEM, *FINISH])
def test_a_cancellation_survives_kill_9(tmp_path: Path, waiting: Folder, boundary: str, nth: int) -> None:
    dying.killed(waiting, boundary, nth, *said(waiting))
    written = inodes(tmp_path / "served")
    ended(waiting)
    all_is_well(waiting, tmp_path / "served", written)


def test_no_boundary_of_a_cancellation_is_left_out(waiting: Folder) -> None:
    """The list above names every boundary it comes to, and no other."""
    assert dying.passed(waiting, *said(waiting)) == {boundary for boundary, _ in [*CANCEL, *TAKEN_UP, *GATES, *ITEM, *FINISH]}


def test_a_run_that_died_in_the_middle_of_a_write_is_cancelled(tmp_path: Path) -> None:
    """What it had written is found, and counts as changed for what is done then; what it had not is not written."""
    folder = project_at(tmp_path / "project", HERE / "runbooks" / "cancelled.yml")
    served_here(folder, tmp_path / "served")
    folder.quick("plan", "runbooks/cancelled.yml", *GIVEN, "--out", "c.plan").must(0)
    dying.killed(folder, "after effect", 1, "apply", "c.plan")
    written = inodes(tmp_path / "served")
    folder.run(*said(folder)).must(0)
    state = folder.fold()
    assert state.status is RunStatus.CANCELLED
    assert "changed" in {item.status.value for address, item in state.items.items() if address.startswith("files/config")}
    finished = inodes(tmp_path / "served")
    assert {name: finished[name] for name in written} == written
    assert len(finished) == len(written) + 5
