"""Work starts inside its window, or with a reason that is journalled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.model import event as ev
from engine.model.calendar import DAYS
from engine.model.run import RunStatus
from tests.support.project import NAMED, RUNBOOK, Folder, Lab


def day(offset: int) -> str:
    """The name of a weekday so many days from now, by UTC."""
    return DAYS[(datetime.now(UTC) + timedelta(days=offset)).weekday()]


def window(*days: str) -> str:
    return f'windows:\n  night: {{days: [{", ".join(days)}], from: "00:00", until: "23:59", timezone: UTC}}\n\nphases:\n'


@pytest.fixture
def shut(folder: Folder) -> Folder:
    """A project whose phones may move on one weekday only, and not on any day near this one."""
    folder.edit(RUNBOOK, "phases:\n", window(day(3)))
    for phase in ("announce", "phones"):
        folder.edit(RUNBOOK, f"- name: {phase}\n", f"- name: {phase}\n    window: night\n")
    return folder


def test_outside_its_window_nothing_starts_and_nothing_is_written(shut: Folder, lab: Lab) -> None:
    """Exit 6; told when it opens and how to start all the same. The plan is still good afterwards."""
    shut.plan()
    told = shut.run("apply", "c.plan").must(6).err
    assert "'night' is shut" in told
    assert "opens next" in told
    assert "--ignore-window REASON" in told
    assert lab.writes() == 0
    assert shut.runs() == []
    told = shut.run("apply", *NAMED, "--lab", "--yes").must(6).err
    assert "'night' is shut" in told
    shut.run("apply", "c.plan", "--ignore-window", "the partner asked for it").must(0)
    assert [override.reason for override in shut.fold().overrides] == ["the partner asked for it"]


def test_a_reason_is_a_reason(shut: Folder) -> None:
    shut.plan()
    assert "wants a reason" in shut.quick("apply", "c.plan", "--ignore-window", " ").must(3).err


def test_a_run_stops_at_a_phase_whose_window_is_shut_and_resume_goes_on(folder: Folder, lab: Lab) -> None:
    """Phones move now, numbers on another day."""
    folder.edit(RUNBOOK, "phases:\n", window(day(3)))
    folder.edit(RUNBOOK, "- name: numbers\n", "- name: numbers\n    window: night\n")
    folder.plan()
    waiting = folder.run("apply", "c.plan").must(6)
    assert "3 items wait for the window" in waiting.out
    assert folder.fold().status is RunStatus.WAITING
    assert not lab.patches()
    assert any(isinstance(event, ev.WindowClosed) and event.address == "numbers/forward" for event in folder.events())
    folder.run("resume").must(6)
    assert not lab.patches()
    folder.run("resume", "--ignore-window", "agreed by phone").must(0)
    assert len(lab.patches()) == 6
    assert set(lab.files_written().values()) == {1}
