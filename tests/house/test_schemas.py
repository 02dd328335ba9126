"""The schemas are sound, fresh and pointed to, and what ships keeps to them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from engine.cli.schema import action_schemas
from tests.support.cli import in_process

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = sorted((ROOT / "schemas").rglob("*.json"))
RUNBOOKS = sorted((ROOT / "runbooks").glob("*.yml"))
INVENTORIES = sorted(path.parent for path in (ROOT / "inventories").glob("*/inventory.yml"))
MADE_FOR = {
    "hosted-pbx-cutover": ("example-dental",), "saas-to-local": ("example-firm", "--set", "case=C-1042"),
    "saas-to-virtual-office": ("example-firm-vo", "--set", "case=C-2077"),
}
"""Runbook -> the customer that ships for it, and what it asks for."""
_POINTER = re.compile(r"^# yaml-language-server: \$schema=(\S+)$", re.MULTILINE)


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_a_schema_is_json_schema_2020_12(path: Path) -> None:
    """Editors refuse what is not, without a word."""
    schema = json.loads(path.read_text(encoding="utf-8"))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


def test_schemas_of_actions_are_those_the_arguments_make() -> None:
    """A stale schema would have an editor offer what apply refuses. To refresh: make generated."""
    written = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "schemas" / "actions").glob("*.json")}
    assert written == action_schemas()


@pytest.mark.parametrize("path", [*RUNBOOKS, *(folder / "inventory.yml" for folder in INVENTORIES)], ids=lambda p: p.parent.name)
def test_what_ships_points_editors_to_its_schema(path: Path) -> None:
    """The first line leads to a file that is there, also from a project that init made."""
    found = _POINTER.match(path.read_text(encoding="utf-8"))
    assert found is not None, f"{path} does not begin with a yaml-language-server line"
    assert (path.parent / found[1]).resolve() in SCHEMAS


def test_every_setting_that_is_asked_for_may_be_written() -> None:
    """An action or the lab that asks a connection for a setting the schema refuses would never get it."""
    schema = json.loads((ROOT / "schemas" / "inventory.json").read_text(encoding="utf-8"))
    kinds = schema["$defs"]["connection"]["properties"]["type"]["enum"]
    known = {name for kind in kinds for name in schema["$defs"]["ssh" if kind == "sftp" else kind]["properties"]}
    asked: set[str] = set()
    for path in (ROOT / "engine" / "actions").rglob("*.py"):
        asked |= set(re.findall(r"""\.setting\([^"'()]*["'](\w+)["']""", path.read_text(encoding="utf-8")))
    for kept in re.findall(r"_kept\(connection, ([^)]*)\)", (ROOT / "engine" / "lab" / "overlay.py").read_text(encoding="utf-8")):
        asked |= set(re.findall(r'"(\w+)"', kept))
    assert {"from", "domain", "forward_url", "redirect_all"} <= asked
    assert asked <= known


def test_every_runbook_and_every_customer_that_ships_has_its_counterpart() -> None:
    """An example that nothing can be tried with teaches nothing."""
    assert set(MADE_FOR) == {path.stem for path in RUNBOOKS}
    assert {customer for customer, *_ in MADE_FOR.values()} == {path.name for path in INVENTORIES}


@pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda path: path.stem)
def test_every_runbook_is_valid_for_the_customer_that_ships_for_it(runbook: Path) -> None:
    """Without an error and without a warning: an example with warnings teaches to ignore them."""
    customer, *inputs = MADE_FOR[runbook.stem]
    ended = in_process(ROOT, "validate", runbook, "-i", ROOT / "inventories" / customer, *inputs, "--output", "json").must(0)
    assert ended.json["diagnostics"] == []
