"""One lab for all scenarios of a module, as seeded for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project import Folder, Lab, lab_for, project_at


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    home = project_at(tmp_path_factory.mktemp("lab"))
    with lab_for(home.root) as up:
        yield up


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    """The lab in its first state: what a test did to it is undone after it."""
    yield shared_lab
    if shared_lab.is_marked():
        shared_lab.reset()


@pytest.fixture
def folder(tmp_path: Path, lab: Lab) -> Folder:
    """A project of its own that rehearses in the lab: no runs, an empty journal."""
    return project_at(tmp_path / "project", lab=lab)
