"""Conditions taken apart: each part a condition of its own, by the same rules as the whole."""

from __future__ import annotations

import pytest

from engine.language.templates import Operand, Templates
from engine.language.yaml_reader import parse_yaml

CONTEXT = {"item": {"kind": "branch", "size": 12, "note": ""}, "region": "north"}


def taken_apart(expression: str) -> Operand:
    document = parse_yaml(f"when: >-\n  {expression}\n", "r.yml")
    return Templates().compile_operands(expression, document.source, ("when",))


def shape(operand: Operand) -> object:
    """Words of a leaf; the join and its parts of anything else."""
    return (operand.joined, *map(shape, operand.parts)) if operand.parts else operand.words


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("item.kind == 'branch'", "item.kind == 'branch'"),
        ("a and b and c", ("and", "a", "b", "c")),
        ("a and (b or not c)", ("and", "a", ("or", "b", ("not", "c")))),
        ("not (a and b)", ("not", ("and", "a", "b"))),
        ("'x' if a else b", "'x' if a else b"),
        ("item.size > 10 and region in ['north', 'south']", ("and", "item.size > 10", "region in ['north', 'south']")),
        ("true", "true"),
    ],
)
def test_and_or_and_not_are_taken_apart_and_nothing_else(expression: str, parts: object) -> None:
    """What is joined three times is three parts; what is one value stays one."""
    assert shape(taken_apart(expression)) == parts


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("item.kind == 'branch' and item.size > 10 and not item.note", [True, True, False]),
        ("region == 'south' or item.size < 10", [False, False]),
        ("item.note", [False]),
    ],
)
def test_each_part_is_judged_alone(expression: str, holds: list[bool]) -> None:
    """Also those that the whole would not come to any more."""

    def leaves(operand: Operand) -> list[Operand]:
        return [leaf for part in operand.parts for leaf in leaves(part)] if operand.parts else [operand]

    assert [leaf.condition.holds(CONTEXT) for leaf in leaves(taken_apart(expression))] == holds
