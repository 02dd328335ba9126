"""apply, amend, plans and the way back under a policy, from the command line, in real repositories."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.policy.place import LENA, ME, MOVE, POLICY, RUNBOOK, Place, git, place
from tests.policy.test_history import key, signed, signer
from tests.support.cli import Ended

EYES = """\
switchover_policy: 1
rules:
  - name: eyes
    branches: [origin/main]
    approvals:
      - {risks: [approval-weakened], by: [lead, owner]}
overrides: {by: [director]}
"""
LET = ("--override", "director", "--reason", "the lines are down")
APPROVAL = """\
      - name: sign-off
        when: "false"
        approval: {by: lead, within: 2 days}
"""


@pytest.fixture
def at(tmp_path: Path) -> Place:
    return place(tmp_path)


@pytest.fixture
def eyes(tmp_path: Path) -> Place:
    """One that has been applied once: its first commit, which nobody reviewed, by an override."""
    made = place(tmp_path, EYES)
    assert "There is nothing before" in said(made.apply().must(4))
    made.apply(*LET).must(0)
    return made


def said(ended: Ended) -> str:
    return " ".join(ended.err.split())


def runs(at: Place) -> list[dict[str, object]]:
    found: list[dict[str, object]] = at.run("status", "--output", "json").must(0).json
    return found


def newest(at: Place) -> str:
    return str(runs(at)[0]["run"])


def checked(at: Place) -> list[dict[str, object]]:
    found: list[dict[str, object]] = at.run("status", newest(at), "--output", "json").must(0).json["policy"]
    return found


# ---------------------------------------------------------------- committed, and where


def test_a_reviewed_commit_is_applied_and_what_was_found_stands_in_status_report_and_journal(at: Place) -> None:
    ended = at.apply().must(0)
    head = at.git("rev-parse", "HEAD")
    line = f"Policy kept, by origin/main:policy.yml: commit {head[:10]}; in origin/main"
    assert line in " ".join(ended.out.split())
    found, = checked(at)
    assert (found["outcome"], found["commit"], found["branches"]) == ("kept", head, ["origin/main"])
    assert found["policy_commit"] == head
    at.run("report", newest(at), "--html", "report.html", "--jsonl", "events.jsonl").must(0)
    assert line in (at.home / "report.html").read_text()
    assert '"kind":"policy_checked"' in (at.home / "events.jsonl").read_text().replace(": ", ":")


def test_what_is_not_committed_is_refused_with_the_way_to_go_on(at: Place) -> None:
    """Nothing starts, and no run is left behind."""
    at.change("runbooks/move.yml", "title: one", "title: two")
    refused = said(at.apply().must(4))
    assert "policy.yml:3:5: rule 'reviewed': runbooks/move.yml is not as commit" in refused
    assert "Commit it, push it and have it reviewed." in refused
    assert "Dora Director (director) or Max Manager (manager) may override it, on record: --override director --reason" in refused
    assert runs(at) == []
    assert list((at.home / "out").iterdir()) == []


@pytest.mark.parametrize("name", ["inventories/acme/inventory.yml", "templates/page.html.j2", "templates/new.j2"])
def test_a_change_of_inventory_or_templates_counts_as_one_of_the_runbook(at: Place, name: str) -> None:
    path = at.home / name
    at.write(name, (path.read_text() if path.exists() else "") + "\n")
    assert f"{name} is not as commit" in said(at.apply().must(4))


def test_a_change_of_what_is_not_applied_is_none_of_its_business(at: Place) -> None:
    at.write("notes.txt", "remember the milk\n")
    at.apply().must(0)


def test_a_commit_is_applied_once_it_is_on_the_branch(at: Place) -> None:
    at.change("runbooks/move.yml", "title: one", "title: two")
    commit = at.commit("Two")
    refused = said(at.apply().must(4))
    assert f"policy.yml:4:5: rule 'reviewed': Commit {commit[:10]} is not in origin/main. Push it and have it reviewed" in refused
    at.push()
    at.apply().must(0)


def test_a_detached_head_goes_by_its_commit(at: Place) -> None:
    at.git("checkout", "--quiet", "--detach")
    at.apply().must(0)
    at.change("runbooks/move.yml", "title: one", "title: two")
    at.commit("Two")
    assert "is not in origin/main" in said(at.apply().must(4))


def test_only_the_one_who_may_overrides_and_with_a_reason(at: Place) -> None:
    at.change("runbooks/move.yml", "title: one", "title: two")
    assert "acts by the account nobody-has-this-account" in said(at.apply("--override", "manager", "--reason", "why").must(4))
    assert "lead is not among those who may override the policy" in said(at.apply("--override", "lead", "--reason", "w").must(4))
    assert "--reason wants words" in said(at.apply("--override", "director").must(3))
    ended = at.apply(*LET).must(0)
    line = "Policy overridden by Dora Director (director; account"
    assert line in " ".join(ended.out.split())
    found, = checked(at)
    assert (found["outcome"], found["who"], found["reason"]) == ("overridden", "Dora Director", "the lines are down")
    assert found["changed"] == ["runbooks/move.yml"]
    at.run("report", newest(at), "--html", "report.html").must(0)
    assert line in (at.home / "report.html").read_text()


def test_an_override_that_is_not_needed_is_not_on_record(at: Place) -> None:
    at.apply(*LET).must(0)
    assert [found["outcome"] for found in checked(at)] == ["kept"]


# ---------------------------------------------------------------- the policy's own authority


@pytest.mark.parametrize("way", ["gone", "emptied", "committed", "broken", "conflict"])
def test_a_change_of_the_policy_that_is_not_reviewed_loosens_nothing(at: Place, way: str) -> None:
    loose = POLICY.replace("    branches: [origin/main]\n", "    dirty: true\n")
    text = {"emptied": loose, "committed": loose, "broken": "rules: [", "conflict": f"<<<<<<< HEAD\n{POLICY}>>>>>>> x\n"}.get(way)
    if text is None:
        (at.home / "policy.yml").unlink()
    else:
        at.write("policy.yml", text)
    at.change("runbooks/move.yml", "title: one", "title: two")
    if way == "committed":
        at.commit("Loosen")
    refused = said(at.apply().must(4))
    assert "origin/main:policy.yml:" in refused
    assert "here: what stands on origin/main counts, until that is reviewed" in refused


def test_line_ends_of_windows_make_no_other_policy(at: Place) -> None:
    (at.home / "policy.yml").write_bytes(POLICY.replace("\n", "\r\n").encode())
    assert "another" not in at.apply().must(0).err


def test_people_are_those_of_the_reviewed_branch(at: Place) -> None:
    """Nobody makes himself director in the tree."""
    at.change("inventories/acme/inventory.yml", "logins: [nobody-has-this-account]", f"logins: [{ME}]")
    at.commit("Max is me")
    refused = said(at.apply("--override", "manager", "--reason", "mine").must(4))
    assert "Max Manager acts by the account nobody-has-this-account" in refused


def test_a_runbook_that_calls_itself_another_escapes_no_rule(at: Place) -> None:
    at.write("policy.yml", POLICY.replace("    branches", "    except: [try-*]\n    branches"))
    at.write("runbooks/try-out.yml", RUNBOOK.replace("name: move", "name: try-out"))
    at.commit("Try-outs are free")
    at.push()
    at.change("runbooks/try-out.yml", "title: one", "title: two")
    at.run("apply", "runbooks/try-out.yml", *MOVE[1:], "--yes").must(0)
    at.change("runbooks/move.yml", "name: move", "name: try-move")
    assert "runbooks/move.yml is not as commit" in said(at.apply().must(4))


def test_a_folder_made_a_project_inside_another_escapes_no_policy(at: Place) -> None:
    inner = at.home / "inner"
    for name in ("runbooks", "inventories", "templates"):
        shutil.copytree(at.home / name, inner / name)
    (inner / "out").mkdir()
    refused = said(Place(inner, at.server).apply().must(4))
    assert "rule 'reviewed': " in refused
    assert "inner/runbooks/move.yml" in refused


def test_standing_in_another_project_escapes_no_policy(at: Place, tmp_path: Path) -> None:
    at.change("runbooks/move.yml", "title: one", "title: two")
    elsewhere = Place(tmp_path / "elsewhere", at.server)
    (elsewhere.home / "runbooks").mkdir(parents=True)
    (elsewhere.home / "out").mkdir()
    shutil.copytree(at.home / "templates", elsewhere.home / "templates")
    named = (str(at.home / "runbooks/move.yml"), "-i", str(at.home / "inventories/acme"))
    refused = said(elsewhere.run("apply", *named, "--yes").must(4))
    assert "runbooks/move.yml" in refused
    assert "elsewhere/templates/page.html.j2" in refused


def test_one_policy_speaks_of_several_projects_below_it(at: Place) -> None:
    """And knows their runbooks and people wherever one stands."""
    for name in ("one", "two"):
        for part in ("runbooks", "inventories", "templates"):
            shutil.copytree(at.home / part, at.home / name / part)
        (at.home / name / "out").mkdir()
    at.change("two/runbooks/move.yml", "name: move", "name: other-move")
    at.change("two/inventories/acme/inventory.yml", "  owner:", "  other_owner:")
    eyes = "    runbooks: [other-move, move]\n    approvals: [{levels: [high], by: [other_owner]}]\n    branches"
    at.write("policy.yml", POLICY.replace("    branches", eyes))
    for part in ("runbooks", "inventories"):
        shutil.rmtree(at.home / part)
    at.commit("Two projects")
    at.commit("Seen", "Reviewed-by: Olga Owner <olga@example.net>")
    at.push()
    one = Place(at.home / "one", at.server)
    assert "for other-move, move" in one.policy().must(0).out
    one.apply().must(0)
    one.change("runbooks/move.yml", "title: one", "title: two")
    assert "rule 'reviewed': one/runbooks/move.yml is not as commit" in said(one.apply().must(4))


def test_a_new_policy_counts_before_it_is_reviewed(tmp_path: Path) -> None:
    """It can only ask for more."""
    at = place(tmp_path, None)
    at.apply().must(0)
    assert checked(at) == []
    at.write("policy.yml", POLICY)
    at.commit("A policy")
    refused = said(at.apply().must(4))
    assert "policy.yml counts as it stands here: it is not on origin/main yet" in refused
    assert "is not in origin/main" in refused


def test_a_reviewed_policy_that_is_invalid_lets_nothing_through(at: Place) -> None:
    at.write("policy.yml", POLICY.replace("branches", "brances"))
    at.commit("A slip")
    at.push()
    refused = at.apply(*LET).must(3).err
    assert "policy.yml:4:5" in refused
    assert "Did you mean 'branches'?" in refused


def test_a_role_that_a_tree_has_lost_makes_no_policy_invalid(at: Place) -> None:
    at.change("inventories/acme/inventory.yml", "  manager: {name: Max Manager, logins: [nobody-has-this-account]}\n", "")
    at.commit("No manager")
    assert "is not in origin/main" in said(at.apply().must(4))


# ---------------------------------------------------------------- odd repositories


def test_without_git_nothing_is_reviewed(at: Place) -> None:
    shutil.rmtree(at.home / ".git")
    refused = said(at.apply().must(4))
    assert "is in no git repository: nothing is reviewed here." in refused
    at.apply(*LET).must(0)


def test_without_git_and_without_a_policy_nothing_changes(at: Place) -> None:
    shutil.rmtree(at.home / ".git")
    (at.home / "policy.yml").unlink()
    at.apply().must(0)
    assert checked(at) == []


def test_a_repository_without_commits_has_nothing_reviewed(at: Place) -> None:
    shutil.rmtree(at.home / ".git")
    git(at.home, "init", "--quiet", "-b", "main")
    refused = said(at.apply().must(4))
    assert "Nothing is committed in this repository yet. Commit it, push it and have it reviewed." in refused
    assert "Without a commit nothing is in origin/main." in refused


def test_a_branch_that_is_not_here_is_said_so(at: Place) -> None:
    at.write("policy.yml", POLICY.replace("origin/main", "origin/mainn"))
    at.commit("Another branch")
    at.push()
    assert "There is no branch origin/mainn here. Did you mean 'origin/main'? Fetch it: git fetch" in said(at.apply().must(4))


def test_a_shallow_clone_tells_what_it_can(at: Place, tmp_path: Path) -> None:
    """The newest commit is on the branch; whether an older one is takes the whole history."""
    first = at.git("rev-parse", "HEAD")
    at.write("notes.txt", "x\n")
    at.commit("Notes")
    at.push()
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{at.server}", "shallow")
    shallow = Place(tmp_path / "shallow", at.server)
    (shallow.home / "out").mkdir()
    shallow.apply().must(0)
    shallow.git("fetch", "--quiet", "--depth", "1", "origin", first)
    shallow.git("checkout", "--quiet", "--detach", first)
    assert "This is a shallow clone, which does not tell whether commit" in said(shallow.apply().must(4))
    shallow.git("fetch", "--quiet", "--unshallow")
    shallow.apply().must(0)


# ---------------------------------------------------------------- who reviewed


def weakened(at: Place, *trailers: str, who: tuple[str, str] = ("Ann Author", "ann@example.net")) -> str:
    at.change("runbooks/move.yml", APPROVAL, "")
    at.change("runbooks/move.yml", "title: one", "title: two")
    commit = at.commit("Less to sign", *trailers, who=who)
    at.push()
    return commit


def test_a_change_that_weakens_an_approval_needs_its_reviewer(eyes: Place) -> None:
    commit = weakened(eyes)
    refused = said(eyes.apply().must(4))
    asked = "The change (approval-weakened) needs a review by Lena Lead (lead) or Olga Owner (owner)"
    assert f"{asked}: {commit[:10]} 'Less to sign' has none" in refused
    assert "'Reviewed-by: Lena Lead <lena@example.net>'" in refused
    eyes.git("commit", "--quiet", "--allow-empty", "-m", "Seen\n\nReviewed-by: Lena Lead <lena@example.net>")
    eyes.push()
    eyes.apply().must(0)
    found, = checked(eyes)
    assert [who["name"] for who in found["approvers"]] == ["Lena Lead"]  # type: ignore[attr-defined]
    assert "approval-weakened" in str(found["risks"])
    assert "applied last with success, by run" in str(found["base"])


def test_a_reviewer_named_in_the_commit_counts_and_its_author_never_does(eyes: Place) -> None:
    weakened(eyes, "Reviewed-by: Lena Lead <lena@example.net>", who=LENA)
    assert "by Lena Lead, who does not count as their own reviewer" in said(eyes.apply().must(4))
    eyes.git("commit", "--quiet", "--allow-empty", "-m", "Seen\n\nApproved-by: Olga Owner <olga@example.net>")
    eyes.push()
    eyes.apply().must(0)


def test_going_back_behind_what_was_applied_is_a_change_nobody_reviewed(tmp_path: Path) -> None:
    at = place(tmp_path, EYES, RUNBOOK.replace(APPROVAL, ""))
    before = at.git("rev-parse", "HEAD")
    at.write("runbooks/move.yml", RUNBOOK)
    at.commit("An approval")
    at.push()
    at.apply().must(0)
    at.git("checkout", "--quiet", "--detach", before)
    at.change("out/one.html", "one", "other")
    assert "no commit since" in said(at.apply().must(4))


def test_what_was_never_applied_is_compared_with_where_it_left_the_branch(tmp_path: Path) -> None:
    at = place(tmp_path, EYES.replace("    branches: [origin/main]\n", ""))
    at.change("runbooks/move.yml", APPROVAL, "")
    at.commit("Less to sign", "Reviewed-by: Lena Lead <lena@example.net>")
    found = at.decided()
    assert (found["outcome"], found["base"]["why"]) == ("kept", "where it left origin/main")  # type: ignore[index]
    at.push()
    found = at.decided()
    assert "before its newest change" in str(found["base"])
    assert found["outcome"] == "kept"


def test_a_change_from_a_revision_that_was_invalid_counts_as_any(tmp_path: Path) -> None:
    at = place(tmp_path, EYES.replace("    branches: [origin/main]\n", ""), RUNBOOK.replace("phases", "phase"))
    at.write("runbooks/move.yml", RUNBOOK)
    at.commit("Valid")
    refused = said(at.apply().must(4))
    assert "its old side is not valid; it counts as any" in refused


def test_a_fresh_clone_without_a_journal_still_asks_for_the_newest_change(eyes: Place, tmp_path: Path) -> None:
    """Nothing is loosened by working elsewhere."""
    weakened(eyes)
    git(tmp_path, "clone", "--quiet", str(eyes.server), "fresh")
    fresh = Place(tmp_path / "fresh", eyes.server)
    (fresh.home / "out").mkdir()
    assert "needs a review by Lena Lead (lead)" in said(fresh.apply().must(4))


# ---------------------------------------------------------------- signed

SIGNED = """\
switchover_policy: 1
rules:
  - {name: reviewed, branches: [origin/main], signed: true}
allowed_signers: allowed_signers
overrides: {by: [director]}
"""


def test_a_commit_has_to_be_signed_by_a_key_that_the_reviewed_branch_allows(tmp_path: Path) -> None:
    """One that the tree lists beside it does not count before it is reviewed."""
    at = place(tmp_path, SIGNED)
    lena, eve = key(tmp_path, "lena"), key(tmp_path, "eve")
    at.write("allowed_signers", signer(lena, "lena@example.net").decode())
    at.commit("Who may sign")
    at.push()
    assert "policy.yml:3:47: rule 'reviewed': Commit" in said(at.apply().must(4))
    assert "has no signature. Have it signed by one of the allowed signers" in said(at.apply().must(4))
    signed(at, lena)
    at.push()
    at.apply().must(0)
    assert "signed by lena@example.net" in at.run("status", newest(at)).must(0).out
    at.write("allowed_signers", signer(eve, "eve@example.net").decode())
    signed(at, eve)
    at.git("push", "--quiet", "origin", "HEAD:other")
    at.change("out/one.html", "one", "other")
    refused = said(at.apply().must(4))
    assert "is signed by a key that nobody here vouches for" in refused
    found, = checked(at)
    assert found["signature"] == {"good": True, "signer": "lena@example.net", "why": ""}


# ---------------------------------------------------------------- plans and runs under way


def plan(at: Place) -> None:
    at.run("plan", *MOVE, "--out", "saved.plan").must(0)


def test_a_saved_plan_is_held_to_its_own_commit(at: Place) -> None:
    plan(at)
    at.write("notes.txt", "x\n")
    at.commit("Not pushed")
    at.run("apply", "saved.plan", "--yes").must(0)
    at.change("out/one.html", "one", "other")
    at.change("runbooks/move.yml", "title: Move", "title: Move on")
    at.commit("Not pushed either")
    plan(at)
    at.git("checkout", "--quiet", "--detach", "HEAD~1")
    at.git("checkout", "--quiet", "main", "--", "runbooks")
    assert "is not in origin/main" in said(at.run("apply", "saved.plan", "--yes").must(4))


def test_a_plan_made_from_changes_that_were_not_committed_is_refused(at: Place) -> None:
    at.change("runbooks/move.yml", "title: one", "title: two")
    plan(at)
    at.commit("Two")
    at.push()
    assert "runbooks/move.yml is not as commit" in said(at.run("apply", "saved.plan", "--yes").must(4))
    at.run("apply", "saved.plan", "--yes", *LET).must(0)


def test_the_way_back_is_never_refused(at: Place) -> None:
    at.apply().must(0)
    at.change("runbooks/move.yml", "title: one", "title: two")
    at.change("policy.yml", "reviewed", "other")
    run = newest(at)
    at.run("rollback", run, "--limit", "[one]", "--yes").must(0)
    at.run("rollback", run, "--out", "back.plan").must(0)
    at.run("apply", "back.plan", "--yes").must(0)
    assert list((at.home / "out").iterdir()) == []


WAITS = RUNBOOK.replace('        when: "false"\n', "")


def test_a_run_goes_on_by_its_own_revision_and_an_amendment_is_held_to_the_policy(tmp_path: Path) -> None:
    at = place(tmp_path, runbook=WAITS)
    at.apply().must(6)
    run = newest(at)
    at.change("runbooks/move.yml", "title: one", "title: two")
    at.run("resume", run).must(6)
    amend = ("amend", run, "--runbook", "runbooks/move.yml", "--yes")
    assert "runbooks/move.yml is not as commit" in said(at.run(*amend).must(4))
    at.commit("Two")
    assert "is not in origin/main" in said(at.run(*amend).must(4))
    at.push()
    assert "Policy kept" in said(at.run(*amend).must(0))
    at.change("runbooks/move.yml", "title: two", "title: three")
    at.run(*amend, *LET).must(0)
    assert [found["outcome"] for found in checked(at)] == ["kept", "kept", "overridden"]


def test_against_the_lab_the_policy_is_shown_and_not_enforced(at: Place) -> None:
    at.change("runbooks/move.yml", "title: one", "title: two")
    at.run("lab", "up", "-i", "inventories/acme").must(0)
    try:
        ended = at.run("apply", *MOVE, "--lab", "--yes").must(0)
    finally:
        at.run("lab", "down")
    assert "Policy not enforced, by origin/main:policy.yml" in " ".join(ended.out.split())
    assert [found["outcome"] for found in checked(at)] == ["not enforced"]


# ---------------------------------------------------------------- looked at


def test_the_command_shows_what_would_be_decided(at: Place) -> None:
    shown = at.policy(*MOVE).must(0).out
    assert "Policy origin/main:policy.yml: kept" in shown
    at.change("runbooks/move.yml", "title: one", "title: two")
    ended = at.policy(*MOVE).must(4)
    assert "no  reviewed: runbooks/move.yml is not as commit" in ended.out
    assert "Commit it, push it and have it reviewed." in ended.out
    assert "may override it, on record" in ended.err
    assert at.decided()["outcome"] == "refused"
    assert not (at.home / ".switchover").exists()


def test_the_command_shows_the_rules_in_force(at: Place) -> None:
    assert "for every runbook" in at.policy().must(0).out
    assert at.policy("--output", "json").must(0).json["rules"][0]["branches"] == ["origin/main"]
    at.policy("runbooks/move.yml").must(3)
    at.policy("-i", "inventories/acme").must(3)


def test_the_command_says_that_there_is_no_policy(tmp_path: Path) -> None:
    at = place(tmp_path, None)
    assert "There is no policy" in at.policy().must(0).out
    assert at.policy(*MOVE, "--output", "json").must(0).json == {"format": "switchover.policy/1", "policy": None}


def test_the_command_checks_a_policy_that_is_being_written_before_it_is_reviewed(at: Place) -> None:
    at.write("policy.yml", POLICY.replace("director", "directer"))
    ended = at.policy().must(3)
    assert "policy.yml:5:18" in ended.err
    assert "Did you mean 'director'?" in ended.err
    at.write("policy.yml", f"<<<<<<< HEAD\n{POLICY}")
    assert "Merge conflict" in at.policy().must(3).err
    at.write("policy.yml", POLICY.replace("reviewed", "seen"))
    ended = at.policy().must(0)
    assert "policy.yml is another here: what stands on origin/main counts" in ended.err
    assert "reviewed" in ended.out


def test_the_command_shows_all_that_is_wrong_with_a_policy(at: Place) -> None:
    at.write("policy.yml", POLICY.replace("director", "directer").replace("branches", "runbooks: [moove]\n    branches"))
    at.commit("Slips")
    at.push()
    shown = at.policy().must(3).err
    assert "Unknown runbook" in shown
    assert "Unknown role" in shown
    assert "Did you mean 'director'?" in shown
