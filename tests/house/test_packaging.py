"""What is installed works away from the checkout: built as a release is, from a source archive, into an environment of its own.

Libraries are borrowed from the environment the tests run in, so that nothing is downloaded; that each is declared is for
``test_code.py`` to see.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine import __version__
from engine.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
DATA = ("schemas", "templates", "runbooks", "inventories")
SHIPPED = ("engine", "tests", "docs", ".ci", *DATA)
_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".bench*", ".switchover", "__pycache__", ".*_cache", ".hypothesis", "build", "dist", "*.egg-info",
)


@dataclass(frozen=True, slots=True)
class Built:
    """A release. ``source``: the unpacked source archive, which the wheel was built from."""

    source: Path
    wheel: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Built beside the checkout, which stays as it is."""
    folder = tmp_path_factory.mktemp("release")
    shutil.copytree(ROOT, folder / "checkout", ignore=_LEFT_OUT)
    _build(folder / "checkout", "build_sdist", folder)
    _unpack(folder / f"switchover-{__version__}.tar.gz", folder)
    source = folder / f"switchover-{__version__}"
    _build(source, "build_wheel", folder)
    return Built(source, next(folder.glob("*.whl")))


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with nothing of the checkout in it; gives its ``switchover``."""
    home = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    _run([
        sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index",
        "--disable-pip-version-check", str(built.wheel),
    ], home)
    # A path in a .pth file is searched for modules, but .pth files in it are not read: the editable checkout stays out.
    own = Path(_run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], home).strip())
    (own / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return home / "bin" / "switchover"


def test_a_checkout_has_no_data_folder_of_its_own() -> None:
    """Installed, engine/data holds what stands at the top of a checkout. There it would hide what is edited."""
    assert not (ROOT / "engine" / "data").exists()


def test_the_source_archive_has_everything_needed_to_test_it(built: Built) -> None:
    """Code, tests, documents, data, and how they are run."""
    files: Callable[[Path], set[str]] = lambda top: {  # noqa: E731
        str(path.relative_to(top)) for name in SHIPPED for path in (top / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != ".gitkeep" and path.suffix != ".pyc"
    }
    missing = files(built.source.parent / "checkout") - files(built.source)
    assert not missing
    names = ("Makefile", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "setup.cfg", "pyproject.toml", "ruff.toml")
    assert not [name for name in names if not (built.source / name).is_file()]


def test_the_wheel_has_the_engine_and_its_data_and_nothing_else(built: Built) -> None:
    """Schemas, templates, runbooks and the example customer come along; tests and markers of empty folders do not."""
    with zipfile.ZipFile(built.wheel) as wheel:
        names = set(wheel.namelist())
    for folder in DATA:
        wanted = {
            f"engine/data/{path.relative_to(ROOT)}" for path in (ROOT / folder).rglob("*")
            if path.is_file() and path.name != ".gitkeep"
        }
        assert wanted <= names, wanted - names
    assert {"engine/py.typed", "engine/journal/schema.sql", "engine/reporting/page.html"} <= names
    assert not [name for name in names if name.endswith(".gitkeep") or not name.startswith(("engine/", "switchover-"))]


def test_the_installed_copy_stands_on_its_own(installed: Path, tmp_path: Path) -> None:
    """Its modules and its data are its own, not the checkout's."""
    where = "import engine, engine.project as p; print(engine.__file__); print(p.shipped('schemas'))"
    code, data = map(Path, _run([str(installed.with_name("python")), "-c", where], tmp_path).split())
    assert code.is_relative_to(installed.parents[1])
    assert data == code.parent / "data" / "schemas"


def test_its_commands_answer(installed: Path, tmp_path: Path) -> None:
    """Version, help and schemas, from any folder."""
    assert _run([str(installed), "--version"], tmp_path).strip() == f"switchover, version {__version__}"
    assert all(name in _run([str(installed), "--help"], tmp_path) for name in COMMANDS)
    assert json.loads(_run([str(installed), "schema", "phone.config"], tmp_path))["title"] == "phone.config"
    assert json.loads(_run([str(installed), "schema", "inventory"], tmp_path))["title"] == "Inventory"


def test_a_project_started_with_it_is_valid(installed: Path, tmp_path: Path) -> None:
    """init brings runbook, customer and schemas; validate finds the shipped templates."""
    _run([str(installed), "init", "mine"], tmp_path)
    project = tmp_path / "mine"
    assert {"runbooks", "inventories", "schemas", "templates"} <= {path.name for path in project.iterdir()}
    assert (project / "schemas" / "actions" / "phone.config.json").is_file()
    assert not list(project.rglob(".gitkeep"))
    named = ["runbooks/hosted-pbx-cutover.yml", "-i", "inventories/example-dental"]
    assert "ok" in _run([str(installed), "validate", *named], project)


def test_its_demo_runs_to_the_end(installed: Path, tmp_path: Path) -> None:
    """The whole line: lab, plan, apply, second plan without a change, report."""
    said = _run([str(installed), "demo", "--folder", "demo"], tmp_path, timeout_s=240)
    assert "Nothing to change" in said
    assert (tmp_path / "demo" / "report.html").is_file()


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as packed:
        if hasattr(tarfile, "data_filter"):  # Debian 12's Python, 3.11.2, has none; from 3.14 on it is the default
            packed.extraction_filter = tarfile.data_filter
        packed.extractall(folder)  # our own archive, made a moment ago


def _build(source: Path, hook: str, target: Path) -> None:
    code = f"from setuptools import build_meta; build_meta.{hook}({str(target)!r})"
    _run([sys.executable, "-c", code], source)


def _run(command: Sequence[str], folder: Path, timeout_s: float = 120.0) -> str:
    """Runs a program with nothing of this process's Python in its environment; gives its stdout."""
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        command, cwd=folder, env={**kept, "LANG": "C.UTF-8"}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=timeout_s, check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
