"""What an editor completes and marks while a runbook is written."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from engine.cli.schema import generated_schemas
from engine.language.yaml_reader import read_yaml
from engine.project import shipped

SCHEMAS = shipped("schemas")
RUNBOOK = Path(__file__).resolve().parents[2] / "runbooks" / "hosted-pbx-cutover.yml"


@pytest.fixture(scope="module")
def editor() -> Draft202012Validator:
    base = "https://example.test/schemas/"
    files = [SCHEMAS / "editor.json", *sorted((SCHEMAS / "actions").glob("*.json"))]
    resources = [
        (base + file.relative_to(SCHEMAS).as_posix(), DRAFT202012.create_resource(json.loads(file.read_text()))) for file in files
    ]
    registry: Registry[Any] = Registry().with_resources(resources)
    return Draft202012Validator({"$ref": base + "editor.json"}, registry=registry)


def messages(editor: Draft202012Validator, runbook: object) -> list[str]:
    return [error.message for error in editor.iter_errors(runbook)]


def test_the_shipped_runbook_is_fine_in_an_editor(editor: Draft202012Validator) -> None:
    """No red line in the file people start from."""
    assert messages(editor, read_yaml(RUNBOOK).data) == []


def test_a_wrong_argument_is_marked_where_it_stands(editor: Draft202012Validator) -> None:
    """Arguments of the step's own action, in a lane too."""
    data = copy.deepcopy(read_yaml(RUNBOOK).data)
    assert isinstance(data, dict)
    lanes = data["phases"][1]["steps"][0]["steps"]
    lanes[0]["with"]["mack"] = lanes[0]["with"].pop("mac")
    found = " ".join(messages(editor, data))
    assert "mack" in found
    assert "'mac' is a required property" in found


def test_an_action_from_another_package_is_accepted(editor: Draft202012Validator) -> None:
    """Its arguments are not known here, and not judged."""
    data = copy.deepcopy(read_yaml(RUNBOOK).data)
    assert isinstance(data, dict)
    data["phases"][0]["steps"][0]["action"] = "acme.thing"
    assert messages(editor, data) == []


def test_the_editor_schema_is_fresh() -> None:
    """Generated from the declarations; `make schemas` writes it."""
    assert (SCHEMAS / "editor.json").read_text(encoding="utf-8") == generated_schemas()["editor.json"]


ACTIONS = sorted((SCHEMAS / "actions").glob("*.json"))
WRITTEN = [*(SCHEMAS / f"{name}.json" for name in ("editor", "inventory", "scenario")), *ACTIONS]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_every_key_says_what_it_is_when_one_points_at_it(path: Path) -> None:
    """A description of its own, or that of what it refers to: what an editor shows beside completion, and on hovering."""
    schema = json.loads(path.read_text(encoding="utf-8"))
    assert list(_undescribed(schema, schema, "")) == []


def _undescribed(part: object, root: Any, at: str) -> Iterator[str]:
    if isinstance(part, dict):
        for name, entry in part.get("properties", {}).items():
            if not _is_described(entry, root):
                yield f"{at}/{name}"
        # What stands under "if" asks about keys, and tells nobody of them.
        for key, inner in part.items():
            if key != "if":
                yield from _undescribed(inner, root, f"{at}/{key}")
    elif isinstance(part, list):
        for index, inner in enumerate(part):
            yield from _undescribed(inner, root, f"{at}/{index}")


def _is_described(entry: Any, root: Any) -> bool:
    if not isinstance(entry, dict) or entry.get("description"):
        return True
    file, _, pointer = str(entry.get("$ref", "")).partition("#")
    if file:
        return bool(json.loads((SCHEMAS / file).read_text(encoding="utf-8"))["description"])
    found = root
    for part in pointer.split("/")[1:]:
        found = found[part]
    return found is not root and bool(found.get("description"))
