"""Which project a command works in."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.project import find_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "ours"
    (folder / "runbooks").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    return folder


def test_a_command_given_from_elsewhere_works_in_the_runbooks_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two operators in two folders share one journal and one lease."""
    monkeypatch.delenv("SWITCHOVER_PROJECT", raising=False)
    monkeypatch.chdir(project.parent / "elsewhere")
    assert find_project(project / "runbooks" / "x.yml").root == project.resolve()


def test_the_folder_one_stands_in_wins(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runbook of another checkout may be applied from one's own project."""
    monkeypatch.delenv("SWITCHOVER_PROJECT", raising=False)
    other = project.parent / "other"
    (other / "runbooks").mkdir(parents=True)
    monkeypatch.chdir(other / "runbooks")
    assert find_project(project / "runbooks" / "x.yml").root == other.resolve()
