"""Each rule has a case that goes against it and one that keeps to it; both stand on its page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.language.inventory_reader import load_inventory
from engine.language.runbook_reader import load_runbook
from engine.planning.lint.rule import Found, Rule, Subject, Traits, held_to
from engine.planning.lint.rules import IDS, RULES, STALE
from engine.wiring.linting import edited
from tests.support.cli import in_process

CASES = Path(__file__).parent / "cases"
_ACTIONS = {
    "document.render": Traits(), "ssh.command": Traits(undoable=False), "mail.send": Traits(undoable=False, informs=True),
    "check.that": Traits(changes=False, undoable=False),
    "http.resource": Traits(destroys=lambda given: bool(given.get("absent"))),
}


def found_in(path: Path) -> list[Found]:
    beside = path.with_suffix("")
    inventory = load_inventory(beside)[0] if beside.is_dir() else None
    return list(held_to(RULES, Subject(load_runbook(path), inventory, _ACTIONS), STALE, IDS))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_each_rule_finds_what_goes_against_it_and_nothing_where_it_is_kept(rule: Rule) -> None:
    """Neither case may be invalid, and the passing one is found by no other reading of the same rule."""
    assert rule.id in {found.rule.id for found in found_in(CASES / rule.id / "fails.yml")}
    assert rule.id not in {found.rule.id for found in found_in(CASES / rule.id / "passes.yml")}


def test_a_claim_that_holds_on_every_way_to_its_step_proves_nothing() -> None:
    """Also where no constant says so: a step that runs on one route claims that the route is that one."""
    found = [one for one in found_in(CASES / "SW303" / "fails.yml") if one.rule.id == "SW303"]
    assert len(found) == 3


def test_every_case_belongs_to_a_rule() -> None:
    assert {folder.name for folder in CASES.iterdir()} == IDS


def test_a_secret_is_not_shown_by_the_finding_that_tells_of_it() -> None:
    assert "hunter2" not in repr(found_in(CASES / "SW201" / "fails.yml"))


@pytest.mark.parametrize("name", ["SW103", "SW401", "SW901"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_fix_leaves_nothing_to_find_and_keeps_comments_and_line_ends(tmp_path: Path, name: str, end: str) -> None:
    path = tmp_path / "move.yml"
    text = (CASES / name / "fails.yml").read_text().replace("\n", end)
    path.write_bytes(text.encode())
    edits = [found.edit for found in found_in(path) if found.edit is not None]
    path.write_bytes(edited(text, edits).encode())
    after = path.read_bytes().decode()
    assert name not in {found.rule.id for found in found_in(path)}
    assert after.count("\n") == after.count(end)
    assert ("a comment that stays" in after) is ("a comment that stays" in text)


def test_an_older_spelling_makes_the_same_runbook() -> None:
    old, new = (load_runbook(CASES / "SW401" / f"{case}.yml") for case in ("fails", "passes"))
    assert old.digest == new.digest


def test_a_merge_conflict_is_told_as_one(tmp_path: Path) -> None:
    path = tmp_path / "move.yml"
    path.write_text((CASES / "SW103" / "passes.yml").read_text() + "<<<<<<< ours\nname: a\n=======\nname: b\n>>>>>>> theirs\n")
    told = in_process(tmp_path, "lint", str(path))
    assert told.code == 3
    assert "Merge conflict" in told.err


def test_findings_are_told_to_code_scanning_and_to_github(tmp_path: Path) -> None:
    path = tmp_path / "move.yml"
    path.write_text((CASES / "SW303" / "fails.yml").read_text())
    log = json.loads(in_process(tmp_path, "lint", str(path), "--format", "sarif").out)
    result = next(one for one in log["runs"][0]["results"] if one["ruleId"] == "SW303")
    assert log["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "SW303"
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 13
    assert "::error file=" in in_process(tmp_path, "lint", str(path), "--output", "github").out


def test_rules_are_listed_and_explained(tmp_path: Path) -> None:
    """One line each with its profile; a page in the terminal; an unknown one with what was meant."""
    listed = in_process(tmp_path, "lint", "--list", "--profile", "production").must(0).out
    assert all(rule.id in listed and rule.profile in listed for rule in RULES)
    explained = in_process(tmp_path, "lint", "--explain", "SW103").must(0).out
    assert "max_failures" in explained
    unknown = in_process(tmp_path, "lint", "--explain", "SW133").must(3).err
    assert "SW103" in unknown


_UNLIMITED = """switchover: 1
name: move
phases:
  - name: numbers
    steps:
      - name: forward
        action: number.forward
        for_each: numbers
        with: {connection: carrier, number: "{{ item.number }}", to: "{{ item.temporary_did }}"}
"""


def test_warnings_stop_only_when_they_are_to(tmp_path: Path) -> None:
    path = tmp_path / "move.yml"
    path.write_text(_UNLIMITED)
    in_process(tmp_path, "lint", str(path)).must(0)
    in_process(tmp_path, "lint", str(path), "--strict").must(3)


def test_a_profile_asks_for_all_that_those_before_it_ask_for(tmp_path: Path) -> None:
    path = tmp_path / "move.yml"
    path.write_text(_UNLIMITED)
    asked = {
        profile: {one["rule"] for one in json.loads(in_process(
            tmp_path, "lint", str(path), "--profile", profile, "--output", "json").out)["findings"]}
        for profile in ("basic", "shared", "production")
    }
    assert asked["basic"] <= asked["shared"] <= asked["production"]
    assert "SW103" not in asked["basic"]
    assert "SW103" in asked["shared"]
