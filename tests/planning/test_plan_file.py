"""Plans on disk: read back as written, refused when edited, cut short or no plan at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.errors import StalePlan, SwitchoverError
from engine.model.plan import FieldChange, Outlook, PlanHeader, PlannedItem
from engine.planning.plan_file import read_plan, write_plan

HEADER = PlanHeader(
    "p1", "2026-11-23T17:00:00-05:00", "0.1.0", "example-dental", "runbooks/x.yml", "x", "X", "inventories/example-dental",
    "Example Dental", "r", "i", "t", {"phone.config": 1}, {"ticket": "T-1"}, ("phones",),
    lab=True, git_commit=None, git_dirty=None,
)
ITEMS = (
    PlannedItem("phones/config[805ec0a10001]", "phones/move", "phones/config", "805ec0a10001", "phone.config", Outlook.NOTHING),
    PlannedItem(
        "numbers/forward[+12025550101]", "numbers/forward", "numbers/forward", "+12025550101", "number.forward", Outlook.CHANGE,
        "forward to +12025550151", fields=(FieldChange("forwards_to", None, "+12025550151"),), observed="abc",
        diff=("-a", "+b"), notes=("n",), label="Front desk",
    ),
    PlannedItem(
        "announce/notify", "announce/notify", "announce/notify", None, "mail.send", Outlook.UNPREDICTABLE, "send", "no way back",
        reversible=False,
    ),
)


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "cutover.plan"
    write_plan(path, HEADER, ITEMS)
    return path


def test_a_plan_reads_back_as_it_was_written(plan: Path) -> None:
    """Header, items and totals."""
    saved = read_plan(plan)
    assert saved.header == HEADER
    assert saved.items == ITEMS
    assert saved.totals[Outlook.CHANGE] == 1
    assert saved.totals.irreversible == 1


def test_a_plan_is_readable_by_its_owner_alone(plan: Path) -> None:
    """It shows a customer's numbers."""
    assert plan.stat().st_mode & 0o777 == 0o600


def test_an_edited_plan_is_refused(plan: Path) -> None:
    """One digit of a number changed by hand."""
    plan.write_bytes(plan.read_bytes().replace(b"+12025550151", b"+12025550152", 1))
    with pytest.raises(StalePlan, match="not as it was written"):
        read_plan(plan)


def test_a_line_taken_out_is_noticed(plan: Path) -> None:
    """Whole lines count too."""
    lines = plan.read_bytes().splitlines(keepends=True)
    plan.write_bytes(b"".join([lines[0], *lines[2:]]))
    with pytest.raises(StalePlan):
        read_plan(plan)


@pytest.mark.parametrize("keep", [0, 1, 40, 400, -2, -30])
def test_a_plan_cut_short_is_refused(plan: Path, keep: int) -> None:
    """At any byte."""
    plan.write_bytes(plan.read_bytes()[:keep])
    with pytest.raises(SwitchoverError):
        read_plan(plan)


@pytest.mark.parametrize("content", [b"", b"[]\n", b"{}\n", b"name: x\n", b"\xff\xfe\n", b'{"format":"switchover.plan/9"}\n{}\n'])
def test_another_file_is_not_taken_for_a_plan(tmp_path: Path, content: bytes) -> None:
    """Whatever it is, the error says what to do."""
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(SwitchoverError) as caught:
        read_plan(path)
    assert caught.value.detail


def test_a_failure_while_writing_leaves_no_plan(tmp_path: Path) -> None:
    """Neither the file nor its temporary."""

    def items() -> list[PlannedItem]:
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError):
        write_plan(tmp_path / "x.plan", HEADER, (item for item in items()))
    assert list(tmp_path.iterdir()) == []
