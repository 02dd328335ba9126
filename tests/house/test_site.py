"""The documentation site: it builds without a warning and asks nobody for anything, and its tutorial is as it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.shell_lines import ROOT
from tests.house.tutorial import is_as_shown, worked_through
from tests.support.cli import switchover


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as ``make docs`` builds it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)], cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, timeout=120, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    return folder


@pytest.mark.xdist_group("site")
def test_every_page_of_the_documentation_is_in_the_site(site: Path) -> None:
    """Those from outside docs/ too."""
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    pages |= {Path("contributing.html"), Path("architecture.html"), Path("changelog.html")}
    assert {page for page in pages if not (site / page).is_file()} == set()


@pytest.mark.xdist_group("site")
def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    """Whoever reads it is told to nobody, and it can be read where there is no network."""
    loads = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*(?:src|href)="?(?:https?:)?//[^"\s>]+""")
    found = {match for page in site.rglob("*.html") for match in loads.findall(page.read_text(encoding="utf-8"))}
    assert found == set()
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert not [style for style in styles if re.search(r"url\(['\"]?(?:https?:)?//", style)]


@pytest.mark.xdist_group("tour")
def test_the_tutorial_works_as_written(tmp_path: Path) -> None:
    """From an empty folder, each line with the output that the page shows."""
    try:
        told = worked_through(ROOT / "docs" / "tutorial.md", tmp_path)
    finally:
        if (tmp_path / "my-project" / ".switchover").exists():
            switchover(tmp_path / "my-project", "lab", "down")
    for command, shown, came in told:
        assert is_as_shown(shown, came), f"$ {command}\n--- shown\n{shown}\n--- came\n{came}"
    assert len(told) > 10


@pytest.mark.parametrize(("shown", "came", "alike"), [
    ("a ... c", "a b c", True), ("a\n...\nc", "a\nb\nb\nc", True), ("a", "a\nb", False), ("", "", True), ("", "a", False),
])
def test_an_ellipsis_stands_for_anything_and_nothing_else_does(shown: str, came: str, alike: bool) -> None:
    """Otherwise a page could show what never comes."""
    assert is_as_shown(shown, came) is alike
