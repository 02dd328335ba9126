"""Conditions of a runbook as formulas: what ``when`` and ``where`` say, over facts that fit each other.

Understood are comparisons of a name with a constant, lists of constants, names that count as true, ``and``, ``or``, ``not`` and
``if``. Anything else is a fact of its own, which may be so or not. The same name means the same wherever its value cannot have
changed in between: one item's fields, a step's results once it has ended, inputs. What may have changed is never the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from jinja2 import Environment, nodes

from engine.language.template_names import chain_of, whole_expression
from engine.model.gate import Form
from engine.model.inventory import Inventory
from engine.model.run import ItemStatus
from engine.model.runbook import Block, Input, Runbook, Step, is_compensation
from engine.planning.lint.formula import Fact, Formula, both, either, facts_in, implies, negated
from engine.planning.results import Directory

_RAN_WELL = frozenset(s.value for s in (
    ItemStatus.CHANGED, ItemStatus.UNCHANGED, ItemStatus.RAN, ItemStatus.PROVED, ItemStatus.PASSED,
))
_TELLING = ("ok", "changed", "outputs", "status")
_PARSER = Environment(autoescape=True)
_NAMED = ("customer", "people", "known_gaps")
"""Roots whose values stay the same in a run."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A fact that, where it holds, tells how a step came out. ``kind``: ok, changed, outputs or status; ``of_all``: told over all
    items of a step and not of one."""

    fact: Fact
    step: str
    kind: str
    of_all: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a condition stands."""

    address: str
    block: Block | None

    @property
    def phase(self) -> str:
        return self.block.phase if self.block is not None else ""

    @property
    def items(self) -> str | None:
        return self.block.fan_out.for_each if self.block is not None else None


@dataclass(slots=True)
class Conditions:
    """Reads the conditions of one runbook. With an inventory it knows which variables items have of their own."""

    runbook: Runbook
    inventory: Inventory | None = None
    evidence: dict[Fact, Evidence] = field(default_factory=dict)
    """Of all that was read so far."""
    _directory: Directory = field(init=False)
    _blocks: dict[str, Block] = field(init=False)
    _steps: dict[str, Step] = field(init=False)
    _read: dict[tuple[str, bool], Formula] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._directory = Directory(self.runbook)
        self._blocks = {step.address: block for block in self.runbook.every_block() for step in block.steps}
        self._steps = {step.address: step for step in self.runbook.every_step()}

    def block_of(self, step: str) -> Block:
        """The block a step stands in."""
        return self._blocks[step]

    def runs(self, step: str, *, picked: bool = True) -> Formula:
        """When a step runs, once it is reached. ``picked``: whether its ``where`` counts, by which items are picked."""
        key = (step, picked)
        if key not in self._read:
            block, when = self._blocks[step], self._steps[step].when
            place = _Place(step, block)
            where = block.fan_out.where if picked else None
            self._read[key] = both(*(self._formula(text, place) for text in (where, when) if text is not None))
        return self._read[key]

    def of_rule(self, expression: str) -> Formula:
        """A condition of the runbook as a whole."""
        return self._formula(expression, _Place("", None))

    def known(self, about: Iterable[Fact]) -> Formula:
        """What is known of facts: a step that tells of a result has run, and names that have few values have one of them."""
        rules: list[Formula] = []
        facts = list(dict.fromkeys(about))
        for fact in facts:  # grows: what a step's results tell is told by facts of its own condition
            rule = self._of_results(fact)
            rules.append(rule)
            facts += [other for other in dict.fromkeys(facts_in(rule)) if other not in facts]
        for name, of_name in _by_name(facts).items():
            rules += self._of_values(name, of_name)
        return both(*rules)

    # ------------------------------------------------------------ what is known

    def _of_results(self, fact: Fact) -> Formula:
        told = self.evidence.get(fact)
        if told is None or told.kind == "ok":
            return True
        ran = self.runs(told.step)
        if told.of_all and any("[" in other.name or other.test == "any" for other in facts_in(ran)):
            return True  # some item ran: it need not be the one that is looked at
        return implies(fact, ran)

    def _of_values(self, name: str, facts: Sequence[Fact]) -> Iterator[Formula]:
        domain = self._domain(name)
        if domain is None:
            return
        values, always, words = domain
        yield from (negated(fact) for fact in facts if fact.test == "is" and fact.value not in values)
        if always is not False:
            yield implies(always, either(*(Fact(name, "is", value, words) for value in values)))

    def _domain(self, name: str) -> tuple[tuple[object, ...], Formula, str] | None:
        """The values a name may have, and when it surely has one of them."""
        root, _, rest = name.partition(".")
        if root == "inputs" and rest in self.runbook.inputs:
            values = _choices(self.runbook.inputs[rest])
            return None if values is None else (values, True, name)
        step, _, output = rest.partition(".outputs.")
        gate = self._steps[step].gate if root == "steps" and step in self._steps else None
        if not isinstance(gate, Form) or "." in output or "[" in output:
            return None
        asked = gate.schema.get("properties", {}).get(output, {})
        values = tuple(asked["enum"]) if "enum" in asked else (True, False) if asked.get("type") == "boolean" else None
        if values is None or not all(isinstance(value, str | int | float | bool | None) for value in values):
            return None
        return values, self.runs(step) if output in gate.schema.get("required", ()) else False, f"steps.{step}.outputs.{output}"

    # ------------------------------------------------------------ reading

    def _formula(self, expression: str, place: _Place) -> Formula:
        node = whole_expression(_PARSER.parse("{{ " + expression.rstrip("\n") + " }}"))
        return True if node is None else self._truth(node, place)

    def _truth(self, node: nodes.Node, place: _Place) -> Formula:
        if isinstance(node, nodes.And):
            return both(self._truth(node.left, place), self._truth(node.right, place))
        if isinstance(node, nodes.Or):
            return either(self._truth(node.left, place), self._truth(node.right, place))
        if isinstance(node, nodes.Not):
            return negated(self._truth(node.node, place))
        if isinstance(node, nodes.Const):
            return bool(node.value)
        if isinstance(node, nodes.CondExpr) and node.expr2 is not None:
            test = self._truth(node.test, place)
            return either(both(test, self._truth(node.expr1, place)), both(negated(test), self._truth(node.expr2, place)))
        if isinstance(node, nodes.Compare):
            return self._compared(node, place)
        chain = chain_of(node)
        return self._opaque(node, place) if chain is None else self._fact(chain, place, "true", None, node)

    def _compared(self, node: nodes.Compare, place: _Place) -> Formula:
        if len(node.ops) != 1:
            return self._opaque(node, place)
        left, operator, right = node.expr, node.ops[0].op, node.ops[0].expr
        if operator in ("eq", "ne") and isinstance(left, nodes.Const):
            left, right = right, left
        chain, values = chain_of(left), _constants(right, operator)
        if chain is None or values is None:
            return self._opaque(node, place)
        found = either(*(self._fact(chain, place, "is", value, node) for value in values))
        return negated(found) if operator in ("ne", "notin") else found

    def _fact(self, chain: list[str], place: _Place, test: str, value: object, node: nodes.Node) -> Formula:
        if chain == ["run", "cancelled"] and test == "true":
            return is_compensation(place.address)
        name = self._name(chain, place)
        if name is None:
            return self._opaque(node, place)
        fact = Fact(name, "is" if test == "is" else "true", value, ".".join(chain))
        self._note_evidence(fact, chain, place)
        return fact

    def _name(self, chain: list[str], place: _Place) -> str | None:
        """What a name means here, the same for the same; None where that is not sure."""
        root, *fields = chain
        if root == "vars" and fields:
            root, *fields = fields
        if root == "steps" and len(fields) > 1:
            step = self._directory.find(fields[0], place.phase)
            return None if step is None else ".".join(["steps", step.address, *fields[1:]]) + self._item_of(step, place)
        if root == "inputs" or root in self.runbook.inputs:
            return ".".join(["inputs", *(fields if root == "inputs" else [root, *fields])])
        if root == "item":
            return f"{'.'.join(chain)}[{place.items}]"
        if root == "run":
            return None if "counts" in fields else ".".join(chain)
        if root in _NAMED:
            return ".".join(chain)
        own = f"[{place.items}]" if place.items is not None and self._items_may_have(root, place.items) else ""
        return ".".join(["vars", root, *fields]) + own

    def _item_of(self, step: Step, place: _Place) -> str:
        items = self._blocks[step.address].fan_out.for_each
        if items is None:
            return ""
        return f"[{items}]" if items == place.items else "[*]"

    def _items_may_have(self, variable: str, items: str) -> bool:
        collection = self.inventory.collections.get(items) if self.inventory is not None else None
        if collection is None:
            return True
        own = (item.fields.get("vars") for item in collection.items)
        return any(variable in found for found in own if isinstance(found, dict))

    def _note_evidence(self, fact: Fact, chain: list[str], place: _Place) -> None:
        if chain[0] != "steps" or len(chain) < 3:
            return
        step = self._directory.find(chain[1], place.phase)
        kind = chain[2]
        if step is None or kind not in _TELLING or (kind == "status" and fact.value not in _RAN_WELL):
            return
        if fact.test == "is" and kind in ("ok", "changed") and not fact.value:
            return
        self.evidence[fact] = Evidence(fact, step.address, kind, fact.name.endswith("[*]"))

    def _opaque(self, node: nodes.Node, place: _Place) -> Fact:
        """Something that may be so or not: the same for the same words at places that see the same."""
        chains = list(_chains(node))
        changes = any(chain[:1] == ["run"] or chain[:1] == ["steps"] for chain in chains) or any(node.find_all(nodes.Call))
        where = place.address if changes else f"{place.items}" if any(c[0] not in self.runbook.inputs for c in chains) else ""
        return Fact(f"{node!r} at {where}", words=spelled(node))


def _by_name(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = {}
    for fact in facts:
        found.setdefault(fact.name, []).append(fact)
    return found


def _choices(spec: Input) -> tuple[object, ...] | None:
    """All values an input may have; None when there is no end to them."""
    values = spec.choices or ((True, False) if spec.type == "boolean" else ())
    if not values:
        return None
    return values if spec.required or spec.default is not None else (*values, None)


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
