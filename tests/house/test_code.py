"""What keeps the code readable a year from now: sizes, words, and that everything says what it is for."""

from __future__ import annotations

import ast
import configparser
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = sorted((ROOT / "engine").rglob("*.py"))
LONGEST_FILE = 600
LONGEST_FUNCTION = 60
# Put together here so that this file does not hold them itself.
UNFINISHED = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK")))
TEXT = {".py", ".md", ".yml", ".yaml", ".json", ".j2", ".cfg", ".toml", ".sql", ".html", ".sh", ""}


def test_no_file_of_the_engine_is_longer_than_six_hundred_lines() -> None:
    """What does not fit is two things."""
    long = {str(path.relative_to(ROOT)): n for path in ENGINE if (n := len(path.read_text().splitlines())) > LONGEST_FILE}
    assert not long


def test_no_function_of_the_engine_is_longer_than_sixty_lines() -> None:
    """The classic failure of this trade is the four-hundred-line function that runs a step."""
    long = {}
    for path in ENGINE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    long[f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"] = length
    assert not long


def test_nothing_is_left_for_later() -> None:
    """What is not finished is an issue, not a comment."""
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _texts()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert not found


def test_every_module_says_what_it_is_for() -> None:
    """A test file too: what it claims stands at its top."""
    paths = [*ENGINE, *(ROOT / "tests").rglob("test_*.py")]
    silent = [str(path.relative_to(ROOT)) for path in paths if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert not silent


def test_every_library_the_engine_imports_is_declared_with_its_reason() -> None:
    """What is only there because something else brought it disappears one day."""
    extras = [_requirements(extra, "options.extras_require") for extra in ("keyring", "pdf", "lsp")]
    declared = _requirements("install_requires", "options").union(*extras)
    homes = packages_distributions()
    undeclared = {}
    for path in ENGINE:
        for name in _imported(path):
            root = name.partition(".")[0]
            if root in sys.stdlib_module_names or root == "engine":
                continue
            names = {_normal(distribution) for distribution in homes.get(root, [root])}
            if not names & declared:
                undeclared[root] = str(path.relative_to(ROOT))
    assert not undeclared


@pytest.mark.parametrize(("section", "key"), [
    ("options", "install_requires"), *(("options.extras_require", key) for key in ("keyring", "vault", "age", "docs", "test")),
])
def test_every_requirement_has_a_reason_above_it(section: str, key: str) -> None:
    """Why it is here, and under which licence, is asked of every library that comes in."""
    text = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    body = text.partition(f"[{section}]")[2].partition("\n[")[0]
    lines = re.search(rf"^{key} =\n((?:    .*\n)+)", body, re.MULTILINE)
    assert lines is not None
    before = ""
    for line in map(str.strip, lines[1].splitlines()):
        assert line.startswith("#") or before.startswith("#"), f"{line} has no reason above it"
        before = line


def _texts() -> Iterator[Path]:
    for folder in ("engine", "tests", "docs", "schemas", "templates", "runbooks", "inventories", ".ci"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in TEXT and path.name != ".gitkeep":
                yield path
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.suffix in TEXT)


def _requirements(key: str, section: str) -> set[str]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = (line.strip() for line in config[section][key].splitlines())
    return {_normal(re.split(r"[\s<>=!;\[]", line)[0]) for line in lines if line and not line.startswith("#")}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found
