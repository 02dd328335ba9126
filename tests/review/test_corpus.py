"""Pairs of revisions beside what their difference means: ``cases/*.yml``."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.model.review import Risk
from engine.project import Project
from engine.wiring.reviewing import review
from tests.review.conftest import GitProject

_CASES: dict[str, dict[str, Any]] = {
    f"{file.stem}: {case['name']}": case
    for file in sorted(Path(__file__).with_name("cases").glob("*.yml")) for case in yaml.safe_load(file.read_text("utf-8"))
}


@pytest.mark.parametrize("case", _CASES.values(), ids=_CASES)
def test_a_change_is_told_by_its_risk_its_kind_and_its_place(case: dict[str, Any], shared: GitProject) -> None:
    """Exactly the differences that are expected, the weightiest first; a change without meaning has none."""
    shared.reset()
    for edit in case["change"]:
        shared.edit(edit["file"], edit["from"], edit["to"])
    new = shared.commit(case["name"])
    found = review(
        Project(shared.root), shared.base, new, [], shared.root / "inventories/acme", today=date(2026, 11, 2)
    )
    assert [
        f"{one.risk.value} {one.kind} {one.address}".strip() for one in found.differences
    ] == case["expect"]
    assert all(one.span is not None and (shared.root / one.span.file).is_file() for one in found.differences)


def test_the_corpus_has_sixty_pairs_and_hits_each_risk_class_twice() -> None:
    hits = Counter(entry.split()[0] for case in _CASES.values() for entry in {*case["expect"]})
    assert len(_CASES) >= 60
    assert sum(not case["expect"] for case in _CASES.values()) >= 10
    assert {risk.value for risk in Risk if hits[risk.value] < 2} == set()
