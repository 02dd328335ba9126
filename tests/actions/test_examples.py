"""The example on each action's page is true: valid without a warning, and carried out against the lab as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.actions.catalog import BUILT_IN
from engine.actions.examples import example_of
from tests.support.cli import in_process, switchover

_SECRETS = dict.fromkeys(("LINE_101", "LINE_102"), "secret-of-the-example")
"""Items' secrets, which the lab's phones register with. Those of connections the lab makes itself."""


def test_every_action_has_an_example() -> None:
    """A page without one leaves the reader to guess which part goes where."""
    assert [name for name, action in BUILT_IN.items() if example_of(action) is None] == []


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_example_is_valid_and_uses_its_action(name: str, tmp_path: Path) -> None:
    """Without an error and without a warning."""
    runbook, customer = _written(name, tmp_path)
    ended = in_process(tmp_path, "validate", runbook, "-i", customer, "--output", "json").must(0)
    assert ended.json["diagnostics"] == []
    assert f"action: {name}\n" in runbook.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_example_is_carried_out_and_then_nothing_is_left_to_do(name: str, tmp_path: Path) -> None:
    """Plan, apply and plan again, against the lab."""
    runbook, customer = _written(name, tmp_path)
    try:
        switchover(tmp_path, "lab", "up", "-i", customer, env=_SECRETS).must(0)
        switchover(tmp_path, "plan", runbook, "-i", customer, "--lab", "--out", "first.plan", env=_SECRETS).must(0)
        switchover(tmp_path, "apply", "first.plan", env=_SECRETS).must(0)
        again = switchover(tmp_path, "plan", runbook, "-i", customer, "--lab", "--detailed-exitcode", env=_SECRETS).must(0)
    finally:
        switchover(tmp_path, "lab", "down")
    assert "Nothing to change" in again.text


def _written(name: str, folder: Path) -> tuple[Path, Path]:
    """The example as files in a project; gives its runbook and its customer's folder."""
    example = example_of(BUILT_IN[name])
    assert example is not None
    for path, text in example.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    runbook, inventory = example.files
    return folder / runbook, (folder / inventory).parent
