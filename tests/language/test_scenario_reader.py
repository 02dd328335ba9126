"""Scenario files: what is read of them, and what is said of one that is wrong."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from engine.language.scenario_reader import VERBS, read_scenario
from engine.language.schema_check import schema_check
from engine.language.yaml_reader import parse_yaml
from engine.model.diagnostic import InvalidInput
from engine.model.duration import Duration
from engine.project import shipped
from engine.wiring.rehearsal.acts import ACTS, TAKES_UP
from tests.support.cli import ROOT

HEAD = 'switchover_scenario: 1\nname: one\nrunbook: r.yml\ninventory: i\nstart: "2026-11-02T09:00"\n'


def scenario(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "one.yml"
    path.write_text(HEAD + text, encoding="utf-8")
    return path


def problems(tmp_path: Path, text: str) -> list[tuple[str, int, str]]:
    """Summary, line and hint of everything that is wrong."""
    with pytest.raises(InvalidInput) as raised:
        read_scenario(scenario(tmp_path, text), "one.yml")
    return [(found.summary, found.span.line if found.span else 0, found.hint) for found in raised.value.diagnostics]


def test_a_time_is_a_moment_or_since_the_start_or_since_a_gate_opened(tmp_path: Path) -> None:
    read = read_scenario(scenario(
        tmp_path,
        "people:\n  - {signal: a, at: +3 business days}\n  - {signal: b, at: \"2026-11-05\"}\n"
        "  - {gate: p/s, as: r, after: 2h, approve: true}\n  - {gate: p/s, as: r, approve: true}\n",
    ))
    assert [act.when for act in read.acts] == [
        Duration(3, "d", business=True), datetime(2026, 11, 5), Duration(2, "h"), Duration(0, "s")  # the customer's
    ]
    assert [act.is_absolute for act in read.acts] == [True, True, False, False]
    assert read.runbook == tmp_path / "r.yml"


def test_what_is_wrong_is_said_where_it_stands_and_what_was_meant(tmp_path: Path) -> None:
    misspelt = problems(tmp_path, "people:\n  - {gate: p/s, as: r, aprove: true}\n")
    assert misspelt[0] == ("Unknown key", 7, "Did you mean 'approve'?")
    assert problems(tmp_path, "crash: [{after: gate_open}]\n") == [("Unknown event", 6, "Did you mean 'gate_opened'?")]
    assert problems(tmp_path, "people:\n  - {signal: a, at: tomorrow}\n")[0][:2] == ("Not in the right form", 7)
    assert problems(tmp_path, "people:\n  - {signal: a, at: \"2026-02-30\"}\n")[0][:2] == ("No such date", 7)
    assert problems(tmp_path, "people:\n  - {signal: a, after: 2h}\n")[0][:2] == ("Cannot be told when", 7)
    assert problems(tmp_path, "people:\n  - {approve: true}\n")[0][:2] == ("Missing key", 7)
    assert problems(tmp_path, "people:\n  - {gate: p/s, as: r, approve: true, reject: no}\n")[0][1] == 7


def test_every_act_can_be_written_read_and_done() -> None:
    """A verb that only one of schema, reader and rehearsal knows would be lost."""
    forms = {key for branch in schema_check("scenario").schema["$defs"]["act"]["oneOf"] for key in branch["required"]}
    assert forms == set(VERBS) == {*ACTS, *TAKES_UP}


def test_the_scenario_of_the_page_fits_the_schema_and_every_key_is_explained() -> None:
    page = (ROOT / "docs" / "testing-runbooks.md").read_text(encoding="utf-8")
    example = page.partition("```yaml\n")[2].partition("```")[0]
    document = parse_yaml(example, "the page")
    assert schema_check("scenario").problems(document.data, document.source) == []
    for key in schema_check("scenario").schema["properties"]:
        assert f"{key}:" in page or f"`{key}" in page, key
    assert (shipped("schemas") / "scenario.json").is_file()
