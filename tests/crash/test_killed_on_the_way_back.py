"""kill -9 at every boundary of a rollback; then ``resume`` in a new process: what was there before the run is there again.

An undo in doubt is looked at, like any other effect: what is as it was before is adopted, the rest is undone again.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.event import RunReadBack
from engine.model.run import RunStatus
from tests.support.dying import AROUND_A_COMMIT, FINISH, ITEM, ROUND_THE_EFFECT, START, child, killed, named, passed
from tests.support.moved import MOVE, MOVED, files_of, held, moved_project, put
from tests.support.project import Folder, Lab, inodes, project_at, served_here, statuses

HERE = Path(__file__).parent
LOOK = [(f"{where} run_read_back", 1) for where in AROUND_A_COMMIT]
CHUNK = [(boundary, 1 if "commit" in boundary or "append" in boundary else nth) for boundary, nth in ITEM]
"""All items are one chunk: their intents, and their outcomes, go together."""
OLD = {"805ec0570501.cfg": b"old = 1\n", "cfgc074ad3cc003.xml": b"<gs_provision/>\n", "64167fc55902.cfg": b"<APPLICATION/>\n"}


APPLY = ("apply", "runbooks/chunked.yml", "-i", "inventories/kestrel", "--yes")


@pytest.fixture
def begun(tmp_path: Path) -> Folder:
    """What a run over files in a folder finds: three of them stand there, three are new."""
    folder = project_at(tmp_path / "project", HERE / "runbooks" / "chunked.yml")
    served_here(folder, tmp_path / "served")
    for name, content in OLD.items():
        (tmp_path / "served" / name).write_bytes(content)
    return folder


@pytest.fixture
def done(begun: Folder) -> Folder:
    """The same after the run, worked in chunks."""
    begun.quick(*APPLY).must(0)
    return begun


def taken_up(folder: Folder, run: str) -> None:
    """Goes on in a new process, as the operator would: with the rollback if there is one by now, else from the start."""
    if len(folder.runs()) > 1:
        folder.run("resume").must(0)
    else:
        folder.run("rollback", run, "--yes").must(0)


def all_is_back(folder: Folder, run: str, count: int) -> None:
    """The journal tells of one rollback that succeeded, was proved at the end, and left nothing to undo."""
    folder.verify()
    assert len(folder.runs()) == 2
    state = folder.fold()
    assert (state.status, state.rollback_of) == (RunStatus.SUCCEEDED, run)
    assert state.read_back == RunReadBack(count, 0)
    assert [status for status in statuses(state).values() if status != "skipped"] == ["changed"] * count
    assert "Nothing to roll back" in folder.quick("rollback", run, "--yes").must(0).err


@named([*START, ("after effect", 1), *CHUNK, ("before effect", 3), ("after effect", 5), *LOOK, *FINISH])
def test_files_in_chunks_are_restored_however_the_rollback_dies(
    tmp_path: Path, done: Folder, boundary: str, nth: int
) -> None:
    served, (run,) = tmp_path / "served", done.runs()
    killed(done, boundary, nth, "rollback", run, "--yes")
    so_far = {name: inode for name, inode in inodes(served).items() if (served / name).read_bytes() == OLD.get(name)}
    taken_up(done, run)
    assert {path.name: path.read_bytes() for path in served.iterdir()} == OLD
    finished = inodes(served)
    assert {name: finished[name] for name in so_far} == so_far, "a file was restored a second time"
    all_is_back(done, run, 5)


@named([("after effect", 1), ("after commit item_intended", 2), ("before effect", 3), ("after effect", 4)])
@pytest.mark.parametrize("resumed", [True, False])
def test_a_run_that_was_killed_can_be_taken_back_before_and_after_it_was_taken_up(
    tmp_path: Path, begun: Folder, boundary: str, nth: int, resumed: bool
) -> None:
    """Of what was adopted, and of what is in doubt still, the intent knows what stood there before."""
    killed(begun, boundary, nth, *APPLY)
    if resumed:
        begun.run("resume").must(0)
    (run,) = begun.runs()
    begun.quick("rollback", run, "--yes").must(0)
    assert {path.name: path.read_bytes() for path in (tmp_path / "served").iterdir()} == OLD
    assert "Nothing to roll back" in begun.quick("rollback", run, "--yes").must(0).err


@named([
    ("before append run_resumed", 1), ("after commit run_resumed", 1), ("after effect", 2), ("after commit run_read_back", 1),
])
def test_a_rollback_that_is_killed_again_can_be_taken_up_again(tmp_path: Path, done: Folder, boundary: str, nth: int) -> None:
    (run,) = done.runs()
    killed(done, "before effect", 2, "rollback", run, "--yes")
    child(done, boundary, nth, "resume").must(-9)
    done.run("resume").must(0)
    assert {path.name: path.read_bytes() for path in (tmp_path / "served").iterdir()} == OLD
    all_is_back(done, run, 5)


@named(ROUND_THE_EFFECT)
def test_numbers_at_the_carrier_are_restored_however_the_rollback_dies(
    tmp_path: Path, lab: Lab, boundary: str, nth: int
) -> None:
    """Two at a time, in lanes; the carrier counts: each setting was made once and taken back once."""
    lab.reset()
    put(lab, "805ec0570501.cfg", "old = 1\n")
    before = held(lab)
    folder = moved_project(tmp_path / "project", lab, MOVED)
    folder.quick("apply", *MOVE, "--yes").must(0)
    (run,) = folder.runs()
    killed(folder, boundary, nth, "rollback", run, "--yes")
    taken_up(folder, run)
    assert held(lab) == before
    assert set(lab.patches().values()) == {2}
    assert [path.name for path in files_of(lab).iterdir()] == ["805ec0570501.cfg"]
    all_is_back(folder, run, 11)


def test_no_boundary_of_a_rollback_is_left_out(done: Folder) -> None:
    """The lists above name every boundary a rollback comes to, and no other."""
    (run,) = done.runs()
    assert passed(done, "rollback", run, "--yes") == {boundary for boundary, _ in [*START, *ITEM, *LOOK, *FINISH]}
