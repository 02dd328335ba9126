"""Values from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.language.inputs import resolve_inputs
from engine.language.runbook_reader import load_runbook
from engine.model.diagnostic import InvalidInput
from engine.model.runbook import Runbook


@pytest.fixture(name="runbook")
def _runbook(tmp_path: Path) -> Runbook:
    path = tmp_path / "r.yml"
    path.write_text("""switchover: 1
name: r
inputs:
  ticket: {type: string, required: true, description: "The change's number."}
  count: {type: integer, default: 3}
  share: {type: number}
  sure: {type: boolean, default: false}
  site: {type: string, choices: [north, south]}
phases:
  - {name: p, steps: [{name: a, action: a.b}]}
""")
    return load_runbook(path)


def refused(runbook: Runbook, given: Mapping[str, str]) -> list[str]:
    with pytest.raises(InvalidInput) as error:
        resolve_inputs(runbook, given)
    return [f"{d.detail} {d.hint}".strip() for d in error.value.diagnostics]


def test_every_input_has_a_value_of_its_type(runbook: Runbook) -> None:
    """As given, else its default, else None; text stays as typed, leading zeros and all."""
    values = resolve_inputs(runbook, {"ticket": "0042", "count": "7", "sure": "true", "share": "0.5"})
    assert values == {"ticket": "0042", "count": 7, "share": 0.5, "sure": True, "site": None}


def test_defaults_stand_when_nothing_is_given(runbook: Runbook) -> None:
    """Only what is required has to be given."""
    assert resolve_inputs(runbook, {"ticket": "x"}) == {"ticket": "x", "count": 3, "share": None, "sure": False, "site": None}


def test_all_that_is_wrong_is_said_at_once(runbook: Runbook) -> None:
    """Unknown, missing, ill-typed and outside the choices, each with what to write."""
    assert refused(runbook, {"tikcet": "x", "count": "many", "share": "nan", "sure": "maybe", "site": "east"}) == [
        "The runbook r asks for no input 'tikcet' (--set tikcet=...). It asks for 'ticket', 'count', 'share', 'sure', 'site'. "
        "Did you mean 'ticket'?",
        "'ticket' must be given: --set ticket=VALUE. The change's number.",
        "count=many is given, but it must be a whole number.",
        "share=nan is given, but it must be a number.",
        "sure=maybe is given, but it must be true or false.",
        "site=east is given, but it must be one of north, south.",
    ]
