"""The hooks for pre-commit: each is a command there is, and is given the files that are meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from engine.language.yaml_reader import read_yaml
from tests.support.cli import ROOT, in_process
from tests.support.project import project_at

_READ: Any = read_yaml(ROOT / ".pre-commit-hooks.yaml").data
HOOKS: dict[str, dict[str, Any]] = {hook["id"]: hook for hook in _READ}
RUNBOOKS = {"runbooks/hosted-pbx-cutover.yml", "clients/runbooks/x.yml"}
OTHERS = {"inventories/example-dental/inventory.yml", "inventories/a/secrets/lines.yaml", "tests/scenarios/plain.yml"}
NOT_OURS = {"mkdocs.yml", ".github/workflows/ci.yml", "inventories/a/phones.csv", "runbooks/README.md"}


@pytest.mark.parametrize(("hook", "meant"), [
    ("switchover-validate", RUNBOOKS), ("switchover-lint", RUNBOOKS), ("switchover-fmt", RUNBOOKS | OTHERS),
])
def test_a_hook_is_given_the_files_it_is_for(hook: str, meant: set[str]) -> None:
    """pre-commit searches each changed path for the pattern."""
    assert {path for path in RUNBOOKS | OTHERS | NOT_OURS if re.search(HOOKS[hook]["files"], path)} == meant


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_takes_several_files_at_once(tmp_path: Path, hook: str) -> None:
    """pre-commit adds all of them to the entry; one process looks at them."""
    folder = project_at(tmp_path, ROOT / "runbooks" / "hosted-pbx-cutover.yml")
    first = folder.root / "runbooks" / "hosted-pbx-cutover.yml"
    (folder.root / "runbooks" / "second.yml").write_text(first.read_text(encoding="utf-8"), encoding="utf-8")
    program, *words = str(HOOKS[hook]["entry"]).split()
    assert program == "switchover"
    told = in_process(folder.root, *words, "runbooks/hosted-pbx-cutover.yml", "runbooks/second.yml").must(0)
    assert "ok" in told.text


def test_every_hook_stands_for_one_command() -> None:
    """And installs itself as any Python hook."""
    assert {hook["entry"] for hook in HOOKS.values()} == {f"switchover {name}" for name in ("validate", "lint", "fmt")}
    assert {hook["language"] for hook in HOOKS.values()} == {"python"}
