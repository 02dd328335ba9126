"""A customer and a runbook of one's own, in a project that ``init`` made: from ``validate`` to the report, command by command."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cli import Ended, switchover
from tests.support.project import SCENARIO, Folder, Lab, lab_for

FINCH = SCENARIO / "finch"
INVENTORY = "inventories/finch-bakery"
NAMED = ("runbooks/own-pbx.yml", "-i", INVENTORY)
CHANGES = {
    "pbx/dialplan", "pbx/directory", "phones/config[805ec0570a01]", "phones/config[000413570a02]",
    "doors/ring[shop]", "doors/badge[0007]", "doors/badge[0008]",
}

pytestmark = pytest.mark.xdist_group("own-customer")


@dataclass(frozen=True)
class Day:
    """What the commands said, in their order, and what each lab server had been asked to write after them."""

    folder: Folder
    lab: Lab
    validated: Ended
    planned: Ended
    asked_by_plan: set[str]
    writes_of_plan: dict[str, int]
    applied: Ended
    writes_of_apply: dict[str, int]
    applied_again: Ended
    writes_after_all: dict[str, int]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    root = tmp_path_factory.mktemp("own") / "project"
    switchover(root.parent, "init", root).must(0)
    shutil.copytree(FINCH / "inventory", root / INVENTORY)
    shutil.copyfile(FINCH / "own-pbx.yml", root / NAMED[0])
    folder = Folder(root)
    validated = folder.run("validate", *NAMED).must(0)
    with lab_for(root, INVENTORY) as lab:
        (lab.folder / "ssh-root" / "etc" / "asterisk").mkdir(parents=True, exist_ok=True)
        planned = folder.run("plan", *NAMED, "--lab", "--out", "own.plan").must(0)
        writes_of_plan = _writes(lab)
        asked = {name for name in writes_of_plan if lab.requests(name, "read") or lab.requests(name, "other")}
        applied = folder.run("apply", "own.plan").must(0)
        writes_of_apply = _writes(lab)
        applied_again = folder.run("apply", *NAMED, "--lab", "--yes").must(0)
        yield Day(folder, lab, validated, planned, asked, writes_of_plan, applied, writes_of_apply, applied_again, _writes(lab))


def _writes(lab: Lab) -> dict[str, int]:
    return {name: server["writes"] for name, server in lab.status().items()}


def test_nothing_is_wrong_with_what_a_newcomer_writes(day: Day) -> None:
    """Semicolons, MACs as labels print them and extensions with leading zeros: no error, no warning."""
    assert "warning" not in day.validated.text
    assert "0101" in day.planned.out


def test_planning_writes_nothing_at_any_server(day: Day) -> None:
    """Each counts for itself, and it tells which were asked at all: those that hold state, and not the mail server."""
    assert set(day.writes_of_plan.values()) == {0}
    assert day.asked_by_plan == {"tftp", "rest", "ssh"}


def test_applying_makes_each_change_once_and_mails_once(day: Day) -> None:
    state = day.folder.fold()
    assert {address for address, item in state.items.items() if item.status.value == "changed"} == CHANGES
    assert state.counts() == {"changed": len(CHANGES), "ran": 1}
    written = {name: count for name, count in day.writes_of_apply.items() if count}
    assert written.pop("ssh") > 0
    assert written == {"tftp": 3, "rest": 3, "mail": 1}
    (mail,) = day.lab.mails()
    assert mail["Subject"] == "Finch Bakery: 7 changes"


def test_each_system_has_what_was_planned(day: Day) -> None:
    """Looked at without the product: files of the lab, and what its API was asked."""
    dialplan = (day.lab.folder / "ssh-root" / "etc" / "asterisk" / "extensions_finch.conf").read_text(encoding="utf-8")
    assert "Dial(PJSIP/${EXTEN},20)" in dialplan
    phone = (day.lab.folder / "tftp-root" / "805ec0570a01.cfg").read_text(encoding="utf-8")
    assert "account.1.auth_name = 0101" in phone
    assert (day.lab.folder / "tftp-root" / "finch-directory.xml").read_text(encoding="utf-8").startswith("<directory><name>Finch")
    asked = [(entry["what"], entry["status"]) for entry in day.lab.requests("rest")]
    assert asked == [("PATCH /doors/doors/shop", 200), ("POST /doors/badges", 201), ("POST /doors/badges", 201)]


def test_a_second_apply_has_no_change_and_writes_nothing(day: Day) -> None:
    assert "0 changes" in day.applied_again.text
    assert day.writes_after_all == day.writes_of_apply
    assert len(day.folder.runs()) == 1


def test_the_report_tells_it_and_no_secret(day: Day, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    day.folder.quick("report", "--html", page).must(0)
    text = page.read_text(encoding="utf-8")
    for word in ("Finch Bakery", "doors/ring", "finch-directory.xml", "0008"):
        assert word in text, word
    shown = text + day.planned.text + day.applied.text
    secrets = [value for name, value in day.lab.secrets().items() if not name.endswith(("username", "sid"))]
    assert [secret for secret in (*secrets, "Finch-line-pw-0101", "Finch-line-pw-0102") if secret in shown] == []
