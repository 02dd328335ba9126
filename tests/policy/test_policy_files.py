"""Bad policies beside the exact text an operator is shown: ``cases/<case>/{policy.yml, expected.txt}``.

After changing words: ``ACCEPT=1 pytest tests/policy/test_policy_files.py``, then read the difference.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.language.policy_reader import policy_problems, read_policy
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.policy import risks_of
from engine.model.review import Level, Risk
from engine.project import shipped
from engine.reporting.diagnostics import format_diagnostics
from tests.house.shell_lines import named_file
from tests.support.cli import in_process

HERE = Path(__file__).parent
CASES = sorted(folder.name for folder in (HERE / "cases").iterdir() if (folder / "policy.yml").exists())


def problems_of(content: bytes) -> Sequence[Diagnostic]:
    try:
        return policy_problems(read_policy(content, "policy.yml"), ["move", "move-back"], ["lead", "owner", "director"])
    except InvalidInput as invalid:
        return invalid.diagnostics


@pytest.mark.parametrize("case", CASES)
def test_a_bad_policy_tells_all_its_problems_in_these_words(case: str) -> None:
    """What, where, the line with a mark, why, and what was probably meant."""
    found = problems_of((HERE / "cases" / case / "policy.yml").read_bytes())
    assert found
    assert all(problem.span is not None and problem.detail.endswith(".") for problem in found)
    shown = format_diagnostics(found)
    expected = HERE / "cases" / case / "expected.txt"
    if os.environ.get("ACCEPT"):
        expected.write_text(shown, encoding="utf-8")
    assert shown == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", "[]", "switchover_policy: 1", "rules: 7", "switchover_policy: 1\nrules: []", "a: [", "\0"])
def test_what_is_no_policy_is_refused_in_words(text: str) -> None:
    assert problems_of(text.encode())
    assert problems_of(b"\xff\xfe" + text.encode("utf-16-le"))


def test_the_schema_offers_the_risk_classes_and_levels_there_are() -> None:
    schema = json.loads((shipped("schemas") / "policy.json").read_text(encoding="utf-8"))
    assert schema["$defs"]["risk"]["enum"] == [risk.value for risk in Risk]
    assert schema["$defs"]["demand"]["properties"]["levels"]["items"]["enum"] == [level.value for level in Level]


def test_the_policy_of_the_documentation_is_valid() -> None:
    policy = read_policy(named_file("policy.yml").text.encode(), "policy.yml")
    assert policy_problems(policy, ["try-x"], []) == []
    assert [rule.name for rule in policy.rules_for(["hosted-pbx-cutover"])] == ["production"]


def test_the_schema_is_printed_for_editors_like_the_others(tmp_path: Path) -> None:
    assert in_process(tmp_path, "schema", "policy").must(0).json["title"] == "Policy"
    assert "policy" in in_process(tmp_path, "schema").must(0).out.split()


def test_levels_mean_all_their_classes_beside_those_that_are_named() -> None:
    assert risks_of(["wording"], ["low"]) == {Risk.WORDING, Risk.SAFER}


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    text = "switchover_policy: 1\nrules:\n  - {name: reviewed, branches: [main], except: [move]}\n"
    read = [read_policy(form, "p") for form in (text.encode(), b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())]
    assert read[0].rules == read[1].rules
    assert [rule.name for rule in read[0].rules_for(["move-back"])] == ["reviewed"]
    assert read[0].rules_for(["move"]) == ()
