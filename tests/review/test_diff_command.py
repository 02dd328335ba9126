"""``switchover diff`` as a reviewer has it, in repositories as they are found."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.review.conftest import GitProject
from tests.scenario.test_amendments import BOOK, HOUSE, INVENTORY, RUNBOOK, TABLE
from tests.support.cli import Ended, in_process
from tests.support.project import Folder

MOVE = "runbooks/move.yml"


def diff(project: GitProject, *arguments: object) -> Ended:
    return in_process(project.root, "diff", *arguments)


def kinds(ended: Ended) -> list[str]:
    return [one["kind"] for runbook in ended.must(0, 2).json["runbooks"] for one in runbook["differences"]]


# ---------------------------------------------------------------- what is compared


def test_without_revisions_the_working_tree_is_held_against_the_newest_commit(project: GitProject) -> None:
    project.edit(MOVE, "quorum: 2", "quorum: 1")
    assert kinds(diff(project, "--output", "json")) == ["quorum-changed"]


def test_two_dots_name_both_sides(project: GitProject) -> None:
    project.edit(MOVE, "quorum: 2", "quorum: 1")
    project.commit()
    assert kinds(diff(project, "HEAD~1..HEAD", "--output", "json")) == ["quorum-changed"]
    assert kinds(diff(project, "HEAD~1..", "--output", "json")) == ["quorum-changed"]


def test_only_runbooks_after_the_dashes_are_compared(project: GitProject) -> None:
    text = (project.root / MOVE).read_text()
    (project.root / "runbooks/other.yml").write_text(text.replace("name: move\n", "name: other\n", 1))
    project.commit()
    project.edit("runbooks/other.yml", "quorum: 2", "quorum: 1")
    project.edit(MOVE, "parallel: 4", "parallel: 9")
    found = diff(project, "HEAD", "--output", "json", "--", project.root / MOVE).must(0).json
    assert [one["path"] for one in found["runbooks"]] == [MOVE]
    assert found["risks"] == ["guard-loosened"]


def test_the_exit_code_tells_of_differences_when_asked(project: GitProject) -> None:
    assert diff(project, "HEAD", "--detailed-exitcode").code == 0
    project.edit(MOVE, "quorum: 2", "quorum: 1")
    assert diff(project, "HEAD", "--detailed-exitcode").code == 2
    assert diff(project, "HEAD").code == 0


def test_each_side_is_compared_with_its_own_inventory(project: GitProject) -> None:
    project.edit("inventories/acme/phones.csv", "805ec0000003,", "805ec0000009,yealink,T54W,104,Eve,north,env:PW\n805ec0000003,")
    ended = diff(project, "HEAD", "-i", project.root / "inventories/acme").must(0)
    assert "1 phone newly in scope" in ended.out
    assert "805ec0000009 104 Eve" in ended.out
    assert "env:PW" not in ended.out


def test_an_inventory_that_is_new_has_everybody_newly_in_scope(project: GitProject) -> None:
    project.git("mv", "inventories/acme", "inventories/other")
    ended = diff(project, "HEAD", "-i", project.root / "inventories/other").must(0)
    assert "3 phones newly in scope" in ended.out
    assert "There is no inventory inventories/other in HEAD" in ended.out


def test_what_is_rendered_is_shown_per_phone_without_a_secret(project: GitProject) -> None:
    """Phones with the same lines are told as one; a password written out on one side shows on neither."""
    project.edit("inventories/acme/phones.csv", "env:PW", "hunter2-plain")
    project.edit("inventories/acme/inventory.yml", "sip_server: sip.example.net", "sip_server: sip2.example.net")
    ended = diff(project, "HEAD", "-i", project.root / "inventories/acme").must(0)
    assert "3 phones: the same" in ended.out
    assert "805ec0000001, 805ec0000002, 805ec0000003" in ended.out
    assert "hunter2-plain" not in ended.out


def test_what_needs_the_output_of_a_step_is_told_and_not_guessed(project: GitProject) -> None:
    project.edit("templates/notice/done.txt.j2", "all is done", "{{ steps.door.ok }}")
    ended = diff(project, "HEAD", "-i", project.root / "inventories/acme").must(0)
    assert "tell/done: " in ended.out
    assert "known only in a run" in ended.out


def test_without_an_inventory_templates_are_compared_as_text(project: GitProject) -> None:
    project.edit("templates/notice/done.txt.j2", "all is done", "almost all is done")
    ended = diff(project).must(0)
    assert "template notice/done.txt.j2 says something else in 2 lines" in ended.out
    assert "+almost all is done." in ended.out


def test_nothing_in_the_working_tree_or_the_index_is_touched(project: GitProject) -> None:
    """Also where hooks and monitors are configured: none of them runs."""
    trap = project.root / ".git/trap"
    trap.write_text("#!/bin/sh\ntouch \"$(dirname \"$0\")/sprung\"\n")
    trap.chmod(0o755)
    project.git("config", "core.fsmonitor", str(trap))
    project.git("config", "core.pager", str(trap))
    project.edit(MOVE, "quorum: 2", "quorum: 1")
    before = {path: path.stat().st_mtime_ns for path in project.root.rglob("*")}
    diff(project, "HEAD~0", "HEAD").must(0)
    diff(project, "HEAD").must(0)
    assert {path: path.stat().st_mtime_ns for path in project.root.rglob("*")} == before


# ---------------------------------------------------------------- repositories as they are found


def test_a_revision_that_does_not_exist_is_said_with_what_is_near(project: GitProject) -> None:
    project.git("branch", "release-7")
    ended = diff(project, "relaese-7").must(1)
    assert "There is no revision 'relaese-7'" in ended.err
    assert "Did you mean 'release-7'?" in ended.err


@pytest.mark.parametrize("revision", [" ", "HEAD:runbooks", "HEAD^{tree}", "@{-1}"])
def test_what_is_no_commit_is_refused(project: GitProject, revision: str) -> None:
    assert "There is no revision" in diff(project, revision).must(1).err


def test_a_shallow_clone_says_how_to_get_the_rest(project: GitProject, tmp_path: Path) -> None:
    project.commit("second")
    clone = ["git", "clone", "--quiet", "--depth", "1", f"file://{project.root}", str(tmp_path / "clone")]
    subprocess.run(clone, check=True, capture_output=True)
    ended = diff(GitProject(tmp_path / "clone"), project.base).must(1)
    assert "This is a shallow clone" in ended.err
    assert "git fetch --unshallow" in ended.err


def test_a_repository_without_commits_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "runbooks").mkdir()
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    assert "The repository has no commit yet" in in_process(tmp_path, "diff").must(1).err


def test_a_folder_that_is_no_repository_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "runbooks").mkdir()
    assert "is in no git repository" in in_process(tmp_path, "diff").must(1).err


def test_a_file_that_was_renamed_is_the_same_runbook(project: GitProject) -> None:
    """Its move means nothing, and what changed in it is told."""
    project.git("mv", MOVE, "runbooks/phones.yml")
    assert diff(project, "HEAD", "--detailed-exitcode").must(0).out.count("The file was called runbooks/move.yml before.") == 1
    project.edit("runbooks/phones.yml", "quorum: 2", "quorum: 1")
    assert kinds(diff(project, "HEAD", "--output", "json", "--", project.root / "runbooks/phones.yml")) == ["quorum-changed"]


def test_a_runbook_that_is_new_or_gone_is_said(project: GitProject) -> None:
    project.git("rm", "--quiet", MOVE)
    assert kinds(diff(project, "HEAD", "--output", "json")) == ["runbook-removed"]
    project.commit()
    assert kinds(diff(project, "HEAD", project.base, "--output", "json")) == ["runbook-added"]


def test_a_side_that_is_invalid_is_said_and_the_rest_is_compared(project: GitProject) -> None:
    project.edit(MOVE, "action: http.resource", "action: http.resorce")
    project.edit(MOVE, "quorum: 2", "quorum: 1")
    ended = diff(project, "HEAD").must(0)
    assert "The new side is invalid" in ended.out
    assert "1 of them has to agree instead of 2" in ended.out


def test_a_side_that_has_not_the_form_of_a_runbook_is_compared_as_it_is_written(project: GitProject) -> None:
    project.edit(MOVE, "parallel: 4", "paralel: 40")
    ended = diff(project, "HEAD").must(0)
    assert "The new side is invalid" in ended.out
    assert "phases.phones.steps.move.parallel: 4 -> nothing" in ended.out
    assert "steps.move.paralel: nothing -> 40" in ended.out


def test_conflict_markers_are_told_by_their_line(project: GitProject) -> None:
    project.edit(MOVE, "title: Move of the phones\n", "<<<<<<< ours\ntitle: A\n=======\ntitle: B\n>>>>>>> theirs\n")
    ended = diff(project, "HEAD").must(0)
    assert "Merge conflict markers" in ended.out
    assert f"{MOVE}:3:1" in ended.out
    assert "the new side is no runbook that can be read" in ended.out


def test_an_invalid_inventory_leaves_the_runbook_to_be_compared(project: GitProject) -> None:
    project.edit("inventories/acme/inventory.yml", "timezone: America/New_York", "timezone: Mars/Base")
    project.edit(MOVE, "quorum: 2", "quorum: 1")
    ended = diff(project, "HEAD", "-i", project.root / "inventories/acme").must(0)
    assert "inventories were not compared" in ended.out
    assert "1 of them has to agree instead of 2" in ended.out


def test_a_project_in_a_folder_of_the_repository_is_found(tmp_path: Path, project: GitProject) -> None:
    project.git("mv", "-k", "runbooks", "templates", "inventories", ".")
    inner = project.root / "telephony"
    inner.mkdir()
    for name in ("runbooks", "templates", "inventories"):
        project.git("mv", name, f"telephony/{name}")
    project.commit()
    project.edit("telephony/runbooks/move.yml", "quorum: 2", "quorum: 1")
    ended = in_process(inner, "diff", "HEAD", "--output", "json").must(0)
    assert ended.json["runbooks"][0]["differences"][0]["file"] == "telephony/runbooks/move.yml"


# ---------------------------------------------------------------- runs that are open


@pytest.fixture
def home(tmp_path: Path) -> Folder:
    """A repository whose runbook has a run that waits for a form."""
    for name in ("runbooks", HOUSE, "out"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / BOOK).write_text(RUNBOOK)
    (tmp_path / TABLE).write_text(INVENTORY)
    (tmp_path / ".gitignore").write_text(".switchover/\nout/\n")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    GitProject(tmp_path).commit()
    folder = Folder(tmp_path)
    folder.quick("apply", BOOK, "-i", HOUSE, "--yes", "--set", "product=X").must(6)
    return folder


def test_a_run_that_could_go_over_is_listed_with_what_it_waits_for(home: Folder) -> None:
    home.edit(BOOK, "title: Last}", "title: The last}")
    before = {path: path.stat().st_mtime_ns for path in home.state.rglob("*") if "journal" not in path.name}
    (run,) = home.quick("diff", "HEAD", "--output", "json").must(0).json["runbooks"][0]["open_runs"]
    assert (run["run"], run["waits_for"], run["obstacles"]) == (home.runs()[0], "ask/form", [])
    assert {path: path.stat().st_mtime_ns for path in home.state.rglob("*") if "journal" not in path.name} == before


def test_a_run_that_could_not_is_listed_with_why(home: Folder) -> None:
    home.edit(BOOK, 'title: "T {{ item.price }}"', "title: Other")
    ended = home.quick("diff").must(0)
    assert "amend would be refused:" in ended.out
    assert "A done step would change" in ended.out


def test_a_run_of_another_revision_is_not_listed(home: Folder) -> None:
    home.edit(BOOK, "title: Last}", "title: The last}")
    GitProject(home.root).commit()
    home.edit(BOOK, "title: The last}", "title: The very last}")
    assert home.quick("diff", "--output", "json").must(0).json["runbooks"][0]["open_runs"] == []


def test_only_devices_whose_file_differs_are_told_also_through_what_it_includes(project: GitProject) -> None:
    """A part that the phones of one vendor include: those of the other keep their files."""
    own = project.root / "templates/provisioning"
    (own / "yealink").mkdir(parents=True)
    (own / "yealink/phone.cfg.j2").write_text("#!version:1.0.0.1\n{% include 'provisioning/yealink/line.cfg.j2' %}\n", "utf-8")
    (own / "yealink/line.cfg.j2").write_text("account.1.label = {{ item.label }}\naccount.1.codec = 1\n", "utf-8")
    project.edit("inventories/acme/phones.csv", "805ec0000002,yealink,T54W", "000413000002,snom,D785")
    project.commit("two vendors")
    project.edit("templates/provisioning/yealink/line.cfg.j2", "codec = 1", "codec = 2")
    ended = diff(project, "HEAD", "-i", project.root / "inventories/acme").must(0)
    assert "2 phones: the same 2 lines rendered from provisioning/yealink/phone.cfg.j2 differ" in ended.out
    assert "+account.1.codec = 2" in ended.out
    assert "000413000002" not in ended.out


def test_a_device_that_cannot_be_rendered_is_told_and_the_others_are_shown(project: GitProject) -> None:
    """Such as one of a model that nobody knows: it is named, with why."""
    project.edit("inventories/acme/phones.csv", "805ec0000002,yealink,T54W", "805ec0000002,yealink,X99")
    project.commit("a model nobody knows")
    project.edit("inventories/acme/inventory.yml", "sip_server: sip.example.net", "sip_server: sip2.example.net")
    ended = diff(project, "HEAD", "-i", project.root / "inventories/acme").must(0)
    assert "2 phones: the same" in ended.out
    assert "805ec0000002: 'X99' is not a model of yealink" in ended.out
