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
  pin: {type: secret}
  key: {type: secret, default: "env:KEY"}
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
    assert values == {
        "ticket": "0042", "count": 7, "share": 0.5, "sure": True, "site": None, "pin": None, "key": "env:KEY",
    }


def test_defaults_stand_when_nothing_is_given(runbook: Runbook) -> None:
    """Only what is required has to be given."""
    found = resolve_inputs(runbook, {"ticket": "x"})
    assert found == {"ticket": "x", "count": 3, "share": None, "sure": False, "site": None, "pin": None, "key": "env:KEY"}


def test_files_are_checked_without_what_is_given_later(runbook: Runbook) -> None:
    """What is given is checked, what is not given is not missed."""
    assert resolve_inputs(runbook, {"count": "7"}, all_given=False) == {"count": 7}
    with pytest.raises(InvalidInput):
        resolve_inputs(runbook, {"count": "many"}, all_given=False)


def test_all_that_is_wrong_is_said_at_once(runbook: Runbook) -> None:
    """Unknown, missing, ill-typed and outside the choices, each with what to write."""
    assert refused(runbook, {"tikcet": "x", "count": "many", "share": "nan", "sure": "maybe", "site": "east"}) == [
        "The runbook r asks for no input 'tikcet' (--set tikcet=...). It asks for 'ticket', 'count', 'share', 'sure', "
        "'site', 'pin', 'key'. Did you mean 'ticket'?",
        "'ticket' must be given: --set ticket=VALUE. The change's number.",
        "count=many is given, but it must be a whole number.",
        "share=nan is given, but it must be a number.",
        "sure=maybe is given, but it must be true or false.",
        "site=east is given, but it must be one of north, south.",
    ]


def test_a_secret_is_kept_as_the_reference_to_it(runbook: Runbook) -> None:
    """Of any store; what it refers to is nobody's business here."""
    values = resolve_inputs(runbook, {"ticket": "x", "pin": "file:pins.yml#door", "key": "vault:secret/carrier#api_key"})
    assert (values["pin"], values["key"]) == ("file:pins.yml#door", "vault:secret/carrier#api_key")


@pytest.mark.parametrize("literal", ["4711", "hunter2", "", "http://x"])
def test_a_secret_written_out_is_refused_without_being_repeated(runbook: Runbook, literal: str) -> None:
    (told,) = refused(runbook, {"ticket": "x", "pin": literal})
    assert "shell's history" in told and "--set pin=env:NAME" in told
    assert not literal or literal not in told


def test_a_secret_that_is_required_and_not_given_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "r.yml"
    step = "phases:\n  - {name: p, steps: [{name: a, action: a.b}]}\n"
    path.write_text(f"switchover: 1\nname: r\ninputs: {{pin: {{type: secret, required: true}}}}\n{step}")
    assert resolve_inputs(load_runbook(path), {}) == {"pin": "ask:pin"}


@pytest.mark.parametrize(
    ("declared", "summary"),
    [("{type: secret, default: hunter2}", "Secret written out"), ('{type: secret, choices: ["env:A"]}', "Choices of a secret")],
)
def test_a_runbook_holds_no_secret_of_an_input(tmp_path: Path, declared: str, summary: str) -> None:
    path = tmp_path / "r.yml"
    step = "phases:\n  - {name: p, steps: [{name: a, action: a.b}]}\n"
    path.write_text(f"switchover: 1\nname: r\ninputs:\n  pin: {declared}\n{step}")
    with pytest.raises(InvalidInput) as error:
        load_runbook(path)
    (found,) = error.value.diagnostics
    assert found.summary == summary
    assert "hunter2" not in f"{found.detail} {found.line}"
