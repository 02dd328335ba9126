"""The house stands as engine/ARCHITECTURE.md draws it: one way down, and nobody in a circle."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_every_contract_of_setup_cfg_is_kept() -> None:
    """Layers go one way down, each library has one home, and only the command line prints."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_no_module_imports_itself_through_others() -> None:
    """Imports inside functions count: a circle that is only hidden is still one."""
    graph = {name: _imports(name, path, set(_modules())) for name, path in _modules().items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other in a circle: {' > '.join(error.args[1])}")


def test_every_package_is_listed_for_installation() -> None:
    """setup.cfg names its packages one by one, because four of them stand elsewhere in a checkout; none may be forgotten."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = set(config["options"]["packages"].split())
    present = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "engine").rglob("__init__.py")}
    shipped = {f"engine.data.{name}" for name in ("schemas", "templates", "runbooks", "inventories")}
    assert listed == present | shipped


def _modules() -> dict[str, Path]:
    found = {}
    for path in (ROOT / "engine").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _imports(name: str, path: Path, known: set[str]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    # A package's own name is imported with each of its modules; that is no dependency of theirs.
    return {module for module in found & known if module != name and not name.startswith(f"{module}.")}
