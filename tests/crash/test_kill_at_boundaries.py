"""kill -9 at every boundary between the engine, its journal and the other side; then ``resume`` in a new process.

Whatever the instant: the run ends as if nothing had happened, every effect is there once, counted on the other side, the
journal's chain is whole, and a new plan finds nothing to do.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from engine.model.run import RunStatus
from tests.support import dying
from tests.support.cli import under_way
from tests.support.dying import FINISH, ITEM, ROUND_THE_EFFECT, START, child, named
from tests.support.project import Folder, Lab, inodes, project_at, served_here, statuses, wait_until

HERE = Path(__file__).parent
GIVEN = ("-i", "inventories/kestrel")
FIRST_ITEM = [("after commit item_intended", 1), ("before effect", 1), ("after effect", 1)]
LATER_IN_CHUNK = [("before effect", 3), ("after effect", 5)]


def planned(tmp_path: Path, runbook: str, mark: str, lab: Lab) -> Folder:
    """A project with a saved plan for a rehearsal; ``mark`` tells what it does apart from what other cases do."""
    folder = project_at(tmp_path / "project", HERE / "runbooks" / runbook, lab=lab)
    folder.quick("plan", f"runbooks/{runbook}", *GIVEN, "--lab", "--set", f"mark={mark}", "--out", "c.plan").must(0)
    return folder


def killed(folder: Folder, boundary: str, nth: int) -> None:
    """Applies the saved plan and is killed at the boundary."""
    dying.killed(folder, boundary, nth, "apply", "c.plan")


def taken_up(folder: Folder) -> None:
    """Goes on in a new process, as the operator would: with the run if there is one by now, else with the plan."""
    if folder.runs():
        folder.run("resume").must(0)
    else:
        assert "There are no runs yet" in folder.run("resume").must(1).err
        folder.run("apply", "c.plan").must(0)


def all_is_well(folder: Folder, mark: str | None, *addresses: str) -> None:
    """The journal tells of one run that succeeded, and nothing is left to do."""
    folder.verify()
    assert len(folder.runs()) == 1
    state = folder.fold()
    assert state.status is RunStatus.SUCCEEDED
    assert statuses(state) == dict.fromkeys(addresses, "changed")
    given = ["--lab", "--set", f"mark={mark}"] if mark else []
    again = folder.quick("plan", f"runbooks/{runbook_of(folder)}", *GIVEN, *given, "--detailed-exitcode")
    assert "Nothing to change" in again.must(0).out
    assert "applied already" in folder.quick("apply", "c.plan").must(4).err


def runbook_of(folder: Folder) -> str:
    return next((folder.root / "runbooks").iterdir()).name


# ---------------------------------------------------------------- files in a folder, worked in chunks


@pytest.fixture
def chunked(tmp_path: Path) -> Folder:
    folder = project_at(tmp_path / "project", HERE / "runbooks" / "chunked.yml")
    served_here(folder, tmp_path / "served")
    folder.quick("plan", "runbooks/chunked.yml", *GIVEN, "--out", "c.plan").must(0)
    return folder


PHONES = [f"files/config[{mac}]" for mac in ("805ec0570501", "64167fc55902", "c074ad3cc003", "887556c9d404", "000413cc2805")]


@named([*START, *FIRST_ITEM, *ITEM, *LATER_IN_CHUNK, *FINISH])
def test_files_in_chunks_survive_kill_9(tmp_path: Path, chunked: Folder, boundary: str, nth: int) -> None:
    served = tmp_path / "served"
    killed(chunked, boundary, nth)
    written = inodes(served)
    taken_up(chunked)
    finished = inodes(served)
    assert len(finished) == 6
    assert {name: finished[name] for name in written} == written, "a file was written a second time"
    assert not list(served.glob(".*")), "a half-written file was left behind"
    all_is_well(chunked, None, *PHONES)


@named([
    ("before append run_resumed", 1), ("after commit run_resumed", 1), ("after effect", 2), ("inside commit item_changed", 1),
])
def test_a_run_that_is_killed_again_while_it_is_taken_up_can_be_taken_up_again(
    tmp_path: Path, chunked: Folder, boundary: str, nth: int
) -> None:
    killed(chunked, "before effect", 3)
    child(chunked, boundary, nth, "resume").must(-9)
    written = inodes(tmp_path / "served")
    chunked.run("resume").must(0)
    finished = inodes(tmp_path / "served")
    assert {name: finished[name] for name in written} == written, "a file was written a second time"
    all_is_well(chunked, None, *PHONES)


# ---------------------------------------------------------------- the lab: every item in a thread of its own


@named([*ROUND_THE_EFFECT, ("after commit run_finished", 1)])
def test_files_by_tftp_survive_kill_9(tmp_path: Path, lab: Lab, boundary: str, nth: int) -> None:
    """Two uploads are under way at a time; the server counts them."""
    mark = f"{boundary.replace(' ', '-')}-{nth}"
    folder = planned(tmp_path, "tftp.yml", mark, lab)
    killed(folder, boundary, nth)
    taken_up(folder)
    uploads = {file: count for file, count in lab.files_written().items() if file.startswith(f"{mark}-5")}
    assert uploads == {f"{mark}-{extension}.txt": 1 for extension in (501, 502, 503)}
    all_is_well(folder, mark, *(f"files/note[{mac}]" for mac in ("805ec0570501", "64167fc55902", "c074ad3cc003")))


@named(ROUND_THE_EFFECT)
def test_numbers_at_the_carrier_survive_kill_9(tmp_path: Path, lab: Lab, boundary: str, nth: int) -> None:
    mark = f"+1202555{100 + ROUND_THE_EFFECT.index((boundary, nth)):04d}"
    folder = planned(tmp_path, "numbers.yml", mark, lab)
    before = lab.patches()
    killed(folder, boundary, nth)
    taken_up(folder)
    assert sorted((lab.patches() - before).values()) == [1, 1, 1]
    all_is_well(folder, mark, *(f"numbers/forward[+1212555011{n}]" for n in (1, 2, 3)))


# ---------------------------------------------------------------- mail: nobody can read it back


def messages(lab: Lab, subject: str) -> Counter[str]:
    """Arrived messages with this subject, by Message-ID."""
    return Counter(str(mail["Message-ID"]) for mail in lab.mails() if mail["Subject"] == subject)


SURE = [
    ("before append item_intended", 1), ("after commit item_intended", 1), ("before effect", 1), ("after mark sent", 1),
    ("after effect", 1), ("before append item_ran", 1), ("inside commit item_ran", 1), ("after commit item_ran", 1),
    ("before append run_finished", 1),
]


@named(SURE)
def test_a_mail_is_sent_once_however_the_run_dies(tmp_path: Path, lab: Lab, boundary: str, nth: int) -> None:
    """But for the moment of sending itself, the outbox knows for certain."""
    mark = f"mail {boundary}"
    folder = planned(tmp_path, "mail.yml", mark, lab)
    killed(folder, boundary, nth)
    folder.run("resume").must(0)
    assert list(messages(lab, mark).values()) == [1]
    folder.verify()
    assert folder.fold().status is RunStatus.SUCCEEDED
    again = folder.quick("plan", "runbooks/mail.yml", *GIVEN, "--lab", "--set", f"mark={mark}")
    assert "Nothing to change" in again.must(0).out


@pytest.mark.parametrize("arrived", [True, False])
def test_a_mail_killed_while_it_was_sent_is_a_question_to_a_person(tmp_path: Path, lab: Lab, arrived: bool) -> None:
    """The run stops and asks; it never guesses. The answer is journalled, and the mail is there once."""
    mark = f"in doubt, arrived: {arrived}"
    folder = planned(tmp_path, "mail.yml", mark, lab)
    if arrived:
        lab.fault("mail", "late_reply", value=30)
        with under_way(folder.root, "apply", "c.plan"):
            wait_until(lambda: messages(lab, mark), "the message arrives")
        lab.heal()
    else:
        killed(folder, "after mark sending", 1)
    asked = folder.run("resume").must(6)
    assert "announce/mail" in asked.out
    assert "Message-ID" in asked.out
    assert messages(lab, mark).total() == arrived
    assert "In doubt are: announce/mail" in folder.run("resume", "--done", "announce/nothing").must(1).err
    folder.run("resume", "--done" if arrived else "--again", "announce/mail").must(0)
    assert list(messages(lab, mark).values()) == [1]
    folder.verify()


# ---------------------------------------------------------------- is this all?


def boundaries_passed(folder: Folder) -> set[str]:
    """What a run that nobody kills comes to."""
    return dying.passed(folder, "apply", "c.plan")


def test_no_boundary_of_a_chunked_run_is_left_out(chunked: Folder) -> None:
    """The lists above name every boundary such a run comes to, and no other."""
    assert boundaries_passed(chunked) == {boundary for boundary, _ in [*START, *ITEM, *FINISH]}


def test_no_boundary_of_a_threaded_run_is_left_out(tmp_path: Path, lab: Lab) -> None:
    folder = planned(tmp_path, "tftp.yml", "whole", lab)
    assert boundaries_passed(folder) == {boundary for boundary, _ in [*START, *ITEM, *FINISH]}


def test_no_boundary_of_a_mail_is_left_out(tmp_path: Path, lab: Lab) -> None:
    folder = planned(tmp_path, "mail.yml", "whole", lab)
    like_any_other = {boundary.replace("item_changed", "item_ran") for boundary, _ in [*START, *ITEM, *FINISH]}
    assert boundaries_passed(folder) == like_any_other | {"after mark sending", "after mark sent"}
