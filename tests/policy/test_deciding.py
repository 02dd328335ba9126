"""What a policy decides from what was found: each case a file, ``cases/decisions/*.yml``.

``policy`` is a policy; ``found`` says what differs from a clean, reviewed commit; ``commits`` are newest first; ``broken`` are
parts of the sentences that must come, in order, and ``kept`` whether nothing may be broken. ``approvers``: who must count.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.language.policy_reader import read_policy
from engine.model.history import Commit, Signed
from engine.model.review import Risk
from engine.planning.policy import Base, Facts, decide

CASES = sorted((Path(__file__).parent / "cases" / "decisions").glob("*.yml"))
PEOPLE: Mapping[str, Mapping[str, object]] = {
    "lead": {"name": "Lena Lead", "email": "lena@example.net", "emails": ["lena@home.example"]},
    "owner": {"name": "Olga Owner", "email": "Olga@Example.net"},
    "boss": {"name": "Lena Lead", "email": "lena@example.net"},
    "mute": {"name": "Mia Mute"},
}


def facts_of(raw: dict[str, Any]) -> Facts:
    commits = tuple(
        Commit(
            entry["id"], tuple(entry.get("parents", ())), frozenset(entry.get("authors", ["ann@example.net"])),
            frozenset(entry.get("reviewers", ())), tuple(entry.get("files", ["runbooks/move.yml"])),
            entry.get("subject", "change"),
        )
        for entry in raw.get("commits", ())
    )
    found = raw.get("found", {})
    signed = Signed(**found["signed"]) if "signed" in found else None
    return Facts(
        names=tuple(found.get("names", ["move"])), commit=found.get("commit", "c" * 40), no_commit=found.get("no_commit", ""),
        changed=tuple(found.get("changed", ())), containing=found.get("containing", {"origin/main": ["origin/main"]}),
        existing=frozenset(found.get("existing", ["origin/main"])), branches=tuple(found.get("branches", ["origin/main"])),
        shallow=found.get("shallow", False), signed=signed, base=Base("b" * 40, "where it left origin/main"),
        risks={Risk(name): ("it is so",) for name in found.get("risks", ())}, uncompared=found.get("uncompared", ""),
        commits=commits, paths=("runbooks/move.yml", "inventories/acme"), people=PEOPLE,
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case_is_decided_as_its_file_says(path: Path) -> None:
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    policy = read_policy(yaml.safe_dump(raw["policy"]).encode(), "policy.yml")
    verdict = decide(policy, facts_of(raw))
    told = [f"{found.says} {found.go_on}" for found in verdict.broken]
    assert len(told) == len(raw.get("broken", [])), told
    for said, part in zip(told, raw.get("broken", []), strict=True):
        assert part in said
    assert all(found.go_on for found in verdict.broken)
    assert sorted({approver.name for approver in verdict.approvers}) == raw.get("approvers", [])


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_another_rule_loosens_nothing(path: Path) -> None:
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    facts = facts_of(raw)
    alone = decide(read_policy(yaml.safe_dump(raw["policy"]).encode(), "policy.yml"), facts)
    for more in ({"name": "more", "dirty": True}, {"name": "more"}, {"name": "more", "runbooks": ["other-*"], "dirty": True}):
        rules = [more, *raw["policy"]["rules"]]
        beside = decide(read_policy(yaml.safe_dump({**raw["policy"], "rules": rules}).encode(), "policy.yml"), facts)
        assert {(f.rule, f.says) for f in alone.broken} <= {(f.rule, f.says) for f in beside.broken}


def test_there_are_cases() -> None:
    assert len(CASES) > 20
