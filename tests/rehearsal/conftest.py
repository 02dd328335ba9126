"""A small project with people, a ticket-like API and a mail to try scenarios on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
Written = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Runbooks and an inventory, and no scenario yet."""
    shutil.copytree(HERE / "project", tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def written(project: Path) -> Written:
    """Puts a scenario down: the file ``good.yml`` with some of its text replaced."""

    def write(*replaced: tuple[str, str], name: str = "one") -> Path:
        text = (project / "tests" / "scenarios" / "good.yml").read_text(encoding="utf-8")
        for old, new in replaced:
            assert text.count(old) == 1, f"{text.count(old)} times: {old}"
            text = text.replace(old, new)
        path = project / "tests" / f"{name}.yml"
        path.write_text(text.replace("../../", "../"), encoding="utf-8")
        return path

    return write
