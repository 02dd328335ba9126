"""What a schema refuses, in words."""

from __future__ import annotations

from typing import Any

import pytest

from engine.language.schema_check import SchemaCheck, schema_check, spell
from engine.language.yaml_reader import parse_yaml
from engine.model.diagnostic import Diagnostic


def found(schema: dict[str, Any], text: str) -> list[Diagnostic]:
    document = parse_yaml(text, "f.yml")
    return SchemaCheck.of(schema).problems(document.data, document.source)


def only(schema: dict[str, Any], text: str) -> Diagnostic:
    (diagnostic,) = found(schema, text)
    return diagnostic


CLOSED = {
    "type": "object", "required": ["name"], "additionalProperties": False,
    "properties": {"name": {"type": "string", "description": "What it is called."}, "tags": {"type": "array"}},
}


def test_an_unknown_key_is_pointed_at_itself() -> None:
    """Not at its value: the key is what is wrong."""
    problem = only(CLOSED, "name: x\ntag: [a]\n")
    assert (problem.summary, str(problem.span), problem.line, problem.hint) == (
        "Unknown key", "f.yml:2:1", "tag: [a]", "Did you mean 'tags'?",
    )


def test_a_misspelt_key_is_one_problem() -> None:
    """``nmae`` is not also a missing ``name``."""
    assert [d.summary for d in found(CLOSED, "nmae: x\n")] == ["Unknown key"]


def test_a_missing_key_says_what_it_is_for() -> None:
    """The schema's description helps to fill it in."""
    assert only(CLOSED, "tags: []\n").detail == "'name' must be given at the top of this file: What it is called."


@pytest.mark.parametrize(("schema", "text", "detail"), [
    ({"type": "array"}, "a: x", "A list is needed, not text 'x'."),
    ({"type": "string"}, "a: [x]", "Text is needed, not a list."),
    ({"type": "integer"}, "a: '16'", "A whole number is needed, not text '16'."),
    ({"type": ["integer", "string"]}, "a: true", "A whole number or text is needed, not true."),
    ({"type": ["object", "null"]}, "a: 1.5", "A mapping is needed, not the number 1.5."),
    ({"type": "boolean"}, "a: no", "True or false is needed, not text 'no'."),
    ({"type": "string"}, "a:", "Text is needed, not nothing."),
    ({"anyOf": [{"type": "integer"}, {"type": "array"}]}, "a: x", "A whole number or a list is needed, not text 'x'."),
    ({"enum": ["mon", "tue"]}, "a: tues", "Text 'tues' is not one of mon, tue."),
    ({"const": 1}, "a: 2", "It must be 1, not the number 2."),
    ({"minimum": 1}, "a: 0", "0 is given, but it must be at least 1."),
    ({"maximum": 5}, "a: 6", "6 is given, but it must be at most 5."),
    ({"exclusiveMinimum": 0}, "a: 0", "0 is given, but it must be more than 0."),
    ({"minItems": 1}, "a: []", "At least one entry must stand here; this is empty."),
    ({"uniqueItems": True}, "a: [x, y, x]", "Text 'x' already stands in this list."),
    ({"pattern": "^b$", "patternErrorMessage": "Write b."}, "a: c", "'c' is not in the right form. Write b."),
    ({"dependentRequired": {"x": ["y"]}}, "a: {x: 1}", "'x' only means something together with 'y', which is not given."),
    ({"multipleOf": 2}, "a: 1", "1 is not a multiple of 2."),
])
def test_each_refusal_says_what_is_needed_and_what_was_found(schema: dict[str, Any], text: str, detail: str) -> None:
    """In the words of YAML, not of JSON Schema."""
    assert only({"properties": {"a": schema}}, text).detail == detail


def test_of_several_forms_the_one_that_was_meant_is_explained() -> None:
    """A mapping with one wrong key is measured against the mapping, not told to be a string."""
    schema = {"properties": {"a": {"anyOf": [{"type": "string"}, CLOSED]}}}
    problem = only(schema, "a: {name: x, tagz: []}")
    assert (problem.summary, problem.hint) == ("Unknown key", "Did you mean 'tags'?")


def test_problems_inside_a_part_stand_where_the_part_stands() -> None:
    """One item of a file can be checked alone, with its place in the file."""
    document = parse_yaml("items:\n- {name: ok}\n- {name: 5}\n", "f.yml")
    assert isinstance(document.data, dict)
    item = document.data["items"][1]
    (problem,) = SchemaCheck.of(CLOSED).problems(item, document.source, ("items", 1))
    assert (str(problem.span), problem.detail) == ("f.yml:3:10", "Text is needed, not the number 5.")


def test_names_that_a_pattern_refuses_are_called_bad_names() -> None:
    """For mappings from names people choose."""
    schema = {"patternProperties": {"^[a-z]+$": {}}, "additionalProperties": False, "nameErrorMessage": "use small letters"}
    problem = only(schema, "Ab: 1")
    assert (problem.summary, problem.detail) == ("Bad name", "'Ab' cannot be a name here: use small letters.")


def test_long_text_is_not_quoted_whole() -> None:
    """A pasted page does not drown the message."""
    assert spell("x" * 500) == f"text '{'x' * 57}...'"


def test_every_part_of_the_runbook_schema_is_described() -> None:
    """Editors show descriptions while one types; a key without one is a key nobody explains."""
    schema = schema_check("runbook").schema
    groups = [schema, *schema["$defs"].values()]
    missing = [name for group in groups for name, entry in group.get("properties", {}).items() if not _described(entry, schema)]
    assert missing == []


def _described(entry: dict[str, Any], schema: dict[str, Any]) -> bool:
    target = schema["$defs"].get(entry.get("$ref", "").rpartition("/")[2], {})
    return "description" in entry or "description" in target


def test_what_only_other_answers_admit_is_said_to_be_left_out() -> None:
    """A form that asks for something under a condition forbids it otherwise: ``seats: {not: {}}``."""
    schema = {
        "type": "object", "properties": {"route": {"enum": ["local", "office"]}, "seats": {"type": "integer"}},
        "if": {"properties": {"route": {"const": "office"}}}, "then": {"required": ["seats"]},
        "else": {"properties": {"seats": {"not": {}}}},
    }
    problem = only(schema, "route: local\nseats: 2\n")
    assert (problem.summary, problem.detail) == (
        "Does not belong here", "'seats' does not go with what else is given: leave it out.",
    )
    assert found(schema, "route: office\nseats: 2\n") == []
