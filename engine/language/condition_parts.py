"""The parts of a condition: what it compares with what, and how that is joined. For those who reason about conditions.

Told apart are comparisons of a name with a constant, lists of constants, names that count as true, ``and``, ``or``, ``not`` and
``if``. Anything else is unknown, and only its words and the names in it are told.
"""

from __future__ import annotations

from collections.abc import Iterator

from jinja2 import Environment, nodes

from engine.language.template_names import chain_of, whole_expression
from engine.model.values import dataclass

_PARSER = Environment(autoescape=True)


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that may be so or not. ``identity``: the same for the same expression; ``calls``: whether it calls anything."""

    identity: str
    chains: tuple[tuple[str, ...], ...]
    calls: bool
    words: str


@dataclass(frozen=True, slots=True)
class Named:
    """Whether what ``chain`` names has one of ``values``; None: whether it counts as true. ``unknown``: the same as words."""

    chain: tuple[str, ...]
    values: tuple[object, ...] | None
    unknown: Unknown


@dataclass(frozen=True, slots=True)
class Opposite:
    """``not``."""

    of: Part


@dataclass(frozen=True, slots=True)
class Joined:
    """``and`` (``every``) or ``or``."""

    every: bool
    parts: tuple[Part, ...]


Part = bool | Named | Unknown | Opposite | Joined


def parts_of(expression: str) -> Part:
    """Of a ``when`` or ``where`` that is free of syntax errors."""
    node = whole_expression(_PARSER.parse("{{ " + expression.rstrip("\n") + " }}"))
    return True if node is None else _part(node)


def _part(node: nodes.Node) -> Part:
    if isinstance(node, nodes.And | nodes.Or):
        return Joined(isinstance(node, nodes.And), (_part(node.left), _part(node.right)))
    if isinstance(node, nodes.Not):
        return Opposite(_part(node.node))
    if isinstance(node, nodes.Const):
        return bool(node.value)
    if isinstance(node, nodes.CondExpr) and node.expr2 is not None:
        test = _part(node.test)
        chosen, otherwise = Joined(True, (test, _part(node.expr1))), Joined(True, (Opposite(test), _part(node.expr2)))
        return Joined(False, (chosen, otherwise))
    if isinstance(node, nodes.Compare):
        return _compared(node)
    chain = chain_of(node)
    return _unknown(node) if chain is None else Named(tuple(chain), None, _unknown(node))


def _compared(node: nodes.Compare) -> Part:
    if len(node.ops) != 1:
        return _unknown(node)
    left, operator, right = node.expr, node.ops[0].op, node.ops[0].expr
    if isinstance(left, nodes.Const) and isinstance(right, nodes.Const):
        return bool(node.as_const())
    if operator in ("eq", "ne") and isinstance(left, nodes.Const):
        left, right = right, left
    chain, values = chain_of(left), _constants(right, operator)
    if chain is None or values is None:
        return _unknown(node)
    found = Named(tuple(chain), tuple(values), _unknown(node))
    return Opposite(found) if operator in ("ne", "notin") else found


def _unknown(node: nodes.Node) -> Unknown:
    calls = isinstance(node, nodes.Call) or any(node.find_all(nodes.Call))
    return Unknown(repr(node), tuple(map(tuple, _chains(node))), calls, spelled(node))


def _constants(node: nodes.Node, operator: str) -> list[object] | None:
    if operator in ("eq", "ne"):
        return [node.value] if isinstance(node, nodes.Const) else None
    if operator in ("in", "notin") and isinstance(node, nodes.List | nodes.Tuple):
        values = [item.value for item in node.items if isinstance(item, nodes.Const)]
        return values if len(values) == len(node.items) else None
    return None


def _chains(node: nodes.Node) -> Iterator[list[str]]:
    chain = chain_of(node)
    if chain is not None:
        yield chain
        return
    for child in node.iter_child_nodes():
        yield from _chains(child)


_SIGNS = {"eq": "==", "ne": "!=", "gt": ">", "gteq": ">=", "lt": "<", "lteq": "<=", "in": "in", "notin": "not in"}


def spelled(node: nodes.Node) -> str:
    """An expression roughly as it was written; what is rare is three dots."""
    chain = chain_of(node)
    if chain is not None:
        return ".".join(chain)
    if isinstance(node, nodes.Const):
        return repr(node.value)
    if isinstance(node, nodes.Compare):
        return " ".join([spelled(node.expr), *(f"{_SIGNS[op.op]} {spelled(op.expr)}" for op in node.ops)])
    if isinstance(node, nodes.List | nodes.Tuple):
        return f"[{', '.join(map(spelled, node.items))}]"
    if isinstance(node, nodes.Filter) and node.node is not None:
        given = f"({', '.join(map(spelled, node.args))})" if node.args else ""
        return f"{spelled(node.node)} | {node.name}{given}"
    if isinstance(node, nodes.Test):
        return f"{spelled(node.node)} is {node.name}"
    if isinstance(node, nodes.Call):
        return f"{spelled(node.node)}(...)"
    return "..."
