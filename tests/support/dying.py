"""``switchover`` in a process that kills itself at a boundary a test names: see ``tests/crash/dying_child.py``."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.cli import ROOT, TIMEOUT_S, Ended, environment
from tests.support.project import Folder

CHILD = ROOT / "tests" / "crash" / "dying_child.py"
AROUND_A_COMMIT = ("before append", "after append", "inside commit", "after commit")

START = [
    ("after lease", 1),
    *((f"{where} run_started", 1) for where in AROUND_A_COMMIT),
]
FINISH = [(f"{where} run_finished", 1) for where in AROUND_A_COMMIT]
ITEM = [
    *((f"{where} item_intended", 2) for where in AROUND_A_COMMIT),
    ("before effect", 2), ("after effect", 2),
    *((f"{where} item_changed", 2) for where in AROUND_A_COMMIT),
]
ROUND_THE_EFFECT = [
    ("after append item_intended", 2), ("after commit item_intended", 2), ("before effect", 2), ("after effect", 2),
    ("before append item_changed", 2), ("inside commit item_changed", 2),
]


def named(boundaries: list[tuple[str, int]]) -> pytest.MarkDecorator:
    """One test for each boundary."""
    return pytest.mark.parametrize(("boundary", "nth"), boundaries, ids=[f"{b.replace(' ', '-')}-{n}" for b, n in boundaries])


def child(folder: Folder, boundary: str, nth: int, *arguments: str) -> Ended:
    """``switchover`` in the process that dies."""
    done = subprocess.run(
        [sys.executable, str(CHILD), boundary, str(nth), str(folder.root / "trace"), "--", *arguments],
        cwd=folder.root, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def killed(folder: Folder, boundary: str, nth: int, *arguments: str) -> None:
    """Runs a command that is killed at the boundary."""
    child(folder, boundary, nth, *arguments).must(-9)
    assert (folder.root / "trace").read_text().splitlines()[-1] == boundary


def passed(folder: Folder, *arguments: str) -> set[str]:
    """The boundaries that a command nobody kills comes to. The items' names go with the run's start, in one append and commit."""
    child(folder, "none", 0, *arguments).must(0)
    trace = (folder.root / "trace").read_text().splitlines()
    return {boundary for boundary in trace if not boundary.endswith("items_named")}
