"""The way back through the command line: previewed, agreed to, proved, and told; what cannot or may not be undone is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.event import ItemSkipped, RunReadBack, RunStarted
from engine.model.run import RunStatus
from tests.support.moved import MOVE, MOVED, files_of, held, moved_project, put
from tests.support.project import Folder, Lab, statuses


@pytest.fixture
def folder(tmp_path: Path, lab: Lab) -> Folder:
    return moved_project(tmp_path / "project", lab)


def applied(folder: Folder) -> str:
    """The id of a run that has done it all."""
    folder.quick("apply", *MOVE, "--yes").must(0)
    return folder.runs()[0]


def test_a_rollback_restores_what_was_there_and_names_what_it_cannot_undo(folder: Folder, lab: Lab) -> None:
    """The preview writes nothing; the rollback is a run of its own; a second one finds nothing to do."""
    put(lab, "805ec0570501.cfg", "old = 1\naccount.1.password = hunter2\n")
    before = held(lab)
    run = applied(folder)
    after, writes = held(lab), lab.writes()

    seen = folder.quick("rollback", run, "--out", "back.plan").must(0)
    assert (held(lab), lab.writes()) == (after, writes)
    assert f"Rollback of run {run}" in seen.out
    assert "hunter2" not in seen.out
    assert "11  to undo" in seen.out
    assert "announce/mail: 1 item, mail.send cannot be read back" in seen.out
    blocks = [line for line in seen.out.splitlines() if line in ("announce/mail", "phones/config", "numbers/move")]
    assert blocks == ["numbers/move", "phones/config", "announce/mail"]
    assert "Nobody is there to agree" in folder.quick("rollback", run).must(1).err

    done = folder.quick("rollback", run, "--yes").must(0)
    assert held(lab) == before
    assert f"Rollback of run {run}" in done.out
    back = folder.runs()[0]
    state = folder.fold(back)
    assert (state.status, state.rollback_of) == (RunStatus.SUCCEEDED, run)
    assert state.read_back == RunReadBack(11, 0)
    assert statuses(state)["announce/mail"] == "skipped"
    folder.verify()

    folder.quick("report", back, "--html", "r.html", "--csv", "r.csv").must(0)
    page, table = ((folder.root / name).read_text(encoding="utf-8") for name in ("r.html", "r.csv"))
    assert f"<h1>Rollback of run {run}: Moved</h1>" in page
    assert "all as before the run" in page
    assert table.count(",undone,") == 11
    assert table.count(",not undone,") == 1

    writes = lab.writes()
    assert "Nothing to roll back" in folder.quick("rollback", run, "--yes").must(0).err
    assert lab.writes() == writes
    assert folder.runs()[0] == back
    assert "is itself a rollback" in folder.quick("rollback", back, "--yes").must(1).err


def test_what_was_done_last_is_undone_first(folder: Folder) -> None:
    """Steps reversed, lanes reversed, and the items of a step in reverse."""
    run = applied(folder)
    folder.quick("rollback", run, "--yes").must(0)
    changed = [event.address for event in folder.events() if event.kind == "item_changed"]  # type: ignore[attr-defined]  # its kind has one
    did = [event.address for event in folder.events(run) if event.kind == "item_changed"]  # type: ignore[attr-defined]  # its kind has one
    phones = [address for address in did if address.startswith("phones/")]
    assert [address for address in changed if address.startswith("phones/")] == phones[::-1]
    assert changed.index("numbers/forward[+12125550111]") > changed.index("numbers/caller-id[+12125550111]")
    assert changed[-len(phones):] == phones[::-1]


def test_what_somebody_changed_since_is_left_alone_and_the_rest_goes_on(folder: Folder, lab: Lab) -> None:
    """Shown as refused beforehand, failed as moved afterwards; exit 5."""
    run = applied(folder)
    put(lab, "805ec0570501.cfg", "by = somebody\n")
    seen = folder.quick("rollback", run, "--out", "back.plan").must(0)
    assert "1  changed by somebody else since: left alone" in seen.out
    done = folder.quick("apply", "back.plan").must(5)
    assert "805ec0570501.cfg was changed by somebody else since" in done.out
    assert (files_of(lab) / "805ec0570501.cfg").read_text(encoding="utf-8") == "by = somebody\n"
    assert [path.name for path in files_of(lab).glob("[!.]*")] == ["805ec0570501.cfg"]


def test_a_step_may_be_named_that_stays_with_all_before_it(folder: Folder, lab: Lab) -> None:
    run = applied(folder)
    folder.quick("rollback", run, "--to", "numbers/forward", "--yes").must(0)
    assert set(statuses(folder.fold())) == {f"numbers/caller-id[+1212555011{n}]" for n in (1, 2, 3)}
    assert "Did you mean 'numbers/forward'" in folder.quick("rollback", run, "--to", "numbers/foward", "--yes").must(1).err
    folder.quick("rollback", run, "--limit", "[805ec0570501]", "--yes").must(0)
    assert set(statuses(folder.fold())) == {"phones/config[805ec0570501]"}
    assert "fits nothing" in folder.quick("rollback", run, "--limit", "nowhere", "--yes").must(3).err
    folder.quick("rollback", run, "--yes").must(0)
    assert set(statuses(folder.fold()).values()) == {"changed", "unchanged", "skipped"}


def test_a_saved_way_back_is_stale_once_the_run_has_gone_on(folder: Folder, lab: Lab) -> None:
    """And a run that was taken back does not go on."""
    lab.fault("carrier", "status", match="PATCH ", value=422)
    folder.quick("apply", *MOVE, "--yes").must(5, 7)
    lab.heal()
    run = folder.runs()[0]
    folder.quick("rollback", run, "--out", "back.plan").must(0)
    folder.quick("retry", run).must(0)
    assert "has gone on since" in folder.quick("apply", "back.plan").must(4).err
    folder.quick("rollback", run, "--out", "next.plan").must(0)
    folder.quick("apply", "next.plan").must(0)
    assert "was applied already" in folder.quick("apply", "next.plan").must(4).err


def test_a_run_that_was_taken_back_does_not_go_on(folder: Folder, lab: Lab) -> None:
    lab.fault("carrier", "status", match="PATCH ", value=422)
    folder.quick("apply", *MOVE, "--yes").must(5, 7)
    lab.heal()
    run = folder.runs()[0]
    folder.quick("rollback", run, "--yes").must(0)
    assert "was rolled back" in folder.quick("retry", run).must(4).err


def test_a_change_that_templates_no_longer_make_is_still_undone(folder: Folder, lab: Lab) -> None:
    """Undoing goes by receipts: weeks later the templates have moved on."""
    run = applied(folder)
    (folder.root / "templates").mkdir()
    (folder.root / "templates" / "note.j2").write_text("new\n", encoding="utf-8")
    folder.quick("rollback", run, "--yes").must(0)
    assert not list(files_of(lab).glob("[!.]*"))


def test_what_a_later_step_of_the_run_changed_again_is_not_somebody_elses_change(tmp_path: Path, lab: Lab) -> None:
    """Forwarded to one number first and to another later: the later one is undone first, and uncovers the earlier."""
    text = MOVED.read_text(encoding="utf-8")
    again = """
  - name: later
    steps:
      - name: forward-again
        for_each: numbers
        where: item.temporary_did
        action: number.forward
        when: steps.forward.ok
        with: {connection: carrier, number: "{{ item.number }}", to: "+12125550199"}
        settle: 2s
"""
    (tmp_path / "moved.yml").write_text(text + again, encoding="utf-8")
    folder = moved_project(tmp_path / "project", lab, tmp_path / "moved.yml")
    before = held(lab)
    run = applied(folder)
    assert "decided later: after later/forward-again" in folder.quick("rollback", run, "--out", "b.plan").must(0).out
    folder.quick("apply", "b.plan").must(0)
    assert held(lab) == before
    assert "Nothing to roll back" in folder.quick("rollback", run, "--yes").must(0).err


def test_nothing_behind_a_point_of_no_return_is_undone(tmp_path: Path, lab: Lab) -> None:
    """The plan says where it stands; the rollback names what stays behind it and takes back the rest."""
    text, step = MOVED.read_text(encoding="utf-8"), "action: phone.config"
    text = text.replace(step, f"{step}\n        point_of_no_return: true")
    (tmp_path / "moved.yml").write_text(text, encoding="utf-8")
    folder = moved_project(tmp_path / "project", lab, tmp_path / "moved.yml")
    planned = folder.quick("plan", *MOVE).must(0).out
    assert "Point of no return" in planned
    assert planned.rstrip().endswith("phones/config")
    run = applied(folder)
    after = held(lab)
    shown = folder.quick("rollback", run, "--out", "b.plan").must(0).out
    assert "phones/config: 5 items, behind the point of no return phones/config" in shown
    folder.quick("apply", "b.plan").must(0)
    assert held(lab)["files"] == after["files"]
    assert held(lab)["caller IDs"] != after["caller IDs"]
    assert "Nothing to roll back" in folder.quick("rollback", run, "--to", "phones/config", "--yes").must(0).err


def test_the_header_and_the_record_say_of_which_run_it_is(folder: Folder) -> None:
    run = applied(folder)
    folder.quick("rollback", run, "--yes", "--output", "json").must(0)
    events = folder.events()
    started = events[0]
    assert isinstance(started, RunStarted)
    assert started.header["rollback_of"] == run
    assert [event.why for event in events if isinstance(event, ItemSkipped)] == [
        "not undone: mail.send cannot be read back, so it cannot be taken back"
    ]


def test_drift_tells_item_by_item_what_is_no_longer_as_the_run_left_it(folder: Folder, lab: Lab) -> None:
    """As left, changed, gone; it writes nothing, and of a rollback it compares with what was before the run."""
    put(lab, "805ec0570501.cfg", "old = 1\n")
    run = applied(folder)
    writes = lab.writes()
    assert "11  as left" in folder.quick("drift", "--detailed-exitcode").must(0).out
    put(lab, "cfgc074ad3cc003.xml", "<by>somebody</by>\n")
    (files_of(lab) / "spa887556c9d404.cfg").unlink()
    found = folder.quick("drift", run, "--detailed-exitcode").must(2).out
    for words in (
        "phones/config[c074ad3cc003] 503 Cleo Dunmore: changed", "-<by>somebody</by>",
        "phones/config[887556c9d404] 504 Dario Elwes: gone", "9  as left", "1  done, and nobody can read it back",
    ):
        assert words in found, words
    counts = folder.quick("drift", run, "--output", "json").must(0).json["counts"]
    assert counts == {"as left": 9, "changed": 1, "gone": 1, "cannot be read": 0, "cannot be read back": 1}
    assert lab.writes() == writes

    folder.quick("rollback", run, "--limit", "[805ec0570501]", "--yes").must(0)
    assert "1  as left" in folder.quick("drift", "--detailed-exitcode").must(0).out
    assert "was rolled back" in folder.quick("drift", run).must(0).err
    put(lab, "805ec0570501.cfg", "by = somebody\n")
    assert "805ec0570501.cfg was changed by somebody else since" in folder.quick("drift", "--detailed-exitcode").must(2).out


def test_drift_says_what_cannot_be_read(folder: Folder, lab: Lab) -> None:
    applied(folder)
    lab.fault("carrier", "status", match="GET ", value=403)
    found = folder.quick("drift").must(1)
    assert "3  cannot be read" in found.out
