"""A runbook as a document for people: complete, plain, and without anything secret."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.actions.catalog import BUILT_IN
from engine.language.runbook_reader import load_runbook
from tests.support.cli import ROOT, in_process

AWKWARD = Path(__file__).parent / "awkward.yml"
RUNBOOKS = {
    "hosted-pbx-cutover": "example-dental", "saas-to-local": "example-firm", "saas-to-virtual-office": "example-firm-vo",
}


def shown(runbook: str | Path, *more: object) -> str:
    path = ROOT / "runbooks" / f"{runbook}.yml" if isinstance(runbook, str) else runbook
    return in_process(ROOT, "show", path, "--format", "markdown", *more).must(0).out


def test_the_cutover_reads_as_before(matches_golden: Callable[[str, str], None]) -> None:
    """Phases, who does what, when, how many items, what stays behind, and the items folded below."""
    matches_golden("checklist-cutover.md", shown("hosted-pbx-cutover", "-i", ROOT / "inventories" / "example-dental"))


def test_an_awkward_runbook_reads_as_before(matches_golden: Callable[[str, str], None]) -> None:
    """Without an inventory, with every kind of gate, and with signs that Markdown would take for its own."""
    matches_golden("checklist-awkward.md", shown(AWKWARD))


@pytest.mark.parametrize("name", RUNBOOKS)
def test_every_step_stands_in_it_in_order(name: str) -> None:
    """Those of a cancellation last."""
    titles = [step.title for step in load_runbook(ROOT / "runbooks" / f"{name}.yml").every_step()]
    told = re.findall(r"^ *- \[ \] \*\*(?!For )(.*?)\*\*", shown(name), re.MULTILINE)
    assert [re.sub(r"\\", "", title) for title in told] == titles


@pytest.mark.parametrize("name", RUNBOOKS)
def test_no_word_of_it_is_for_machines(name: str) -> None:
    """Neither names of actions nor templates, expressions and addresses of steps."""
    text = shown(name, "-i", ROOT / "inventories" / RUNBOOKS[name])
    assert not re.search(r"\{\{|\{%|\bsteps\.|\boutputs\b|\bitem\.", text)
    assert [action for action in BUILT_IN if action in text] == []


def test_people_are_named_and_messages_are_what_they_will_read() -> None:
    """As far as that can be known before the run."""
    text = shown("saas-to-virtual-office", "-i", ROOT / "inventories" / "example-firm-vo")
    assert "- Firm admin: Owen Castellan\n" in text
    assert "> Example Ledger Group uses: Tax Professional, Tax Planner, Payroll Desk." in text
    assert "**No way back from here:**" in text
    assert "Owen Castellan" not in shown("saas-to-virtual-office")


def test_secrets_are_left_out(tmp_path: Path) -> None:
    """Columns that hold them, references to them, and whatever refers to one."""
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(
        "switchover: 1\ncustomer: acme\ntimezone: UTC\nconnections: {m: {type: smtp, host: x, port: 25, from: a@example.com}}\n"
        "defaults: {hint: 'env:HINT'}\npeople: {boss: {name: Bo, email: bo@example.com}}\n"
        "collections: {phones: {file: phones.csv}}\n", encoding="utf-8",
    )
    (tmp_path / "phones.csv").write_text(
        "mac,vendor,model,extension,line_password\n805ec05705bd,yealink,T54W,101,Hush-1234\n", encoding="utf-8"
    )
    runbook = tmp_path / "r.yml"
    runbook.write_text(
        "switchover: 1\nname: r\nphases:\n  - name: p\n    steps:\n"
        "      - {name: a, title: Ask, approval: {by: boss, message: 'The hint is {{ hint }}.'}}\n"
        "      - {name: each, title: Check, action: check.that, for_each: phones, where: item.extension == '102',\n"
        "         with: {claims: [{that: '{{ true }}', otherwise: x}]}}\n", encoding="utf-8",
    )
    text = shown(runbook, "-i", tmp_path)
    assert not re.search(r"Hush|HINT|hint|password", text)
    assert "**Check**. For 0 of the 1 phones. Checked automatically." in text
    assert "| 805ec05705bd | yealink |" in text


def test_plan_and_runbook_are_told_apart_by_what_is_in_them(tmp_path: Path) -> None:
    """A runbook may be called anything, and what is neither is said to be no plan."""
    odd = tmp_path / "cutover.plan"
    odd.write_text((ROOT / "runbooks" / "hosted-pbx-cutover.yml").read_text(encoding="utf-8"), encoding="utf-8")
    assert in_process(tmp_path, "show", odd).must(0).out.startswith("# Hosted PBX cutover\n")
    odd.write_text("switchover: 1\nname: x\n", encoding="utf-8")
    assert "cutover.plan:1:1" in in_process(tmp_path, "show", odd).must(3).err
    odd.write_text("words\n", encoding="utf-8")
    assert "is not a plan" in in_process(tmp_path, "show", odd).must(1).err
    assert "goes with a RUNBOOK" in in_process(tmp_path, "show", odd, "-i", tmp_path).must(3).err
