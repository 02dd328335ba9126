"""What CI runs is what a developer runs, nothing is skipped there quietly, and a bare machine is told what it lacks."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPPING = '''
import pytest

@pytest.fixture
def server():
    pytest.skip("sshd is not installed")

def test_with_a_server(server): ...

def test_without(): ...
'''


def test_ci_runs_make_test_and_nothing_weaker() -> None:
    """No target of its own, no selection, no tolerance."""
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line and not line.startswith("#")]
    assert commands[:3] == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "export CI=true"]
    assert commands[3].endswith(" make test")
    assert len(commands) == 4


def test_make_test_lints_types_checks_layers_and_runs_every_test() -> None:
    """In this order, so that what is quick fails first; servers before the tests that need them."""
    shown = subprocess.run(["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    places = [shown.find(word) for word in (".ci/servers", "ruff check .", "/mypy", "lint-imports", "-m pytest -n 2")]
    assert -1 not in places
    assert places == sorted(places)
    assert not [word for word in (" -m not", " -k ", "--ignore", "--deselect", "|| true") if word in shown]


@pytest.mark.parametrize(("ci", "code", "says"), [
    ("true", 1, "A skipped test is a failure in CI. Skipped: sshd is not installed"),
    ("", 0, "1 passed, 1 skipped"),
])
def test_a_skipped_test_fails_in_ci_alone(tmp_path: Path, ci: str, code: int, says: str) -> None:
    """A machine without a server proves nothing about it; a laptop may be without one."""
    (tmp_path / "test_server.py").write_text(SKIPPING, encoding="utf-8")
    plugins = ["-p", "tests.conftest", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:hypothesispytest"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rsf", *plugins, str(tmp_path)], cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=120, check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stdout


@pytest.mark.parametrize(("python", "says"), [
    ("exit 1", "needs Python 3.11 or newer"),
    ('case "$2" in *ensurepip*) exit 1;; esac', "apt-get install python3-venv"),
])
def test_a_machine_that_lacks_something_is_told_what_to_install(tmp_path: Path, python: str, says: str) -> None:
    """Debian has Python without venv: its own error is a page long and names a path."""
    fake = tmp_path / "python3"
    fake.write_text(f"#!/bin/sh\n{python}\n", encoding="utf-8")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    done = subprocess.run([ROOT / ".ci" / "check-python", fake], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_machine_without_python_is_told_so() -> None:
    """And how to name another one."""
    done = subprocess.run([ROOT / ".ci" / "check-python", "/nonesuch/python3"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "there is no /nonesuch/python3" in done.stderr
    assert "make PYTHON=" in done.stderr
